//! The cookies of the console.

use actix_web::{
    HttpRequest,
    cookie::{Cookie, SameSite, time::Duration},
    http::header::COOKIE,
};
use time::OffsetDateTime;

use super::{in_query, sealed};
use crate::{console::services::Console, domain::session::ReturnAddress};

/// How long somebody may take to sign in at the provider.
pub(crate) const ATTEMPT_LASTS: Duration = Duration::minutes(10);

/// A cookie of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConsoleCookie {
    /// The secret of the session.
    Session,
    /// An attempt to sign in.
    Attempt,
    /// Which product has handed somebody over: so that they are led back there when the session has ended, and not to a
    /// provider at which they have no account.
    HandedOver,
}

/// What somebody's way here is sealed for.
const PURPOSE: &str = "console handed over";
/// For how long it is known, in seconds: as long as any of these sessions lasts.
const KNOWN: i64 = 86_400;

/// The way of somebody who was handed over, for the browser to keep.
pub(crate) fn way_here(console: &Console, from: Option<&ReturnAddress>, now: OffsetDateTime) -> String {
    let from = in_query(from.map_or("", ReturnAddress::as_str));
    sealed::seal(&console.issuer.keyring, PURPOSE, &from, now.unix_timestamp())
}

/// Where somebody has come from, if a browser has kept that they were handed over.
pub(crate) fn come_from(console: &Console, kept: &str, now: OffsetDateTime) -> Option<Option<ReturnAddress>> {
    let from = sealed::unseal(&console.issuer.keyring, PURPOSE, kept, now.unix_timestamp(), KNOWN)?;
    Some(percent_encoding::percent_decode_str(from).decode_utf8_lossy().parse().ok())
}

impl ConsoleCookie {
    /// Browsers keep a cookie with this prefix only for this host, and only with TLS (RFC 6265bis §4.1.3.2). Without
    /// TLS, which is on this machine only, they would drop it.
    fn name(self, console: &Console) -> String {
        let name = match self {
            Self::Session => "keyward-session",
            Self::Attempt => "keyward-sign-in",
            Self::HandedOver => "keyward-handed-over",
        };
        if console.is_secure() { format!("__Host-{name}") } else { name.to_owned() }
    }

    /// What the browser has kept.
    pub(crate) fn value(self, console: &Console, request: &HttpRequest) -> Option<String> {
        // Byte for byte, because browsers keep the prefix only for names that are written so.
        let name = self.name(console);
        let lines = request
            .headers()
            .get_all(COOKIE)
            .map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned())
            .collect::<Vec<_>>();
        let pairs = lines.iter().flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let mut values = pairs.filter(|(known, _)| *known == name).map(|(_, value)| value);
        // Two of one name: somebody else has set one of them.
        match (values.next(), values.next()) {
            (Some(value), None) => Some(value.to_owned()),
            _ => None,
        }
    }

    /// The cookie for the browser to keep: until it is closed, or for as long as an attempt may take.
    pub(crate) fn keep(self, console: &Console, value: &str) -> Cookie<'static> {
        let mut cookie = self.bare(console, value);
        if self == Self::Attempt {
            cookie.set_max_age(ATTEMPT_LASTS);
        }
        cookie
    }

    /// The cookie with which the browser forgets it.
    pub(crate) fn forget(self, console: &Console) -> Cookie<'static> {
        let mut cookie = self.bare(console, "");
        cookie.make_removal();
        cookie
    }

    fn bare(self, console: &Console, value: &str) -> Cookie<'static> {
        // Lax: somebody who follows a link to a page, or comes back from the provider, is signed in.
        Cookie::build(self.name(console), value.to_owned())
            .path("/")
            .http_only(true)
            .secure(console.is_secure())
            .same_site(SameSite::Lax)
            .finish()
    }
}
