-- What may be spent, what is, and what is held for calls in flight. Branches, child runs and tenants share these rows.
CREATE TABLE resprout.budgets (
    id text PRIMARY KEY,
    parent text,                         -- gone before its children only when none of them can be spent any more
    lineage text[] NOT NULL,             -- itself, its parent, and so on up: what is spent is spent in all of them
    tenant text NOT NULL,
    run text,
    title text NOT NULL DEFAULT '',
    max_tokens bigint,
    max_nanos bigint,                    -- billionths of a US dollar
    max_calls bigint,
    until timestamptz,                   -- from then on nothing is spent
    spent_tokens bigint NOT NULL DEFAULT 0,
    spent_nanos bigint NOT NULL DEFAULT 0,
    spent_calls bigint NOT NULL DEFAULT 0,
    unpriced_calls bigint NOT NULL DEFAULT 0,  -- of the calls, those of which nobody knows the cost
    reserved_tokens bigint NOT NULL DEFAULT 0,
    reserved_nanos bigint NOT NULL DEFAULT 0,
    reserved_calls bigint NOT NULL DEFAULT 0,
    opened_at timestamptz NOT NULL DEFAULT now(),
    used_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX budgets_of_a_run ON resprout.budgets (run);
CREATE INDEX budgets_by_lineage ON resprout.budgets USING gin (lineage);
CREATE INDEX budgets_by_age ON resprout.budgets (used_at);

-- What a tenant may spend on models in each day or month (UTC). Each of them is a budget of its own.
CREATE TABLE resprout.tenant_budgets (
    tenant text NOT NULL,
    per text NOT NULL CHECK (per IN ('day', 'month')),
    max_tokens bigint,
    max_nanos bigint,
    set_by text NOT NULL,
    set_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, per)
);

CREATE TABLE resprout.budget_reservations (
    key text NOT NULL,                   -- of a call: the same however often its step is tried
    attempt integer NOT NULL,
    budgets text[] NOT NULL,             -- all in which it counts
    tokens bigint NOT NULL,              -- held, then spent
    nanos bigint,                        -- null: nobody knows
    calls bigint NOT NULL,
    -- lost: the next attempt came before this one had ended. It counts in full, until its own word comes after all.
    state text NOT NULL DEFAULT 'reserved' CHECK (state IN ('reserved', 'lost', 'settled', 'released')),
    reserved_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    PRIMARY KEY (key, attempt)
);

CREATE INDEX budget_reservations_by_age ON resprout.budget_reservations (reserved_at);

-- Every call of a language model, written down before it is made.
CREATE TABLE resprout.model_calls (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL,
    attempt integer NOT NULL,            -- with the key: its reservation
    at timestamptz NOT NULL DEFAULT now(),
    tenant text NOT NULL,
    agent text,
    run text,
    budget text,
    model text NOT NULL,                 -- as it was asked for
    answered text,                       -- provider and model that did
    version text,                        -- as the provider calls it
    bound_tokens bigint NOT NULL,        -- what it could take at most, as it was reserved
    bound_nanos bigint,
    input_tokens bigint,                 -- these four: null while nobody knows
    cached_tokens bigint,
    written_tokens bigint,
    output_tokens bigint,
    nanos bigint,                        -- null: nobody knows
    seconds double precision,
    outcome text NOT NULL DEFAULT 'begun'
        CHECK (outcome IN ('begun', 'done', 'lost', 'failed', 'rejected', 'busy')),
    UNIQUE (key, attempt)
);

CREATE INDEX model_calls_of_a_tenant ON resprout.model_calls (tenant, at);
CREATE INDEX model_calls_of_a_run ON resprout.model_calls (run, at);
CREATE INDEX model_calls_by_age ON resprout.model_calls (at);

CREATE FUNCTION resprout.budget_window(whose text, per text, moment timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT 'tenant:' || whose || '/' || per || '/'
        || to_char(moment AT TIME ZONE 'UTC', CASE per WHEN 'day' THEN 'YYYY-MM-DD' ELSE 'YYYY-MM' END)
$$;

-- The budgets of the present day and month, made when they are first spent from.
CREATE FUNCTION resprout.open_budget_windows(whose text) RETURNS text[] LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO resprout.budgets (id, lineage, tenant, title, max_tokens, max_nanos, until)
    SELECT w.id, ARRAY[w.id], whose, 'the tenant ' || whose || ', each ' || t.per, t.max_tokens, t.max_nanos,
           (date_trunc(t.per, now() AT TIME ZONE 'UTC') + ('1 ' || t.per)::interval) AT TIME ZONE 'UTC'
    FROM resprout.tenant_budgets t, resprout.budget_window(t.tenant, t.per, now()) AS w(id)
    WHERE t.tenant = whose ORDER BY w.id
    ON CONFLICT (id) DO NOTHING;
    RETURN ARRAY(SELECT resprout.budget_window(t.tenant, t.per, now())
                 FROM resprout.tenant_budgets t WHERE t.tenant = whose ORDER BY 1);
END $$;

-- Holds what a call could take in its budget, in all above it and in the tenant's, or in none of them. The answer is an
-- attempt, or the budget and the limit that stand in its way.
--
-- One statement for whoever calls, so that a process that is stopped in the middle holds up nobody. Everybody locks in
-- one order: the key, then budgets by their ids. Windows are made before any lock is taken.
CREATE FUNCTION resprout.reserve_budget(
    the_key text, whose text, from_budget text, some_tokens bigint, some_nanos bigint, some_calls bigint,
    of_models boolean,                   -- else it is a tool's: the tenant's budgets are for models
    once boolean                         -- an attempt that was not released is good for the next, too
) RETURNS TABLE (attempt integer, budget text, called text, bound text, allowed bigint, remains bigint) LANGUAGE plpgsql AS $$
DECLARE
    counted text[];
    earlier resprout.budget_reservations;
BEGIN
    IF of_models THEN
        counted := resprout.open_budget_windows(whose);
    END IF;
    IF from_budget IS NOT NULL THEN
        SELECT b.lineage || counted INTO counted FROM resprout.budgets b WHERE b.id = from_budget AND b.tenant = whose;
        IF NOT FOUND THEN
            RETURN QUERY SELECT NULL::integer, from_budget, from_budget, 'missing', NULL::bigint, NULL::bigint;
            RETURN;
        END IF;
    END IF;
    counted := coalesce(counted, '{}');
    PERFORM pg_advisory_xact_lock(hashtextextended(the_key, 27));
    SELECT * INTO earlier FROM resprout.budget_reservations r WHERE r.key = the_key ORDER BY r.attempt DESC LIMIT 1;
    IF once AND earlier.state IN ('reserved', 'settled') THEN
        RETURN QUERY SELECT earlier.attempt, NULL, NULL, NULL, NULL::bigint, NULL::bigint;
        RETURN;
    END IF;
    PERFORM FROM resprout.budgets b WHERE b.id = ANY (counted || coalesce(earlier.budgets, '{}')) ORDER BY b.id FOR UPDATE;

    -- Its process was killed in the middle: it may have been charged.
    IF earlier.state = 'reserved' THEN
        UPDATE resprout.budgets b SET
            reserved_tokens = reserved_tokens - earlier.tokens, spent_tokens = spent_tokens + earlier.tokens,
            reserved_nanos = reserved_nanos - coalesce(earlier.nanos, 0),
            spent_nanos = spent_nanos + coalesce(earlier.nanos, 0),
            unpriced_calls = unpriced_calls + (earlier.nanos IS NULL)::integer,
            reserved_calls = reserved_calls - earlier.calls, spent_calls = spent_calls + earlier.calls
        WHERE b.id = ANY (earlier.budgets);
        UPDATE resprout.budget_reservations r SET state = 'lost', ended_at = now()
        WHERE r.key = the_key AND r.attempt = earlier.attempt;
    END IF;

    RETURN QUERY
        SELECT NULL::integer, b.id, b.title, word.name, word.most, greatest(word.most - word.used, 0)
        FROM unnest(counted) WITH ORDINALITY AS one (id, place)
        JOIN resprout.budgets b ON b.id = one.id
        CROSS JOIN LATERAL (VALUES
            (1, 'time', CASE WHEN b.until <= now() THEN 0 END, 0::bigint, 1::bigint),
            (2, 'cost', b.max_nanos, b.spent_nanos + b.reserved_nanos, some_nanos),
            (3, 'tokens', b.max_tokens, b.spent_tokens + b.reserved_tokens, some_tokens),
            (4, 'calls', b.max_calls, b.spent_calls + b.reserved_calls, some_calls)
        ) AS word (rank, name, most, used, asked)
        WHERE word.most IS NOT NULL AND (word.asked IS NULL OR word.asked > greatest(word.most - word.used, 0))
        ORDER BY one.place, word.rank LIMIT 1;
    IF FOUND THEN
        RETURN;
    END IF;

    UPDATE resprout.budgets b SET
        reserved_tokens = reserved_tokens + some_tokens, reserved_nanos = reserved_nanos + coalesce(some_nanos, 0),
        reserved_calls = reserved_calls + some_calls, used_at = now()
    WHERE b.id = ANY (counted);
    INSERT INTO resprout.budget_reservations (key, attempt, budgets, tokens, nanos, calls)
    VALUES (the_key, coalesce(earlier.attempt, 0) + 1, counted, some_tokens, some_nanos, some_calls);
    RETURN QUERY SELECT coalesce(earlier.attempt, 0) + 1, NULL, NULL, NULL, NULL::bigint, NULL::bigint;
END $$;

-- Puts what was really used in the place of what was held. False: it was settled or released before, or is not known.
CREATE FUNCTION resprout.settle_budget(
    the_key text, the_attempt integer, some_tokens bigint, some_nanos bigint, some_calls bigint, as_state text
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    held resprout.budget_reservations;
    was_lost integer;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(the_key, 27));
    SELECT * INTO held FROM resprout.budget_reservations r WHERE r.key = the_key AND r.attempt = the_attempt;
    IF NOT FOUND OR held.state IN ('settled', 'released') THEN
        RETURN false;
    END IF;
    was_lost := (held.state = 'lost')::integer;
    PERFORM FROM resprout.budgets b WHERE b.id = ANY (held.budgets) ORDER BY b.id FOR UPDATE;
    UPDATE resprout.budgets b SET
        reserved_tokens = reserved_tokens - held.tokens * (1 - was_lost),
        spent_tokens = spent_tokens + some_tokens - held.tokens * was_lost,
        reserved_nanos = reserved_nanos - coalesce(held.nanos, 0) * (1 - was_lost),
        spent_nanos = spent_nanos + coalesce(some_nanos, 0) - coalesce(held.nanos, 0) * was_lost,
        unpriced_calls = unpriced_calls + (some_nanos IS NULL)::integer - (held.nanos IS NULL)::integer * was_lost,
        reserved_calls = reserved_calls - held.calls * (1 - was_lost),
        spent_calls = spent_calls + some_calls - held.calls * was_lost
    WHERE b.id = ANY (held.budgets);
    UPDATE resprout.budget_reservations r SET
        state = as_state, tokens = some_tokens, nanos = some_nanos, calls = some_calls, ended_at = now()
    WHERE r.key = the_key AND r.attempt = the_attempt;
    RETURN true;
END $$;
