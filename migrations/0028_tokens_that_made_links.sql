-- Links into the console, and the sessions that begin with them, end when the token that has made the link is revoked by its id.

-- What `revoked_tokens.record_id` of that token would be. NULL: it has no id, or no token has made the link, or an earlier
-- version has.
ALTER TABLE console_hand_overs ADD COLUMN maker_token_record uuid;
ALTER TABLE console_sessions ADD COLUMN maker_token_record uuid;
-- With the token, what it has made is deleted.
CREATE INDEX console_hand_overs_by_maker_token ON console_hand_overs (maker_token_record) WHERE maker_token_record IS NOT NULL;
CREATE INDEX console_sessions_by_maker_token ON console_sessions (maker_token_record) WHERE maker_token_record IS NOT NULL;

-- Whether nothing has happened since that takes somebody's access to the console away: every query for a session or a link
-- asks this, besides whether it is still young enough. For a link, and a session that began with one, whoever has made it must
-- be able to make it now, too. In plpgsql, which keeps the plans: each page asks once.
CREATE FUNCTION console_access_stands(by_link boolean, owner_issuer text, owner_subject text, person text, since timestamptz,
                                      maker_issuer text, maker_subject text, maker_key uuid, maker_token uuid)
RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN NOT (by_link AND EXISTS (SELECT FROM disabled_owners AS disabled
                                    WHERE disabled.issuer = owner_issuer AND disabled.subject = owner_subject))
        AND NOT EXISTS (SELECT FROM tokens_not_before AS ends
                        WHERE ends.record_id IN (token_record('subject', owner_issuer, person),
                                                 token_record('subject', maker_issuer, maker_subject))
                            AND ends.not_before > since)
        AND NOT EXISTS (SELECT FROM revoked_tokens AS revoked WHERE revoked.record_id = maker_token)
        AND (maker_key IS NULL
             OR EXISTS (SELECT FROM api_keys AS maker
                        WHERE maker.id = maker_key AND maker.revoked_at IS NULL AND maker.enabled
                            AND (maker.expires_at IS NULL OR maker.expires_at > now())
                            AND NOT EXISTS (SELECT FROM disabled_owners AS disabled
                                            WHERE disabled.issuer = maker.issuer AND disabled.subject = maker.subject)));
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
    EXECUTE format('GRANT EXECUTE ON FUNCTION console_access_stands TO %I', service);
END
$$;
