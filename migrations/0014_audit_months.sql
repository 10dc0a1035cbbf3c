-- The audit's tables of months are made and dropped by the service, at any time and not only when the schema is brought up to date.

-- For how long events are kept (NULL: for ever), as `audit.retention` said when the schema was last brought up to date. Only the
-- role that owns the tables writes it: whoever takes the service's role over must not be able to shorten it, and so make events
-- vanish. No row: nothing is dropped.
CREATE TABLE audit_retention (
    -- One row at most.
    is_the_row boolean PRIMARY KEY DEFAULT true CHECK (is_the_row),
    keep interval
);

-- Makes the tables of the months to come, and drops those that are too old; whether it did, or another session is at it. Nothing
-- is locked where there is nothing to do. As with `forget_ended_keys`, it has the rights of whoever owns the tables, and looks for
-- tables in the schema that it was made in. (That stands first, for it is where the new tables go.)
CREATE FUNCTION keep_audit_months() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('keyward audit')) THEN
        RETURN false;
    END IF;
    IF EXISTS (SELECT FROM audit_retention) THEN
        PERFORM maintain_audit_events((SELECT keep FROM audit_retention));
    ELSE
        PERFORM maintain_audit_events(NULL);
    END IF;
    RETURN true;
END
$$;
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION keep_audit_months() SET search_path = %I, pg_temp', current_schema());
END $$;
REVOKE ALL ON FUNCTION keep_audit_months() FROM PUBLIC;

-- The same as before, and that function.
CREATE OR REPLACE FUNCTION grant_to_service(service name) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), service);
    EXECUTE format('GRANT SELECT ON _sqlx_migrations TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON api_keys, key_uses TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys, disabled_owners TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON revoked_tokens, tokens_not_before TO %I', service);
    EXECUTE format('GRANT SELECT, UPDATE ON coherence TO %I', service);
    EXECUTE format('GRANT USAGE ON SEQUENCE key_changes TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT ON audit_events TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION forget_ended_keys(interval, integer) TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION keep_audit_months() TO %I', service);
END
$$;
