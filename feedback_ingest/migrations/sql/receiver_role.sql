-- What `feedback api --only ingest` needs, and nothing else: it appends by the one function, holds refused events, looks
-- up keys. It cannot change or delete a fact, reach the log's tables in writing, make a key, or change the schema.
-- The role cannot log in; GRANT it to the one that does. Roles belong to the whole server, so another database may have
-- made it; where the migrating user may not make roles, an administrator makes it first and migrates again by hand.
DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'feedback_receiver') THEN
        CREATE ROLE feedback_receiver NOLOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
    WHEN insufficient_privilege THEN RAISE NOTICE 'the role feedback_receiver was not made: no CREATEROLE';
END
$$;
REVOKE ALL ON FUNCTION staging.append_events(int[], text[], text[], bytea[], timestamptz[], timestamptz[], text[])
    FROM PUBLIC;
REVOKE ALL ON FUNCTION staging.ensure_partitions(bigint) FROM PUBLIC;
DO $$
BEGIN
    IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'feedback_receiver') THEN
        GRANT USAGE ON SCHEMA public, staging TO feedback_receiver;
        GRANT EXECUTE ON FUNCTION
            staging.append_events(int[], text[], text[], bytea[], timestamptz[], timestamptz[], text[])
            TO feedback_receiver;
        GRANT SELECT ON public.alembic_version, public.projects, public.credentials TO feedback_receiver;
        GRANT SELECT ON staging.feedback_events, staging.event_keys, staging.log_head TO feedback_receiver;
        GRANT SELECT, INSERT, DELETE ON staging.quarantined_items TO feedback_receiver;
        GRANT USAGE ON SEQUENCE staging.quarantined_items_item_id_seq TO feedback_receiver;
        GRANT SELECT, INSERT, UPDATE ON public.project_usage TO feedback_receiver;
    END IF;
END
$$;
