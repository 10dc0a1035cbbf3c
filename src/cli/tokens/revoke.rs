//! `keyward tokens revoke`

use anyhow::{Context, bail};
use keyward::{
    api::EndedTokens,
    auth::jwt::TokenLives,
    config::{KeyPolicy, Sources},
    domain::{
        text::ChangeReason,
        token::{TokenRevocation, WhichTokens, is_too_late},
    },
};
use time::OffsetDateTime;

use crate::cli::shared::{
    DatabaseOptions, Desk, Misuse, granted, now, operator,
    output::{print_line, tell_line},
    print_json, values,
};

/// Revoke tokens before they expire: one by its id, or all of a subject. Returns when no replica accepts them any more.
#[derive(clap::Args)]
#[command(
    group(clap::ArgGroup::new("which").args(["token_id", "subject"]).required(true)),
    after_help = "\
The command needs the section [jwt] of the configuration: a revocation is kept for as long as a token may be accepted.
INSTANT is a time such as 2030-01-31T12:00:00Z. For --not-before, it may also be an age such as 2h, two hours ago.
Tokens without an iss, such as those of `keyward token mint` where no jwt.issuer is configured, have the issuer ''.

Examples:
  keyward tokens revoke --issuer '' \\
    --token-id 0f8fad5b-d9cb-469f-a165-70867728950e
  keyward tokens revoke --issuer '' --subject alice --reason 'laptop was stolen'
  keyward tokens revoke --issuer https://issuer.example --subject alice \\
    --not-before 2h"
)]
pub(in crate::cli) struct Revoke {
    /// The `jti` of a single token.
    #[arg(long, value_name = "JTI", value_parser = values::subject, allow_hyphen_values = true)]
    token_id: Option<String>,
    /// The `sub` of the tokens of a subject.
    #[arg(long, value_parser = values::subject, allow_hyphen_values = true)]
    subject: Option<String>,
    /// The `iss` of the tokens; optional if the configuration has only one issuer.
    #[arg(long, value_parser = values::issuer, allow_hyphen_values = true)]
    issuer: Option<String>,
    /// Only tokens of the subject that were issued before this time, or don't say when; now by default. An earlier time
    /// than before changes nothing.
    #[arg(long, value_name = "INSTANT", value_parser = values::past, conflicts_with = "token_id")]
    not_before: Option<OffsetDateTime>,
    /// When the single token expires, if you know; its revocation is kept at least until then.
    #[arg(long, value_name = "INSTANT", value_parser = values::instant, conflicts_with = "subject")]
    expires_at: Option<OffsetDateTime>,
    /// The reason, for the audit.
    #[arg(long, value_name = "TEXT")]
    reason: Option<ChangeReason>,
    /// Print JSON, as the API does.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseOptions,
}

impl Revoke {
    pub(super) fn run(mut self, sources: Sources) -> anyhow::Result<()> {
        let database = std::mem::take(&mut self.database);
        database.work(sources, async |desk| self.revoke(desk).await)
    }

    async fn revoke(self, desk: &Desk) -> anyhow::Result<()> {
        let lives = TokenLives::of(&desk.configured(desk.settings.jwt())?);
        let json = self.json;
        let revocation = self.revocation(&lives, desk.is_dev(), now())?;
        let (issuer, which) = (revocation.issuer.clone(), revocation.which.clone());
        let operator = operator();
        let lifecycle = desk.lifecycle(KeyPolicy::default());
        let revoked = lifecycle.revoke_tokens(revocation, operator.reach, operator.author).await;
        let revoked = granted("these tokens", revoked.map(Ok))?.outcome;
        desk.wait_for_everybody().await;
        let ended = EndedTokens::new(&lives, &issuer, which.clone(), revoked);
        if json {
            return print_json(&ended);
        }
        if let Some(notice) = ended.notice() {
            tell_line(notice);
        }
        Ok(print_line(format_args!(
            "Revoked {}: no replica accepts {} any more.",
            tokens(&which),
            match which {
                WhichTokens::WithId(_) => "it",
                WhichTokens::OfSubject { .. } => "any of them",
            }
        ))?)
    }

    /// `dev`: on the database of a `keyward dev`, whose own tokens have no `iss` unless one is configured.
    fn revocation(self, lives: &TokenLives, dev: bool, now: OffsetDateTime) -> anyhow::Result<TokenRevocation> {
        let issuer = self.issuer.or_else(|| lives.only_issuer().map(str::to_owned));
        let issuer = issuer.or_else(|| dev.then(String::new).filter(|nobody| lives.longest(nobody).is_some()));
        let issuer =
            issuer.context("name the issuer of the tokens with --issuer, by their iss; '' for those without one")?;
        let longest_life = lives.longest(&issuer).with_context(|| {
            format!("no tokens of the issuer {issuer:?} are accepted here; --issuer is their iss, to the letter")
        })?;
        if self.not_before.is_some_and(|not_before| is_too_late(not_before, now)) {
            let why = "--not-before must not be in the future: the subject would be locked out until then";
            return Err(Misuse(why.to_owned()).into());
        }
        if self.expires_at.is_some_and(|end| end <= now) {
            let why = "--expires-at must be in the future; leave it out if you don't know when the token expires";
            return Err(Misuse(why.to_owned()).into());
        }
        let which = match (self.token_id, self.subject) {
            (Some(token_id), _) => WhichTokens::WithId(token_id.into()),
            (None, Some(subject)) => {
                WhichTokens::OfSubject { subject: subject.into(), not_before: self.not_before.unwrap_or(now) }
            }
            (None, None) => bail!("give --token-id or --subject"),
        };
        Ok(TokenRevocation::new(issuer.into(), which, self.reason, longest_life, self.expires_at, now))
    }
}

/// The tokens, for people.
fn tokens(which: &WhichTokens) -> String {
    match which {
        WhichTokens::WithId(token_id) => format!("the token {token_id:?}"),
        WhichTokens::OfSubject { subject, .. } => format!("the tokens of {subject:?}"),
    }
}
