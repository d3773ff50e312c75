//! The figures that may not get worse.

use std::fmt::Write as _;

use super::report::{Figures, a_week, figures, incidents};
use super::score::Run;

/// Least and most values of what is reported; shares between 0 and 1.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Bars {
    pub loud_found: f64,
    pub loud_in_time: f64,
    pub loud_start: f64,
    pub found: f64,
    pub right_subject: f64,
    pub openings: f64,
    pub false_a_week: f64,
    pub false_a_week_wild: f64,
}

/// What the design promises.
pub const PROMISED: Bars = Bars {
    loud_found: 1.0,
    loud_in_time: 1.0,
    loud_start: 1.0,
    found: 0.9,
    right_subject: 0.95,
    openings: 1.2,
    false_a_week: 1.0,
    false_a_week_wild: 3.0,
};

/// One figure against its bar.
#[derive(Clone, PartialEq, Debug)]
pub struct Held {
    pub what: &'static str,
    pub bar: f64,
    pub seen: f64,
    /// Whether the bar is a most, not a least.
    pub most: bool,
}

impl Held {
    pub fn is_met(&self) -> bool {
        // A figure of whole numbers is what it is: no slack but that of a division.
        if self.most { self.seen <= self.bar + 1e-9 } else { self.seen >= self.bar - 1e-9 }
    }
}

fn share(n: usize, of: usize) -> f64 {
    if of == 0 { 1.0 } else { n as f64 / of as f64 }
}

/// All figures against their bars. `known`: detectors there are; incidents that are another's business do not count yet.
pub fn hold(bars: &Bars, stories: &[Run], mixes: &[Run], known: &[&str]) -> Vec<Held> {
    let all = || incidents(stories).chain(incidents(mixes)).filter(|v| known.contains(&v.label.kind));
    let every = figures(all());
    let loud = figures(all().filter(|v| v.label.loud));
    let least = |what, bar, seen| Held { what, bar, seen, most: false };
    let most = |what, bar, seen| Held { what, bar, seen, most: true };
    let openings = |f: &Figures| f.opened as f64 / f.found.max(1) as f64;
    let falses = |wild: bool| {
        let of: Vec<&Run> = mixes.iter().filter(|r| r.scenario.contains("no wild ones") != wild).collect();
        a_week(of.iter().map(|r| r.falses.len()).sum(), of.iter().map(|r| r.length).sum())
    };
    vec![
        least("loud incidents found", bars.loud_found, share(loud.found, loud.incidents)),
        least("loud incidents noticed within two minutes", bars.loud_in_time, share(loud.in_time, loud.incidents)),
        least("starts of loud incidents within two minutes", bars.loud_start, share(loud.start_known, loud.found)),
        least("incidents found", bars.found, share(every.found, every.incidents)),
        least("right subject of those found", bars.right_subject, share(every.right_subject, every.found)),
        most("openings an incident", bars.openings, openings(&every)),
        most("false notices a week without the wild keys", bars.false_a_week, falses(false)),
        most("false notices a week with the wild keys", bars.false_a_week_wild, falses(true)),
    ]
}

/// As a table.
pub fn table(held: &[Held]) -> String {
    let mut out = String::from("| figure | bar | seen | |\n|---|---|---|---|\n");
    for h in held {
        let shown = |x: f64| if h.most { format!("{x:.2}") } else { format!("{:.1} %", 100.0 * x) };
        let sign = if h.most { "at most" } else { "at least" };
        let verdict = if h.is_met() { "met" } else { "**not met**" };
        let _ = writeln!(out, "| {} | {sign} {} | {} | {verdict} |", h.what, shown(h.bar), shown(h.seen));
    }
    out
}
