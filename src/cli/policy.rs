//! `keyward policy`: evaluates a policy file before it is used.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use keyward::{
    config::{Settings, Sources, policy},
    domain::{
        api_key::Environment,
        denial::Denial,
        limits::LimitName,
        policy::{Asked, Demand, Host, Method, Policy as Rules, RequestPath, Rule, Shown, Unmet},
        scope::Scopes,
        usage::UsageTags,
    },
};

use super::shared::{
    output::{NotPrinted, print_line_unless_closed, tell_line},
    values,
};

/// The exit code for a refused request.
const REFUSED: u8 = 1;
/// The exit code if the file or the arguments are invalid, as for any misuse.
const WRONG: u8 = 2;

const EXIT_CODES: &str = "\
Exit codes: 0 let through (without --credential: some rule is met), 1 refused, 2 the file or the question is wrong.

Examples:
  keyward policy test --policy policy.toml \\
    --method GET --host api.example.com --path /orders/7
  keyward policy test --policy policy.toml \\
    --method GET --host api.example.com --path /orders/7 \\
    --credential api_key --scope orders:read";

#[derive(clap::Subcommand)]
pub(super) enum PolicyCommand {
    /// Say which rule a request would meet and what it demands.
    #[command(after_help = EXIT_CODES)]
    Test(Test),
    /// Say everything that is wrong with a policy file.
    #[command(after_help = "\
Tags must be declared by the setting usage.tags, as the configuration has it.

Exit codes: 0 it is a policy, 2 it is none.

Examples:
  keyward policy check /etc/keyward/policy.toml
  keyward policy check policy.toml --config keyward.toml
  KEYWARD__USAGE__TAGS=search,export keyward policy check policy.toml")]
    Check {
        /// The policy file.
        #[arg(value_hint = clap::ValueHint::FilePath)]
        file: PathBuf,
    },
}

#[derive(clap::Args)]
pub(super) struct Test {
    /// The policy file.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    policy: PathBuf,
    /// The request's method.
    #[arg(long)]
    method: Option<String>,
    /// The request's host.
    #[arg(long)]
    host: Option<String>,
    /// The request's path, as it stands on the wire.
    #[arg(long)]
    path: Option<String>,
    /// What the client would show.
    #[arg(long, value_enum)]
    credential: Option<Credential>,
    /// A scope that the credential carries; may be repeated.
    #[arg(long, value_name = "SCOPE", requires = "credential")]
    scope: Vec<String>,
    /// The environment of the API key.
    #[arg(
        long,
        value_name = "ENVIRONMENT",
        value_parser = values::environment(),
        default_value = "live",
        requires = "credential"
    )]
    environment: Environment,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Credential {
    /// An API key.
    #[value(name = "api_key")]
    ApiKey,
    /// A JWT.
    Token,
    /// Nothing.
    None,
}

impl PolicyCommand {
    pub(super) fn run(self, sources: Sources) -> ExitCode {
        let done = match self {
            Self::Test(test) => test.run(),
            Self::Check { file } => check(&file, sources),
        };
        done.unwrap_or_else(|error| {
            tell_line(format_args!("error: {error:#}"));
            if error.is::<NotPrinted>() { ExitCode::FAILURE } else { ExitCode::from(WRONG) }
        })
    }
}

/// `tags`: those that rules may name; if they are not known, any will do.
fn read(file: &Path, tags: Option<&UsageTags>) -> anyhow::Result<Rules> {
    let text = policy::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    policy::parse(&text, tags).with_context(|| format!("{} is no policy", file.display()))
}

fn check(file: &Path, sources: Sources) -> anyhow::Result<ExitCode> {
    let tags = Settings::load(sources).and_then(|settings| settings.usage_tags());
    let policy = read(file, tags.as_ref().ok())?;
    let (told, look_at) = match policy.rules().len() {
        1 => ("1 rule, and it is good.".to_owned(), "It looks at"),
        rules => (format!("{rules} rules, all of them good."), "They look at"),
    };
    print_line_unless_closed(told)?;
    if policy.looks_at().anything() {
        print_line_unless_closed(format_args!(
            "{look_at} what a gateway tells, so server.trusted_proxies must name its network, or it asks by server.socket."
        ))?;
    }
    if let Err(unknown) = tags
        && policy.rules().iter().any(|rule| rule.demand.tag.is_some())
    {
        print_line_unless_closed(format_args!(
            "Tags were not checked, because the setting usage.tags can't be read: {unknown}"
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Test {
    fn run(&self) -> anyhow::Result<ExitCode> {
        let policy = read(&self.policy, None)?;
        let scopes = Scopes::parse(self.scope.iter().map(String::as_str))?;
        let asked = match self.asked() {
            Ok(asked) => asked,
            Err(what) => {
                let hint = self.hint(what);
                print_line_unless_closed(format_args!(
                    "Refused with 403: the {what} can be understood in more than one way{hint}."
                ))?;
                return Ok(ExitCode::from(REFUSED));
            }
        };
        let (place, rule) = match policy.first(&asked) {
            Ok(met) => met,
            Err(Unmet::Unknown) => bail!("the rules look at more of a request: give --host, --path and --method"),
            Err(unmet) => {
                print_line_unless_closed(format_args!("Refused with 403: {}.", reason(unmet)))?;
                return Ok(ExitCode::from(REFUSED));
            }
        };
        let demanded = demanded(rule);
        print_line_unless_closed(format_args!(
            "Rule {} (line {}) is met. It demands {demanded}.",
            place + 1,
            rule.line
        ))?;
        let Some(credential) = self.credential else { return Ok(ExitCode::SUCCESS) };
        let refusal = credential.refusal(&rule.demand, &scopes, self.environment);
        print_line_unless_closed(
            refusal.map_or_else(|| "Let through.".to_owned(), |why| format!("Refused with {why}.")),
        )?;
        Ok(if refusal.is_some() { ExitCode::from(REFUSED) } else { ExitCode::SUCCESS })
    }

    /// What people overlook in what is not clear.
    fn hint(&self, what: &str) -> &'static str {
        let has = |text: &Option<String>, is: fn(char) -> bool| text.as_ref().is_some_and(|text| text.contains(is));
        match what {
            "method" if has(&self.method, |letter| letter.is_lowercase()) => ": methods are in capitals, such as GET",
            "host" if has(&self.host, |letter| letter == ':') => {
                ": leave out the colon and what follows it, which is no part of the host"
            }
            "path" if !self.path.as_ref().is_some_and(|path| path.starts_with('/')) => ": paths begin with a slash",
            _ => "",
        }
    }

    /// The request, or the name of its ambiguous part.
    fn asked(&self) -> Result<Asked<'_>, &'static str> {
        Ok(Asked {
            method: self.method.as_deref().map(Method::parse).transpose().map_err(|_| "method")?,
            host: self.host.as_deref().map(Host::parse).transpose().map_err(|_| "host")?,
            path: self.path.as_deref().map(RequestPath::parse).transpose().map_err(|_| "path")?,
        })
    }
}

fn reason(unmet: Unmet) -> &'static str {
    match unmet {
        Unmet::OnlyByFolding => {
            "it meets a rule only when letters are taken for others, such as capitals for small ones, as some servers do"
        }
        Unmet::NoRule | Unmet::Unknown => "it meets no rule",
    }
}

fn demanded(rule: &Rule) -> String {
    let Demand { anonymous, api_key, token, scopes_all, scopes_any, environment, cost, limits, tag } = &rule.demand;
    if *anonymous {
        return "nothing: anybody is let through, though not with a bad credential".to_owned();
    }
    let world = environment.map(|world| format!(" of the environment {}", world.as_str())).unwrap_or_default();
    let mut demanded = match (api_key, token) {
        (true, true) => format!("an API key{world} or a JWT"),
        (true, false) => format!("an API key{world}"),
        (false, _) => "a JWT".to_owned(),
    };
    if !scopes_all.is_empty() {
        demanded += &format!(", with all of the scopes {scopes_all}");
    }
    if !scopes_any.is_empty() {
        demanded += &format!(", with one of the scopes {scopes_any}");
    }
    if let Some(cost) = cost {
        demanded += &format!(", at a cost of {cost}");
    }
    if !limits.is_empty() {
        let names: Vec<_> = limits.iter().map(LimitName::as_str).collect();
        demanded += &format!(", counted on the limits {}", names.join(" "));
    }
    if let Some(tag) = tag {
        demanded += &format!(", with the tag {}", tag.name);
    }
    demanded
}

impl Credential {
    /// The status and reason for a refusal, if there is one.
    fn refusal(self, demand: &Demand, scopes: &Scopes, environment: Environment) -> Option<&'static str> {
        let key_of = match self {
            Self::None if demand.anonymous => return None,
            Self::None => return Some("401: a credential is missing"),
            Self::ApiKey => Some(environment),
            Self::Token => None,
        };
        demand.refusal(Shown { key_of, scopes }).map(|denial| match denial {
            Denial::OtherKind => "403: another kind of credential is demanded",
            Denial::OtherEnvironment => "403: the key is of the other environment",
            _ => "403: scopes are missing",
        })
    }
}
