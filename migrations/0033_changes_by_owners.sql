-- How often owners change keys, so that they can do so only so often in a day: each change leaves its event in the audit.

-- One row an owner who has changed a key lately. It is counted here, and not along the audit: that tells no owner's change
-- from an administrator's, and has any number of the latter's. Whoever changes a key holds the row until they have
-- committed, so the number is exact however many replicas count.
CREATE TABLE owner_changes (
    issuer text NOT NULL,
    subject text NOT NULL CONSTRAINT owner_changes_subject_present CHECK (subject <> ''),
    -- The hour of the newest change: so many hours since 1970.
    hour integer NOT NULL,
    -- How many changes there were in that hour and in each of those before it, newest first. A row of 25 numbers, in which any
    -- 24 hours find room, instead of a row a change: it takes 150 bytes, whatever the limit is.
    changes integer[] NOT NULL,
    PRIMARY KEY (issuer, subject)
) WITH (fillfactor = 70); -- updated again and again

-- Rows that count nothing any more are found by this, and deleted. An update within the hour leaves it as it is.
CREATE INDEX owner_changes_by_hour ON owner_changes (hour);

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
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON key_pepper, owner_changes TO %I', service);
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
