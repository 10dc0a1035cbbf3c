-- Which pepper new keys are made with, and which one each key was made with, so that a replica with another one refuses to
-- start instead of refusing every key.

-- One row, as soon as a replica with this version has started, or a command has made a key.
CREATE TABLE key_pepper (
    is_the_row boolean PRIMARY KEY DEFAULT true CHECK (is_the_row),
    -- 128 bits of a keyed hash of a fixed text, with the pepper as the key. Says nothing of the pepper to whoever does not have
    -- it, as the tag in every key does not (docs/decisions/0077-a-start-with-another-pepper-fails.md).
    fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 16),
    -- When it became this one, for operators.
    since timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The fingerprint of the pepper that the key was made with, and its hash: a key never changes its pepper. Operators count by it
-- which keys end with an old pepper. NULL: an earlier version has made the key.
ALTER TABLE api_keys ADD COLUMN pepper bytea;
ALTER TABLE api_keys ADD CONSTRAINT api_keys_pepper_fingerprint CHECK (octet_length(pepper) = 16) NOT VALID;

-- The same as before, and the new table. `src/store/rights.rs` looks for all of these rights.
CREATE OR REPLACE FUNCTION grant_to_service(service name) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), service);
    EXECUTE format('GRANT SELECT ON _sqlx_migrations TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON api_keys, key_uses TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys, disabled_owners TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON revoked_tokens, tokens_not_before TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON replicas, acknowledgements TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON owner_limits, limit_counts TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON plans, owner_plans TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON credits, credit_slices TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON usage_hours, usage_days, usage_writers TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON usage_keys TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON console_sessions, console_hand_overs TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON risk_counts, busiest_keys TO %I', service);
    EXECUTE format('GRANT SELECT, UPDATE ON coherence, pulses, surveys TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON key_pepper TO %I', service);
    EXECUTE format('GRANT USAGE ON SEQUENCE key_changes, credit_versions TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT ON audit_events TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION forget_ended_keys, keep_audit_months TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION lock_owner, token_record, take_slices TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION limit_window_begins, limit_window_ends TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION exchange_credits, settle_silent_slices, define_credits, add_credits TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION refilled_credits, next_credit_refill, change_credits_of_plan TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION write_usage, keep_usage_months TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION announce_key_change, announce_keys_of TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION announce_keys_of_plan TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION own_channel, tell_replicas, tell_change TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION console_access_stands TO %I', service);
END
$$;
