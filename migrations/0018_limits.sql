-- Limits: how much a key or an owner may use in a window, however many replicas count.

-- Read with the row on a cold check, so an array and no second table; `src/domain/limits` knows its form. The default is no
-- limit, which rows of earlier versions have as well. NOT VALID: every row there is has the default, so none is looked at.
ALTER TABLE api_keys ADD COLUMN limits jsonb NOT NULL DEFAULT '[]';
ALTER TABLE api_keys ADD CONSTRAINT api_keys_limits_array CHECK (jsonb_typeof(limits) = 'array') NOT VALID;

-- The limits that all keys of an owner share. Most owners have no row.
CREATE TABLE owner_limits (
    issuer text NOT NULL,
    subject text NOT NULL CONSTRAINT owner_limits_subject_present CHECK (subject <> ''),
    limits jsonb NOT NULL CONSTRAINT owner_limits_array CHECK (jsonb_typeof(limits) = 'array'),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (issuer, subject)
);

-- A change is announced as a change of `disabled_owners`: the function only needs the owner's two columns.
CREATE TRIGGER owner_limits_announce AFTER INSERT OR UPDATE OR DELETE ON owner_limits
    FOR EACH ROW EXECUTE FUNCTION disabled_owners_changed();
CREATE TRIGGER owner_limits_announce_truncate AFTER TRUNCATE ON owner_limits
    FOR EACH STATEMENT EXECUTE FUNCTION api_keys_truncated();

-- How much of each limit the replicas have taken in its latest window. One row a limit, which is used again in the next window, so
-- the table grows with the limits in use and not with time; the columns that change have no index, so an update stays in its
-- page. Nothing refers to it: a row whose window ended long ago is worth nothing, and is deleted.
CREATE TABLE limit_counts (
    -- The id of a key, or what `src/domain/limits` makes of an owner.
    holder uuid NOT NULL,
    name text COLLATE "C" NOT NULL,
    -- The length of the window in seconds; 0: a calendar month. A limit that gets another window is another limit.
    period integer NOT NULL CONSTRAINT limit_counts_period_in_bounds CHECK (period BETWEEN 0 AND 2678400),
    window_begins timestamptz NOT NULL,
    window_ends timestamptz NOT NULL,
    taken bigint NOT NULL CONSTRAINT limit_counts_taken_in_bounds CHECK (taken >= 0),
    PRIMARY KEY (holder, name, period)
) WITH (fillfactor = 70);

-- The window that contains an instant. `src/domain/limits/window.rs` computes the same.
CREATE FUNCTION limit_window_begins(period integer, instant timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE period
        WHEN 0 THEN date_trunc('month', instant AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
        ELSE to_timestamp(floor(extract(epoch FROM instant) / period) * period) END
$$;
CREATE FUNCTION limit_window_ends(period integer, begins timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE period
        WHEN 0 THEN (begins AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC'
        ELSE to_timestamp(extract(epoch FROM begins) + period) END
$$;

-- Takes a slice of each of these limits: what is granted is the caller's, once the transaction has committed, and nobody else's.
-- All changes of limits' counts are made here, so what is granted in a window is never more than the amount.
CREATE FUNCTION take_slices(holders uuid[], names text[], periods integer[], amounts bigint[],
                            minimums bigint[], needs bigint[], wants bigint[])
RETURNS TABLE (place bigint, granted bigint, remaining bigint, begins timestamptz, ends timestamptz, decided_at timestamptz)
LANGUAGE plpgsql AS $$
DECLARE
    -- A clock that was set back by no more than this is waited for. Beyond it, the clock was wrong before, and nobody should
    -- wait for as long as it was.
    longest_wait CONSTANT interval := '5 minutes';
    asked record;
    counted limit_counts;
BEGIN
    -- In the order of the primary key, so that two replicas never deadlock.
    FOR asked IN
        SELECT * FROM unnest(holders, names, periods, amounts, minimums, needs, wants) WITH ORDINALITY
            AS asked (holder, name, period, amount, minimum, need, want, place)
        ORDER BY holder, name COLLATE "C", period
    LOOP
        place := asked.place;
        granted := 0;
        -- Without a lock first: a refusal writes nothing. What was taken only grows within a window, so the answer stays true.
        SELECT * INTO counted FROM limit_counts AS counts
        WHERE counts.holder = asked.holder AND counts.name = asked.name AND counts.period = asked.period;
        decided_at := clock_timestamp();
        begins := limit_window_begins(asked.period, decided_at);
        IF NOT FOUND OR counted.window_begins <> begins OR asked.amount - counted.taken >= asked.minimum THEN
            LOOP
                SELECT * INTO counted FROM limit_counts AS counts
                WHERE counts.holder = asked.holder AND counts.name = asked.name AND counts.period = asked.period
                FOR UPDATE;
                EXIT WHEN FOUND;
                INSERT INTO limit_counts (holder, name, period, window_begins, window_ends, taken)
                VALUES (asked.holder, asked.name, asked.period, '-infinity', '-infinity', 0) ON CONFLICT DO NOTHING;
            END LOOP;
            -- The wait for the lock may have taken until the next window.
            decided_at := clock_timestamp();
            begins := limit_window_begins(asked.period, decided_at);
        END IF;
        ends := limit_window_ends(asked.period, begins);
        IF counted.window_begins > begins AND counted.window_begins <= decided_at + longest_wait THEN
            -- The clock was set back, or is that of another server, which was promoted: this window was counted before, and its
            -- count is gone. So nothing is granted until the clock has reached the later window again.
            remaining := 0;
        ELSE
            IF counted.window_begins <> begins THEN
                counted.window_begins := begins;
                counted.taken := 0;
            END IF;
            remaining := greatest(asked.amount - counted.taken, 0);
            IF remaining >= asked.minimum THEN
                -- Less and less towards the end, so that little is left in a replica that needs it no more while another does.
                granted := least(asked.want, greatest(asked.need, remaining / 8), remaining);
                remaining := remaining - granted;
                UPDATE limit_counts AS counts
                SET window_begins = begins, window_ends = ends, taken = counted.taken + granted
                WHERE counts.holder = asked.holder AND counts.name = asked.name AND counts.period = asked.period;
            END IF;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;

-- The same as before, these tables, and the functions that the service and the triggers of its changes call: also where the
-- owner's default privileges let nobody else call its functions. The functions of triggers themselves need no right.
-- `src/store/rights.rs` looks for all of these rights.
CREATE OR REPLACE FUNCTION grant_to_service(service name) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), service);
    EXECUTE format('GRANT SELECT ON _sqlx_migrations TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON api_keys, key_uses TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys, disabled_owners TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON revoked_tokens, tokens_not_before TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON replicas, acknowledgements TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON owner_limits, limit_counts TO %I', service);
    EXECUTE format('GRANT SELECT, UPDATE ON coherence, pulses TO %I', service);
    EXECUTE format('GRANT USAGE ON SEQUENCE key_changes TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT ON audit_events TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION forget_ended_keys, keep_audit_months TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION lock_owner, token_record, take_slices TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION limit_window_begins, limit_window_ends TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION announce_key_change, announce_keys_of TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION own_channel, tell_replicas, tell_change TO %I', service);
END
$$;
