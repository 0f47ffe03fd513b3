-- What an agent has entered with its turns, for what grows and is not to be written anew with each state.
CREATE TABLE resprout.journal (
    kind   text   NOT NULL,
    key    text   NOT NULL,
    number bigint NOT NULL CHECK (number > 0),
    entry  text   NOT NULL,
    PRIMARY KEY (kind, key, number)
);
