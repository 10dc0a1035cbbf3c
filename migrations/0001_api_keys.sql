-- The keys that Keyward has issued. Nothing in a row is enough to use a key.
-- Migrations only expand: an older Keyward must go on serving while a newer one starts.
CREATE TABLE api_keys (
    -- The UUIDv7 in the key's text. It carries the time it was made, so the primary key is also the
    -- order of creation, and new rows go to the right edge of the index.
    id uuid PRIMARY KEY,

    -- The owner is issuer and subject together: two issuers may use one subject for two people
    -- (RFC 7519 section 4.1.2). The issuer is empty when the tokens carry none.
    issuer text NOT NULL,
    subject text NOT NULL CONSTRAINT api_keys_subject_present CHECK (subject <> ''),

    -- What the owner calls the key. Free text, not unique: people reuse names.
    name text,

    -- A text with a CHECK, not an enum type: a CHECK can be widened while an older version serves.
    environment text NOT NULL CONSTRAINT api_keys_environment_known CHECK (environment IN ('live', 'test')),

    -- What the key may do. Read with the row on a cold check, so an array and no second table.
    scopes text[] NOT NULL DEFAULT '{}',

    -- The owner's notes, handed back with each verdict. An object, so that it can be filtered by member.
    metadata jsonb NOT NULL DEFAULT '{}'
        CONSTRAINT api_keys_metadata_object CHECK (jsonb_typeof(metadata) = 'object'),

    -- From this instant on the key is refused. NULL: it does not expire.
    expires_at timestamptz,

    -- Off and on again, without ending the key.
    enabled boolean NOT NULL DEFAULT true,

    -- Set once, never cleared: revocation is final. The reason is for the owner and the audit.
    revoked_at timestamptz,
    revoked_reason text,
    CONSTRAINT api_keys_reason_only_when_revoked CHECK (revoked_reason IS NULL OR revoked_at IS NOT NULL),

    created_at timestamptz NOT NULL,
    -- The last change of the row by a person; not touched by use.
    updated_at timestamptz NOT NULL,
    -- Written in batches, off the path of a check. NULL: never used.
    last_used_at timestamptz,

    -- The only thing derived from the secret that is stored: an Argon2id PHC string, version 19, with a
    -- salt of 16 bytes and an output of 32. The CHECK refuses anything else, whatever a program may try.
    secret_hash text NOT NULL CONSTRAINT api_keys_secret_hash_is_argon2id CHECK (
        secret_hash ~ '^\$argon2id\$v=19\$m=[0-9]+,t=[0-9]+,p=[0-9]+\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$'
    )
);

-- Lists of an owner's keys, newest first, are read from this index in order.
CREATE INDEX api_keys_by_owner ON api_keys (issuer, subject, id);
