-- The number of the latest pulse: a notification with the latest heartbeat of every replica. Whoever sends the next one counts
-- it up, in the same statement, so that no two replicas send one for the same reason.
CREATE TABLE pulses (
    number bigint NOT NULL,
    is_only_row boolean PRIMARY KEY DEFAULT true CONSTRAINT pulses_is_one_row CHECK (is_only_row)
) WITH (fillfactor = 50);
INSERT INTO pulses (number) VALUES (0);

-- The same as before, and this table.
CREATE OR REPLACE FUNCTION grant_to_service(service name) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), service);
    EXECUTE format('GRANT SELECT ON _sqlx_migrations TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON api_keys, key_uses TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys, disabled_owners TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON revoked_tokens, tokens_not_before TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON replicas, acknowledgements TO %I', service);
    EXECUTE format('GRANT SELECT, UPDATE ON coherence, pulses TO %I', service);
    EXECUTE format('GRANT USAGE ON SEQUENCE key_changes TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT ON audit_events TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION forget_ended_keys(interval, integer) TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION keep_audit_months() TO %I', service);
END
$$;
