-- Who made a link into the console, so that it and its session work no longer than the credential that made them; and what
-- the provider says of a session, so that it ends what it means.

-- The caller who asked for the link, in the columns of `audit_events`. NULL: an earlier version has made it.
ALTER TABLE console_hand_overs
    ADD COLUMN maker_kind text,
    ADD COLUMN maker_issuer text,
    ADD COLUMN maker_subject text,
    ADD COLUMN maker_key_id uuid;
-- The same of the link that the session began with.
ALTER TABLE console_sessions
    ADD COLUMN maker_kind text,
    ADD COLUMN maker_issuer text,
    ADD COLUMN maker_subject text,
    ADD COLUMN maker_key_id uuid;

-- Links of an owner are ended with the sessions; those that whoever has the tokens of a subject has made, with the tokens.
CREATE INDEX console_hand_overs_by_owner ON console_hand_overs (issuer, subject);
CREATE INDEX console_hand_overs_by_maker ON console_hand_overs (maker_issuer, maker_subject) WHERE maker_subject IS NOT NULL;
CREATE INDEX console_sessions_by_maker ON console_sessions (maker_issuer, maker_subject) WHERE maker_subject IS NOT NULL;

-- `iat` of the ID token that the session began with. By the clock of the provider, as a logout token's is. NULL: it began with
-- a link, or in an earlier version.
ALTER TABLE console_sessions ADD COLUMN token_issued_at timestamptz;
-- Its `sub`, which is all that a logout token has of a person; `person` may be of another claim. NULL as before.
ALTER TABLE console_sessions ADD COLUMN provider_subject text;
CREATE INDEX console_sessions_by_provider_subject ON console_sessions (issuer, provider_subject)
    WHERE provider_subject IS NOT NULL;
