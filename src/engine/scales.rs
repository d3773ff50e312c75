//! How large and how slow things are: noted with each line, judged once a minute where many of the newest are far out.
//!
//! What is usual is kept by endpoint, method, and whether the answer sends elsewhere: what a path answers to one method
//! says nothing of what it answers to another. Times of an endpoint and sizes of a key are multiples of that.

use smallvec::SmallVec;

use crate::detect::slow_response::Asked;
use crate::detect::{Finding, payload_size, slow_response};
use crate::engine::{Engine, SITE};
use crate::event::{Event, Id, Method, SubjectKind};
use crate::incident::entry::{About, Candidate, Evidence};
use crate::intake::routes::OTHER;
use crate::measure::ring::TICK;
use crate::measure::scales::Scales;
use crate::measure::sizes::{Far, Sizes, Value, What};
use crate::time::{Span, Timestamp};

/// Share of a key's calls from which on what happens to a route explains what the key gets.
const CALLED: f64 = 0.1;
/// Marks among the evidence of an endpoint that its time is meant; sizes are marked by their number.
const TIME: u64 = What::Duration as u64;
/// Multiples of what is usual are kept in parts of this.
const ONE: f32 = 1024.0;
/// Kinds of answers an endpoint may give: by method, and whether they send elsewhere.
const KINDS: u64 = 2 * (Method::Other as u64 + 1);

/// One of the kinds of answers of an endpoint, as an id; the first is the endpoint's own.
fn kind_of(endpoint: Id, kind: u64) -> Id {
    Id((endpoint.0 ^ kind.wrapping_mul(0x9E37_79B9_7F4A_7C15)).max(1))
}

impl Engine {
    /// Notes how large a request and its answer were, and how long it took. What fails says nothing of either.
    pub(super) fn note_sizes(&mut self, event: &Event, day: i64, key_slot: Option<u32>) {
        let (sizes, slow) = (self.settings.payload_size.enabled, self.settings.slow_response.enabled);
        if !(200..400).contains(&event.status) || !event.endpoint.is_some() || !(sizes || slow) {
            return;
        }
        let when = (event.time, day);
        let most = Scales::most_in(self.settings.memory / 48);
        let mut values: SmallVec<[Value; 5]> = SmallVec::new();
        let measured = [
            (What::Response, event.bytes_out),
            (What::Request, event.bytes_in),
            (What::TokensIn, event.tokens_in),
            (What::TokensOut, event.tokens_out),
        ];
        for (what, value) in measured {
            if sizes && value != Event::UNKNOWN && value > 0 {
                values.push(Value { what, value, step: 1.0, far: Far::Most });
            }
        }
        if slow && event.duration_ms != Event::UNKNOWN {
            values.push(Value { what: What::Duration, value: event.duration_ms, step: 1.0, far: Far::Middle });
        }
        if values.is_empty() {
            return;
        }
        let kind = kind_of(event.endpoint.id, 2 * event.method as u64 + u64::from(event.status >= 300));
        let usual = self.usual_scales.take((kind, event.key.id), &values, when, most);
        values.retain(|value| {
            let usual = usual.get(value.what.index()).copied().unwrap_or_default();
            value.step = usual.max(1.0) / ONE;
            value.value = (value.value as f32 / value.step).min(4e9) as u32;
            usual > 0.0
        });
        if let Some(time) = values.last().copied().filter(|value| value.what == What::Duration) {
            values.pop();
            if !slow_response::takes_its_time(f64::from(time.step * ONE)) {
                self.route_scales.take_and_list((event.endpoint.id, event.key.id), &[time], when, most);
            }
        }
        // Of a few calls nothing is known to be usual.
        let known = key_slot.and_then(|slot| self.keys.get(slot)).is_some_and(|row| row.full.is_some());
        if known && !values.is_empty() {
            self.key_scales.take_and_list((event.key.id, kind), &values, when, most);
        }
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
                let judged = payload_size::judge(what, sizes, end, settings);
                found.extend(judged.map(|finding| (about, what, finding)));
            }
        }
        if found.iter().any(|(_, what, _)| *what == What::Duration) {
            let site = slow_response::judge_all(&self.asked(end), false);
            let about = About { kind: SubjectKind::Site, id: SITE };
            candidates.extend(site.and_then(|finding| self.candidate(about, TIME, finding, Span::from_mins(5))));
        }
        for (about, what, finding) in found {
            if self.grew_for_all(about, what) {
                continue;
            }
            self.hold_size(about, what as u64, Some(end));
            candidates.extend(self.candidate(about, what as u64, finding, Span::from_mins(5)));
        }
    }

    /// Endpoints that can say whether they are slow just now, in a fixed order.
    fn asked(&self, end: Timestamp) -> Vec<Asked<'_>> {
        let settings = &self.settings.slow_response;
        let here = |id: Id| {
            let name = self.endpoints.name(id).unwrap_or(OTHER);
            name != OTHER && !slow_response::waits(settings, name)
        };
        let known = self.route_scales.all(What::Duration);
        let mut asked: Vec<(Id, Asked<'_>)> = known
            .filter_map(|(id, sizes)| Some((id, Asked::of(id, sizes, end)?)))
            .filter(|(id, _)| here(*id))
            .collect();
        asked.sort_unstable_by_key(|(id, _)| *id);
        asked.into_iter().map(|(_, one)| one).collect()
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
        let kinds = called.flat_map(|route| (0..KINDS).map(move |kind| kind_of(route, kind)));
        kinds.chain(own.mostly_by()).any(|route| self.grew_for_others(about.id, own, route, what))
    }

    fn grew_for_others(&self, key: Id, own: &Sizes, route: Id, what: What) -> bool {
        let Some(sizes) = self.usual_scales.of(route, what) else { return false };
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
        if about.kind == SubjectKind::Site {
            return;
        }
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
        if evidence.about.kind == SubjectKind::Site {
            return slow_response::judge_all(&self.asked(end), true).is_some();
        }
        let Some((_, sizes)) = self.size_of(evidence.about, evidence.tag) else { return false };
        if evidence.tag == TIME { slow_response::still(sizes, end) } else { payload_size::still(sizes, end) }
    }

    /// Today's numbers of an open incident.
    pub(super) fn fresh_size(&self, about: About, tag: u64, end: Timestamp) -> Option<Finding> {
        if about.kind == SubjectKind::Site {
            return slow_response::judge_all(&self.asked(end), true);
        }
        let (what, sizes) = self.size_of(about, tag)?;
        if what == What::Duration {
            return Some(slow_response::finding(sizes));
        }
        Some(payload_size::finding(what, sizes, &self.settings.payload_size))
    }
}
