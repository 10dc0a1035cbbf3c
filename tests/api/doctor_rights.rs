//! `keyward doctor` names each right that the service's role lacks.

use sqlx::AssertSqlSafe;
use test_support::{program::run_beside, replica::command};

use crate::{
    doctor_command::{examined, failed, in_state},
    service_role::TwoRoles,
};

/// All rights of a role on tables, sequences and functions, as "INSERT on audit_events".
const GRANTED: &str = "SELECT format('%s on %s', privilege_type, name)
    FROM (SELECT relname::text AS name, relacl AS rights FROM pg_class UNION ALL SELECT proname::text, proacl FROM pg_proc) AS object,
         aclexplode(rights) JOIN pg_roles ON pg_roles.oid = grantee
    WHERE rolname = $1 AND name <> '_sqlx_migrations'";

async fn execute(roles: &mut TwoRoles, statements: &str) {
    let statements = statements.replace("SERVICE", &roles.service.0);
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut roles.as_superuser).await.expect("done");
}

#[tokio::test]
async fn each_right_that_migrating_grants_is_missed_by_name_and_serve_does_not_start_without_it() {
    let mut roles = TwoRoles::migrated().await;
    let good = examined(&roles.service.1, &[]).await;
    assert_eq!(in_state(&good.0, "rights", "good").len(), 1, "{good:#?}");
    let granted: Vec<String> =
        sqlx::query_scalar(GRANTED).bind(&roles.service.0).fetch_all(&mut roles.as_superuser).await.expect("rights");
    for expected in ["INSERT on audit_events", "USAGE on key_changes", "UPDATE on key_uses", "EXECUTE on lock_owner"] {
        assert!(granted.iter().any(|right| right == expected), "{expected}: {granted:#?}");
    }
    execute(
        &mut roles,
        "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM SERVICE; REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM SERVICE;
         REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM SERVICE; GRANT SELECT ON _sqlx_migrations TO SERVICE",
    )
    .await;
    let seen = examined(&roles.service.1, &[]).await;
    let missing = failed(&seen, "rights");
    for right in &granted {
        assert!(missing.contains(right.as_str()), "{right}: {missing}");
    }
    assert_eq!(in_state(&seen.0, "role", "good").len(), 1, "it is no superuser, and nothing is said of rights");
    assert!(!seen.1.stdout.contains("has the rights"), "{seen:#?}");

    let mut serve = command();
    serve.arg("serve").env("DATABASE_URL", &roles.service.1).env("KEYWARD__DATABASE__MIGRATE_ON_START", "false");
    let message = run_beside(serve).await.failed();
    assert!(message.contains("INSERT on audit_events") && message.contains("EXECUTE on lock_owner"), "{message}");
    roles.drop_roles().await;
}

#[tokio::test]
async fn a_role_that_may_not_even_ask_for_the_schemas_version_is_told_so() {
    let mut roles = TwoRoles::migrated().await;
    execute(&mut roles, "REVOKE SELECT ON _sqlx_migrations FROM SERVICE").await;
    assert!(failed(&examined(&roles.service.1, &[]).await, "rights").contains("SELECT on _sqlx_migrations"));
    execute(
        &mut roles,
        "GRANT SELECT ON _sqlx_migrations TO SERVICE; REVOKE USAGE ON SCHEMA public FROM PUBLIC, SERVICE",
    )
    .await;
    assert!(failed(&examined(&roles.service.1, &[]).await, "rights").contains("USAGE on public"));
    roles.drop_roles().await;
}
