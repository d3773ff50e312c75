//! `retry-loop`: the same request again and again, fast, or slow enough to pass every rate limit; not a poller of long
//! standing.
//!
//! Judged on each sighting that [`Repeats`](crate::measure::repeats::Repeats) hands out, without waiting for a tick. A run fires once
//! it is longer than its kind allows: 20 calls that fail, 36 that change something, 400 that only read, fewer when each
//! costs money; more on routes where long runs are usual. Runs that were there before Lapwing, or on earlier days, are
//! usual until they get three times as busy, or begin to fail.
//!
//! Facts: `calls` (count), `per_hour` (number), `gap` (span between calls), `failing` (flag), `failing_share` (share),
//! `last_status` (count), `method` (text), `cost` (number, so far), `cost_per_day` (number, at this pace), `weak` (flag:
//! the log does not show bodies, it may be a batch), `slow` (flag), `latency` (span), `share_of_caller` (share of the
//! caller's requests since the start). Facts of what is not known are absent.

use serde::{Deserialize, Serialize};

use super::grounds::Grounds;
use super::{DetectorKind, Fact, Facts, Finding, Impact, Parts, Trend};
use crate::event::Severity;
use crate::measure::repeats::{Run, Sighting};
use crate::time::{Span, Timestamp};

/// The detector's name in the contract.
pub const NAME: &str = "retry-loop";

/// The detector as it is listed.
pub const KIND: DetectorKind = DetectorKind {
    name: NAME,
    notices: "the same request again and again: fast, or slow enough to pass every rate limit; not a long-standing poller",
    rank: 3,
};

/// When a run of one request is a loop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Calls of a failing loop.
    pub failing_calls: u32,
    /// Calls of a loop that changes things, where the log tells contents apart.
    pub unsafe_calls: u32,
    /// Calls of a loop that changes things, where it does not.
    pub weak_calls: u32,
    /// Calls of a loop that only reads.
    pub safe_calls: u32,
    /// What a costed loop may spend before it fires, in the configured currency.
    pub spent: f64,
    /// Fewest calls of a costed loop, however dear they are.
    pub costed_calls: u32,
    /// Cost of one call from which on a loop counts as costed before it has spent all that.
    pub dear_call: f64,
    /// Cost a day at this pace that makes a loop critical.
    pub critical_per_day: f64,
    /// Share of failures that makes a run a failing one.
    pub failing_share: f64,
    /// Latency that makes a call slow.
    pub slow: Span,
    /// How many times the route's median makes a call slow, from one second on.
    pub slow_factor: f64,
    /// How much busier than its busiest earlier day a known call may get.
    pub known_factor: f64,
    /// Callers failing on one route from which on it is the route's trouble, told by `error-spike`. At most 4.
    pub callers: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            failing_calls: 20,
            // At a call every 173 seconds, an hour and three quarters.
            unsafe_calls: 36,
            weak_calls: 80,
            safe_calls: 400,
            spent: 20.0,
            costed_calls: 12,
            dear_call: 0.05,
            critical_per_day: 100.0,
            failing_share: 0.8,
            slow: Span::from_secs(10),
            slow_factor: 10.0,
            known_factor: 3.0,
            callers: 4,
        }
    }
}

/// What a run is.
#[derive(Clone, PartialEq, Debug)]
pub enum Verdict {
    /// Nothing odd, or not yet.
    Quiet,
    /// A new steady caller: a line in the digest, never a page.
    Digest(Finding),
    /// A loop: to be told.
    Page(Finding),
}

/// Shortest run of any kind that fires.
const MIN_AGE: Span = Span::from_mins(2);

/// Shortest succeeding run that changes things: ten minutes are more than an impatient user, or a job being polled.
const MIN_AGE_UNSAFE: Span = Span::from_mins(10);

/// What a loop may have cost at most, in times the money from which on it matters, however long others' runs are.
const MOST_SPENT: f64 = 2.0;

/// Shortest succeeding run that only reads and costs next to nothing.
const MIN_AGE_SAFE: Span = Span::from_hours(4);

/// History without which nobody can say whether a run is new; and where it costs money or is slow.
const MIN_HISTORY: (Span, Span) = (Span::DAY, Span::HOUR);

/// A call is known from this age on, or when it was seen on this many earlier days.
const KNOWN_AGE: Span = Span::from_days(2);
const KNOWN_DAYS: u32 = 2;

/// A call that was made for so long and works again is no loop, whatever was told of the part that failed.
const STANDING: Span = Span::from_hours(6);

/// Days on which a call must have failed before failing is usual for it.
const KNOWN_FAILING_DAYS: u32 = 3;

/// Share of its busiest day's calls that must have failed on its worst day for that.
const KNOWN_FAILING_SHARE: f64 = 0.1;

/// Largest variance of log gaps: of a machine whose bodies are not known, and of a failing loop (random reloads are none).
const STEADY: f64 = 0.12;
const NOT_RANDOM: f64 = 2.0;

/// Below this a call is not slow, whatever the route's median.
const SLOW_FLOOR_MS: f64 = 1000.0;

/// Judges a run as of its newest call (`now`).
pub fn judge(sighting: &Sighting, settings: &Settings, now: Timestamp) -> Verdict {
    let run = &sighting.run;
    let failing = is_failing(run, settings);
    if failing && fails_too_long(sighting, settings, now) {
        return Verdict::Page(finding(sighting, settings));
    }
    // A failing run that is left to others is not judged as a succeeding one.
    let mostly_failed = f64::from(run.failures) >= settings.failing_share * f64::from(run.calls);
    if mostly_failed || !succeeds_too_long(sighting, settings, now) {
        return Verdict::Quiet;
    }
    let matters = is_costed(run, settings) || is_slow(sighting, settings) || (!run.method.is_safe() && run.strong);
    let finding = finding(sighting, settings);
    if matters { Verdict::Page(finding) } else { Verdict::Digest(Finding { severity: Severity::Info, ..finding }) }
}

/// Whether a loop that was told with so many calls still goes on: it is over when no call came for ten minutes or five
/// typical gaps, whichever is longer. What was told of a call of long standing is that it fails: that is over when it works.
pub fn still(run: &Run, told: f64, settings: &Settings, now: Timestamp) -> bool {
    let old = run.days.earlier_days() >= KNOWN_DAYS || now - run.first_at > STANDING;
    let part = f64::from(run.calls) > 2.0 * told + f64::from(settings.failing_calls);
    let works = old && part && !is_failing(run, settings);
    !works && now - run.last_at <= run.gap.times(5).max(Span::from_mins(10))
}

/// What there is to say about a run, whatever the verdict: for updates and the end of an open incident.
pub fn finding(sighting: &Sighting, settings: &Settings) -> Finding {
    let run = &sighting.run;
    let failing = is_failing(run, settings);
    let (calls, failures, started_at) = part(run, failing);
    let age = run.last_at - started_at;
    let per_hour = f64::from(calls.saturating_sub(1)) / age.hours_f64().max(1.0 / 3600.0);
    let mean_cost = mean_cost(run);
    let cost = mean_cost.map(|mean| if calls == run.calls { run.cost.unwrap_or(0.0) } else { mean * f64::from(calls) });
    let cost_per_day = mean_cost.map(|mean| mean * per_hour * 24.0);
    let critical = cost_per_day.is_some_and(|cost| is_costed(run, settings) && cost >= settings.critical_per_day);
    let need = if failing { f64::from(settings.failing_calls) } else { need_succeeding(sighting, settings) };

    let mut facts = Facts::new();
    let mut put = |name: &str, fact: Fact| facts.insert(name.to_owned(), fact);
    put("calls", Fact::Count(u64::from(calls)));
    put("per_hour", Fact::Number(per_hour));
    put("gap", Fact::Span(run.gap));
    put("failing", Fact::Flag(failing));
    put("failing_share", Fact::Share(f64::from(failures) / f64::from(calls.max(1))));
    if run.last_status != 0 {
        put("last_status", Fact::Count(u64::from(run.last_status)));
    }
    put("method", Fact::Text(run.method.as_str().to_owned()));
    if let Some(cost) = cost {
        put("cost", Fact::Number(cost));
    }
    if let Some(cost) = cost_per_day {
        put("cost_per_day", Fact::Number(cost));
    }
    put("weak", Fact::Flag(!run.strong));
    put("slow", Fact::Flag(is_slow(sighting, settings)));
    if let Some(latency) = run.latency_ms {
        put("latency", Fact::Span(Span::from_millis(latency as i64)));
    }
    if let Some(all) = sighting.caller_requests {
        put("share_of_caller", Fact::Share((f64::from(calls) / all.max(1) as f64).min(1.0)));
    }

    let caller = vec![(run.caller, 1.0)];
    let endpoints = vec![(run.route, 1.0)];
    let parts = if run.caller_is_key {
        Parts { keys: caller, endpoints, ..Parts::default() }
    } else {
        Parts { clients: caller, endpoints, ..Parts::default() }
    };
    Finding {
        detector: NAME,
        started_at,
        observed: f64::from(calls),
        expected: f64::from(run.days.busiest()),
        unit: "calls",
        // A run has no model of its own to be surprised under: 20 bits where it fires, 4 more for each doubling.
        bits: (20.0 + 4.0 * (f64::from(calls.max(1)) / need.max(1.0)).log2()).max(0.0),
        excess: f64::from(calls),
        severity: if critical { Severity::Critical } else { Severity::Warning },
        trend: match run.pace {
            pace if pace > 1.3 => Trend::Rising,
            pace if pace < 0.77 => Trend::Falling,
            _ => Trend::Steady,
        },
        impact: Impact { requests: u64::from(calls), errors: u64::from(failures), cost },
        facts,
        parts,
        grounds: grounds(sighting, settings, f64::from(calls), failing),
    }
}

/// The steps of the judgement.
fn grounds(sighting: &Sighting, settings: &Settings, calls: f64, failing: bool) -> Grounds {
    let run = &sighting.run;
    let others = if failing { sighting.longest_usual_failing } else { sighting.longest_usual };
    let base = if failing { f64::from(settings.failing_calls) } else { need_succeeding(sighting, settings) };
    let need = with_habit(base, others, run, settings);
    Grounds::count(calls, need)
        .line(format!(
            "A run of one {} request{}: {} calls, {} failed, one about every {:.0} s, gaps vary by {:.2} (log).",
            run.method.as_str(),
            if run.strong { "" } else { " (its body is not in the log)" },
            run.calls,
            run.failures,
            run.gap.secs_f64(),
            run.gap_variance
        ))
        .line(format!("Runs of this route are usually up to {others} calls long; twice that is asked for at least."))
        .line(format!(
            "Seen on {} earlier days, {} calls on the busiest; {} calls today.",
            run.days.earlier_days(),
            run.days.busiest(),
            run.days.today
        ))
        .line(format!("Watched for {:.1} h before the run began.", sighting.history.hours_f64()))
}

/// The failing tests.
fn fails_too_long(sighting: &Sighting, settings: &Settings, now: Timestamp) -> bool {
    let run = &sighting.run;
    let need = with_habit(f64::from(settings.failing_calls), sighting.longest_usual_failing, run, settings);
    // A call now and then that fails makes no habit of failing for a machine; of others and where others fail as well,
    // it may be no more than the trouble of the route.
    let often = f64::from(run.days.busiest_failing()) >= KNOWN_FAILING_SHARE * f64::from(run.days.busiest());
    let known = run.days.failing_days() >= KNOWN_FAILING_DAYS
        && (often || run.gap_variance > STEADY || sighting.failing_callers > 1)
        && !run.held;
    f64::from(run.failing_calls) >= need
        && now - run.failing_at >= MIN_AGE
        && run.gap_variance <= NOT_RANDOM
        && sighting.failing_callers < settings.callers
        && (!known
            || f64::from(run.days.today_failures)
                >= need.max(settings.known_factor * f64::from(run.days.busiest_failing())))
}

/// The tests of runs that succeed, or fail only now and then.
fn succeeds_too_long(sighting: &Sighting, settings: &Settings, now: Timestamp) -> bool {
    let run = &sighting.run;
    let need = need_succeeding(sighting, settings);
    let matters = is_costed(run, settings) || is_slow(sighting, settings);
    let enough_history = sighting.history >= if matters { MIN_HISTORY.1 } else { MIN_HISTORY.0 };
    let age = now - run.started_at;
    let steady = run.strong || run.gap_variance <= STEADY;
    let only_reads = run.method.is_safe() && !is_costed(run, settings);
    let old_enough = age >= if only_reads { MIN_AGE_SAFE } else { MIN_AGE_UNSAFE };
    if f64::from(run.calls) < need || !steady || !old_enough {
        return false;
    }
    if run.held {
        return true;
    }
    if run.days.earlier_days() >= KNOWN_DAYS || now - run.first_at > KNOWN_AGE {
        return f64::from(run.days.today) >= need.max(settings.known_factor * f64::from(run.days.busiest()));
    }
    enough_history && !run.known
}

/// Calls a succeeding run needs.
fn need_succeeding(sighting: &Sighting, settings: &Settings) -> f64 {
    let run = &sighting.run;
    let calls = match (run.method.is_safe(), run.strong) {
        (true, _) => settings.safe_calls,
        (false, true) => settings.unsafe_calls,
        (false, false) => settings.weak_calls,
    };
    with_habit(f64::from(calls), sighting.longest_usual, run, settings)
}

/// Twice as many calls as others usually make on the route, unless they cost too much to wait for.
fn with_habit(calls: f64, others: u32, run: &Run, settings: &Settings) -> f64 {
    let need = with_cost(calls, run, settings);
    let usual = 2.0 * f64::from(others);
    match mean_cost(run) {
        Some(mean) if mean > 0.0 && is_costed(run, settings) => need.max(usual.min(MOST_SPENT * settings.spent / mean)),
        _ => need.max(usual),
    }
}

/// Fewer calls if they cost money.
fn with_cost(calls: f64, run: &Run, settings: &Settings) -> f64 {
    match mean_cost(run) {
        Some(mean) if mean > 0.0 && is_costed(run, settings) => {
            calls.min((settings.spent / mean).ceil().max(f64::from(settings.costed_calls)))
        }
        _ => calls,
    }
}

/// A cost is known, and matters: each call is dear, or the run has spent enough.
fn is_costed(run: &Run, settings: &Settings) -> bool {
    run.cost.is_some_and(|cost| cost >= settings.spent) || mean_cost(run).is_some_and(|mean| mean >= settings.dear_call)
}

fn mean_cost(run: &Run) -> Option<f64> {
    run.cost.map(|cost| cost / f64::from(run.calls.max(1)))
}

fn is_slow(sighting: &Sighting, settings: &Settings) -> bool {
    let Some(latency) = sighting.run.latency_ms else { return false };
    latency >= settings.slow.millis() as f64
        || latency >= SLOW_FLOOR_MS
            && sighting.route_median_ms.is_some_and(|median| latency >= settings.slow_factor * median)
}

fn is_failing(run: &Run, settings: &Settings) -> bool {
    run.failing_calls > 0 && f64::from(run.failing_failures) >= settings.failing_share * f64::from(run.failing_calls)
}

/// Calls, failures and start of what is told: the failing part of a run if it is failing.
fn part(run: &Run, failing: bool) -> (u32, u32, Timestamp) {
    if failing && f64::from(run.failing_calls) < f64::from(run.calls) {
        (run.failing_calls, run.failing_failures, run.failing_at)
    } else {
        (run.calls, run.failures, run.started_at)
    }
}

#[cfg(test)]
mod tests;
