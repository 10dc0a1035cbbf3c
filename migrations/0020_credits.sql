-- Credits: a balance of a key or of an owner, which requests spend, on any number of replicas.

-- Numbers for changes of credits. Whatever was read with another number is no longer as it was.
CREATE SEQUENCE credit_versions;

-- Whose balance the key spends: its own, or that of the key which it replaced, because both may be used for a while.
-- NULL: none.
ALTER TABLE api_keys ADD COLUMN credits_holder uuid;
-- The number of the latest change of that balance by somebody, so that the change is announced as any other of the key,
-- and read with its row. What requests spend changes nothing here.
ALTER TABLE api_keys ADD COLUMN credits_version bigint;
ALTER TABLE api_keys ADD CONSTRAINT api_keys_credits_whole CHECK ((credits_holder IS NULL) = (credits_version IS NULL)) NOT VALID;
-- A change has to find all keys that share the balance. Most keys have none.
CREATE INDEX api_keys_by_credits ON api_keys (credits_holder) WHERE credits_holder IS NOT NULL;
-- The same for the balance that all keys of an owner share, whose holder is known from the owner.
ALTER TABLE owner_limits ADD COLUMN credits_version bigint;

-- A request that tops up the balance of an owner is remembered, too, and made no key.
ALTER TABLE idempotency_keys ALTER COLUMN key_id DROP NOT NULL;

-- The balances. Always `spent + remaining + unsettled = granted`. No column that changes has an index, so an update
-- stays in its page, and no trigger: it changes with every slice.
CREATE TABLE credits (
    -- The id of a key, or what `src/domain/limits` makes of an owner.
    holder uuid PRIMARY KEY,
    -- What nobody has.
    remaining bigint NOT NULL CONSTRAINT credits_remaining_in_bounds CHECK (remaining >= 0),
    -- What replicas have in hand, or have spent and not reported yet: the sum of `credit_slices.held`.
    unsettled bigint NOT NULL DEFAULT 0 CONSTRAINT credits_unsettled_in_bounds CHECK (unsettled >= 0),
    -- What was spent, as far as replicas have reported it.
    spent bigint NOT NULL DEFAULT 0 CONSTRAINT credits_spent_in_bounds CHECK (spent >= 0),
    -- All that was ever given, without what was taken away again.
    granted bigint NOT NULL,
    -- A refill adds nothing beyond this.
    max bigint CONSTRAINT credits_max_in_bounds CHECK (max > 0),
    -- NULL: no refills.
    refill_amount bigint CONSTRAINT credits_refill_in_bounds CHECK (refill_amount > 0),
    refill_every text CONSTRAINT credits_refill_is_known CHECK (refill_every IN ('daily', 'monthly')),
    -- Of the month; beyond its end, the last. NULL if it is daily.
    refill_day integer CONSTRAINT credits_day_in_bounds CHECK (refill_day BETWEEN 1 AND 31),
    next_refill timestamptz,
    -- `owner` or `administrator`.
    set_by text NOT NULL,
    -- The number of the change that has set the balance. Slices of another one are void.
    epoch bigint NOT NULL,
    CONSTRAINT credits_add_up CHECK (spent + remaining + unsettled = granted),
    CONSTRAINT credits_refill_whole CHECK ((refill_amount IS NULL) = (refill_every IS NULL)
        AND (refill_amount IS NULL) = (next_refill IS NULL) AND (refill_day IS NOT NULL) = (coalesce(refill_every, '') = 'monthly'))
) WITH (fillfactor = 70);

-- What each replica has of a balance. Every replica has one row, which says how far its messages were heard.
CREATE TABLE credit_slices (
    holder uuid NOT NULL REFERENCES credits ON DELETE CASCADE,
    replica uuid NOT NULL,
    -- The purse of the replica that has it, and its latest message. Later purses have greater numbers, and so have
    -- later messages.
    purse bigint NOT NULL,
    message bigint NOT NULL,
    -- That of the balance when it was taken.
    epoch bigint NOT NULL,
    -- All that this purse has ever spent, as it says.
    used bigint NOT NULL,
    -- What it was given, has not returned, and has not reported as spent.
    held bigint NOT NULL CONSTRAINT credit_slices_held_in_bounds CHECK (held >= 0),
    reported_at timestamptz NOT NULL,
    PRIMARY KEY (holder, replica)
) WITH (fillfactor = 70);

-- The first refill after an instant. `crates/test_support/src/credit_table.rs` computes the same.
CREATE FUNCTION next_credit_refill(every text, day integer, after timestamptz) RETURNS timestamptz LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    month timestamp := date_trunc('month', after AT TIME ZONE 'UTC');
    refill timestamptz;
BEGIN
    IF every = 'daily' THEN
        RETURN (date_trunc('day', after AT TIME ZONE 'UTC') + interval '1 day') AT TIME ZONE 'UTC';
    END IF;
    LOOP
        -- Beyond the end of the month, its last day.
        refill := least(month + make_interval(days => day - 1), month + interval '1 month' - interval '1 day') AT TIME ZONE 'UTC';
        IF refill > after THEN
            RETURN refill;
        END IF;
        month := month + interval '1 month';
    END LOOP;
END
$$;

-- The balance at an instant, with the refills that are due. What replicas have counts as well, so that there is never
-- more than `max` in all.
CREATE FUNCTION refilled_credits(balance credits, instant timestamptz) RETURNS credits LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    following timestamptz;
    periods bigint;
    added bigint;
BEGIN
    IF balance.next_refill IS NULL OR balance.next_refill > instant THEN
        RETURN balance;
    END IF;
    following := next_credit_refill(balance.refill_every, balance.refill_day, instant);
    periods := CASE balance.refill_every
        WHEN 'daily' THEN round(extract(epoch FROM following - balance.next_refill) / 86400)
        ELSE (extract(year FROM following AT TIME ZONE 'UTC') - extract(year FROM balance.next_refill AT TIME ZONE 'UTC')) * 12
             + extract(month FROM following AT TIME ZONE 'UTC') - extract(month FROM balance.next_refill AT TIME ZONE 'UTC') END;
    -- A trillion is the most that a balance may be, so more periods than a million can't matter, nor overflow.
    added := least(least(periods, 1000000) * balance.refill_amount,
                   greatest(coalesce(balance.max, 1000000000000) - balance.remaining - balance.unsettled, 0));
    balance.remaining := balance.remaining + added;
    balance.granted := balance.granted + added;
    balance.next_refill := following;
    RETURN balance;
END
$$;

-- Settles what purses of a replica have spent, takes back what they have no longer in hand, and gives them a new slice
-- if they want one. All changes of balances by requests are made here.
--
-- A purse says all that it has ever spent (`used`) and what it has in hand, so a message means the same however often
-- it is sent, and whatever became of the ones before: what a lost answer granted is not in hand, and so goes back. A
-- message that comes after a later one of the same replica changes nothing.
--
-- What a silent replica had in hand was settled as spent. If it lives after all, it may go on using that, and begins
-- anew here.
--
-- `outcome`: `done`; `refused`: nothing is left, and nothing was written, not even the number of the message; `late`: a
-- later message was heard before; `changed`: the balance was set, so what is in hand is void; `gone`: there is no
-- balance.
CREATE FUNCTION exchange_credits(of_replica uuid, holders uuid[], purses bigint[], messages bigint[], uses bigint[],
                                 in_hands bigint[], minimums bigint[], needs bigint[], wants bigint[])
RETURNS TABLE (place bigint, outcome text, granted bigint, remaining bigint, elsewhere bigint, next_refill timestamptz,
               decided_at timestamptz)
LANGUAGE plpgsql AS $$
DECLARE
    asked record;
    balance credits;
    slice credit_slices;
    more bigint;
    is_continued boolean;
BEGIN
    -- In the order of the primary key, so that two replicas never deadlock.
    FOR asked IN
        SELECT * FROM unnest(holders, purses, messages, uses, in_hands, minimums, needs, wants) WITH ORDINALITY
            AS asked (holder, purse, message, used, in_hand, minimum, need, want, place)
        ORDER BY holder, purse, message
    LOOP
        place := asked.place;
        granted := 0;
        -- Without a lock first, so that a refusal that has nothing to settle writes nothing.
        SELECT * INTO balance FROM credits WHERE credits.holder = asked.holder;
        IF FOUND THEN
            SELECT * INTO slice FROM credit_slices AS slices WHERE slices.holder = asked.holder AND slices.replica = of_replica;
            decided_at := clock_timestamp();
            balance := refilled_credits(balance, decided_at);
            IF asked.want > 0 AND asked.in_hand = 0 AND coalesce(slice.held, 0) = 0 AND balance.remaining < asked.minimum THEN
                outcome := 'refused';
                remaining := balance.remaining;
                elsewhere := balance.unsettled;
                next_refill := balance.next_refill;
                RETURN NEXT;
                CONTINUE;
            END IF;
            -- Whoever writes a slice has locked its balance.
            SELECT * INTO balance FROM credits WHERE credits.holder = asked.holder FOR UPDATE;
        END IF;
        decided_at := clock_timestamp();
        IF NOT FOUND THEN
            outcome := 'gone';
            remaining := 0;
            elsewhere := 0;
            next_refill := NULL;
            RETURN NEXT;
            CONTINUE;
        END IF;
        balance := refilled_credits(balance, decided_at);
        SELECT * INTO slice FROM credit_slices AS slices WHERE slices.holder = asked.holder AND slices.replica = of_replica;
        is_continued := coalesce(slice.purse = asked.purse, false);
        IF (asked.purse, asked.message) <= (slice.purse, slice.message) THEN
            outcome := 'late';
        ELSE
            IF NOT is_continued THEN
                -- What an earlier purse has not settled may be spent.
                balance.spent := balance.spent + coalesce(slice.held, 0);
                balance.unsettled := balance.unsettled - coalesce(slice.held, 0);
                slice := (asked.holder, of_replica, asked.purse, asked.message, balance.epoch, asked.used, 0, decided_at);
            END IF;
            more := least(greatest(asked.used - slice.used, 0), slice.held);
            balance.spent := balance.spent + more;
            balance.unsettled := balance.unsettled - more;
            slice.held := slice.held - more;
            slice.used := asked.used;
            slice.message := asked.message;
            IF slice.epoch <> balance.epoch AND asked.in_hand > 0 THEN
                outcome := 'changed';
            ELSE
                outcome := 'done';
                -- What it has neither spent nor in hand was returned, or granted by an answer that was lost.
                more := greatest(slice.held - asked.in_hand, 0);
                balance.unsettled := balance.unsettled - more;
                slice.held := slice.held - more;
                IF slice.epoch = balance.epoch THEN
                    balance.remaining := balance.remaining + more;
                ELSE
                    balance.granted := balance.granted - more;
                    slice.epoch := balance.epoch;
                END IF;
                IF asked.want > 0 AND balance.remaining >= asked.minimum THEN
                    -- Less and less towards the end, so that little is left in a replica that needs it no more.
                    granted := least(asked.want, greatest(asked.need, balance.remaining / 8), balance.remaining);
                    balance.remaining := balance.remaining - granted;
                    balance.unsettled := balance.unsettled + granted;
                    slice.held := slice.held + granted;
                END IF;
            END IF;
            UPDATE credits
            SET remaining = balance.remaining, unsettled = balance.unsettled, spent = balance.spent, granted = balance.granted,
                next_refill = balance.next_refill
            WHERE credits.holder = asked.holder;
            INSERT INTO credit_slices AS slices (holder, replica, purse, message, epoch, used, held, reported_at)
            VALUES (slice.holder, slice.replica, asked.purse, slice.message, slice.epoch, slice.used, slice.held, decided_at)
            ON CONFLICT ON CONSTRAINT credit_slices_pkey DO UPDATE
            SET purse = excluded.purse, message = excluded.message, epoch = excluded.epoch, used = excluded.used,
                held = excluded.held, reported_at = excluded.reported_at;
        END IF;
        remaining := balance.remaining;
        elsewhere := balance.unsettled - coalesce(slice.held, 0);
        next_refill := balance.next_refill;
        RETURN NEXT;
    END LOOP;
END
$$;

-- Settles slices of replicas that have been silent for long, among `most` slices from the one after `after_holder` on.
-- Nobody knows what such a replica has spent, so all counts as spent: a replica that was only paused may go on using
-- what it has in hand. A slice without anything in hand is deleted when no message from before it can still be under
-- way.
CREATE FUNCTION settle_silent_slices(after_holder uuid, most integer)
RETURNS TABLE (last_holder uuid, slices bigint, credits_settled bigint) LANGUAGE plpgsql AS $$
DECLARE
    -- Far longer than a replica that serves requests can be without a heartbeat.
    silent CONSTANT interval := '10 minutes';
    under_way CONSTANT interval := '1 hour';
    gone record;
    settled bigint;
BEGIN
    slices := 0;
    credits_settled := 0;
    SELECT holder INTO last_holder FROM credit_slices WHERE holder > after_holder ORDER BY holder OFFSET most - 1 LIMIT 1;
    FOR gone IN
        SELECT slice.holder, slice.replica FROM credit_slices AS slice
        WHERE slice.holder > after_holder AND (last_holder IS NULL OR slice.holder <= last_holder)
          AND (slice.held = 0 AND slice.reported_at < now() - under_way
               OR slice.held > 0 AND slice.reported_at < now() - silent
                  AND NOT EXISTS (SELECT FROM replicas WHERE id = slice.replica AND heartbeat_at > now() - silent))
        ORDER BY slice.holder
    LOOP
        PERFORM FROM credits WHERE holder = gone.holder FOR UPDATE;
        -- It may have reported in the meantime.
        DELETE FROM credit_slices AS slice
        WHERE slice.holder = gone.holder AND slice.replica = gone.replica AND slice.reported_at < now() - silent
        RETURNING slice.held INTO settled;
        IF FOUND AND settled > 0 THEN
            UPDATE credits SET spent = spent + settled, unsettled = unsettled - settled WHERE holder = gone.holder;
            slices := slices + 1;
            credits_settled := credits_settled + settled;
        END IF;
    END LOOP;
    RETURN NEXT;
END
$$;

-- Gives a holder these credits, or changes them. `set_to`: the new balance; NULL keeps it. Returns the number of the
-- change.
CREATE FUNCTION define_credits(of_holder uuid, set_to bigint, new_max bigint, new_amount bigint, new_every text, new_day integer,
                               by_whom text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    version bigint := nextval('credit_versions');
    instant timestamptz;
    balance credits;
BEGIN
    LOOP
        SELECT * INTO balance FROM credits WHERE holder = of_holder FOR UPDATE;
        EXIT WHEN FOUND;
        INSERT INTO credits (holder, remaining, granted, set_by, epoch) VALUES (of_holder, 0, 0, by_whom, version)
        ON CONFLICT DO NOTHING;
    END LOOP;
    instant := clock_timestamp();
    balance := refilled_credits(balance, instant);
    UPDATE credits
    SET remaining = coalesce(set_to, balance.remaining),
        granted = balance.granted - balance.remaining + coalesce(set_to, balance.remaining),
        -- What replicas have of an earlier balance is void, or the new one would be more than was set.
        epoch = CASE WHEN set_to IS NULL THEN epoch ELSE version END,
        max = new_max, refill_amount = new_amount, refill_every = new_every, refill_day = new_day, set_by = by_whom,
        next_refill = CASE
            WHEN new_every IS NULL THEN NULL
            WHEN new_every IS NOT DISTINCT FROM balance.refill_every AND new_day IS NOT DISTINCT FROM balance.refill_day
                THEN balance.next_refill
            ELSE next_credit_refill(new_every, new_day, instant) END
    WHERE holder = of_holder;
    RETURN version;
END
$$;

-- Adds to a balance. Returns the number of the change; NULL if there is none.
CREATE FUNCTION add_credits(of_holder uuid, amount bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    balance credits;
BEGIN
    SELECT * INTO balance FROM credits WHERE holder = of_holder FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    balance := refilled_credits(balance, clock_timestamp());
    UPDATE credits
    SET remaining = balance.remaining + amount, granted = balance.granted + amount, next_refill = balance.next_refill
    WHERE holder = of_holder;
    RETURN nextval('credit_versions');
END
$$;

-- As before, and the credits of keys go with the last key that spends them.
CREATE OR REPLACE FUNCTION forget_ended_keys(keep interval, most integer) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    forgotten integer;
    holders uuid[];
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('keyward ended keys')) THEN
        RETURN NULL;
    END IF;
    WITH ended AS (
        DELETE FROM api_keys WHERE id IN (
            SELECT id FROM api_keys
            WHERE LEAST(revoked_at, expires_at) < now() - greatest(keep, interval '1 day')
            ORDER BY LEAST(revoked_at, expires_at) LIMIT most FOR UPDATE SKIP LOCKED)
        RETURNING credits_holder)
    SELECT count(*), array_agg(DISTINCT credits_holder) FILTER (WHERE credits_holder IS NOT NULL) INTO forgotten, holders
    FROM ended;
    IF holders IS NOT NULL THEN
        DELETE FROM credits
        WHERE holder = ANY (holders) AND NOT EXISTS (SELECT FROM api_keys WHERE credits_holder = credits.holder);
    END IF;
    RETURN forgotten;
END
$$;
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION forget_ended_keys(interval, integer) SET search_path = pg_catalog, %I, pg_temp',
        current_schema());
END $$;

-- The same as before, these tables and functions. `src/store/rights.rs` looks for all of these rights.
CREATE OR REPLACE FUNCTION grant_to_service(service name) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), service);
    EXECUTE format('GRANT SELECT ON _sqlx_migrations TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON api_keys, key_uses TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys, disabled_owners TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON revoked_tokens, tokens_not_before TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON replicas, acknowledgements TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON owner_limits, limit_counts TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON credits, credit_slices TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON usage_hours, usage_days, usage_writers TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON usage_keys TO %I', service);
    EXECUTE format('GRANT SELECT, UPDATE ON coherence, pulses TO %I', service);
    EXECUTE format('GRANT USAGE ON SEQUENCE key_changes, credit_versions TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT ON audit_events TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION forget_ended_keys, keep_audit_months TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION lock_owner, token_record, take_slices TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION limit_window_begins, limit_window_ends TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION exchange_credits, settle_silent_slices, define_credits, add_credits TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION refilled_credits, next_credit_refill TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION write_usage, keep_usage_months TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION announce_key_change, announce_keys_of TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION own_channel, tell_replicas, tell_change TO %I', service);
END
$$;
