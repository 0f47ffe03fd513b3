-- What a decision stands on: the grants, roles or rules that made it so. The hash covers it where there is one. Rows
-- from before, and rows that decide nothing, have none; theirs is the hash of what they say without it, so that they
-- are verified as ever.
ALTER TABLE resprout.audit ADD COLUMN grounds text[];

-- As before, with the grounds behind the digest where they are given: a program from before gives none.
CREATE OR REPLACE FUNCTION resprout.append_audit(said text[]) RETURNS bigint LANGUAGE plpgsql AS $$
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
                                    approval, arguments, digest, grounds, previous, hash)
        VALUES (head.seq, added_at, saying ->> 0, saying ->> 1, ARRAY(SELECT json_array_elements_text(saying -> 2)),
                saying ->> 3, saying ->> 4, saying ->> 5, saying ->> 6, saying ->> 7,
                ARRAY(SELECT json_array_elements_text(saying -> 8)), saying ->> 9, saying ->> 10,
                (saying ->> 11)::json, saying ->> 12,
                CASE WHEN json_array_length(saying) > 13 THEN ARRAY(SELECT json_array_elements_text(saying -> 13)) END,
                head.hash, added);
        head.hash := added;
    END LOOP;
    UPDATE resprout.audit_head SET seq = head.seq, hash = head.hash;
    RETURN head.seq;
END
$$;
