//! Every label with its values. None has a value that a request can choose: [`Values`] says where they come from.

use super::family::{Label, Values, words};

/// The pools of connections, by purpose.
pub const POOLS: &[&str] = &["requests", "admins", "heartbeats", "acknowledgements"];
/// The states of keys.
pub const KEY_STATES: &[&str] = &["active", "disabled", "expired", "revoked"];

pub(super) static METHOD: Label = Label {
    name: "method",
    values: Values::OfTheProgram("the methods of the routes; `any` for gateways' questions, `none` without a route"),
    help: "The method of the route. `HEAD` counts as `GET`.",
};
pub(super) static ROUTE: Label = Label {
    name: "route",
    values: Values::OfTheProgram("the paths in the API document, such as `/v1/keys/{id}`, or `none`"),
    help: "The pattern of the path. `none`: no route has this path and method, or the request was not valid HTTP.",
};
pub(super) static STATUS: Label = Label {
    name: "status",
    values: Values::OfTheProgram("the statuses that the API document names, or `other`"),
    help: "The HTTP status of the answer.",
};
pub(super) static CREDENTIAL: Label = words("kind", &["key", "token"], "The kind of credential.");
pub(super) static OUTCOME: Label = words(
    "outcome",
    &["granted", "denied", "undecided"],
    "`undecided`: the database, the hasher or an issuer's keys were not available, and the request was answered 503.",
);
pub(super) static WAY: Label = words(
    "way",
    &["memory", "row", "hash", "tag", "signature", "none"],
    "What decided: the replica's memory; the row in the database, for a key whose secret or a token whose signature \
     was known or has just been verified; an Argon2id hash; the form and tag of a key, which cost no query; the \
     signature or the claims of a token, which cost none either. `none` if nothing could decide.",
);
pub(super) static LIMIT_OUTCOME: Label = words(
    "outcome",
    &["granted", "granted_later", "refused", "undecided", "uncounted"],
    "Of limits. `granted`: from what the replica had in hand; `granted_later`: after the database had answered; `refused`: a limit is \
     exhausted; `undecided`: the database did not answer, and the request was answered 503; `uncounted`: the database did \
     not answer, and the limits concerned admit then.",
);
pub(super) static LIMIT_SLICE: Label = words(
    "outcome",
    &["granted", "refused", "returned", "failed"],
    "Of slices. `refused`: nothing was left; `returned`: credits were given back, or looked at; `failed`: the database did not answer in time.",
);
pub(super) static REASON: Label = Label {
    name: "reason",
    values: Values::OfTheProgram("the reasons in the log's lines `refused a request`"),
    help: "Why a credential was refused. Clients learn less.",
};
pub(super) static CACHE: Label = words("cache", &["keys", "tokens"], "The memory of checked credentials.");
pub(super) static LANE: Label =
    words("lane", &["check", "issue"], "`check`: a key is presented; `issue`: a key is created.");
pub(super) static POOL: Label = words(
    "pool",
    POOLS,
    "`requests`: checks and owners; `admins`: changes by administrators; the others carry messages between replicas.",
);
pub(super) static CONNECTION_STATE: Label = words("state", &["idle", "used"], "Whether a connection is in use.");
pub(super) static STATEMENT: Label = Label {
    name: "statement",
    values: Values::OfTheProgram("the operations of the program on its database"),
    help: "The operation. Some have several statements, in one transaction.",
};
pub(super) static SETTLED: Label = words(
    "settled",
    &["heard", "expired", "unheard"],
    "`heard`: all other replicas have confirmed; `expired`: at least one was silent until its lease ended; `unheard`: \
     this replica did not hear its own announcement, and waited for the longest lease.",
);
pub(super) static ISSUER: Label = Label {
    name: "issuer",
    values: Values::OfTheReplica("the names of `jwt.issuers` whose keys are fetched"),
    help: "The issuer. Issuers that share a key set count once, under the name of the first.",
};
pub(super) static FETCH_RESULT: Label = words("result", &["ok", "failed"], "Whether usable keys came.");
pub(super) static KEY_STATE: Label =
    words("state", KEY_STATES, "The state of the key. `disabled`: the key itself or its owner.");
pub(super) static VERSION: Label =
    Label { name: "version", values: Values::OfTheReplica("the version of the program"), help: "The version." };
pub(super) static REVISION: Label = Label {
    name: "revision",
    values: Values::OfTheReplica("`KEYWARD_REVISION` when the program was built, or `unknown`"),
    help: "The revision of the source.",
};
pub(super) static REPLICA: Label = Label {
    name: "replica",
    values: Values::OfTheReplica("the id in the first line of the log, new at each start"),
    help: "The replica, as `keyward replicas` lists it.",
};
