//! One cause, one incident: which open incident explains a finding, and in which order findings are looked at.

use crate::detect::{burst, error_spike, traffic_drop};
use crate::event::{Id, SubjectKind};
use crate::incident::book::{About, Book, Candidate, Entry, Spread};
use crate::time::Timestamp;

/// Share of a finding's excess that must be explained for it to be no incident of its own.
const ENOUGH: f64 = 0.7;

/// What the book says to a finding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It belongs to the open incident at this index.
    Join(usize),
    /// It is the more specific cause of the held incident at this index.
    Sharpen(usize),
    /// It is the echo of something that is over.
    Echo,
    /// It is news.
    New,
}

/// The order in which the findings of one tick are looked at: causes before what they cause.
pub fn order(candidate: &Candidate, rank: u8) -> (u8, u8, About) {
    let wide_errors = is_wide_error(candidate);
    let specificity = match (candidate.finding.detector, candidate.about.kind) {
        // What goes quiet as a whole explains its parts; what rises is explained by them.
        (traffic_drop::NAME, SubjectKind::Site) => 0,
        (traffic_drop::NAME, SubjectKind::Source) => 1,
        (_, SubjectKind::Endpoint) if wide_errors => 2,
        (_, SubjectKind::Key) => 3,
        (_, SubjectKind::Client) => 4,
        (_, SubjectKind::Endpoint) => 5,
        (_, SubjectKind::Source) => 6,
        (_, SubjectKind::Site) => 7,
    };
    (specificity, rank, candidate.about)
}

/// Decides where a finding belongs.
pub fn place(book: &Book, candidate: &Candidate, now: Timestamp) -> Verdict {
    if let Some(index) = book.on(candidate.about) {
        return Verdict::Join(index);
    }
    let mut total = 0.0;
    let mut most: Option<(f64, usize)> = None;
    for (index, entry) in book.entries().iter().enumerate() {
        let share = explains(entry, candidate);
        total += share;
        if share > 0.05 && most.is_none_or(|(best, _)| share > best) {
            most = Some((share, index));
        }
    }
    if let Some((_, index)) = most.filter(|_| total >= ENOUGH) {
        return Verdict::Join(index);
    }
    for (index, entry) in book.entries().iter().enumerate() {
        if book.is_held(index) && sharpens(candidate, entry) {
            return Verdict::Sharpen(index);
        }
    }
    if is_echo(book, candidate, now) { Verdict::Echo } else { Verdict::New }
}

/// Errors of many callers: the trouble of what they call.
fn is_wide_error(candidate: &Candidate) -> bool {
    candidate.finding.detector == error_spike::NAME
        && matches!(candidate.about.kind, SubjectKind::Endpoint | SubjectKind::Site | SubjectKind::Source)
        && candidate.spread.keys.len() + candidate.spread.clients.len() >= 4
        && candidate.finding.parts.keys.first().is_none_or(|(_, share)| *share < 0.7)
}

/// The share of a finding's excess that an open incident explains, 0 to 1.
fn explains(entry: &Entry, candidate: &Candidate) -> f64 {
    use SubjectKind::{Client, Endpoint, Key, Site, Source};
    let detector = candidate.finding.detector;
    let same_detector = entry.incident.detector == detector;
    if (detector == traffic_drop::NAME) != (entry.incident.detector == traffic_drop::NAME) {
        return 0.0;
    }
    if detector == traffic_drop::NAME {
        let wider = matches!(entry.about.kind, Site | Source) && candidate.about.kind != Site;
        let within = entry.about.kind == Endpoint && candidate.about.kind == Key;
        return if wider || within { 1.0 } else { 0.0 };
    }
    if is_wide_error(candidate) && !matches!(entry.incident.detector.as_str(), error_spike::NAME | "retry-loop") {
        return 0.0;
    }
    let excess = candidate.finding.excess.max(1.0);
    let part = |parts: &[(Id, f64)], id: Id| parts.iter().find(|(i, _)| *i == id).map_or(0.0, |(_, share)| *share);
    let about = candidate.about;
    let share = match (entry.about.kind, about.kind) {
        (Site, Site | Source) => 1.0,
        // Everything is up: a part must stand out by a fifth of the whole excess to be news.
        (Site, _) if same_detector || entry.incident.detector == burst::NAME => {
            if excess < 0.2 * entry.excess() || entry.is_group() { 1.0 } else { 0.0 }
        }
        (Site, _) => 0.0,
        (_, Site | Source) => entry.excess() / excess,
        (Key | Client, Endpoint) => entry.excess() * part(&entry.spread.endpoints, about.id) / excess,
        (Key, Client) => {
            let of_client = part(&candidate.spread.keys, entry.about.id);
            let of_key = entry.excess() * part(&entry.spread.clients, about.id) / excess;
            if of_client >= 0.8 { 1.0 } else { of_key }
        }
        (Client, Key) => {
            if part(&candidate.spread.clients, entry.about.id) >= 0.8 {
                1.0
            } else {
                0.0
            }
        }
        (Endpoint, Key | Client) => {
            // An endpoint that fails for many explains each of them; one that is called too much does not.
            let there = part(&candidate.spread.endpoints, entry.about.id);
            let explains = same_detector && (detector == error_spike::NAME || there >= 0.8);
            if explains && there >= 0.5 { 1.0 } else { 0.0 }
        }
        // Clients that came one after the other with the same agent and the same goal are told as a group.
        _ => 0.0,
    };
    share.clamp(0.0, 1.0)
}

/// Whether a finding is the more specific cause of an incident that was not told yet.
fn sharpens(candidate: &Candidate, entry: &Entry) -> bool {
    use SubjectKind::{Client, Endpoint, Key, Site};
    let detector = candidate.finding.detector;
    if detector == traffic_drop::NAME || entry.incident.detector == traffic_drop::NAME {
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

/// Whether a finding only sees, through a long window, what has been told and is over.
fn is_echo(book: &Book, candidate: &Candidate, now: Timestamp) -> bool {
    let from = (now - candidate.window).min(candidate.finding.started_at);
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
        if past.about == candidate.about || past.touched.contains(&candidate.about) {
            return true;
        }
        explained += past.excess * part(&past.spread) / excess;
    }
    explained >= ENOUGH
}
