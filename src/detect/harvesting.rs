//! `harvesting`: low and slow collection: far more different resources in a day than this caller, or its peers, ever read.
//!
//! Judged every quarter of an hour on the part of the day so far, in two windows of up to 24 hours, and on the last three
//! or four hours if it lasted through them. What counts is how many *different* things were read successfully, compared
//! with what the caller usually reads by this time of the day, with the largest days it had before, and with what others
//! like it read. A caller of less than a week is compared with its peers alone. Declared crawlers are peers of each other;
//! what they do is information, not a page.
//!
//! Facts: `resources` (count: different ones in the window), `usual_resources` (number: on a usual day; absent where nothing
//! is known), `collecting_for` (span: since the window began or the collecting did), `resources_per_hour` (number),
//! `in_sequence` (flag: it walks through numbers one by one), `sequence_share` (share of the requests on that route that
//! do), `walk_steps` (count: steps of a walk as it never made before; absent without one), `peers_only` (flag: compared with others only), `crawler` (flag: a declared one).

use super::grounds::Grounds;
use super::scene::{Scene, Sensitivity};
use super::{DetectorKind, Fact, Facts, Finding, Impact, Parts, Trend, burst};
use crate::event::{Severity, SubjectKind};
use crate::measure::harvest::{Harvest, Seen};
use crate::measure::peers::{Kind, Peak, Peers};
use crate::measure::rows::Full;
use crate::measure::surprise::nb_tail_bits;
use crate::time::{Span, Timestamp};

/// The detector's name in the contract.
pub const NAME: &str = "harvesting";

/// The detector as it is listed.
pub const KIND: DetectorKind = DetectorKind {
    name: NAME,
    notices: "low and slow collection: far more distinct resources in a day than this key or its peers ever read",
    rank: 4,
};

/// How the detector is tuned.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Settings {
    /// Whether it runs.
    pub enabled: bool,
    /// How easily it speaks.
    pub sensitivity: Sensitivity,
    /// Different resources in 24 hours that are nothing, whoever reads them.
    pub least: f64,
    /// Different resources beyond the usual that there must be.
    pub beyond: f64,
    /// So many times the usual is nothing.
    pub tolerance: f64,
    /// Bits that the alert budget asks for beyond the 25.
    pub extra_bits: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: true,
            sensitivity: Sensitivity::Normal,
            least: 150.0,
            beyond: 300.0,
            tolerance: 1.2,
            extra_bits: 0.0,
        }
    }
}

/// Bits that it takes against the caller's own history.
const NEED: f64 = 25.0;
/// So many times what it read on its second largest day is no news.
const NEWS: f64 = 1.2;
/// So many times what it read on its second largest day, and as much as hardly anybody reads, is news however much its
/// days vary.
const FAR: f64 = 3.0;
/// The same of a key that reads in bursts, however many others read as much.
const FARTHER: f64 = 5.0;
/// So many times the requests of its second busiest hour are no burst of its own.
const BEYOND_BURSTS: f64 = 4.0;
/// What lasts so long is no burst.
const LASTING: Span = Span::from_mins(150);
/// Bits that a walk through numbers adds, and a walk of somebody who never did so.
const WALKING: (f64, f64) = (10.0, 30.0);
/// Clients of fewer active days are compared with peers alone.
const KNOWN_DAYS: u16 = 7;
/// A key's own history counts from so many active days on, a working week, and is then enough.
const OWN_DAYS: u16 = 5;
/// So many active days are two weeks of anybody.
const TWO_WEEKS: u16 = 14;
/// How many identities a day may read as much: for newcomers, after less than three days of peers, and for the known.
const RARE: (f64, f64, f64) = (1.0 / 60.0, 1.0 / 300.0, 0.2);
/// For declared crawlers it must be so many times rarer.
const CRAWLERS: f64 = 5.0;
/// What was read by this time of the day is at least this share of what a usual day brings: profiles are not that exact.
const LEAST_PART: f64 = 0.15;
/// Days of peers (as they count them) before anything is said, and before a newcomer is judged like later ones: about a
/// day, and three.
const LEAST_DAYS: (f64, f64) = (0.9, 2.5);
/// While its own days are few, it must be so many times farther beyond them.
const YOUNG: f64 = 2.0;
/// The watch must have lasted for so long: the first day of the peers may have been an hour.
const FIRST_DAYS: Span = Span::from_hours(36);
/// Who was there within the first hours of the watch came with the log.
const FIRST_HOURS: Span = Span::from_hours(6);
/// Requests of the unbroken run that goes on, as a share of what was read beyond the usual: else that was read before.
const GOES_ON: f64 = 0.25;
/// Below this share of its pace it no longer collects.
const OVER_AT: f64 = 0.25;

/// Judges one key or client at the end of a quarter of an hour.
pub fn judge(
    kind: SubjectKind,
    harvest: &Harvest,
    full: &Full,
    scene: &Scene<'_>,
    peers: &Peers,
    settings: &Settings,
) -> Option<Finding> {
    if peers.days() < LEAST_DAYS.0 || scene.history < FIRST_DAYS || f64::from(harvest.requests()) < settings.least {
        return None;
    }
    let seen = harvest.seen(scene.end, scene.around.zone);
    let look = |seen| look(kind, harvest, full, scene, peers, settings, seen);
    let found = seen.into_iter().map(look).find(|look| look.fires).or_else(|| {
        let lately = harvest.seen_lately(&seen[0], scene.end, |start| requests_since(full, scene, start))?;
        // In the last hours only what lasts: a burst is told as one. When it began takes by far the most to say.
        let found = look(lately);
        (found.fires && scene.end - onset(harvest, full, scene, &found.seen) >= LASTING).then_some(found)
    })?;
    // What was read this morning says nothing of now.
    let since = onset(harvest, full, scene, &found.seen);
    let goes_on = requests_since(full, scene, since) as f64 >= GOES_ON * (found.seen.at_least - found.usual);
    (goes_on && still_at(harvest, full, scene, pace(full, scene, &found.seen, since)))
        .then(|| finding(harvest, full, scene, &found))
}

/// What there is to say about a caller, whatever the verdict: for updates and the end of an open incident.
pub fn current(
    kind: SubjectKind,
    harvest: &Harvest,
    full: &Full,
    scene: &Scene<'_>,
    peers: &Peers,
    settings: &Settings,
) -> Finding {
    let [earlier, later] = harvest.seen(scene.end, scene.around.zone);
    // The window that holds more of it.
    let seen = if earlier.resources >= later.resources { earlier } else { later };
    finding(harvest, full, scene, &look(kind, harvest, full, scene, peers, settings, seen))
}

/// Whether what was told still goes on: at a quarter of its pace or more, and above the usual.
pub fn still(harvest: &Harvest, full: &Full, scene: &Scene<'_>) -> bool {
    still_at(harvest, full, scene, harvest.pace())
}

fn still_at(harvest: &Harvest, full: &Full, scene: &Scene<'_>, pace: f64) -> bool {
    if harvest.walks_anew(scene.end).is_some() {
        return true;
    }
    // Over twenty minutes: its end should not be told an hour late.
    let hour = 3.0 * full.counts.minutes(scene.minute(), 20) as f64;
    hour >= (OVER_AT * pace).max(busy(harvest, full, scene, scene.end)).max(1.0)
}

/// Requests in the hour before `end` that are more than the usual. Of who is met for the first time today, what it does
/// today is no measure.
fn busy(harvest: &Harvest, full: &Full, scene: &Scene<'_>, end: Timestamp) -> f64 {
    if harvest.usual().1 == 0 {
        return 0.0;
    }
    // However the last hours were: what it collected in them is no part of its usual.
    1.5 * full.normal.usual(end, Span::HOUR, &scene.around)
}

/// One window, looked at.
struct Look {
    seen: Seen,
    /// Different resources that are usual by now, and on a whole day; 0 where nothing is known.
    usual: f64,
    usual_day: f64,
    bits: f64,
    needed: f64,
    lambda: f64,
    limit: f64,
    peers_only: bool,
    fires: bool,
}

fn look(
    kind: SubjectKind,
    harvest: &Harvest,
    full: &Full,
    scene: &Scene<'_>,
    peers: &Peers,
    settings: &Settings,
    seen: Seen,
) -> Look {
    let read = seen.at_least;
    let (mean, days) = harvest.usual();
    let peer = match kind {
        _ if harvest.is_crawler() => Kind::Crawler,
        SubjectKind::Key => Kind::Key,
        _ => Kind::Client,
    };
    let peers_only = days < if kind == SubjectKind::Key { OWN_DAYS } else { KNOWN_DAYS };
    let limit = match () {
        () if peers.days() < LEAST_DAYS.1 => RARE.1,
        () if peers_only => RARE.0,
        () => RARE.2,
    } / if peer == Kind::Crawler { CRAWLERS } else { 1.0 };
    let lambda = peers.lambda(peer, Peak::Resources, read);
    let needed = NEED
        + settings.extra_bits
        + match settings.sensitivity {
            Sensitivity::Low => 10.0,
            Sensitivity::Normal => 0.0,
            Sensitivity::High => -8.0,
        };
    let usual = mean * part_of_day(full, scene, seen.start);
    // Young histories know little of what is usual.
    let spread = seen.spread + (-f64::from(days) / 3.0).exp();
    let mut bits = nb_tail_bits(read, settings.tolerance * usual.max(1.0), spread);
    let walk = harvest.walks_anew(scene.end);
    if walk.is_some() {
        bits += WALKING.1;
    } else if harvest.in_sequence().is_some() && bits > 0.0 {
        bits += WALKING.0;
    }
    // What it walked through, it would not have read else.
    let beyond = walk.map_or(0.0, |walk| f64::from(walk.steps)).max(read - usual);
    let enough = read >= settings.least && beyond >= settings.beyond;
    let news = walk.is_some() || seen.of_window > NEWS * harvest.did_twice();
    let fires = if peers_only {
        // A few days of its own are no proof, but what they brought is no news; and who was there from the first line on is
        // no newcomer.
        let newcomer = full.normal.age(scene.end) + FIRST_HOURS < scene.history;
        // The first day of all may have been an hour: it is no measure for the second.
        let beyond_own = (days >= 2 || newcomer) && (days == 0 || (read > YOUNG * settings.tolerance * mean && news));
        enough && lambda <= limit && beyond_own
    } else {
        let key = kind == SubjectKind::Key;
        let lasts = || scene.end - onset(harvest, full, scene, &seen) >= LASTING;
        // What goes far beyond its bursts, and lasts, is none of them.
        let burst = BEYOND_BURSTS * full.normal.peak_overall(1);
        let wild = full.normal.is_wild() && !(full.counts.minutes(scene.minute(), 60) as f64 > burst && lasts());
        let far = read > FAR * harvest.did_twice().max(mean);
        // However much others read, and however its days vary, two weeks of them have seen nothing like it.
        let unheard_of = key && days >= TWO_WEEKS && far && lasts();
        if enough && (far && lambda <= limit && !wild || unheard_of) {
            bits = bits.max(needed);
        }
        let own = enough && news && bits >= needed;
        // Who reads in bursts has no usual of its own to go by; but a week of days says how far its bursts go, and they pass.
        let measured = if wild {
            key && days >= KNOWN_DAYS && read > FARTHER * harvest.did_twice() && lasts()
        } else {
            key && days >= OWN_DAYS || bits >= 2.0 * needed
        };
        own && (lambda <= limit || measured || unheard_of)
    };
    Look { seen, usual, usual_day: mean, bits, needed, lambda, limit, peers_only, fires }
}

/// Which share of a usual day's requests the caller has made between an hour of the day and now.
fn part_of_day(full: &Full, scene: &Scene<'_>, start: Timestamp) -> f64 {
    let passed = (scene.end - start).max(Span::HOUR);
    let linear = (passed.days_f64()).min(1.0);
    if full.normal.age(scene.end) < Span::from_days(3) || passed >= Span::DAY {
        return linear.max(LEAST_PART);
    }
    let until_now = full.normal.expected(scene.end, passed, &scene.around);
    let rest = full.normal.expected(scene.end + (Span::DAY - passed), Span::DAY - passed, &scene.around);
    (until_now / (until_now + rest).max(1e-9)).clamp(LEAST_PART, 1.0)
}

/// Different resources an hour, over the hours in which it collects.
fn pace(full: &Full, scene: &Scene<'_>, seen: &Seen, since: Timestamp) -> f64 {
    let requests = requests_since(full, scene, since) as f64;
    // As many of its requests as in the whole window read something new.
    let fresh = (seen.resources / f64::from(seen.requests.max(1))).min(1.0);
    fresh * requests / (scene.end - since).hours_f64().max(0.25)
}

fn requests_since(full: &Full, scene: &Scene<'_>, since: Timestamp) -> u64 {
    full.counts.hours.sum(since.bucket(Span::HOUR), (scene.end - Span::SECOND).bucket(Span::HOUR))
}

/// When the walk began, or the first hour of the unbroken run of busy ones.
fn onset(harvest: &Harvest, full: &Full, scene: &Scene<'_>, seen: &Seen) -> Timestamp {
    if let Some(walk) = harvest.walks_anew(scene.end) {
        return walk.since;
    }
    let last = (scene.end - Span::SECOND).bucket(Span::HOUR);
    let hour = |n: i64| full.counts.hours.get(n) as f64;
    let least = 0.3 * (0..24).map(|ago| hour(last - ago)).fold(0.0, f64::max);
    let first = seen.start.bucket(Span::HOUR);
    let mut start = last;
    // The hour that runs has hardly begun.
    for n in (first..last).rev() {
        let end = Timestamp::of_bucket(n + 1, Span::HOUR);
        if hour(n) < least.max(busy(harvest, full, scene, end)) {
            break;
        }
        start = n;
    }
    let start = Timestamp::of_bucket(start, Span::HOUR);
    // Who is found within the hour began in one of its minutes.
    if scene.end - start > Span::HOUR { start } else { start.max(burst::onset(full, scene, Span::HOUR)) }
}

fn finding(harvest: &Harvest, full: &Full, scene: &Scene<'_>, look: &Look) -> Finding {
    let started_at = onset(harvest, full, scene, &look.seen);
    // Of a newcomer nothing is usual, whatever has been learned of its first day.
    let met = harvest.usual().1 > 0;
    let expected = if met { full.normal.expected(scene.end, scene.end - started_at, &scene.around) } else { 0.0 };
    let resources = look.seen.resources.round();
    let crawler = harvest.is_crawler();
    let mut facts = Facts::new();
    let mut put = |name: &str, fact| facts.insert(name.to_owned(), fact);
    put("resources", Fact::Count(resources as u64));
    put("collecting_for", Fact::Span(scene.end - started_at));
    put("resources_per_hour", Fact::Number(pace(full, scene, &look.seen, started_at)));
    put("peers_only", Fact::Flag(look.peers_only));
    put("crawler", Fact::Flag(crawler));
    if !look.peers_only {
        put("usual_resources", Fact::Number(look.usual_day));
    }
    put("in_sequence", Fact::Flag(harvest.in_sequence().is_some()));
    if let Some(share) = harvest.in_sequence() {
        put("sequence_share", Fact::Share(share));
    }
    let walk = harvest.walks_anew(scene.end);
    if let Some(walk) = walk {
        put("walk_steps", Fact::Count(u64::from(walk.steps)));
    }
    let mut grounds = if look.peers_only {
        Grounds::count(look.limit / look.lambda.max(1e-9), 1.0).line(format!(
            "Compared with others only: about {:.3} a day read as much; at most {:.3} may.",
            look.lambda, look.limit
        ))
    } else {
        Grounds::bits(look.bits, look.needed)
            .line(format!("It read {resources:.0} different resources; about {:.0} are usual by now.", look.usual))
            .line(format!("Its second largest day brought {:.0}.", harvest.did_twice()))
            .line(format!("About {:.3} others a day read as much.", look.lambda))
    };
    if let Some(walk) = walk {
        grounds = grounds.line(format!("It walks through numbers, {} steps so far, and never did before.", walk.steps));
    }
    Finding {
        detector: NAME,
        started_at,
        observed: resources,
        expected: if look.peers_only { 0.0 } else { look.usual_day.round() },
        unit: "different resources",
        bits: look.bits,
        excess: (requests_since(full, scene, started_at) as f64 - expected).max(0.0),
        severity: if crawler { Severity::Info } else { Severity::Warning },
        trend: Trend::Steady,
        impact: Impact { requests: requests_since(full, scene, started_at), errors: 0, cost: None },
        facts,
        parts: Parts::default(),
        grounds,
    }
}
