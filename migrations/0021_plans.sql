-- Plans: named sets of limits and caps that owners are on.

CREATE TABLE plans (
    name text COLLATE "C" PRIMARY KEY CONSTRAINT plans_name_plain CHECK (name ~ '^[0-9A-Za-z._-]{1,50}$'),
    description text,
    -- In the form of `api_keys.limits`; all keys of an owner share them.
    limits jsonb NOT NULL DEFAULT '[]' CONSTRAINT plans_limits_array CHECK (jsonb_typeof(limits) = 'array'),
    -- Caps, which are asked for only when a key is made or changed. NULL: the configuration's alone.
    max_keys integer CONSTRAINT plans_max_keys_in_bounds CHECK (max_keys >= 1),
    -- In seconds.
    max_lifetime bigint CONSTRAINT plans_max_lifetime_in_bounds CHECK (max_lifetime >= 1),
    -- What keys may be given. An empty list allows none.
    scopes text[],
    environments text[],
    -- With the content, the version of a plan: one that was deleted and made again is another one.
    updated_at timestamptz NOT NULL
);

-- Which plan an owner is on. Most owners may have no row. The plan of a row is there: it can't be deleted before.
CREATE TABLE owner_plans (
    issuer text NOT NULL,
    subject text NOT NULL CONSTRAINT owner_plans_subject_present CHECK (subject <> ''),
    plan text COLLATE "C" NOT NULL REFERENCES plans (name),
    -- What an administrator has assigned, no token changes.
    assigned_by text NOT NULL
        CONSTRAINT owner_plans_assigned_by_known CHECK (assigned_by IN ('administrator', 'claim')),
    -- When the token with the claim was issued: an older one, which is still valid, doesn't bring back an earlier plan.
    -- NULL for an administrator.
    claim_issued_at timestamptz,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (issuer, subject)
);

-- Who is on a plan: for lists, for a plan's changes, and for the foreign key.
CREATE INDEX owner_plans_by_plan ON owner_plans (plan, issuer, subject);

-- As before, and the owner's plan, with all others who are on it: until the transaction ends, the plan doesn't change.
-- So a key that is made or revived, or an owner who gets the plan, goes either by the changed plan, or is there for the
-- plan's change to announce. A thousand locks serve all plans, as they do for owners; a lock of the plan's row would
-- keep a change waiting for as long as one maker of keys follows the other.
CREATE OR REPLACE FUNCTION lock_owner(issuer text, subject text) RETURNS void LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock(hashtext('keyward owners'), hashtext(lock_owner.issuer || chr(1) || lock_owner.subject) & 1023);
    SELECT pg_advisory_xact_lock_shared(hashtext('keyward plans'), hashtext(plan) & 1023) FROM owner_plans
    WHERE owner_plans.issuer = lock_owner.issuer AND owner_plans.subject = lock_owner.subject;
$$;

-- Announces the keys of everybody on a plan that work, or did until an hour ago. Up to ten thousand owners and as many
-- keys are looked for, which takes a tenth of a second and is as many as are announced one by one; beyond that, all
-- keys are announced, which every replica then reads again as they are used.
CREATE FUNCTION announce_keys_of_plan(changed text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    most CONSTANT integer := 10000;
    owners bigint;
    ids uuid[];
BEGIN
    SELECT count(*) INTO owners FROM (SELECT FROM owner_plans WHERE plan = changed LIMIT most + 1) AS counted;
    IF owners > most THEN
        RETURN announce_key_change(NULL);
    END IF;
    SELECT array_agg(id) INTO ids
    FROM (SELECT id FROM owner_plans JOIN api_keys USING (issuer, subject)
          WHERE plan = changed AND revoked_at IS NULL AND coalesce(expires_at, 'infinity') > now() - interval '1 hour'
          LIMIT most + 1) AS alive;
    -- More than ten thousand are announced as all.
    RETURN CASE WHEN ids IS NOT NULL THEN announce_key_change(ids) END;
END
$$;

-- Caps are in no replica's memory, so only limits are announced. Whoever makes a key for somebody on the plan has the
-- lock shared, and is waited for.
CREATE FUNCTION plans_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('keyward plans'), hashtext(NEW.name) & 1023);
    IF OLD.limits IS DISTINCT FROM NEW.limits THEN
        PERFORM announce_keys_of_plan(NEW.name);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER plans_announce AFTER UPDATE ON plans FOR EACH ROW EXECUTE FUNCTION plans_changed();
CREATE TRIGGER plans_announce_truncate AFTER TRUNCATE ON plans
    FOR EACH STATEMENT EXECUTE FUNCTION api_keys_truncated();

-- As a change of `disabled_owners`: the function only needs the owner's two columns. A newer claim of the same plan
-- changes nothing for a key.
CREATE TRIGGER owner_plans_announce AFTER INSERT OR DELETE ON owner_plans
    FOR EACH ROW EXECUTE FUNCTION disabled_owners_changed();
CREATE TRIGGER owner_plans_announce_update AFTER UPDATE ON owner_plans
    FOR EACH ROW WHEN ((OLD.issuer, OLD.subject, OLD.plan) IS DISTINCT FROM (NEW.issuer, NEW.subject, NEW.plan))
    EXECUTE FUNCTION disabled_owners_changed();
CREATE TRIGGER owner_plans_announce_truncate AFTER TRUNCATE ON owner_plans
    FOR EACH STATEMENT EXECUTE FUNCTION api_keys_truncated();

-- The same as before, these tables, and the function that the triggers of their changes call. `src/store/rights.rs`
-- looks for all of these rights.
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
    EXECUTE format('GRANT SELECT, UPDATE ON coherence, pulses TO %I', service);
    EXECUTE format('GRANT USAGE ON SEQUENCE key_changes, credit_versions TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT ON audit_events TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION forget_ended_keys, keep_audit_months TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION lock_owner, token_record, take_slices TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION limit_window_begins, limit_window_ends TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION exchange_credits, settle_silent_slices, define_credits, add_credits TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION refilled_credits, next_credit_refill TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION write_usage, keep_usage_months TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION announce_key_change, announce_keys_of TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION announce_keys_of_plan TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION own_channel, tell_replicas, tell_change TO %I', service);
END
$$;

-- Earlier versions go on making keys, and `lock_owner` reads one of these tables from now on: whoever may disable
-- owners, which is the service, may at once do all that it may do.
DO $$
DECLARE
    service name;
BEGIN
    FOR service IN
        SELECT DISTINCT rolname FROM pg_class, aclexplode(relacl) AS given JOIN pg_roles ON pg_roles.oid = given.grantee
        WHERE pg_class.oid = 'disabled_owners'::regclass AND privilege_type = 'INSERT' AND given.grantee <> relowner
    LOOP
        PERFORM grant_to_service(service);
    END LOOP;
END
$$;
