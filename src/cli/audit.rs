//! `keyward audit`: who did what, directly from the database.

use std::io::IsTerminal;

use keyward::{
    api::{Event, csv_header, csv_lines, ndjson},
    config::Sources,
    domain::{
        api_key::KeyId,
        audit::{Action, Actor, AuditEvent},
        escape::{escaped, escaped_json},
        ledger::Reach,
        listing::{EventFilter, Page},
        owner::Owner,
    },
};
use time::OffsetDateTime;

use super::shared::{
    DatabaseOptions, Desk, Misuse, OwnerOptions,
    output::{NotPrinted, print, print_line},
    pages::each_page,
    print_json,
    table::{actor, columns, second},
    tell_if_cut, values,
};

#[derive(clap::Args)]
pub(super) struct Audit {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    database: DatabaseOptions,
}

#[derive(clap::Subcommand)]
enum Command {
    /// List what was done, newest first.
    #[command(after_help = "\
INSTANT is a time such as 2030-01-31T12:00:00Z, or a span such as 24h: so long ago.
Lines of csv and ndjson are printed page by page, however many there are.

Examples:
  keyward audit list --subject alice
  keyward audit list --action key.created,key.rotated --from 24h
  keyward audit list --actor-subject root --actor-issuer https://issuer.example
  keyward audit list --key 0352mXAgJX8YoWA3E5sR9r --json
  keyward audit list --format csv --limit 100000 > audit.csv
  keyward audit list --format ndjson | jq -r .action | sort | uniq -c")]
    List(Box<List>),
}

#[derive(clap::Args)]
struct List {
    #[command(flatten)]
    owner: OwnerOptions,
    /// Only what was done to this key.
    #[arg(long, value_name = "ID")]
    key: Option<KeyId>,
    /// Only what was done by this one: the id of a key, the id of an owner (which stands for a token's issuer and
    /// subject), or command_line.
    #[arg(long, value_name = "ID", value_parser = values::actor, conflicts_with = "actor_subject")]
    actor: Option<Actor>,
    /// Only what was done with tokens of this subject.
    #[arg(long, value_name = "SUBJECT", value_parser = values::subject, allow_hyphen_values = true)]
    actor_subject: Option<String>,
    /// The `iss` of those tokens; jwt.issuer where it is not given.
    #[arg(
        long,
        value_name = "ISSUER",
        value_parser = values::issuer,
        requires = "actor_subject",
        allow_hyphen_values = true
    )]
    actor_issuer: Option<String>,
    /// Only this; several with commas between.
    #[arg(long, value_parser = values::action(), value_delimiter = ',')]
    action: Vec<Action>,
    /// Only what was done then or later.
    #[arg(long, value_name = "INSTANT", value_parser = values::past)]
    from: Option<OffsetDateTime>,
    /// Only what was done before then.
    #[arg(long, value_name = "INSTANT", value_parser = values::past)]
    to: Option<OffsetDateTime>,
    /// The maximum number of events to list.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// In which form.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// The same as --format json.
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// A list of events as the API has them.
    Json,
    /// Lines of RFC 4180, under one with the names of the columns, as the API has them.
    Csv,
    /// An event a line, as the API has it.
    Ndjson,
}

impl Audit {
    pub(super) fn run(self, sources: Sources) -> anyhow::Result<()> {
        let Self { command: Command::List(list), database } = self;
        database.work(sources, async |desk| list.run(desk).await)
    }
}

impl List {
    async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let format = if self.json { Format::Json } else { self.format };
        let limit = self.limit;
        let filter = self.filter(desk)?;
        let mut kept = Vec::new();
        if format == Format::Csv {
            print(csv_header())?;
        }
        let read = async |page: &Page| desk.ledger().events(&filter, page, &Reach::Any).await;
        let listed = each_page(limit, read, |events| {
            match format {
                Format::Table | Format::Json => kept.extend(events),
                Format::Csv => print_lines(&csv_lines(&shown(events)))?,
                Format::Ndjson => print(escaped_json(&ndjson(&shown(events))))?,
            }
            Ok(())
        })
        .await?;
        match format {
            Format::Table => print(columns(HEADER, kept.iter().map(row)))?,
            Format::Json => print_json(&shown(kept))?,
            Format::Csv | Format::Ndjson => {}
        }
        tell_if_cut(listed, limit);
        Ok(())
    }

    fn filter(self, desk: &Desk) -> anyhow::Result<EventFilter> {
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from >= to
        {
            return Err(Misuse("--to must be later than --from".to_owned()).into());
        }
        let by_subject = OwnerOptions::named(self.actor_subject, self.actor_issuer).read(&desk.settings)?;
        let by_subject = by_subject.map(|Owner { issuer, subject }| Actor::Token { issuer, subject });
        Ok(EventFilter {
            owner: self.owner.read(&desk.settings)?,
            key: self.key,
            actor: self.actor.or(by_subject),
            actions: self.action,
            from: self.from,
            to: self.to,
        })
    }
}

/// Lines of CSV as they are, unless a terminal would show them.
fn print_lines(lines: &str) -> Result<(), NotPrinted> {
    if !std::io::stdout().is_terminal() {
        return print(lines);
    }
    lines.lines().try_for_each(|line| print_line(escaped(line)))
}

fn shown(events: Vec<AuditEvent>) -> Vec<Event> {
    events.into_iter().map(Event::from).collect()
}

const HEADER: [&str; 7] = ["AT", "ACTION", "KEY", "OWNER", "ACTOR", "ADDRESS", "DETAILS"];

fn row(event: &AuditEvent) -> [String; 7] {
    let or_dash = |text: Option<String>| text.filter(|text| !text.is_empty()).unwrap_or_else(|| "-".to_owned());
    let details = (!event.details.is_empty()).then(|| event.details.as_json().to_owned());
    [
        second(event.at),
        event.action.clone(),
        or_dash(event.key.map(|id| id.to_string())),
        or_dash(Some(event.owner.subject.to_string())),
        actor(Some(&event.author.actor)),
        or_dash(event.author.address.map(|address| address.to_string())),
        or_dash(details),
    ]
}
