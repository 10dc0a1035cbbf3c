//! What people read of each operation, and in which order: groups by task, and within them as a newcomer needs it.

use super::operations;
use crate::api::endpoint::Endpoint;

/// Operations that serve one task.
pub(super) struct Group {
    pub(super) tag: &'static str,
    pub(super) about: &'static str,
    /// The names of operations (`operations::name`), and what is to be known of each.
    operations: &'static [(&'static str, &'static str)],
}

const ADMINISTRATION: &str = "Administration";

/// All groups, and all operations in them.
pub(super) const GROUPS: &[Group] = &[
    Group {
        tag: "Keys",
        about: "Create API keys, list and change them, replace and revoke them. With the JWT of their owner.",
        operations: &[
            (
                "POST /v1/keys",
                "All members of the body are optional. The secret is in this answer and never again, so send an \
                 `Idempotency-Key`: then a retry after a lost answer creates no second key.",
            ),
            (
                "GET /v1/keys",
                "Newest first, unless `sort` says otherwise. Filters can be combined. Where there is another page, `nextCursor` is not `null`, and the header \
                 `Link` has its address.",
            ),
            (
                "GET /v1/keys/{id}",
                "Shows state, rights, and when and from where the key was last used. The secret is never shown again.",
            ),
            (
                "PATCH /v1/keys/{id}",
                "Members that are not named stay as they are; `null` resets a member. Send the `ETag` as `If-Match`, so \
                 that two editors do not overwrite each other. When the answer comes, every replica applies the change.",
            ),
            (
                "POST /v1/keys/{id}/rotate",
                "The old key goes on working for `gracePeriod` seconds, or for the configured grace period if the body \
                 does not say; 0 ends it now. Send an `Idempotency-Key`: then a retry after a lost answer names the \
                 successor. Its secret cannot be shown again; rotate the successor to get a new one.",
            ),
            (
                "POST /v1/keys/{id}/disable",
                "The key is refused until it is enabled. When the answer comes, every replica refuses it.",
            ),
            (
                "POST /v1/keys/{id}/enable",
                "The key works again. Only an administrator can enable what an administrator has disabled.",
            ),
            (
                "DELETE /v1/keys/{id}",
                "Final. When the answer comes, no replica accepts the key. Repeating the request changes nothing.",
            ),
            ("GET /v1/keys/self", "For a program that holds nothing but its key: what the key may do, and until when."),
            (
                "DELETE /v1/keys/self",
                "Needs nothing but the key itself, even if it is disabled or expired: for a script that is done, and for \
                 whoever finds a leaked key.",
            ),
            (
                "GET /v1/audit",
                "As JSON, or as CSV or lines of JSON if `Accept` prefers that. Events are only ever added. They are kept as long as `audit.retention` says.",
            ),
        ],
    },
    Group {
        tag: "Checks",
        about: "Services ask whether the keys and tokens of their own clients are good. With the scope `keyward:verify`.",
        operations: &[
            (
                "POST /v1/keys/verify",
                "The answer is 200 whether the key is good or not: look at `valid`. `explain` lists every reason against \
                 it. Up to 100 keys can be checked at once, and are answered in their order.",
            ),
            (
                "POST /v1/introspect",
                "Introspection of OAuth 2.0 (RFC 7662), for API keys and JWTs. Anything that is not active is answered \
                 with `active: false` alone.",
            ),
            (
                "POST /v1/revoke",
                "Revocation of OAuth 2.0 (RFC 7009), for API keys. A key that is unknown or already revoked is answered \
                 the same.",
            ),
            (
                "GET /.well-known/oauth-authorization-server",
                "Metadata of OAuth 2.0 (RFC 8414): the addresses of introspection and revocation.",
            ),
        ],
    },
    Group {
        tag: "Gateways",
        about: "A gateway asks about each request of its clients (forward-auth), and hands on who they are.",
        operations: &[
            (
                "GET /v1/authorize",
                "The gateway sends its client's headers; the answer's headers replace those of the client. Any method is \
                 answered, because some gateways use their client's. Parameters other than `scope`, and bodies, are \
                 ignored.",
            ),
            (
                "GET /v1/authorize/{original}",
                "For gateways that append their client's path to the address of the check, as Envoy does.",
            ),
        ],
    },
    Group {
        tag: ADMINISTRATION,
        about: "The same for the keys of every owner, and what only administrators can do. With the scope \
                `keyward:admin`.",
        operations: &[
            (
                "POST /v1/keys/revoke",
                "At least one condition is needed. When the answer comes, no replica accepts any of these keys.",
            ),
            ("GET /v1/owners", "Owners who have keys, or are disabled, and how their keys stand."),
            (
                "GET /v1/owners/{id}",
                "Whether the owner is disabled, since when, why and by whom, and how their keys stand.",
            ),
            (
                "POST /v1/owners/{id}/disable",
                "All keys of the owner are refused, those created later too, until the owner is enabled.",
            ),
            (
                "POST /v1/owners/{id}/enable",
                "The owner's keys work again, except those that are disabled, expired or revoked themselves.",
            ),
            (
                "POST /v1/tokens/revoke",
                "Either one token by its `jti`, or all tokens of a subject that were issued before an instant. When the \
                 answer comes, no replica accepts them.",
            ),
        ],
    },
    Group {
        tag: "Operation",
        about: "Asked by load balancers and container engines. Without a credential.",
        operations: &[
            ("GET /healthz", "Liveness: if there is no answer, restart the process."),
            ("GET /readyz", "Readiness: on 503, send requests to another replica."),
        ],
    },
    Group {
        tag: "Compatibility",
        about: "Two routes whose statuses and bodies never change. New clients use `/v1`.",
        operations: &[
            (
                "POST /api/create-api-key",
                "The key has no name and no scopes, and the latest expiry that is allowed. Errors are `{\"message\": …}`.",
            ),
            (
                "GET /api/protected-resource",
                "Answers whoever holds a good API key, which makes it the shortest way to try one.",
            ),
        ],
    },
    Group {
        tag: "Documents",
        about: "The description of this API, for people and for programs. Without a credential.",
        operations: &[
            (
                "GET /",
                "On a server started by `keyward dev`, leads to the documentation. Elsewhere there is nothing here.",
            ),
            ("GET /docs", "A page for people is served with a slash at its end."),
            ("GET /docs/", "Loads nothing from other servers."),
            ("GET /docs/{file}", "Scripts and styles of the page."),
            ("GET /openapi.json", "OpenAPI 3.1, generated from the code that serves the routes."),
            ("GET /problems", "As HTML, or as JSON if `Accept` prefers that."),
            ("GET /problems/{code}", "As HTML, or as JSON if `Accept` prefers that."),
        ],
    },
];

/// What is told of one operation.
pub(super) struct Told {
    pub(super) tag: &'static str,
    pub(super) about: &'static str,
    /// Its place among all: that of its group, and within.
    pub(super) place: (usize, usize),
}

/// The names of all operations.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    GROUPS.iter().flat_map(|group| group.operations.iter().map(|(name, _)| *name))
}

/// What is told of a route; `None` where nobody has written it.
pub(super) fn of(endpoint: &Endpoint) -> Option<Told> {
    let name = operations::name(endpoint);
    let (group, within, about) = GROUPS.iter().enumerate().find_map(|(group, Group { operations, .. })| {
        let within = operations.iter().position(|(own, _)| *own == name)?;
        Some((group, within, operations[within].1))
    })?;
    if !endpoint.path.starts_with("/v1/admin/") {
        return Some(Told { tag: GROUPS[group].tag, about, place: (group, within) });
    }
    // What owners can do, too, comes first there.
    let administration = GROUPS.iter().position(|group| group.tag == ADMINISTRATION)?;
    let before = if group == administration { GROUPS[0].operations.len() } else { 0 };
    Some(Told { tag: ADMINISTRATION, about, place: (administration, before + within) })
}
