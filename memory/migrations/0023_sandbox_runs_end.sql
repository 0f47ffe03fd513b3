-- Of runs from before nothing is known: they may have reached somebody, and are remembered no longer than others.
ALTER TABLE resprout.sandbox_runs
    -- What may reach nobody has had no effect when it is ended and thrown away, so it can begin anew.
    ADD COLUMN reaches_out boolean NOT NULL DEFAULT true,
    -- How long its code may take: for so long its step may be tried again, whenever it ended.
    ADD COLUMN time_limit interval NOT NULL DEFAULT '0';
