//! One cause, one incident: which open incident explains a finding, and in which order findings are looked at.

use crate::detect::{Fact, Facts, burst, error_spike, harvesting, retry_loop, slow_response, traffic_drop};
use crate::event::{Id, SubjectKind};
use crate::incident::book::{Book, FLOODED, Past};
use crate::incident::entry::{About, Candidate, Entry};
use crate::incident::spread::Spread;
use crate::time::{Span, Timestamp};

/// Share of a finding's excess that must be explained for it to be no incident of its own.
const ENOUGH: f64 = 0.7;

/// What begins within this time began together.
const TOGETHER: Span = Span::from_mins(2);

/// What the book says to a finding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It belongs to the open incident at this index.
    Join(usize),
    /// It is the more specific cause of the held incident at this index.
    Sharpen(usize),
    /// The open incident at this index goes on from another address.
    Move(usize),
    /// It is the echo of something that is over.
    Echo,
    /// It is news.
    New,
}

/// The order in which the findings of one tick are looked at: causes before what they cause.
pub fn order(candidate: &Candidate, rank: u8) -> (u8, u8, About) {
    (specificity(&Rise::of(candidate)), rank, candidate.about)
}

/// Decides where a finding belongs.
pub fn place(book: &Book, candidate: &Candidate, now: Timestamp) -> Verdict {
    if let Some(index) = book.on(candidate.about) {
        return Verdict::Join(index);
    }
    let mut total = 0.0;
    let mut most: Option<(f64, usize)> = None;
    let others = || book.entries().iter().enumerate().filter(|(_, entry)| !entry.is_apart());
    for (index, entry) in others() {
        let share = explains(entry, &Rise::of(candidate));
        total += share;
        if share > 0.05 && most.is_none_or(|(best, _)| share > best) {
            most = Some((share, index));
        }
    }
    if let Some((_, index)) = most.filter(|_| total >= ENOUGH) {
        return Verdict::Join(index);
    }
    for (index, entry) in others() {
        if (book.is_held(index) && sharpens(candidate, entry)) || widens(candidate, entry) {
            return Verdict::Sharpen(index);
        }
    }
    if is_echo(book, candidate, now) { Verdict::Echo } else { Verdict::New }
}

/// Whether nothing in the book, open or over, explains a finding.
pub fn is_unexplained(book: &Book, candidate: &Candidate, now: Timestamp) -> bool {
    matches!(place(book, candidate, now), Verdict::New)
}

/// Held incidents that others in the book explain by now become part of those.
pub fn settle(book: &mut Book) {
    let mut index = 0;
    while index < book.entries().len() {
        match explained_by(book, index) {
            Some(cause) => book.merge(index, cause),
            None => index += 1,
        }
    }
}

/// The incident that explains most of a held one, if all that are more specific explain enough of it.
fn explained_by(book: &Book, index: usize) -> Option<usize> {
    let entry = book.entries().get(index).filter(|e| !e.is_told() && !e.urgent && !e.is_group())?;
    let rise = Rise::of_entry(entry);
    let mut total = 0.0;
    let mut most: Option<(f64, usize)> = None;
    for (other, cause) in book.entries().iter().enumerate() {
        // Two that explain each other: the one that comes first in the order of causes stays. The site explains what is a
        // small part of its own rise.
        let earlier = specificity(&Rise::of_entry(cause)) < specificity(&rise);
        if other == index || cause.is_apart() || !(earlier || cause.about.kind == SubjectKind::Site) {
            continue;
        }
        let share = explains(cause, &rise);
        total += share;
        if share > 0.05 && most.is_none_or(|(best, _)| share > best) {
            most = Some((share, other));
        }
    }
    most.filter(|_| total >= ENOUGH).map(|(_, cause)| cause)
}

/// A finding, or a held incident, as far as its cause matters.
struct Rise<'a> {
    detector: &'a str,
    about: About,
    excess: f64,
    spread: &'a Spread,
    wide_errors: bool,
    /// Errors of an endpoint that one caller makes most of, as it makes most of the calls: those of the others fail as well.
    others_fail: bool,
    began: Timestamp,
    /// Requests a minute beyond the usual, where that is what is counted.
    per_minute: Option<f64>,
    /// A loop that fails: during an outage it is a part of that.
    failing_loop: bool,
}

impl<'a> Rise<'a> {
    fn of(candidate: &'a Candidate) -> Self {
        let finding = &candidate.finding;
        let failing = matches!(finding.facts.get("failing"), Some(Fact::Flag(true)));
        let began = finding.started_at;
        let about = (candidate.about, began);
        let rise = Rise::new(finding.detector, about, finding.excess, &candidate.spread, &finding.facts);
        let per_minute = (finding.detector == burst::NAME).then_some(finding.observed - finding.expected);
        Rise { per_minute, failing_loop: finding.detector == retry_loop::NAME && failing, ..rise }
    }

    fn of_entry(entry: &'a Entry) -> Self {
        let incident = &entry.incident;
        let at = (entry.about, incident.started_at);
        let rise = Rise::new(&incident.detector, at, entry.excess(), &entry.spread, &incident.facts);
        Rise { per_minute: rate_of(entry), ..rise }
    }

    fn new(
        detector: &'a str,
        (about, began): (About, Timestamp),
        excess: f64,
        spread: &'a Spread,
        facts: &Facts,
    ) -> Self {
        let errors = detector == error_spike::NAME;
        let endpoint = about.kind == SubjectKind::Endpoint;
        let others_fail = errors && endpoint && matches!(facts.get("others_fail"), Some(Fact::Flag(true)));
        // Errors of many callers are the trouble of what they call.
        let many = errors
            && matches!(about.kind, SubjectKind::Endpoint | SubjectKind::Site | SubjectKind::Source)
            && spread.keys.len() >= if endpoint { 2 } else { 4 }
            && spread.keys.first().is_none_or(|(_, share)| *share < 0.7);
        let wide_errors = many || others_fail;
        Rise { detector, about, excess, spread, wide_errors, others_fail, began, per_minute: None, failing_loop: false }
    }
}

/// Requests a minute beyond the usual of an open burst, where it was highest: its end leaves none.
fn rate_of(entry: &Entry) -> Option<f64> {
    (entry.incident.detector == burst::NAME).then_some(entry.incident.peak - entry.incident.expected)
}

/// Causes before what they cause: smaller comes first.
fn specificity(rise: &Rise<'_>) -> u8 {
    match (rise.detector, rise.about.kind) {
        // What goes quiet, or is slow, as a whole explains its parts; what rises is explained by them.
        (traffic_drop::NAME | slow_response::NAME, SubjectKind::Site) => 0,
        (traffic_drop::NAME, SubjectKind::Source) => 1,
        (_, SubjectKind::Endpoint) if rise.wide_errors => 2,
        (_, SubjectKind::Key) => 3,
        (_, SubjectKind::Client) => 4,
        (_, SubjectKind::Endpoint) => 5,
        (_, SubjectKind::Source) => 6,
        (_, SubjectKind::Site) => 7,
    }
}

/// The share of a rise that an open incident explains, 0 to 1.
fn explains(entry: &Entry, rise: &Rise<'_>) -> f64 {
    use SubjectKind::{Client, Endpoint, Key, Site, Source};
    let same_detector = entry.incident.detector == rise.detector;
    if (rise.detector == traffic_drop::NAME) != (entry.incident.detector == traffic_drop::NAME) {
        return 0.0;
    }
    if rise.detector == traffic_drop::NAME {
        let wider = matches!(entry.about.kind, Site | Source) && rise.about.kind != Site;
        let within = entry.about.kind == Endpoint && rise.about.kind == Key;
        return holds(wider || within);
    }
    if rise.detector == slow_response::NAME && same_detector {
        // What is slow together is slow for one reason; of all that is slow a part explains nothing.
        let together = (entry.incident.started_at - rise.began).millis().abs() <= slow_response::TOGETHER.millis();
        return holds(match (entry.about.kind, rise.about.kind) {
            (Site, Endpoint) => true,
            (Endpoint, Endpoint) => together,
            _ => false,
        });
    }
    // Whoever is retrying what fails for everybody is a part of that.
    if rise.failing_loop && entry.incident.detector == error_spike::NAME {
        let part = rise.spread.endpoints.iter().find(|(id, _)| *id == entry.about.id).map_or(0.0, |(_, share)| *share);
        return holds(matches!(entry.about.kind, Site | Source) || (entry.about.kind == Endpoint && part >= 0.5));
    }
    if rise.wide_errors && !matches!(entry.incident.detector.as_str(), error_spike::NAME | "retry-loop") {
        return 0.0;
    }
    if entry.is_flood() && !matches!(rise.about.kind, Site | Source) {
        return 0.0;
    }
    let excess = rise.excess.max(1.0);
    let part = |parts: &[(Id, f64)], id: Id| parts.iter().find(|(i, _)| *i == id).map_or(0.0, |(_, share)| *share);
    let about = rise.about;
    let share = match (entry.about.kind, about.kind) {
        (Site, Site | Source) => 1.0,
        // Everything is up: a caller must stand out by a fifth of the whole excess to be news, an endpoint by most of it.
        (Site, kind) if same_detector || entry.incident.detector == burst::NAME => {
            // Errors of everybody are everybody's, the largest caller's included.
            let wide = rise.detector == error_spike::NAME && entry.spread.keys.len() + entry.spread.clients.len() >= 4;
            let news = if kind == Endpoint || wide { 0.6 } else { 0.2 };
            // How much a minute, where both are that: what has just begun is small beside hours of everybody's.
            let (mine, whole) = match (rise.per_minute, rate_of(entry)) {
                (Some(mine), Some(whole)) => (mine, whole),
                _ => (excess, entry.excess()),
            };
            holds(mine < news * whole || entry.is_group())
        }
        // Who calls more while everything fails is trying again.
        (Site, Key | Client) if entry.incident.detector == error_spike::NAME && rise.detector == burst::NAME => {
            holds(excess < 0.6 * entry.excess())
        }
        (Site, _) => 0.0,
        // One endpoint may make a site's rise; several together mean that the site is in trouble.
        (Endpoint, Site | Source)
            if same_detector
                && rise.detector == error_spike::NAME
                && part(&rise.spread.endpoints, entry.about.id) >= 0.6 =>
        {
            1.0
        }
        (Endpoint, Site | Source) => Some(entry.excess() / excess).filter(|share| *share >= ENOUGH).unwrap_or(0.0),
        (_, Site | Source) => entry.excess() / excess,
        (Key | Client, Endpoint) if rise.others_fail => 0.0,
        (Key | Client, Endpoint) => entry.excess() * part(&entry.spread.endpoints, about.id) / excess,
        (Key, Client) => {
            let of_client = part(&rise.spread.keys, entry.about.id);
            if of_client >= 0.8 { 1.0 } else { entry.excess() * part(&entry.spread.clients, about.id) / excess }
        }
        (Client, Key) => holds(part(&rise.spread.clients, entry.about.id) >= 0.8),
        (Endpoint, Key | Client) => {
            // An endpoint that fails for many explains each of them; one that is called too much does not.
            let there = part(&rise.spread.endpoints, entry.about.id);
            holds(same_detector && there >= 0.5)
        }
        // Clients that came one after the other with the same agent and the same goal are told as a group.
        _ => 0.0,
    };
    share.clamp(0.0, 1.0)
}

fn holds(it: bool) -> f64 {
    if it { 1.0 } else { 0.0 }
}

/// Whether a finding is the more specific cause of an incident that was not told yet.
fn sharpens(candidate: &Candidate, entry: &Entry) -> bool {
    use SubjectKind::{Client, Endpoint, Key, Site};
    let detector = candidate.finding.detector;
    let whole = [traffic_drop::NAME, slow_response::NAME];
    if whole.contains(&detector) || whole.contains(&entry.incident.detector.as_str()) {
        return false;
    }
    let excess = entry.excess().max(1.0);
    let part = |parts: &[(Id, f64)]| parts.iter().find(|(i, _)| *i == entry.about.id).map_or(0.0, |(_, share)| *share);
    let wide =
        entry.incident.detector == error_spike::NAME && entry.spread.keys.len() + entry.spread.clients.len() >= 4;
    let share = match (candidate.about.kind, entry.about.kind) {
        (Key | Client | Endpoint, Site) if !entry.is_group() => candidate.finding.excess / excess,
        (Key | Client, Endpoint) if !wide => candidate.finding.excess * part(&candidate.spread.endpoints) / excess,
        (Key, Client) => part(&candidate.spread.clients),
        _ => 0.0,
    };
    share >= 0.8
}

/// Whether the whole site, or a source, has gone quiet, or is slow, where a part of it just was found to be: the same
/// trouble, seen whole.
fn widens(candidate: &Candidate, entry: &Entry) -> bool {
    let detector = candidate.finding.detector;
    entry.incident.detector == detector
        && match (detector, candidate.about.kind) {
            (traffic_drop::NAME | slow_response::NAME, SubjectKind::Site) => entry.about.kind != SubjectKind::Site,
            (traffic_drop::NAME, SubjectKind::Source) => {
                matches!(entry.about.kind, SubjectKind::Endpoint | SubjectKind::Key)
            }
            _ => false,
        }
        && (candidate.finding.started_at - entry.incident.started_at).millis().abs() <= Span::HOUR.millis()
}

/// Whether a finding only sees, through a long window, what has been told and is over.
fn is_echo(book: &Book, candidate: &Candidate, now: Timestamp) -> bool {
    let from = (now - candidate.window).min(candidate.finding.started_at);
    if candidate.finding.detector == harvesting::NAME {
        // Whoever still collects is no echo of a rise that is over, only of having been told as a collector.
        // A rise that was nearly all of what it read is what it was told for.
        let nearly_all = |past: &Past| past.excess >= ENOUGH * candidate.finding.excess;
        let told =
            |past: &Past| past.about == candidate.about && (past.detector == harvesting::NAME || nearly_all(past));
        return book.past().any(|past| told(past) && past.ended_at >= from);
    }
    let excess = candidate.finding.excess.max(1.0);
    let part = |spread: &Spread| {
        let of =
            |parts: &[(Id, f64)]| parts.iter().find(|(i, _)| *i == candidate.about.id).map_or(0.0, |(_, share)| *share);
        match candidate.about.kind {
            SubjectKind::Key => of(&spread.keys),
            SubjectKind::Endpoint => of(&spread.endpoints),
            SubjectKind::Client => of(&spread.clients),
            SubjectKind::Source | SubjectKind::Site => 1.0,
        }
    };
    let mut explained = 0.0;
    for past in book.past().filter(|past| past.ended_at >= from) {
        // What the whole site did, each of its parts did; what strangers did, those who are known did not.
        let single = candidate.about.kind.is_caller();
        let within = past.about.kind == SubjectKind::Site
            && candidate.finding.started_at <= past.ended_at
            && !(single && past.detector == FLOODED);
        if within || past.about == candidate.about || past.touched.contains(&candidate.about) {
            return true;
        }
        // What began with it, was smaller and is seen through a long window only was a part of it.
        let apart = (candidate.finding.started_at - past.started_at).millis().abs();
        if apart <= TOGETHER.millis()
            && past.excess >= candidate.finding.excess
            && past.about.kind == SubjectKind::Endpoint
        {
            return true;
        }
        // What everybody did to an endpoint, each of them did.
        let there =
            candidate.spread.endpoints.iter().find(|(id, _)| *id == past.about.id).map_or(0.0, |(_, share)| *share);
        if single
            && past.about.kind == SubjectKind::Endpoint
            && there >= 0.5
            && candidate.finding.started_at <= past.ended_at
        {
            return true;
        }
        explained += past.excess * part(&past.spread) / excess;
    }
    explained >= ENOUGH
}
