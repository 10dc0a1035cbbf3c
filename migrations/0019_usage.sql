-- How often keys are used: by hour, outcome and tag. Replicas count in memory and write in batches, off the path of a check.

-- The keys that were ever used, by a number that makes the rows of counts small. It stays as long as there are counts of the
-- key, so that those of an owner add up although some of their keys are gone. Without the row, counts belong to nobody.
CREATE TABLE usage_keys (
    -- From 1 on: the counts of key 0 are those of all keys together.
    number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key_id uuid NOT NULL CONSTRAINT usage_keys_one_number UNIQUE,
    issuer text NOT NULL,
    subject text NOT NULL
);
CREATE INDEX usage_keys_by_owner ON usage_keys (issuer, subject);

-- Uses by hour. By month, so that what is old goes by dropping a table.
CREATE TABLE usage_hours (
    key integer NOT NULL,
    -- When it began, by the clock of the replica that counted.
    hour timestamptz NOT NULL,
    -- `src/domain/usage/outcome.rs` has them all. No CHECK: a newer Keyward knows more.
    outcome smallint NOT NULL,
    -- What the verification or the policy called the use; mostly nothing.
    tag text COLLATE "C" NOT NULL,
    count bigint NOT NULL CONSTRAINT usage_hours_count_positive CHECK (count > 0),
    PRIMARY KEY (key, hour, outcome, tag)
) PARTITION BY RANGE (hour);
-- For groups of all keys in a period. Tiny, for rows are appended roughly in the order of time.
CREATE INDEX usage_hours_by_hour ON usage_hours USING brin (hour) WITH (pages_per_range = 16);

-- The same by day, for longer. Written together with the hours: adding these up later would take a second way for whatever comes
-- late.
CREATE TABLE usage_days (
    key integer NOT NULL,
    day date NOT NULL, -- in UTC
    outcome smallint NOT NULL,
    tag text COLLATE "C" NOT NULL,
    count bigint NOT NULL CONSTRAINT usage_days_count_positive CHECK (count > 0),
    PRIMARY KEY (key, day, outcome, tag)
) PARTITION BY RANGE (day);
CREATE INDEX usage_days_by_day ON usage_days USING brin (day) WITH (pages_per_range = 16);

-- Whatever has no month of its own yet. A count must never fail for want of a table.
CREATE TABLE usage_hours_other PARTITION OF usage_hours DEFAULT;
CREATE TABLE usage_days_other PARTITION OF usage_days DEFAULT;

-- The last batch that each replica has written, so that one whose fate was unknown is not counted twice.
CREATE TABLE usage_writers (
    -- A replica has another id at each start.
    replica uuid PRIMARY KEY,
    batch bigint NOT NULL,
    written_at timestamptz NOT NULL
) WITH (fillfactor = 50); -- each row is updated again and again

-- Makes the tables of this month and the next twelve of a partitioned table, so full at first (in per cent), and drops those
-- whose last row is older than `keep` (NULL: none). The number of dropped ones.
CREATE FUNCTION maintain_months(parent text, keep interval, fillfactor integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    first_of_month date;
    month_table text;
    dropped integer := 0;
BEGIN
    FOR ahead IN 0..12 LOOP
        first_of_month := date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => ahead);
        month_table := parent || '_' || to_char(first_of_month, 'YYYY_MM');
        IF to_regclass(month_table) IS NULL THEN
            BEGIN
                -- As text with its time zone, which a column of dates takes as well.
                EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L) WITH (fillfactor = %s)',
                    month_table, parent,
                    to_char(first_of_month, 'YYYY-MM-DD 00:00:00+00'),
                    to_char(first_of_month + interval '1 month', 'YYYY-MM-DD 00:00:00+00'), fillfactor);
            EXCEPTION WHEN check_violation THEN
                RAISE WARNING 'rows of % stay in %_other', to_char(first_of_month, 'YYYY-MM'), parent;
            END;
        END IF;
    END LOOP;
    FOR month_table IN
        SELECT child.relname FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
        WHERE inhparent = to_regclass(parent) AND child.relname ~ ('^' || parent || '_[0-9]{4}_[0-9]{2}$')
    LOOP
        first_of_month := to_date(right(month_table, 7), 'YYYY_MM');
        IF (first_of_month + interval '1 month') AT TIME ZONE 'UTC' < now() - keep THEN
            EXECUTE format('DROP TABLE %I', month_table);
            dropped := dropped + 1;
        END IF;
    END LOOP;
    RETURN dropped;
END
$$;

-- The audit's months are made and dropped by the same function.
CREATE OR REPLACE FUNCTION maintain_audit_events(keep interval) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM maintain_months('audit_events', keep, 100);
END
$$;

-- The same for usage; the number of dropped tables, or NULL while another session is at it. As with `keep_audit_months`, it has
-- the rights of whoever owns the tables.
CREATE FUNCTION keep_usage_months(keep_hours interval, keep_days interval) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('keyward usage months')) THEN
        RETURN NULL;
    END IF;
    -- Nobody repeats a batch for so long.
    DELETE FROM usage_writers WHERE written_at < now() - interval '30 days';
    -- With room for updates in place.
    RETURN maintain_months('usage_hours', keep_hours, 80) + maintain_months('usage_days', keep_days, 80);
END
$$;
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION keep_usage_months(interval, interval) SET search_path = %I, pg_temp', current_schema());
    PERFORM maintain_months('usage_hours', NULL, 80);
    PERFORM maintain_months('usage_days', NULL, 80);
END $$;
REVOKE ALL ON FUNCTION keep_usage_months(interval, interval) FROM PUBLIC;

-- Writes a batch of a replica: last uses, and counts to add. Whether it did, or had done before. A replica writes its batches
-- one after another, and repeats one until it knows its fate. All rows are written in the order of keys, so that replicas never
-- deadlock. No notification is sent.
CREATE FUNCTION write_usage(this_replica uuid, this_batch bigint, used uuid[], used_at timestamptz[], used_from inet[],
                            counted uuid[], hours timestamptz[], outcomes smallint[], tags text[], counts bigint[])
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    numbers integer[];
BEGIN
    -- Waits for an earlier attempt that is still under way.
    INSERT INTO usage_writers AS known (replica, batch, written_at) VALUES (this_replica, this_batch, now())
    ON CONFLICT (replica) DO UPDATE SET batch = excluded.batch, written_at = excluded.written_at
    WHERE known.batch < excluded.batch;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    -- The join omits keys that no longer exist.
    INSERT INTO key_uses (key_id, last_used_at, last_used_from)
    SELECT api_keys.id, one.at, one.address
    FROM unnest(used, used_at, used_from) AS one (id, at, address) JOIN api_keys USING (id)
    ORDER BY api_keys.id
    ON CONFLICT (key_id) DO UPDATE
    SET last_used_at = excluded.last_used_at, last_used_from = excluded.last_used_from
    WHERE key_uses.last_used_at < excluded.last_used_at;
    IF cardinality(counted) = 0 THEN
        RETURN true;
    END IF;
    FOR attempt IN 1..2 LOOP
        numbers := ARRAY(SELECT number FROM unnest(counted) WITH ORDINALITY AS one (key_id, place)
                         LEFT JOIN usage_keys USING (key_id) ORDER BY place);
        EXIT WHEN array_position(numbers, NULL) IS NULL;
        -- Keys that no longer exist get none: whoever is deleting one is waited for.
        INSERT INTO usage_keys (key_id, issuer, subject)
        SELECT id, issuer, subject FROM api_keys
        WHERE id = ANY (counted) AND NOT EXISTS (SELECT FROM usage_keys WHERE key_id = id)
        ORDER BY id
        FOR KEY SHARE
        ON CONFLICT (key_id) DO NOTHING;
    END LOOP;
    -- All keys together last, because every replica adds to the same row.
    INSERT INTO usage_hours AS known (key, hour, outcome, tag, count)
    SELECT coalesce(one.number, 0), one.hour, one.outcome, one.tag, sum(one.count)
    FROM unnest(numbers, hours, outcomes, tags, counts) AS one (number, hour, outcome, tag, count)
    WHERE one.number IS NOT NULL
    GROUP BY GROUPING SETS ((one.number, one.hour, one.outcome, one.tag), (one.hour, one.outcome, one.tag))
    ORDER BY one.number NULLS LAST, one.hour, one.outcome, one.tag
    ON CONFLICT (key, hour, outcome, tag) DO UPDATE SET count = known.count + excluded.count;
    INSERT INTO usage_days AS known (key, day, outcome, tag, count)
    SELECT coalesce(one.number, 0), one.day, one.outcome, one.tag, sum(one.count)
    FROM (SELECT number, (hour AT TIME ZONE 'UTC')::date AS day, outcome, tag, count
          FROM unnest(numbers, hours, outcomes, tags, counts) AS each (number, hour, outcome, tag, count)
          WHERE number IS NOT NULL) AS one
    GROUP BY GROUPING SETS ((one.number, one.day, one.outcome, one.tag), (one.day, one.outcome, one.tag))
    ORDER BY one.number NULLS LAST, one.day, one.outcome, one.tag
    ON CONFLICT (key, day, outcome, tag) DO UPDATE SET count = known.count + excluded.count;
    RETURN true;
END
$$;

-- The same as before, and these tables and functions. `src/store/rights.rs` looks for all of these rights.
CREATE OR REPLACE FUNCTION grant_to_service(service name) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), service);
    EXECUTE format('GRANT SELECT ON _sqlx_migrations TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON api_keys, key_uses TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys, disabled_owners TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON revoked_tokens, tokens_not_before TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON replicas, acknowledgements TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON owner_limits, limit_counts TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON usage_hours, usage_days, usage_writers TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON usage_keys TO %I', service);
    EXECUTE format('GRANT SELECT, UPDATE ON coherence, pulses TO %I', service);
    EXECUTE format('GRANT USAGE ON SEQUENCE key_changes TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT ON audit_events TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION forget_ended_keys, keep_audit_months TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION lock_owner, token_record, take_slices TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION limit_window_begins, limit_window_ends TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION write_usage, keep_usage_months TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION announce_key_change, announce_keys_of TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION own_channel, tell_replicas, tell_change TO %I', service);
END
$$;
