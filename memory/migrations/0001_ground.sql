-- Agents and the marks of what they have handled.

CREATE TABLE resprout.agents (
    kind        text        NOT NULL,
    key         text        NOT NULL,
    -- The persisted fields of the agent, as its class dumps them; replaced whole by every turn.
    state       jsonb       NOT NULL,
    -- The number of turns committed. A turn that expects another number lost a race and writes nothing.
    version     bigint      NOT NULL CHECK (version > 0),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, key)
);

-- One row for each message that changed an agent, written in the transaction of that change and never again.
CREATE TABLE resprout.handled (
    kind        text        NOT NULL,
    key         text        NOT NULL,
    message_id  uuid        NOT NULL,
    -- The reply as it was given; whoever asks again with the same id gets it. NULL when there was none.
    reply_type  text,
    reply       jsonb,
    handled_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, key, message_id)
);
