//! What is quiet and should not be.

use smallvec::SmallVec;

use crate::detect::{burst, traffic_drop};
use crate::engine::Engine;
use crate::engine::judge::LAST;
use crate::event::SubjectKind;
use crate::incident::entry::{About, Candidate};
use crate::measure::ring::TICK;
use crate::measure::rows::Row;
use crate::time::{Span, Timestamp};

impl Engine {
    /// Lists anew what is busy enough for its silence to be odd: whatever levels are compared with has changed.
    pub(super) fn list_busy(&mut self) {
        let settings = self.settings.traffic_drop;
        let least = if settings.enabled { settings.least_level() } else { f64::INFINITY };
        for kind in [SubjectKind::Site, SubjectKind::Source, SubjectKind::Endpoint, SubjectKind::Key] {
            let mean = self.means.of(kind);
            self.rows_mut(kind).list_busy(least, mean);
        }
    }

    /// What should be busy and is quiet: every source, endpoint and key is looked at once a minute.
    pub(super) fn drops(&mut self, tick: i64, history: Span, candidates: &mut Vec<Candidate>) {
        let settings = self.settings.traffic_drop;
        if !settings.enabled || history < Span::DAY {
            return;
        }
        let end = Timestamp::of_bucket(tick + 1, TICK);
        // One source is the whole site: it is told by its name.
        let site_is_more = self.sources.len() > 1;
        let quiet = self.site_share(tick, history);
        for kind in [SubjectKind::Site, SubjectKind::Source, SubjectKind::Endpoint, SubjectKind::Key] {
            if kind == SubjectKind::Site && !site_is_more {
                continue;
            }
            let wide = matches!(kind, SubjectKind::Site | SubjectKind::Source);
            // While nothing comes at all, the parts say nothing of their own.
            if !wide && self.calendar.is_void(end, Span::HOUR) {
                continue;
            }
            let least = settings.least_level();
            let (rows, scene) = self.rows_in_scene(kind, tick, history);
            let mut found: SmallVec<[_; 4]> = SmallVec::new();
            for slot in rows.take_busy() {
                let level = |row: &Row| row.full.as_deref().map(|full| full.normal.level(scene.around.population_mean));
                if rows.get(slot).and_then(level).is_none_or(|level| level < least) {
                    continue;
                }
                rows.keep_busy(slot);
                rows.learn(slot, end - LAST, &scene.around);
                let judged = rows.get(slot).and_then(|row| {
                    let finding =
                        traffic_drop::judge(kind, row.full.as_deref()?, row.last_seen, &scene, quiet, &settings)?;
                    Some((About { kind, id: row.id }, finding))
                });
                found.extend(judged);
            }
            for (about, finding) in found {
                candidates.extend(self.candidate(about, 0, finding, Span::HOUR));
            }
        }
    }

    /// The share of its usual that the whole site did in the last hour, at most 1.
    pub(super) fn site_share(&self, tick: i64, history: Span) -> f64 {
        let scene = self.scene(SubjectKind::Site, tick, history);
        let Some(full) = self.site_row().and_then(|site| site.full.as_deref()) else { return 1.0 };
        let now = burst::look_back(full, &scene, 60);
        ((now.seen + 1.0) / (now.expected + 1.0)).min(1.0)
    }
}
