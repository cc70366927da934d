-- What attribution keeps of each event has grown, and the metrics are summed from it: both are read from the log again.
-- Alerts stand where the metrics stand; what was decided is read back from the log, not decided again.
TRUNCATE live_inferences, live_feedback, attribution_changes, alerts;
UPDATE consumer_positions
SET log_offset = 0, decided_offset = (SELECT max(next_offset) - 1 FROM staging.log_head)
WHERE name IN ('attribution', 'rolling_metrics', 'alerts');
