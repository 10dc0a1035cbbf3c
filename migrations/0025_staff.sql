-- Keys that somebody should look at, of which there may be a few among very many. What lists and counts of all owners' keys
-- look for, `src/store/ledger/list/candidates.rs` asks for in the same words. Each is by id, the order of lists.
--
-- Building them holds up changes of keys, for about a second each with a million keys; whoever has many more makes them
-- beforehand, under these names, with CREATE INDEX CONCURRENTLY.

-- Keys that work for ever.
CREATE INDEX IF NOT EXISTS api_keys_without_end ON api_keys (id) WHERE expires_at IS NULL AND revoked_at IS NULL;

-- Keys that nothing of their own bounds; the limits of their owners are looked up for each.
CREATE INDEX IF NOT EXISTS api_keys_without_limits ON api_keys (id)
    WHERE limits = '[]' AND credits_holder IS NULL AND revoked_at IS NULL;

-- Keys that were revoked because they had leaked, which their reason says.
CREATE INDEX IF NOT EXISTS api_keys_leaked ON api_keys (id) WHERE revoked_reason ILIKE '%leak%';

-- The sessions of an owner, latest first, for administrators. An owner that is an organisation has those of many people.
CREATE INDEX IF NOT EXISTS console_sessions_by_owner ON console_sessions (issuer, subject, id);

-- The provider's name for its session, from the ID token: by it the provider says that the session has ended there (OpenID
-- Connect Back-Channel Logout 1.0). NULL: it named none.
ALTER TABLE console_sessions ADD COLUMN IF NOT EXISTS provider_session text;
CREATE INDEX IF NOT EXISTS console_sessions_by_provider ON console_sessions (issuer, provider_session)
    WHERE provider_session IS NOT NULL;
