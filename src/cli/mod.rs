//! The command line. Each command has its own file, or a few lines here.

mod audit;
mod completions;
mod dev;
mod doctor;
mod hardening;
mod healthcheck;
mod keys;
mod owners;
mod plans;
mod policy;
mod replicas;
mod secrets;
mod serve;
mod shared;
mod tokens;
mod usage;

use std::{path::PathBuf, process::ExitCode};

use self::{
    hardening::Hardened,
    shared::{
        Misuse,
        output::{NotPrinted, print, print_line, tell_line},
    },
};
use anyhow::{Context, anyhow};
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use keyward::{
    auth::jwt::check_key_files,
    config::{Settings, Sources},
    domain::{
        build::VERSION_AND_REVISION,
        counted::counted,
        credential_in_text::{has_token_in, key_form_in},
        escape::escaped,
    },
    store::{Migrated, Store},
    telemetry::log,
};

/// Issues API keys to people who hold a JWT and checks both on every request, in front of any API.
#[derive(Parser)]
#[command(name = "keyward", version = VERSION_AND_REVISION.as_str(), arg_required_else_help = true, after_help = EXAMPLES)]
struct Arguments {
    /// A configuration file, over the built-in defaults and under KEYWARD__SECTION__NAME variables.
    #[arg(long, global = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    config: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Exit codes: 0 done, 1 not done (standard error says why), 2 the command line is wrong. `policy` and `keys verify` have more.

Examples:
  keyward dev                               # try it, with nothing to prepare
  keyward token mint --dev --subject alice  # a token for that `keyward dev`
  keyward config                            # what `keyward serve` would use
  keyward doctor                            # whether all of that works
  keyward serve                             # production
  keyward keys list                         # keys, on the database directly
  keyward completions bash                  # for your shell";

#[derive(Subcommand)]
enum Command {
    /// Run everything with nothing configured: a database of its own, secrets, a token to start with.
    Dev(dev::Dev),
    /// Run in production, with database and secrets from the configuration.
    #[command(after_help = "\
Examples:
  keyward serve --config /etc/keyward.toml
  DATABASE_URL=postgres://keyward@db/keyward \\
    KEYWARD__DATABASE__PASSWORD_FILE=/run/secrets/database_password \\
    KEYWARD__JWT__SECRET_FILE=/run/secrets/jwt_secret \\
    KEYWARD__KEYS__PEPPERS_FILE=/run/secrets/pepper \\
    keyward serve")]
    Serve(Port),
    /// Bring the database's schema up to date, and end.
    Migrate,
    /// Work with keys, on the database directly.
    Keys(keys::Keys),
    /// See whose keys there are and refuse all of an owner's, on the database directly.
    Owners(owners::Owners),
    Plans(plans::Plans),
    Replicas(replicas::Replicas),
    /// See who did what, on the database directly.
    Audit(audit::Audit),
    /// See how often keys were used, on the database directly.
    Usage(usage::Usage),
    /// Try a policy file before it is used: who may do what behind a gateway.
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Make tokens for trying, and end tokens before they expire.
    #[command(subcommand, name = "token", visible_alias = "tokens")]
    Tokens(tokens::Tokens),
    /// Make the secrets that `serve` needs.
    #[command(subcommand)]
    Secrets(secrets::Secrets),
    Doctor(doctor::Doctor),
    /// Ask the server on this machine whether it is ready; the exit code is the answer.
    #[command(after_help = "\
Examples:
  keyward healthcheck && echo ready
  PORT=8080 keyward healthcheck
In a compose file:
  healthcheck: { test: [\"CMD\", \"keyward\", \"healthcheck\"], interval: 5s }")]
    Healthcheck,
    /// Print the effective configuration: every setting, where it comes from, secrets masked.
    Config,
    /// Print completions for a shell.
    #[command(after_help = "\
Examples:
  keyward completions bash > /etc/bash_completion.d/keyward
  keyward completions zsh > \"${fpath[1]}/_keyward\"
  keyward completions fish > ~/.config/fish/completions/keyward.fish")]
    Completions {
        /// Which shell.
        shell: Shell,
    },
}

/// The one setting that people look for on the command line.
#[derive(clap::Args)]
struct Port {
    /// The port to listen on, whatever the configuration (server.port) and the environment (PORT) say.
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
}

impl Port {
    fn put_into(self, sources: &mut Sources) {
        const NAMES: [&str; 2] = ["KEYWARD__SERVER__PORT", "PORT"];
        let Some(port) = self.port else { return };
        sources.env.retain(|(name, _)| !NAMES.contains(&name.as_str()));
        sources.env.push((NAMES[0].to_owned(), port.to_string()));
    }
}

/// The same exit code as for arguments that clap refuses.
const MISUSE: u8 = 2;

pub(crate) fn run() -> ExitCode {
    let hardened = Hardened::now();
    // Before anything repeats them.
    let done = refuse_credentials().map_err(Into::into).and_then(|()| dispatch(Arguments::parse(), hardened));
    match done {
        Ok(code) => code,
        // Whoever reads has read enough.
        Err(error) if error.downcast_ref().is_some_and(NotPrinted::is_closed) => ExitCode::SUCCESS,
        Err(error) => {
            // Line by line, for a list of problems has several.
            let text = format!("error: {error:#}");
            text.lines().for_each(|line| tell_line(escaped(line)));
            if error.is::<Misuse>() { ExitCode::from(MISUSE) } else { ExitCode::FAILURE }
        }
    }
}

/// Refuses arguments that carry a key or a token: what is wrong with an argument is told with its text, most are kept,
/// for everybody who reads the database or the audit, and all are in the shell's history.
fn refuse_credentials() -> Result<(), Misuse> {
    let arguments = || std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
    if let Some(id) = arguments().find_map(|argument| key_form_in(&argument)) {
        return Err(Misuse(format!(
            "an argument carries the text of a key, which is now in the shell's history. Its id is {id}: name it by that, \
             and rotate it (`keyward keys rotate {id}`)"
        )));
    }
    if arguments().any(|argument| has_token_in(&argument)) {
        let why = "an argument carries a whole token (a JWT), which is now in the shell's history: leave it out. To revoke \
                   it, name a claim of its payload: `keyward tokens revoke --token-id` takes jti, --subject takes sub";
        return Err(Misuse(why.to_owned()));
    }
    Ok(())
}

fn dispatch(arguments: Arguments, hardened: Hardened) -> anyhow::Result<ExitCode> {
    let mut sources = Sources::of_this_process(arguments.config);
    let done = match arguments.command {
        Command::Dev(dev) => dev.run(sources, hardened),
        Command::Serve(port) => {
            port.put_into(&mut sources);
            serve::run(sources, hardened)
        }
        Command::Migrate => migrate(&shared::load(sources)?),
        // With their own exit codes.
        Command::Keys(keys) => return keys.run(sources),
        Command::Policy(policy) => return Ok(policy.run(sources)),
        Command::Doctor(doctor) => return doctor.run(sources),
        Command::Owners(owners) => owners.run(sources),
        Command::Plans(plans) => plans.run(sources),
        Command::Replicas(replicas) => replicas.run(sources),
        Command::Audit(audit) => audit.run(sources),
        Command::Usage(usage) => usage.run(sources),
        Command::Tokens(tokens) => tokens.run(sources),
        Command::Secrets(secrets) => secrets.run(),
        Command::Healthcheck => healthcheck::run(&Settings::load(sources)?.server()?),
        Command::Config => show_config(&shared::load(sources)?),
        Command::Completions { shell } => Ok(print(completions::script(shell, Arguments::command()))?),
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// Prints the configuration even if it is invalid, because that is when it is needed.
fn show_config(settings: &Settings) -> anyhow::Result<()> {
    let valid = validate(settings).context("`keyward serve` would not start with this");
    let printed = print(settings.show());
    // Also where whoever reads has gone: the exit code says whether something is wrong.
    valid.and(printed.map_err(Into::into))
}

/// As `keyward serve` does it: values first, and then the keys in the files that these name.
fn validate(settings: &Settings) -> anyhow::Result<()> {
    let config = settings.validate()?;
    check_key_files(&config.jwt).map_err(|unusable| {
        let lines: Vec<String> = unusable.iter().map(ToString::to_string).collect();
        anyhow!("{}", lines.join("\n"))
    })
}

fn migrate(settings: &Settings) -> anyhow::Result<()> {
    log::init(&settings.log()?, None)?;
    let (database, audit) = (settings.database()?, settings.audit()?);
    runtime()?.block_on(async {
        let store = Store::open(&database).await?;
        let Migrated { applied, newest } = store.migrate(&database, &audit).await?;
        store.close().await;
        match applied {
            0 => print_line(format_args!("The schema is up to date, at migration {newest}."))?,
            applied => {
                let migrations = counted(applied, "migration");
                print_line(format_args!("Applied {migrations}: the schema is at migration {newest}."))?;
            }
        }
        Ok(())
    })
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")
}
