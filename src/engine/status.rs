//! What the engine knows of itself, for `lapwing status`.

use serde::Serialize;

use crate::engine::{BudgetStatus, Engine, Memory, RuleStatus, Totals};
use crate::time::{Span, Timestamp};

/// What the engine knows of itself, for `lapwing status`.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct EngineStatus {
    /// What went through.
    pub totals: Totals,
    /// Log time up to which everything is judged.
    pub judged_until: Option<Timestamp>,
    /// When the first event was made.
    pub watching_since: Option<Timestamp>,
    /// Keys remembered, and those of them with a profile.
    pub keys: (usize, usize),
    /// Clients remembered, and those of them with a profile.
    pub clients: (usize, usize),
    /// Endpoints remembered.
    pub endpoints: usize,
    /// Subjects that had to give way.
    pub evicted: u64,
    /// Memory by own accounting.
    pub memory: Memory,
    /// Open incidents.
    pub open: Vec<crate::incident::Incident>,
    /// Budget by budget.
    pub budgets: Vec<BudgetStatus>,
    /// The users' own rules.
    pub rules: Vec<RuleStatus>,
    /// What can be judged by now, one sentence a line.
    pub judging: Vec<Outlook>,
}

/// What a sentence on what can be judged comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Matter {
    /// It is judged.
    Judged,
    /// It is not, or not as sharply as later: there is too little history.
    Waits,
    /// It never is without a database of places.
    NoPlaces,
    /// Callers put their keys into URLs.
    KeysInUrls,
    /// What had to be left out of a budget or a rule.
    LeftOut,
}

/// A sentence on what can be judged. Whoever reads the status as JSON gets its words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outlook {
    /// What it comes to.
    pub matter: Matter,
    /// In words.
    pub says: String,
}

impl Serialize for Outlook {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.says)
    }
}

impl Engine {
    /// What the engine knows of itself.
    pub fn status(&self) -> EngineStatus {
        EngineStatus {
            totals: self.totals,
            judged_until: self.judged_until(),
            watching_since: self.first_event,
            keys: (self.keys.len(), self.keys.fulls()),
            clients: (self.clients.len(), self.clients.fulls()),
            endpoints: self.endpoints.len(),
            evicted: self.keys.evicted + self.clients.evicted + self.endpoints.evicted,
            memory: self.memory(),
            open: self.open_incidents(),
            budgets: self.budget_status(),
            rules: self.rule_status(),
            judging: self.judging(),
        }
    }

    /// What can be judged with the history there is, in words: the table "First start" of the design.
    fn judging(&self) -> Vec<Outlook> {
        let history = self.history();
        let zone = self.settings.zone;
        let due = |what: &str, need: Span| {
            let (matter, when) = self.due(need);
            Outlook { matter, says: format!("{what}: {when}") }
        };
        let doubt = "only what is beyond doubt";
        let bursts = |what: &str, first: Span, sharp: &[(Span, &str)]| {
            let how = sharp.iter().find(|(until, _)| history < *until).filter(|_| history >= first);
            let Some((until, how)) = how else { return due(what, first) };
            let until = self.first_event.unwrap_or_default() + *until - self.known_before;
            let until = zone.wall(until).format("%Y-%m-%d %H:%M").to_string();
            Outlook { matter: Matter::Waits, says: format!("{what}: now, but {how} until {until}") }
        };
        let mut lines = vec![
            due("loops that fail or cost money, leaked keys by count, errors", Span::ZERO),
            due("leaked keys against their own history", Span::DAY),
            due("new loops that succeed", Span::DAY),
            bursts(
                "bursts of the site and of endpoints",
                Span::from_hours(2),
                &[(Span::DAY, doubt), (Span::from_days(7), "with more evidence asked for")],
            ),
            bursts(
                "bursts of single keys and clients",
                Span::DAY,
                &[(Span::from_days(3), doubt), (Span::from_days(7), "with more evidence asked for")],
            ),
            due("slow collection of data", Span::from_hours(36)),
            due("traffic that stops", Span::from_hours(36)),
            due("the hour of the week", Span::from_days(8)),
        ];
        let mut say = |matter, says| lines.push(Outlook { matter, says });
        if !self.settings.knows_places {
            let instead = "new networks of a key are told by leaked-key";
            let says = format!("impossible travel: not without a database of places ([geoip] path); {instead}");
            say(Matter::NoPlaces, says);
        }
        if let (all @ 1.., in_url @ 1..) = self.keyed {
            let share = (100 * in_url).div_ceil(all);
            let advice = "where logs, histories and Referers keep them: let callers send them in a header";
            let says = format!("keys in URLs: {share} % of the requests with a key since the start, {advice}");
            say(Matter::KeysInUrls, says);
        }
        for budget in self.budget_status().iter().filter(|budget| budget.uncounted + budget.too_late > 0) {
            say(Matter::LeftOut, format!("budget {}: {}", budget.rule, budget.gaps()));
        }
        for rule in self.rule_status().iter().filter(|rule| rule.evicted > 0) {
            let says = format!(
                "rule {}: {} groups had to give way; it follows {} now (its \"most\", and [limits] memory)",
                rule.rule, rule.evicted, rule.groups
            );
            say(Matter::LeftOut, says);
        }
        lines
    }

    /// `now`, or from when on in log time, where so much history is needed.
    fn due(&self, need: Span) -> (Matter, String) {
        match self.first_event {
            _ if self.history() >= need => (Matter::Judged, "now".to_owned()),
            Some(first) => {
                let at = self.settings.zone.wall(first + need - self.known_before);
                (Matter::Waits, format!("from {} on", at.format("%Y-%m-%d %H:%M")))
            }
            None => (Matter::Waits, format!("{need} after the first line")),
        }
    }
}
