//! Many at once are one: five hundred keys that burst together are one incident on the site, not five hundred.

use crate::detect::{Fact, Trend};
use crate::event::{Id, Subject, SubjectKind};
use crate::incident::book::{Book, Settings};
use crate::incident::entry::{About, Entry};
use crate::incident::spread::Spread;
use crate::incident::{Part, Where};
use crate::time::{Span, Timestamp};

/// What belongs together began within this time.
const TOGETHER: Span = Span::from_mins(5);
/// Members told by name.
const TOLD: usize = 5;

impl Book {
    /// Makes one incident on the site of held incidents of one detector on many subjects of one kind. `total` answers
    /// how many subjects of a kind are active.
    pub fn group(&mut self, site: Id, now: Timestamp, settings: &Settings, total: &dyn Fn(SubjectKind) -> usize) {
        let ripe = self.ripe(now, settings);
        let Some(first) = ripe.iter().map(|&i| &self.entries[i]).find(|e| may_group(e)) else { return };
        let (kind, detector, began) = (first.about.kind, first.incident.detector.clone(), first.incident.started_at);
        // Those that still wait for company come along.
        let members: Vec<usize> = (0..self.entries.len())
            .filter(|&i| {
                let entry = &self.entries[i];
                may_group(entry)
                    && entry.about.kind == kind
                    && entry.incident.detector == detector
                    && (entry.incident.started_at - began).millis().abs() <= TOGETHER.millis()
            })
            .collect();
        if members.len() < settings.group_at {
            return;
        }
        let mut entries: Vec<Entry> = members.into_iter().rev().map(|i| self.entries.remove(i)).collect();
        entries.sort_by(|a, b| b.excess().total_cmp(&a.excess()).then(a.about.cmp(&b.about)));
        let mut group = entries[0].clone();
        let whole: f64 = entries.iter().map(Entry::excess).sum::<f64>().max(1.0);
        let count = entries.len();
        let share = |e: &Entry| (e.excess() / whole * 1000.0).round() / 1000.0;
        let named: Vec<Part> = entries
            .iter()
            .take(TOLD)
            .map(|e| Part { name: e.incident.subject.name.clone(), share: share(e) })
            .collect();
        let ids: Vec<(Id, f64)> = entries.iter().map(|e| (e.about.id, e.excess() / whole)).collect();
        let incident = &mut group.incident;
        incident.subject = Subject::site();
        incident.parts = match kind {
            SubjectKind::Key => Where { keys: named, ..Where::default() },
            SubjectKind::Endpoint => Where { endpoints: named, ..Where::default() },
            _ => Where { clients: named, ..Where::default() },
        };
        group.spread = match kind {
            SubjectKind::Key => Spread { keys: ids, ..Spread::default() },
            SubjectKind::Endpoint => Spread { endpoints: ids, ..Spread::default() },
            _ => Spread { clients: ids, ..Spread::default() },
        };
        incident.started_at = entries.iter().map(|e| e.incident.started_at).min().unwrap_or(began);
        incident.observed = entries.iter().map(|e| e.incident.observed).sum();
        incident.expected = entries.iter().map(|e| e.incident.expected).sum();
        incident.peak = incident.observed;
        incident.trend = Trend::Steady;
        incident.severity = entries.iter().map(|e| e.incident.severity).max().unwrap_or(incident.severity);
        incident.impact.requests = entries.iter().map(|e| e.incident.impact.requests).sum();
        incident.impact.errors = entries.iter().map(|e| e.incident.impact.errors).sum();
        incident.facts.insert("group".into(), Fact::Text(kind.as_str().to_owned()));
        incident.facts.insert("keys_up".into(), Fact::Count(count as u64));
        incident.facts.insert("keys_total".into(), Fact::Count(total(kind).max(count) as u64));
        let factor = incident.observed / incident.expected.max(0.1);
        incident.facts.insert("factor".into(), Fact::Number(factor));
        incident.facts.insert("per_minute".into(), Fact::Number(incident.observed));
        incident.facts.insert("usual_per_minute".into(), Fact::Number(incident.expected));
        group.evidence = entries.iter().flat_map(|e| e.evidence.iter().cloned()).take(1024).collect();
        group.about = About { kind: SubjectKind::Site, id: site };
        group.group = true;
        self.entries.push(group);
    }
}

fn may_group(entry: &Entry) -> bool {
    let kind = matches!(entry.about.kind, SubjectKind::Key | SubjectKind::Client | SubjectKind::Endpoint);
    kind && !entry.is_told() && !entry.urgent && !entry.group
}
