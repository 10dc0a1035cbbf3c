//! The schema's version, and whether it could be brought up to date, as `keyward migrate` does it, and `keyward serve`
//! at its start.

use keyward::store::{Examination, OpenError, OwnerExamination};

use super::findings::Finding;

const OLD_SCHEMA: &str = "run `keyward migrate` (or start with database.migrate_on_start)";
/// Migrating a database that is not the right one makes a second Keyward, without keys.
const NO_SCHEMA: &str = "see that database.url names the right database, and its role the right schema (search_path); then, if it is \
                         new, run `keyward migrate` (or start with database.migrate_on_start)";

pub(super) fn schema(found: i64, needed: i64) -> Finding {
    const CHECK: &str = "schema";
    if found < needed {
        return Finding::failed(
            CHECK,
            format!("it has migration {found}, and this program needs {needed}"),
            if found == 0 { NO_SCHEMA } else { OLD_SCHEMA },
        );
    }
    if found > needed {
        return Finding::warning(
            CHECK,
            format!("it has migration {found}, of a later version than this program, which knows {needed}"),
            "that is as it should be during an update or after a rollback; update this program otherwise",
        );
    }
    Finding::good(CHECK, format!("it has migration {found}, the newest"))
}

/// `on_start`: whether `keyward serve` does it.
pub(super) fn judge(seen: Result<OwnerExamination, OpenError>, service: &Examination, on_start: bool) -> Finding {
    const CHECK: &str = "migration";
    let bad_if = |needed: bool, found: String, remedy: &str| match needed {
        true => Finding::failed(CHECK, found, remedy),
        // `keyward serve` starts, and `keyward migrate` does not work.
        false => Finding::warning(CHECK, found, remedy),
    };
    let bad = |found: String, remedy: &str| bad_if(on_start, found, remedy);
    let OwnerExamination { setting, role, elsewhere, may_migrate } = match seen {
        Ok(seen) => seen,
        Err(error) => {
            let remedy = "correct the address by which the schema is brought up to date (docs/configuration.md, A role for the \
                          tables and one for the service)";
            return bad(error.to_string(), remedy);
        }
    };
    match elsewhere {
        Some(why) => bad(
            why,
            "until then, neither `keyward migrate` nor a migration at the start does anything for this service",
        ),
        None if !may_migrate => bad_if(
            // The service's own role needs no right to find that there is nothing to do.
            on_start && !(service.has_schema() && service.role == role),
            format!(
                "the role {role} of {setting} does not own the tables, or may not make more: it can't bring the schema up to date"
            ),
            "let database.migrate_url name the role that owns them; or set database.migrate_on_start to false here, and run \
             `keyward migrate` elsewhere (docs/configuration.md, A role for the tables and one for the service)",
        ),
        None => Finding::good(CHECK, format!("the role {role} of {setting} may bring the schema up to date")),
    }
}
