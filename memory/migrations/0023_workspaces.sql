-- Sandboxes that stay until somebody removes them or nobody uses them: a process that looks for one finds it here.
CREATE TABLE resprout.workspaces (
    id uuid PRIMARY KEY,
    tenant text NOT NULL,
    name text NOT NULL,
    owner text NOT NULL,                 -- who made it, as in ada@host: only they may reach its ports
    spec json NOT NULL,
    spec_hash bytea NOT NULL,            -- of what was asked: a name stands for one thing
    backend text NOT NULL,
    isolation text NOT NULL,
    place text NOT NULL,                 -- the engine that has it
    state text NOT NULL DEFAULT 'making' CHECK (state IN ('making', 'running', 'paused', 'gone')),
    made_at timestamptz NOT NULL DEFAULT now(),
    used_at timestamptz NOT NULL DEFAULT now(),  -- set anew by every use, and while one lasts
    idle interval NOT NULL,              -- unused for so long, it goes; paused ones wait for `ends_at`
    ends_at timestamptz NOT NULL,
    gone_at timestamptz,
    gone_why text                        -- a part of a sentence
);

-- What is gone keeps its row for a while, so that whoever asks for it is told why.
CREATE UNIQUE INDEX workspaces_by_name ON resprout.workspaces (tenant, name) WHERE state <> 'gone';
CREATE INDEX workspaces_gone ON resprout.workspaces (gone_at) WHERE state = 'gone';

-- The content of a working directory, as the tar that was written in the sandbox: never unpacked outside of one.
CREATE TABLE resprout.workspace_snapshots (
    tenant text NOT NULL,
    name text NOT NULL,
    id uuid NOT NULL UNIQUE,
    workspace text NOT NULL,             -- the name of the one that it was taken of
    spec json NOT NULL,
    size bigint NOT NULL,
    taken_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, name)
);

CREATE TABLE resprout.workspace_snapshot_parts (
    snapshot uuid NOT NULL REFERENCES resprout.workspace_snapshots (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    n integer NOT NULL,
    content bytea NOT NULL,
    PRIMARY KEY (snapshot, n)
);
