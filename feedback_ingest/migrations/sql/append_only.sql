-- Facts are never changed: a correction is a new fact. Retention drops whole partitions, which no row trigger sees.
CREATE OR REPLACE FUNCTION staging.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the event log is append-only' USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON staging.feedback_events
    FOR EACH ROW EXECUTE FUNCTION staging.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON staging.feedback_events
    FOR EACH STATEMENT EXECUTE FUNCTION staging.refuse_change();
