//! The same request again and again: who repeats what, since when, at what pace, and whether it always did.
//!
//! A doorkeeper lets only calls into the table that were seen three times; the table follows their runs; known calls
//! (three days or more) are remembered for two weeks; routes remember how long runs usually get. All of it is bounded: at
//! its limits 512 kB, 9 MB, 2 MB and 1 MB.

pub mod days;

mod doorkeeper;
mod entry;
mod pace;
mod route;

use serde::{Deserialize, Serialize};

use self::days::Days;
use self::doorkeeper::Doorkeeper;
use self::entry::Entry;
use self::route::Route;
use crate::event::{Flags, Id, Method};
use crate::measure::slots::{Slot, Slots};
use crate::time::{Span, Timestamp};

/// Repeated calls that are followed at a time.
pub const ENTRIES: usize = 65_536;

/// Known calls that are remembered when they are not followed.
pub const KNOWN: usize = 32_768;

/// Routes (with their methods) whose usual runs are remembered.
pub const ROUTES: usize = 4_096;

/// How long a known call is remembered.
const REMEMBERED: Span = Span::from_days(14);

/// How often the lengths of old runs lose half of their weight.
const FADING: Span = Span::from_days(14);

/// Sightings with which the doorkeeper lets a call in.
const PROMOTION: u32 = 3;

/// Fewest calls and shortest time of a run that any rule could fire on.
const WORTH_JUDGING: (u32, Span) = (12, Span::from_mins(2));

/// Calls of a run (or since it began to fail) of which each is handed out, and which of the others.
const OFTEN: u32 = 1024;
const SELDOM: u32 = 16;

/// A request as far as repeating it matters.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// When, by the log.
    pub time: Timestamp,
    /// The fingerprint: caller, method, path with ids, query without cache-busters, and the length or digest of the body.
    pub request: Id,
    /// Whose call: the key, or the client if there is none.
    pub caller: Id,
    /// Whether `caller` is a key.
    pub caller_is_key: bool,
    /// The endpoint.
    pub route: Id,
    /// The method.
    pub method: Method,
    /// The status, 0 if unknown.
    pub status: u16,
    /// The event's flags: [`Flags::HTTP`], [`Flags::STRONG`] and [`Flags::STATIC`] matter here.
    pub flags: Flags,
    /// Milliseconds it took, [`crate::event::Event::UNKNOWN`] if not logged.
    pub duration_ms: u32,
    /// What it cost, NaN if unknown.
    pub cost: f32,
    /// The number of the local day.
    pub day: i32,
}

impl Call {
    /// Whether it failed in a way that makes callers retry: 5xx, 408, 429, 499; for a key any 4xx (for bare clients those
    /// are probing, which is another detector's).
    pub fn failed(&self) -> bool {
        matches!(self.status, 500..=599 | 408 | 429 | 499) || self.caller_is_key && matches!(self.status, 400..=499)
    }
}

/// A run of one call: consecutive sightings without a long pause.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// The fingerprint.
    pub request: Id,
    /// Whose call.
    pub caller: Id,
    /// Whether `caller` is a key.
    pub caller_is_key: bool,
    /// The endpoint.
    pub route: Id,
    /// The method.
    pub method: Method,
    /// Whether the fingerprint tells contents apart.
    pub strong: bool,
    /// When this call was first followed.
    pub first_at: Timestamp,
    /// When the run began.
    pub started_at: Timestamp,
    /// Its last call so far.
    pub last_at: Timestamp,
    /// Its calls.
    pub calls: u32,
    /// Failed ones among them.
    pub failures: u32,
    /// What they cost, if a cost is known.
    pub cost: Option<f64>,
    /// When it began to fail; only if `failing_calls` is not 0.
    pub failing_at: Timestamp,
    /// Calls since it began to fail.
    pub failing_calls: u32,
    /// Failed ones among those.
    pub failing_failures: u32,
    /// The typical time between calls; zero while unknown.
    pub gap: Span,
    /// Variance of the natural logarithm of the gaps: 0 is a metronome, 1.6 is chance.
    pub gap_variance: f64,
    /// Typical milliseconds a call takes, if logged.
    pub latency_ms: Option<f64>,
    /// The status of the last call.
    pub last_status: u16,
    /// The call's counts today and on earlier days.
    pub days: Days,
    /// The call was there when history began: it is usual until its pace changes.
    pub known: bool,
    /// It belongs to an open incident.
    pub held: bool,
    /// Rate in the last third of the run against the first third.
    pub pace: f64,
}

/// A run and what is usual around it: all that judging it takes.
#[derive(Clone, Copy, Debug)]
pub struct Sighting {
    /// The run.
    pub run: Run,
    /// How much history there was before the run began.
    pub history: Span,
    /// Length that 99.5 % of succeeding runs on this route stay below.
    pub longest_usual: u32,
    /// Length that 99.5 % of failing runs on this route stay below.
    pub longest_usual_failing: u32,
    /// Median milliseconds of all calls on the route, once known.
    pub route_median_ms: Option<f64>,
    /// Callers that repeated failing calls on this route in the last ten minutes, counted up to 4.
    pub failing_callers: u32,
    /// All requests of the caller since the run began, if the engine knows; `None` as it comes from here.
    pub caller_requests: Option<u64>,
}

/// A known call that is not followed at the moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct KnownCall {
    request: Id,
    last: Timestamp,
    days: Days,
}

impl Slot for KnownCall {
    fn hash(&self) -> u64 {
        self.request.0
    }

    fn worth(&self, _: Timestamp) -> (u8, i64) {
        (0, self.last.millis())
    }
}

/// All calls that repeat. One for the whole site.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Repeats {
    witnessed_from: Option<Timestamp>,
    faded: Option<Timestamp>,
    doorkeeper: Doorkeeper,
    table: Slots<Entry, ENTRIES>,
    known: Slots<KnownCall, KNOWN>,
    routes: Slots<Route, ROUTES>,
}

impl Repeats {
    /// Takes a request. Answers with the run it belongs to if that could be odd (12 calls in 2 minutes at least): then it is to
    /// be judged at once. After 1,024 calls (failing or not) this is every 16th; for a held run never: look at those on ticks. Lines that are not HTTP, and static assets, are passed over.
    pub fn absorb(&mut self, call: &Call) -> Option<Sighting> {
        let from = *self.witnessed_from.get_or_insert(call.time);
        if !call.request.is_some() || !call.flags.has(Flags::HTTP) || call.flags.has(Flags::STATIC) {
            return None;
        }
        let hash = Route::hash_of(call.route, call.method);
        let route = self.routes.get_or_insert_with(hash, call.time, || Route::new(hash, call.time))?;
        if call.duration_ms != crate::event::Event::UNKNOWN {
            route.timed(call.duration_ms, call.time);
        }
        let Some(entry) = self.table.get_mut(call.request.0) else {
            let sightings = self.doorkeeper.count(call.request.0, call.time);
            if sightings > 1 && call.failed() {
                route.failed(call.caller, call.time);
            }
            if sightings >= PROMOTION {
                self.promote(call);
            }
            return None;
        };
        if call.failed() {
            route.failed(call.caller, call.time);
        }
        if let Some((length, failing)) = entry.absorb(call, from) {
            route.ended(length, failing);
        }
        // Most runs are too short, whatever else they are.
        if entry.calls() < WORTH_JUDGING.0 {
            return None;
        }
        let run = entry.run(from);
        let worth = run.calls >= WORTH_JUDGING.0 && run.last_at - run.started_at >= WORTH_JUDGING.1;
        let fresh = run.calls <= OFTEN || (1..=OFTEN).contains(&run.failing_calls);
        let due = !run.held && (fresh || run.calls.is_multiple_of(SELDOM));
        (worth && due).then(|| Self::sighting(run, route, from, call.time))
    }

    /// Reads what [`Repeats::absorb`] will look at; the answer means nothing.
    pub fn warm(&self, request: Id) -> u64 {
        self.doorkeeper.warm(request.0) ^ u64::from(self.table.get(request.0).is_some())
    }

    /// The run of a call as it stands, for looking at an open incident again.
    pub fn look(&self, request: Id, now: Timestamp) -> Option<Sighting> {
        let from = self.witnessed_from?;
        let entry = self.table.get(request.0)?;
        let (route, method) = entry.route();
        let route = self.routes.get(Route::hash_of(route, method))?;
        Some(Self::sighting(entry.run(from), route, from, now))
    }

    /// Says whether a call belongs to an open incident: as long as it does, nothing it does is learned as usual, and it
    /// is the last to be evicted.
    pub fn hold(&mut self, request: Id, held: bool) {
        if let Some(entry) = self.table.get_mut(request.0) {
            entry.hold(held);
        }
    }

    /// Says that a call that goes on like this is no news any more.
    pub fn know(&mut self, request: Id) {
        if let Some(entry) = self.table.get_mut(request.0) {
            entry.know();
        }
    }

    /// Once an hour: learns from runs that are over, forgets what is older than two weeks.
    pub fn sweep(&mut self, now: Timestamp) {
        let Repeats { table, known, routes, .. } = self;
        table.retain(|entry| {
            if !entry.has_taught() && entry.is_over(now) {
                let (route, method) = entry.route();
                if let (Some((length, failing)), Some(route)) =
                    (entry.end(), routes.get_mut(Route::hash_of(route, method)))
                {
                    route.ended(length, failing);
                }
            }
            now - entry.last() <= REMEMBERED
        });
        known.retain(|call| now - call.last <= REMEMBERED);
        let faded = *self.faded.get_or_insert(now);
        if now - faded >= FADING {
            self.faded = Some(now);
            routes.retain(|route| {
                route.fade();
                true
            });
        }
    }

    /// How many calls are followed.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether no call is followed.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// How many calls had to make room since the beginning: a metric.
    pub fn evictions(&self) -> u64 {
        self.table.evictions() + self.known.evictions() + self.routes.evictions()
    }

    /// Bytes in use.
    pub fn bytes(&self) -> usize {
        512 * 1024 + self.table.bytes() + self.known.bytes() + self.routes.bytes()
    }

    fn promote(&mut self, call: &Call) {
        let days = self.known.remove(call.request.0).map(|known| known.days);
        let Some(mut old) = self.table.insert(Entry::new(call, days), call.time) else { return };
        let (route, method) = old.route();
        if let (Some((length, failing)), Some(route)) = (old.end(), self.routes.get_mut(Route::hash_of(route, method)))
        {
            route.ended(length, failing);
        }
        if old.days().active_days() >= 3 {
            let old = KnownCall { request: Id(old.hash()), last: old.last(), days: old.days() };
            self.known.insert(old, call.time);
        }
    }

    fn sighting(run: Run, route: &Route, from: Timestamp, now: Timestamp) -> Sighting {
        Sighting {
            run,
            history: run.started_at - from,
            longest_usual: route.longest_usual(false),
            longest_usual_failing: route.longest_usual(true),
            route_median_ms: route.median_ms(),
            failing_callers: route.failing_callers(now),
            caller_requests: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(n: u64, time: Timestamp, day: i32) -> Call {
        Call {
            time,
            request: Id(n),
            caller: Id(1),
            caller_is_key: n.is_multiple_of(2),
            route: Id(n % 7),
            method: Method::Get,
            status: (n % 600) as u16,
            flags: Flags::HTTP.with(Flags::STRONG),
            duration_ms: n as u32,
            cost: f32::from_bits(n as u32),
            day,
        }
    }

    #[test]
    fn no_clock_and_no_number_can_upset_it() {
        let times = [Timestamp::MIN, Timestamp::MAX, Timestamp::from_secs(0), Timestamp::from_secs(1_772_409_600)];
        let (mut repeats, mut random) = (Repeats::default(), 1u64);
        for n in 0..20_000u64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(n | 1);
            let time = times[(random >> 60) as usize % 4] + Span::from_millis((random >> 20) as i64 % 100_000_000);
            let day = [i32::MIN, i32::MAX, 0, 20_000][(random >> 50) as usize % 4];
            let mut each = call(random >> 59, time, day);
            each.cost = f32::from_bits((random >> 11) as u32);
            repeats.absorb(&each);
            if n % 1000 == 0 {
                repeats.sweep(time);
            }
        }
        let bytes = postcard::to_allocvec(&repeats).unwrap();
        assert!(postcard::from_bytes::<Repeats>(&bytes).is_ok());
        assert!(postcard::from_bytes::<Repeats>(&bytes[..bytes.len() / 2]).is_err());
    }

    #[test]
    fn a_known_call_that_had_to_make_room_comes_back_with_its_days() {
        let start = Timestamp::from_secs(1_772_409_600);
        let mut repeats = Repeats::default();
        let mut days = Days::new(10);
        for day in 10..15 {
            days.turn(day, false);
            days.add(1440, 0);
        }
        repeats.known.insert(KnownCall { request: Id(77), last: start, days }, start);
        for n in 0..3 {
            repeats.absorb(&call(77, start + Span::from_mins(n), 15));
        }
        let run = repeats.look(Id(77), start).unwrap().run;
        assert_eq!(run.days.earlier_days(), 5);
        assert!(run.days.busiest() > 1300);
        assert!(repeats.known.is_empty());
    }

    #[test]
    fn its_limits_are_what_the_module_says() {
        let bytes = [ENTRIES * size_of::<Entry>(), KNOWN * size_of::<KnownCall>(), ROUTES * size_of::<Route>()];
        assert!(bytes[0] <= 10 << 20 && bytes[1] <= 2 << 20 && bytes[2] <= 1 << 20, "{bytes:?}");
    }

    #[test]
    fn what_is_not_a_request_is_passed_over() {
        let mut repeats = Repeats::default();
        for flags in [Flags::default(), Flags::HTTP.with(Flags::STATIC)] {
            for n in 0..50 {
                let time = Timestamp::from_secs(1_772_409_600 + n * 60);
                assert!(repeats.absorb(&Call { flags, ..call(5, time, 0) }).is_none());
            }
        }
        assert!(repeats.is_empty());
    }
}
