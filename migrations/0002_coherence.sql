-- How replicas learn of changes: every change of a key's rights is told to all listeners, in the
-- transaction that makes it. A trigger does it, so that a change by psql counts too.

-- Names each notification, so that a revoker can tell that its own has been heard.
CREATE SEQUENCE key_changes;

-- Tells all replicas to read these keys again (NULL: all keys). The channel and the form of the payload
-- are part of the protocol: `store/announcements.rs` reads it. A payload must stay under 8000 bytes, and
-- 200 ids take 7400.
CREATE FUNCTION announce_key_change(ids uuid[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    change bigint := nextval('key_changes');
    listed text := CASE WHEN ids IS NULL OR cardinality(ids) > 200 THEN '*' ELSE array_to_string(ids, ',') END;
BEGIN
    PERFORM pg_notify('keyward', 'changed ' || change || ' ' || listed);
    RETURN change;
END
$$;

-- One notification a statement. Use and a stronger hash of the same secret change no rights; a new key
-- is in nobody's memory.
CREATE FUNCTION api_keys_updated() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[];
BEGIN
    SELECT array_agg(old_key.id) INTO ids
    FROM old_keys AS old_key LEFT JOIN new_keys AS new_key USING (id)
    WHERE new_key.id IS NULL
       OR to_jsonb(old_key) - 'last_used_at' - 'secret_hash' <> to_jsonb(new_key) - 'last_used_at' - 'secret_hash';
    IF ids IS NOT NULL THEN
        PERFORM announce_key_change(ids);
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION api_keys_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[];
BEGIN
    SELECT array_agg(id) INTO ids FROM old_keys;
    IF ids IS NOT NULL THEN
        PERFORM announce_key_change(ids);
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION api_keys_truncated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM announce_key_change(NULL);
    RETURN NULL;
END
$$;

CREATE TRIGGER api_keys_announce_update AFTER UPDATE ON api_keys
    REFERENCING OLD TABLE AS old_keys NEW TABLE AS new_keys
    FOR EACH STATEMENT EXECUTE FUNCTION api_keys_updated();

CREATE TRIGGER api_keys_announce_delete AFTER DELETE ON api_keys
    REFERENCING OLD TABLE AS old_keys
    FOR EACH STATEMENT EXECUTE FUNCTION api_keys_deleted();

CREATE TRIGGER api_keys_announce_truncate AFTER TRUNCATE ON api_keys
    FOR EACH STATEMENT EXECUTE FUNCTION api_keys_truncated();

-- The longest lease of any replica, for revokers that cannot hear the replicas themselves. A replica
-- enters its own before its first heartbeat; it only ever grows.
CREATE TABLE coherence (
    only_row boolean PRIMARY KEY DEFAULT true CONSTRAINT coherence_has_one_row CHECK (only_row),
    longest_lease_ms integer NOT NULL CONSTRAINT coherence_lease_in_bounds CHECK (longest_lease_ms BETWEEN 0 AND 60000)
);
INSERT INTO coherence (longest_lease_ms) VALUES (0);
