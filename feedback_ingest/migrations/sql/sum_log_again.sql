-- Whoever sums what the log says, and whoever stands where they stand, reads it again from its first event; attribution
-- tells them what it found. What was decided is read back from the log, not decided again; who relays goes on where it was.
TRUNCATE live_metrics, live_segments, live_votes, live_registrations, alerts, review_flags;
UPDATE consumer_positions
SET log_offset = 0, epoch = epoch + 1,
    decided_offset = CASE WHEN name = 'webhooks' THEN greatest(decided_offset, log_offset)
                     ELSE (SELECT max(next_offset) - 1 FROM staging.log_head) END
WHERE name IN ('rolling_metrics', 'alerts', 'flagging', 'webhooks');
