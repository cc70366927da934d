-- The narrow part of every event, sealed or not, for whoever joins by offset, by inference, or by time of receipt.
CREATE VIEW staging.known_events AS
    SELECT log_offset, project_id, kind, inference_request_id, received_at FROM staging.feedback_events
    UNION ALL
    SELECT log_offset, project_id, kind, inference_request_id, received_at FROM staging.sealed_events;
-- The receiver tells a duplicate of a sealed event when that was first received.
DO $$
BEGIN
    IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'feedback_receiver') THEN
        GRANT SELECT ON staging.sealed_segments, staging.sealed_events, staging.known_events TO feedback_receiver;
    END IF;
END
$$;
