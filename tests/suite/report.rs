//! Tables of what was found, when, under which name, and of false alarms.

use std::fmt::Write as _;

use super::baseline::METHODS;
use super::score::{Run, Told, Verdict};
use super::shape::{DAY, MINUTE};
use super::story::MONDAY;

/// Kinds of incidents, in the order of the tables.
pub const KINDS: [&str; 15] = [
    "burst",
    "error-spike",
    "leaked-key",
    "retry-loop",
    "harvesting",
    "enumeration",
    "credential-stuffing",
    "scope-creep",
    "front-end-exposure",
    "impossible-travel",
    "shared-key",
    "drift",
    "payload-size",
    "slow-response",
    "traffic-drop",
];

/// What was seen of some incidents.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Figures {
    pub incidents: usize,
    pub found: usize,
    pub in_time: usize,
    pub right_subject: usize,
    pub right_detector: usize,
    pub start_known: usize,
    pub opened: usize,
    pub notices: usize,
    /// Seconds to the first opening: half of the found ones, and nine tenths.
    pub delay: (f64, f64),
    /// Seconds between the told and the true start, likewise.
    pub start_error: (f64, f64),
}

/// Figures of these incidents.
pub fn figures<'a>(verdicts: impl IntoIterator<Item = &'a Verdict>) -> Figures {
    let mut f = Figures::default();
    let (mut delays, mut errors) = (Vec::new(), Vec::new());
    for verdict in verdicts {
        f.incidents += 1;
        if !verdict.is_found() {
            continue;
        }
        f.found += 1;
        f.in_time += usize::from(verdict.in_time());
        f.right_subject += usize::from(verdict.right_subject());
        f.right_detector += usize::from(verdict.right_detector());
        f.opened += verdict.told().count();
        f.notices += verdict.notices as usize;
        delays.extend(verdict.delay().map(|d| d as f64 / 1000.0));
        let error = verdict.start_error();
        f.start_known += usize::from(error.is_some_and(|e| e <= 2 * MINUTE));
        errors.extend(error.map(|e| e as f64 / 1000.0));
    }
    (f.delay, f.start_error) = (halves(delays), halves(errors));
    f
}

fn halves(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |q: f64| values.get(((values.len() as f64 * q) as usize).min(values.len().saturating_sub(1))).copied();
    (at(0.5).unwrap_or(0.0), at(0.9).unwrap_or(0.0))
}

/// What should be found: neither what may be told, nor probes of where finding begins.
pub fn incidents(runs: &[Run]) -> impl Iterator<Item = &Verdict> {
    runs.iter().flat_map(|r| &r.verdicts).filter(|v| !v.label.optional && !v.label.probe)
}

/// `12 of 13 (92 %)`.
fn part(n: usize, of: usize) -> String {
    if of == 0 { "–".to_owned() } else { format!("{n} of {of} ({:.0} %)", 100.0 * n as f64 / of as f64) }
}

fn seconds(s: f64) -> String {
    match s {
        s if s < 180.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

fn row(out: &mut String, name: &str, f: &Figures) {
    let per = |n: usize| if f.found == 0 { "–".to_owned() } else { format!("{:.2}", n as f64 / f.found as f64) };
    let _ = writeln!(
        out,
        "| {name} | {} | {} | {} / {} | {} / {} | {} | {} | {} | {} | {} |",
        part(f.found, f.incidents),
        part(f.in_time, f.incidents),
        seconds(f.delay.0),
        seconds(f.delay.1),
        seconds(f.start_error.0),
        seconds(f.start_error.1),
        part(f.start_known, f.found),
        part(f.right_subject, f.found),
        part(f.right_detector, f.found),
        per(f.opened),
        per(f.notices),
    );
}

/// The table of what was found, by kind.
pub fn found(runs: &[Run]) -> String {
    let all: Vec<&Verdict> = incidents(runs).collect();
    let mut out = String::from(
        "| incidents | found | in time | noticed after (half / 9 of 10) | start off by (half / 9 of 10) | start within 2 min | right subject | right detector | openings each | notices each |\n|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for kind in KINDS {
        row(&mut out, &format!("`{kind}`"), &figures(all.iter().copied().filter(|v| v.label.kind == kind)));
    }
    row(&mut out, "loud", &figures(all.iter().copied().filter(|v| v.label.loud)));
    row(&mut out, "**all**", &figures(all.iter().copied()));
    out
}

/// Recall against size.
pub fn curves(runs: &[Run]) -> String {
    let all: Vec<&Verdict> = runs.iter().flat_map(|r| &r.verdicts).collect();
    let mut names: Vec<&str> = all.iter().filter_map(|v| v.label.size.map(|s| s.0)).collect();
    names.sort_unstable();
    names.dedup();
    let mut out = String::from("| size | found, by size |\n|---|---|\n");
    for name in names {
        let of: Vec<&&Verdict> = all.iter().filter(|v| v.label.size.is_some_and(|s| s.0 == name)).collect();
        let mut sizes: Vec<f64> = of.iter().filter_map(|v| v.label.size.map(|s| s.1)).collect();
        sizes.sort_by(f64::total_cmp);
        sizes.dedup();
        let cells: Vec<String> = sizes
            .iter()
            .map(|size| {
                let f = figures(of.iter().filter(|v| v.label.size.is_some_and(|s| s.1 == *size)).map(|v| **v));
                format!("{size}: {}/{}", f.found, f.incidents)
            })
            .collect();
        let _ = writeln!(out, "| {name} | {} |", cells.join(" · "));
    }
    out
}

/// The name of the run in which a town is raised.
pub const RAISED: &str = "a town is raised";

/// False notices a week.
pub fn a_week(n: usize, length: i64) -> f64 {
    n as f64 * 7.0 * DAY as f64 / (length as f64).max(1.0)
}

/// False notices of the long mixes, by detector, beside those of the simple methods.
pub fn falses(mixes: &[Run], stories: &[Run]) -> String {
    let mut out = String::from(
        "| mix | requests | weeks | false notices a week | first week / later | of these by | lines of the daily summary a week | ",
    );
    let _ = writeln!(out, "{} |", METHODS.join(" | "));
    let _ = writeln!(out, "|---|---|---|---|---|---|---|{}", "---|".repeat(METHODS.len()));
    let mut names: Vec<&str> = mixes.iter().map(|r| r.scenario.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let mut groups: Vec<(&str, Vec<&Run>)> =
        names.into_iter().map(|name| (name, mixes.iter().filter(|r| r.scenario == name).collect())).collect();
    let (raised, told): (Vec<&Run>, Vec<&Run>) = stories.iter().partition(|r| r.scenario == RAISED);
    groups.push(("towns before their stories", raised));
    groups.push(("all stories", told));
    for (name, of) in groups.into_iter().filter(|(_, of)| !of.is_empty()) {
        let length = of.iter().map(|r| r.length).sum();
        let told: Vec<&Told> = of.iter().flat_map(|r| &r.falses).collect();
        let mut detectors: Vec<&str> = told.iter().map(|t| t.detector.as_str()).collect();
        detectors.sort_unstable();
        detectors.dedup();
        let count = |name: &str| told.iter().filter(|t| t.detector == name).count();
        let by: Vec<String> = detectors.iter().map(|d| format!("{d} {:.2}", a_week(count(d), length))).collect();
        // The first week, in which most is unknown, apart from the others.
        let week = 7 * DAY;
        let first = told.iter().filter(|t| t.at < MONDAY + week).count();
        let split = if of.iter().all(|r| r.length > 2 * week) {
            let (early, late) = (a_week(first, week * of.len() as i64), length - week * of.len() as i64);
            format!("{early:.2} / {:.2}", a_week(told.len() - first, late))
        } else {
            "–".to_owned()
        };
        let simple: Vec<String> = (0..METHODS.len())
            .map(|m| format!("{:.0}", a_week(of.iter().map(|r| r.false_alarms[m] as usize).sum(), length)))
            .collect();
        let _ = writeln!(
            out,
            "| {name} | {:.1} M | {:.0} | **{:.2}** | {split} | {} | {:.1} | {} |",
            of.iter().map(|r| r.events).sum::<u64>() as f64 / 1e6,
            length as f64 / (7 * DAY) as f64,
            a_week(told.len(), length),
            by.join(", "),
            a_week(of.iter().map(|r| r.false_lines.len()).sum(), length),
            simple.join(" | "),
        );
    }
    out
}

/// What the simple methods find of the same incidents.
pub fn comparison(runs: &[Run]) -> String {
    let all: Vec<&Verdict> = incidents(runs).collect();
    let mut out =
        format!("| incidents | Lapwing | {} |\n|---|---|{}\n", METHODS.join(" | "), "---|".repeat(METHODS.len()));
    let mut line = |name: &str, of: &[&&Verdict]| {
        let simple: Vec<String> =
            (0..METHODS.len()).map(|m| part(of.iter().filter(|v| v.alarms[m]).count(), of.len())).collect();
        let found = part(of.iter().filter(|v| v.is_found()).count(), of.len());
        let _ = writeln!(out, "| {name} | {found} | {} |", simple.join(" | "));
    };
    for kind in KINDS {
        line(&format!("`{kind}`"), &all.iter().filter(|v| v.label.kind == kind).collect::<Vec<_>>());
    }
    line("loud", &all.iter().filter(|v| v.label.loud).collect::<Vec<_>>());
    line("**all**", &all.iter().collect::<Vec<_>>());
    out
}

/// Everything that was not as it should be, one line each.
pub fn complaints(runs: &[Run], known: &[&str]) -> Vec<String> {
    let mut out = Vec::new();
    for run in runs {
        let about = format!("{} (seed {})", run.scenario, run.seed);
        for v in run.verdicts.iter().filter(|v| !v.label.optional) {
            let label = &v.label;
            if !known.contains(&label.kind) {
                continue;
            }
            let what = format!("{} {} at {}", label.kind, label.subjects[0], time(label.start));
            let what = if label.loud { format!("loud {what}") } else { what };
            let told: Vec<&Told> = v.told().collect();
            if !v.is_found() {
                if !label.probe {
                    let only = if v.lines.is_empty() { "" } else { " (but a line of the daily summary)" };
                    out.push(format!("{about}: not told: {what}{only}"));
                }
                continue;
            }
            let Some((first, again)) = told.split_first() else { continue };
            if !v.in_time() && !label.probe {
                let delay = seconds(v.delay().unwrap_or(0) as f64 / 1000.0);
                out.push(format!("{about}: late: {what} told after {delay}"));
            }
            if !v.right_subject() {
                out.push(format!("{about}: wrong subject: {what} told as {} {}", first.detector, first.subject));
            } else if !v.right_detector() {
                out.push(format!("{about}: wrong detector: {what} told as {}", first.detector));
            }
            let off = v.start_error().unwrap_or(0);
            if label.loud && off > 2 * MINUTE {
                out.push(format!(
                    "{about}: start off by {}: {what} told as {}",
                    seconds(off as f64 / 1000.0),
                    told_line(first)
                ));
            }
            let again: Vec<String> =
                again.iter().map(|m| format!("{} {} at {}", m.detector, m.subject, time(m.at))).collect();
            if let [first, rest @ ..] = &again[..] {
                let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
                out.push(format!("{about}: told again: {what} also as {first}{more}"));
            }
        }
        for told in &run.falses {
            out.push(format!("{about}: FALSE: {}", told_line(told)));
        }
        // What is only worth a line has to be quiet as well where nothing happens.
        let of_days = |told: &&Told| matches!(told.detector.as_str(), "drift" | "shared-key");
        for told in run.false_lines.iter().filter(of_days) {
            out.push(format!("{about}: FALSE LINE: {}", told_line(told)));
        }
    }
    out
}

fn told_line(told: &Told) -> String {
    format!(
        "{} {} at {}, began {}, {:.1} against {:.1}, {}",
        told.detector,
        told.subject,
        time(told.at),
        time(told.started_at),
        told.factor.0,
        told.factor.1,
        told.severity
    )
}

/// As logs write it.
pub fn time(millis: i64) -> String {
    lapwing::time::Timestamp::from_millis(millis).to_rfc3339()
}
