-- Many records are announced by several notifications, and not by one that makes every replica read everything again:
-- some people can have many announced at will. Only a change of more than ten thousand at once is told as "all".
-- The form of a payload stays as it is: `store/wire.rs` reads it, and so do earlier versions.
CREATE OR REPLACE FUNCTION announce_key_change(ids uuid[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    change bigint;
    -- A payload must stay under 8000 bytes, and 200 ids take 7400.
    in_one CONSTANT integer := 200;
    position integer := 1;
BEGIN
    IF ids IS NULL OR cardinality(ids) > 10000 THEN
        change := nextval('key_changes');
        PERFORM pg_notify('keyward', 'changed ' || change || ' *');
        RETURN change;
    END IF;
    WHILE position <= cardinality(ids) LOOP
        change := nextval('key_changes');
        PERFORM pg_notify('keyward', 'changed ' || change || ' '
            || array_to_string(ids[position : position + in_one - 1], ','));
        position := position + in_one;
    END LOOP;
    -- The last one's: an earlier version waits for it, and notifications come in order.
    RETURN change;
END
$$;

-- The keys of an owner that are not revoked, by the end of their lives: so that those which have expired are passed over, of
-- which there may be any number. Building it holds up changes of keys, for about a second with a million of them;
-- whoever has many more makes it beforehand, under this name, with CREATE INDEX CONCURRENTLY.
CREATE INDEX IF NOT EXISTS api_keys_living_by_owner ON api_keys (issuer, subject, coalesce(expires_at, 'infinity'))
    WHERE revoked_at IS NULL;

-- Announces the keys of an owner that work, or did until an hour ago: a replica's clock may be late.
CREATE FUNCTION announce_keys_of(key_issuer text, key_subject text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[];
BEGIN
    SELECT array_agg(id) INTO ids FROM api_keys
    WHERE issuer = key_issuer AND subject = key_subject AND revoked_at IS NULL
      AND coalesce(expires_at, 'infinity') > now() - interval '1 hour';
    RETURN CASE WHEN ids IS NOT NULL THEN announce_key_change(ids) END;
END
$$;

-- As before, but for the living keys alone.
CREATE OR REPLACE FUNCTION disabled_owners_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- In the order of the locks that `lock_owner` has, which are fewer than the owners: two who turn rows the opposite
    -- way must not wait for each other.
    PERFORM lock_owner(owner.issuer, owner.subject)
    FROM (SELECT about.issuer, about.subject
          FROM (VALUES (OLD.issuer, OLD.subject), (NEW.issuer, NEW.subject)) AS about (issuer, subject)
          WHERE about.subject IS NOT NULL
          ORDER BY hashtext(about.issuer || chr(1) || about.subject) & 1023) AS owner;
    PERFORM announce_keys_of(about.issuer, about.subject)
    FROM (VALUES (OLD.issuer, OLD.subject) UNION VALUES (NEW.issuer, NEW.subject)) AS about (issuer, subject)
    WHERE about.subject IS NOT NULL;
    RETURN NULL;
END
$$;
