-- What staff look for among the :keys keys of keys.sql: a few that few have, and so many that counts end at their bounds.
\set ON_ERROR_STOP on
SET session_replication_role = replica; -- no triggers: nobody is listening
SET statement_timeout = 0;
BEGIN;
-- Two of a hundred expire within 7 days, and half of these were used today.
UPDATE api_keys SET expires_at = now() + (number % 7 + 1) * interval '1 day' - interval '1 hour'
FROM (SELECT id AS that, row_number() OVER (ORDER BY id) AS number FROM api_keys WHERE revoked_at IS NULL) AS numbered
WHERE id = that AND number % 50 < 2;
-- Of those that were revoked, one of a thousand had leaked.
UPDATE api_keys SET revoked_reason = 'leaked to a forum'
FROM (SELECT id AS that, row_number() OVER (ORDER BY id) AS number FROM api_keys WHERE revoked_at IS NOT NULL) AS numbered
WHERE id = that AND number % 1000 = 0;
-- Half of the keys have a limit, and half of the owners.
UPDATE api_keys SET limits = '[{"name": "minute", "limit": 100, "window": "1m"}]' WHERE hashtext(id::text) % 2 = 0;
INSERT INTO owner_limits (issuer, subject, limits)
SELECT DISTINCT issuer, subject, '[{"name": "minute", "limit": 100, "window": "1m"}]'::jsonb FROM api_keys
WHERE hashtext(subject) % 2 = 0;
-- One of ten keys was used on each of the last 7 days, mostly granted.
INSERT INTO usage_keys (key_id, issuer, subject) SELECT id, issuer, subject FROM api_keys WHERE hashtext(id::text) % 10 = 0;
INSERT INTO usage_days (key, day, outcome, tag, count)
SELECT number, (now() AT TIME ZONE 'UTC')::date - ago, outcome, '', 1 + abs(hashtext(number::text || ago)) % 1000
FROM usage_keys, generate_series(0, 6) AS ago, (VALUES (0), (9)) AS outcomes (outcome)
WHERE outcome = 0 OR number % 10 = 0;
INSERT INTO usage_days (key, day, outcome, tag, count)
SELECT 0, day, outcome, '', sum(count) FROM usage_days GROUP BY day, outcome;
INSERT INTO usage_hours (key, hour, outcome, tag, count)
SELECT 0, date_trunc('hour', now(), 'UTC') - ago * interval '1 hour', outcome, '', 1000
FROM generate_series(0, 47) AS ago, (VALUES (0), (2), (9)) AS outcomes (outcome);
COMMIT;
VACUUM ANALYZE;
-- Otherwise the disk writes all this while pages are measured, and what a page commits waits for that, a second long.
CHECKPOINT;
