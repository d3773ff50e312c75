//! What incidents cost: so far, from their beginning on, and an hour as things are going.

use crate::detect::{Fact, budget, error_spike, leaked_key, retry_loop, traffic_drop};
use crate::engine::{Engine, SITE};
use crate::event::{Event, Id, SubjectKind};
use crate::incident::entry::Entry;
use crate::measure::spend::Spend;
use crate::time::{Span, Timestamp};

/// What an incident costs an hour, in the configured currency.
pub(super) const PER_HOUR: &str = "cost_per_hour";
/// "Now" is the last quarter of an hour.
const NOW: Span = Span::from_mins(15);
/// What is known of costs takes at most this part of the memory.
const MEMORY_PART: usize = 16;

impl Engine {
    /// Notes what a call cost, for each of its subjects.
    pub(super) fn note_cost(&mut self, event: &Event) {
        let cost = event.cost_or_zero();
        if cost <= 0.0 {
            return;
        }
        let of = [
            (SubjectKind::Key, event.key.id),
            (SubjectKind::Client, event.client.id),
            (SubjectKind::Endpoint, event.endpoint.id),
            (SubjectKind::Source, Id(2 + u64::from(event.source.0))),
            (SubjectKind::Site, SITE),
        ];
        for (kind, id) in of.into_iter().filter(|(_, id)| *id != Id::NONE) {
            self.spend.add(kind, id, event.time, cost);
        }
        self.spend.make_room(self.settings.memory / MEMORY_PART);
    }

    /// Says of every open incident what it has cost and what it costs an hour.
    pub(super) fn price_incidents(&mut self, now: Timestamp) {
        if self.spend.is_empty() {
            return;
        }
        for entry in self.book.entries_mut() {
            price(entry, &self.spend, now);
        }
    }
}

fn price(entry: &mut Entry, spend: &Spend, now: Timestamp) {
    let incident = &mut entry.incident;
    let started = incident.started_at;
    let hours = |span: Span| (span.secs_f64() / 3600.0).max(1.0 / 60.0);
    let per_hour = match incident.detector.as_str() {
        budget::NAME | traffic_drop::NAME => return,
        retry_loop::NAME => match incident.facts.get("cost_per_day") {
            Some(Fact::Number(a_day)) => a_day / 24.0,
            _ => return,
        },
        // It knows the cost of its own lines, and of no others.
        _ if entry.evidence.first().is_some_and(|evidence| evidence.detector == crate::detect::user_rule::NAME) => {
            let Some(cost) = incident.impact.cost else { return };
            cost / hours(now - started)
        }
        detector => {
            let part = match detector {
                error_spike::NAME => incident.impact.errors as f64 / incident.impact.requests.max(1) as f64,
                leaked_key::NAME => match incident.facts.get("newcomer_share") {
                    Some(Fact::Share(share) | Fact::Number(share)) => *share,
                    _ => 1.0,
                },
                _ => 1.0,
            };
            let part = part.clamp(0.0, 1.0);
            let (kind, id) = (entry.about.kind, entry.about.id);
            let so_far = part * spend.since(kind, id, started);
            if so_far <= 0.0 {
                return;
            }
            // What is known of long ago may have given way meanwhile.
            incident.impact.cost = Some(incident.impact.cost.unwrap_or(0.0).max(so_far));
            let from = started.max(now - NOW);
            part * spend.since(kind, id, from) / hours(now - from)
        }
    };
    if per_hour.is_finite() && per_hour > 0.0 {
        incident.facts.insert(PER_HOUR.to_owned(), Fact::Number(per_hour));
    }
}
