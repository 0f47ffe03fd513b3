-- Marks of handled messages are forgotten by age (hosts.handled_days). Rows of one commit have one time, which keeps this
-- index small, and each goes to its right edge. Turns wait while it is built.
CREATE INDEX handled_by_age ON resprout.handled (handled_at);
