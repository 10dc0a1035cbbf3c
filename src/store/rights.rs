//! The rights that the service's role needs in the schema.

use sqlx::PgConnection;

/// The rights that the session's role lacks, such as `INSERT on audit_events`, of all that the function
/// `grant_to_service` grants in the newest migration. What is not there at all, because the schema is older, is not
/// lacking.
pub(super) async fn missing(connection: &mut PgConnection) -> Result<Option<String>, sqlx::Error> {
    let query = sqlx::query_scalar!(
        r#"SELECT string_agg(wanted, ', ' ORDER BY wanted)
         FROM (SELECT privilege || ' on ' || name AS wanted
               FROM (VALUES ('SELECT', '_sqlx_migrations'),
                            ('SELECT INSERT UPDATE', 'api_keys key_uses'),
                            ('SELECT INSERT UPDATE DELETE', 'idempotency_keys disabled_owners revoked_tokens tokens_not_before'),
                            ('SELECT INSERT UPDATE DELETE', 'replicas acknowledgements owner_limits limit_counts'),
                            ('SELECT INSERT UPDATE DELETE', 'plans owner_plans'),
                            ('SELECT INSERT UPDATE', 'usage_hours usage_days usage_writers'),
                            ('SELECT INSERT UPDATE DELETE', 'usage_keys'),
                            ('SELECT INSERT UPDATE DELETE', 'credits credit_slices console_sessions console_hand_overs'),
                            ('SELECT INSERT UPDATE DELETE', 'key_pepper risk_counts busiest_keys owner_changes'),
                            ('SELECT UPDATE', 'coherence pulses surveys'),
                            ('SELECT INSERT', 'audit_events'),
                            ('USAGE', 'key_changes credit_versions'),
                            ('EXECUTE', 'forget_ended_keys keep_audit_months lock_owner token_record take_slices'),
                            ('EXECUTE', 'write_usage keep_usage_months'),
                            ('EXECUTE', 'limit_window_begins limit_window_ends announce_key_change announce_keys_of'),
                            ('EXECUTE', 'exchange_credits settle_silent_slices define_credits add_credits'),
                            ('EXECUTE', 'refilled_credits next_credit_refill change_credits_of_plan'),
                            ('EXECUTE', 'announce_keys_of_plan own_channel tell_replicas tell_change'),
                            ('EXECUTE', 'console_access_stands')) AS granted (privileges, names),
                    unnest(string_to_array(privileges, ' ')) AS privilege, unnest(string_to_array(names, ' ')) AS name
               WHERE NOT CASE privilege
                   WHEN 'USAGE' THEN has_sequence_privilege(to_regclass(name), privilege)
                   WHEN 'EXECUTE' THEN has_function_privilege(to_regproc(name), privilege)
                   ELSE has_table_privilege(to_regclass(name), privilege) END
               UNION ALL
               -- A schema that the role may not use looks like one without tables.
               SELECT 'USAGE on ' || nspname
               FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
               WHERE relname = '_sqlx_migrations' AND to_regclass('_sqlx_migrations') IS NULL
                 AND NOT has_schema_privilege(pg_namespace.oid, 'USAGE')
                 AND nspname = ANY (SELECT replace(trim(part, '" '), '$user', current_user)
                                    FROM unnest(string_to_array(current_setting('search_path'), ',')) AS part)) AS lacking"#
    );
    query.fetch_one(connection).await
}
