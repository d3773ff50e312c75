//! Errors of one tick, and whether they concern somebody.

use crate::detect::scene::Scene;
use crate::detect::{Finding, error_spike};
use crate::engine::Engine;
use crate::engine::look::Looked;
use crate::event::SubjectKind;
use crate::incident::entry::Candidate;
use crate::measure::failures::{Class, Failures};
use crate::measure::ring::TICK;
use crate::measure::rows::Full;
use crate::time::{Span, Timestamp};

/// Share of a key's requests that fails from which on it is told at once if nobody else fails.
const ALONE: f64 = 0.3;

/// Share of an endpoint's requests that is refused as unknown from which on it is taken for one that is not there.
const NOWHERE: f64 = 0.8;

impl Engine {
    pub(super) fn errors(&mut self, tick: i64, history: Span, looked: &[Looked], candidates: &mut Vec<Candidate>) {
        if !self.settings.error_spike.enabled {
            return;
        }
        let end = Timestamp::of_bucket(tick + 1, TICK);
        for one in looked.iter().filter(|l| !l.sound) {
            let kind = one.about.kind;
            for class in Class::ALL {
                let Some(full) = self.rows(kind).get(one.slot).and_then(|row| row.full.as_deref()) else { continue };
                if full.failures[class.index()].is_none() {
                    continue;
                }
                let scene = self.scene(kind, tick, history);
                let settings = &self.settings.error_spike;
                let Some(judged) = error_spike::judge(kind, full, class, &scene, settings) else { continue };
                let calm = judged.bits == 0.0 || !error_spike::still(full, class, &scene, settings);
                let fires = judged.is_told() && !is_of_one_key(kind, full);
                // What is told is kept up to date by itself on every tick; whether it belongs elsewhere may wait for the minute.
                let known =
                    || !scene.ends_minute() && self.book.is_settled(error_spike::NAME, one.about, class.index() as u64);
                let found = if fires && !known() { error_spike::finding(kind, full, &scene, judged) } else { None };
                let single = kind.is_caller();
                let there = || kind == SubjectKind::Key && self.others_fail_there(full, class, tick);
                let patient = fires && single && (self.others_fail(full, class, tick) || there());
                // Where nobody else fails there is no company to wait for.
                let urgent = fires && kind == SubjectKind::Key && !patient && judged.share >= ALONE;
                if let Some(failures) = self
                    .rows_mut(kind)
                    .get_mut(one.slot)
                    .and_then(|row| row.full.as_deref_mut())
                    .and_then(|full| full.failures[class.index()].as_deref_mut())
                {
                    failures.note(judged.fires, calm, end);
                }
                if let Some(full) = self.rows_mut(kind).get_mut(one.slot).and_then(|row| row.full.as_deref_mut()) {
                    full.note_sound(false);
                }
                if let Some(finding) = found.filter(|finding| self.concerns_somebody(kind, class, finding)) {
                    let tag = class.index() as u64;
                    let candidate = self.candidate(one.about, tag, finding, judged.window);
                    candidates.extend(candidate.map(|candidate| Candidate { urgent, patient, ..candidate }));
                }
            }
        }
    }

    /// Refusals of strangers are scanners' background noise, and other detectors' business, unless one endpoint refuses
    /// many of them alike.
    fn concerns_somebody(&self, kind: SubjectKind, class: Class, finding: &Finding) -> bool {
        if !matches!(class, Class::Denied | Class::Client) || kind.is_caller() {
            return true;
        }
        let callers = &finding.parts.keys;
        let keyed: f64 = callers.iter().filter(|(id, _)| self.keys.find(*id).is_some()).map(|(_, share)| share).sum();
        let told: f64 = callers.iter().map(|(_, share)| share).sum();
        let many = callers.len() >= 8 && callers.first().is_some_and(|(_, share)| *share < 0.3);
        keyed >= 0.5 * told.max(0.5) || (kind == SubjectKind::Endpoint && many)
    }

    /// Whether others fail as well: then a caller's errors may be a part of theirs, and wait for them.
    fn others_fail(&self, one: &Full, class: Class, tick: i64) -> bool {
        let Some(site) = self.site_row().and_then(|site| site.full.as_deref()) else { return false };
        let failed =
            |full: &Full| full.failures[class.index()].as_deref().map_or(0.0, |f| f.tens.sum(tick - 5, tick) as f64);
        let requests = |full: &Full| full.counts.ticks(tick, 6) as f64;
        let usual = site.failures[class.index()].as_deref().map_or(0.0, Failures::share);
        let others = (failed(site) - failed(one)).max(0.0);
        let among = (requests(site) - requests(one)).max(0.0);
        others > (3.0 * usual).max(0.02) * among + 3.0
    }

    /// Whether others fail on the endpoint that most of a caller's failures are on, however small a part of the site it is.
    fn others_fail_there(&self, one: &Full, class: Class, tick: i64) -> bool {
        let Some(own) = one.failures[class.index()].as_deref() else { return false };
        let Some(top) = own.endpoints.shares().first().copied().filter(|top| top.now >= 0.5) else { return false };
        let Some(full) = self.endpoints.row(top.id).and_then(|row| row.full.as_deref()) else { return false };
        let recent = |failures: &Failures| failures.tens.sum(tick - 29, tick) as f64;
        let mine = recent(own) * top.now;
        let others = full.failures[class.index()].as_deref().map_or(0.0, recent) - mine;
        let usual = full.failures[class.index()].as_deref().map_or(0.0, Failures::share);
        others >= 3.0 && others > (3.0 * usual).max(0.05) * (full.counts.ticks(tick, 30) as f64 - mine)
    }
}

/// Whether a client is one key's machine: the key speaks for it.
pub(super) fn is_of_one_key(kind: SubjectKind, full: &Full) -> bool {
    kind == SubjectKind::Client && full.keys.shares().first().is_some_and(|top| top.now >= 0.8)
}

/// Whether an endpoint is one that is not there: what scanners ask for comes and goes, and is the business of others. That
/// a page has gone is told by its errors.
pub(super) fn leads_nowhere(kind: SubjectKind, full: &Full, scene: &Scene<'_>) -> bool {
    let refused = || full.failures[Class::Client.index()].as_deref();
    kind == SubjectKind::Endpoint
        && refused().is_some_and(|failures| {
            let minute = scene.minute();
            failures.mins.sum(minute - 59, minute) as f64 >= NOWHERE * (full.counts.minutes(minute, 60) as f64).max(1.0)
        })
}
