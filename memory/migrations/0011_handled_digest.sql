-- By which another message under an id that was handled is known: its version and a checksum of its body.
-- NULL in rows of older code: of these only the type is compared.
ALTER TABLE resprout.handled ADD COLUMN digest bigint;
