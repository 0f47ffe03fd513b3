-- One row for ever: which installation has this Postgres, by whatever name and from wherever it is reached.
CREATE TABLE resprout.installation (
    id text NOT NULL DEFAULT replace(gen_random_uuid()::text, '-', ''),
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one)
);
INSERT INTO resprout.installation DEFAULT VALUES;
