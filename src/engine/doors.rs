//! Who fails to log in: attempts are counted by route and address with their line, and judged on the tick; somebody who
//! gets in after guessing is told at once.

use crate::detect::Finding;
use crate::detect::credential_stuffing::{self, Context, EACH, Route};
use crate::engine::{Engine, judge::LAST, urgent::Along};
use crate::event::{Event, Flags, Id, Severity, SubjectKind, Text};
use crate::incident::Change;
use crate::incident::entry::{About, Candidate};
use crate::incident::kept::Reason;
use crate::measure::failures::{Class, Failures};
use crate::measure::logins::{Attempt, Logins};
use crate::measure::ring::{TICK, When};
use crate::measure::rows::Full;
use crate::time::{Span, Timestamp};

/// Whoever was met within so long is a stranger.
const STRANGER: Span = Span::from_hours(2);

impl Engine {
    /// Notes an attempt to log in.
    pub(super) fn note_login(&mut self, event: &Event, path: &str, client: Option<u32>) {
        let settings = &self.settings.credential_stuffing;
        if !settings.enabled || !event.client.is_some() || event.flags.has(Flags::CRAWLER) {
            return;
        }
        let Some(failed) = settings.outcome(path, event.status, event.bytes_out) else { return };
        // Whose key it is does not matter: who logs in comes from an address.
        let counted = Event { status: if failed { 401 } else { 200 }, key: Text::NONE, ..*event };
        let around = super::count::around(self.settings.zone, self.means.endpoints, &self.calendar);
        let name = || self.endpoints.name(event.endpoint.id).unwrap_or_default().into();
        self.doors.absorb((event.endpoint.id, u32::MAX), name, (&counted, &When::at(event.time)), &around);
        let met = client.and_then(|slot| self.clients.get(slot)).map(|row| row.first_seen);
        let attempt = Attempt {
            time: event.time,
            client: event.client.id,
            route: event.endpoint.id,
            request: event.request,
            strong: event.flags.has(Flags::STRONG),
            stranger: met.is_none_or(|met| event.time - met < STRANGER),
            failed,
        };
        let most = Logins::most_in(self.refused_bytes());
        if self.logins.absorb(&attempt, most).is_some() {
            self.got_in = Some(event.client.id);
        }
    }

    /// Tells of somebody who got in after guessing, with the line that says so.
    pub(super) fn judge_login(&mut self, event: &Event, out: &mut Vec<Change>) {
        let Some(client) = self.got_in.take() else { return };
        let Some(guesser) = self.logins.of(client) else { return };
        let route = guesser.route;
        let context = self.login_context(route);
        let found = credential_stuffing::judge_address(guesser, &context, true, &self.settings.credential_stuffing);
        let Some(finding) = found else { return };
        // One of many that guess there together: the attack on the route has succeeded.
        let door = About { kind: SubjectKind::Endpoint, id: route };
        if self.is_stuffed(door) {
            self.doors_entered.insert(route);
            return;
        }
        let about = About { kind: SubjectKind::Client, id: client };
        let informs = finding.severity == Severity::Info;
        let Some(mut candidate) = self.candidate(about, 0, finding, Span::ZERO) else { return };
        if informs {
            self.keep(&candidate, Reason::Information, event.time);
            return;
        }
        candidate.urgent = true;
        self.place_finding(candidate, event.time);
        let settings = self.settings.book;
        self.book.tick(event.time, &settings, self.telling(event.time), out);
    }

    /// Judges routes and addresses at which log-ins failed.
    pub(super) fn guesses(&mut self, tick: i64, history: Span, candidates: &mut Vec<Candidate>) {
        let end = Timestamp::of_bucket(tick + 1, TICK);
        let mut slots = Vec::new();
        self.doors.take_touched(end, &mut slots);
        for slot in slots {
            let around = super::count::around(self.settings.zone, self.means.endpoints, &self.calendar);
            self.doors.learn(slot, end - LAST, &around);
            let Some(id) = self.doors.get(slot).map(|row| row.id) else { continue };
            let about = About { kind: SubjectKind::Endpoint, id };
            // What one address that was told of made of it is not how the route is.
            let guessed = self.is_guessed_at(id);
            if guessed && let Some(failures) = self.door_failures(slot) {
                failures.note(true, false, end);
            }
            let Some((judged, finding)) = self.judge_door(about, tick, history, false) else { continue };
            if !guessed && let Some(failures) = self.door_failures(slot) {
                failures.note(judged.fires, judged.spike.bits == 0.0, end);
            }
            if !judged.fires
                && !self.is_stuffed(about)
                && let Some(door) = self.logins.door_mut(id)
            {
                door.calm(end);
            }
            let window = judged.spike.window.max(Span::from_mins(5));
            if let Some(finding) = finding {
                candidates.extend(self.candidate(about, 0, finding, window));
            }
        }
        for client in self.logins.take_listed() {
            let Some(guesser) = self.logins.of(client) else { continue };
            let route = About { kind: SubjectKind::Endpoint, id: guesser.route };
            let stuffed = |c: &Candidate| c.about == route && c.finding.detector == credential_stuffing::NAME;
            if self.is_stuffed(route) || candidates.iter().any(stuffed) {
                continue;
            }
            let context = self.login_context(guesser.route);
            let settings = &self.settings.credential_stuffing;
            let Some(finding) = credential_stuffing::judge_address(guesser, &context, false, settings) else {
                continue;
            };
            let about = About { kind: SubjectKind::Client, id: client };
            let informs = finding.severity == Severity::Info && self.book.on(about).is_none();
            let Some(candidate) = self.candidate(about, 0, finding, Span::ZERO) else { continue };
            if informs {
                self.keep(&candidate, Reason::Information, end);
            } else {
                candidates.push(candidate);
            }
        }
        if self.doors_entered.is_empty() {
            return;
        }
        let book = &self.book;
        self.doors_entered.retain(|id| book.on(About { kind: SubjectKind::Endpoint, id: *id }).is_some());
    }

    /// Judges a route. What is to be told is put together only if it fires, or if it is told `anyway`.
    fn judge_door(
        &self,
        about: About,
        tick: i64,
        history: Span,
        anyway: bool,
    ) -> Option<(credential_stuffing::Judged, Option<Finding>)> {
        let end = Timestamp::of_bucket(tick + 1, TICK);
        let full = self.door_row(about.id)?;
        let failures = full.failures[Class::Denied.index()].as_deref()?;
        // Who guesses is looked up only where enough fails for it to be somebody.
        let lately = failures.lately(end.bucket(Span::MINUTE) - 1).unwrap_or(u64::MAX);
        let each = if full.normal.age(end) >= Span::DAY { EACH.0 } else { EACH.1 };
        let guessing = if lately >= 20 { self.logins.guessing_at(about.id, each, end) } else { Vec::new() };
        let door = self.logins.door(about.id)?;
        let route = Route { full, door, guessing: &guessing, got_in: self.doors_entered.contains(&about.id) };
        let scene = self.scene(SubjectKind::Endpoint, tick, history);
        let judged = credential_stuffing::judge(&route, &scene, &self.settings.credential_stuffing)?;
        let told = judged.fires || anyway;
        let finding = if told { credential_stuffing::finding_on_route(&route, &scene, judged) } else { None };
        Some((judged, finding))
    }

    fn door_failures(&mut self, slot: u32) -> Option<&mut Failures> {
        self.doors.get_mut(slot)?.full.as_deref_mut()?.failures[Class::Denied.index()].as_deref_mut()
    }

    fn door_row(&self, route: Id) -> Option<&Full> {
        self.doors.row(route).and_then(|row| row.full.as_deref())
    }

    /// Attempts and failures at a route in one tick.
    pub(super) fn door_along(&self, route: Id, tick: i64) -> Option<Along> {
        let full = self.door_row(route)?;
        let failures = full.failures[Class::Denied.index()].as_deref();
        let errors = failures.map_or(0, |failures| u64::from(failures.tens.get(tick)));
        Some(Along { requests: u64::from(full.counts.tens.get(tick)), errors, usual: 0.0 })
    }

    fn login_context(&self, route: Id) -> Context<'_> {
        let failures = self.door_row(route).and_then(|full| full.failures[Class::Denied.index()].as_deref());
        // A route that was met with the attack has nothing that is usual.
        Context { failures: failures.filter(|f: &&Failures| f.weight() >= 50.0), peers: &self.doubtful }
    }

    /// Whether a route is under an attack that is open.
    fn is_stuffed(&self, route: About) -> bool {
        let entries = self.book.entries();
        self.book
            .on(route)
            .and_then(|i| entries.get(i))
            .is_some_and(|e| e.incident.detector == credential_stuffing::NAME)
    }

    /// Whether an open incident is about an address that guesses at a route.
    fn is_guessed_at(&self, route: Id) -> bool {
        let guesses = |about: About| {
            about.kind == SubjectKind::Client && self.logins.of(about.id).is_some_and(|guesser| guesser.route == route)
        };
        let mut open = self.book.entries().iter();
        open.any(|e| e.incident.detector == credential_stuffing::NAME && guesses(e.about))
    }

    /// Whether an open incident goes on.
    pub(super) fn guessing_goes_on(&self, about: About, tick: i64, history: Span) -> bool {
        let end = Timestamp::of_bucket(tick + 1, TICK);
        if about.kind != SubjectKind::Endpoint {
            return self.logins.of(about.id).is_some_and(|guesser| credential_stuffing::still_at(guesser, end));
        }
        let scene = self.scene(SubjectKind::Endpoint, tick, history);
        let guessing = self.logins.guessing_at(about.id, EACH.0, end + Span::from_mins(5)).len();
        let settings = &self.settings.credential_stuffing;
        let row = self.door_row(about.id).zip(self.logins.door(about.id));
        row.is_some_and(|(full, door)| credential_stuffing::still(full, door, &scene, settings, guessing))
    }

    /// Today's numbers of an open incident.
    pub(super) fn fresh_guesses(&self, about: About, tick: i64, history: Span) -> Option<Finding> {
        if about.kind == SubjectKind::Endpoint {
            return self.judge_door(about, tick, history, true)?.1;
        }
        let guesser = self.logins.of(about.id)?;
        let context = self.login_context(guesser.route);
        Some(credential_stuffing::current(guesser, &context, &self.settings.credential_stuffing))
    }
}
