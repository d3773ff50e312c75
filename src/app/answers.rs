//! What the daemon answers on its control socket.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::control::{Answers, Ask};
use super::status::Board;
use crate::detect::grounds::Grounds;
use crate::event::Subject;
use crate::notice::Notice;
use crate::notify::{self, Outbox};
use crate::store::{IncidentRow, Mark, OutboxRow, Silence, Store};
use crate::time::{Clock, Timestamp};

/// The longest list that is given out.
const MAX_ROWS: usize = 1000;
/// The shortest beginning of an id that stands for the whole.
const SHORTEST_ID: usize = 4;

/// Why something was told, or what was lacking for it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Explained {
    /// The incident's id.
    pub incident: String,
    /// Who and what, in one line.
    pub title: String,
    /// Which detector.
    pub detector: String,
    /// On what.
    pub subject: Subject,
    /// When it began, by the log.
    pub started_at: Timestamp,
    /// Why it was not told as a message of its own; absent if it was.
    pub kept: Option<String>,
    /// What decided.
    pub grounds: Grounds,
}

impl Explained {
    /// Of a change, with its title.
    pub fn of(notice: &Notice, grounds: Grounds) -> Self {
        Explained {
            incident: notice.incident.clone(),
            title: notice.title.clone(),
            detector: notice.detector.clone(),
            subject: notice.subject.clone(),
            started_at: notice.started_at,
            kept: notice.kept.clone(),
            grounds,
        }
    }

    /// Whether it was told, in a word or two.
    pub fn told(&self) -> String {
        self.kept.clone().unwrap_or_else(|| "told".to_owned())
    }

    /// For a person: what was decided, and each step that led there.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n  {} since {}: {}\n", self.title, self.detector, self.started_at, self.told());
        if self.grounds.lines.is_empty() {
            text.push_str("  No steps were recorded for it.\n");
            return text;
        }
        text.extend(["  ", &self.grounds.verdict(), "\n"]);
        for line in &self.grounds.lines {
            text.extend(["  - ", line, "\n"]);
        }
        text
    }
}

/// Answers from the board and the store.
pub(super) struct Desk {
    pub(super) board: Board,
    pub(super) store: Arc<Store>,
    pub(super) clock: Arc<dyn Clock>,
    /// The outbox of the configuration in force.
    pub(super) outbox: Arc<Mutex<Option<Arc<Outbox>>>>,
}

impl Answers for Desk {
    fn answer(&self, ask: Ask) -> Result<Value, String> {
        match ask {
            Ask::Status => {
                let mut picture = self.board.look();
                picture.problems = picture.find_problems(self.clock.now());
                Ok(json!(picture))
            }
            Ask::Incidents { all, limit } => {
                let rows = if all { self.incidents(limit.min(MAX_ROWS))? } else { self.store.open_incidents() };
                let mut notices: Vec<_> = rows.into_iter().map(|row| row.notice).collect();
                notices.sort_by_key(|n| std::cmp::Reverse(n.started_at));
                notices.truncate(limit.min(MAX_ROWS));
                Ok(json!(notices))
            }
            Ask::Incident { id } => self.incident(&id),
            Ask::Explain { what } => self.explain(what.as_deref()).map(|all| json!(all)),
            Ask::Silences => Ok(json!(self.store.silences())),
            Ask::Mark { what, at, author, subject } => {
                self.store.add_mark(Mark { what, at, author, subject }).map(|()| Value::Null).map_err(|e| e.to_string())
            }
            Ask::Marks => Ok(json!(self.store.marks())),
            Ask::Silence { subject, detector, incident, until, comment, rule, author, times, cost } => {
                let asked = Silence {
                    subject,
                    detector,
                    incident,
                    until,
                    comment,
                    rule,
                    author,
                    times,
                    cost,
                    ..Silence::default()
                };
                let silence = notify::with_levels(asked, &self.store.open_incidents(), self.clock.now());
                self.store.add_silence(silence).map(|id| json!(id)).map_err(|e| e.to_string())
            }
            Ask::Unsilence { id } => match self.store.remove_silence(id) {
                Ok(true) => Ok(Value::Null),
                Ok(false) => Err(format!("there is no silence {id}; `lapwing silence list` shows them")),
                Err(e) => Err(e.to_string()),
            },
            Ask::Outbox => {
                let waiting = self.store.outbox().into_iter().map(|(number, row)| shown(number, &row, false));
                let dead = self.store.dead_letters().into_iter().map(|(number, row)| shown(number, &row, true));
                Ok(Value::Array(waiting.chain(dead).take(MAX_ROWS).collect()))
            }
            Ask::Retry { number } => match self.store.revive(number) {
                Ok(true) => {
                    if let Some(outbox) = &*self.outbox.lock().unwrap_or_else(PoisonError::into_inner) {
                        outbox.wake();
                    }
                    Ok(Value::Null)
                }
                Ok(false) => Err(format!("no message {number} was given up; `lapwing outbox` shows them")),
                Err(e) => Err(e.to_string()),
            },
        }
    }
}

impl Desk {
    fn incidents(&self, limit: usize) -> Result<Vec<IncidentRow>, String> {
        self.store.incidents(limit).map_err(|e| e.to_string())
    }

    /// What was told and what was kept, newest first: all of it, or what an id or a subject's name stands for.
    fn explain(&self, what: Option<&str>) -> Result<Vec<Explained>, String> {
        let rows = self.incidents(MAX_ROWS)?;
        let told = rows.iter().map(|row| Explained::of(&row.notice, row.grounds.clone()));
        let mut all: Vec<Explained> = told.chain(self.board.look().kept).collect();
        all.sort_by_key(|one| std::cmp::Reverse(one.started_at));
        let Some(what) = what else {
            all.truncate(50);
            return Ok(all);
        };
        let by_id = what.len() >= SHORTEST_ID;
        all.retain(|one| one.subject.name == what || (by_id && one.incident.starts_with(what)));
        if all.is_empty() {
            return Err(format!(
                "nothing is known of \"{what}\": neither told nor near it lately; `lapwing explain` lists what is"
            ));
        }
        Ok(all)
    }

    /// An incident by its id or the beginning of it.
    fn incident(&self, id: &str) -> Result<Value, String> {
        if let Some(row) = self.store.incident(id).map_err(|e| e.to_string())? {
            return Ok(json!(row.notice));
        }
        if id.len() < SHORTEST_ID {
            return Err(format!("\"{id}\" is too short: at least {SHORTEST_ID} characters of the id"));
        }
        let mut found: Vec<_> =
            self.incidents(MAX_ROWS)?.into_iter().filter(|row| row.notice.incident.starts_with(id)).collect();
        match (found.pop(), found.len()) {
            (None, _) => Err(format!("there is no incident {id}; `lapwing incidents list --all` shows them")),
            (Some(one), 0) => Ok(json!(one.notice)),
            (Some(_), more) => Err(format!("\"{id}\" stands for {} incidents; give more of the id", more + 1)),
        }
    }
}

fn shown(number: u64, row: &OutboxRow, given_up: bool) -> Value {
    let title = match row.notices.as_slice() {
        [] => String::new(),
        [one] => one.title.clone(),
        [first, rest @ ..] => format!("{} and {} more", first.title, rest.len()),
    };
    json!({
        "number": number,
        "channel": row.channel,
        "title": title,
        "incidents": row.notices.iter().map(|n| n.incident.as_str()).collect::<Vec<_>>(),
        "decided_at": row.decided_at,
        "attempts": row.attempts,
        "next_try": row.next_try,
        "last_error": row.last_error,
        "given_up": given_up,
    })
}
