-- Hosts and their leases, mailboxes, dead letters, reminders, topics, and the registry of agents.

-- One row for each life of a host process: a process that is started again is another host.
CREATE TABLE resprout.hosts (
    id           uuid        PRIMARY KEY,
    -- Its session holds the advisory lock (LOCK_CLASS, slot) while it lives: a killed one is known at once.
    slot         integer     NOT NULL GENERATED ALWAYS AS IDENTITY,
    name         text        NOT NULL,
    pool         text        NOT NULL,
    address      text        NOT NULL,
    node         text        NOT NULL,
    pid          integer     NOT NULL,
    version      text        NOT NULL,
    started_at   timestamptz NOT NULL DEFAULT now(),
    -- Renewed with every pulse. Past it, anybody may take its shards.
    lease_until  timestamptz NOT NULL,
    draining     boolean     NOT NULL DEFAULT false,
    -- Rows and bytes that wait in its memory by tenant, as of the last pulse: {"tenant": [rows, bytes]}.
    waiting      jsonb       NOT NULL DEFAULT '{}'
);

-- Agents by the hash of their address. The epoch rises with every change of hands and is checked by every write.
CREATE TABLE resprout.shards (
    id     integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    pool   text    NOT NULL,
    slot   integer NOT NULL,
    epoch  bigint  NOT NULL DEFAULT 0,
    host   uuid,
    UNIQUE (pool, slot)
) WITH (fillfactor = 50);

-- Accepted and not handled yet. A row leaves in the transaction that handles or buries its message.
CREATE TABLE resprout.mailbox (
    seq         bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    kind        text        NOT NULL,
    key         text        NOT NULL,
    message_id  uuid        NOT NULL,
    shard       integer     NOT NULL,
    -- The message as it came; its body is JSON inside the JSON.
    envelope    jsonb       NOT NULL,
    bytes       integer     NOT NULL,
    -- Whether the host that holds the shard has it in memory; false again whenever the shard changes hands.
    in_memory   boolean     NOT NULL,
    -- Turns that failed, and hosts that died while this message was at the head.
    attempts    integer     NOT NULL DEFAULT 0,
    error       text,
    due_at      timestamptz,
    accepted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, key, message_id)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX mailbox_to_collect ON resprout.mailbox (shard, seq) WHERE NOT in_memory;
CREATE INDEX mailbox_shard ON resprout.mailbox (shard);

-- Given up. Kept until replayed (then back in the mailbox with the same id) or dropped by a person.
CREATE TABLE resprout.dead_letters (
    kind        text        NOT NULL,
    key         text        NOT NULL,
    message_id  uuid        NOT NULL,
    shard       integer     NOT NULL,
    envelope    jsonb       NOT NULL,
    attempts    integer     NOT NULL,
    error       text        NOT NULL,
    accepted_at timestamptz NOT NULL,
    buried_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, key, message_id)
);

-- Agents that were set aside after poison. Removed by `resprout agent release`.
CREATE TABLE resprout.quarantined (
    kind    text        NOT NULL,
    key     text        NOT NULL,
    reason  text        NOT NULL,
    since   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, key)
);

CREATE TABLE resprout.reminders (
    kind    text        NOT NULL,
    key     text        NOT NULL,
    name    text        NOT NULL,
    shard   integer     NOT NULL,
    id      uuid        NOT NULL,
    -- The next tick. Moved on in the transaction that puts the tick into the mailbox.
    due_at  timestamptz NOT NULL,
    every   interval,
    missed  text        NOT NULL,
    type    text        NOT NULL,
    version integer     NOT NULL,
    body    text        NOT NULL,
    tenant  text        NOT NULL,
    PRIMARY KEY (kind, key, name)
);
CREATE INDEX reminders_due ON resprout.reminders (shard, due_at);

CREATE TABLE resprout.subscriptions (
    topic text    NOT NULL,
    kind  text    NOT NULL,
    key   text    NOT NULL,
    shard integer NOT NULL,
    PRIMARY KEY (topic, kind, key)
);

-- What hosts say that they can run; last_seen moves with their pulse.
CREATE TABLE resprout.kinds (
    kind        text        PRIMARY KEY,
    described   jsonb       NOT NULL,
    version     integer     NOT NULL,
    last_seen   timestamptz NOT NULL DEFAULT now()
);

-- What single agents say of themselves on top of their kind.
CREATE TABLE resprout.described_agents (
    kind        text  NOT NULL,
    key         text  NOT NULL,
    described   jsonb NOT NULL,
    PRIMARY KEY (kind, key)
);

-- The secret that callers show to hosts, made once for each database.
CREATE TABLE resprout.cluster (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    secret   text    NOT NULL
);
INSERT INTO resprout.cluster (secret) VALUES (replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''));

ALTER TABLE resprout.agents ADD COLUMN state_version integer NOT NULL DEFAULT 1;
ALTER TABLE resprout.agents SET (fillfactor = 70);
ALTER TABLE resprout.handled ADD COLUMN type text;
ALTER TABLE resprout.handled ADD COLUMN sender text;
ALTER TABLE resprout.handled ADD COLUMN reply_version integer NOT NULL DEFAULT 1;
-- The agent's version after the message.
ALTER TABLE resprout.handled ADD COLUMN turn bigint;
