//! What needs no window: a repeated call and a newcomer on a key are judged with their own line, and open incidents
//! are looked at again on every tick.

use crate::detect::scene::Scene;
use crate::detect::{
    Fact, burst, credential_stuffing, enumeration, error_spike, front_end_exposure, harvesting, impossible_travel,
    leaked_key, payload_size, retry_loop, scope_creep, slow_response, traffic_drop,
};
use crate::engine::Engine;
use crate::event::{Event, Flags, Id, Severity, SubjectKind};
use crate::incident::Change;
use crate::incident::entry::{About, Evidence, FLOOD};
use crate::incident::kept::Reason;
use crate::measure::failures::Class;
use crate::measure::novelty::{Novelty, Seen};
use crate::measure::repeats::Call;
use crate::measure::ring::TICK;
use crate::measure::rows::Full;
use crate::time::{Span, Timestamp};

/// Whether the measure behind a detector is held while its incident is open.
fn is_held(detector: &str) -> bool {
    matches!(
        detector,
        retry_loop::NAME | leaked_key::NAME | front_end_exposure::NAME | payload_size::NAME | slow_response::NAME
    )
}

/// Requests of a subject in the last 24 hours.
fn requests_of_day(full: Option<&Full>, now: Timestamp) -> f64 {
    let hour = now.bucket(Span::HOUR);
    full.map_or(0.0, |full| full.counts.hours.sum(hour - 23, hour) as f64)
}

/// What an open incident did in the tick, for its numbers.
pub(super) struct Along {
    pub(super) requests: u64,
    pub(super) errors: u64,
    pub(super) usual: f64,
}

impl Engine {
    /// Judges what needs no window.
    pub(super) fn judge_at_once(&mut self, event: &Event, day: i32, key_slot: Option<u32>, out: &mut Vec<Change>) {
        let mut found = false;
        if self.settings.retry_loop_enabled && event.flags.has(Flags::HTTP) {
            found |= self.judge_repeats(event, day);
        }
        let asks_who = self.settings.leaked_key_enabled
            || self.settings.front_end_exposure.enabled
            || self.settings.impossible_travel.enabled;
        if let Some(slot) = key_slot.filter(|_| asks_who) {
            found |= self.judge_newcomer(event, slot, day);
            self.exposures.watch(event.time);
            found |= self.judge_browser(event, slot, i64::from(day));
            found |= self.judge_place(event);
        }
        self.judge_login(event, out);
        if found {
            self.price_incidents(event.time);
            self.tick_book(event.time, out);
        }
    }

    fn judge_repeats(&mut self, event: &Event, day: i32) -> bool {
        let caller_is_key = event.key.is_some();
        let caller = if caller_is_key { event.key.id } else { event.client.id };
        let sighting = self.repeats.absorb(&Call {
            time: event.time,
            request: event.request,
            caller,
            caller_is_key,
            route: event.endpoint.id,
            method: event.method,
            status: event.status,
            flags: event.flags,
            duration_ms: event.duration_ms,
            cost: event.cost,
            day,
        });
        let Some(mut sighting) = sighting else { return false };
        let kind = if caller_is_key { SubjectKind::Key } else { SubjectKind::Client };
        let about = About { kind, id: caller };
        sighting.caller_requests = self.requests_since(about, sighting.run.started_at, event.time);
        match retry_loop::judge(&sighting, &self.settings.retry_loop, event.time) {
            retry_loop::Verdict::Page(finding) => {
                self.repeats.hold(event.request, true);
                self.tell_at_once(about, event.request.0, finding, event.time)
            }
            // A new steady caller is a line for the summary, not an incident.
            retry_loop::Verdict::Digest(finding) => {
                self.repeats.know(event.request);
                if let Some(candidate) = self.candidate(about, event.request.0, finding, Span::ZERO) {
                    self.keep(&candidate, Reason::Information, event.time);
                }
                false
            }
            retry_loop::Verdict::Quiet => false,
        }
    }

    fn judge_newcomer(&mut self, event: &Event, slot: u32, day: i32) -> bool {
        self.keys.tell(slot);
        let Some(row) = self.keys.get_mut(slot) else { return false };
        let novelty = row.novelty.get_or_insert_with(|| Box::new(Novelty::new(event.time, day)));
        let newcomer = novelty.absorb(&Seen {
            time: event.time,
            network: event.network.id,
            client: event.client.id,
            agent: event.agent.id,
            endpoint: event.endpoint.id,
            status: event.status,
            day,
        });
        let matters =
            newcomer && self.settings.leaked_key_enabled && leaked_key::may_matter(novelty, &self.settings.leaked_key);
        self.keys.note_users(slot);
        if newcomer {
            self.judge_second_network(event, slot);
        }
        if !matters {
            return false;
        }
        let about = About { kind: SubjectKind::Key, id: event.key.id };
        self.judge_key(about, event.time)
    }

    /// Judges who uses a key. A key that merely moved house (the old network is gone, a few new ones took over) is a line
    /// for the digest.
    pub(super) fn judge_key(&mut self, about: About, now: Timestamp) -> bool {
        let Some(row) = self.row(about) else { return false };
        let Some(novelty) = row.novelty.as_deref() else { return false };
        let (full, settings) = (row.full.as_deref(), &self.settings.leaked_key);
        let watched_from = self.first_event.unwrap_or(now);
        if novelty.is_first_day()
            && !leaked_key::may_matter_at_first(novelty, watched_from, requests_of_day(full, now), settings)
        {
            return false;
        }
        let context = self.key_context(full, now);
        let Some(finding) = leaked_key::judge(novelty, &context, settings) else { return false };
        if finding.severity == Severity::Info {
            if let Some(candidate) = self.candidate(about, 0, finding, Span::ZERO) {
                self.keep(&candidate, Reason::Information, now);
            }
            return false;
        }
        // Who has a copy of a key that was replaced knocks on: that is told in the thread of the leak.
        if self.is_copy_refused(about) {
            return false;
        }
        self.change_users(about, Novelty::hold);
        self.tell_at_once(about, 0, finding, now)
    }

    fn key_context(&self, full: Option<&Full>, now: Timestamp) -> leaked_key::Context<'_> {
        let scene = self.scene_at(SubjectKind::Key, now);
        let usual = |window: Span| full.map_or(0.0, |full| full.normal.expected(now, window, &scene.around));
        leaked_key::Context {
            now,
            watched_from: self.first_event.unwrap_or(now),
            requests_hour: full.map_or(0.0, |full| full.counts.minutes(now.bucket(Span::MINUTE), 60) as f64),
            usual_hour: usual(Span::HOUR),
            requests_day: requests_of_day(full, now),
            usual_day: usual(Span::DAY),
            peers: &self.peers,
        }
    }

    /// A finding that waits for nobody.
    pub(super) fn tell_at_once(
        &mut self,
        about: About,
        tag: u64,
        finding: crate::detect::Finding,
        now: Timestamp,
    ) -> bool {
        let Some(mut candidate) = self.candidate(about, tag, finding, Span::ZERO) else { return false };
        candidate.urgent = true;
        self.place_finding(candidate, now);
        true
    }

    /// Requests of a subject since `start`, as far back as its rings reach.
    pub(super) fn requests_since(&self, about: About, start: Timestamp, now: Timestamp) -> Option<u64> {
        let full = self.row(about)?.full.as_deref()?;
        let span = now - start;
        if span <= Span::HOUR {
            Some(full.counts.mins.sum(start.bucket(Span::MINUTE), now.bucket(Span::MINUTE)))
        } else if span <= Span::DAY {
            Some(full.counts.hours.sum(start.bucket(Span::HOUR), now.bucket(Span::HOUR)))
        } else {
            None
        }
    }

    fn scene_at(&self, kind: SubjectKind, now: Timestamp) -> Scene<'_> {
        self.scene(kind, now.bucket(TICK), self.history())
    }

    /// Looks at every open incident again: whether each piece of evidence goes on, and what it has come to.
    pub(super) fn refresh(&mut self, tick: i64, history: Span) {
        let end = Timestamp::of_bucket(tick + 1, TICK);
        let minute = end.millis() % Span::MINUTE.millis() == 0;
        let mut index = 0;
        while let Some(entry) = self.book.entries().get(index) {
            let (apart, signs) = (entry.is_apart(), minute.then(|| self.signs(entry, end)));
            if let (Some(signs), Some(entry)) = (signs, self.book.entries_mut().get_mut(index)) {
                entry.note_signs(signs, end);
            }
            let Some(entry) = self.book.entries().get(index).filter(|_| !apart) else {
                index += 1;
                continue;
            };
            let active: Vec<usize> = entry
                .evidence
                .iter()
                .enumerate()
                .filter(|(_, evidence)| self.goes_on(evidence, tick, history))
                .map(|(i, _)| i)
                .collect();
            let of_title = |v: &&Evidence| v.about == entry.about && v.detector == entry.incident.detector;
            let mut titles = entry.evidence.iter().filter(of_title);
            let first = titles.clone().next();
            // A flood says more of the site than that it is busy.
            let title = titles.find(|v| v.tag == FLOOD).or(first).map(|v| (v.about, v.tag));
            // What is a rate is counted along, since the rings do not reach back as far as an incident may last.
            let class = match entry.incident.detector.as_str() {
                burst::NAME if title.is_some_and(|(_, tag)| tag == FLOOD) => None,
                burst::NAME | traffic_drop::NAME => Some(None),
                error_spike::NAME => title.map(|(_, tag)| Class::ALL.get(tag as usize).copied()),
                _ => None,
            };
            let flood = title.is_some_and(|(_, tag)| tag == FLOOD);
            let counted = class.filter(|_| !active.is_empty());
            let missed = entry.incident.detector == traffic_drop::NAME;
            let along = counted.and_then(|class| self.along(entry.about, class, missed, tick, history));
            let along = along.or_else(|| self.newcomers_along(tick, history).filter(|_| flood && !active.is_empty()));
            let door =
                entry.incident.detector == credential_stuffing::NAME && entry.about.kind == SubjectKind::Endpoint;
            let along = along.or_else(|| self.door_along(entry.about.id, tick).filter(|_| door && !active.is_empty()));
            let counted = counted.is_some() || flood || door;
            let fresh = title.filter(|_| minute && !active.is_empty() && !entry.is_group());
            // What a call came to that failed and works again is no part of its failing.
            let over = |(about, tag): &(About, u64)| {
                let own = |v: &Evidence| v.about == *about && v.tag == *tag && v.detector == retry_loop::NAME;
                let place = entry.evidence.iter().position(own);
                place.is_some_and(|place| !active.contains(&place))
            };
            // Nor is what somebody does in vain since being shut out a part of the probing that it is shut out for.
            let vain = |title: &(About, u64)| {
                let tries = [enumeration::NAME, credential_stuffing::NAME];
                tries.contains(&entry.incident.detector.as_str()) && self.is_refused_now(title.0, end)
            };
            let fresh = fresh.filter(|title| !over(title) && !vain(title));
            let fresh = fresh.and_then(|(about, tag)| {
                let mut finding = self.fresh(entry.incident.detector.as_str(), about, tag, tick, history)?;
                finding.severity = *self.settings.severities.get(finding.detector).unwrap_or(&finding.severity);
                let (parts, spread) = self.parts(about, &finding.parts);
                Some((finding, parts, spread))
            });
            let held: Vec<Evidence> = if active.is_empty() {
                entry.evidence.iter().filter(|v| is_held(&v.detector)).cloned().collect()
            } else {
                Vec::new()
            };
            let Some(entry) = self.book.entries_mut().get_mut(index) else { break };
            for i in active {
                if let Some(evidence) = entry.evidence.get_mut(i) {
                    evidence.active_at = end;
                }
            }
            if let Some(along) = along {
                entry.count(along.requests, along.errors, along.usual);
            }
            if let Some((finding, parts, spread)) = fresh {
                let peak = finding.observed;
                let requests = entry.incident.impact;
                entry.outgrow(finding.excess);
                entry.take(finding, parts, spread);
                entry.incident.peak = entry.incident.peak.max(peak);
                if counted {
                    entry.incident.impact = requests;
                }
                if door {
                    for (fact, n) in [("failed_logins", requests.errors), ("logins", requests.requests)] {
                        entry.incident.facts.insert(fact.into(), Fact::Count(n));
                    }
                }
                if flood {
                    entry.incident.facts.insert("new_keys".into(), Fact::Count(requests.requests));
                }
            }
            for evidence in held {
                self.let_go(&evidence.detector, evidence.about, evidence.tag);
            }
            index += 1;
        }
    }

    /// What belonged to an incident that has gone quiet, or that is no news, is learned again.
    pub(super) fn let_go(&mut self, detector: &str, about: About, tag: u64) {
        match detector {
            retry_loop::NAME => self.repeats.hold(Id(tag), false),
            payload_size::NAME | slow_response::NAME => self.hold_size(about, tag, None),
            front_end_exposure::NAME => self.release_exposure(about),
            leaked_key::NAME => self.change_users(about, |novelty| {
                if novelty.is_held() {
                    novelty.release(false);
                }
            }),
            _ => {}
        }
    }

    fn change_users(&mut self, about: About, change: impl FnOnce(&mut Novelty)) {
        let Some(slot) = self.keys.find(about.id) else { return };
        self.keys.tell(slot);
        if let Some(novelty) = self.keys.get_mut(slot).and_then(|row| row.novelty.as_deref_mut()) {
            change(novelty);
            self.keys.note_users(slot);
        }
    }

    fn goes_on(&self, evidence: &Evidence, tick: i64, history: Span) -> bool {
        let end = Timestamp::of_bucket(tick + 1, TICK);
        let about = evidence.about;
        if self.is_shut_out(evidence, end) {
            return false;
        }
        if evidence.detector == retry_loop::NAME {
            let sighting = self.repeats.look(Id(evidence.tag), end);
            let settings = &self.settings.retry_loop;
            return sighting.is_some_and(|s| retry_loop::still(&s.run, evidence.excess, settings, end));
        }
        match evidence.detector.as_str() {
            enumeration::NAME => return self.probe_goes_on(about, end),
            scope_creep::NAME => return self.scope_goes_on(about, end),
            front_end_exposure::NAME => return self.exposure_goes_on(about, end),
            impossible_travel::NAME => return self.travel_goes_on(about.id, end),
            credential_stuffing::NAME => return self.guessing_goes_on(about, tick, history),
            payload_size::NAME | slow_response::NAME => return self.size_goes_on(evidence, end),
            _ => {}
        }
        let Some(row) = self.row(about) else { return false };
        if evidence.detector == leaked_key::NAME {
            let settings = &self.settings.leaked_key;
            return row.novelty.as_deref().is_some_and(|novelty| leaked_key::still(novelty, end, settings));
        }
        if evidence.tag == FLOOD && evidence.detector == burst::NAME {
            return self.is_flooded(tick, history);
        }
        let Some(full) = row.full.as_deref() else { return false };
        let scene = self.scene(about.kind, tick, history);
        match evidence.detector.as_str() {
            burst::NAME => {
                // The site is not measured against itself.
                let scene = if about.kind == SubjectKind::Site { Scene { site_factor: 1.0, ..scene } } else { scene };
                burst::still(full, &scene)
            }
            error_spike::NAME => Class::ALL
                .get(evidence.tag as usize)
                .is_some_and(|&class| error_spike::still(full, class, &scene, &self.settings.error_spike)),
            traffic_drop::NAME => traffic_drop::still(full, &scene),
            harvesting::NAME => row.harvest.as_deref().is_some_and(|h| harvesting::still(h, full, &scene)),
            _ => false,
        }
    }

    /// Today's numbers of an open incident's title.
    fn fresh(
        &self,
        detector: &str,
        about: About,
        tag: u64,
        tick: i64,
        history: Span,
    ) -> Option<crate::detect::Finding> {
        let end = Timestamp::of_bucket(tick + 1, TICK);
        let row = self.row(about)?;
        match detector {
            enumeration::NAME => return self.fresh_probe(about, end),
            scope_creep::NAME => return self.fresh_scope(about, end),
            front_end_exposure::NAME => return self.fresh_exposure(about, end),
            impossible_travel::NAME => return self.fresh_travel(about, end),
            credential_stuffing::NAME => return self.fresh_guesses(about, tick, history),
            payload_size::NAME | slow_response::NAME => return self.fresh_size(about, tag, end),
            _ => {}
        }
        if detector == retry_loop::NAME {
            let mut sighting = self.repeats.look(Id(tag), end)?;
            sighting.caller_requests = self.requests_since(about, sighting.run.started_at, end);
            return Some(retry_loop::finding(&sighting, &self.settings.retry_loop));
        }
        if detector == leaked_key::NAME {
            let novelty = row.novelty.as_deref()?;
            let context = self.key_context(row.full.as_deref(), end);
            return Some(leaked_key::finding(novelty, &context));
        }
        if tag == FLOOD && detector == burst::NAME {
            return self.flood_now(tick, history);
        }
        let full = row.full.as_deref()?;
        let scene = self.scene(about.kind, tick, history);
        match detector {
            burst::NAME => {
                let now = burst::look(full, &scene);
                let judged = burst::judge(about.kind, full, now, &scene, 1, &self.settings.burst);
                let mut finding = burst::current(full, &scene, judged, now);
                if about.kind == SubjectKind::Site {
                    let crowd = self.crowd(finding.started_at, finding.excess);
                    finding.facts.extend(crowd);
                }
                Some(finding)
            }
            error_spike::NAME => {
                let class = *Class::ALL.get(tag as usize)?;
                let settings = &self.settings.error_spike;
                let judged = error_spike::judge(about.kind, full, class, &scene, settings)?;
                let few = error_spike::is_of_few(about.kind, full, class, &scene, settings);
                if few { None } else { error_spike::finding(about.kind, full, &scene, judged) }
            }
            harvesting::NAME => {
                let harvest = row.harvest.as_deref()?;
                let settings = &self.settings.harvesting;
                Some(harvesting::current(about.kind, harvest, full, &scene, &self.peers, settings))
            }
            traffic_drop::NAME => {
                Some(traffic_drop::current(about.kind, full, row.last_seen, &scene, &self.settings.traffic_drop))
            }
            _ => None,
        }
    }

    /// What a subject does in one tick; failures of one class, or of all.
    fn along(&self, about: About, class: Option<Class>, missed: bool, tick: i64, history: Span) -> Option<Along> {
        let full = self.row(about)?.full.as_deref()?;
        let scene = self.scene(about.kind, tick, history);
        let failures = full.failures.iter().enumerate().filter(|(i, _)| class.is_none_or(|class| class.index() == *i));
        Some(Along {
            requests: u64::from(full.counts.tens.get(tick)),
            errors: failures.filter_map(|(_, f)| f.as_deref()).map(|f| u64::from(f.tens.get(tick))).sum(),
            usual: if missed {
                full.normal.usual(scene.end, TICK, &scene.around)
            } else {
                full.normal.expected(scene.end, TICK, &scene.around)
            },
        })
    }
}
