//! Who makes it: a rise of the site or of an endpoint belongs to the few that make it, if they are few.

use crate::detect::burst;
use crate::engine::Engine;
use crate::engine::days::is_keyed;
use crate::event::SubjectKind;
use crate::incident::entry::{About, Candidate};
use crate::intake::routes::OTHER;
use crate::measure::peers;
use crate::measure::rows::Full;
use crate::time::Span;

/// How many identities a day may reach as much for it to be news: of a key or client of less than a week, of a key that is
/// wild from hour to hour, and of the others whose own peaks are no measure.
const YOUNG: f64 = 1.0 / 60.0;
const WILD: f64 = 0.03;
const KNOWN: f64 = 0.2;
/// Days from which on its own history is measure enough for a key; where it is far beyond its own peaks; and where it is so
/// many times beyond them.
const OWN_DAYS: (u16, u16, u16) = (10, 5, 3);
const FAR: f64 = 8.0;

/// A subject that moved in a window.
struct Active {
    about: About,
    slot: u32,
    now: burst::Now,
}

impl Engine {
    /// A rise of the site or of an endpoint that one key (or client, or endpoint) makes almost alone is that one's. If
    /// a few callers make it and none of them does more than its peers do every other day, it is no news at all.
    pub(super) fn attribute(&self, mut candidate: Candidate) -> Option<Candidate> {
        let excess = candidate.finding.excess;
        if !matches!(candidate.about.kind, SubjectKind::Site | SubjectKind::Endpoint) || excess <= 0.0 {
            return Some(candidate);
        }
        let mut order = vec![SubjectKind::Key, SubjectKind::Client];
        if candidate.about.kind == SubjectKind::Site {
            order.push(SubjectKind::Endpoint);
        }
        for kind in order {
            // Compared over the same time in which the parts are looked at.
            let whole = self.active(candidate.about.kind, candidate.window);
            let own = whole.iter().find(|l| l.about == candidate.about).map(|l| l.now);
            let whole = own.map_or(excess, |now| now.seen - now.expected);
            // Also those that were silent in this very tick.
            let active = self.active(kind, candidate.window);
            let mut parts: Vec<(&Active, f64)> = active
                .iter()
                .filter(|l| !self.is_unsettled(l.about.kind, l.slot))
                .map(|l| (l, self.part_of(candidate.about, own, l)))
                .filter(|(_, part)| *part > 0.0)
                .collect();
            parts.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.about.cmp(&b.0.about)));
            let Some(&(most, part)) = parts.first() else { continue };
            let few: f64 = parts.iter().take(4).map(|(_, part)| part).sum();
            let by_few = few >= 0.8 * whole.max(1.0) && kind != SubjectKind::Endpoint;
            if by_few {
                let news = |l: &Active| {
                    let full = self.rows(kind).get(l.slot).and_then(|row| row.full.as_deref());
                    full.is_some_and(|full| self.beyond_peers(kind, full, f64::from(full.today.five), false))
                };
                if !parts.iter().take(4).any(|(l, part)| *part >= 0.1 * whole && news(l)) {
                    return None;
                }
                // Each of them is about to speak for itself.
                candidate.patient = true;
            }
            if part < if by_few { 0.5 } else { 0.8 } * whole.max(1.0) {
                continue;
            }
            let scene = self.scene_now(kind);
            let Some(full) = self.rows(kind).get(most.slot).and_then(|row| row.full.as_deref()) else { continue };
            // Whoever makes it must last as long as is asked of everybody.
            let now = burst::look(full, &scene);
            if kind != SubjectKind::Endpoint && !burst::is_sustained(full, &scene, now, candidate.window) {
                return None;
            }
            // What is too little to be told of a caller is so wherever it shows.
            if kind == SubjectKind::Client && most.now.seen - most.now.expected < self.settings.burst.floor_of(kind) {
                return None;
            }
            let judged = burst::Judgement {
                bits: candidate.finding.bits,
                need: candidate.finding.grounds.needed,
                // Its part was seen within the last hour: its beginning is looked for there first.
                window: candidate.window.min(Span::HOUR),
                calm: false,
                sustained: true,
                tolerance: 1.3,
                streams: 0,
                own: false,
            };
            let finding = burst::finding(kind, full, &scene, judged, now);
            if let Some(attributed) = self.candidate(most.about, 0, finding, candidate.window) {
                return Some(attributed);
            }
        }
        Some(candidate)
    }

    /// What one part adds to the rise of `whole`, of which `now` is known: of the site all by which it rises itself; of an
    /// endpoint what it calls there beyond its usual share of it, as far as it rises itself.
    fn part_of(&self, whole: About, now: Option<burst::Now>, one: &Active) -> f64 {
        let rise = (one.now.seen - 1.2 * one.now.expected - 3.0).max(0.0);
        if whole.kind == SubjectKind::Site {
            return rise;
        }
        let full_of = |about: About| self.row(about).and_then(|row| row.full.as_deref());
        let there = full_of(one.about).map_or(0.0, |full| full.endpoints.share_of(whole.id));
        let callers = full_of(whole).filter(|_| one.about.kind == SubjectKind::Key);
        let calls = callers.and_then(|full| full.keys.shares().iter().find(|s| s.id == one.about.id).copied());
        let added = now.zip(calls).map_or(0.0, |(now, share)| share.now * now.seen - share.usual * now.expected);
        (rise * there).max(added.min(one.now.seen - one.now.expected))
    }

    /// Everything of a kind that moved in a window (of at most an hour), with what it did there.
    fn active(&self, kind: SubjectKind, window: Span) -> Vec<Active> {
        let scene = self.scene_now(kind);
        let minutes = (window.millis() / Span::MINUTE.millis()).clamp(5, 60);
        let since = scene.end - Span::from_mins(minutes);
        (0..self.rows(kind).len() as u32)
            .filter_map(|slot| {
                let row = self.rows(kind).get(slot).filter(|row| row.last_seen >= since)?;
                let full = row.full.as_deref()?;
                let mut now = burst::look_back(full, &scene, minutes);
                // Who has just come is expected to be like the others, but nothing of what it does was there before.
                let came = row.first_seen > scene.end - window.scale(1.25);
                now.expected *= if came { 0.0 } else { 1.0 - (-full.normal.age(scene.end).days_f64()).exp() };
                Some(Active { about: About { kind, id: row.id }, slot, now })
            })
            .collect()
    }

    /// A route that is new, or what the cardinality cap lumps together: its traffic says nothing yet.
    pub(super) fn is_unsettled(&self, kind: SubjectKind, slot: u32) -> bool {
        if kind != SubjectKind::Endpoint {
            return false;
        }
        let Some(row) = self.endpoints.get(slot) else { return true };
        let since = self.first_event.unwrap_or(row.first_seen);
        let late = row.first_seen - since > Span::from_hours(2);
        &*row.name == OTHER || (late && row.last_seen - row.first_seen < Span::DAY)
    }

    /// Without a long history of its own, a key or client must be beyond what its peers do in weeks.
    /// `own`: it is far beyond its own peaks, however short its history.
    pub(super) fn beyond_peers(&self, kind: SubjectKind, full: &Full, five: f64, own: bool) -> bool {
        let (days, normal) = (full.today.active_days, &full.normal);
        let (always, beyond, far) = OWN_DAYS;
        let is_measure = || {
            (days >= always || own && (days >= beyond || days >= far && five >= FAR * normal.peak_of_days()))
                && !normal.is_irregular()
        };
        let limit = match kind {
            SubjectKind::Key if is_measure() => return true,
            // A few days of its own are hardly a measure.
            SubjectKind::Key if own && !normal.is_wild() => KNOWN,
            SubjectKind::Key | SubjectKind::Client if days < 7 => YOUNG,
            // Who is wild from hour to hour has no usual of its own to go by, however long it is known.
            SubjectKind::Key if normal.is_wild() => WILD,
            SubjectKind::Key | SubjectKind::Client => KNOWN,
            _ => return true,
        };
        let keyed = kind == SubjectKind::Key || is_keyed(full);
        let peers = if keyed { peers::Kind::Key } else { peers::Kind::Client };
        let today = full.today;
        self.peers.rarest(peers, five.max(f64::from(today.five)), f64::from(today.sixty), f64::from(today.requests))
            <= limit
    }
}
