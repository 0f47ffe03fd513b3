-- Inputs and outputs of workflow steps that are too large for Temporal's history, which holds references to them.
-- Kept by content: the same one is kept once, however often it is passed on.
CREATE TABLE resprout.large_payloads (
    key bytea PRIMARY KEY,  -- SHA-256 of the payload
    payload bytea NOT NULL,
    kept_at timestamptz NOT NULL DEFAULT now()  -- set anew when it is kept again
);
CREATE INDEX large_payloads_by_age ON resprout.large_payloads (kept_at);
