-- What was run in sandboxes, by key: the record by which no code runs twice.
CREATE TABLE resprout.sandbox_runs (
    key text PRIMARY KEY,
    tenant text NOT NULL,
    spec_hash bytea NOT NULL,            -- of what was asked: a key stands for one thing
    backend text NOT NULL,
    place text NOT NULL,                 -- the machine or engine that has it
    owner uuid NOT NULL,                 -- the process that looks after it now
    state text NOT NULL DEFAULT 'intended' CHECK (state IN ('intended', 'started', 'ended', 'in-doubt')),
    intended_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    seen_at timestamptz NOT NULL DEFAULT now(),  -- the owner's last sign of life
    ended_at timestamptz,
    result json                          -- when it has ended; jsonb could not hold a NUL that a program wrote
);

-- For the list of what is under way, and for what is forgotten by age.
CREATE INDEX sandbox_runs_open ON resprout.sandbox_runs (seen_at) WHERE state IN ('intended', 'started');
CREATE INDEX sandbox_runs_by_age ON resprout.sandbox_runs (intended_at);
