-- jsonb keeps the value of a number, and not how it was written: it gives 100 back for 1e2, and 0 for -0.

-- The notes to the letter, where `metadata` would give back others. NULL: `metadata` gives back what was sent. As text,
-- not as json: only so does a change of nothing but the spelling count as a change (`api_keys_count_version`).
ALTER TABLE api_keys ADD COLUMN metadata_as_sent text;

-- A version that knows only `metadata` changes that alone, and so may psql. Then it is what counts.
CREATE FUNCTION api_keys_notes_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.metadata_as_sent::jsonb <> NEW.metadata THEN
        NEW.metadata_as_sent := NULL;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER api_keys_notes_changed BEFORE INSERT OR UPDATE ON api_keys
    FOR EACH ROW WHEN (NEW.metadata_as_sent IS NOT NULL) EXECUTE FUNCTION api_keys_notes_changed();
