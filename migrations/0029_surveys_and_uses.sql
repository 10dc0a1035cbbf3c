-- What a page can't wait for, because very many keys have to be looked at: it is found out now and then by one replica, for all.

-- Whose turn it is: whoever moves `due_at` on begins. One row.
CREATE TABLE surveys (
    single boolean PRIMARY KEY DEFAULT true CONSTRAINT surveys_one_row CHECK (single),
    due_at timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 50); -- updated again and again
INSERT INTO surveys DEFAULT VALUES;

-- How many keys administrators should look at, by the reason (`src/domain/keys/listing/risks.rs`). A row a reason.
CREATE TABLE risk_counts (
    risk text PRIMARY KEY,
    number bigint NOT NULL CONSTRAINT risk_counts_number_positive CHECK (number >= 0),
    -- Whether all keys were looked at; otherwise there may be more.
    complete boolean NOT NULL,
    counted_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Which keys have the most uses on a day. A row for today; earlier ones are deleted.
CREATE TABLE busiest_keys (
    day date PRIMARY KEY, -- in UTC
    -- Numbers of `usage_keys`, those with the most uses first. More than a page shows, because others may come first soon.
    keys integer[] NOT NULL,
    found_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- A connection keeps the plans of this function. One that was made while there were few keys with numbers read all of them for
-- each batch, also when there were very many, until the table was analyzed. What is looked up is always found by an index.
ALTER FUNCTION write_usage(uuid, bigint, uuid[], timestamptz[], inet[], uuid[], timestamptz[], smallint[], text[], bigint[])
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off;

-- The same as before, and these tables. `src/store/rights.rs` looks for all of these rights.
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
