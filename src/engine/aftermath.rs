//! How callers are answered after somebody was told of them, and what ended an incident: from what was counted.

use crate::detect::{Fact, Facts, Parts, Trend, burst, error_spike, leaked_key, retry_loop, traffic_drop};
use crate::engine::{Engine, SITE};
use crate::event::{Id, SubjectKind};
use crate::incident::Change;
use crate::incident::after::Answers;
use crate::incident::book::Telling;
use crate::incident::entry::{About, Candidate, Entry, Evidence, FLOOD};
use crate::incident::{ChangeKind, Incident};
use crate::measure::failures::{Class, Failures};
use crate::measure::full::Full;
use crate::measure::novelty::Novelty;
use crate::measure::ring::TICK;
use crate::time::{Span, Timestamp};

/// Windows in minutes of which the shortest one that holds enough requests says how a caller is answered.
const WINDOWS: [i64; 5] = [2, 5, 10, 20, 60];
const ENOUGH: u64 = 10;
/// The server closes the connection without an answer: how nginx logs it.
const CLOSED: Id = Id(444);
/// Of an incident that one caller makes at least this share of, that caller's going is what ended it.
const OFFENDER: f64 = 0.5;
/// Share of a rise of everything that those who knock make, from which on it is theirs.
const KNOCKING: f64 = 0.6;
/// Share of refused requests from which on whoever has a copy of a replaced key gets nothing with it.
const SHUT_OUT: f64 = 0.9;
/// What was seen after its end at least so long says what it is now.
const LEAST: i64 = 3;
/// What ended an incident came at most so long before it was seen to be over.
const LATE: Span = Span::from_mins(15);
/// As long as the rings of minutes reach.
const HOUR: i64 = 60;
/// Minutes after which what was refused says nothing of now.
const STALE: i64 = 15;
/// Requests that are missing where somebody stopped who usually sends some.
const MISSED: f64 = 3.0;

/// Requests of some minutes, by how they were answered.
#[derive(Clone, Copy, Default)]
struct Counted {
    all: u64,
    denied: u64,
    refused: u64,
}

impl Counted {
    fn allowed(self) -> u64 {
        self.all - self.refused
    }
}

/// What the minutes `from..=to` held.
fn counted(full: &Full, from: i64, to: i64) -> Counted {
    split(full, full.counts.mins.sum(from, to), |failures| failures.mins.sum(from, to))
}

/// What the tens of seconds `from..=to` held.
fn counted_just(full: &Full, from: i64, to: i64) -> Counted {
    split(full, full.counts.tens.sum(from, to), |failures| failures.tens.sum(from, to))
}

fn split(full: &Full, all: u64, count: impl Fn(&Failures) -> u64) -> Counted {
    let sum = |class: Class| full.failures[class.index()].as_deref().map_or(0, &count);
    let closed = full.failures[Class::Client.index()]
        .as_deref()
        .map_or(0.0, |failures| failures.statuses.share_of(CLOSED) * count(failures) as f64);
    let denied = (sum(Class::Denied) + closed.round() as u64).min(all);
    Counted { all, denied, refused: (denied + sum(Class::Limited)).min(all) }
}

impl Engine {
    /// Tells what is due, with what ended each incident that is over now.
    pub(super) fn tick_book(&mut self, now: Timestamp, out: &mut Vec<Change>) {
        self.conclude(now);
        let (settings, before) = (self.settings.book, out.len());
        self.book.tick(now, &settings, self.telling(now), out);
        for change in &out[before..] {
            if matches!(change.kind, ChangeKind::Resolved(_)) {
                self.after.ended(&change.incident, now);
            }
        }
    }

    /// Once a minute: how those who were told of are answered now.
    pub(super) fn look_after(&mut self, end: Timestamp, out: &mut Vec<Change>) {
        for entry in self.book.entries().iter().filter(|entry| is_watched(entry)) {
            let minutes = ((end - entry.incident.started_at).mins_f64().ceil() as i64).clamp(1, HOUR);
            let last = last_minute(end);
            let full = self.row(entry.about).and_then(|row| row.full.as_deref());
            let so_far = full.map_or(Counted::default(), |full| counted(full, last - minutes + 1, last));
            let worked = so_far.allowed() >= ENOUGH && so_far.allowed() >= so_far.refused;
            self.after.watch(entry.about, &entry.incident, worked);
        }
        if self.after.is_empty() {
            return;
        }
        let answers: Vec<(About, Answers)> = self
            .after
            .callers()
            .filter_map(|about| Some((about, self.answers(about, self.row(about)?.full.as_deref()?, end))))
            .collect();
        let tells = self.telling(end) == Telling::AtOnce;
        let book = &self.book;
        self.after.forget(end, |id| book.entries().iter().any(|entry| entry.incident.id == id));
        self.after.look(&answers, end, self.settings.book.cooldown, tells, out);
    }

    /// Whether a finding is only what being refused looks like: of a caller that was told of and is shut out since.
    pub(super) fn is_aftermath(&self, candidate: &Candidate, now: Timestamp) -> bool {
        let (about, detector) = (candidate.about, candidate.finding.detector);
        if detector == error_spike::NAME && candidate.tag == Class::Denied as u64 && self.is_copy_refused(about) {
            return true;
        }
        if detector == burst::NAME && !about.kind.is_caller() {
            let beyond = candidate.finding.observed - candidate.finding.expected;
            return candidate.tag != FLOOD && self.knocking(now) >= KNOCKING * beyond.max(1.0);
        }
        // New users of a key are news even if they are refused; what falls silent is not refused.
        ![leaked_key::NAME, traffic_drop::NAME].contains(&detector) && self.is_refused_now(about, now)
    }

    /// Whether a key that leaked was replaced for its owner: who has a copy of the old one gets nothing with it, and that is
    /// told in the thread of the leak.
    pub(super) fn is_copy_refused(&self, about: About) -> bool {
        if !self.after.was_told(about, leaked_key::NAME) {
            return false;
        }
        let newcomers = self.row(about).and_then(|row| Some(row.novelty.as_deref()?.newcomers(Timestamp::MIN)));
        newcomers.is_some_and(|new| new.requests > 0 && new.rejected as f64 >= SHUT_OUT * new.requests as f64)
    }

    /// Whether a caller that was told of, and whose requests were answered then, is refused all it sends just now: sooner
    /// than it is told.
    pub(super) fn is_refused_now(&self, about: About, now: Timestamp) -> bool {
        if !self.after.has_worked(about) {
            return false;
        }
        let Some(full) = self.row(about).and_then(|row| row.full.as_deref()) else { return false };
        let nearly_all = |seen: Counted| seen.all >= ENOUGH && 10 * seen.refused >= 9 * seen.all;
        let minute = now.bucket(Span::MINUTE);
        // A few minutes make both: those before it was refused, and those since.
        let late = counted(full, last_minute(now), minute);
        if nearly_all(late) || nearly_all(counted(full, last_minute(now) - shortest(full, now) + 1, minute)) {
            return true;
        }
        // Lines are counted as they come, and judged up to some seconds later, or at once.
        let tick = now.bucket(TICK);
        let just = |ticks: (i64, i64)| nearly_all(counted_just(full, ticks.0, ticks.1));
        late.refused >= ENOUGH && (just((tick - 1, tick)) || just((tick, tick + 1)))
    }

    /// Requests a minute of all who were told of and are shut out.
    fn knocking(&self, now: Timestamp) -> f64 {
        let last = last_minute(now);
        let refused = |about: About| {
            self.after.refused_since(about)?;
            let full = self.row(about)?.full.as_deref()?;
            Some(counted(full, last - 9, last).refused as f64 / 10.0)
        };
        self.after.callers().filter_map(refused).sum()
    }

    /// Whether what the evidence is about goes on only in that it is refused.
    pub(super) fn is_shut_out(&self, evidence: &Evidence, end: Timestamp) -> bool {
        let detector = evidence.detector.as_str();
        evidence.tag != FLOOD && detector != traffic_drop::NAME && self.after.is_over(evidence.about, end)
    }

    /// How a caller is answered of late.
    fn answers(&self, about: About, full: &Full, end: Timestamp) -> Answers {
        let last = last_minute(end);
        let window = shortest(full, end);
        let seen = counted(full, last - window + 1, last);
        let share = |part: u64| part as f64 / seen.all.max(1) as f64;
        let mut answers = Answers {
            requests: seen.all,
            refused: share(seen.refused),
            denied: share(seen.denied),
            ..Answers::default()
        };
        if seen.refused == 0 {
            return answers;
        }
        answers.stale = window > STALE && counted(full, last - STALE + 1, last).refused == 0;
        let since = refused_from(full, last);
        let length = since.map_or(window, |since| last - since + 1).clamp(window.min(10), 30.max(window));
        let lately = counted(full, last - length + 1, last);
        let minutes = length as f64;
        answers.per_minute = (lately.refused as f64 / minutes, lately.allowed() as f64 / minutes);
        answers.since = since.map(|minute| Timestamp::of_bucket(minute, Span::MINUTE));
        answers.trend = trend(full, since.unwrap_or(last - length + 1), last);
        let mut statuses: Vec<(f64, u64)> = [Class::Denied, Class::Limited, Class::Client]
            .into_iter()
            .filter_map(|class| full.failures[class.index()].as_deref())
            .flat_map(|failures| {
                let n = failures.mins.sum(last - length + 1, last) as f64;
                failures.statuses.shares().into_iter().map(move |share| (share.now * n, share.id.0))
            })
            .filter(|(n, status)| *n >= 0.5 && matches!(status, 401 | 403 | 429 | 444))
            .collect();
        statuses.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        answers.statuses = statuses.into_iter().take(3).map(|(_, status)| status.to_string()).collect();
        // Of a key that was copied, those who have the copy: its owner goes on with the new one.
        let novelty = self.row(about).and_then(|row| row.novelty.as_deref());
        let [clients, ..] = novelty.map(Novelty::parts).unwrap_or_default();
        let all: f64 = clients.iter().map(|(_, n)| f64::from(*n)).sum();
        let clients = clients.into_iter().map(|(id, n)| (id, f64::from(n) / all.max(1.0))).collect();
        answers.parts = self.parts(about, &Parts { clients, ..Parts::default() }).0;
        answers
    }

    /// Says of each incident that is about to end what ended it.
    fn conclude(&mut self, now: Timestamp) {
        for index in 0..self.book.entries().len() {
            let Some(entry) = self.book.entries().get(index).filter(|entry| entry.is_told() && entry.is_over(now))
            else {
                continue;
            };
            if entry.is_apart() || entry.is_flood() || entry.incident.detector == traffic_drop::NAME {
                continue;
            }
            let facts = self.end_of(entry, now);
            if let Some(entry) = self.book.entries_mut().get_mut(index) {
                entry.incident.facts.extend(facts);
            }
        }
    }

    fn end_of(&self, entry: &Entry, now: Timestamp) -> Facts {
        let mut facts = Facts::new();
        if entry.is_group() {
            self.end_of_group(entry, now, &mut facts);
            return facts;
        }
        let Some(row) = self.row(entry.about) else { return facts };
        let Some(full) = row.full.as_deref() else { return facts };
        let caller = entry.about.kind.is_caller();
        if let Some(since) = self.after.refused_since(entry.about).filter(|_| caller) {
            let answers = self.answers(entry.about, full, now);
            if answers.is_shut_out() {
                answers.facts(since, now, &mut facts);
                by(&mut facts, "refused");
                return facts;
            }
        }
        let over_since = entry.last_active();
        let (from, to) = (over_since.bucket(Span::MINUTE) + 1, last_minute(now).max(now.bucket(Span::MINUTE) - 1));
        let from = from.min(to - LEAST + 1).max(to - HOUR + 1);
        let since = counted(full, from, to);
        facts.insert("over_since".to_owned(), Fact::Time(over_since));
        // Who calls a few times an hour has not stopped after some minutes.
        let silent = now - row.last_seen;
        let missed = || {
            let scene = self.scene(entry.about.kind, now.bucket(TICK) - 1, self.history());
            full.normal.expected(now, silent, &scene.around)
        };
        if since.all == 0 || silent >= Span::from_mins(LEAST) && missed() >= MISSED {
            facts.insert("silent_since".to_owned(), Fact::Time(row.last_seen));
            facts.insert("silent_for".to_owned(), Fact::Span((now - row.last_seen).max(Span::ZERO)));
            by(&mut facts, "stopped");
            return facts;
        }
        if let Some((who, how)) = self.gone(entry, now) {
            facts.extend(who);
            by(&mut facts, how);
        }
        match entry.incident.detector.as_str() {
            error_spike::NAME => {
                let class = entry.evidence.iter().find(|v| v.about == entry.about && v.detector == error_spike::NAME);
                let class = class.and_then(|evidence| Class::ALL.get(evidence.tag as usize));
                let failures = class.and_then(|class| full.failures[class.index()].as_deref());
                let failed = failures.map_or(0, |failures| failures.mins.sum(from, to)).min(since.all);
                facts.insert("now_requests".to_owned(), Fact::Count(since.all));
                facts.insert("now_failed".to_owned(), Fact::Count(failed));
                facts.entry("ended_by".to_owned()).or_insert(Fact::Text("answers".to_owned()));
            }
            burst::NAME => {
                let scene = self.scene(entry.about.kind, now.bucket(TICK) - 1, self.history());
                let minutes = (to - from + 1) as f64;
                let usual = full.normal.expected(now, Span::from_mins(to - from + 1), &scene.around) / minutes;
                facts.insert("now_per_minute".to_owned(), Fact::Number(since.all as f64 / minutes));
                facts.insert("now_usual".to_owned(), Fact::Number(usual));
                facts.entry("ended_by".to_owned()).or_insert(Fact::Text("usual".to_owned()));
            }
            // Of calls that did not fail nobody waits that they work.
            retry_loop::NAME if entry.incident.facts.get("failing") == Some(&Fact::Flag(true)) => {
                let call = entry.evidence.iter().find(|v| v.about == entry.about && v.detector == retry_loop::NAME);
                let run = call.and_then(|evidence| self.repeats.look(Id(evidence.tag), now)).map(|seen| seen.run);
                // It comes as before, and is answered again.
                if run.is_some_and(|run| now - run.last_at <= run.gap.times(5).max(Span::from_mins(10))) {
                    by(&mut facts, "works");
                }
            }
            _ => {}
        }
        facts
    }

    /// The caller that made most of what everybody suffered from, if it has stopped or is refused while others go on.
    fn gone(&self, entry: &Entry, now: Timestamp) -> Option<(Facts, &'static str)> {
        let spread = &entry.spread;
        let kinds: &[(SubjectKind, &[(Id, f64)])] = match entry.about.kind {
            SubjectKind::Key => &[(SubjectKind::Client, &spread.clients)],
            SubjectKind::Client => &[],
            _ => &[(SubjectKind::Key, &spread.keys), (SubjectKind::Client, &spread.clients)],
        };
        let most = |list: &[(Id, f64)]| list.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1));
        let (kind, (id, share)) = kinds
            .iter()
            .filter_map(|(kind, list)| Some((*kind, most(list)?)))
            .find(|(_, (id, share))| *share >= OFFENDER && id.is_some())?;
        let row = self.row(About { kind, id })?;
        let mut facts = Facts::new();
        facts.insert("gone".to_owned(), Fact::Text(format!("{kind} {}", row.name)));
        facts.insert("gone_share".to_owned(), Fact::Share(share.min(1.0)));
        // Who came for a while longer did not end it by going.
        let last = match entry.incident.facts.get("last_sign") {
            Some(Fact::Time(last)) => *last,
            _ => entry.last_active(),
        };
        let with_it = row.last_seen <= last + Span::MINUTE;
        if now - row.last_seen >= Span::from_mins(LEAST) && with_it {
            facts.insert("silent_since".to_owned(), Fact::Time(row.last_seen));
            return Some((facts, "gone"));
        }
        let full = row.full.as_deref()?;
        let answers = self.answers(About { kind, id }, full, now);
        // Who was refused from its beginning, or long before it was over, did not end it by that.
        let began = entry.incident.started_at.max(entry.last_active() - LATE);
        let since = answers.since.filter(|since| answers.is_shut_out() && *since > began)?;
        answers.facts(since, now, &mut facts);
        Some((facts, "gone-refused"))
    }

    /// Of several callers in one incident: how many have stopped, and how many are refused.
    fn end_of_group(&self, entry: &Entry, now: Timestamp, facts: &mut Facts) {
        let mut members: Vec<About> = entry.evidence.iter().map(|evidence| evidence.about).collect();
        members.sort_unstable();
        members.dedup();
        members.retain(|about| about.kind.is_caller() && about.id != SITE);
        let (mut stopped, mut refused) = (0u64, 0u64);
        for about in &members {
            let row = self.row(*about);
            if row.is_none_or(|row| now - row.last_seen >= Span::from_mins(LEAST)) {
                stopped += 1;
            } else if let Some(full) = row.and_then(|row| row.full.as_deref()) {
                refused += u64::from(self.answers(*about, full, now).is_shut_out());
            }
        }
        if members.len() < 2 || 2 * (stopped + refused) < members.len() as u64 {
            return;
        }
        facts.insert("members".to_owned(), Fact::Count(members.len() as u64));
        facts.insert("members_stopped".to_owned(), Fact::Count(stopped));
        facts.insert("members_refused".to_owned(), Fact::Count(refused));
        by(facts, "members");
    }
}

fn by(facts: &mut Facts, what: &str) {
    facts.insert("ended_by".to_owned(), Fact::Text(what.to_owned()));
}

/// Whether an incident is about a caller of whom people know, and who may be shut out for it.
fn is_watched(entry: &Entry) -> bool {
    entry.is_told()
        && !entry.is_apart()
        && !entry.is_group()
        && entry.about.kind.is_caller()
        && !is_refusal(&entry.incident)
}

/// Whether being refused is what the incident is about.
fn is_refusal(incident: &Incident) -> bool {
    let class = match incident.facts.get("class") {
        Some(Fact::Text(class)) => class.as_str(),
        _ => "",
    };
    incident.detector == traffic_drop::NAME || incident.detector == error_spike::NAME && class != Class::Server.as_str()
}

/// The last minute that is over.
fn last_minute(now: Timestamp) -> i64 {
    now.bucket(Span::MINUTE) - 1
}

/// The shortest window that ends now and holds enough requests.
fn shortest(full: &Full, now: Timestamp) -> i64 {
    let last = last_minute(now);
    let enough = |minutes: &&i64| full.counts.mins.sum(last - **minutes + 1, last) >= ENOUGH;
    WINDOWS.iter().find(enough).copied().unwrap_or(HOUR)
}

/// The first of the minutes up to `last` in which nearly every request is refused.
fn refused_from(full: &Full, last: i64) -> Option<i64> {
    let mut first = None;
    for minute in (last - HOUR + 1..=last).rev() {
        let seen = counted(full, minute, minute);
        if seen.all > 0 && 10 * seen.refused < 8 * seen.all {
            break;
        }
        if seen.refused > 0 {
            first = Some(minute);
        }
    }
    first
}

/// Refused requests in the last third of the minutes against those in the first.
fn trend(full: &Full, from: i64, to: i64) -> Trend {
    let from = from.max(to - 29);
    let third = (to - from + 1) / 3;
    if third < 3 {
        return Trend::Steady;
    }
    let first = counted(full, from, from + third - 1).refused as f64;
    let last = counted(full, to - third + 1, to).refused as f64;
    match (last + 1.0) / (first + 1.0) {
        _ if first + last < 20.0 => Trend::Steady,
        ratio if ratio > 1.3 => Trend::Rising,
        ratio if ratio < 0.77 => Trend::Falling,
        _ => Trend::Steady,
    }
}
