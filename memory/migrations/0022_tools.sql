-- Versions of tools as somebody has registered them; which ones a process can run, its own code says.
CREATE TABLE resprout.tools (
    name text NOT NULL,
    version text NOT NULL,
    digest text NOT NULL,                -- of what must not change within a version
    manifest json NOT NULL,
    source text NOT NULL,                -- built-in, plugin:…, mcp:…, openapi:…, manifest:…
    deprecated text,                     -- why, and what to use instead
    registered_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (name, version)
);

-- Where tools come from that are no code of ours: how to reach them again, in any process.
CREATE TABLE resprout.tool_sources (
    source text PRIMARY KEY,
    kind text NOT NULL,
    origin json NOT NULL,                -- what the importer of this kind needs; secrets by reference
    added_by text NOT NULL,
    added_at timestamptz NOT NULL DEFAULT now()
);

-- Every call of a tool: the intent before it, the outcome after it.
CREATE TABLE resprout.effects (
    key text PRIMARY KEY,                -- run and step: the same however often the step is tried
    tenant text NOT NULL,
    run text NOT NULL,
    step text NOT NULL,
    tool text NOT NULL,
    version text NOT NULL,
    source text NOT NULL,
    contract text NOT NULL CHECK (contract IN ('safe-to-retry', 'keyed', 'at-most-once')),
    chain text[] NOT NULL,               -- on whose behalf, whose will it is first, who acts last
    arguments json NOT NULL,             -- secrets by reference
    digest text NOT NULL,                -- of tool, version and arguments
    state text NOT NULL DEFAULT 'intended' CHECK (state IN ('intended', 'done', 'failed', 'in-doubt', 'again')),
    owner uuid NOT NULL,                 -- the attempt that works on it
    attempts integer NOT NULL DEFAULT 1,
    agains integer NOT NULL DEFAULT 0,   -- how often a person had it done again
    intended_at timestamptz NOT NULL DEFAULT now(),
    tried_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    result json,                         -- of `done`
    error_type text,                     -- of `failed`
    error text,                          -- of `failed`; of `in-doubt`, what is known
    resolved_by text,                    -- who said what became of one that was in doubt
    resolution text
);

CREATE INDEX effects_of_a_tool ON resprout.effects (tenant, tool, intended_at);
CREATE INDEX effects_of_a_run ON resprout.effects (run, intended_at);
CREATE INDEX effects_unsettled ON resprout.effects (intended_at) WHERE state IN ('intended', 'in-doubt', 'again');
CREATE INDEX effects_by_age ON resprout.effects (intended_at);

-- What waits for a person, or waited: a call of a tool, or a task of a flow.
CREATE TABLE resprout.approvals (
    id text PRIMARY KEY,                 -- the key of the effect, or run and task
    kind text NOT NULL CHECK (kind IN ('tool', 'task')),
    tenant text NOT NULL,
    run text NOT NULL,
    task text NOT NULL,
    title text NOT NULL,
    chain text[] NOT NULL,               -- who asks
    who text[] NOT NULL,                 -- who may answer; empty: everybody who may answer approvals
    tool text,
    version text,
    arguments json,                      -- as asked; secrets by reference
    digest text,                         -- of tool, version and arguments: the answer is for these alone
    shown json,
    reasons text[] NOT NULL DEFAULT '{}',
    form json NOT NULL DEFAULT '{}',
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'approved', 'rejected', 'expired', 'withdrawn')),
    asked_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    answered_at timestamptz,
    answered_by text,
    comment text NOT NULL DEFAULT '',
    edited json,                         -- the arguments that were approved instead
    used_at timestamptz                  -- when the approved call began: it is good for one
);

CREATE INDEX approvals_pending ON resprout.approvals (asked_at) WHERE state = 'pending';

-- How often somebody may call something, beside the rates that tools have themselves. '*' stands for each.
CREATE TABLE resprout.tool_quotas (
    tenant text NOT NULL,
    principal text NOT NULL,
    tool text NOT NULL,
    calls integer NOT NULL,
    per interval NOT NULL,
    set_by text NOT NULL,
    set_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, principal, tool)
);
