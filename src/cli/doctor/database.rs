//! What an examined database means.

use std::time::Duration;

use keyward::{
    domain::{api_key::PepperFingerprint, escape::sql_name, ports::StoreError},
    store::{Delivery, Examination, Store, how_to_grant},
};

use super::{
    findings::{Finding, Findings},
    migration,
};

/// The oldest supported version of Postgres, as its number.
const OLDEST_VERSION: i32 = 140_000;
/// Each change waits for a commit, and first checks too.
const SLOW_COMMIT: Duration = Duration::from_millis(50);
/// A pulse on each connection is late by this.
const SLOW_NOTIFICATION: Duration = Duration::from_millis(250);
/// Tokens and keys expire by the clocks of replicas. Issuers' clocks are allowed `jwt.leeway`, a minute.
const CLOCK_WARNING_SECONDS: f64 = 2.0;
const CLOCK_FAILURE_SECONDS: f64 = 60.0;
/// A full queue makes every change fail.
const QUEUE_WARNING: f64 = 0.1;
const QUEUE_FAILURE: f64 = 0.75;
/// Rows that heartbeats replace can't be removed while an older transaction is open.
const OLD_TRANSACTION: Duration = Duration::from_secs(60 * 60);

/// The check of whether anything can be changed.
const WRITES: &str = "writes";

pub(super) fn judge(seen: &Examination, findings: &mut Findings) {
    findings.add(Finding::good("database", format!("{}, as the role {}", seen.database, seen.role)));
    findings.add(version(seen));
    if let Some(found) = seen.schema {
        findings.add(migration::schema(found, seen.schema_needed));
    }
    // Migrating an older one grants them.
    if seen.has_schema() {
        findings.add(rights(seen));
    }
    findings.add(role(seen));
    findings.add(standbys(seen));
    findings.add(clock(seen));
    findings.add(queue(seen));
    findings.add(transactions(seen));
    if seen.is_read_only {
        findings.add(Finding::failed(
            WRITES,
            "default_transaction_read_only is on: checks go on, and nothing can be changed",
            "if nobody meant that, make room on the server's disk, or reset it for the role or the database",
        ));
    }
    if seen.strangers_may_connect {
        findings.add(Finding::warning(
            "strangers",
            "every role of the server may connect to this database, and so can send notifications to replicas",
            "as the database's owner: REVOKE CONNECT ON DATABASE … FROM PUBLIC (docs/configuration.md)",
        ));
    }
}

fn version(seen: &Examination) -> Finding {
    const CHECK: &str = "version";
    let found = format!("PostgreSQL {}", seen.version);
    if seen.version_number < OLDEST_VERSION {
        return Finding::failed(CHECK, found, "Keyward needs PostgreSQL 14 or later");
    }
    Finding::good(CHECK, found)
}

fn rights(seen: &Examination) -> Finding {
    const CHECK: &str = "rights";
    let role = &seen.role;
    match &seen.missing_rights {
        Some(rights) => Finding::failed(CHECK, format!("the role {role} lacks {rights}"), how_to_grant(role)),
        None => Finding::good(CHECK, format!("the role {role} has all that the service needs")),
    }
}

fn role(seen: &Examination) -> Finding {
    const CHECK: &str = "role";
    if seen.is_superuser {
        return Finding::warning(
            CHECK,
            format!("{} is a superuser: it could change the audit, and reads every database", seen.role),
            "give the service a role of its own, and the owner of the tables to database.migrate_url (docs/configuration.md, A role for the \
             tables and one for the service)",
        );
    }
    Finding::good(CHECK, format!("{} is no superuser", seen.role))
}

fn standbys(seen: &Examination) -> Finding {
    const CHECK: &str = "standbys";
    let names = &seen.synchronous_standbys;
    let waits = !matches!(seen.synchronous_commit.as_str(), "off" | "local");
    match seen.standbys {
        Some(0) if !names.is_empty() && waits => Finding::failed(
            CHECK,
            format!("commits wait for {names}, and no standby is connected"),
            "start a standby, or let the cluster's manager decide that none is waited for (docs/high-availability.md)",
        ),
        Some(1..) if names.is_empty() || !waits => Finding::warning(
            CHECK,
            "standbys follow, and no commit waits for them: a failover may undo revokes, and two servers may both accept keys",
            "set synchronous_standby_names, and synchronous_commit to on (docs/high-availability.md)",
        ),
        None if names.is_empty() => {
            Finding::good(CHECK, "commits wait for none (this role may not see whether any follow)")
        }
        _ if names.is_empty() => Finding::good(CHECK, "there are none"),
        _ => Finding::good(CHECK, format!("commits wait for {names}")),
    }
}

fn clock(seen: &Examination) -> Finding {
    const CHECK: &str = "clock";
    let ahead = seen.clock_ahead;
    let (by, certain) = (ahead.abs(), ahead.abs() - seen.clock_uncertainty);
    let which = if ahead > 0.0 { "behind" } else { "ahead of" };
    let found = format!("this machine's clock is {by:.1} s {which} the database's");
    let remedy =
        "run a time daemon (chrony, systemd-timesyncd) on both: tokens and keys expire by the clocks of replicas";
    if certain > CLOCK_FAILURE_SECONDS {
        Finding::failed(CHECK, found, remedy)
    } else if certain > CLOCK_WARNING_SECONDS {
        Finding::warning(CHECK, found, remedy)
    } else {
        Finding::good(CHECK, "this machine and the database agree about the time")
    }
}

fn queue(seen: &Examination) -> Finding {
    const CHECK: &str = "notifications";
    let used = seen.notification_queue;
    let found = format!("{:.0} % of the queue of notifications is used", used * 100.0);
    let remedy = "a session that listens has a transaction open and holds the queue: find it in pg_stat_activity by its \
                  xact_start, and end it with pg_terminate_backend";
    if used > QUEUE_FAILURE {
        Finding::failed(CHECK, found, remedy)
    } else if used > QUEUE_WARNING {
        Finding::warning(CHECK, found, remedy)
    } else {
        Finding::good(CHECK, found)
    }
}

fn transactions(seen: &Examination) -> Finding {
    const CHECK: &str = "transactions";
    let oldest = seen.oldest_transaction;
    if oldest > OLD_TRANSACTION {
        return Finding::warning(
            CHECK,
            format!(
                "a transaction has been open for {} minutes: old versions of rows can't be removed",
                oldest.as_secs() / 60
            ),
            "find it in pg_stat_activity by its xact_start; a dump that takes hours is better taken from a standby",
        );
    }
    if !seen.sees_all_transactions {
        return Finding::good(
            CHECK,
            format!(
                "none of its own has been open for an hour (this role may not see those of others: GRANT pg_read_all_stats TO {})",
                sql_name(&seen.role)
            ),
        );
    }
    Finding::good(CHECK, "none has been open for an hour")
}

/// Whether something can be changed.
pub(super) fn writes(tried: Result<(), StoreError>) -> Finding {
    match tried {
        Ok(()) => Finding::good(WRITES, "a key could be written; it was undone"),
        Err(error) => Finding::failed(
            WRITES,
            error,
            "checks go on, and nothing can be changed: make room on the server's disk, end what holds locks, or remove what \
             refuses (the error says it)",
        ),
    }
}

/// Whether the pepper of new keys is configured.
pub(super) fn pepper(
    noted: Result<Option<PepperFingerprint>, StoreError>,
    configured: &[PepperFingerprint],
) -> Finding {
    const CHECK: &str = "pepper";
    match noted {
        Ok(None) => Finding::good(CHECK, "none is noted yet; the first replica that starts notes its own"),
        Ok(Some(pepper)) => match configured.iter().position(|known| *known == pepper) {
            Some(0) => Finding::good(CHECK, format!("new keys are made with {pepper}, the first of keys.peppers")),
            Some(_) => Finding::good(
                CHECK,
                format!(
                    "new keys are made with {pepper}, and with the first of keys.peppers as soon as a replica has started"
                ),
            ),
            None => Finding::failed(
                CHECK,
                format!(
                    "new keys are made with {pepper}, which is not in keys.peppers: no replica starts with these settings"
                ),
                "configure the pepper of the other replicas, or of your backup (docs/pepper.md)",
            ),
        },
        Err(error) => Finding::failed(CHECK, error, "see the check of the database"),
    }
}

/// Commits, and sends notifications to itself.
pub(super) async fn try_out(store: &Store, findings: &mut Findings) {
    findings.add(commit(store.time_commit().await));
    findings.add(notification(store.try_delivery().await));
}

fn commit(took: Result<Duration, StoreError>) -> Finding {
    const CHECK: &str = "commit";
    match took {
        Ok(took) if took > SLOW_COMMIT => Finding::warning(
            CHECK,
            format!(
                "a commit takes {} ms; each change waits for one, and so does the first check of a key",
                took.as_millis()
            ),
            "look at the server's disk, and at the way to its synchronous standby",
        ),
        Ok(took) => Finding::good(CHECK, format!("a commit takes {:.1} ms", took.as_secs_f64() * 1000.0)),
        Err(error) => Finding::failed(
            CHECK,
            error,
            "the server can't commit: its synchronous standby may be lost, or another server may be the primary now \
             (docs/high-availability.md)",
        ),
    }
}

fn notification(delivery: Result<Delivery, StoreError>) -> Finding {
    const CHECK: &str = "listening";
    let remedy = "the listening connection must reach Postgres itself, not a pooler: set database.listen_url";
    match delivery {
        Ok(Delivery::InOrder(took)) if took > SLOW_NOTIFICATION => Finding::warning(
            CHECK,
            format!("a notification takes {} ms; each revoke waits for some", took.as_millis()),
            "look at the load of the server, and at the network",
        ),
        Ok(Delivery::InOrder(took)) => {
            Finding::good(CHECK, format!("a notification takes {:.1} ms", took.as_secs_f64() * 1000.0))
        }
        Ok(Delivery::OutOfOrder) => {
            Finding::failed(CHECK, "notifications arrive in another order than commits", remedy)
        }
        Ok(Delivery::Lost) => Finding::failed(CHECK, "a notification did not arrive", remedy),
        // It says what to do.
        Err(error) => Finding::failed(CHECK, error, "see docs/operations.md if that does not help"),
    }
}

#[cfg(test)]
mod tests {
    use keyward::store::ConnectionLimit;

    use super::*;

    /// A database in good order.
    fn good() -> Examination {
        Examination {
            database: "keyward on db:5432".to_owned(),
            version: "17.2".to_owned(),
            version_number: 170_002,
            role: "keyward".to_owned(),
            is_superuser: false,
            strangers_may_connect: false,
            is_read_only: false,
            schema: Some(16),
            schema_needed: 16,
            missing_rights: None,
            synchronous_commit: "on".to_owned(),
            synchronous_standbys: String::new(),
            standbys: Some(0),
            connections: ConnectionLimit { of: "the server".to_owned(), open: 10, most: 97, ours: 0 },
            notification_queue: 0.0,
            oldest_transaction: Duration::ZERO,
            sees_all_transactions: true,
            clock_ahead: 0.0,
            clock_uncertainty: 0.001,
        }
    }

    /// How many warnings and failures there are.
    fn judged(examination: &Examination) -> (usize, usize) {
        let mut findings = Findings::default();
        judge(examination, &mut findings);
        findings.counts()
    }

    #[test]
    fn what_is_in_order_is_not_complained_about() {
        assert_eq!(judged(&good()), (0, 0));
        assert_eq!(judged(&Examination { standbys: None, ..good() }), (0, 0));
    }

    #[test]
    fn each_thing_that_is_wrong_is_found_alone() {
        let warnings = [
            Examination { is_superuser: true, ..good() },
            Examination { strangers_may_connect: true, ..good() },
            Examination { schema: Some(17), ..good() },
            Examination { standbys: Some(1), ..good() },
            Examination {
                standbys: Some(1),
                synchronous_standbys: "*".to_owned(),
                synchronous_commit: "local".to_owned(),
                ..good()
            },
            Examination { notification_queue: 0.2, ..good() },
            Examination { oldest_transaction: Duration::from_secs(4000), ..good() },
            Examination { clock_ahead: 3.0, ..good() },
            Examination { clock_ahead: -3.0, ..good() },
        ];
        let failures = [
            Examination { version_number: 130_018, ..good() },
            Examination { is_read_only: true, ..good() },
            Examination { schema: Some(15), ..good() },
            Examination { missing_rights: Some("SELECT on api_keys".to_owned()), ..good() },
            Examination { standbys: Some(0), synchronous_standbys: "*".to_owned(), ..good() },
            Examination { notification_queue: 0.8, ..good() },
            Examination { clock_ahead: -90.0, ..good() },
        ];
        for examination in warnings {
            assert_eq!(judged(&examination), (1, 0), "{examination:?}");
        }
        for examination in failures {
            assert_eq!(judged(&examination), (0, 1), "{examination:?}");
        }
    }

    #[test]
    fn a_slow_answer_is_no_wrong_clock() {
        assert_eq!(judged(&Examination { clock_ahead: 3.0, clock_uncertainty: 2.0, ..good() }), (0, 0));
    }
}
