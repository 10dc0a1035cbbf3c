-- Sessions of people who have signed in to the console. Each request reads its session here, so a session that was ended is
-- over on every replica, and nothing announces it.
CREATE TABLE console_sessions (
    id uuid PRIMARY KEY,
    -- SHA-256 of what the browser has: 256 random bits, which nobody can guess.
    secret_hash bytea NOT NULL UNIQUE CONSTRAINT console_sessions_hash_is_whole CHECK (octet_length(secret_hash) = 32),
    -- The owner whose keys the person manages.
    issuer text NOT NULL,
    subject text NOT NULL CONSTRAINT console_sessions_subject_present CHECK (subject <> ''),
    -- The person, who differs from the owner if that is an organisation.
    person text NOT NULL CONSTRAINT console_sessions_person_present CHECK (person <> ''),
    name text,
    scopes text[] NOT NULL,
    scope_bearing boolean NOT NULL,
    signed_in_at timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    address inet,
    browser text CONSTRAINT console_sessions_browser_is_short CHECK (octet_length(browser) <= 200)
);
CREATE INDEX console_sessions_by_person ON console_sessions (issuer, person);
CREATE INDEX console_sessions_by_expiry ON console_sessions (expires_at);
