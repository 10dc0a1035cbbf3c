-- What owners and administrators do with keys: restrict, change, rotate, look up when a key was last used, switch an
-- owner off; and what is remembered of who did it.

ALTER TABLE api_keys
    -- Networks that the key may be used from. Empty: from anywhere. Read with the row on a cold check, so an array.
    ADD COLUMN allowed_ips inet[] NOT NULL DEFAULT '{}',
    -- Counts the changes, for ETag and If-Match (RFC 9110 section 13.1.1): of two editors, the second is told.
    ADD COLUMN version bigint NOT NULL DEFAULT 1,
    -- The key that took this one's place. Set once, so that of two rotations at the same time one wins.
    ADD COLUMN successor_id uuid;

-- `last_used_at` was never written. A key's use is in `key_uses`: written here, it would hold the row's lock
-- while somebody revokes the key.
COMMENT ON COLUMN api_keys.last_used_at IS 'never written; see key_uses';

-- Administrators look for keys by a member of the notes. Most notes are empty, so the index is small.
CREATE INDEX api_keys_by_metadata ON api_keys USING gin (metadata jsonb_path_ops) WHERE metadata <> '{}';

-- How many keys an owner has, and which are to stop with their owner, is asked of those that are not revoked: an owner
-- who rotates each day has thousands that are.
CREATE INDEX api_keys_not_revoked_by_owner ON api_keys (issuer, subject) WHERE revoked_at IS NULL;

-- A trigger counts, so that a change by psql counts too.
CREATE FUNCTION api_keys_count_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_jsonb(OLD) - 'last_used_at' - 'secret_hash' <> to_jsonb(NEW) - 'last_used_at' - 'secret_hash' THEN
        NEW.version := OLD.version + 1;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER api_keys_count_version BEFORE UPDATE ON api_keys
    FOR EACH ROW EXECUTE FUNCTION api_keys_count_version();

-- When and from where a key was last used. Written in batches, off the path of a check, and without the row of the
-- key: neither its version nor its lock nor the replicas' memory has anything to do with its use.
CREATE TABLE key_uses (
    key_id uuid PRIMARY KEY REFERENCES api_keys (id) ON DELETE CASCADE,
    last_used_at timestamptz NOT NULL,
    -- NULL when the client's address was not known.
    last_used_from inet
) WITH (fillfactor = 80); -- room for updates in place

-- Owners whose keys are all refused. A row is there as long as that holds.
CREATE TABLE disabled_owners (
    issuer text NOT NULL,
    subject text NOT NULL,
    disabled_at timestamptz NOT NULL,
    reason text,
    PRIMARY KEY (issuer, subject)
);

-- Held to the end of the transaction by whoever makes a key for this owner, or switches the owner. So a key is either
-- there when its owner is switched off, and announced; or it is read after that, and refused. It also makes "at most
-- so many keys" exact. A thousand locks serve all owners, so that a transaction which makes keys for a million of
-- them does not need a million.
CREATE FUNCTION lock_owner(issuer text, subject text) RETURNS void LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock(hashtext('keyward owners'), hashtext(issuer || chr(1) || subject) & 1023)
$$;

CREATE FUNCTION api_keys_lock_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM lock_owner(NEW.issuer, NEW.subject);
    RETURN NEW;
END
$$;
CREATE TRIGGER api_keys_lock_owner BEFORE INSERT ON api_keys
    FOR EACH ROW EXECUTE FUNCTION api_keys_lock_owner();

CREATE FUNCTION disabled_owners_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    owner disabled_owners := coalesce(NEW, OLD);
    ids uuid[];
BEGIN
    PERFORM lock_owner(owner.issuer, owner.subject);
    SELECT array_agg(id) INTO ids FROM api_keys
    WHERE issuer = owner.issuer AND subject = owner.subject AND revoked_at IS NULL;
    IF ids IS NOT NULL THEN
        PERFORM announce_key_change(ids);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER disabled_owners_announce AFTER INSERT OR UPDATE OR DELETE ON disabled_owners
    FOR EACH ROW EXECUTE FUNCTION disabled_owners_changed();
CREATE TRIGGER disabled_owners_announce_truncate AFTER TRUNCATE ON disabled_owners
    FOR EACH STATEMENT EXECUTE FUNCTION api_keys_truncated();

-- Answers to requests that carried an Idempotency-Key, for a day: a retry must not make a second key. By who asked,
-- not by whose key it is: two members of an organisation may choose the same text.
CREATE TABLE idempotency_keys (
    issuer text NOT NULL,
    subject text NOT NULL,
    idempotency_key text NOT NULL,
    -- SHA-256 of what was asked for. Another request under the same key is a mistake.
    request_hash bytea NOT NULL CONSTRAINT idempotency_keys_hash_is_sha256 CHECK (octet_length(request_hash) = 32),
    key_id uuid NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (issuer, subject, idempotency_key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
CREATE INDEX idempotency_keys_by_key ON idempotency_keys (key_id);

-- Who did what to which key, when, from where. Written in the transaction of the change. By month, so that what is
-- old goes by dropping a table.
CREATE TABLE audit_events (
    -- A UUIDv7, whose order is that of time: pages of events are read along it.
    id uuid NOT NULL,
    at timestamptz NOT NULL,
    -- Such as key.created; `src/domain/audit.rs` has them all. No CHECK: a newer Keyward knows more.
    action text NOT NULL,
    -- NULL when it was about an owner.
    key_id uuid,
    -- Whose key it was then.
    issuer text NOT NULL,
    subject text NOT NULL,
    -- Who did it: the bearer of a token, the holder of a key, or the command line, which has no name.
    actor_kind text NOT NULL,
    actor_issuer text,
    actor_subject text,
    actor_key_id uuid,
    -- From where: as far as it is known.
    address inet,
    request_id text,
    -- What exactly: names of changed fields, a reason. Never a secret.
    details jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
CREATE INDEX audit_events_by_owner ON audit_events (issuer, subject, id);
CREATE INDEX audit_events_by_key ON audit_events (key_id, id);

-- Whatever has no month of its own yet. An event must never fail for want of a table.
CREATE TABLE audit_events_other PARTITION OF audit_events DEFAULT;

CREATE FUNCTION audit_events_are_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit events are neither changed nor deleted; old months are dropped whole';
END
$$;
CREATE TRIGGER audit_events_are_final BEFORE UPDATE OR DELETE ON audit_events
    FOR EACH ROW EXECUTE FUNCTION audit_events_are_final();
CREATE TRIGGER audit_events_are_not_truncated BEFORE TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION audit_events_are_final();

-- Makes the tables of this month and the next twelve, and drops those whose last event is older than `keep` (NULL:
-- none). For the role that owns the tables: `keyward migrate`, and each start that migrates.
CREATE FUNCTION maintain_audit_events(keep interval) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    first_of_month date;
    month_table text;
BEGIN
    FOR ahead IN 0..12 LOOP
        first_of_month := date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => ahead);
        month_table := 'audit_events_' || to_char(first_of_month, 'YYYY_MM');
        IF to_regclass(month_table) IS NULL THEN
            BEGIN
                EXECUTE format('CREATE TABLE %I PARTITION OF audit_events FOR VALUES FROM (%L) TO (%L)', month_table,
                    first_of_month::timestamp AT TIME ZONE 'UTC',
                    (first_of_month + interval '1 month')::timestamp AT TIME ZONE 'UTC');
            EXCEPTION WHEN check_violation THEN
                RAISE WARNING 'events of % stay in audit_events_other', to_char(first_of_month, 'YYYY-MM');
            END;
        END IF;
    END LOOP;
    FOR month_table IN
        SELECT child.relname FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
        WHERE inhparent = 'audit_events'::regclass AND child.relname ~ '^audit_events_[0-9]{4}_[0-9]{2}$'
    LOOP
        first_of_month := to_date(right(month_table, 7), 'YYYY_MM');
        IF (first_of_month + interval '1 month') AT TIME ZONE 'UTC' < now() - keep THEN
            EXECUTE format('DROP TABLE %I', month_table);
        END IF;
    END LOOP;
END
$$;
DO $$ BEGIN PERFORM maintain_audit_events(NULL); END $$;

-- Gives a role what `keyward serve` needs, where it is not the role that owns the tables. It can add audit events, and
-- neither change nor delete them.
CREATE FUNCTION grant_to_service(service name) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), service);
    EXECUTE format('GRANT SELECT ON _sqlx_migrations TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON api_keys, key_uses TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys, disabled_owners TO %I', service);
    EXECUTE format('GRANT SELECT, UPDATE ON coherence TO %I', service);
    EXECUTE format('GRANT USAGE ON SEQUENCE key_changes TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT ON audit_events TO %I', service);
END
$$;
