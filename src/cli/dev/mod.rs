//! `keyward dev`: everything, without any configuration.

mod install;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, anyhow, bail};
use keyward::{
    auth::jwt::{TokenMinter, TokenRequest},
    config::{Config, Console, ConsoleSignIn, Problems, Settings, Sources},
    domain::{
        escape::escaped,
        owner::Owner,
        scope::{KEYWARD_SCOPES, Scopes},
        session::Person,
    },
    startup::{RunningServer, Stop},
    store::Store,
};
use keyward_local_postgres::{LocalPostgres, Options, data_directory::DataDirectory};
use time::OffsetDateTime;

use super::{
    Port,
    hardening::Hardened,
    secrets, serve,
    shared::output::{print_line_unless_closed, tell_line},
};

/// What the configuration says of values that `keyward dev` has generated.
const GENERATED: &str = "keyward dev";
/// The sections that a `keyward dev` decides: where its data are, whose tokens it accepts, what its keys are like.
const DECIDED: &[&str] = &["database", "jwt", "keys"];
/// Whoever tries Keyward.
const SUBJECT: &str = "alice";
/// One system call each time.
const POSTGRES_WATCHED_EVERY: Duration = Duration::from_millis(500);
/// Long enough for an evening of trying.
const TOKEN_LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  keyward dev
  keyward dev --install
  keyward dev --port 8080 --data-dir ./keyward-data")]
pub(super) struct Dev {
    /// Where the database and the secrets are kept between starts.
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    data_dir: Option<PathBuf>,
    /// Install the programs of PostgreSQL without asking, if there are none on this machine.
    #[arg(long)]
    install: bool,
    #[command(flatten)]
    port: Port,
}

impl Dev {
    pub(super) fn run(self, mut sources: Sources, hardened: Hardened) -> anyhow::Result<()> {
        self.port.put_into(&mut sources);
        leave_to_others(&mut sources);
        let data_dir = data_dir(self.data_dir)?;
        let mut postgres = if Settings::load(sources.clone())?.names_a_database() {
            None
        } else {
            install::install_if_missing(self.install)?;
            Some(LocalPostgres::start(&Options::new(&data_dir))?)
        };
        sources.base = secrets(&data_dir)?;
        sources.base.extend(postgres.as_ref().map(|postgres| ("database.url", postgres.url("postgres"))));
        // Not reachable from other machines.
        sources.base.push(("server.host", "127.0.0.1".to_owned()));
        sources.base.push(("server.docs_at_root", "true".to_owned()));
        let settings = Settings::load(sources)?;
        let is_ours = postgres.is_some();
        let used = what_is_used(&settings, is_ours, &data_dir);
        let (lives, listen) = (settings.session_lives()?, settings.console_listen()?);
        let survey_every = settings.console_survey_every()?;
        let mut config = serve::begin(settings, hardened)?;
        // Nobody has to prove who they are, so nobody else may reach it.
        let is_ours_alone = config.server.host.is_loopback() && listen.is_none_or(|own| own.ip().is_loopback());
        if config.console.is_none() && is_ours_alone {
            let sign_in = ConsoleSignIn::Choice(people(config.jwt.issuer.as_deref().unwrap_or_default())?);
            config.console = Some(Console { sign_in, sessions: lives, listen, survey_every });
        }
        super::runtime()?.block_on(async {
            if is_ours {
                let store = Store::open(&config.database).await?;
                store.keep_strangers_out().await?;
                store.close().await;
            }
            tokio::select! {
                served = serve(config, &used) => served,
                failure = failure_of(postgres.as_mut()) => Err(failure),
            }
        })?;
        postgres.map_or(Ok(()), |postgres| Ok(postgres.stop()?))
    }
}

/// What other programs read as well does not name its database: it would make its tables beside theirs, unasked.
fn leave_to_others(sources: &mut Sources) {
    const NAMES: [&str; 2] = ["DATABASE_URL", "DATABASE_URL_FILE"];
    for (name, _) in
        sources.env.extract_if(.., |(name, _)| NAMES.contains(&name.as_str())).filter(|it| !it.1.is_empty())
    {
        tell_line(format_args!(
            "`keyward dev` does not use {name}, which is other programs' too: its database is its own, or the one that \
             KEYWARD__{} names",
            name.replacen('_', "__", 1)
        ));
    }
}

/// Why its own database has ended, once it has. Nothing works without it, and nobody else starts it again.
async fn failure_of(postgres: Option<&mut LocalPostgres>) -> anyhow::Error {
    let Some(postgres) = postgres else { return std::future::pending().await };
    loop {
        tokio::time::sleep(POSTGRES_WATCHED_EVERY).await;
        if let Some(failure) = postgres.has_failed() {
            return anyhow!(
                "its database has ended, and so does `keyward dev`: start it again, nothing that it has answered is lost. {failure}"
            );
        }
    }
}

async fn serve(config: Config, used: &str) -> anyhow::Result<()> {
    let has_console = config.console.is_some();
    let (hang_up, orders) = serve::Signals::listen()?.follow(Stop::AtOnce);
    let request = TokenRequest {
        subject: SUBJECT.to_owned(),
        tenant: None,
        scopes: Scopes::default(),
        lifetime: TOKEN_LIFETIME.min(config.jwt.max_lifetime),
    };
    let token = TokenMinter::new(&config.jwt).mint(&request, OffsetDateTime::now_utc())?;
    let greet = |replica: &RunningServer| {
        let console = has_console.then(|| replica.console_address().unwrap_or(replica.address()));
        let welcome = welcome(replica.address(), token.expose(), console, used);
        Ok(print_line_unless_closed(welcome)?)
    };
    // It runs in the terminal of whoever tries it.
    serve::prepare_and_run(RunningServer::start(config, hang_up, true)?, orders, greet).await
}

/// Whom the console can be tried as: the owner of the token that the welcome shows, and an administrator.
fn people(issuer: &str) -> anyhow::Result<Vec<Person>> {
    let person = |subject: &str, scopes: &[&str]| {
        let owner = Owner { issuer: issuer.into(), subject: subject.into() };
        let scopes = Scopes::parse(scopes.iter().copied())?;
        anyhow::Ok(Person {
            owner,
            subject: subject.into(),
            name: None,
            scopes,
            scope_bearing: false,
            unknown_plan: None,
        })
    };
    Ok(vec![person(SUBJECT, &[])?, person("admin", &KEYWARD_SCOPES)?])
}

/// Which database is used, and where each secret comes from: what the environment names wins over what is in the data
/// directory.
fn what_is_used(settings: &Settings, is_ours: bool, data_dir: &Path) -> String {
    let is_generated = |setting: &str| settings.origin(setting) == GENERATED;
    if is_ours && is_generated("jwt.secret") && is_generated("keys.peppers") {
        let shown = escaped(&data_dir.display().to_string());
        // Where others look for it by themselves, they need no word about it.
        let is_usual = keyward_local_postgres::default_data_dir().is_ok_and(|usual| usual == data_dir);
        let commands =
            if is_usual { String::new() } else { format!("Commands find it with --dev --data-dir {shown}.\n") };
        return format!("{commands}The data and the secrets are in {shown}. ");
    }
    let kept = data_dir.join("secrets");
    let secret = |setting: &str, name: &str| match settings.origin(setting) {
        origin if origin == GENERATED => format!("  {setting}: {}", kept.join(name).display()),
        origin => format!("  {setting}: {origin}"),
    };
    let database = if is_ours {
        format!("its own, in {}", data_dir.display())
    } else {
        format!("{} ({})", settings.database_shown(), settings.origin("database.url"))
    };
    let secrets = [secret("jwt.secret", secrets::JWT_SECRET), secret("keys.peppers", secrets::PEPPER)].join("\n");
    escaped_lines(&format!("It uses:\n  database: {database}\n{secrets}")) + "\n"
}

/// Paths and addresses are other people's texts.
fn escaped_lines(text: &str) -> String {
    text.lines().map(escaped).collect::<Vec<_>>().join("\n")
}

/// The data directory: the given one, or the user's default.
pub(super) fn data_dir(given: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let data_dir = given.map_or_else(|| Ok(keyward_local_postgres::default_data_dir()?), anyhow::Ok)?;
    std::path::absolute(&data_dir).with_context(|| format!("cannot use the data directory {}", data_dir.display()))
}

/// The settings with the secrets of a data directory, which are generated on first use.
fn secrets(data_dir: &Path) -> anyhow::Result<Vec<(&'static str, String)>> {
    let folder = data_dir.join("secrets");
    [("jwt.secret", secrets::JWT_SECRET), ("keys.peppers", secrets::PEPPER)]
        .into_iter()
        .map(|(setting, name)| {
            secrets::generate_if_absent(&folder, name)?;
            let path = folder.join(name);
            let secret = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            Ok((setting, secret.trim_end().to_owned()))
        })
        .collect()
}

/// The settings of the `keyward dev` that runs on a data directory, for a command that works with it. What the file and the
/// environment say of its database, its tokens and its keys is meant for another Keyward, which this must not touch.
pub(super) fn settings(mut sources: Sources, data_dir: &Path) -> anyhow::Result<Result<Settings, Problems>> {
    let database = database(data_dir)?;
    sources.base = secrets(data_dir)?;
    sources.base.push(database);
    sources.decided = DECIDED;
    let settings = Settings::load(sources);
    let unused = settings.as_ref().map_or_else(|_| Vec::new(), |settings| settings.unused().collect());
    if !unused.is_empty() {
        let unused = escaped(&unused.join(", "));
        tell_line(format_args!(
            "With --dev, [database], [jwt] and [keys] are those of `keyward dev`; not used: {unused}"
        ));
    }
    Ok(settings)
}

/// The value of a setting, or what is wrong with it. Without `--dev`, a user who has configured nothing may mean the
/// `keyward dev` that they are running.
pub(super) fn configured<T>(dev: bool, setting: Result<T, Problems>) -> anyhow::Result<T> {
    match setting {
        Err(problems) if !dev => bail!("{problems}\nIf you mean the `keyward dev` on this machine, add --dev."),
        setting => Ok(setting?),
    }
}

/// The URL of the database of the `keyward dev` that runs on a data directory.
fn database(data_dir: &Path) -> anyhow::Result<(&'static str, String)> {
    let url = DataDirectory::url_of_running(data_dir, "postgres");
    let url = url.with_context(|| {
        format!(
            "no `keyward dev` with a database of its own runs on {}; --data-dir names the directory of one that runs on another",
            data_dir.display()
        )
    })?;
    Ok(("database.url", url))
}

fn welcome(address: SocketAddr, token: &str, console: Option<SocketAddr>, used: &str) -> String {
    let console = console.map(|console| format!("The console is at http://{console}/console.\n")).unwrap_or_default();
    format!(
        r#"
Keyward is running. Two lines to try in another terminal: make a key, use it.

  KEY=$(curl -s -X POST http://{address}/api/create-api-key -H 'Authorization: Bearer {token}' | cut -d'"' -f4)

  curl http://{address}/api/protected-resource -H "x-api-key: $KEY"

{console}The API is described at http://{address}/docs/.
{used}Ctrl-C stops everything and loses nothing.
"#,
    )
}
