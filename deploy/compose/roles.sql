-- Gives Keyward two roles in the database of docker-compose.yml: keyward_owner owns the tables and changes them,
-- keyward_service serves. So whoever takes over the service can neither rewrite its audit nor change the schema.
-- Neither role is a superuser. The superuser has no password, so only somebody inside the container can use it.
--
-- The first start of the container runs this file. It can be run again. In a database created by an older
-- docker-compose.yml, where one role did everything, create the roles with:
--
--   docker compose up -d postgres
--   docker compose exec postgres psql -U keyward -d keyward -f /docker-entrypoint-initdb.d/roles.sql
--
-- tests/api/compose.rs runs it on both.

\set ON_ERROR_STOP on
-- At the first start, nobody can read the files any more; docker-compose.yml has read them. By hand, root reads them.
\set owner_password `echo "${KEYWARD_OWNER_PASSWORD:-$(cat /run/keyward-owner/database_owner_password)}"`
\set service_password `echo "${KEYWARD_SERVICE_PASSWORD:-$(cat /run/keyward/database_password)}"`

BEGIN;

SELECT set_config('keyward.shortest', least(length(:'owner_password'), length(:'service_password'))::text, true) AS shortest \gset
DO $$
BEGIN
    IF current_setting('keyward.shortest')::int < 32 THEN
        RAISE EXCEPTION 'a password of Keyward''s roles is missing: are KEYWARD_OWNER_PASSWORD and KEYWARD_SERVICE_PASSWORD set, or their files there?';
    END IF;
END
$$;

SELECT format('CREATE ROLE %I', name)
FROM unnest(ARRAY['keyward_owner', 'keyward_service']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec
ALTER ROLE keyward_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'owner_password';
ALTER ROLE keyward_service LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'service_password';
ALTER ROLE CURRENT_USER PASSWORD NULL;

-- Nobody else can connect: whoever can connect can run NOTIFY, and whoever owns the schema can change it.
REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC;
ALTER DATABASE :"DBNAME" OWNER TO keyward_owner;
GRANT CONNECT ON DATABASE :"DBNAME" TO keyward_service;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO keyward_owner;

-- Objects that an older file has created as the superuser. Sequences of columns follow their tables.
SELECT format('ALTER TABLE %s OWNER TO keyward_owner', oid::regclass)
FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'S', 'v', 'm')
    AND relowner <> 'keyward_owner'::regrole
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND classid = 'pg_class'::regclass
                        AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i') AND relkind = 'S')
\gexec
SELECT format('ALTER ROUTINE %s OWNER TO keyward_owner', oid::regprocedure)
FROM pg_proc
WHERE pronamespace = 'public'::regnamespace AND proowner <> 'keyward_owner'::regrole
\gexec

COMMIT;
