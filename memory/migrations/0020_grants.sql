-- Who may do what, beyond what is allowed to everybody. A grant is never changed, only revoked.
CREATE TABLE resprout.grants (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant text NOT NULL,                -- '*': all
    principal text NOT NULL,             -- a pattern, or role:NAME
    verdict text NOT NULL CHECK (verdict IN ('allow', 'approve', 'deny')),
    actions text[] NOT NULL DEFAULT '{}',  -- action:pattern; none: all that the tools do
    tools text[] NOT NULL DEFAULT '{}',  -- name pattern, with @ and a range of versions; none: whichever tool does it
    role text,                           -- instead of actions and tools: the principal has it
    why text NOT NULL DEFAULT '',
    granted_by text NOT NULL,
    granted_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_by text,
    revoked_at timestamptz,
    CHECK ((role IS NULL) <> (actions = '{}' AND tools = '{}'))
);

-- Changes with every change of the grants: who keeps decisions looks at it.
CREATE TABLE resprout.grants_generation (
    generation bigint NOT NULL
);
INSERT INTO resprout.grants_generation VALUES (1);

CREATE FUNCTION resprout.grants_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE resprout.grants_generation SET generation = generation + 1;
    RETURN NULL;
END $$;

CREATE TRIGGER grants_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON resprout.grants
FOR EACH STATEMENT EXECUTE FUNCTION resprout.grants_changed();
