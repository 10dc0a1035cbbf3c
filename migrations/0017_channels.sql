-- Channels of the schema's own, so that two Keywards in one database don't hear each other. The earlier ones are shared by the
-- whole database, and are still told, because replicas of earlier versions listen to nothing else.

-- The name of our channel for what a shared one carries: a name that is as short as the longest may be, and that no other schema
-- has.
CREATE FUNCTION own_channel(shared text) RETURNS text STABLE LANGUAGE plpgsql AS $$
BEGIN
    RETURN shared || '_' || 'replicas'::regclass::oid;
END
$$;

-- A message of a replica to all others. Earlier versions are told where one may listen.
CREATE FUNCTION tell_replicas(message text, earlier_too boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify(own_channel('keyward_replicas'), message);
    IF earlier_too THEN
        PERFORM pg_notify('keyward_replicas', message);
    END IF;
END
$$;

-- A change. Whoever makes it can't know who listens, so earlier versions are always told.
CREATE FUNCTION tell_change(message text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify(own_channel('keyward'), message);
    PERFORM pg_notify('keyward', message);
END
$$;

-- As before, but told on both channels.
CREATE OR REPLACE FUNCTION announce_key_change(ids uuid[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    change bigint;
    -- A payload must stay under 8000 bytes, and 200 ids take 7400.
    in_one CONSTANT integer := 200;
    position integer := 1;
BEGIN
    IF ids IS NULL OR cardinality(ids) > 10000 THEN
        change := nextval('key_changes');
        PERFORM tell_change('changed ' || change || ' *');
        RETURN change;
    END IF;
    WHILE position <= cardinality(ids) LOOP
        change := nextval('key_changes');
        PERFORM tell_change('changed ' || change || ' ' || array_to_string(ids[position : position + in_one - 1], ','));
        position := position + in_one;
    END LOOP;
    -- The last one's: an earlier version waits for it, and notifications come in order.
    RETURN change;
END
$$;

-- A pulse on our channel: whoever counts it up sends it, earlier versions too, whose own statement tells only the shared channel.
-- So nobody takes a lease that the others don't hear of. It reads what the statement has written, and comes with its commit. The
-- form of a payload is read by `store/wire.rs`; 128 heartbeats of up to 55 bytes stay under 8000 bytes.
CREATE FUNCTION pulse_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify(own_channel('keyward_pulses'), 'replicas'::regclass::oid || ' ' || NEW.number || ' '
        || string_agg(encode(uuid_send(id), 'hex') || ':' || to_hex(sequence) || ':' || lease_ms, ','))
    FROM (SELECT (row_number() OVER () - 1) / 128 AS part, id, sequence, lease_ms FROM replicas) AS latest
    GROUP BY part;
    RETURN NULL;
END
$$;

CREATE TRIGGER pulses_tell_all AFTER UPDATE ON pulses FOR EACH ROW EXECUTE FUNCTION pulse_counted();
