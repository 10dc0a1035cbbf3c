-- Tokens that are refused before they expire: one by its id (`jti`), or all of a subject that were issued before an
-- instant. Replicas are told of these rows as of keys, by the same protocol.

-- The name that a row has among the replicas: the first 128 bits of a SHA-256 over its parts, each with its length
-- before it, so that no two rows are spelled alike. `src/domain/token.rs` computes the same. A function, because only
-- the server knows that an encoding does not change.
CREATE FUNCTION token_record(kind text, issuer text, name text) RETURNS uuid LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    part text;
    bytes bytea;
    spelled bytea := '';
BEGIN
    FOREACH part IN ARRAY ARRAY['keyward v1 tokens', kind, issuer, name] LOOP
        bytes := convert_to(part, 'UTF8');
        spelled := spelled || int4send(octet_length(bytes)) || bytes;
    END LOOP;
    RETURN encode(substr(sha256(spelled), 1, 16), 'hex')::uuid;
END
$$;

CREATE TABLE revoked_tokens (
    -- Generated, so that a row that psql adds has the right one. It is what checks ask for.
    record_id uuid PRIMARY KEY GENERATED ALWAYS AS (token_record('token', issuer, token_id)) STORED,
    -- Empty for tokens without `iss`. Two issuers may give one id to two tokens (RFC 7519 section 4.1.7).
    issuer text NOT NULL,
    token_id text NOT NULL CONSTRAINT revoked_tokens_id_present CHECK (token_id <> ''),
    revoked_at timestamptz NOT NULL DEFAULT now(),
    -- From then on the token is refused for its age, and the row is of no use. One without an end stays for ever.
    expires_at timestamptz NOT NULL DEFAULT 'infinity'
);
CREATE INDEX revoked_tokens_by_expiry ON revoked_tokens (expires_at);

CREATE TABLE tokens_not_before (
    record_id uuid PRIMARY KEY GENERATED ALWAYS AS (token_record('subject', issuer, subject)) STORED,
    issuer text NOT NULL,
    -- Who bears the tokens; not the organisation whose keys they manage.
    subject text NOT NULL CONSTRAINT tokens_not_before_subject_present CHECK (subject <> ''),
    -- Tokens of that subject that were issued earlier are refused. Keyward lets it only grow.
    not_before timestamptz NOT NULL DEFAULT now()
        CONSTRAINT tokens_not_before_is_a_date
            CHECK (isfinite(not_before) AND not_before < '10000-01-01 00:00:00+00'),
    -- From then on those are refused for their age.
    expires_at timestamptz NOT NULL DEFAULT 'infinity'
);
CREATE INDEX tokens_not_before_by_expiry ON tokens_not_before (expires_at);

-- A new row counts, too: that there is none is remembered.
CREATE FUNCTION token_rows_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[];
BEGIN
    SELECT array_agg(record_id) INTO ids FROM new_rows;
    IF ids IS NOT NULL THEN
        PERFORM announce_key_change(ids);
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION token_rows_updated() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[];
BEGIN
    -- Both: the names of a row are what it is about, and may have been changed.
    SELECT array_agg(record_id) INTO ids
    FROM (SELECT record_id FROM old_rows UNION SELECT record_id FROM new_rows) AS changed;
    IF ids IS NOT NULL THEN
        PERFORM announce_key_change(ids);
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION token_rows_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[];
BEGIN
    SELECT array_agg(record_id) INTO ids FROM old_rows;
    IF ids IS NOT NULL THEN
        PERFORM announce_key_change(ids);
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER revoked_tokens_announce_insert AFTER INSERT ON revoked_tokens
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION token_rows_inserted();
CREATE TRIGGER revoked_tokens_announce_update AFTER UPDATE ON revoked_tokens
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION token_rows_updated();
CREATE TRIGGER revoked_tokens_announce_delete AFTER DELETE ON revoked_tokens
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION token_rows_deleted();
CREATE TRIGGER revoked_tokens_announce_truncate AFTER TRUNCATE ON revoked_tokens
    FOR EACH STATEMENT EXECUTE FUNCTION api_keys_truncated();

CREATE TRIGGER tokens_not_before_announce_insert AFTER INSERT ON tokens_not_before
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION token_rows_inserted();
CREATE TRIGGER tokens_not_before_announce_update AFTER UPDATE ON tokens_not_before
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION token_rows_updated();
CREATE TRIGGER tokens_not_before_announce_delete AFTER DELETE ON tokens_not_before
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION token_rows_deleted();
CREATE TRIGGER tokens_not_before_announce_truncate AFTER TRUNCATE ON tokens_not_before
    FOR EACH STATEMENT EXECUTE FUNCTION api_keys_truncated();

-- The same as before, and the two tables.
CREATE OR REPLACE FUNCTION grant_to_service(service name) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), service);
    EXECUTE format('GRANT SELECT ON _sqlx_migrations TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON api_keys, key_uses TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys, disabled_owners TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON revoked_tokens, tokens_not_before TO %I', service);
    EXECUTE format('GRANT SELECT, UPDATE ON coherence TO %I', service);
    EXECUTE format('GRANT USAGE ON SEQUENCE key_changes TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT ON audit_events TO %I', service);
END
$$;
