-- What a change of a key costs: whether a row has changed was found out by writing it out as JSON four times. What counts as a
-- change stays the same.

-- Compares the rows themselves. So each column of the table needs a type with equality, as jsonb has, and json has not.

CREATE OR REPLACE FUNCTION api_keys_count_version() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was record := OLD;
BEGIN
    was.last_used_at := NEW.last_used_at;
    was.secret_hash := NEW.secret_hash;
    IF was IS DISTINCT FROM NEW THEN
        NEW.version := OLD.version + 1;
    END IF;
    RETURN NEW;
END
$$;

-- The version tells; the rest is compared in case the trigger that counts it is switched off.
CREATE OR REPLACE FUNCTION api_keys_updated() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[];
BEGIN
    SELECT array_agg(old_key.id) INTO ids
    FROM old_keys AS old_key LEFT JOIN new_keys AS new_key USING (id)
    WHERE new_key.id IS NULL
       OR old_key.version <> new_key.version
       OR to_jsonb(old_key) - 'last_used_at' - 'secret_hash' <> to_jsonb(new_key) - 'last_used_at' - 'secret_hash';
    IF ids IS NOT NULL THEN
        PERFORM announce_key_change(ids);
    END IF;
    RETURN NULL;
END
$$;
