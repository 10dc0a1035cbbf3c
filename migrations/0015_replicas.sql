-- The replicas, each with a row of its own that every heartbeat updates. Only the replica itself writes it; whoever finds
-- that it has been silent for long removes it. The columns that change have no index, so an update stays in its page.
CREATE TABLE replicas (
    id uuid PRIMARY KEY,
    -- Where it listens; NULL: an application that uses the library.
    address text CONSTRAINT replicas_address_is_short CHECK (octet_length(address) <= 300),
    version text NOT NULL CONSTRAINT replicas_version_is_short CHECK (octet_length(version) <= 100),
    lease_ms integer NOT NULL CONSTRAINT replicas_lease_in_bounds CHECK (lease_ms BETWEEN 0 AND 60000),
    started_at timestamptz NOT NULL,
    heartbeat_at timestamptz NOT NULL,
    sequence bigint NOT NULL
) WITH (fillfactor = 50);

-- The changes that each replica has applied last, by the ids that revokers gave them. A revoker that waits reads them, so an
-- acknowledgement wakes nobody else. Apart from `replicas`, because these writes must not wait for a heartbeat that waits for
-- a standby. Losing one loses nothing: the revoker waits for the lease then.
CREATE TABLE acknowledgements (
    replica uuid PRIMARY KEY,
    changes bigint[] NOT NULL CONSTRAINT acknowledgements_are_few CHECK (cardinality(changes) <= 600),
    acknowledged_at timestamptz NOT NULL
) WITH (fillfactor = 50);
-- They change with every acknowledgement: never compressed, and never moved to a table of their own. 600 fit into a page.
ALTER TABLE acknowledgements ALTER COLUMN changes SET STORAGE PLAIN;

-- The same as before, and these tables.
CREATE OR REPLACE FUNCTION grant_to_service(service name) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), service);
    EXECUTE format('GRANT SELECT ON _sqlx_migrations TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON api_keys, key_uses TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys, disabled_owners TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON revoked_tokens, tokens_not_before TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON replicas, acknowledgements TO %I', service);
    EXECUTE format('GRANT SELECT, UPDATE ON coherence TO %I', service);
    EXECUTE format('GRANT USAGE ON SEQUENCE key_changes TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT ON audit_events TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION forget_ended_keys(interval, integer) TO %I', service);
    EXECUTE format('GRANT EXECUTE ON FUNCTION keep_audit_months() TO %I', service);
END
$$;
