//! Who tries things out: rejections are noted with their line, and judged on the tick.

use crate::detect::Finding;
use crate::detect::enumeration::{self, Context};
use crate::engine::Engine;
use crate::engine::purpose::Purpose;
use crate::event::{Event, Flags, Id, Severity, SubjectKind};
use crate::incident::entry::{About, Candidate};
use crate::incident::kept::Reason;
use crate::intake::routes::OTHER;
use crate::measure::failures::{Class, Failures};
use crate::measure::peers::{Kind, Peak};
use crate::measure::probes::{Probe, Probes, Rejection};
use crate::measure::ring::TICK;
use crate::time::{Span, Timestamp};

/// Callers that are rejected at a route alike: it is the route's trouble.
const ALIKE: usize = 4;

impl Engine {
    /// Notes a rejected request.
    pub(super) fn note_rejection(&mut self, event: &Event, purpose: Purpose) {
        if !self.settings.enumeration.enabled || !event.flags.has(Flags::HTTP) {
            return;
        }
        let keyed = event.key.is_some();
        let caller = if keyed { event.key.id } else { event.client.id };
        if !caller.is_some() {
            return;
        }
        let rejection = Rejection {
            time: event.time,
            resource: event.resource,
            route: event.endpoint.id,
            number: event.number,
            status: event.status,
            scanner: purpose.scanned,
            crawler: event.flags.has(Flags::CRAWLER),
        };
        let most = Probes::most_in(self.refused_bytes());
        self.probes.absorb((keyed, caller), &rejection, most);
    }

    /// Judges who was rejected since the last tick.
    pub(super) fn probing(&mut self, tick: i64, history: Span, candidates: &mut Vec<Candidate>) {
        let end = Timestamp::of_bucket(tick + 1, TICK);
        for caller in self.probes.take_listed() {
            let about = about_of(caller);
            let Some(probe) = self.probes.of(caller) else { continue };
            let scene = self.scene(about.kind, tick, history);
            let context = self.probe_context(about, probe, end);
            let Some(finding) = enumeration::judge(about.kind, probe, &context, &scene, &self.settings.enumeration)
            else {
                continue;
            };
            let informs = finding.severity == Severity::Info && self.book.on(about).is_none();
            let Some(candidate) = self.candidate(about, 0, finding, Span::ZERO) else { continue };
            if informs {
                self.keep(&candidate, Reason::Information, end);
            } else {
                candidates.push(candidate);
            }
        }
    }

    fn probe_context(&self, about: About, probe: &Probe, end: Timestamp) -> Context<'_> {
        let full = self.row(about).and_then(|row| row.full.as_deref());
        let requests = self.requests_since(about, probe.onset().at, end);
        let worst = probe.worst_route().and_then(|(route, _)| self.endpoints.row(route));
        let there = worst.filter(|row| &*row.name != OTHER).and_then(|row| row.full.as_deref());
        // A route that lets nobody in is no secret worth guessing.
        let denied = |class: Class| there.and_then(|full| full.failures[class.index()].as_deref());
        let usually =
            [Class::Client, Class::Denied].into_iter().filter_map(denied).map(Failures::share).fold(0.0, f64::max);
        let served = there.is_some_and(|full| full.normal.weight() >= 100.0) && usually < 0.5;
        // Rejected alike: several others, none of which makes most of it.
        let caller = about.id;
        let others = [Class::Client, Class::Denied].into_iter().filter_map(denied).any(|failures| {
            let mine = failures.callers.share_of(caller);
            failures.callers.active() > ALIKE && mine < 0.5
        });
        Context { full, requests, healthy: served, others: others && served, peers: &self.doubtful }
    }

    /// What is known of a caller that asks in vain.
    pub(super) fn probe_of(&self, about: About) -> Option<&Probe> {
        self.probes.of(caller_of(about))
    }

    /// Whether an open incident goes on.
    pub(super) fn probe_goes_on(&self, about: About, now: Timestamp) -> bool {
        self.probes.of(caller_of(about)).is_some_and(|probe| enumeration::still(probe, now))
    }

    /// Today's numbers of an open incident.
    pub(super) fn fresh_probe(&self, about: About, end: Timestamp) -> Option<Finding> {
        let probe = self.probes.of(caller_of(about))?;
        let context = self.probe_context(about, probe, end);
        Some(enumeration::current(about.kind, probe, &context, &self.settings.enumeration))
    }

    /// What is over teaches what is usual here; to be called once an hour.
    pub(super) fn sweep_refused(&mut self, now: Timestamp) {
        for over in self.probes.sweep(now) {
            let kind = if over.keyed { Kind::Key } else { Kind::Client };
            self.doubtful.enter(kind, Peak::Resources, over.things);
        }
        for failed in self.logins.sweep(now) {
            self.doubtful.enter(Kind::Client, Peak::Day, failed);
        }
    }
}

fn about_of((keyed, id): (bool, Id)) -> About {
    About { kind: if keyed { SubjectKind::Key } else { SubjectKind::Client }, id }
}

fn caller_of(about: About) -> (bool, Id) {
    (about.kind == SubjectKind::Key, about.id)
}
