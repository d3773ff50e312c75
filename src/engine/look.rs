//! The first look of a tick: what moved, how much it did, and whether everything is up together.

use std::collections::BinaryHeap;

use smallvec::SmallVec;

use super::judge::LAST;
use crate::detect::scene::Scene;
use crate::detect::{burst, error_spike};
use crate::engine::Engine;
use crate::event::SubjectKind;
use crate::incident::entry::About;
use crate::measure::normal::Surroundings;
use crate::measure::ring::TICK;
use crate::measure::rows::{Full, Rows};
use crate::time::{Span, Timestamp};

/// Everything is up together from this factor on.
const SITE_UP: f64 = 1.8;
/// How many risers are left out when it is asked whether everything is up.
const RISERS: usize = 5;

/// A subject that moved, after the first look.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) about: About,
    pub(super) slot: u32,
    /// Requests in the last five minutes.
    pub(super) seen: f64,
    /// No window can hold a burst ([`burst::Glance::is_light`]).
    pub(super) light: bool,
    /// It is light, calm, and did no more than before today: noting that would change nothing.
    pub(super) rests: bool,
    /// No class of failures can hold a spike, and each was noted as calm.
    pub(super) sound: bool,
}

impl Engine {
    /// Everything that moved in this tick, or is watched, with what it did in the last five minutes. Most of it is too
    /// little for any detector: that is found out here, once, from the counts alone.
    pub(super) fn look(&mut self, tick: i64, history: Span) -> Vec<Looked> {
        let end = Timestamp::of_bucket(tick + 1, TICK);
        let mut looked = std::mem::take(&mut self.looked);
        looked.clear();
        let mut slots = std::mem::take(&mut self.scratch);
        let (bursts, spikes) = (self.settings.burst, self.settings.error_spike);
        for kind in [SubjectKind::Site, SubjectKind::Endpoint, SubjectKind::Key, SubjectKind::Client] {
            let (rows, scene) = self.rows_in_scene(kind, tick, history);
            rows.take_touched(end, &mut slots);
            let (floor, last) = (bursts.floor_of(kind), (end - LAST).bucket(Span::HOUR));
            for &slot in &slots {
                let full = rows.get(slot).and_then(|row| row.full.as_deref());
                let Some(learned) = full.map(|full| full.normal.learned_hour()) else { continue };
                if last > learned + 1 {
                    rows.learn(slot, end - LAST, &scene.around);
                }
                let Some(row) = rows.get_mut(slot) else { continue };
                let about = About { kind, id: row.id };
                // Lines run ahead of the tick: what is listed for those alone is looked at in theirs.
                let ahead = row.last_seen >= end;
                let Some(full) = row.full.as_deref_mut() else { continue };
                if ahead && paused(full, &scene) {
                    let seen = full.counts.ticks(tick, 30) as f64;
                    looked.push(Looked { about, slot, seen, light: true, rests: true, sound: true });
                    continue;
                }
                let sound = !spikes.enabled || error_spike::note_quiet(kind, full, &scene, &spikes);
                let glance = burst::glance(full, &scene);
                let light = glance.is_light(floor);
                let rests = light && burst::rests(full, &scene, glance.five, floor);
                looked.push(Looked { about, slot, seen: glance.five as f64, light, rests, sound });
            }
        }
        self.scratch = slots;
        looked
    }

    /// The rows of one kind, to change, and the scene of a tick for them.
    pub(super) fn rows_in_scene(&mut self, kind: SubjectKind, tick: i64, history: Span) -> (&mut Rows, Scene<'_>) {
        let Engine { site, sources, endpoints, keys, clients, calendar, settings, means, site_up, .. } = self;
        let around = Surroundings { zone: settings.zone, calendar, population_mean: means.of(kind) };
        let rows = match kind {
            SubjectKind::Key => keys,
            SubjectKind::Endpoint => endpoints,
            SubjectKind::Client => clients,
            SubjectKind::Source => sources,
            SubjectKind::Site => site,
        };
        (rows, Scene::new(tick, around, site_up.factor.max(1.0), history))
    }

    /// What one subject that moved did in the last five minutes, against its usual.
    pub(super) fn now_of(&self, one: &Looked, scene: &Scene<'_>) -> burst::Now {
        let full = self.rows(one.about.kind).get(one.slot).and_then(|row| row.full.as_deref());
        burst::Now { seen: one.seen, expected: full.map_or(0.0, |full| burst::usual(full, scene)) }
    }

    /// How much everything is up together: the site over five minutes, its five largest risers left out. Where few
    /// lines carry keys, clients take their place.
    pub(super) fn note_site_factor(&mut self, tick: i64, history: Span, looked: &[Looked]) {
        let end = Timestamp::of_bucket(tick + 1, TICK);
        let mut factor = 1.0;
        let site = looked.iter().find(|l| l.about.kind == SubjectKind::Site);
        if let Some(site) = site.filter(|_| history >= Span::from_hours(2)) {
            let site = self.now_of(site, &self.scene(SubjectKind::Site, tick, history));
            let (mut seen, mut expected) = (site.seen, site.expected);
            for now in self.risers(tick, history, looked) {
                seen -= now.seen;
                expected -= now.expected.min(now.seen);
            }
            factor = ((seen + 50.0) / (expected.max(0.0) + 50.0)).max(1.0);
        }
        self.site_up.factor = factor;
        self.calendar.note_site_factor(end, factor);
        if factor >= SITE_UP {
            self.site_up.since.get_or_insert(end);
        } else {
            self.site_up.since = None;
        }
    }

    /// The five callers that are the farthest above their usual, the farthest first.
    ///
    /// Nobody is farther above it than by all that was seen: in the order of what was seen, whoever comes behind the first
    /// that was seen less than the fifth is above the usual cannot be among the five, so its usual need not be asked.
    fn risers(&self, tick: i64, history: Span, looked: &[Looked]) -> SmallVec<[burst::Now; 8]> {
        let kind = self.callers();
        let scene = self.scene(kind, tick, history);
        // The first few of them are asked for, so they are not all put in order. What was seen and, behind it, the place, so
        // that one comparison does.
        let callers = looked.iter().zip(0u32..).filter(|(l, _)| l.about.kind == kind);
        let mut order: BinaryHeap<u64> =
            callers.map(|(l, index)| u64::from(l.seen as u32) << 32 | u64::from(!index)).collect();
        let mut best: SmallVec<[(f64, u32, burst::Now); 8]> = SmallVec::new();
        while let Some(next) = order.pop() {
            let (seen, index) = ((next >> 32) as f64, !(next as u32));
            if best.len() == RISERS && best.last().is_some_and(|fifth| seen < fifth.0) {
                break;
            }
            let Some(one) = looked.get(index as usize) else { continue };
            let now = self.now_of(one, &scene);
            let above = now.seen - now.expected;
            // Of equals the one that was looked at first comes first.
            let at = best.partition_point(|b| b.0.total_cmp(&above).reverse().then(b.1.cmp(&index)).is_lt());
            best.insert(at, (above, index, now));
            best.truncate(RISERS);
        }
        best.into_iter().map(|(_, _, now)| now).collect()
    }

    /// How many callers are clearly above their usual, and how many were looked at.
    pub(super) fn count_risen(&mut self, tick: i64, history: Span, looked: &[Looked]) {
        let kind = self.callers();
        let scene = self.scene(kind, tick, history);
        let callers = || looked.iter().filter(|l| l.about.kind == kind);
        // Whoever was seen no more than three times is not, whatever is usual.
        let up = |one: &&Looked| one.seen > 3.0 && one.seen > 1.5 * self.now_of(one, &scene).expected + 3.0;
        let (risen, all) = (callers().filter(up).count(), callers().count());
        self.site_up.keys_up = risen as u32;
        self.site_up.keys_seen = all as u32;
    }
}

/// Whether the windows that are due at this tick were as full before it: nothing came in it, no longer window ends with it,
/// and no incident waits for its end.
fn paused(full: &Full, scene: &Scene<'_>) -> bool {
    !scene.ends_minute() && full.counts.tens.get(scene.tick) == 0 && !full.normal.is_open()
}
