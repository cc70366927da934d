-- The one way into the log. Every writer (the door's group commit, the stream, Dagster, the command line) calls it.
--
-- The lock on log_head is taken first and held until COMMIT: offsets are handed out in commit order and without
-- gaps, so a reader that remembers the last offset it saw can never skip an event. A rollback gives the numbers back.
-- Because the lock comes first on every path, two writers cannot deadlock, and under it a plain look at event_keys
-- tells new events from known ones. READ COMMITTED is needed: the look must see what the last holder committed.
-- The key look-up is a LATERAL with LIMIT so that a plan made while the table was small stays an index look-up.
--
-- The keys are judged first, without the bodies: what is wide is read once, by the insert that stores it.
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
    new_offsets bigint[];
    told_offsets bigint[];
    told_statuses text[];
BEGIN
    SELECT next_offset INTO STRICT base FROM staging.log_head WHERE shard = 0 FOR UPDATE;
    PERFORM staging.ensure_partitions(base + cardinality(p_ids));
    PERFORM pg_notify('feedback_log', '');
    WITH looked AS MATERIALIZED (
        SELECT u.*, known.fingerprint AS known_fingerprint, known.log_offset AS known_offset,
               min(u.ord) OVER (PARTITION BY u.project_id, u.kind, u.id) AS first_ord
        FROM unnest(p_projects, p_kinds, p_ids, p_fingerprints) WITH ORDINALITY
             AS u(project_id, kind, id, fingerprint, ord)
        LEFT JOIN LATERAL (
            SELECT k.fingerprint, k.log_offset FROM staging.event_keys k
            WHERE k.project_id = u.project_id AND k.kind = u.kind AND k.id = u.id LIMIT 1
        ) known ON true
    ), judged AS (
        SELECT looked.*, known_offset IS NULL AND ord = first_ord AS is_new FROM looked
    ), placed AS MATERIALIZED (
        SELECT judged.*, CASE WHEN is_new THEN base - 1 + count(*) FILTER (WHERE is_new) OVER (ORDER BY ord) END
               AS new_offset
        FROM judged
    ), keyed AS (
        INSERT INTO staging.event_keys (project_id, kind, id, fingerprint, log_offset)
        SELECT project_id, kind, id, fingerprint, new_offset FROM placed WHERE is_new
    ), told AS (
        SELECT p.ord, p.new_offset, coalesce(p.new_offset, p.known_offset, first.new_offset) AS log_offset,
               CASE WHEN p.is_new THEN 'accepted'
                    WHEN coalesce(p.known_fingerprint, first.fingerprint) = p.fingerprint THEN 'duplicate'
                    ELSE 'conflict' END AS status
        FROM placed p LEFT JOIN placed first ON first.ord = p.first_ord AND p.ord <> p.first_ord
    )
    SELECT array_agg(t.new_offset ORDER BY t.ord), array_agg(t.log_offset ORDER BY t.ord),
           array_agg(t.status ORDER BY t.ord)
    INTO new_offsets, told_offsets, told_statuses FROM told t;
    INSERT INTO staging.feedback_events (
        log_offset, project_id, kind, id, received_at, occurred_at, inference_request_id, model_name,
        model_version, feedback_type, feedback_value, user_context, body)
    SELECT u.log_offset, u.project_id, u.kind, u.id, u.received_at, u.occurred_at,
           j.b ->> 'inference_request_id', j.b ->> 'model_name', j.b ->> 'model_version',
           j.b ->> 'feedback_type', j.b -> 'feedback_value', j.b -> 'user_context', u.body
    FROM unnest(new_offsets, p_projects, p_kinds, p_ids, p_received, p_occurred, p_bodies)
         AS u(log_offset, project_id, kind, id, received_at, occurred_at, body)
         CROSS JOIN LATERAL (SELECT u.body::jsonb AS b OFFSET 0) j
    WHERE u.log_offset IS NOT NULL;
    UPDATE staging.log_head SET next_offset = coalesce((SELECT max(o) + 1 FROM unnest(new_offsets) o), base)
    WHERE shard = 0;
    RETURN QUERY SELECT o.ord::int, o.log_offset, o.status
    FROM unnest(told_offsets, told_statuses) WITH ORDINALITY AS o(log_offset, status, ord);
END
$$;
