//! `lapwing silence`: not to hear of something for a while.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::SocketArgument;
use super::output::Output;
use crate::app::Failure;
use crate::app::control::Ask;
use crate::time::{Clock, Span, SystemClock, Timestamp};

/// Do not tell of something for a while; it is still watched
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:
  lapwing silence add --subject acme --for 2h --comment 'load test'
  lapwing silence add --subject acme --for 1d --reason 'import' --unless-times 3 --unless-cost 200
  lapwing silence add --detector traffic-drop --until 2026-03-02T18:00:00Z
  lapwing silence list
  lapwing silence remove 3"
)]
pub(super) struct Silence {
    #[command(flatten)]
    socket: SocketArgument,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Be silent about a subject, a detector or an incident (all that is given must fit)
    Add(Add),
    /// List the silences
    List {
        /// As JSON, one silence a line
        #[arg(long)]
        json: bool,
    },
    /// Tell again
    Remove {
        /// The silence's number
        id: u64,
    },
}

#[derive(Debug, Args)]
struct Add {
    /// A key, endpoint, client or source by name, as alerts show it; `*` stands for any characters
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
    /// A detector or rule by name
    #[arg(long, value_name = "NAME")]
    detector: Option<String>,
    /// One incident by its id
    #[arg(long, value_name = "ID")]
    incident: Option<String>,
    /// For how long: 30m, 2h, 1d
    #[arg(long = "for", value_name = "DURATION", value_parser = Span::parse, conflicts_with = "until",
          required_unless_present = "until")]
    duration: Option<Span>,
    /// Until when: 2026-03-02T18:00:00Z (without zone: UTC)
    #[arg(long, value_name = "TIME", value_parser = super::replay::instant)]
    until: Option<Timestamp>,
    /// Why, for whoever finds it
    #[arg(long, visible_alias = "reason", default_value = "")]
    comment: String,
    /// A rule by name
    #[arg(long, value_name = "NAME")]
    rule: Option<String>,
    /// Who asks for it; this user if not given
    #[arg(long, value_name = "NAME")]
    author: Option<String>,
    /// Tell all the same what grows to so many times what it is now (or, before it is noticed, what is usual)
    #[arg(long, value_name = "TIMES", value_parser = at_least_one)]
    unless_times: Option<f64>,
    /// Tell all the same what has cost so much, in the configured currency
    #[arg(long, value_name = "AMOUNT", value_parser = amount)]
    unless_cost: Option<f64>,
}

impl Silence {
    pub(super) fn run(self, output: &mut Output) -> Result<ExitCode, Failure> {
        match self.action {
            Action::Add(add) => {
                if [&add.subject, &add.detector, &add.rule, &add.incident].into_iter().all(Option::is_none) {
                    return Err(Failure::Usage(
                        "a silence needs --subject, --detector, --rule or --incident: it is not for everything"
                            .to_owned(),
                    ));
                }
                let now = SystemClock::new().now();
                let until = add.until.unwrap_or(now + add.duration.unwrap_or(Span::HOUR)).floor(Span::SECOND);
                if until <= now {
                    return Err(Failure::Usage(format!("{until} is over: a silence needs an end that is to come")));
                }
                let (subject, detector, incident) = (add.subject, add.detector, add.incident);
                let ask = Ask::Silence {
                    subject,
                    detector,
                    incident,
                    until,
                    comment: add.comment,
                    rule: add.rule,
                    author: add.author.unwrap_or_else(super::mark::this_user),
                    times: add.unless_times,
                    cost: add.unless_cost,
                };
                let id = self.socket.ask(&ask)?;
                output.line(&format!("silence {id} until {until}; `lapwing silence remove {id}` ends it sooner"))?;
            }
            Action::List { json } => {
                let answer = self.socket.ask(&Ask::Silences)?;
                super::list(output, &answer, json, "no silences", |row| {
                    let about: Vec<String> = ["subject", "detector", "rule", "incident"]
                        .iter()
                        .filter_map(|key| row[key].as_str().map(|value| format!("{key} {value}")))
                        .collect();
                    let comment = row["comment"].as_str().unwrap_or_default();
                    let until = row["until"].as_str().unwrap_or_default();
                    let id = row["id"].as_u64().unwrap_or_default();
                    let mut unless: Vec<String> = Vec::new();
                    unless.extend(row["times"].as_f64().map(|times| format!("{times} times its level")));
                    unless.extend(row["cost"].as_f64().map(|cost| format!("a cost of {cost}")));
                    let unless = if unless.is_empty() {
                        String::new()
                    } else {
                        format!(", unless it reaches {}", unless.join(" or "))
                    };
                    let author = row["author"].as_str().filter(|a| !a.is_empty());
                    let by = author.map(|author| format!("  (by {author})")).unwrap_or_default();
                    format!("{id:>4}  {} until {until}{unless}  {comment}{by}", about.join(", "))
                })?;
            }
            Action::Remove { id } => {
                self.socket.ask(&Ask::Unsilence { id })?;
                output.note(&format!("silence {id} is removed"));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A factor of one or more: `3`, `3x`.
fn at_least_one(text: &str) -> Result<f64, String> {
    let number = text.trim().trim_end_matches(['x', 'X']);
    number
        .parse()
        .ok()
        .filter(|n: &f64| n.is_finite() && *n >= 1.0)
        .ok_or_else(|| "expected a number from 1 on, such as 3".to_owned())
}

/// An amount of money: `200`, `$200`.
fn amount(text: &str) -> Result<f64, String> {
    let number = text.trim().trim_start_matches(['$', '€', '£']);
    number
        .parse()
        .ok()
        .filter(|n: &f64| n.is_finite() && *n >= 0.0)
        .ok_or_else(|| "expected an amount such as 200".to_owned())
}
