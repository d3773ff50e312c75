//! When the last thing happened that an open incident is about: detectors wait for a while before they believe that it is
//! over, and nobody wants to be reminded in that while, or to read at the end that it lasted so long.

use crate::detect::user_rule::Counted;
use crate::detect::{
    credential_stuffing, enumeration, front_end_exposure, impossible_travel, leaked_key, payload_size, retry_loop,
    scope_creep, slow_response, traffic_drop,
};
use crate::engine::Engine;
use crate::event::{Id, SubjectKind};
use crate::incident::entry::{Entry, Evidence};
use crate::incident::last::Signs;
use crate::measure::ring::TICK;
use crate::measure::sizes::{Sizes, What};
use crate::time::{Span, Timestamp};

/// A subject that sent nothing for so long is silent.
const SILENT: Span = Span::from_mins(3);
/// What did not go on for so long is over, whatever else there is.
const OVER: Span = Span::from_mins(2);
/// Nothing is worth a reminder if nothing came for so long.
const QUIET: Span = Span::from_mins(10);

/// When the last of what a detector found came, as it notes that itself.
#[derive(Clone, Copy)]
enum Own {
    /// It notes nothing of the kind.
    Unknown,
    /// It noted that, and has forgotten.
    Forgotten,
    At(Timestamp),
}

impl Own {
    fn at(self) -> Option<Timestamp> {
        match self {
            Own::At(at) => Some(at),
            Own::Unknown | Own::Forgotten => None,
        }
    }
}

impl Engine {
    /// When the last thing happened that an incident is about.
    pub(super) fn signs(&self, entry: &Entry, end: Timestamp) -> Signs {
        if entry.is_apart() && !entry.is_ruled() {
            return Signs::default();
        }
        let refused = self.after.refused_since(entry.about).is_some();
        if entry.is_group() || entry.incident.detector == traffic_drop::NAME {
            return Signs { quiet: refused, ..Signs::default() };
        }
        let mut seen = entry.last_seen_to_come();
        let known: Option<Vec<Timestamp>> = if entry.is_ruled() {
            self.last_of_rule(entry).map(|last| vec![last])
        } else {
            let own: Vec<_> = entry.evidence.iter().map(|evidence| self.own_sign(evidence, end)).collect();
            let going_on = entry.evidence.iter().zip(&own).filter(|(evidence, _)| end - evidence.active_at <= TICK);
            seen = seen.max(going_on.filter_map(|(_, own)| own.at()).max());
            let signs = entry.evidence.iter().zip(own).map(|(evidence, own)| {
                let at = match own {
                    // While another of several still waits: not later than what was known then.
                    Own::Forgotten => seen.map(|seen| seen.min(evidence.active_at)),
                    own => own.at(),
                };
                self.last_sign(evidence, at, end)
            });
            signs.collect()
        };
        let last = known.and_then(|known| known.into_iter().max());
        Signs { last, seen, quiet: refused || last.is_some_and(|last| end - last > QUIET) }
    }

    fn own_sign(&self, evidence: &Evidence, end: Timestamp) -> Own {
        let about = evidence.about;
        let noted = match evidence.detector.as_str() {
            retry_loop::NAME => self.repeats.look(Id(evidence.tag), end).map(|sighting| sighting.run.last_at),
            scope_creep::NAME => {
                self.scopes.of(about.id).and_then(|s| s.today().iter().map(|begun| begun.last_at).max())
            }
            enumeration::NAME => self.probe_of(about).map(|probe| probe.last_at),
            credential_stuffing::NAME if about.kind != SubjectKind::Endpoint => {
                self.logins.of(about.id).map(|guesser| guesser.last_at)
            }
            impossible_travel::NAME => self.travels.of(about.id).and_then(|w| w.leg()).map(|(_, _, to)| to.last),
            front_end_exposure::NAME => self.exposures.of(about.id).map(|exposure| exposure.last_at),
            leaked_key::NAME => self.row(about).and_then(|row| row.novelty.as_deref()?.newcomer_last()),
            payload_size::NAME | slow_response::NAME => {
                let what = What::ALL.get(evidence.tag as usize).copied();
                let scales = if about.kind == SubjectKind::Key { &self.key_scales } else { &self.route_scales };
                what.and_then(|what| scales.of(about.id, what)).map(Sizes::far_at)
            }
            _ => return Own::Unknown,
        };
        noted.map_or(Own::Forgotten, Own::At)
    }

    fn last_sign(&self, evidence: &Evidence, own: Option<Timestamp>, end: Timestamp) -> Option<Timestamp> {
        let last_seen = self.row(evidence.about)?.last_seen;
        let silent = (end - last_seen >= SILENT).then_some(last_seen);
        let over = (end - evidence.active_at >= OVER).then_some(evidence.active_at);
        // Each of them is as late as it can have been.
        [own, silent, over].into_iter().flatten().min()
    }

    /// The newest line that a user's rule is about; not where it is the lack of lines that is told.
    fn last_of_rule(&self, entry: &Entry) -> Option<Timestamp> {
        let index = self.settings.rules.iter().position(|rule| rule.name == entry.incident.rule)?;
        let Counted::Window { downward: false, .. } = self.rules.counted.get(index)? else { return None };
        let groups = self.rules.kept.groups.get(index)?;
        let place = groups.find(Id(entry.evidence.first()?.tag))?;
        Some(groups.get(place)?.last)
    }
}
