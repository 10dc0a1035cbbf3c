-- Keys that ended long ago go, a few at a time. What was done with them stays in the audit.

-- When a key's life ended: the earlier of the two. Building it holds up changes of keys, as the index of the migration
-- before.
CREATE INDEX IF NOT EXISTS api_keys_by_end ON api_keys (LEAST(revoked_at, expires_at))
    WHERE LEAST(revoked_at, expires_at) IS NOT NULL;

-- Removes at most `most` keys that ended longer than `keep` ago, those that ended first; NULL while another session does.
-- Never sooner than a day after their end: a request with an Idempotency-Key is remembered for a day, with the key that
-- it made, and keys that were made within a day are counted.
--
-- It runs with the rights of whoever owns the tables, so that the service can remove these keys and no others. So it looks
-- for tables in the schema that it was made in, and in nobody's temporary one.
CREATE FUNCTION forget_ended_keys(keep interval, most integer) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    forgotten integer;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('keyward ended keys')) THEN
        RETURN NULL;
    END IF;
    DELETE FROM api_keys WHERE id IN (
        SELECT id FROM api_keys
        WHERE LEAST(revoked_at, expires_at) < now() - greatest(keep, interval '1 day')
        ORDER BY LEAST(revoked_at, expires_at) LIMIT most FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    RETURN forgotten;
END
$$;
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION forget_ended_keys(interval, integer) SET search_path = pg_catalog, %I, pg_temp',
        current_schema());
END $$;
REVOKE ALL ON FUNCTION forget_ended_keys(interval, integer) FROM PUBLIC;

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
END
$$;
