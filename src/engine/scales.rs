//! How large and how slow things are: noted with each line, judged once a minute where many of the newest are far out.

use smallvec::SmallVec;

use crate::detect::{Finding, payload_size, slow_response};
use crate::engine::Engine;
use crate::event::{Event, Id, SubjectKind};
use crate::incident::entry::{About, Candidate, Evidence};
use crate::intake::routes::OTHER;
use crate::measure::ring::TICK;
use crate::measure::sizes::{Far, Scales, Sizes, Value, What};
use crate::time::{Span, Timestamp};

/// Share of a key's calls from which on what happens to a route explains what the key gets.
const CALLED: f64 = 0.1;
/// Marks among the evidence of an endpoint that its time is meant; sizes are marked by their number.
const TIME: u64 = What::Duration as u64;

impl Engine {
    /// Notes how large a request and its answer were, and how long it took. What fails says nothing of either.
    pub(super) fn note_sizes(&mut self, event: &Event, day: i64, key_slot: Option<u32>) {
        let (sizes, slow) = (self.settings.payload_size.enabled, self.settings.slow_response.enabled);
        if !(200..400).contains(&event.status) || !event.endpoint.is_some() || !(sizes || slow) {
            return;
        }
        let when = (event.time, day);
        let most = Scales::most_in(self.settings.memory / 32);
        let mut values: SmallVec<[Value; 5]> = SmallVec::new();
        if slow && event.duration_ms != Event::UNKNOWN {
            values.push((What::Duration, event.duration_ms, Far::Middle));
        }
        let measured = [
            (What::Response, event.bytes_out),
            (What::Request, event.bytes_in),
            (What::TokensIn, event.tokens_in),
            (What::TokensOut, event.tokens_out),
        ];
        let known = |value: u32| value != Event::UNKNOWN && value > 0;
        values.extend(measured.iter().filter(|(_, n)| sizes && known(*n)).map(|(what, n)| (*what, *n, Far::Most)));
        if values.is_empty() {
            return;
        }
        let usual = self.route_scales.take((event.endpoint.id, event.key.id), &values, when, most);
        // Of a few calls nothing is known to be usual.
        let known = key_slot.and_then(|slot| self.keys.get(slot)).is_some_and(|row| row.full.is_some());
        if !known {
            return;
        }
        // Of a key, against what is usual on the route.
        values.retain(|(what, value, _)| {
            let usual = f64::from(usual[what.index()]);
            *value = (f64::from(*value) / usual.max(1.0) * payload_size::ONE).min(4e9) as u32;
            *what != What::Duration && usual > 0.0
        });
        if !values.is_empty() {
            self.key_scales.take((event.key.id, event.endpoint.id), &values, when, most);
        }
    }

    /// The middle of what is usual on a route, once enough is known.
    fn usual_on(&self, route: Id, what: What) -> Option<f64> {
        self.route_scales.of(route, what).map(Sizes::middle).filter(|middle| *middle > 0.0)
    }

    /// Judges where many of the newest are far out.
    pub(super) fn sizes(&mut self, tick: i64, candidates: &mut Vec<Candidate>) {
        let end = Timestamp::of_bucket(tick + 1, TICK);
        let mut found: Vec<(About, What, Finding)> = Vec::new();
        for id in self.route_scales.take_listed() {
            let about = About { kind: SubjectKind::Endpoint, id };
            let slow = &self.settings.slow_response;
            let Some(sizes) = self.route_scales.of(id, What::Duration).filter(|_| slow.enabled) else { continue };
            let Some(finding) = slow_response::judge(sizes, end, slow) else { continue };
            let name = self.endpoints.name(id).unwrap_or(OTHER);
            if name != OTHER && !slow_response::waits(slow, name) {
                found.push((about, What::Duration, finding));
            }
        }
        for id in self.key_scales.take_listed() {
            let about = About { kind: SubjectKind::Key, id };
            for what in What::ALL.into_iter().filter(|what| *what != What::Duration) {
                let settings = &self.settings.payload_size;
                let Some(sizes) = self.key_scales.of(id, what).filter(|s| payload_size::may_matter(s, settings)) else {
                    continue;
                };
                let usual = self.usual_of(id, what);
                let judged = payload_size::judge(what, sizes, usual, end, settings);
                found.extend(judged.map(|finding| (about, what, finding)));
            }
        }
        for (about, what, finding) in found {
            if self.grew_for_all(about, what) {
                continue;
            }
            self.hold_size(about, what as u64, Some(end));
            candidates.extend(self.candidate(about, what as u64, finding, Span::from_mins(5)));
        }
    }

    /// What is usual on the routes that a key calls now, in bytes or tokens.
    fn usual_of(&self, key: Id, what: What) -> f64 {
        let Some(full) = self.keys.row(key).and_then(|row| row.full.as_deref()) else { return 0.0 };
        let routes = full.endpoints.shares();
        let known = routes.iter().filter_map(|share| Some((share.now, self.usual_on(share.id, what)?)));
        let (sum, weight) = known.fold((0.0, 0.0), |(sum, weight), (part, usual)| (sum + part * usual, weight + part));
        if weight > 0.0 { sum / weight } else { 0.0 }
    }

    /// Whether a route that a key calls a good deal grew for others as well: then it is the route's, and no key's doing.
    fn grew_for_all(&self, about: About, what: What) -> bool {
        if about.kind != SubjectKind::Key {
            return false;
        }
        let Some(full) = self.keys.row(about.id).and_then(|row| row.full.as_deref()) else { return false };
        let Some(own) = self.key_scales.of(about.id, what) else { return false };
        let shares = full.endpoints.shares();
        let called = shares.iter().filter(|part| part.now >= CALLED).map(|part| part.id);
        // However seldom it calls the route of most of them.
        called.chain(own.mostly_by()).any(|route| self.grew_for_others(about.id, own, route, what))
    }

    fn grew_for_others(&self, key: Id, own: &Sizes, route: Id, what: What) -> bool {
        let Some(sizes) = self.route_scales.of(route, what) else { return false };
        // What was so for others as well and is over for them is still among the newest of whoever calls seldom.
        let ((all, before), (mine_today, _)) = (sizes.days(), own.days());
        if all - mine_today > (2.0 * mine_today).max(3.0 * before).max(10.0) {
            return true;
        }
        let mine = self.endpoints.row(route).and_then(|row| row.full.as_deref()).map_or(1.0, |e| e.keys.share_of(key));
        // Of what the others get there, so much is far out.
        let (far, all) = sizes.far_of_others(key);
        far >= 3 && f64::from(far) > 0.2 * (1.0 - mine) * f64::from(all)
    }

    /// While an incident is open, nothing is learned.
    pub(super) fn hold_size(&mut self, about: About, tag: u64, since: Option<Timestamp>) {
        let Some(what) = What::ALL.get(tag as usize).copied() else { return };
        let scales = if about.kind == SubjectKind::Key { &mut self.key_scales } else { &mut self.route_scales };
        if let Some(sizes) = scales.of_mut(about.id, what) {
            sizes.hold(since);
        }
    }

    fn size_of(&self, about: About, tag: u64) -> Option<(What, &Sizes)> {
        let what = What::ALL.get(tag as usize).copied()?;
        let scales = if about.kind == SubjectKind::Key { &self.key_scales } else { &self.route_scales };
        Some((what, scales.of(about.id, what)?))
    }

    /// Whether an open incident goes on.
    pub(super) fn size_goes_on(&self, evidence: &Evidence, end: Timestamp) -> bool {
        let Some((_, sizes)) = self.size_of(evidence.about, evidence.tag) else { return false };
        if evidence.tag == TIME { slow_response::still(sizes, end) } else { payload_size::still(sizes, end) }
    }

    /// Today's numbers of an open incident.
    pub(super) fn fresh_size(&self, about: About, tag: u64) -> Option<Finding> {
        let (what, sizes) = self.size_of(about, tag)?;
        if what == What::Duration {
            return Some(slow_response::finding(sizes));
        }
        Some(payload_size::finding(what, sizes, self.usual_of(about.id, what), &self.settings.payload_size))
    }
}
