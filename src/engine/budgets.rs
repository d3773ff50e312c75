//! Budgets: every line is charged to the accounts it belongs to, and a step is told with the line that crosses it.

use hashbrown::HashMap;
use serde::Serialize;

use crate::detect::Parts;
use crate::detect::budget::{self, Outlook, Settings, Step};
use crate::engine::Engine;
use crate::engine::names::subject_of;
use crate::event::{Event, Hasher, Id, SubjectKind};
use crate::incident::Change;
use crate::incident::entry::{About, Candidate};
use crate::measure::budgets::{Account, Budgets, Charge, Ledger, Spent};
use crate::measure::calendar::Moment;
use crate::measure::ring::TICK;
use crate::time::{Span, Timestamp};

/// Names of which it is remembered whether a budget's patterns take them.
const NAMES: usize = 65_536;
/// The usual of a younger subject says little of the hours ahead.
const LEAST_AGE: Span = Span::DAY;
/// What changes while an open incident goes on.
const REFRESHED: [&str; 4] = ["measure", "spent", "limit", "used"];

/// The accounts of all budgets, and which names their patterns take.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    pub(super) budgets: Budgets,
    taken: Vec<Taken>,
}

/// What the patterns of one budget say of names that were met.
#[derive(Clone, Debug, Default)]
struct Taken {
    keys: HashMap<Id, bool>,
    endpoints: HashMap<Id, bool>,
}

/// How a budget fares, for `lapwing status`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct BudgetStatus {
    /// The rule.
    pub rule: String,
    /// Subjects counted in the newest period.
    pub subjects: usize,
    /// Requests that were not counted, since there are more subjects than the rule's `most`.
    pub uncounted: u64,
    /// Requests that came after their period had been forgotten.
    pub too_late: u64,
}

impl BudgetStatus {
    /// What was not counted, in words.
    pub(super) fn gaps(&self) -> String {
        let mut gaps = Vec::new();
        if self.uncounted > 0 {
            gaps.push(format!(
                "{} requests are not counted, since it counts {} subjects at most (its \"most\")",
                self.uncounted, self.subjects
            ));
        }
        if self.too_late > 0 {
            gaps.push(format!("{} requests came after their period had been closed", self.too_late));
        }
        gaps.join("; ")
    }
}

impl Accounts {
    /// For these budgets; what was counted of those that stay as they are goes on.
    pub(super) fn arrange(&mut self, rules: &[Settings]) {
        // Not the state's own hasher: counts go on whatever it is.
        let hasher = Hasher::new(0x0b1d_9e75);
        let shapes: Vec<Id> = rules.iter().map(|rule| hasher.id(rule.shape().as_bytes())).collect();
        self.budgets.arrange(&shapes);
        self.taken = vec![Taken::default(); rules.len()];
    }

    fn takes(&mut self, index: usize, rule: &Settings, event: &Event, key: &str, endpoint: &str) -> bool {
        let Some(taken) = self.taken.get_mut(index) else { return false };
        (rule.keys.is_empty() || known(&mut taken.keys, event.key.id, || rule.takes_key(key)))
            && (rule.endpoints.is_empty()
                || known(&mut taken.endpoints, event.endpoint.id, || rule.takes_endpoint(endpoint)))
    }
}

fn known(names: &mut HashMap<Id, bool>, id: Id, takes: impl FnOnce() -> bool) -> bool {
    if !id.is_some() {
        return false;
    }
    if let Some(takes) = names.get(&id) {
        return *takes;
    }
    if names.len() >= NAMES {
        names.clear();
    }
    *names.entry(id).or_insert_with(takes)
}

impl Engine {
    /// Charges one line to every budget it belongs to.
    pub(super) fn charge(&mut self, event: &Event, texts: [&str; 5], out: &mut Vec<Change>) {
        let tokens = [event.tokens_in, event.tokens_out].into_iter().filter(|n| *n != Event::UNKNOWN);
        let spent = Spent::of_request(tokens.map(u64::from).sum(), event.cost);
        let mut told = false;
        for index in 0..self.settings.budgets.len() {
            told |= self.charge_one(index, event, texts, spent).is_some();
        }
        if told {
            self.tick_book(self.latest(event.time), out);
        }
    }

    /// `Some` if a step was crossed.
    fn charge_one(&mut self, index: usize, event: &Event, texts: [&str; 5], spent: Spent) -> Option<()> {
        let [key, _, endpoint, ..] = texts;
        let rule = self.settings.budgets.get(index)?;
        let (id, name) = subject_of(&self.settings, rule.per, event, texts);
        if !id.is_some() || !self.accounts.takes(index, rule, event, key, endpoint) {
            return None;
        }
        let (zone, period) = (self.settings.zone, rule.period);
        let charge = Charge { id, name, time: event.time, spent };
        let ledger = self.accounts.budgets.ledger_mut(index)?;
        let (account, bounds, before) = ledger.charge(&charge, |t| period.bounds(t, zone), rule.most)?;
        let about = About { kind: rule.per, id };
        let Some(step) = budget::judge(rule, account, &before) else {
            if self.judged_until().is_some_and(|judged| bounds.1 <= judged) {
                self.refresh_budget(index, about, bounds);
            }
            return None;
        };
        account.told = step.percent;
        let account = account.clone();
        self.tell_step(index, about, &account, bounds, step, event.time);
        Some(())
    }

    fn tell_step(
        &mut self,
        index: usize,
        about: About,
        account: &Account,
        period: (Timestamp, Timestamp),
        step: Step,
        time: Timestamp,
    ) {
        let now = self.latest(time);
        let Some(rule) = self.settings.budgets.get(index) else { return };
        let finding = {
            let usual = self.usual(rule, about, account, now);
            let outlook = Outlook {
                now: time,
                period,
                counted_since: self.accounts.budgets.ledger(index).and_then(|ledger| ledger.since(period.0)),
                usual: usual.as_ref().map(|usual| usual as &dyn Fn(Timestamp) -> f64),
            };
            budget::finding(rule, account, step, &outlook)
        };
        let (parts, spread) = self.parts(about, &Parts::default());
        let watched = self.row(about).map_or(Span::ZERO, |row| now - row.first_seen);
        let candidate = Candidate {
            about,
            name: account.name.to_string(),
            tag: period.0.millis() as u64,
            finding,
            parts,
            spread,
            history: watched.max(Span::ZERO),
            window: Span::ZERO,
            urgent: true,
            patient: false,
        };
        let name = rule.name.clone();
        let settings = self.settings.book;
        self.book.step(candidate, &name, period.1, now, &settings);
    }

    /// Requests a minute that are usual for a subject at an instant, as far as its budget counts them.
    fn usual<'a>(
        &'a self,
        rule: &Settings,
        about: About,
        account: &Account,
        now: Timestamp,
    ) -> Option<impl Fn(Timestamp) -> f64 + use<'a>> {
        let full = self.row(about)?.full.as_deref().filter(|full| full.normal.age(now) >= LEAST_AGE)?;
        let around = self.scene(about.kind, now.bucket(TICK), self.history()).around;
        let whole = rule.endpoints.is_empty() && (rule.keys.is_empty() || rule.per == SubjectKind::Key);
        let (counted, since) = account.recent(now);
        let all = full.counts.hours.sum(since.bucket(Span::HOUR), now.bucket(Span::HOUR));
        let share = if whole { 1.0 } else { (counted as f64 / (all as f64).max(1.0)).min(1.0) };
        Some(move |t| full.normal.rate(Moment::at(t, around.zone), &around) * share)
    }

    /// A line's time, or up to where everything is judged if that is later: what is told late is told then.
    pub(super) fn latest(&self, time: Timestamp) -> Timestamp {
        self.judged_until().map_or(time, |judged| judged.max(time))
    }

    /// Brings the numbers of the open incidents of budgets up to date: on the hour, and when their period is over.
    pub(super) fn refresh_budgets(&mut self, end: Timestamp) {
        let hour = end.millis() % Span::HOUR.millis() == 0;
        for place in 0..self.book.entries().len() {
            let Some(entry) = self.book.entries().get(place).filter(|entry| entry.is_budget()) else { continue };
            let until = entry.last_active();
            if !hour && until > end {
                continue;
            }
            let index = self.settings.budgets.iter().position(|rule| rule.name == entry.incident.rule);
            let start = entry.evidence.first().map(|evidence| Timestamp::from_millis(evidence.tag as i64));
            if let (Some(index), Some(start)) = (index, start) {
                self.refresh_entry(place, index, (start, until));
            }
        }
    }

    /// The same for one of them, after a line that came late.
    fn refresh_budget(&mut self, index: usize, about: About, period: (Timestamp, Timestamp)) {
        let Some(rule) = self.settings.budgets.get(index) else { return };
        let tag = period.0.millis() as u64;
        if let Some(place) = self.book.entries().iter().position(|entry| entry.is_of(&rule.name, about, tag)) {
            self.refresh_entry(place, index, period);
        }
    }

    fn refresh_entry(&mut self, place: usize, index: usize, period: (Timestamp, Timestamp)) {
        let Some(rule) = self.settings.budgets.get(index) else { return };
        let Some(entry) = self.book.entries_mut().get_mut(place) else { return };
        let ledger = self.accounts.budgets.ledger(index);
        let Some(account) = ledger.and_then(|ledger| ledger.account(period.0, entry.about.id)) else { return };
        let step = Step { percent: account.told, severity: entry.incident.severity };
        let outlook = Outlook { now: period.1, period, counted_since: None, usual: None };
        let finding = budget::finding(rule, account, step, &outlook);
        let incident = &mut entry.incident;
        (incident.observed, incident.expected, incident.impact) = (finding.observed, finding.expected, finding.impact);
        incident.peak = incident.peak.max(finding.observed);
        incident.unit = finding.unit.to_owned();
        let fresh = finding.facts.into_iter().filter(|(name, _)| REFRESHED.contains(&name.as_str()));
        incident.facts.extend(fresh);
    }

    /// How each budget fares.
    pub(super) fn budget_status(&self) -> Vec<BudgetStatus> {
        let one = |(index, rule): (usize, &Settings)| {
            let ledger: &Ledger = self.accounts.budgets.ledger(index)?;
            Some(BudgetStatus {
                rule: rule.name.clone(),
                subjects: ledger.subjects(),
                uncounted: ledger.uncounted,
                too_late: ledger.too_late,
            })
        };
        self.settings.budgets.iter().enumerate().filter_map(one).collect()
    }
}
