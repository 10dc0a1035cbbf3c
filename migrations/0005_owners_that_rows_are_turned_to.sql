-- A row of `disabled_owners` may be turned to another owner, by psql: then it is about both.

CREATE OR REPLACE FUNCTION disabled_owners_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[];
BEGIN
    -- In the order of the locks that `lock_owner` has, which are fewer than the owners: two who turn rows the opposite
    -- way must not wait for each other.
    PERFORM lock_owner(owner.issuer, owner.subject)
    FROM (SELECT about.issuer, about.subject
          FROM (VALUES (OLD.issuer, OLD.subject), (NEW.issuer, NEW.subject)) AS about (issuer, subject)
          WHERE about.subject IS NOT NULL
          ORDER BY hashtext(about.issuer || chr(1) || about.subject) & 1023) AS owner;
    SELECT array_agg(id) INTO ids FROM api_keys
    WHERE ((issuer = OLD.issuer AND subject = OLD.subject) OR (issuer = NEW.issuer AND subject = NEW.subject))
      AND revoked_at IS NULL;
    IF ids IS NOT NULL THEN
        PERFORM announce_key_change(ids);
    END IF;
    RETURN NULL;
END
$$;
