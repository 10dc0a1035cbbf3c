-- A batch of uses adds to rows in the order in which keys were first used, which is also the order of the rows in their tables. So it
-- updates all rows of a page at once. Each new version finds room beside the old one only if half of the page is free; otherwise it
-- goes to another page, with a new entry in each index. This is for pages to come.
ALTER TABLE key_uses SET (fillfactor = 50);
DO $$
DECLARE
    month_table text;
BEGIN
    FOR month_table IN
        SELECT inhrelid::regclass FROM pg_inherits
        WHERE inhparent IN (to_regclass('usage_hours'), to_regclass('usage_days'))
        ORDER BY 1
    LOOP
        EXECUTE format('ALTER TABLE %s SET (fillfactor = 50)', month_table);
    END LOOP;
END
$$;

-- The same as before, with as much room in the months to come.
CREATE OR REPLACE FUNCTION keep_usage_months(keep_hours interval, keep_days interval) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('keyward usage months')) THEN
        RETURN NULL;
    END IF;
    -- Nobody repeats a batch for so long.
    DELETE FROM usage_writers WHERE written_at < now() - interval '30 days';
    RETURN maintain_months('usage_hours', keep_hours, 50) + maintain_months('usage_days', keep_days, 50);
END
$$;
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION keep_usage_months(interval, interval) SET search_path = %I, pg_temp', current_schema());
END $$;
