//! `drift`: what a key does changes shape: its routes, its client programs, its hours.
//!
//! Judged once a day on whole days of 200 requests and more. How far a day lies from the mean of the last two weeks is
//! compared with how far the key's days usually lie from it. What changes for many keys on one day is a release, or the
//! calendar.
//!
//! Facts: `changed` (list: `endpoints`, `client programs`, `hours`), `drift_share` (share: 0 the same, 1 nothing in common), `usual_drift` (share), `more`, `less` (text: what
//! there is most more and most less of; made of names by the engine), `more_share`, `more_before`, `less_share`,
//! `less_before` (share), `compared_days` (count).

use super::grounds::Grounds;
use super::scene::Sensitivity;
use super::{DetectorKind, Fact, Facts, Finding, Impact, Parts, Trend};
use crate::event::{Id, Severity};
use crate::measure::drift::{Day, Distance, Kind};
use crate::time::{Span, Timestamp};

/// The detector's name in the contract.
pub const NAME: &str = "drift";

/// The detector as it is listed.
pub const KIND: DetectorKind = DetectorKind {
    name: NAME,
    notices: "the mix of a key's endpoints, client programs or hours changes shape",
    rank: 88,
};

/// How the detector is tuned.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// Whether it runs.
    pub enabled: bool,
    /// How easily it speaks.
    pub sensitivity: Sensitivity,
    /// Requests of a day.
    pub requests: u32,
    /// Days with history before anything is said.
    pub days: u32,
    /// How far a day must lie from the usual: 0 the same, 1 nothing in common.
    pub distance: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { enabled: true, sensitivity: Sensitivity::Normal, requests: 200, days: 7, distance: 0.2 }
    }
}

/// So many times what it varies by.
const SPREADS: f64 = 5.0;
/// It varies by this much at least.
const LEAST_SPREAD: f64 = 0.02;
/// Keys that change alike on one day: it is a release, or the calendar.
const ALIKE: (usize, f64) = (3, 0.1);

/// Judges the days of all keys that are over: each key whose shape changed, and in what.
pub fn judge<'a>(days: &'a [Day], settings: &Settings) -> Vec<(&'a Day, Vec<Distance>)> {
    let old: Vec<&Day> =
        days.iter().filter(|day| day.days >= settings.days && day.requests >= settings.requests).collect();
    let far = |distance: &Distance| distance.now >= needed(distance, settings);
    let common = |kind: Kind| {
        let count = old.iter().filter(|day| day.distances.iter().any(|d| d.kind == kind && far(d))).count();
        count > ALIKE.0.max((ALIKE.1 * old.len() as f64) as usize)
    };
    let common = [Kind::Routes, Kind::Agents, Kind::Hours].map(|kind| (kind, common(kind)));
    let own = |distance: &Distance| far(distance) && !common.contains(&(distance.kind, true));
    old.into_iter()
        .map(|day| (day, day.distances.into_iter().filter(own).collect::<Vec<_>>()))
        .filter(|(_, changed)| !changed.is_empty())
        .collect()
}

/// How far it must be.
fn needed(distance: &Distance, settings: &Settings) -> f64 {
    let factor = match settings.sensitivity {
        Sensitivity::Low => 1.5,
        Sensitivity::Normal => 1.0,
        Sensitivity::High => 0.7,
    };
    // Nothing is farther than 1: what varies without bounds has no shape that could change.
    factor * settings.distance.max(distance.usual + SPREADS * distance.spread.max(LEAST_SPREAD))
}

/// What is to be told; `name` makes names of ids.
pub fn finding(
    day: &Day,
    changed: &[Distance],
    now: Timestamp,
    settings: &Settings,
    name: &dyn Fn(Kind, Id) -> Option<String>,
) -> Finding {
    let largest = changed.iter().copied().max_by(|a, b| a.now.total_cmp(&b.now));
    let largest = largest.unwrap_or(Distance { kind: Kind::Hours, now: 0.0, usual: 0.0, spread: 0.0 });
    let words = |kind| match kind {
        Kind::Routes => "endpoints",
        Kind::Agents => "client programs",
        Kind::Hours => "hours",
    };
    let mut facts = Facts::new();
    let mut put = |name: &str, fact| facts.insert(name.to_owned(), fact);
    put("changed", Fact::List(changed.iter().map(|distance| words(distance.kind).to_owned()).collect()));
    put("drift_share", Fact::Share(largest.now.min(1.0)));
    put("usual_drift", Fact::Share(largest.usual.min(1.0)));
    put("compared_days", Fact::Count(u64::from(day.days.min(14))));
    // Routes say more than programs; hours have no names.
    let named = [Kind::Routes, Kind::Agents].into_iter().find(|kind| changed.iter().any(|d| d.kind == *kind));
    if let Some(kind) = named {
        let parts = if kind == Kind::Routes { &day.routes } else { &day.agents };
        let more = parts.iter().find(|(_, now, usual)| now > usual);
        let less = parts.iter().find(|(_, now, usual)| now < usual);
        for (part, text, share, before) in
            [(more, "more", "more_share", "more_before"), (less, "less", "less_share", "less_before")]
        {
            if let Some((id, now, usual)) = part
                && let Some(known) = name(kind, *id)
            {
                put(text, Fact::Text(known));
                put(share, Fact::Share(*now));
                put(before, Fact::Share(*usual));
            }
        }
    }
    let shares = |parts: &[(Id, f64, f64)]| {
        let mut parts: Vec<(Id, f64)> = parts.iter().filter(|p| p.1 > 0.0).map(|p| (p.0, p.1)).collect();
        parts.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        parts
    };
    let mut grounds = Grounds::count(100.0 * largest.now, 100.0 * needed(&largest, settings));
    for distance in &day.distances {
        grounds = grounds.line(format!(
            "Its {} lay {:.2} from the usual (0 the same, 1 nothing in common); days usually lie {:.2} from it, give or take {:.2}; {:.2} was asked for.",
            words(distance.kind),
            distance.now,
            distance.usual,
            distance.spread.max(LEAST_SPREAD),
            needed(distance, settings)
        ));
    }
    Finding {
        detector: NAME,
        started_at: now - Span::DAY,
        observed: largest.now.min(1.0),
        expected: largest.usual.min(1.0),
        unit: "share of requests",
        bits: 20.0,
        excess: f64::from(day.requests) * largest.now,
        severity: Severity::Info,
        trend: Trend::Steady,
        impact: Impact { requests: u64::from(day.requests), errors: 0, cost: None },
        facts,
        parts: Parts { endpoints: shares(&day.routes), agents: shares(&day.agents), ..Parts::default() },
        grounds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(key: u64, now: [f64; 3]) -> Day {
        let kinds = [Kind::Routes, Kind::Agents, Kind::Hours];
        let distances = std::array::from_fn(|i| Distance { kind: kinds[i], now: now[i], usual: 0.05, spread: 0.01 });
        Day { key: Id(key), requests: 900, days: 12, distances, routes: Vec::new(), agents: Vec::new() }
    }

    #[test]
    fn what_changes_for_one_is_told_and_what_changes_for_many_is_not() {
        let settings = Settings::default();
        let mut days: Vec<Day> = (0..40).map(|key| day(key, [0.06, 0.02, 0.1])).collect();
        days[3] = day(3, [0.6, 0.02, 0.1]);
        let found = judge(&days, &settings);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].0.key, found[0].1[0].kind, found[0].1.len()), (Id(3), Kind::Routes, 1));
        for changed in &mut days[10..16] {
            changed.distances[0].now = 0.7;
        }
        days[20].distances[1].now = 0.5;
        let found = judge(&days, &settings);
        assert_eq!(found.iter().map(|(day, _)| day.key).collect::<Vec<_>>(), [Id(20)], "a release is no drift");
        days[20].days = 6;
        days[21] = Day { requests: 150, ..day(21, [0.9, 0.0, 0.0]) };
        days[22] = day(22, [0.5, 0.0, 0.0]);
        days[22].distances[0].spread = 0.15;
        let days = &days[18..];
        assert!(judge(days, &settings).is_empty(), "young, small, or never the same");
    }
}
