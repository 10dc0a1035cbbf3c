//! The cookies of the console.

use actix_web::{
    HttpRequest,
    cookie::{Cookie, SameSite, time::Duration},
};

use crate::console::services::Console;

/// How long somebody may take to sign in at the provider.
const ATTEMPT_LASTS: Duration = Duration::minutes(10);

/// A cookie of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// The secret of the session.
    Session,
    /// An attempt to sign in.
    Attempt,
}

impl Kept {
    /// Browsers keep a cookie with this prefix only for this host, and only with TLS (RFC 6265bis §4.1.3.2). Without TLS,
    /// which is on this machine only, they would drop it.
    fn name(self, console: &Console) -> String {
        let name = match self {
            Self::Session => "keyward-session",
            Self::Attempt => "keyward-sign-in",
        };
        if console.is_secure() { format!("__Host-{name}") } else { name.to_owned() }
    }

    /// What the browser has kept.
    pub(crate) fn value(self, console: &Console, request: &HttpRequest) -> Option<String> {
        // Two of one name: somebody else has set one of them.
        let cookies = request.cookies().ok()?;
        let name = self.name(console);
        let mut values = cookies.iter().filter(|cookie| cookie.name() == name);
        match (values.next(), values.next()) {
            (Some(cookie), None) => Some(cookie.value().to_owned()),
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
