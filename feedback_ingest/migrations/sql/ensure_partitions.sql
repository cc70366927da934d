-- Keeps one whole partition ahead of the log's head. Called under the lock on log_head, so only one writer makes one.
-- A table is made apart and then attached: ATTACH lets readers and writers go on, CREATE ... PARTITION OF does not.
CREATE OR REPLACE FUNCTION staging.ensure_partitions(p_needed bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, staging
AS $$
DECLARE
    head staging.log_head;
    name text;
BEGIN
    SELECT * INTO STRICT head FROM staging.log_head WHERE shard = 0;
    WHILE head.partition_end < p_needed + head.partition_rows LOOP
        name := 'feedback_events_from_' || lpad(head.partition_end::text, 12, '0');
        EXECUTE format('CREATE TABLE staging.%I (LIKE staging.feedback_events INCLUDING ALL)', name);
        EXECUTE format('ALTER TABLE staging.%I ADD CONSTRAINT in_range CHECK (log_offset >= %s AND log_offset < %s)',
                       name, head.partition_end, head.partition_end + head.partition_rows);
        EXECUTE format('ALTER TABLE staging.feedback_events ATTACH PARTITION staging.%I FOR VALUES FROM (%s) TO (%s)',
                       name, head.partition_end, head.partition_end + head.partition_rows);
        EXECUTE format('ALTER TABLE staging.%I DROP CONSTRAINT in_range', name);
        EXECUTE format('ALTER TABLE staging.%I SET (autovacuum_vacuum_insert_scale_factor = 0.5)', name);
        head.partition_end := head.partition_end + head.partition_rows;
        UPDATE staging.log_head SET partition_end = head.partition_end WHERE shard = 0;
    END LOOP;
END
$$;
