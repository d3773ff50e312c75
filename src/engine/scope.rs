//! What keys begin to do: noted with each line, judged on the tick in which something is new.

use crate::detect::Finding;
use crate::detect::scope_creep::{self, Context, News};
use crate::engine::Engine;
use crate::event::{Event, Id, Severity, SubjectKind};
use crate::incident::entry::{About, Candidate};
use crate::incident::kept::Reason;
use crate::intake::routes::OTHER;
use crate::measure::ring::TICK;
use crate::measure::scope::{Begun, Scope, Scopes, Use};
use crate::time::{Span, Timestamp};

/// Other keys that began the same within a day: it is a release.
const RELEASED: usize = 3;

impl Engine {
    /// Notes what kind of request a key made. Keys that call now and then only take nobody's place.
    pub(super) fn note_scope(&mut self, event: &Event, day: i64, slot: Option<u32>) {
        if !self.settings.scope_creep.enabled || !event.endpoint.is_some() {
            return;
        }
        let Some(row) = slot.and_then(|slot| self.keys.get(slot)) else { return };
        if !row.is_regular() && self.scopes.of(event.key.id).is_none() {
            return;
        }
        let served = (200..400).contains(&event.status);
        let seen = Use {
            time: event.time,
            day,
            key: event.key.id,
            route: event.endpoint.id,
            writes: !event.method.is_safe(),
            denied: matches!(event.status, 401 | 403),
            served,
        };
        self.scopes.absorb(&seen, Scopes::most_in(self.settings.memory / 32));
    }

    /// Judges who began something since the last tick.
    pub(super) fn creeping(&mut self, tick: i64, candidates: &mut Vec<Candidate>) {
        let end = Timestamp::of_bucket(tick + 1, TICK);
        for id in self.scopes.take_listed() {
            let about = About { kind: SubjectKind::Key, id };
            let Some(scope) = self.scopes.of(id) else { continue };
            let news = self.news_of(id, scope);
            let context = Context { scope, news: &news, turn_a_week: self.scopes.turn_a_week(id, end) };
            let Some(finding) = scope_creep::judge(&context, end, &self.settings.scope_creep) else { continue };
            let told = finding.severity > Severity::Info;
            let Some(candidate) = self.candidate(about, 0, finding, Span::ZERO) else { continue };
            if told {
                candidates.push(candidate);
            } else {
                self.keep(&candidate, Reason::Information, end);
            }
        }
    }

    /// What a key began today and others did not.
    fn news_of(&self, key: Id, scope: &Scope) -> Vec<News> {
        let own = |begun: &&Begun| {
            let Some(row) = self.endpoints.row(begun.route) else { return false };
            // A route that was not there before is no news of whoever calls it.
            &*row.name != OTHER && begun.at - row.first_seen >= Span::DAY && self.scopes.others(begun, key) < RELEASED
        };
        let settings = &self.settings.scope_creep;
        let news = |begun: &Begun| News {
            begun: *begun,
            sensitive: self.endpoints.name(begun.route).is_some_and(|name| settings.is_sensitive(name)),
            rarely_written: self.scopes.is_rarely_written(begun),
        };
        scope.today().iter().filter(own).map(news).collect()
    }

    /// Whether an open incident goes on.
    pub(super) fn scope_goes_on(&self, about: About, now: Timestamp) -> bool {
        self.scopes.of(about.id).is_some_and(|scope| scope_creep::still(scope, now))
    }

    /// Today's numbers of an open incident; none once the day is over.
    pub(super) fn fresh_scope(&self, about: About, now: Timestamp) -> Option<Finding> {
        let scope = self.scopes.of(about.id)?;
        let news = self.news_of(about.id, scope);
        let context = Context { scope, news: &news, turn_a_week: self.scopes.turn_a_week(about.id, now) };
        (!news.is_empty()).then(|| scope_creep::finding(&context, now, &self.settings.scope_creep))
    }
}
