-- A key that an administrator has switched off is not for its owner to switch on again.

-- Who has switched it off. NULL: it is on, or a version that does not write this has switched it off; then it counts as
-- its owner's doing. A text with a CHECK, which can be widened while an older version serves. The CHECK is not asked of
-- the rows that are there, all of which have NULL: that would hold up every check of a key as long as it takes.
ALTER TABLE api_keys ADD COLUMN disabled_by text;
ALTER TABLE api_keys ADD CONSTRAINT api_keys_disabled_by_known
    CHECK (disabled_by IN ('owner', 'administrator')) NOT VALID;

-- A version that does not write it switches keys on as well. What was remembered is then about another time.
CREATE FUNCTION api_keys_switched_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.disabled_by := NULL;
    RETURN NEW;
END
$$;
CREATE TRIGGER api_keys_switched_on BEFORE INSERT OR UPDATE ON api_keys
    FOR EACH ROW WHEN (NEW.enabled AND NEW.disabled_by IS NOT NULL) EXECUTE FUNCTION api_keys_switched_on();
