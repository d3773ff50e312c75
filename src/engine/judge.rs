//! One tick: look at what moved, judge it, place the findings, tell what is due.

use serde::{Deserialize, Serialize};

use crate::detect::scene::{Scene, need_bits};
use crate::detect::{
    Fact, Finding, burst, credential_stuffing, enumeration, front_end_exposure, harvesting, leaked_key, payload_size,
    slow_response,
};
use crate::engine::look::Looked;
use crate::engine::spikes::{is_of_one_key, leads_nowhere};
use crate::engine::{Engine, SITE};
use crate::event::{Severity, SubjectKind};
use crate::fault;
use crate::incident::Change;
use crate::incident::cause::{self, Verdict};
use crate::incident::entry::{About, Candidate, FLOOD};
use crate::incident::kept::Reason;
use crate::measure::normal::Surroundings;
use crate::measure::ring::TICK;
use crate::measure::rows::Rows;
use crate::time::{Span, Timestamp};

/// A silence longer than this is not gone through tick by tick.
const LONGEST_WALK: Span = Span::from_hours(26);
/// Everything has to be up together for this long.
const SITE_UP_FOR: Span = Span::from_mins(5);

/// Detectors that tell the same of one subject again within weeks only if it is larger.
const TOLD_ONCE: [&str; 7] = [
    burst::NAME,
    harvesting::NAME,
    enumeration::NAME,
    credential_stuffing::NAME,
    front_end_exposure::NAME,
    payload_size::NAME,
    slow_response::NAME,
];

/// A tick that ends an hour still belongs to it: by this much.
pub(super) const LAST: Span = Span::from_millis(1);

/// Everything rising together.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(super) struct SiteUp {
    /// The site factor of the last tick: 1 is usual.
    pub(super) factor: f64,
    pub(super) since: Option<Timestamp>,
    pub(super) keys_up: u32,
    pub(super) keys_seen: u32,
}

impl Engine {
    /// Judges every tick that ends at or before `watermark`.
    pub(super) fn judge_until(&mut self, watermark: Timestamp, out: &mut Vec<Change>) {
        let Some(judged) = self.judged else { return };
        let last = watermark.bucket(TICK) - 1;
        let mut tick = judged + 1;
        let walk = LONGEST_WALK.millis() / TICK.millis();
        while tick <= last {
            // After a long silence the rest of it is skipped: nothing is left to judge in it.
            if tick - judged > walk && last - tick > walk {
                tick = last - walk / 24;
                self.judged = Some(tick - 1);
            }
            self.at_tick = Some(tick);
            fault::point("engine.tick");
            self.judge(tick, out);
            self.at_tick = None;
            self.judged = Some(tick);
            tick += 1;
        }
    }

    fn judge(&mut self, tick: i64, out: &mut Vec<Change>) {
        let end = Timestamp::of_bucket(tick + 1, TICK);
        if end.millis() % Span::MINUTE.millis() == 0 {
            self.make_room();
            self.mark_void(end);
        }
        if end.millis() % Span::HOUR.millis() == 0 {
            self.every_hour(end);
            for candidate in self.days_over(end) {
                self.place_or_keep(candidate, end);
            }
        }
        let history = self.watched(end);
        let looked = self.look(tick, history);
        self.note_site_factor(tick, history, &looked);
        let mut candidates = self.bursts(tick, history, &looked);
        self.errors(tick, history, &looked, &mut candidates);
        if end.millis() % Span::MINUTE.millis() == 0 {
            self.drops(tick, history, &mut candidates);
        }
        if end.millis() % (15 * Span::MINUTE.millis()) == 0 {
            self.harvests(tick, history, &mut candidates);
        }
        self.probing(tick, history, &mut candidates);
        self.creeping(tick, &mut candidates);
        self.guesses(tick, history, &mut candidates);
        if end.millis() % Span::MINUTE.millis() == 0 {
            self.sizes(tick, &mut candidates);
        }
        self.fold_into_flood(tick, history, &mut candidates);
        candidates.sort_by_cached_key(|c| cause::order(c, rank(c.finding.detector)));
        for candidate in candidates {
            self.place_finding(candidate, end);
        }
        if end.millis() % Span::MINUTE.millis() == 0 && self.settings.leaked_key_enabled {
            self.young_keys(&looked, end);
        }
        self.looked = looked;
        self.refresh(tick, history);
        if end.millis() % Span::MINUTE.millis() == 0 {
            self.refresh_budgets(end);
        }
        self.judge_rules(end);
        cause::settle(&mut self.book);
        let settings = self.settings.book;
        let (keys, clients, endpoints) = (self.keys.fulls(), self.clients.fulls(), self.endpoints.fulls());
        self.book.group(SITE, end, &settings, &|kind| match kind {
            SubjectKind::Key => keys,
            SubjectKind::Client => clients,
            _ => endpoints,
        });
        self.price_incidents(end);
        self.tick_book(end, out);
        if end.millis() % Span::MINUTE.millis() == 0 {
            self.look_after(end, out);
        }
        if end.millis() % Span::MINUTE.millis() == 0 && !self.quiet {
            self.book.sum_up(end, end + self.settings.zone.offset(end), &settings, out);
        }
    }

    /// How long the site has been watched at `end`.
    fn watched(&self, end: Timestamp) -> Span {
        self.first_event.map_or(Span::ZERO, |first| end - first) + self.known_before
    }

    fn surroundings(&self, kind: SubjectKind) -> Surroundings<'_> {
        Surroundings { zone: self.settings.zone, calendar: &self.calendar, population_mean: self.means.of(kind) }
    }

    pub(super) fn scene(&self, kind: SubjectKind, tick: i64, history: Span) -> Scene<'_> {
        Scene::new(tick, self.surroundings(kind), self.site_up.factor.max(1.0), history)
    }

    /// The scene of the tick that is being judged.
    pub(super) fn scene_now(&self, kind: SubjectKind) -> Scene<'_> {
        let tick = self.judged.unwrap_or_default() + 1;
        let end = Timestamp::of_bucket(tick + 1, TICK);
        self.scene(kind, tick, self.watched(end))
    }

    /// The site is silent although it should be busy: its minutes say nothing.
    fn mark_void(&mut self, end: Timestamp) {
        let Some(row) = self.site.row(SITE) else { return };
        let Some(full) = row.full.as_deref() else { return };
        let around = self.surroundings(SubjectKind::Site);
        let rate = full.normal.expected(end, Span::MINUTE, &around);
        let patience = Span::from_mins(2).max(Span::from_secs_f64(20.0 * 60.0 / rate.max(0.001)));
        let silent = end - row.last_seen;
        if silent < patience || rate < 1.0 {
            return;
        }
        let mut minute = (row.last_seen + Span::MINUTE).floor(Span::MINUTE).max(end - Span::DAY);
        while minute < end {
            self.calendar.mark_void(minute);
            minute += Span::MINUTE;
        }
    }

    fn every_hour(&mut self, end: Timestamp) {
        self.repeats.sweep(end);
        self.strangers.sweep(end);
        self.sweep_refused(end);
        let local = end + self.settings.zone.offset(end);
        if local.millis() % Span::DAY.millis() == 0 {
            self.peers.end_day();
            self.doubtful.end_day();
        }
        let mean = |rows: &Rows| rows.mean_level().map(|mean| mean.clamp(1e-3, 1e6));
        let day = local.bucket(Span::DAY) as i32;
        self.keys.pass(end, day);
        self.means.keys = mean(&self.keys).unwrap_or(self.means.keys);
        self.means.clients = mean(&self.clients).unwrap_or(self.means.clients);
        self.means.endpoints = mean(&self.endpoints).unwrap_or(self.means.endpoints);
        self.list_busy();
    }

    /// The kind of subject that stands for a caller here: keys, or clients where few requests carry one.
    pub(super) fn callers(&self) -> SubjectKind {
        let anonymous = self.keys.is_empty() || self.keys.fulls() * 4 < self.clients.fulls();
        if anonymous { SubjectKind::Client } else { SubjectKind::Key }
    }

    fn bursts(&mut self, tick: i64, history: Span, looked: &[Looked]) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        if !self.settings.burst.enabled {
            return candidates;
        }
        let end = Timestamp::of_bucket(tick + 1, TICK);
        for one in looked {
            let kind = one.about.kind;
            if one.rests {
                continue;
            }
            if one.light {
                let floor = self.settings.burst.floor_of(kind);
                let (rows, scene) = self.rows_in_scene(kind, tick, history);
                if let Some(full) = rows.get_mut(one.slot).and_then(|row| row.full.as_deref_mut()) {
                    let calm = burst::is_calm(full, &scene, floor);
                    // No bits, whatever is needed.
                    full.normal.note(0.0, 1e9, calm, end);
                    full.today.reach(one.seen as u32, full.counts.minutes(scene.minute(), 60) as u32);
                }
                continue;
            }
            let streams = self.rows(kind).fulls();
            let scene = self.scene(kind, tick, history);
            let now = self.now_of(one, &scene);
            let Some(row) = self.rows(kind).get(one.slot) else { continue };
            let Some(full) = row.full.as_deref() else { continue };
            let settings = &self.settings.burst;
            let judged = burst::judge(kind, full, now, &scene, streams, settings);
            let together = kind == SubjectKind::Site
                && self.site_up.since.is_some_and(|since| end - since >= SITE_UP_FOR)
                && judged.bits >= 0.5 * need_bits(kind, 1, history, settings.sensitivity)
                && burst::fills_minutes(full, &scene, now);
            // What the cardinality cap lumps together comes and goes with what it lumps.
            let news = || {
                !is_of_one_key(kind, full)
                    && !leads_nowhere(kind, full, &scene)
                    && self.beyond_peers(kind, full, now.seen, judged.own)
            };
            let fires = (judged.fires() && !self.is_unsettled(kind, one.slot) && news()) || together;
            let near = !fires && judged.is_near() && !self.quiet && !self.is_unsettled(kind, one.slot) && news();
            let found = (fires || near).then(|| (burst::finding(kind, full, &scene, judged, now), judged.window));
            let (five, sixty) = (now.seen, full.counts.minutes(scene.minute(), 60));
            let note = (judged.bits, judged.need.min(1e9), judged.calm);
            if let Some(full) = self.rows_mut(kind).get_mut(one.slot).and_then(|row| row.full.as_deref_mut()) {
                full.normal.note(note.0, note.1, note.2, end);
                full.today.reach(five as u32, sixty as u32);
                full.today.incident |= fires;
            }
            if let Some((finding, window)) = found {
                if kind == SubjectKind::Site {
                    self.count_risen(tick, history, looked);
                }
                let candidate = self.candidate(one.about, 0, finding, window).and_then(|c| self.attribute(c));
                if fires {
                    candidates.extend(candidate);
                } else if let Some(candidate) = candidate.filter(|c| cause::is_unexplained(&self.book, c, end)) {
                    self.keep(&candidate, Reason::Short, end);
                }
            }
        }
        candidates
    }

    /// Keys on their first day are judged by their number of networks, which no single request decides.
    fn young_keys(&mut self, looked: &[Looked], end: Timestamp) {
        for one in looked.iter().filter(|l| l.about.kind == SubjectKind::Key) {
            let young = self.keys.get(one.slot).and_then(|row| row.novelty.as_deref());
            let settings = &self.settings.leaked_key;
            if young.is_some_and(|novelty| novelty.is_first_day() && leaked_key::may_matter(novelty, settings)) {
                self.judge_key(one.about, end);
            }
        }
    }

    /// A finding with names and shares.
    pub(super) fn candidate(&self, about: About, tag: u64, finding: Finding, window: Span) -> Option<Candidate> {
        let row = self.row(about)?;
        let (parts, spread) = self.parts(about, &finding.parts);
        let watched = finding.started_at - row.first_seen.max(self.first_event.unwrap_or(row.first_seen));
        let mut finding = finding;
        let site = self.site_row().and_then(|site| site.full.as_deref());
        if let (Some(full), Some(site)) = (row.full.as_deref(), site) {
            let newest = self.judged.unwrap_or_default() + 1;
            let share = full.counts.ticks(newest, 30) as f64 / (site.counts.ticks(newest, 30) as f64).max(1.0);
            finding.facts.insert("share_of_site".into(), Fact::Share(share.min(1.0)));
        }
        if about.kind == SubjectKind::Site && finding.detector == burst::NAME && tag != FLOOD {
            let crowd = self.crowd(finding.started_at, finding.excess);
            finding.facts.extend(crowd);
        }
        if about.kind == SubjectKind::Site && finding.detector == burst::NAME && self.site_up.keys_seen >= 5 {
            finding.facts.insert("keys_up".into(), Fact::Count(u64::from(self.site_up.keys_up)));
            finding.facts.insert("keys_total".into(), Fact::Count(u64::from(self.site_up.keys_seen)));
        }
        Some(Candidate {
            about,
            name: row.name.to_string(),
            tag,
            finding,
            parts,
            spread,
            history: watched.max(Span::ZERO),
            window,
            urgent: false,
            patient: false,
        })
    }

    /// Keeps a finding for the daily summary; history that is only learned from leaves no lines.
    pub(super) fn keep(&mut self, candidate: &Candidate, reason: Reason, now: Timestamp) {
        if !self.quiet && !self.is_aftermath(candidate, now) {
            self.book.keep(candidate, reason, now);
        }
    }

    /// Puts a finding where it belongs in the book.
    pub(super) fn place_finding(&mut self, mut candidate: Candidate, now: Timestamp) {
        if self.is_aftermath(&candidate, now) {
            return;
        }
        if let Some(severity) = self.settings.severities.get(candidate.finding.detector) {
            candidate.finding.severity = *severity;
        }
        let rank = rank(candidate.finding.detector);
        match self.verdict(&candidate, now) {
            Verdict::Join(index) => self.book.join(index, candidate, now, rank),
            Verdict::Sharpen(index) => self.book.sharpen(index, candidate, now, rank),
            Verdict::Move(index) => self.book.hand_over(index, candidate, now, rank),
            Verdict::Echo if TOLD_ONCE.contains(&candidate.finding.detector) => {
                self.let_go(candidate.finding.detector, candidate.about, candidate.tag);
            }
            Verdict::Echo => {}
            Verdict::New
                if TOLD_ONCE.contains(&candidate.finding.detector)
                    // Somebody who gets in is news each time.
                    && (candidate.finding.detector, candidate.finding.severity)
                        != (credential_stuffing::NAME, Severity::Critical)
                    && candidate.tag != FLOOD
                    && self.book.is_repeat(&candidate, now) =>
            {
                self.keep(&candidate, Reason::Repeat, now);
                self.let_go(candidate.finding.detector, candidate.about, candidate.tag);
            }
            Verdict::New => {
                let group = self.book.group_of(candidate.finding.detector, candidate.about.kind);
                match group {
                    Some(index) if !candidate.urgent => self.book.join(index, candidate, now, rank),
                    _ => {
                        let settings = self.settings.book;
                        self.book.open(&candidate, now, rank, &settings);
                    }
                }
            }
        }
    }
}

/// Rank of a detector for the title of an incident: smaller wins.
pub(super) fn rank(detector: &str) -> u8 {
    crate::detect::DETECTORS.iter().find(|d| d.name == detector).map_or(u8::MAX, |d| d.rank)
}
