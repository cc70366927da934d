-- The receiver checks that a metric an event names is registered.
DO $$
BEGIN
    IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'feedback_receiver') THEN
        GRANT SELECT ON public.registered_metrics TO feedback_receiver;
    END IF;
END
$$;
