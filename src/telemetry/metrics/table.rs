//! Every metric: its name, type, labels and meaning, which its help text says. The unit is the end of its name, as
//! Prometheus wants it. A new metric needs a row here, a place in its group (`groups`), and a line in `startup`, which
//! reads its value.
//!
//! No label has a value that a request can choose. Each takes its values from a set that is closed when the program
//! starts: [`Values`](super::family::Values) says which.

use super::{
    family::{Family, counter, gauge, histogram},
    labels::{
        CACHE, CONNECTION_STATE, CREDENTIAL, FETCH_RESULT, ISSUER, KEY_STATE, LANE, LIMIT_OUTCOME, LIMIT_SLICE, METHOD,
        OUTCOME, POOL, REASON, REPLICA, REVISION, ROUTE, SETTLED, STATEMENT, STATUS, VERSION, WAY,
    },
};

pub static REQUESTS: Family = counter(
    "keyward_http_requests_total",
    &[&METHOD, &ROUTE, &STATUS],
    "Requests that were answered, including those that were no valid HTTP. A series begins with its first request.",
);
pub static REQUEST_DURATION: Family = histogram(
    "keyward_http_request_duration_seconds",
    &[&METHOD, &ROUTE],
    "Time from a request's head and body until the head of its answer, without the network. A series begins with its \
     first request.",
);
pub static HTTP_CONNECTIONS: Family = gauge(
    "keyward_http_connections",
    &[],
    "Connections of clients that are open, busy or idle, without those at addresses of the metrics' and the console's own.",
);
pub static HTTP_CONNECTIONS_LIMIT: Family = gauge(
    "keyward_http_connections_limit",
    &[],
    "Connections of clients that may be open: server.max_connections, or fewer if the system allows fewer open files. \
     Further ones wait.",
);
pub static CHECKS: Family = counter(
    "keyward_checks_total",
    &[&CREDENTIAL, &OUTCOME, &WAY],
    "Credentials that were checked: those of requests and of gateways' clients, and those in bodies of verification and \
     introspection. Scopes and policies, which are looked at afterwards, are only in keyward_denials_total.",
);
pub static DENIALS: Family =
    counter("keyward_denials_total", &[&REASON], "Refused credentials, and requests that lack one, by reason.");
pub static CHECKS_WAITING: Family = gauge(
    "keyward_first_checks",
    &[&CREDENTIAL],
    "Checks under way or waiting that memory could not answer. Beyond checks.max_cold, further ones are answered 503.",
);
pub static LIMIT_CHECKS: Family = counter(
    "keyward_limit_checks_total",
    &[&LIMIT_OUTCOME],
    "Requests with keys on which there are limits, or on whose owners there are.",
);
pub static LIMIT_SLICES: Family = counter(
    "keyward_limit_slices_total",
    &[&LIMIT_SLICE],
    "Parts of limits and of credits that this replica has asked the database for, or has given back; many travel in one \
     statement, `take_slices` or `exchange_credits`.",
);
pub static CREDITS_WRITTEN_OFF: Family = counter(
    "keyward_credits_written_off_total",
    &[],
    "Credits that replicas had in hand which fell silent. They count as spent, because nobody knows.",
);
pub static USAGE_PENDING: Family = gauge(
    "keyward_usage_pending_keys",
    &[],
    "Keys with uses that are not written yet. Beyond last_used.max_pending, uses wait in the memory of their key.",
);
pub static USAGE_ROWS: Family = counter(
    "keyward_usage_counts_written_total",
    &[],
    "Last uses and counts by hour that were written; many travel in one statement, `write_usage`.",
);
pub static USAGE_LOST: Family = counter(
    "keyward_usage_lost_total",
    &[],
    "Uses that are missing in reports: too many keys were waiting to be written, and the key of these was forgotten.",
);
pub static CACHE_ENTRIES: Family =
    gauge("keyward_cache_entries", &[&CACHE], "Credentials in memory, including those that are read again before use.");
pub static CACHE_USED: Family = gauge(
    "keyward_cache_places_used",
    &[&CACHE],
    "Places that are taken. An entry takes one, or several if its metadata or scopes are large.",
);
pub static CACHE_PLACES: Family =
    gauge("keyward_cache_places", &[&CACHE], "Places there are: checks.cached_keys, jwt.cached_tokens.");
pub static CACHE_EVICTIONS: Family = counter(
    "keyward_cache_evictions_total",
    &[&CACHE],
    "Credentials that were forgotten to make room for others. If it grows all the time, the cache is too small.",
);
pub static HASHING_QUEUE: Family = gauge("keyward_hashing_queue", &[&LANE], "Hashes that wait for their turn.");
pub static HASHING_RUNNING: Family = gauge("keyward_hashing_running", &[], "Hashes that are being computed.");
pub static HASHING_LIMIT: Family =
    gauge("keyward_hashing_limit", &[], "Hashes that may be computed at once: hashing.concurrency.");
pub static HASHING_WAIT: Family = histogram(
    "keyward_hashing_wait_seconds",
    &[&LANE],
    "How long hashes waited for their turn, without those that were refused.",
);
pub static HASH_DURATION: Family =
    histogram("keyward_hash_duration_seconds", &[], "How long one Argon2id hash took, to make or to verify.");
pub static HASHING_REFUSALS: Family = counter(
    "keyward_hashing_refusals_total",
    &[&LANE],
    "Hashes whose turn did not come within hashing.max_wait; their requests were answered 503.",
);
pub static CONNECTIONS: Family =
    gauge("keyward_database_connections", &[&POOL, &CONNECTION_STATE], "Open connections to the database.");
pub static CONNECTIONS_LIMIT: Family =
    gauge("keyward_database_connections_limit", &[&POOL], "Connections that a pool may open.");
pub static CONNECTION_WAIT: Family = histogram(
    "keyward_database_connection_wait_seconds",
    &[&POOL],
    "How long it took to get a connection, idle or new, including failed attempts.",
);
pub static CONNECTION_TIMEOUTS: Family = counter(
    "keyward_database_connection_timeouts_total",
    &[&POOL],
    "Attempts to get a connection that failed: none was free within database.acquire_timeout, or the database could not \
     be reached.",
);
pub static STATEMENTS: Family = histogram(
    "keyward_database_statement_duration_seconds",
    &[&STATEMENT],
    "How long operations on the database took, including the wait for a connection and the commit, which waits for a \
     synchronous standby. A series begins with its first operation.",
);
pub static STATEMENT_FAILURES: Family = counter(
    "keyward_database_statement_failures_total",
    &[&STATEMENT],
    "Operations on the database that failed or were not answered in time. A series begins with its first operation.",
);
pub static CLOCK_AHEAD: Family = gauge(
    "keyward_database_clock_offset_seconds",
    &[],
    "How far the database's clock is ahead of this machine's; negative if it is behind. Sampled every metrics.sample_every; \
     absent until the first sample.",
);
pub static LEASE: Family = gauge(
    "keyward_lease_remaining_seconds",
    &[],
    "How much longer the replica may trust its memory if it hears nothing more; 0 without a lease. Then each check \
     reads the database.",
);
pub static HEARTBEATS: Family = histogram(
    "keyward_heartbeat_round_trip_seconds",
    &[],
    "Time from sending a heartbeat until it is committed and heard again, which renews the lease.",
);
pub static HEARTBEAT_FAILURES: Family = counter(
    "keyward_heartbeat_failures_total",
    &[],
    "Heartbeats that the database did not confirm, and attempts to listen that failed, without which none is sent.",
);
pub static PULSE_AGE: Family = gauge(
    "keyward_pulse_age_seconds",
    &[],
    "Time since the last pulse, the message that names all heartbeats. Absent until the first.",
);
pub static REPLICAS: Family = gauge(
    "keyward_replicas",
    &[],
    "Replicas that may hold a lease, as far as this one has heard, and itself. Changes wait for all of them.",
);
pub static CHANGES_WAITING: Family =
    gauge("keyward_changes_waiting", &[], "Changes by this replica that others have not confirmed yet.");
pub static CONFIRMATIONS: Family = histogram(
    "keyward_change_confirmation_seconds",
    &[&SETTLED],
    "Time from the commit of a change until no replica trusts what it replaced.",
);
pub static RECONNECTS: Family = counter(
    "keyward_listen_reconnects_total",
    &[],
    "Times that the LISTEN connection was lost and had to be replaced.",
);
pub static QUEUE_USAGE: Family = gauge(
    "keyward_notification_queue_usage_ratio",
    &[],
    "The part of Postgres's queue of notifications that is in use. When it is full, changes and heartbeats fail. Sampled \
     every metrics.sample_every; absent until the first sample.",
);
pub static ISSUER_AGE: Family = gauge(
    "keyward_issuer_key_set_age_seconds",
    &[&ISSUER],
    "Time since the keys of an issuer were last fetched. Absent until they were. After jwt.key_set_keep they are not used.",
);
pub static ISSUER_FETCHES: Family = counter(
    "keyward_issuer_key_set_fetches_total",
    &[&ISSUER, &FETCH_RESULT],
    "Attempts to fetch the keys of an issuer.",
);
pub static ISSUER_UNKNOWN_KEYS: Family = counter(
    "keyward_issuer_unknown_keys_total",
    &[&ISSUER],
    "Tokens that named a key that the issuer's set did not have. Each asks for a fetch, which jwt.key_set_cool_down \
     bounds.",
);
pub static ISSUERS_WITHOUT_KEYS: Family = gauge(
    "keyward_issuers_without_keys",
    &[],
    "Issuers whose keys were never fetched since the start. Their tokens are answered 503.",
);
pub static KEYS: Family = gauge(
    "keyward_keys",
    &[&KEY_STATE],
    "Keys in the database: exact while the table has at most 8 MiB, some 10,000 keys, and otherwise an estimate from that \
     much of it. Sampled every metrics.sample_every; absent until the first sample.",
);
pub static KEYS_EXPIRING: Family = gauge(
    "keyward_keys_in_use_expiring",
    &[],
    "Keys that expire within 7 days and were used within the last 7. Only the 10,000 keys that expire first are looked \
     at. Sampled every metrics.sample_every; absent until the first sample.",
);
pub static SAMPLED_AT: Family = gauge(
    "keyward_sample_timestamp_seconds",
    &[],
    "When keyward_keys, keyward_keys_in_use_expiring, keyward_notification_queue_usage_ratio and \
     keyward_database_clock_offset_seconds were sampled, since 1970.",
);
pub static POLICY_LOADED_AT: Family = gauge(
    "keyward_policy_load_timestamp_seconds",
    &[],
    "When the policy in effect was read from its file, since 1970. Absent without authorize.policy_file.",
);
pub static POLICY_FAILURES: Family = counter(
    "keyward_policy_load_failures_total",
    &[],
    "Changes of the policy file that were not taken, because it was invalid or could not be read. Absent without \
     authorize.policy_file.",
);
pub static BUILD: Family =
    gauge("keyward_build_info", &[&VERSION, &REVISION, &REPLICA], "Always 1; the labels say what runs.");
pub static SPANS_DROPPED: Family = counter(
    "keyward_trace_spans_dropped_total",
    &[],
    "Spans of traces that were dropped, because the queue of traces.queue was full or the collector did not take them.",
);
pub static CPU_SECONDS: Family =
    counter("process_cpu_seconds_total", &[], "Processor time that the process has used, its own and the system's.");
pub static RESIDENT_BYTES: Family = gauge("process_resident_memory_bytes", &[], "Memory that is in use.");
pub static VIRTUAL_BYTES: Family = gauge("process_virtual_memory_bytes", &[], "Memory that is reserved.");
pub static START_TIME: Family = gauge("process_start_time_seconds", &[], "When the process started, since 1970.");
pub static OPEN_FDS: Family = gauge("process_open_fds", &[], "Open files and connections.");
pub static MAX_FDS: Family = gauge("process_max_fds", &[], "The limit of open files and connections.");
