//! Who collects: readings are noted with their line, and judged every quarter of an hour.

use crate::detect::harvesting;
use crate::engine::Engine;
use crate::event::{Event, Flags, Severity, SubjectKind};
use crate::incident::entry::{About, Candidate};
use crate::incident::kept::Reason;
use crate::measure::harvest::{Harvest, Reading};
use crate::measure::peers::{Kind, Peak, Peers};
use crate::measure::rows::Rows;
use crate::time::{Span, Timestamp, Zone};

/// Whoever was silent for longer collects nothing now.
const ACTIVE: Span = Span::from_mins(15);

/// Notes what a request read, if it read something, and enters the day that is over among the peers.
pub(super) fn note_reading(
    rows: &mut Rows,
    slot: u32,
    event: &Event,
    zone: Zone,
    peers: &mut Peers,
    kind: SubjectKind,
) {
    let reads = event.method.is_safe()
        && event.flags.has(Flags::HTTP)
        && event.resource.is_some()
        && (200..300).contains(&event.status);
    let Some(row) = rows.get_mut(slot).filter(|row| reads && row.full.is_some()) else { return };
    let first = row.harvest.is_none();
    let harvest = row.harvest.get_or_insert_with(|| Box::new(Harvest::new(event.time, zone)));
    let reading = Reading {
        time: event.time,
        resource: event.resource,
        route: event.endpoint.id,
        number: event.number,
        crawler: event.flags.has(Flags::CRAWLER),
    };
    let day = harvest.absorb(&reading, zone);
    if first {
        rows.note_reader(slot);
    }
    if let Some(day) = day {
        let kind = match kind {
            _ if day.crawler => Kind::Crawler,
            SubjectKind::Key => Kind::Key,
            _ => Kind::Client,
        };
        peers.enter(kind, Peak::Resources, day.resources);
    }
}

impl Engine {
    /// Judges who collects, at the end of a quarter of an hour.
    pub(super) fn harvests(&mut self, tick: i64, history: Span, candidates: &mut Vec<Candidate>) {
        if !self.settings.harvesting.enabled {
            return;
        }
        let end = Timestamp::of_bucket(tick + 1, crate::measure::ring::TICK);
        for kind in [SubjectKind::Key, SubjectKind::Client] {
            for slot in self.rows_mut(kind).take_readers() {
                let Some(row) = self.rows(kind).get(slot) else { continue };
                // Others are listed again when they call again.
                let held = row.harvest.as_deref().is_some_and(Harvest::is_held);
                if held || end - row.last_seen < ACTIVE {
                    self.rows_mut(kind).note_reader(slot);
                }
                let scene = self.scene(kind, tick, history);
                let Some(row) = self.rows(kind).get(slot) else { continue };
                let (Some(harvest), Some(full)) = (row.harvest.as_deref(), row.full.as_deref()) else { continue };
                if harvest.is_held() && !harvesting::still(harvest, full, &scene) {
                    self.release_harvest(kind, slot);
                    continue;
                }
                if end - row.last_seen >= ACTIVE {
                    continue;
                }
                let settings = &self.settings.harvesting;
                let found = harvesting::judge(kind, harvest, full, &scene, &self.peers, settings);
                let about = About { kind, id: row.id };
                let Some(candidate) = found.and_then(|finding| self.candidate(about, 0, finding, Span::DAY)) else {
                    continue;
                };
                // What a declared crawler does is information, and soon the usual.
                if candidate.finding.severity == Severity::Info {
                    self.keep(&candidate, Reason::Information, end);
                } else {
                    self.hold_harvest(slot, &candidate, end);
                    candidates.push(candidate);
                }
            }
        }
    }

    /// While it collects, nothing is learned of it.
    fn hold_harvest(&mut self, slot: u32, candidate: &Candidate, now: Timestamp) {
        let Some(row) = self.rows_mut(candidate.about.kind).get_mut(slot) else { return };
        if let Some(full) = row.full.as_deref_mut() {
            full.today.incident = true;
        }
        if let Some(harvest) = row.harvest.as_deref_mut() {
            let hours = (now - candidate.finding.started_at).hours_f64().max(0.25);
            harvest.hold(now, candidate.finding.impact.requests as f64 / hours);
        }
    }

    fn release_harvest(&mut self, kind: SubjectKind, slot: u32) {
        if let Some(harvest) = self.rows_mut(kind).get_mut(slot).and_then(|row| row.harvest.as_deref_mut()) {
            harvest.release();
        }
    }
}
