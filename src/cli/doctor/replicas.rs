//! What the rows of replicas mean, and whether there is room for the connections of all.

use keyward::{
    domain::{
        counted::counted,
        ports::{StoreError, replicas::ReplicaRow},
    },
    store::ConnectionLimit,
};

use super::findings::{Finding, Findings};

/// A replica that gets fewer connections does not work: one for requests, and those for heartbeats, acknowledgements
/// and listening.
const FEWEST_CONNECTIONS: i64 = 4;

pub(super) fn judge(
    rows: &Result<Vec<ReplicaRow>, StoreError>,
    each: u32,
    limit: &ConnectionLimit,
    findings: &mut Findings,
) {
    const CHECK: &str = "replicas";
    let rows = match rows {
        Ok(rows) => rows,
        Err(error) => return findings.add(Finding::failed(CHECK, error, "see the check of the database")),
    };
    let (alive, silent): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.alive);
    findings.add(Finding::good(CHECK, format!("{} alive", alive.len())));
    if !silent.is_empty() {
        let ids: Vec<String> = silent.iter().map(|row| row.id.to_string()).collect();
        findings.add(Finding::warning(
            CHECK,
            format!("silent: {}", ids.join(", ")),
            "each has ended without deregistering (its row goes in some minutes), or can't reach the database: see its log",
        ));
    }
    let mut versions: Vec<&str> = alive.iter().map(|row| row.version.as_str()).collect();
    versions.sort_unstable();
    versions.dedup();
    if versions.len() > 1 {
        findings.add(Finding::warning(
            CHECK,
            format!("they have different versions: {}", versions.join(", ")),
            "finish the update (or the rollback) of all replicas",
        ));
    }
    findings.add(connections(alive.len(), each, limit));
}

fn connections(alive: usize, each: u32, limit: &ConnectionLimit) -> Finding {
    const CHECK: &str = "connections";
    let ConnectionLimit { of, open, most, ours } = limit;
    let each = i64::from(each);
    // One more replica, because one that is replaced runs beside its successor.
    let needed = each * i64::try_from(alive + 1).unwrap_or(i64::MAX);
    // What replicas have open already they need not open again.
    let (left, to_open) = (most - open, (needed - ours).max(each));
    let found = format!(
        "{open} of {most} that {of} allows are open; {} and one more may open {needed}",
        counted(alive as u64, "replica")
    );
    let remedy = format!(
        "end sessions that nobody needs (pg_stat_activity), raise the limit of {of} (max_connections, CONNECTION LIMIT), or lower \
         database.pool_size and database.admin_connections"
    );
    if left < FEWEST_CONNECTIONS {
        Finding::failed(CHECK, found, remedy)
    } else if left < to_open {
        Finding::warning(CHECK, found, remedy)
    } else {
        Finding::good(CHECK, found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_for_connections_is_what_is_left_by_whoever_has_them() {
        let with = |alive, open, ours| {
            let limit = ConnectionLimit { of: "the server".to_owned(), open, most: 97, ours };
            let mut findings = Findings::default();
            findings.add(connections(alive, 15, &limit));
            findings.counts()
        };
        assert_eq!(with(0, 82, 0), (0, 0));
        assert_eq!(with(0, 83, 0), (1, 0));
        assert_eq!(with(0, 93, 0), (1, 0));
        assert_eq!(with(0, 94, 0), (0, 1));
        assert_eq!(with(3, 45, 45), (0, 0));
        assert_eq!(with(3, 45, 0), (1, 0), "three replicas have yet to open theirs");
        assert_eq!(with(4, 30, 30), (0, 0), "they have some of theirs");
        assert_eq!(with(4, 45, 10), (1, 0));
    }
}
