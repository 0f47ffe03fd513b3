-- When a worker that has the tool said so last: it says so when it starts.
ALTER TABLE resprout.tools ADD COLUMN seen_at timestamptz;

-- Which sessions with servers from outside are open, as the workers that have them say.
CREATE TABLE resprout.tool_sessions (
    id uuid PRIMARY KEY,
    source text NOT NULL,                -- as in mcp:clock
    place text NOT NULL,                 -- the command or the host, as policy knows it
    worker text NOT NULL,                -- its process, as in 1234@host
    opened_at timestamptz NOT NULL,
    calls bigint NOT NULL,               -- that were begun in it
    called_at timestamptz,               -- when the last of them began
    seen_at timestamptz NOT NULL         -- set anew while it is open: what a killed worker left is soon out of date
);
