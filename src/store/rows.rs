//! What the journal holds: messages owed, incidents, silences, and how each channel is doing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::seal;
use crate::detect::grounds::Grounds;
use crate::notice::{Notice, NoticeType};
use crate::time::Timestamp;

/// A message that was decided for one channel and is not yet accepted by it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct OutboxRow {
    /// The channel's name in the configuration.
    pub channel: String,
    /// What it tells: one notice, or those of a digest.
    pub notices: Vec<Notice>,
    /// Exactly what will be sent, as JSON of the sender's own type. The store does not look inside.
    pub message: String,
    /// When it was decided, by the wall clock.
    pub decided_at: Timestamp,
    /// How often it was tried.
    #[serde(default)]
    pub attempts: u32,
    /// Not before this instant.
    pub next_try: Timestamp,
    /// It was refused in its rich form and goes out as plain text.
    #[serde(default)]
    pub plain: bool,
    /// Recipients that have it, or that refused it for good.
    #[serde(default)]
    pub settled: Vec<String>,
    /// What the last try ended with.
    #[serde(default)]
    pub last_error: Option<String>,
}

impl OutboxRow {
    /// A message decided `at`, to be sent at once.
    pub fn new(channel: impl Into<String>, notice: Notice, message: String, at: Timestamp) -> Self {
        OutboxRow {
            channel: channel.into(),
            notices: vec![finite(notice)],
            message,
            decided_at: at,
            attempts: 0,
            next_try: at,
            plain: false,
            settled: Vec::new(),
            last_error: None,
        }
    }

    /// Whether it is a daily summary.
    pub fn is_summary(&self) -> bool {
        !self.notices.is_empty() && self.notices.iter().all(|notice| notice.kept.is_some())
    }

    /// Whether it tells of this incident.
    pub fn is_about(&self, incident: &str) -> bool {
        self.notices.iter().any(|notice| notice.incident == incident)
    }

    /// A hash of channel, incident and kind (and for updates the moment): decided twice, it is told once.
    pub(super) fn told_keys(&self) -> impl Iterator<Item = u64> + '_ {
        self.notices.iter().map(|notice| match &notice.kept {
            None => told_key(&self.channel, &notice.incident, notice.kind, notice.at),
            // A line of a summary is no opening: the incident may still be told.
            Some(_) => seal::checksum(
                format!("{}\0{}\0kept\0{}", self.channel, notice.incident, notice.at.millis()).as_bytes(),
            ),
        })
    }

    /// Bytes it takes, roughly: what the outbox' limit counts.
    pub(super) fn bytes(&self) -> usize {
        self.message.len() + self.notices.iter().map(|n| 512 + n.title.len() + n.summary.len()).sum::<usize>()
    }
}

pub(super) fn told_key(channel: &str, incident: &str, kind: NoticeType, at: Timestamp) -> u64 {
    let moment = if kind == NoticeType::Updated { at.millis() } else { 0 };
    seal::checksum(format!("{channel}\0{incident}\0{kind:?}\0{moment}").as_bytes())
}

/// JSON has no infinity: a number that is none must not make the whole row unreadable.
fn finite(mut notice: Notice) -> Notice {
    for number in [&mut notice.observed, &mut notice.expected] {
        if !number.is_finite() {
            *number = 0.0;
        }
    }
    notice.impact.cost = notice.impact.cost.filter(|cost| cost.is_finite());
    let parts = &mut notice.parts;
    for list in
        [&mut parts.keys, &mut parts.endpoints, &mut parts.clients, &mut parts.user_agents, &mut parts.countries]
    {
        list.retain(|part| part.share.is_finite());
    }
    notice
}

/// An incident as last told.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct IncidentRow {
    /// The newest notice about it.
    pub notice: Notice,
    /// When that was decided, by the wall clock.
    pub decided_at: Timestamp,
    /// Why it was told.
    #[serde(default)]
    pub grounds: Grounds,
}

impl IncidentRow {
    /// The state of an incident after this notice.
    pub fn new(notice: Notice, decided_at: Timestamp) -> Self {
        IncidentRow { notice: finite(notice), decided_at, grounds: Grounds::default() }
    }

    /// With the reasons for it.
    #[must_use]
    pub fn explained(self, grounds: Grounds) -> Self {
        IncidentRow { grounds, ..self }
    }

    /// Whether it still goes on.
    pub fn is_open(&self) -> bool {
        // What is told of it after its end does not open it again.
        self.notice.kind != NoticeType::Resolved && self.notice.ended_at.is_none()
    }
}

/// A wish of a person not to hear of something for a while. All that is given must fit.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Silence {
    /// Given by the store.
    #[serde(default)]
    pub id: u64,
    /// A subject by name, as notices show it; `*` stands for any characters.
    #[serde(default)]
    pub subject: Option<String>,
    /// A detector or rule by name; `*` stands for any characters.
    #[serde(default)]
    pub detector: Option<String>,
    /// One incident by its id.
    #[serde(default)]
    pub incident: Option<String>,
    /// Until when, by the wall clock.
    pub until: Timestamp,
    /// Since when, by the wall clock.
    #[serde(default)]
    pub created_at: Timestamp,
    /// Why, in the person's words.
    #[serde(default)]
    pub comment: String,
    /// A rule by name; `*` stands for any characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Who asked for it.
    #[serde(default)]
    pub author: String,
    /// What grows to so many times its level is told all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<f64>,
    /// What has cost so much is told all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
    /// How large what it covers was when it was made, by detector and subject.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub levels: BTreeMap<String, f64>,
    /// Incidents that went beyond the ceiling: told from then on.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub broken: BTreeSet<String>,
    /// The maintenance that it stands for, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<String>,
}

/// How a channel is doing, as far as a restart should remember it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ChannelRow {
    /// When it was found broken for good, and why.
    #[serde(default)]
    pub broken: Option<(Timestamp, String)>,
    /// When it last accepted a message.
    #[serde(default)]
    pub last_delivered: Option<Timestamp>,
    /// Messages it accepted in all.
    #[serde(default)]
    pub delivered: u64,
    /// What its pace goes by.
    #[serde(default)]
    pub pace: PaceRow,
}

/// What a channel said lately, so that a restart allows no second storm. Instants are those of the wall clock.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PaceRow {
    /// When it last said anything.
    pub last: Option<Timestamp>,
    /// Single messages of the last minutes, with their rules.
    pub singles: Vec<(Timestamp, String)>,
    /// When it last made a digest because of a storm.
    pub digested: Option<Timestamp>,
    /// Since when it accepts nothing.
    pub failing_since: Option<Timestamp>,
}
