//! Whether failures last: a blip of seconds, and hosts that restart one after the other, do not.

use crate::detect::scene::Scene;
use crate::measure::failures::Failures;
use crate::measure::ring::Ring;
use crate::measure::rows::Full;
use crate::measure::surprise::beta_binomial_tail_bits;

/// Failures from which on it can be said how they lie in time, and the share of them in a fifth of the time that is blips.
const MANY_ERRORS: f64 = 10.0;
const IN_BITS: f64 = 0.85;
/// Part of a failing minute's share that the minute before it must reach.
const BEFORE: f64 = 0.3;
/// Share of a long window's failures in its last five minutes from which on those decide how they lie.
const MOST: f64 = 0.6;

/// Buckets of the longest window: an hour of minutes.
const LONGEST: usize = 60;

/// Requests and failures of a window.
pub(super) struct Window {
    /// Its length.
    pub(super) minutes: i64,
    /// A blip may lie across two minutes: short windows slide by ticks, long ones take out two minutes.
    fine: bool,
    newest: i64,
    buckets: i64,
    /// Requests that failed in it.
    pub(super) errors: f64,
    /// All requests in it.
    pub(super) requests: f64,
}

impl Window {
    /// The window of so many minutes that ends now.
    pub(super) fn of(failures: &Failures, full: &Full, scene: &Scene<'_>, minutes: i64) -> Window {
        Window::failed(failures, scene, minutes).counted(full)
    }

    /// The same, if `least` requests failed in it: most windows are told by that.
    pub(super) fn with(
        failures: &Failures,
        full: &Full,
        scene: &Scene<'_>,
        minutes: i64,
        least: f64,
    ) -> Option<Window> {
        Some(Window::failed(failures, scene, minutes)).filter(|w| w.errors >= least).map(|w| w.counted(full))
    }

    /// With its failures alone.
    fn failed(failures: &Failures, scene: &Scene<'_>, minutes: i64) -> Window {
        let fine = minutes <= 5;
        let (newest, buckets) = if fine { (scene.tick, 6 * minutes) } else { (scene.minute(), minutes) };
        let first = newest - buckets + 1;
        let errors = if fine { failures.tens.sum(first, newest) } else { failures.mins.sum(first, newest) };
        Window { minutes, fine, newest, buckets, errors: errors as f64, requests: 0.0 }
    }

    /// With its requests.
    fn counted(self, full: &Full) -> Window {
        let requests = match (self.fine, self.minutes) {
            // What is asked for over and over is remembered.
            (true, 5) => full.counts.ticks(self.newest, 30),
            (true, _) => full.counts.tens.sum(self.newest - self.buckets + 1, self.newest),
            (false, _) => full.counts.minutes(self.newest, self.minutes),
        };
        Window { requests: (requests as f64).max(self.errors), ..self }
    }

    /// Share of its requests that failed.
    pub(super) fn share(&self) -> f64 {
        self.errors / self.requests.max(1.0)
    }

    /// Failures and requests of its worst minute.
    pub(super) fn worst(&self, failures: &Failures, full: &Full) -> (f64, f64) {
        let (width, first) = (if self.fine { 6 } else { 2 }, self.newest - self.buckets + 1);
        let (mut errors, mut requests) = ([0u32; LONGEST], [0u32; LONGEST]);
        let length = (self.buckets as usize).min(LONGEST);
        let (errors, requests) = (&mut errors[..length], &mut requests[..length]);
        if self.fine {
            failures.tens.copy(first, errors);
            full.counts.tens.copy(first, requests);
        } else {
            failures.mins.copy(first, errors);
            full.counts.mins.copy(first, requests);
        }
        let total = |part: &[u32]| part.iter().map(|&n| u64::from(n)).sum::<u64>();
        let parts = errors.windows(width).zip(requests.windows(width));
        parts.fold((0.0, 0.0), |worst, (errors, requests)| {
            let failed = total(errors);
            if failed as f64 > worst.0 { (failed as f64, total(requests).max(failed) as f64) } else { worst }
        })
    }
}

/// Not a blip: without its worst minute the window would still be odd, and the last minute still is. A minute alone
/// is asked for the minute before it, which must fail as much.
/// `usual` share, `need`ed bits, and `least` share of the newest minute that is told at once.
pub(super) fn lasts(
    failures: &Failures,
    full: &Full,
    scene: &Scene<'_>,
    (usual, need, least): (f64, f64, f64),
    window: &Window,
) -> bool {
    let quick = fails_now(failures, full, scene, usual, least);
    if window.minutes == 1 || (quick && window.minutes == 5) {
        return quick;
    }
    let share = window.share();
    let high = |(errors, n): (f64, f64)| errors >= 1.0 && errors >= (0.5 * share).max(usual) * n;
    let (worst_errors, worst_requests) = window.worst(failures, full);
    let (errors, requests) = (window.errors - worst_errors, window.requests - worst_requests);
    let rest = beta_binomial_tail_bits(errors, requests, usual, failures.spread());
    // What thin streams lack in a minute they may show in three; long windows are asked for the last five.
    let ticks = if window.minutes <= 5 { 18 } else { 30 };
    let recent = failures.tens.sum(scene.tick - ticks + 1, scene.tick) as f64;
    let recently = full.counts.tens.sum(scene.tick - ticks + 1, scene.tick) as f64;
    let clearly = exceeds(recent, (0.5 * share).max(usual) * recently);
    let now = clearly && (high(minute_of(failures, full, scene, 0)) || recently < 20.0 || window.minutes > 5);
    now && errors > usual * requests
        && errors >= 3.0
        && rest >= 0.4 * need
        && !is_in_bits(failures, full, scene, window)
}

/// Failures and requests of the minute that ended `ago` minutes ago.
fn minute_of(failures: &Failures, full: &Full, scene: &Scene<'_>, ago: i64) -> (f64, f64) {
    let (first, last) = (scene.tick - 6 * ago - 5, scene.tick - 6 * ago);
    let errors = failures.tens.sum(first, last) as f64;
    (errors, (full.counts.tens.sum(first, last) as f64).max(errors))
}

/// Whether it has failed for more than a minute and still does: it began somewhere in the minute before the newest, of
/// which `least` fails, and its tens of seconds say that it is no blip.
fn fails_now(failures: &Failures, full: &Full, scene: &Scene<'_>, usual: f64, least: f64) -> bool {
    let (errors, requests) = minute_of(failures, full, scene, 0);
    let share = errors / requests.max(1.0);
    let (before, of) = minute_of(failures, full, scene, 1);
    share >= least
        && before >= 1.0
        && before >= (BEFORE * share).max(usual) * of
        && errors >= 1.0
        && fills_a_minute(failures, full, scene, share)
}

/// Whether a fifth of the time holds nearly all failures, though not most of the requests: hosts that restart one after
/// the other fail for seconds each, and work in between. Long windows are asked by the minute, and, where most of their
/// failures are of the last five minutes, by ten seconds too.
fn is_in_bits(failures: &Failures, full: &Full, scene: &Scene<'_>, window: &Window) -> bool {
    let minutes = window.minutes.min(5);
    let fine = || lie_in_bits(&failures.tens, &full.counts.tens, scene.tick, 6 * minutes);
    if window.minutes <= 5 {
        return fine();
    }
    let recent = failures.tens.sum(scene.tick - 6 * minutes + 1, scene.tick) as f64;
    lie_in_bits(&failures.mins, &full.counts.mins, scene.minute(), window.minutes)
        || (recent >= MOST * window.errors && fine())
}

/// Whether a fifth of so many buckets holds nearly all failures, and not most of the requests.
fn lie_in_bits<const N: usize, const M: usize>(failed: &Ring<N>, all: &Ring<M>, newest: i64, buckets: i64) -> bool {
    let mut counts: Vec<(u32, u32)> =
        (newest - buckets + 1..=newest).map(|bucket| (failed.get(bucket), all.get(bucket))).collect();
    counts.sort_unstable_by_key(|&(failed, _)| std::cmp::Reverse(failed));
    let sum = |counts: &[(u32, u32)]| {
        counts.iter().fold((0.0, 0.0), |sum, one| (sum.0 + f64::from(one.0), sum.1 + f64::from(one.1)))
    };
    let (errors, requests) = sum(&counts);
    let (most, with) = sum(&counts[..counts.len() / 5]);
    errors >= MANY_ERRORS && most >= IN_BITS * errors && with <= 0.5 * requests
}

/// Whether failing tens of seconds reach over a minute: a blip of half a minute touches four of them at most.
fn fills_a_minute(failures: &Failures, full: &Full, scene: &Scene<'_>, share: f64) -> bool {
    let failing = |i: &i64| {
        let errors = f64::from(failures.tens.get(scene.tick - i));
        errors >= 1.0 && errors >= 0.5 * share * f64::from(full.counts.tens.get(scene.tick - i))
    };
    let ticks: Vec<i64> = (0..12).filter(failing).collect();
    let reach = ticks.last().zip(ticks.first()).map_or(0, |(last, first)| last - first);
    ticks.len() >= 5 && reach >= 6
}

/// Clearly more than expected, not one error by chance.
pub(super) fn exceeds(errors: f64, expected: f64) -> bool {
    errors > expected + expected.sqrt() + 1.0
}
