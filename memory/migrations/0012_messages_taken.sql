-- Which messages the agents of which kinds take, as hosts say every few seconds. A host that does not know a message leaves it
-- for one that does; hosts of two versions say this side by side, where the row in `kinds` is of one of them.
CREATE TABLE resprout.messages_taken (
    kind      text        NOT NULL,
    type      text        NOT NULL,
    last_seen timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, type)
) WITH (fillfactor = 50);
