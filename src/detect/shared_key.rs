//! `shared-key`: more and more use one key, and they stay: it is handed on, from colleague to colleague or to the world.
//!
//! Judged once a day by those who come back: networks that used the key on three days of a week. Their number must have
//! grown to three times what it was two or three weeks ago, week by week, with hardly anybody gone and not on one day:
//! who comes all at once is `leaked-key`'s business, who comes and goes are phones, builds or machines of a cloud.
//!
//! Facts: `steady_networks` (count), `steady_before` (count), `grown_for` (span: since the number was that), `lasting`
//! (share of last week's who still come).

use super::grounds::Grounds;
use super::scene::Sensitivity;
use super::{DetectorKind, Fact, Facts, Finding, Impact, Parts, Trend};
use crate::event::Severity;
use crate::measure::sharing::Growth;
use crate::time::{Span, Timestamp};

/// The detector's name.
pub const NAME: &str = "shared-key";

/// The detector as it is listed.
pub const KIND: DetectorKind = DetectorKind {
    name: NAME,
    notices: "a key that more and more networks use, week by week, and go on using: it is handed on",
    rank: 85,
};

/// How the detector is tuned.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// Whether it runs.
    pub enabled: bool,
    /// How easily it speaks.
    pub sensitivity: Sensitivity,
    /// Networks that come back, of which it takes so many.
    pub networks: u32,
    /// So many times as many as at the beginning.
    pub factor: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { enabled: true, sensitivity: Sensitivity::Normal, networks: 8, factor: 3.0 }
    }
}

/// Share of those of the week before who must still come.
const LASTING: f64 = 0.8;
/// Share of the newcomers that may have come on one day.
const AT_ONCE: f64 = 0.4;
/// It is news again when it is so many times what was told.
const NEWS: f64 = 1.5;

/// Judges a key at the end of a local day.
pub fn judge(growth: &Growth, now: Timestamp, settings: &Settings) -> Option<Finding> {
    let (Some(steady), Some(last), Some(earlier)) = (growth.weeks[0], growth.weeks[1], growth.weeks[2]) else {
        return None;
    };
    let before = growth.weeks[3].unwrap_or(earlier);
    let factor = match settings.sensitivity {
        Sensitivity::Low => 1.5 * settings.factor,
        Sensitivity::Normal => settings.factor,
        Sensitivity::High => 1.0 + (settings.factor - 1.0) / 2.0,
    };
    let least = f64::from(settings.networks).max(factor * f64::from(before.max(1)));
    let enough = f64::from(steady) >= least && f64::from(steady) >= NEWS * f64::from(growth.told);
    // In more weeks than one, and never back.
    let stable = before <= earlier && earlier <= last && last <= steady && last > before && before > 0;
    let theirs = growth.lasting >= LASTING && growth.at_once <= AT_ONCE && !growth.crowded;
    (enough && stable && theirs).then(|| finding(growth, (steady, before), least, now))
}

fn finding(growth: &Growth, (steady, before): (u32, u32), least: f64, now: Timestamp) -> Finding {
    let weeks = if growth.weeks[3].is_some() { 3 } else { 2 };
    let mut facts = Facts::new();
    let mut put = |name: &str, fact| facts.insert(name.to_owned(), fact);
    put("steady_networks", Fact::Count(u64::from(steady)));
    put("steady_before", Fact::Count(u64::from(before)));
    put("grown_for", Fact::Span(Span::from_days(7 * weeks)));
    put("lasting", Fact::Share(growth.lasting));
    let by_week: Vec<String> = growth.weeks.iter().rev().flatten().map(ToString::to_string).collect();
    Finding {
        detector: NAME,
        started_at: now - Span::from_days(7 * weeks),
        observed: f64::from(steady),
        expected: f64::from(before),
        unit: "networks",
        bits: 20.0,
        excess: f64::from(steady - before.min(steady)),
        severity: Severity::Info,
        trend: Trend::Rising,
        impact: Impact::default(),
        facts,
        parts: Parts::default(),
        grounds: Grounds::count(f64::from(steady), least.ceil())
            .line(format!("Networks that came back on three days of a week, week by week: {}.", by_week.join(", ")))
            .line(format!(
                "{:.0} % of those of the week before still come; at most {:.0} % of the newcomers came on one day.",
                100.0 * growth.lasting,
                100.0 * growth.at_once
            )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn growth(weeks: [u32; 4]) -> Growth {
        Growth { weeks: weeks.map(Some), lasting: 1.0, at_once: 0.2, crowded: false, days: 28, told: 0 }
    }

    #[test]
    fn only_growth_that_lasts_is_sharing() {
        let told = |growth: &Growth| judge(growth, Timestamp::from_secs(1_790_000_000), &Settings::default()).is_some();
        let grown = growth([12, 8, 5, 3]);
        assert!(told(&grown));
        assert!(told(&Growth { weeks: [Some(12), Some(8), Some(4), None], ..grown }), "three weeks are enough");
        for (quiet, why) in [
            (growth([12, 3, 3, 3]), "all in one week"),
            (growth([12, 14, 5, 3]), "it is going back"),
            (growth([12, 12, 12, 10]), "an office has as many as ever"),
            (growth([6, 4, 3, 1]), "few"),
            (growth([12, 8, 4, 0]), "a new key grows"),
            (Growth { lasting: 0.5, ..grown }, "they come and go"),
            (Growth { at_once: 0.7, ..grown }, "all on one day"),
            (Growth { crowded: true, ..grown }, "everybody"),
            (Growth { told: 10, ..grown }, "told before"),
            (Growth { weeks: [Some(12), Some(8), None, None], ..grown }, "too young"),
        ] {
            assert!(!told(&quiet), "{why}");
        }
    }
}
