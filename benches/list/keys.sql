-- Fills an empty table with :keys keys of :owners owners, made in turn, so that one owner's keys lie scattered among
-- the others'. Of each ten of an owner, one is disabled, one has expired, one was revoked; every second has a tag, and
-- has been used. Of ten owners, one is disabled. As a superuser, with psql.
\set ON_ERROR_STOP on
SET session_replication_role = replica; -- no triggers: nobody is listening
SET statement_timeout = 0;
BEGIN;
INSERT INTO api_keys (id, issuer, subject, name, environment, scopes, metadata, expires_at, enabled, revoked_at,
                      created_at, updated_at, secret_hash)
SELECT (lpad(to_hex(made), 12, '0') || '70008000' || lpad(to_hex(number), 12, '0'))::uuid, -- a UUIDv7 (RFC 9562)
       '', 'owner-' || number % :owners, 'key ' || number, CASE turn % 5 WHEN 4 THEN 'test' ELSE 'live' END,
       '{orders:read,orders:write}',
       CASE turn % 2 WHEN 0 THEN '{"team": "payments"}'::jsonb ELSE '{}' END,
       CASE turn % 10 WHEN 7 THEN now() - interval '1 day' WHEN 6 THEN now() + interval '1 year' END,
       turn % 10 <> 8,
       CASE turn % 10 WHEN 9 THEN now() END,
       to_timestamp(made / 1000.0), to_timestamp(made / 1000.0),
       '$argon2id$v=19$m=19456,t=2,p=1$' || repeat('A', 22) || '$' || repeat('A', 43)
FROM (SELECT number, number / :owners AS turn, 1750000000000 + number AS made
      FROM generate_series(1, :keys::bigint) AS number) AS numbers;
INSERT INTO key_uses (key_id, last_used_at, last_used_from)
SELECT id, now(), '192.0.2.7' FROM api_keys WHERE metadata <> '{}';
INSERT INTO disabled_owners (issuer, subject, disabled_at)
SELECT '', 'owner-' || number, now() FROM generate_series(1, :owners::bigint, 10) AS number WHERE number > 1;
COMMIT;
-- What autovacuum would do soon.
VACUUM ANALYZE;
