-- Credits that come with a plan.

-- What an owner gets who is put on the plan and has no credits of their own: a balance, and rules as in `credits`.
-- NULL: none.
ALTER TABLE plans ADD COLUMN credits_amount bigint CONSTRAINT plans_credits_in_bounds CHECK (credits_amount >= 0);
ALTER TABLE plans ADD COLUMN credits_max bigint CONSTRAINT plans_credits_max_in_bounds CHECK (credits_max > 0);
ALTER TABLE plans ADD COLUMN refill_amount bigint CONSTRAINT plans_refill_in_bounds CHECK (refill_amount > 0);
ALTER TABLE plans ADD COLUMN refill_every text
    CONSTRAINT plans_refill_is_known CHECK (refill_every IN ('daily', 'monthly'));
ALTER TABLE plans ADD COLUMN refill_day integer CONSTRAINT plans_refill_day_in_bounds CHECK (refill_day BETWEEN 1 AND 31);

-- The plan that a balance came with, and goes with; NULL: somebody has set it. No foreign key: it goes when its owner
-- leaves the plan, and nobody is on a plan that is deleted.
ALTER TABLE credits ADD COLUMN from_plan text COLLATE "C";
-- A change of the plan has to find them. Neither column ever changes with a slice.
CREATE INDEX credits_by_plan ON credits (from_plan, holder) WHERE from_plan IS NOT NULL;

-- Gives all balances that came with a plan these rules; what is left stays. Returns how many there are.
CREATE FUNCTION change_credits_of_plan(changed text, new_max bigint, new_amount bigint, new_every text, new_day integer)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    instant timestamptz;
    balances bigint;
BEGIN
    -- In the order in which replicas lock them, so that they never deadlock.
    PERFORM FROM credits WHERE from_plan = changed ORDER BY holder FOR UPDATE;
    instant := clock_timestamp();
    UPDATE credits
    -- What was due by the earlier rules, too.
    SET remaining = (refilled.balance).remaining, granted = (refilled.balance).granted,
        max = new_max, refill_amount = new_amount, refill_every = new_every, refill_day = new_day,
        next_refill = CASE
            WHEN new_every IS NULL THEN NULL
            WHEN new_every IS NOT DISTINCT FROM credits.refill_every AND new_day IS NOT DISTINCT FROM credits.refill_day
                THEN (refilled.balance).next_refill
            ELSE next_credit_refill(new_every, new_day, instant) END
    FROM (SELECT holder AS of_holder, refilled_credits(theirs, instant) AS balance FROM credits AS theirs
          WHERE from_plan = changed OFFSET 0) AS refilled
    WHERE holder = of_holder;
    GET DIAGNOSTICS balances = ROW_COUNT;
    RETURN balances;
END
$$;

-- The same as before, and this function. `src/store/rights.rs` looks for all of these rights.
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
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON console_sessions TO %I', service);
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
