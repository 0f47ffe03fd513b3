-- Adds rows to the audit log: in one call, so that whoever appends holds the head only until its transaction ends,
-- and not while questions and answers travel. Each text is the JSON of what a row says after its time, in the order
-- of the columns; it is hashed as it is given. Rows of AuditRow.expected_hash and of this are the same to the byte.
CREATE FUNCTION resprout.append_audit(said text[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    head record;
    one text;
    saying json;
    added_at timestamptz;
    added bytea;
BEGIN
    SELECT seq, hash INTO STRICT head FROM resprout.audit_head FOR UPDATE;
    added_at := clock_timestamp();
    FOREACH one IN ARRAY said LOOP
        saying := one::json;
        head.seq := head.seq + 1;
        added := sha256(head.hash || convert_to(
            '[' || head.seq || ',"' || to_char(added_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US')
            || '+00:00",' || substr(one, 2), 'UTF8'));
        INSERT INTO resprout.audit (seq, at, kind, tenant, chain, run, step, tool, version, verdict, reasons, policy,
                                    approval, arguments, digest, previous, hash)
        VALUES (head.seq, added_at, saying ->> 0, saying ->> 1, ARRAY(SELECT json_array_elements_text(saying -> 2)),
                saying ->> 3, saying ->> 4, saying ->> 5, saying ->> 6, saying ->> 7,
                ARRAY(SELECT json_array_elements_text(saying -> 8)), saying ->> 9, saying ->> 10,
                (saying ->> 11)::json, saying ->> 12, head.hash, added);
        head.hash := added;
    END LOOP;
    UPDATE resprout.audit_head SET seq = head.seq, hash = head.hash;
    RETURN head.seq;
END
$$;
