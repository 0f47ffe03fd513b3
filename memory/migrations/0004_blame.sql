-- Which messages may be what their hosts died of.

-- Its host died while the row was in memory. From then on its turns are written down as they begin.
ALTER TABLE resprout.mailbox ADD COLUMN suspect boolean NOT NULL DEFAULT false;
-- Of a suspect: when the turn began that it is in. NULL again when the turn failed, or the shard changed hands.
ALTER TABLE resprout.mailbox ADD COLUMN began_at timestamptz;
COMMENT ON COLUMN resprout.mailbox.attempts IS 'Turns that failed, and hosts that died in its turn.';
