-- What tells a key from others in lists, and who has switched an owner off. All of it may be missing: earlier versions write
-- none of it, and rows that are there have none. To fill them would announce every key to every replica.

ALTER TABLE api_keys
    -- What the key is for, in its owner's words.
    ADD COLUMN description text,
    -- Who made it, as in audit_events: a token's issuer and subject, or the command line. NULL: not known; the audit may.
    ADD COLUMN creator_kind text,
    ADD COLUMN creator_issuer text,
    ADD COLUMN creator_subject text,
    -- The key whose place this one took. The other direction of successor_id, so that a list needs no search.
    ADD COLUMN predecessor_id uuid;

ALTER TABLE disabled_owners
    -- Who switched the owner off, as in audit_events.
    ADD COLUMN actor_kind text,
    ADD COLUMN actor_issuer text,
    ADD COLUMN actor_subject text,
    ADD COLUMN actor_key_id uuid;
