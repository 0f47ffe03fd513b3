-- What was decided and what became of it. Rows are only added, and each is chained to the one before by its hash.
CREATE TABLE resprout.audit (
    seq bigint PRIMARY KEY,              -- without gaps
    at timestamptz NOT NULL,
    kind text NOT NULL,                  -- decided, refused, done, failed, in-doubt, resolved, asked, approved, granted, …
    tenant text NOT NULL,
    chain text[] NOT NULL,               -- whose will it is first, who acts last
    run text,
    step text NOT NULL,
    tool text NOT NULL,
    version text NOT NULL,
    verdict text,
    reasons text[] NOT NULL,
    policy text NOT NULL,                -- digest of the rules and grants that it was decided by
    approval text,
    arguments json NOT NULL,             -- secrets by reference; long ones cut
    digest text NOT NULL,                -- of the whole arguments
    previous bytea NOT NULL,             -- the hash of the row before
    hash bytea NOT NULL
);

CREATE INDEX audit_by_time ON resprout.audit (at);
CREATE INDEX audit_by_run ON resprout.audit (run, seq);
CREATE INDEX audit_by_actor ON resprout.audit ((chain[cardinality(chain)]), seq);
CREATE INDEX audit_by_tool ON resprout.audit (tool, seq);

-- The last row. Whoever appends locks it, so the chain has one order; and a tail that was cut off is missed.
CREATE TABLE resprout.audit_head (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    seq bigint NOT NULL,
    hash bytea NOT NULL
);
INSERT INTO resprout.audit_head (seq, hash) VALUES (0, '\x');

CREATE FUNCTION resprout.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is only added to';
END
$$;

CREATE TRIGGER audit_rows_stay BEFORE UPDATE OR DELETE ON resprout.audit
    FOR EACH ROW EXECUTE FUNCTION resprout.refuse_change();
CREATE TRIGGER audit_stays BEFORE TRUNCATE ON resprout.audit
    FOR EACH STATEMENT EXECUTE FUNCTION resprout.refuse_change();
