//! What nobody wants to hear for a while: silences that people ask for, and the windows of maintenance.
//!
//! A silence may have a ceiling: what grows beyond it is told all the same, once, and from then on as usual.

use crate::detect::pattern::fits as matches;
use crate::detect::{DETECTORS, budget};
use crate::notice::{Notice, words};
use crate::rule::schedule::Schedule;
use crate::store::{IncidentRow, Silence};
use crate::time::{Span, Timestamp, Zone};

/// A time of maintenance: `[maintenance.NAME]`.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Maintenance {
    /// Its name.
    pub name: String,
    /// When, week by week; always if not given.
    pub when: Schedule,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Not after.
    pub until: Option<Timestamp>,
    /// Which subjects, with `*`; all if empty.
    pub subjects: Vec<String>,
    /// Which detectors or rules, with `*`; all if empty.
    pub detectors: Vec<String>,
    /// What so many times the usual is told all the same.
    pub times: Option<f64>,
    /// What has cost so much is told all the same.
    pub cost: Option<f64>,
    /// Why.
    pub reason: String,
    /// The zone of `when`.
    pub zone: Zone,
}

impl Maintenance {
    /// Whether it is on at a moment.
    pub fn is_on(&self, at: Timestamp) -> bool {
        let local = at + self.zone.offset(at);
        let minute = local.millis().rem_euclid(Span::DAY.millis()) / Span::MINUTE.millis();
        // Monday is 0; the epoch was a Thursday.
        let day = (local.bucket(Span::DAY) + 3).rem_euclid(7) as usize;
        self.from.is_none_or(|from| at >= from)
            && self.until.is_none_or(|until| at < until)
            && self.when.covers(day, minute as u16)
    }

    /// As silences, for as long as it is on.
    pub(super) fn silences(&self, at: Timestamp) -> Vec<Silence> {
        if !self.is_on(at) {
            return Vec::new();
        }
        let any = |list: &[String]| -> Vec<Option<String>> {
            if list.is_empty() { vec![None] } else { list.iter().cloned().map(Some).collect() }
        };
        let mut all = Vec::new();
        for subject in any(&self.subjects) {
            for detector in any(&self.detectors) {
                // A silence that names nothing covers nothing; a window that names nothing covers all.
                let subject =
                    if subject.is_none() && detector.is_none() { Some("*".to_owned()) } else { subject.clone() };
                all.push(Silence {
                    subject,
                    detector,
                    until: Timestamp::MAX,
                    comment: self.reason.clone(),
                    window: Some(self.name.clone()),
                    times: self.times,
                    cost: self.cost,
                    ..Silence::default()
                });
            }
        }
        all
    }
}

/// Whether a silence covers a notice now. All that it names must fit; one that names nothing covers nothing. Drills
/// are always heard.
pub fn covers(silence: &Silence, notice: &Notice, now: Timestamp) -> bool {
    if silence.until <= now || notice.drill {
        return false;
    }
    let subject = notice.subject.to_string();
    let mut named = false;
    let mut fits = |pattern: &Option<String>, texts: &[&str]| match pattern {
        None => true,
        Some(pattern) => {
            named = true;
            texts.iter().any(|text| matches(pattern, text))
        }
    };
    let all = fits(&silence.subject, &[&subject, &notice.subject.name])
        & fits(&silence.detector, &[&notice.detector, &notice.rule])
        & fits(&silence.rule, &[&notice.rule])
        & fits(&silence.incident, &[&notice.incident]);
    all && named
}

/// What a level is kept under: one for each detector and subject.
pub(super) fn level_name(notice: &Notice) -> String {
    format!("{} {}", notice.detector, notice.subject)
}

/// A silence with the levels of what it covers now: a ceiling of so many times is held against them.
pub fn with_levels(mut silence: Silence, open: &[IncidentRow], now: Timestamp) -> Silence {
    let covered = open.iter().map(|row| &row.notice).filter(|notice| covers(&silence, notice, now));
    let levels = covered.filter(|notice| notice.observed > 0.0).map(|n| (level_name(n), n.observed)).collect();
    silence.levels = levels;
    silence
}

/// Whether what grows is told in spite of it.
pub(super) fn has_ceiling(silence: &Silence) -> bool {
    silence.times.is_some() || silence.cost.is_some()
}

/// Why a notice is above the ceiling of a silence that covers it, if it is.
pub(super) fn above(silence: &Silence, notice: &Notice, currency: &str) -> Option<String> {
    if let (Some(ceiling), Some(cost)) = (silence.cost, notice.impact.cost)
        && cost >= ceiling
    {
        let money = |amount| words::money(amount, currency);
        return Some(format!("it has cost {}, and {} was the limit", money(cost), money(ceiling)));
    }
    let known = silence.levels.get(&level_name(notice)).copied();
    let level = known.or(Some(notice.expected)).filter(|level| *level > 0.0)?;
    let times = notice.observed / level;
    // Of budgets and the users' own rules, what is expected is the limit.
    let limited = notice.detector == budget::NAME || !DETECTORS.iter().any(|kind| kind.name == notice.detector);
    let what = match (known, limited) {
        (Some(_), _) => "what it was when the silence was made",
        (None, true) => "its limit",
        (None, false) => "the usual",
    };
    silence
        .times
        .filter(|ceiling| times >= *ceiling)
        .map(|ceiling| format!("it is {times:.1} times {what}, and {ceiling} times was the limit"))
}

/// What a notice says that is told though somebody asked for silence.
pub(super) fn in_spite_of(silence: &Silence, why: &str) -> String {
    let mut about: Vec<String> = Vec::new();
    about.extend((!silence.comment.is_empty()).then(|| silence.comment.clone()));
    about.extend((!silence.author.is_empty()).then(|| format!("by {}", silence.author)));
    let about = if about.is_empty() { String::new() } else { format!(" ({})", about.join(", ")) };
    let what = match &silence.window {
        Some(name) => format!("the maintenance \"{name}\""),
        None => format!("silence {}", silence.id),
    };
    format!(" Told in spite of {what}{about}: {why}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn maintenance_is_on_in_its_hours_and_between_its_dates() {
        let mut when = Schedule::default();
        when.add("sun 02:00-04:00").unwrap();
        let window = Maintenance {
            name: "backup".to_owned(),
            when,
            until: Some(at("2026-04-01T00:00:00Z")),
            detectors: vec!["traffic-drop".to_owned(), "error-spike".to_owned()],
            zone: Zone::parse("Europe/Berlin").unwrap(),
            ..Maintenance::default()
        };
        // 2026-03-08 is a Sunday; Berlin is an hour ahead.
        assert!(window.is_on(at("2026-03-08T01:30:00Z")) && !window.is_on(at("2026-03-08T03:30:00Z")));
        assert!(!window.is_on(at("2026-03-09T01:30:00Z")) && !window.is_on(at("2026-04-05T01:30:00Z")));
        assert_eq!(window.silences(at("2026-03-08T01:30:00Z")).len(), 2);
        assert!(window.silences(at("2026-03-08T12:00:00Z")).is_empty());
        let all = Maintenance { name: "move".to_owned(), ..Maintenance::default() };
        assert_eq!(all.silences(at("2026-03-08T12:00:00Z"))[0].subject.as_deref(), Some("*"));
    }
}
