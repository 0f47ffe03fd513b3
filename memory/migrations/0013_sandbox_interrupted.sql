-- Whether the code of a run may reach anybody. What may not has had no effect when it is ended and thrown away, so it
-- can begin anew. Of runs from before nothing is known.
ALTER TABLE resprout.sandbox_runs ADD COLUMN reaches_out boolean NOT NULL DEFAULT true;
