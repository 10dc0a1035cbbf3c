-- Links with which a product hands its customers over to the console: each opens one session, once, within a minute.

CREATE TABLE console_hand_overs (
    -- SHA-256 of what the link carries: 256 random bits, which nobody can guess.
    secret_hash bytea PRIMARY KEY CONSTRAINT console_hand_overs_hash_is_whole CHECK (octet_length(secret_hash) = 32),
    -- The owner whose keys are managed, and the person who does, as in `console_sessions`.
    issuer text NOT NULL,
    subject text NOT NULL CONSTRAINT console_hand_overs_subject_present CHECK (subject <> ''),
    person text NOT NULL CONSTRAINT console_hand_overs_person_present CHECK (person <> ''),
    name text,
    scopes text[] NOT NULL,
    scope_bearing boolean NOT NULL,
    -- Where the person comes from, and goes back to.
    return_to text CONSTRAINT console_hand_overs_return_is_short CHECK (octet_length(return_to) <= 1024),
    -- How long the session lasts at most.
    lasts interval NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
-- Tokens of a person are revoked, and their links with them.
CREATE INDEX console_hand_overs_by_person ON console_hand_overs (issuer, person);
-- Links that nobody has used are deleted.
CREATE INDEX console_hand_overs_by_expiry ON console_hand_overs (expires_at);

-- Whether the session began with a link. Sessions of earlier versions did not.
ALTER TABLE console_sessions ADD COLUMN handed_over boolean NOT NULL DEFAULT false;
-- Where its person goes back to.
ALTER TABLE console_sessions ADD COLUMN return_to text;
-- NOT VALID: in every row there is, it is null.
ALTER TABLE console_sessions ADD CONSTRAINT console_sessions_return_is_short CHECK (octet_length(return_to) <= 1024) NOT VALID;

-- The same as before, and this table. `src/store/rights.rs` looks for all of these rights.
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
    EXECUTE format('GRANT SELECT, UPDATE ON coherence, pulses TO %I', service);
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
END
$$;
