//! Signs people in at an OpenID provider: authorization code with PKCE (OpenID Connect Core 1.0 §3.1, RFC 7636).

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use time::OffsetDateTime;

use crate::{
    auth::{
        Undecided,
        jwt::{IdTokenFault, IdTokenVerifier, LogoutToken, LogoutTokenFault, LogoutTokenVerifier},
        tokens::check::TokenChecker,
    },
    domain::{
        ports::{
            key_sets::FetchError,
            openid::{CodeExchange, IssuedTokens, OpenIdProvider},
        },
        principal::TokenIdentity,
        session::{AtProvider, Person},
        verdict::Verdict,
    },
};

/// An attempt to sign in. The browser keeps it in a cookie, so that only the browser which began it can finish it.
pub struct Attempt {
    state: String,
    nonce: String,
    /// The secret whose hash the provider gets (RFC 7636 §4.1).
    verifier: String,
}

/// What the provider's redirect brings.
#[derive(Clone, Debug, Default)]
pub struct Callback<'a> {
    /// The authorization code.
    pub code: Option<&'a str>,
    /// The state of the attempt.
    pub state: Option<&'a str>,
    /// The provider's word for a refusal.
    pub error: Option<&'a str>,
    /// Who sends it (RFC 9207 §2).
    pub issuer: Option<&'a str>,
}

/// Somebody who has signed in.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Who.
    pub person: Person,
    /// When they proved who they are, if the provider says so.
    pub authenticated_at: Option<OffsetDateTime>,
    /// What the provider says of the session.
    pub at_provider: AtProvider,
    /// What the token says of them that decides; `None` without a token.
    pub identity: Option<Arc<TokenIdentity>>,
}

/// Why nobody is signed in.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotSignedIn {
    /// This browser has not begun it, or too long ago.
    #[error("the browser has no attempt with this state")]
    NotBegun,
    /// The provider, or the person, has refused it.
    #[error("the provider answered {0:?}")]
    Refused(String),
    /// It came from another provider.
    #[error("the answer is of another issuer")]
    OtherIssuer,
    /// The provider's ID token is not acceptable.
    #[error("the ID token is refused for its {0}")]
    IdToken(IdTokenFault),
    /// The person's token states that they are disabled.
    #[error("the token states that its owner is disabled")]
    OwnerDisabled(Arc<TokenIdentity>),
}

/// Signs people in.
pub struct SignIn {
    provider: Arc<dyn OpenIdProvider>,
    verifier: IdTokenVerifier,
    logout: LogoutTokenVerifier,
    client_id: String,
    scopes: String,
    redirect_uri: String,
    after_sign_out: String,
}

impl Attempt {
    /// A new attempt.
    fn generate() -> Self {
        let random = || URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        Self { state: random(), nonce: random(), verifier: random() }
    }

    /// The text for the browser's cookie.
    pub fn write(&self) -> String {
        format!("{}.{}.{}", self.state, self.nonce, self.verifier)
    }

    /// The attempt in a cookie.
    pub fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(|part| (part.len() == 43).then(|| part.to_owned()));
        let (state, nonce, verifier) = (parts.next()??, parts.next()??, parts.next()??);
        parts.next().is_none().then_some(Self { state, nonce, verifier })
    }

    /// The hash that the provider gets (RFC 7636 §4.2).
    fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(&self.verifier))
    }
}

impl SignIn {
    /// Signs people in at `provider`, whose ID tokens `verifier` verifies, and whose logout tokens `logout`.
    pub fn new(
        provider: Arc<dyn OpenIdProvider>,
        verifier: IdTokenVerifier,
        logout: LogoutTokenVerifier,
        client_id: String,
        scopes: &[String],
        public_url: &str,
    ) -> Self {
        let (redirect_uri, after_sign_out) =
            (format!("{public_url}/console/signed-in"), format!("{public_url}/console"));
        Self { provider, verifier, logout, client_id, scopes: scopes.join(" "), redirect_uri, after_sign_out }
    }

    /// Begins an attempt: where to send the browser, and what it keeps. `again`: whether somebody who is signed in at
    /// the provider has to prove again who they are.
    ///
    /// # Errors
    /// [`FetchError`] if the provider could not be asked.
    pub async fn begin(&self, again: bool) -> Result<(String, Attempt), FetchError> {
        let address = self.provider.addresses().await?.authorization;
        let attempt = Attempt::generate();
        let challenge = attempt.challenge();
        let mut parameters = vec![
            ("response_type", "code"),
            ("client_id", &self.client_id),
            ("redirect_uri", &self.redirect_uri),
            ("scope", &self.scopes),
            ("state", &attempt.state),
            ("nonce", &attempt.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        if again {
            // With `max_age`, the ID token must say when somebody has proved who they are (OpenID Connect Core 1.0 §2).
            parameters.extend([("prompt", "login"), ("max_age", "0")]);
        }
        Ok((with_parameters(&address, &parameters), attempt))
    }

    /// Finishes an attempt. What the person may do is what their access token says, if that is a token that Keyward
    /// accepts, and otherwise what the ID token says.
    ///
    /// # Errors
    /// [`Unfinished`] if the provider or the store could not answer.
    pub async fn finish(
        &self,
        attempt: &Attempt,
        callback: &Callback<'_>,
        tokens: &TokenChecker,
        now: OffsetDateTime,
    ) -> Result<Result<SignedIn, NotSignedIn>, Unfinished> {
        let is_the_same = callback.state.is_some_and(|state| state.as_bytes().ct_eq(attempt.state.as_bytes()).into());
        if !is_the_same {
            return Ok(Err(NotSignedIn::NotBegun));
        }
        // A provider that says who sends each answer does so with this one, too (RFC 9207 §2.4).
        let is_right = match callback.issuer {
            Some(issuer) => issuer == self.verifier.issuer(),
            None => !self.provider.addresses().await?.names_itself,
        };
        if !is_right {
            return Ok(Err(NotSignedIn::OtherIssuer));
        }
        let code = match (callback.code, callback.error) {
            (Some(code), None) => code,
            (_, error) => return Ok(Err(NotSignedIn::Refused(error.unwrap_or("no code").to_owned()))),
        };
        let exchange = CodeExchange { code, verifier: &attempt.verifier, redirect_uri: &self.redirect_uri };
        let IssuedTokens { id_token, access_token } = match self.provider.exchange(exchange).await? {
            Ok(tokens) => tokens,
            Err(word) => return Ok(Err(NotSignedIn::Refused(word))),
        };
        let verified = self.verifier.verify(id_token.expose().as_bytes(), &attempt.nonce, now).await?;
        let id_token = match verified {
            Ok(id_token) => id_token,
            Err(fault) => return Ok(Err(NotSignedIn::IdToken(fault))),
        };
        if id_token.identity.disabled {
            return Ok(Err(NotSignedIn::OwnerDisabled(id_token.identity)));
        }
        let mut identity = id_token.identity;
        if let Some(access_token) = access_token {
            match tokens.check(access_token.expose().as_bytes(), now).await? {
                Verdict::Granted(principal) => {
                    if let Some(said) = principal.token().filter(|said| is_same_person(said, &identity)) {
                        identity = Arc::new(said.clone());
                    }
                }
                Verdict::OwnerDisabled(identity) => return Ok(Err(NotSignedIn::OwnerDisabled(identity))),
                // Most providers' access tokens are for somebody else.
                Verdict::Denied(_) | Verdict::Limited(_) => {}
            }
        }
        let person = Person {
            owner: identity.owner.clone(),
            subject: identity.subject.clone(),
            name: id_token.name,
            scopes: identity.scopes.clone(),
            scope_bearing: identity.scope_bearing,
            unknown_plan: None,
        };
        let authenticated_at = id_token.authenticated_at;
        let at_provider = id_token.at_provider;
        Ok(Ok(SignedIn { person, authenticated_at, at_provider, identity: Some(identity) }))
    }

    /// What the provider says of somebody who has signed out there (OpenID Connect Back-Channel Logout 1.0 §2.6).
    ///
    /// # Errors
    /// [`Undecided`] if the keys of the provider are not available.
    pub async fn signed_out_there(
        &self,
        token: &[u8],
        now: OffsetDateTime,
    ) -> Result<Result<LogoutToken, LogoutTokenFault>, Undecided> {
        self.logout.verify(token, now).await
    }

    /// Where to send the browser so that it is signed out at the provider, too; `None` if the provider has no such
    /// place.
    pub async fn sign_out_address(&self) -> Option<String> {
        let address = self.provider.addresses().await.ok()?.end_session?;
        let parameters = [("client_id", &*self.client_id), ("post_logout_redirect_uri", &self.after_sign_out)];
        Some(with_parameters(&address, &parameters))
    }
}

/// The provider or the store could not answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unfinished {
    /// The provider.
    #[error(transparent)]
    Provider(#[from] FetchError),
    /// The store, or the provider's keys.
    #[error(transparent)]
    Undecided(#[from] Undecided),
}

fn is_same_person(one: &TokenIdentity, other: &TokenIdentity) -> bool {
    one.subject == other.subject && one.owner == other.owner
}

fn with_parameters(address: &str, parameters: &[(&str, &str)]) -> String {
    let mut text = address.to_owned();
    let mut mark = if address.contains('?') { '&' } else { '?' };
    for (name, value) in parameters {
        let value = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
        text.push_str(&format!("{mark}{name}={value}"));
        mark = '&';
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_read_as_it_was_written() {
        let attempt = Attempt::generate();
        let again = Attempt::read(&attempt.write()).expect("an attempt");
        assert_eq!((again.state, again.nonce), (attempt.state.clone(), attempt.nonce.clone()));
        for bad in ["", "a.b.c", &format!("{}.", attempt.write()), &attempt.write()[1..]] {
            assert!(Attempt::read(bad).is_none(), "{bad}");
        }
    }

    /// RFC 7636, appendix B.
    #[test]
    fn the_challenge_is_that_of_the_standard() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned();
        let attempt = Attempt { state: String::new(), nonce: String::new(), verifier };
        assert_eq!(attempt.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn parameters_are_added_to_those_that_are_there() {
        assert_eq!(with_parameters("https://a.example/x", &[("b", "c d&e")]), "https://a.example/x?b=c%20d%26e");
        assert_eq!(with_parameters("https://a.example/x?y=z", &[("b", "c")]), "https://a.example/x?y=z&b=c");
    }
}
