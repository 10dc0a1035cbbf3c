//! The descriptions of operations in reading order: groups by task, and within a group in the order a newcomer needs.

use super::operations;
use crate::api::endpoint::Endpoint;

/// Operations that serve one task.
pub(super) struct Group {
    pub(super) tag: &'static str,
    pub(super) about: &'static str,
    /// The names of operations (`operations::name`), each with its description.
    operations: &'static [(&'static str, &'static str)],
}

const ADMINISTRATION: &str = "Administration";

/// All groups with all their operations.
pub(super) const GROUPS: &[Group] = &[
    Group {
        tag: "Keys",
        about: "Create, list, change, rotate and revoke API keys. Requires the owner's JWT.",
        operations: &[
            (
                "POST /v1/keys",
                "All members of the body are optional. The secret appears only in this response. Send an \
                `Idempotency-Key`, so that a retry after a lost response does not create a second key.",
            ),
            (
                "GET /v1/keys",
                "Newest first, unless `sort` says otherwise. Filters can be combined. If there is another page, \
                `nextCursor` is not `null`, and the header `Link` has its address.",
            ),
            (
                "GET /v1/keys/{id}",
                "Shows the key's state and scopes, and when and from where it was last used. The secret is never shown \
                again.",
            ),
            (
                "PATCH /v1/keys/{id}",
                "Members that are absent keep their value; `null` resets a member. Send the `ETag` as `If-Match`, so \
                that two editors do not overwrite each other. The response is sent once every replica applies the \
                change.",
            ),
            (
                "POST /v1/keys/{id}/credits",
                "Adds to the balance, or sets it, which voids what replicas have of the earlier one. The key must have \
                credits. With an `Idempotency-Key`, a repeated request changes nothing. The response is sent once every \
                replica applies the change.",
            ),
            (
                "POST /v1/keys/{id}/rotate",
                "The old key keeps working for `gracePeriod` seconds, or for the configured grace period if the body \
                has none; 0 ends it immediately. Send an `Idempotency-Key`, so that a retry after a lost response \
                returns the successor. Its secret cannot be shown again; rotate the successor to get a new one.",
            ),
            (
                "POST /v1/keys/{id}/disable",
                "The key is refused until it is enabled. The response is sent once every replica refuses it.",
            ),
            (
                "POST /v1/keys/{id}/enable",
                "The key works again. If an administrator disabled the key, only an administrator can enable it.",
            ),
            (
                "DELETE /v1/keys/{id}",
                "Cannot be undone. The response is sent once no replica accepts the key. Repeating the request has no \
                effect.",
            ),
            ("GET /v1/keys/self", "For a program that has only its key: shows the key's scopes and expiry."),
            (
                "DELETE /v1/keys/self",
                "Requires only the key itself, even if it is disabled or expired: for a script that has finished, or \
                for anyone who finds a leaked key.",
            ),
            (
                "GET /v1/keys/{id}/usage",
                "How often the key was used, by hour, day or month: granted, and refused by the reason. As JSON, or as CSV if \
                `Accept` prefers it. Every interval is there, also those without uses.",
            ),
            (
                "GET /v1/usage",
                "The same for all keys together, also those that were deleted, and by key, outcome or tag.",
            ),
            (
                "GET /v1/scopes",
                "The scope catalogue: what the scopes of keys mean, as the operator describes them in `[[scopes]]`, and which \
                of them you can give to a key. Empty if none is described.",
            ),
            (
                "GET /v1/plan",
                "What your plan gives to your keys and caps on them, and the limits and credits that they share. Without a plan, `plan` is \
                `null`.",
            ),
            (
                "GET /v1/audit",
                "As JSON, or as CSV or NDJSON if `Accept` prefers one of them. Events are never changed, and are kept \
                for `audit.retention`.",
            ),
        ],
    },
    Group {
        tag: "Checks",
        about: "Services check the keys and tokens of their own clients. Requires the scope `keyward:verify`.",
        operations: &[
            (
                "POST /v1/keys/verify",
                "The status is 200 whether the key is valid or not; check `valid`. With `explain`, the response lists \
                every reason for a refusal. One request can check up to 100 keys; results are in the order of the \
                request.",
            ),
            (
                "POST /v1/introspect",
                "OAuth 2.0 token introspection (RFC 7662), for API keys and JWTs. The response for anything that is \
                not active is `active: false` alone.",
            ),
            (
                "POST /v1/revoke",
                "OAuth 2.0 token revocation (RFC 7009), for API keys. The response is the same for a key that is \
                unknown or already revoked.",
            ),
            (
                "GET /.well-known/oauth-authorization-server",
                "OAuth 2.0 authorization server metadata (RFC 8414): the addresses of introspection and revocation.",
            ),
        ],
    },
    Group {
        tag: "Gateways",
        about: "A gateway checks each request of its clients (forward-auth), and forwards their identity.",
        operations: &[
            (
                "GET /v1/authorize",
                "The gateway sends its client's headers; the headers of the response replace those of the client. Any \
                method works, because some gateways use their client's method. Parameters other than `scope`, and \
                bodies, are ignored.",
            ),
            (
                "GET /v1/authorize/{original}",
                "For gateways that append their client's path to the address of the check, such as Envoy.",
            ),
        ],
    },
    Group {
        tag: "Console",
        about: "Your product hands its customers over to the console, where they manage their keys. Requires the scope \
        `keyward:console`, or `keyward:admin`.",
        operations: &[(
            "POST /v1/console/sessions",
            "Send your customer's browser to the link at once: it works once, within a minute. It asks whether to continue as \
            the person that you have named, and then opens a session of that owner with the pages of owners alone. Tokens and \
            keys without `keyward:admin` hand over people of their own issuer only.",
        )],
    },
    Group {
        tag: ADMINISTRATION,
        about: "The same operations for the keys of every owner, and operations only for administrators. Requires the \
        scope `keyward:admin`.",
        operations: &[
            (
                "POST /v1/keys/revoke",
                "At least one condition is required. The response is sent once no replica accepts any of these keys.",
            ),
            ("GET /v1/owners", "Owners who have keys or are disabled, with the number of their keys by state."),
            (
                "GET /v1/owners/{id}",
                "Whether the owner is disabled, since when, why and by whom, and the number of their keys by state.",
            ),
            (
                "GET /v1/owners/{id}/limits",
                "The limits apply to the use of all of the owner's keys together. An owner without any has an empty list.",
            ),
            (
                "POST /v1/owners/{id}/credits",
                "Adds to the balance that all keys of the owner share, or sets it. The owner must have credits, which \
                `PUT /v1/admin/owners/{id}/limits` gives. With an `Idempotency-Key`, a repeated request changes nothing.",
            ),
            (
                "PUT /v1/owners/{id}/limits",
                "Replaces the whole list, also for keys that are created later. The response is sent once every replica \
                applies the limits.",
            ),
            (
                "GET /v1/owners/{id}/plan",
                "With who assigned it, and with all limits that the owner's keys share, those of the owner and those of the \
                plan, and the credits that they share.",
            ),
            (
                "PUT /v1/owners/{id}/plan",
                "No token changes what an administrator has assigned. The response is sent once every replica applies the \
                plan.",
            ),
            (
                "POST /v1/owners/{id}/disable",
                "All keys of the owner, including those created later, are refused until the owner is enabled.",
            ),
            (
                "POST /v1/owners/{id}/enable",
                "The owner's keys work again, except those that are themselves disabled, expired or revoked.",
            ),
            ("GET /v1/plans", "In the order of their names."),
            (
                "GET /v1/plans/{name}",
                "The limits that keys of owners on the plan share, and the caps on these keys. A cap that is `null` is that of \
                the configuration.",
            ),
            (
                "PUT /v1/plans/{name}",
                "Replaces everything: members that are absent give or cap nothing. Send `If-None-Match: *` to create a plan and \
                replace none. The response is sent once every replica applies it to every owner who is on the plan.",
            ),
            (
                "DELETE /v1/plans/{name}",
                "Put all owners on other plans first: the list of owners can be filtered by plan.",
            ),
            (
                "POST /v1/tokens/revoke",
                "Either one token by its `jti`, or all tokens of a subject that were issued before an instant. The \
                response is sent once no replica accepts them.",
            ),
        ],
    },
    Group {
        tag: "Operation",
        about: "Health checks for load balancers and container engines. No credential required.",
        operations: &[
            ("GET /healthz", "Liveness: if there is no response, restart the process."),
            ("GET /readyz", "Readiness: on 503, send requests to another replica."),
            (
                "GET /metrics",
                "For Prometheus. 404 if metrics are switched off or have an address of their own. Without a configured \
                token, they are for everybody.",
            ),
        ],
    },
    Group {
        tag: "Compatibility",
        about: "The compatibility routes: two routes whose statuses and bodies never change. New clients use `/v1`.",
        operations: &[
            (
                "POST /api/create-api-key",
                "The key has no name and no scopes, and expires as late as the configuration allows. Errors are \
                `{\"message\": …}`.",
            ),
            ("GET /api/protected-resource", "Requires nothing but a valid API key: the shortest way to try one."),
        ],
    },
    Group {
        tag: "Documents",
        about: "The description of this API, for people and for programs. No credential required.",
        operations: &[
            (
                "GET /",
                "Redirects to the documentation on a server started by `keyward dev`. On any other server, the route \
                answers 404.",
            ),
            ("GET /docs", "Redirects to `/docs/`."),
            ("GET /docs/", "The documentation as a web page. It loads nothing from other servers."),
            ("GET /docs/{file}", "Scripts and styles of the page."),
            ("GET /openapi.json", "OpenAPI 3.1, generated from the code that serves the routes."),
            ("GET /problems", "As HTML, or as JSON if `Accept` prefers that."),
            ("GET /problems/{code}", "As HTML, or as JSON if `Accept` prefers that."),
        ],
    },
];

/// The description of one operation.
pub(super) struct Documentation {
    pub(super) tag: &'static str,
    pub(super) about: &'static str,
    /// The position among all operations: of its group, and within the group.
    pub(super) place: (usize, usize),
}

/// The names of all operations.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    GROUPS.iter().flat_map(|group| group.operations.iter().map(|(name, _)| *name))
}

/// The description of a route; `None` if it has none.
pub(super) fn of(endpoint: &Endpoint) -> Option<Documentation> {
    let name = operations::name(endpoint);
    let (group, within, about) = GROUPS.iter().enumerate().find_map(|(group, Group { operations, .. })| {
        let within = operations.iter().position(|(own, _)| *own == name)?;
        Some((group, within, operations[within].1))
    })?;
    if !endpoint.path.starts_with("/v1/admin/") {
        return Some(Documentation { tag: GROUPS[group].tag, about, place: (group, within) });
    }
    // In that group, operations that owners have too come first.
    let administration = GROUPS.iter().position(|group| group.tag == ADMINISTRATION)?;
    let before = if group == administration { GROUPS[0].operations.len() } else { 0 };
    Some(Documentation { tag: ADMINISTRATION, about, place: (administration, before + within) })
}
