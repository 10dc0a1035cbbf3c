//! The metrics in groups, and in their order in an answer. `docs/metrics.md` is made from them.

use super::{
    family::Family,
    table::{
        BUILD, CACHE_ENTRIES, CACHE_EVICTIONS, CACHE_PLACES, CACHE_USED, CHANGES_WAITING, CHECKS, CHECKS_WAITING,
        CLOCK_AHEAD, CONFIRMATIONS, CONNECTION_TIMEOUTS, CONNECTION_WAIT, CONNECTIONS, CONNECTIONS_LIMIT, CPU_SECONDS,
        CREDITS_WRITTEN_OFF, DENIALS, HASH_DURATION, HASHING_LIMIT, HASHING_QUEUE, HASHING_REFUSALS, HASHING_RUNNING,
        HASHING_WAIT, HEARTBEAT_FAILURES, HEARTBEATS, HTTP_CONNECTIONS, HTTP_CONNECTIONS_LIMIT, ISSUER_AGE,
        ISSUER_FETCHES, ISSUER_UNKNOWN_KEYS, ISSUERS_WITHOUT_KEYS, KEYS, KEYS_EXPIRING, LEASE, LIMIT_CHECKS,
        LIMIT_SLICES, MAX_FDS, OPEN_FDS, POLICY_FAILURES, POLICY_LOADED_AT, PULSE_AGE, QUEUE_USAGE, RECONNECTS,
        REPLICAS, REQUEST_DURATION, REQUESTS, RESIDENT_BYTES, SAMPLED_AT, SPANS_DROPPED, START_TIME,
        STATEMENT_FAILURES, STATEMENTS, USAGE_LOST, USAGE_PENDING, USAGE_ROWS, VIRTUAL_BYTES,
    },
};

/// Metrics that are documented together.
#[derive(Debug)]
pub struct Group {
    /// The heading.
    pub heading: &'static str,
    /// The metrics, in the order in which an answer has them.
    pub families: &'static [&'static Family],
}

/// All metrics.
pub static GROUPS: &[Group] = &[
    Group {
        heading: "Requests",
        families: &[&REQUESTS, &REQUEST_DURATION, &HTTP_CONNECTIONS, &HTTP_CONNECTIONS_LIMIT],
    },
    Group {
        heading: "Checks",
        families: &[&CHECKS, &DENIALS, &CHECKS_WAITING, &CACHE_ENTRIES, &CACHE_USED, &CACHE_PLACES, &CACHE_EVICTIONS],
    },
    Group { heading: "Limits", families: &[&LIMIT_CHECKS, &LIMIT_SLICES, &CREDITS_WRITTEN_OFF] },
    Group { heading: "Usage", families: &[&USAGE_PENDING, &USAGE_ROWS, &USAGE_LOST] },
    Group {
        heading: "Hashing",
        families: &[&HASHING_QUEUE, &HASHING_RUNNING, &HASHING_LIMIT, &HASHING_WAIT, &HASH_DURATION, &HASHING_REFUSALS],
    },
    Group {
        heading: "Database",
        families: &[
            &CONNECTIONS,
            &CONNECTIONS_LIMIT,
            &CONNECTION_WAIT,
            &CONNECTION_TIMEOUTS,
            &STATEMENTS,
            &STATEMENT_FAILURES,
            &CLOCK_AHEAD,
        ],
    },
    Group {
        heading: "Coherence",
        families: &[
            &LEASE,
            &HEARTBEATS,
            &HEARTBEAT_FAILURES,
            &PULSE_AGE,
            &REPLICAS,
            &CHANGES_WAITING,
            &CONFIRMATIONS,
            &RECONNECTS,
            &QUEUE_USAGE,
        ],
    },
    Group {
        heading: "Issuers",
        families: &[&ISSUER_AGE, &ISSUER_FETCHES, &ISSUER_UNKNOWN_KEYS, &ISSUERS_WITHOUT_KEYS],
    },
    Group { heading: "Keys", families: &[&KEYS, &KEYS_EXPIRING, &SAMPLED_AT] },
    Group { heading: "Policy", families: &[&POLICY_LOADED_AT, &POLICY_FAILURES] },
    Group {
        heading: "Process",
        families: &[
            &BUILD,
            &SPANS_DROPPED,
            &CPU_SECONDS,
            &RESIDENT_BYTES,
            &VIRTUAL_BYTES,
            &START_TIME,
            &OPEN_FDS,
            &MAX_FDS,
        ],
    },
];

/// The metric of this name, if there is one. The samples of a histogram have names of their own.
pub fn family(name: &str) -> Option<&'static Family> {
    GROUPS.iter().flat_map(|group| group.families).copied().find(|family| family.name == name)
}
