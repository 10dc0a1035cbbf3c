//! Begins sessions.

use ipnet::IpNet;
use sqlx::PgConnection;

use crate::{
    domain::session::{NewSession, Person},
    store::rows::interval,
};

/// Ends the oldest sessions of a person: of those who have signed in, or of those who were handed over. Neither kind
/// puts an end to the other, so whoever may hand people over can't sign out people who have signed in.
pub(super) async fn keep_newest(
    connection: &mut PgConnection,
    person: &Person,
    handed_over: bool,
    most: u32,
) -> Result<(), sqlx::Error> {
    let oldest = sqlx::query!(
        "DELETE FROM console_sessions WHERE id IN
             (SELECT id FROM console_sessions WHERE issuer = $1 AND person = $2 AND handed_over = $4
              ORDER BY signed_in_at DESC, id OFFSET $3)",
        &*person.owner.issuer,
        &*person.subject,
        i64::from(most),
        handed_over,
    );
    oldest.execute(connection).await.map(drop)
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    session: &NewSession,
    hash: &[u8; 32],
) -> Result<(), sqlx::Error> {
    let Person { owner, subject, name, scopes, scope_bearing, unknown_plan } = &session.person;
    let scopes: Vec<String> = scopes.iter().map(str::to_owned).collect();
    let query = sqlx::query!(
        "INSERT INTO console_sessions (id, secret_hash, issuer, subject, person, name, scopes, scope_bearing, authenticated_at,
                                       signed_in_at, last_used_at, expires_at, address, browser, unknown_plan, provider_session,
                                       provider_subject, token_issued_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now(), now(), now() + $10::interval, $11, $12, $13, $14, $15, $16)",
        session.id,
        &hash[..],
        &*owner.issuer,
        &*owner.subject,
        &**subject,
        name.as_deref(),
        &scopes,
        scope_bearing,
        session.authenticated_at,
        interval(session.lasts),
        session.address.map(IpNet::from) as Option<IpNet>,
        session.browser.as_deref(),
        unknown_plan.as_deref(),
        session.at_provider.session.as_deref(),
        session.at_provider.subject.as_deref(),
        session.at_provider.issued_at,
    );
    query.execute(connection).await.map(drop)
}
