//! A flood of keys that nobody has ever seen: somebody tries keys, or makes them up.
//!
//! The first request of each new key is counted as if it were a stream of its own, with its own usual: a site that
//! meets a hundred new customers an hour is used to them. A flood is a burst of that stream, told as one incident on
//! the site.

use crate::detect::grounds::Grounds;
use crate::detect::scene::Scene;
use crate::detect::{Fact, Facts, Finding, Impact, Parts, Trend, burst, error_spike};
use crate::engine::urgent::Along;
use crate::engine::{Engine, SITE};
use crate::event::{Event, Id, Severity, SubjectKind};
use crate::incident::cause::{self, Verdict};
use crate::incident::entry::{About, Candidate, Entry, FLOOD};
use crate::measure::failures::Class;
use crate::measure::ring::{Ring, TICK, When};
use crate::measure::rows::Full;
use crate::time::{Span, Timestamp};

/// New keys within five minutes from which on it is one.
const LEAST: f64 = 500.0;
/// So many are one even if it is over within seconds.
const HOWEVER_SHORT: f64 = 10.0 * LEAST;
/// Share of a finding that new keys must make for it to be a part of the flood.
const MOST: f64 = 0.6;
/// A key is a stranger for so long after its first request, unless it becomes busy before.
const STRANGE: Span = Span::from_mins(10);
/// The only row.
const NEWCOMERS: Id = Id(1);
/// How often a table that fills up is looked at, in newcomers.
const LOOK_EVERY: u64 = 4096;

/// The parts of memory that tables may take, in percent; what is left is for everything of fixed size.
const SHARES: [(SubjectKind, usize); 3] =
    [(SubjectKind::Key, 50), (SubjectKind::Client, 27), (SubjectKind::Endpoint, 15)];

impl Engine {
    /// A key that is met for the first time (or was forgotten).
    pub(super) fn note_newcomer(&mut self, event: &Event) {
        let around = super::count::around(self.settings.zone, 1.0, &self.calendar);
        let counted = (event, &When::at(event.time));
        self.newcomers.absorb((NEWCOMERS, 0), || "new keys".into(), counted, &around);
    }

    /// A request of a key: where it goes, if nobody knows the key yet.
    pub(super) fn note_stranger(&mut self, slot: u32, event: &Event) {
        let strange =
            self.keys.get(slot).is_some_and(|row| row.full.is_none() && event.time - row.first_seen < STRANGE);
        if strange {
            self.strangers.add(event.endpoint.id, event.status, event.time);
        }
    }

    /// Makes room where tables take more memory than they may. Not while slots are in use.
    pub(super) fn make_room(&mut self) {
        for (kind, percent) in SHARES {
            let bytes = self.settings.memory / 100 * percent;
            self.rows_mut(kind).keep_within(bytes);
        }
    }

    /// Whether tables grew enough since the last look.
    pub(super) fn is_room_due(&mut self) -> bool {
        let inserted = [&self.keys, &self.clients, &self.endpoints].iter().map(|rows| rows.inserted).sum::<u64>();
        let due = inserted - self.looked_at >= LOOK_EVERY;
        if due {
            self.looked_at = inserted;
        }
        due
    }

    /// The newcomers' own burst, if there is one.
    fn flood(&mut self, tick: i64, history: Span) -> Option<Candidate> {
        let end = Timestamp::of_bucket(tick + 1, TICK);
        let around = super::count::around(self.settings.zone, 1.0, &self.calendar);
        let full = self.newcomers.get_mut(0)?.full.as_deref_mut()?;
        let before = end - Span::from_millis(1);
        if before.bucket(Span::HOUR) > full.normal.learned_hour() + 1 {
            full.learn(before, &around);
        }
        let scene = self.scene(SubjectKind::Site, tick, history);
        let full = self.newcomers.get(0)?.full.as_deref()?;
        let now = burst::look(full, &scene);
        let judged = burst::judge(SubjectKind::Site, full, now, &scene, 1, &self.settings.burst);
        let fires = now.seen >= LEAST && (judged.fires() || now.seen >= HOWEVER_SHORT && judged.bits >= judged.need);
        let finding = fires.then(|| {
            let grounds = burst::finding(SubjectKind::Site, full, &scene, judged, now).grounds;
            self.flood_finding(full, now, (burst::onset(full, &scene, judged.window), tick), grounds)
        });
        if let Some(full) = self.newcomers.get_mut(0).and_then(|row| row.full.as_deref_mut()) {
            full.normal.note(judged.bits, judged.need.min(1e9), judged.calm, end);
        }
        let mut flood = self.candidate(About { kind: SubjectKind::Site, id: SITE }, FLOOD, finding?, judged.window)?;
        // It explains others, and nothing explains it.
        flood.urgent = true;
        Some(flood)
    }

    /// Adds the flood, if there is one, to the findings of a tick, and takes out what is a part of it: that everything is
    /// busier, and refused, is what a flood does.
    pub(super) fn fold_into_flood(&mut self, tick: i64, history: Span, candidates: &mut Vec<Candidate>) {
        candidates.extend(self.flood(tick, history).filter(|_| self.settings.burst.enabled));
        let flooded = candidates.iter().any(|c| c.tag == FLOOD) || self.has_open_flood();
        let site = |c: &Candidate| flooded && c.about.kind == SubjectKind::Site;
        let end = Timestamp::of_bucket(tick + 1, TICK);
        let of_it = |c: &Candidate| site(c) || self.is_of_newcomers(c) || self.is_calm_without_newcomers(c, end);
        candidates.retain(|c| c.tag == FLOOD || !of_it(c));
    }

    /// Where a finding belongs. Nothing else explains a flood.
    pub(super) fn verdict(&self, candidate: &Candidate, now: Timestamp) -> Verdict {
        if candidate.tag == FLOOD {
            return self.book.on(candidate.about).map_or(Verdict::New, Verdict::Join);
        }
        match cause::place(&self.book, candidate, now) {
            Verdict::New => self.moved_from(candidate).unwrap_or(Verdict::New),
            verdict => verdict,
        }
    }

    /// Whether a finding is what new keys do: they make most of it.
    fn is_of_newcomers(&self, candidate: &Candidate) -> bool {
        let Some(full) = self.newcomers.get(0).and_then(|row| row.full.as_deref()) else { return false };
        let since = candidate.finding.started_at;
        let newcomers = full.counts.mins.sum(since.bucket(Span::MINUTE), i64::MAX) as f64;
        let theirs = match candidate.about.kind {
            SubjectKind::Key => return false,
            SubjectKind::Endpoint => self.strangers.requests(candidate.about.id, since) as f64,
            SubjectKind::Client => newcomers * full.clients.share_of(candidate.about.id),
            SubjectKind::Source | SubjectKind::Site => newcomers,
        };
        newcomers >= LEAST / 5.0 && theirs >= MOST * candidate.finding.excess
    }

    /// Whether an endpoint's failures are no more than usual without those of new keys. A flood that is over is still in
    /// the long windows, though nobody who is new has come since the run of failing minutes.
    fn is_calm_without_newcomers(&self, candidate: &Candidate, end: Timestamp) -> bool {
        if candidate.finding.detector != error_spike::NAME || candidate.about.kind != SubjectKind::Endpoint {
            return false;
        }
        let Some(class) = Class::ALL.into_iter().find(|class| class.index() as u64 == candidate.tag) else {
            return false;
        };
        let Some(full) = self.endpoints.row(candidate.about.id).and_then(|row| row.full.as_deref()) else {
            return false;
        };
        let Some(failures) = full.failures[class.index()].as_deref() else { return false };
        let since = (end - candidate.window).min(candidate.finding.started_at);
        let theirs = self.strangers.failures(candidate.about.id, class, since) as f64;
        let minute = since.bucket(Span::MINUTE);
        let newcomers = self.newcomers.get(0).and_then(|row| row.full.as_deref());
        let flooded = newcomers.is_some_and(|full| full.counts.mins.sum(minute, i64::MAX) as f64 >= LEAST);
        let errors = (failures.mins.sum(minute, i64::MAX) as f64 - theirs).max(0.0);
        let requests =
            full.counts.mins.sum(minute, i64::MAX) as f64 - self.strangers.requests(candidate.about.id, since) as f64;
        let usual = (2.0 * failures.share()).max(self.settings.error_spike.least_share) * requests.max(errors);
        flooded && theirs >= LEAST / 5.0 && errors <= usual + usual.sqrt() + self.settings.error_spike.floor
    }

    /// The newest numbers of a flood that is open.
    pub(super) fn flood_now(&self, tick: i64, history: Span) -> Option<Finding> {
        let full = self.newcomers.get(0)?.full.as_deref()?;
        let scene = self.scene(SubjectKind::Site, tick, history);
        let now = burst::look(full, &scene);
        let judged = burst::judge(SubjectKind::Site, full, now, &scene, 1, &self.settings.burst);
        let grounds = burst::finding(SubjectKind::Site, full, &scene, judged, now).grounds;
        Some(self.flood_finding(full, now, (Timestamp::of_bucket(tick - 5, TICK), tick), grounds))
    }

    /// Whether an open flood goes on.
    pub(super) fn is_flooded(&self, tick: i64, history: Span) -> bool {
        let Some(full) = self.newcomers.get(0).and_then(|row| row.full.as_deref()) else { return false };
        // What is new is not measured against how busy the site is.
        let scene = Scene { site_factor: 1.0, ..self.scene(SubjectKind::Site, tick, history) };
        burst::still(full, &scene)
    }

    /// New keys of one tick, and how many are usual.
    pub(super) fn newcomers_along(&self, tick: i64, history: Span) -> Option<Along> {
        let full = self.newcomers.get(0)?.full.as_deref()?;
        let scene = self.scene(SubjectKind::Site, tick, history);
        let usual = full.normal.expected(scene.end, TICK, &scene.around);
        Some(Along { requests: u64::from(full.counts.tens.get(tick)), errors: 0, usual })
    }

    /// Whether a flood is among the open incidents: it explains what else the site does.
    fn has_open_flood(&self) -> bool {
        self.book.entries().iter().any(Entry::is_flood)
    }

    /// What is to be told of new keys from a start to the end of a tick: lines may have been read beyond it.
    fn flood_finding(
        &self,
        full: &Full,
        now: burst::Now,
        (started_at, tick): (Timestamp, i64),
        grounds: Grounds,
    ) -> Finding {
        // In the newest minute, or since it began: five minutes are not full yet when it is noticed.
        let tens = (tick + 1 - started_at.bucket(TICK)).clamp(1, 6);
        let per_minute = full.counts.tens.sum(tick + 1 - tens, tick) as f64 * 6.0 / tens as f64;
        let so_far = between(&full.counts.tens, &full.counts.mins, started_at, tick);
        let mut facts = Facts::new();
        facts.insert("new_keys".into(), Fact::Count(so_far));
        facts.insert("usual_new_keys".into(), Fact::Number(now.expected));
        facts.insert("per_minute".into(), Fact::Number(per_minute));
        facts.insert("usual_per_minute".into(), Fact::Number(now.expected / 5.0));
        facts.insert("keys_total".into(), Fact::Count(self.keys.fulls() as u64));
        let refused = full.failures.iter().flatten().map(|f| between(&f.tens, &f.mins, started_at, tick)).sum::<u64>();
        let share = |mix: &crate::measure::mix::Mix| {
            mix.shares().iter().filter(|s| s.now >= 0.02).map(|s| (s.id, s.now)).take(5).collect()
        };
        Finding {
            detector: burst::NAME,
            started_at,
            observed: per_minute,
            expected: now.expected / 5.0,
            unit: "new keys/min",
            bits: grounds.had,
            excess: (now.seen - now.expected).max(0.0),
            severity: Severity::Warning,
            trend: Trend::Steady,
            impact: Impact { requests: so_far, errors: refused, cost: None },
            facts,
            parts: Parts { endpoints: share(&full.endpoints), clients: share(&full.clients), ..Parts::default() },
            grounds,
        }
    }
}

/// What was counted from a start to the end of a tick, by tens of seconds where they reach back so far.
fn between<const TENS: usize, const MINS: usize>(
    tens: &Ring<TENS>,
    mins: &Ring<MINS>,
    start: Timestamp,
    tick: i64,
) -> u64 {
    let first = start.bucket(TICK);
    if tick - first < TENS as i64 - 2 {
        return tens.sum(first, tick);
    }
    let minute = Timestamp::of_bucket(tick, TICK).bucket(Span::MINUTE);
    let its_first = Timestamp::of_bucket(minute, Span::MINUTE).bucket(TICK);
    mins.sum(start.bucket(Span::MINUTE), minute - 1) + tens.sum(its_first, tick)
}
