-- The one way into the log. Every writer (the door's group commit, the stream, Dagster, the command line) calls it.
--
-- The lock on log_head is taken first and held until COMMIT: offsets are handed out in commit order and without
-- gaps, so a reader that remembers the last offset it saw can never skip an event. A rollback gives the numbers back.
-- Because the lock comes first on every path, two writers cannot deadlock, and under it a plain look at event_keys
-- tells new events from known ones. READ COMMITTED is needed: the look must see what the last holder committed.
-- The key look-up is a LATERAL with LIMIT so that a plan made while the table was small stays an index look-up.
CREATE OR REPLACE FUNCTION staging.append_events(
    p_projects int[], p_kinds text[], p_ids text[], p_fingerprints bytea[],
    p_received timestamptz[], p_occurred timestamptz[], p_bodies text[])
RETURNS TABLE (ord int, log_offset bigint, status text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, staging
SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
    base bigint;
BEGIN
    SELECT next_offset INTO STRICT base FROM staging.log_head WHERE shard = 0 FOR UPDATE;
    PERFORM staging.ensure_partitions(base + cardinality(p_ids));
    PERFORM pg_notify('feedback_log', '');
    RETURN QUERY
    WITH given AS MATERIALIZED (
        SELECT u.ord::int AS ord, u.project_id, u.kind, u.id, u.fingerprint, u.received_at, u.occurred_at, u.body,
               min(u.ord) OVER (PARTITION BY u.project_id, u.kind, u.id)::int AS first_ord
        FROM unnest(p_projects, p_kinds, p_ids, p_fingerprints, p_received, p_occurred, p_bodies) WITH ORDINALITY
             AS u(project_id, kind, id, fingerprint, received_at, occurred_at, body, ord)
    ), looked AS MATERIALIZED (
        SELECT given.*, known.fingerprint AS known_fingerprint, known.log_offset AS known_offset
        FROM given LEFT JOIN LATERAL (
            SELECT k.fingerprint, k.log_offset FROM staging.event_keys k
            WHERE k.project_id = given.project_id AND k.kind = given.kind AND k.id = given.id LIMIT 1
        ) known ON true
    ), placed AS MATERIALIZED (
        SELECT looked.*, base + row_number() OVER (ORDER BY looked.ord) - 1 AS log_offset
        FROM looked WHERE known_offset IS NULL AND ord = first_ord
    ), keyed AS (
        INSERT INTO staging.event_keys (project_id, kind, id, fingerprint, log_offset)
        SELECT project_id, kind, id, fingerprint, log_offset FROM placed
    ), logged AS (
        INSERT INTO staging.feedback_events (
            log_offset, project_id, kind, id, received_at, occurred_at, inference_request_id, model_name,
            model_version, feedback_type, feedback_value, user_context, body)
        SELECT p.log_offset, p.project_id, p.kind, p.id, p.received_at, p.occurred_at,
               j.b ->> 'inference_request_id', j.b ->> 'model_name', j.b ->> 'model_version',
               j.b ->> 'feedback_type', j.b -> 'feedback_value', j.b -> 'user_context', p.body
        FROM placed p CROSS JOIN LATERAL (SELECT p.body::jsonb AS b OFFSET 0) j
        ORDER BY p.log_offset
    ), moved AS (
        UPDATE staging.log_head SET next_offset = base + (SELECT count(*) FROM placed) WHERE shard = 0
    )
    SELECT l.ord, coalesce(l.known_offset, p.log_offset),
           CASE WHEN l.known_offset IS NULL AND l.ord = l.first_ord THEN 'accepted'
                WHEN coalesce(l.known_fingerprint, p.fingerprint) = l.fingerprint THEN 'duplicate'
                ELSE 'conflict' END
    FROM looked l LEFT JOIN placed p ON p.ord = l.first_ord
    ORDER BY l.ord;
END
$$;
