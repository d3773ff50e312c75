//! Events one after the other, or together: how far a group has come.
//!
//! Of an ordered sequence it is known, for every step, when the newest chain began that has come as far: so the greedy
//! choice is the right one, and one chain a step is enough. What must not come in between breaks the chains that wait;
//! what must not come at all is judged when every line of that time has been read, so that lines of several hosts may
//! come a little out of order.

use serde::{Deserialize, Serialize};

use crate::time::{Span, Timestamp};

/// Lines of several hosts may come this much out of order.
const DISORDER: Span = Span::from_secs(15);
/// Chains that wait to be judged.
const WAITING: usize = 16;
/// Lines of which it is known what they cost and whether they failed.
const LINES: usize = 64;

/// What a sequence asks for. Events are bits.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Plan {
    /// What must come: which event, and how many times.
    pub wanted: Vec<(u32, u32)>,
    /// What must not come before the first, between two of them, and after the last: one more than `wanted`.
    pub absent: Vec<u32>,
    /// Whether in this order.
    pub ordered: bool,
    /// In how much time.
    pub over: Span,
}

impl Plan {
    /// Whether anything must not come.
    pub fn has_absences(&self) -> bool {
        self.absent.iter().any(|events| *events != 0)
    }

    fn before_first(&self) -> u32 {
        self.absent.first().copied().unwrap_or(0)
    }

    /// Whether it is about one thing that comes without another before it.
    fn is_one_without_another(&self) -> bool {
        self.ordered && self.wanted.len() == 1 && self.before_first() != 0 && self.after_last() == 0
    }

    fn after_last(&self) -> u32 {
        if self.ordered { self.absent.get(self.wanted.len()).copied().unwrap_or(0) } else { 0 }
    }
}

/// A sequence that came about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Completed {
    /// Its first event.
    pub start: Timestamp,
    /// Its last event.
    pub end: Timestamp,
}

/// What a line of a sequence did.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
struct Line {
    at: Timestamp,
    cost: f64,
    failed: u32,
}

/// How far one group has come.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Chain {
    /// Since when all events of this group were seen.
    watched: Timestamp,
    /// Ordered: when the newest chain began that has come this far. Unordered: the newest times of each event.
    places: Vec<Vec<Timestamp>>,
    /// When events that must not come came last, by bit.
    seen: Vec<(u32, Timestamp)>,
    /// Complete but for what must not have come, and until when that is waited for.
    waiting: Vec<(Completed, Timestamp)>,
    /// The newest lines of its steps that cost something or failed.
    lines: Vec<Line>,
}

impl Chain {
    /// Nothing has come yet; events have been seen since `watched`.
    pub fn new(watched: Timestamp) -> Self {
        Chain { watched, places: Vec::new(), seen: Vec::new(), waiting: Vec::new(), lines: Vec::new() }
    }

    /// Takes the events of one line. A sequence that came about with it, unless something must not come. Where it was told
    /// that one thing came so many times without another, each further time is one more (`again`).
    pub fn take(&mut self, plan: &Plan, events: u32, now: Timestamp, again: bool) -> Option<Completed> {
        self.note_absences(plan, events, now);
        let completed = match plan.wanted.as_slice() {
            [(event, _)] if again && plan.is_one_without_another() => {
                self.places.clear();
                (events & event != 0 && !self.is_preceded(plan, now)).then_some(Completed { start: now, end: now })
            }
            _ if plan.ordered => self.in_order(plan, events, now),
            _ => self.together(plan, events, now),
        }?;
        if !plan.has_absences() {
            return Some(completed);
        }
        let until = if plan.after_last() == 0 { completed.end } else { completed.start + plan.over };
        if self.waiting.len() >= WAITING {
            self.waiting.remove(0);
        }
        self.waiting.push((completed, until));
        None
    }

    /// Notes what a line cost and whether it failed: what comes about later counts from its first step. Of very many lines
    /// the oldest are taken together.
    pub fn note(&mut self, plan: &Plan, events: u32, now: Timestamp, cost: f64, failed: bool) {
        let wanted = plan.wanted.iter().fold(0, |all, (event, _)| all | event);
        if events & wanted == 0 || (cost <= 0.0 && !failed) {
            return;
        }
        // What waits to be judged began at most twice the span ago.
        self.lines.retain(|line| now - line.at <= plan.over.times(2));
        if self.lines.len() >= LINES {
            let oldest = self.lines.remove(0);
            if let Some(next) = self.lines.first_mut() {
                (next.cost, next.failed) = (next.cost + oldest.cost, next.failed + oldest.failed);
            }
        }
        self.lines.push(Line { at: now, cost, failed: u32::from(failed) });
    }

    /// What a sequence that came about cost from its first step to its last, and how many of its lines failed.
    pub fn harm(&self, completed: &Completed) -> (u64, f64) {
        let within = self.lines.iter().filter(|line| completed.start <= line.at && line.at <= completed.end);
        within.fold((0, 0.0), |(failed, cost), line| (failed + u64::from(line.failed), cost + line.cost))
    }

    /// When the next judgement is due.
    pub fn due(&self) -> Option<Timestamp> {
        self.waiting.iter().map(|(_, until)| *until).min()
    }

    /// The last of the sequences of which it is certain by `now` that nothing came which must not, and how many they are.
    pub fn judge(&mut self, plan: &Plan, now: Timestamp) -> Option<(Completed, u32)> {
        let (mut last, mut count) = (None, 0);
        let watched = self.watched;
        self.waiting.retain(|(completed, until)| {
            if *until >= now {
                return true;
            }
            // What was not watched is not known to be absent.
            let from = if plan.ordered { completed.start } else { completed.end };
            if plan.before_first() == 0 || watched <= from - plan.over {
                last = Some(*completed);
                count += 1;
            }
            false
        });
        last.map(|last| (last, count))
    }

    /// Whether nothing that it knows matters any more.
    pub fn is_idle(&self, plan: &Plan, now: Timestamp) -> bool {
        let recent = |t: &Timestamp| now - *t <= plan.over;
        self.waiting.is_empty()
            && !self.places.iter().flatten().any(recent)
            && !self.seen.iter().any(|(_, t)| recent(t))
    }

    /// Bytes that it has beside itself.
    pub fn bytes(&self) -> usize {
        let places: usize = self.places.iter().map(|times| 24 + times.capacity() * 8).sum();
        places
            + self.seen.capacity() * 16
            + self.lines.capacity() * size_of::<Line>()
            + self.waiting.capacity() * size_of::<(Completed, Timestamp)>()
    }

    /// What must not come breaks what waits for it not to.
    fn note_absences(&mut self, plan: &Plan, events: u32, now: Timestamp) {
        let all = plan.absent.iter().fold(0, |all, events| all | events);
        let met = events & all;
        if met == 0 {
            return;
        }
        for bit in (0..u32::BITS).map(|n| 1 << n).filter(|bit| met & plan.before_first() & bit != 0) {
            match self.seen.iter_mut().find(|(known, _)| *known == bit) {
                Some((_, t)) => *t = (*t).max(now),
                None => self.seen.push((bit, now)),
            }
        }
        if plan.ordered {
            // Between two steps: chains that have finished the one and not the other.
            let mut place = 0;
            for (step, (_, times)) in plan.wanted.iter().enumerate() {
                let from = place;
                place += *times as usize;
                let broken = plan.absent.get(step).copied().unwrap_or(0) & met != 0;
                if broken {
                    // The chain before this step, and those within it.
                    for chain in self.places.iter_mut().take(place - 1).skip(from.saturating_sub(1)) {
                        chain.retain(|start| *start > now);
                    }
                }
            }
        }
        let (first, between, after) = (
            plan.before_first() & met != 0,
            plan.ordered && plan.absent.iter().take(plan.wanted.len()).skip(1).any(|a| a & met != 0),
            plan.after_last() & met != 0,
        );
        self.waiting.retain(|(completed, until)| {
            let begins = if plan.ordered { completed.start } else { completed.end };
            let before = first && begins - plan.over < now && now <= begins;
            let within = between && completed.start < now && now < completed.end;
            let later = after && completed.end <= now && now <= *until;
            !(before || within || later)
        });
    }

    /// Whether what must not come before the first event has come.
    fn is_preceded(&self, plan: &Plan, start: Timestamp) -> bool {
        self.seen.iter().any(|(bit, t)| plan.before_first() & bit != 0 && start - *t < plan.over)
    }

    fn in_order(&mut self, plan: &Plan, events: u32, now: Timestamp) -> Option<Completed> {
        let places: usize = plan.wanted.iter().map(|(_, times)| *times as usize).sum();
        if self.places.len() != places {
            self.places.resize(places, Vec::new());
        }
        let mut end = places;
        let mut completed = None;
        // From the last step to the first, so that one event is one step.
        for (step, (event, times)) in plan.wanted.iter().enumerate().rev() {
            let from = end - *times as usize;
            if events & event != 0 {
                for place in (from..end).rev() {
                    let start = match place.checked_sub(1) {
                        None if step == 0 && self.is_preceded(plan, now) => None,
                        None => Some(now),
                        Some(before) => {
                            let start = self.places.get(before).and_then(|chain| chain.first()).copied();
                            start.filter(|start| now - *start <= plan.over && *start <= now + DISORDER)
                        }
                    };
                    let Some(start) = start else { continue };
                    if place + 1 == places {
                        completed = Some(Completed { start, end: now });
                    } else if let Some(chain) = self.places.get_mut(place) {
                        // The newest start is the best: it lasts longest.
                        let start = chain.first().map_or(start, |known| (*known).max(start));
                        chain.clear();
                        chain.push(start);
                    }
                }
            }
            end = from;
        }
        if completed.is_some() {
            self.places.clear();
        }
        completed
    }

    fn together(&mut self, plan: &Plan, events: u32, now: Timestamp) -> Option<Completed> {
        if self.places.len() != plan.wanted.len() {
            self.places.resize(plan.wanted.len(), Vec::new());
        }
        for ((event, times), known) in plan.wanted.iter().zip(&mut self.places) {
            if events & event != 0 {
                if known.len() >= *times as usize && !known.is_empty() {
                    known.remove(0);
                }
                known.push(now);
            }
        }
        let mut start = now;
        for ((_, times), known) in plan.wanted.iter().zip(&self.places) {
            let first = known.first().filter(|_| known.len() >= *times as usize)?;
            start = start.min(*first);
        }
        if now - start > plan.over || self.is_preceded(plan, now) {
            return None;
        }
        self.places.clear();
        Some(Completed { start, end: now })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_sequence_cost_counts_from_its_first_step() {
        let plan = plan(&[(A, 1), (B, 2)], &[0, 0, 0, 0], true);
        let mut chain = Chain::new(at(0));
        let mut step = |second, event, cost, failed| {
            chain.note(&plan, event, at(second), cost, failed);
            let completed = chain.take(&plan, event, at(second), false);
            completed.map(|completed| chain.harm(&completed))
        };
        assert_eq!(step(0, A, 7.0, false), None, "a first step that comes to nothing");
        assert_eq!(step(2 * 600, A, 1.5, false), None);
        assert_eq!(step(2 * 600 + 10, C, 100.0, true), None, "what is no step is no part of it");
        assert_eq!(step(2 * 600 + 20, B, 0.25, true), None);
        assert_eq!(step(2 * 600 + 30, B, 0.25, false), Some((1, 2.0)));
        // Very many lines: their sum holds.
        let mut chain = Chain::new(at(0));
        for n in 0..1000 {
            chain.note(&plan, A, at(n / 10), 1.0, false);
        }
        assert!(chain.lines.len() <= LINES);
        assert!((chain.harm(&Completed { start: at(0), end: at(100) }).1 - 1000.0).abs() < 1e-9);
    }

    #[test]
    fn once_told_each_further_time_is_one_more() {
        let plan = plan(&[(B, 3)], &[A, 0], true);
        let mut chain = Chain::new(at(-100_000));
        for (second, told) in [(0, false), (10, false), (20, false), (60, true), (61, true)] {
            assert_eq!(chain.take(&plan, B, at(second), told), None, "what must not come before is waited for");
        }
        let last = Completed { start: at(61), end: at(61) };
        assert_eq!(chain.judge(&plan, at(100)), Some((last, 3)), "three at once, and two");
        chain.take(&plan, A, at(110), true);
        chain.take(&plan, B, at(120), true);
        assert_eq!(chain.judge(&plan, at(200)), None, "in its order");
    }

    const A: u32 = 1;
    const B: u32 = 2;
    const C: u32 = 4;
    const MIN: i64 = 60;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_secs(1_000_000 + second)
    }

    fn plan(wanted: &[(u32, u32)], absent: &[u32], ordered: bool) -> Plan {
        Plan { wanted: wanted.to_vec(), absent: absent.to_vec(), ordered, over: Span::from_mins(10) }
    }

    /// When sequences came about: with which event, or at which judgement after it.
    fn run(plan: &Plan, events: &[(i64, u32)]) -> Vec<(i64, i64)> {
        let mut chain = Chain::new(at(-100_000));
        let mut found = Vec::new();
        let second = |t: Timestamp| t.secs() - 1_000_000;
        for (t, event) in events {
            let bytes = postcard::to_stdvec(&chain).unwrap();
            chain = postcard::from_bytes(&bytes).unwrap();
            let judged = chain.judge(plan, at(*t - 15)).map(|(last, _)| last);
            found.extend(judged.into_iter().chain(chain.take(plan, *event, at(*t), false)));
        }
        found.extend(chain.judge(plan, at(1_000_000)).map(|(last, _)| last));
        found.into_iter().map(|c| (second(c.start), second(c.end))).collect()
    }

    #[test]
    fn steps_come_in_order_and_in_time() {
        let abc = plan(&[(A, 1), (B, 1), (C, 1)], &[0; 4], true);
        assert_eq!(run(&abc, &[(0, A), (10, B), (20, C)]), [(0, 20)]);
        assert_eq!(run(&abc, &[(0, B), (10, A), (20, C), (30, B), (40, C)]), [(10, 40)]);
        assert_eq!(run(&abc, &[(0, A), (10, B), (11 * MIN, C)]), []);
        assert_eq!(run(&abc, &[(0, A), (5 * MIN, A), (6 * MIN, B), (11 * MIN, C)]), [(5 * MIN, 11 * MIN)]);
        assert_eq!(run(&abc, &[(0, A), (1, B), (5 * MIN, A), (11 * MIN, C)]), [], "the newer chain has no B yet");
        assert_eq!(run(&abc, &[(0, A | B | C), (1, A | B | C), (2, A | B | C)]), [(0, 2)], "one event is one step");
        assert_eq!(run(&abc, &[(0, A), (1, B), (2, C), (3, C), (4, B), (5, C)]), [(0, 2)], "used once");
    }

    #[test]
    fn ten_of_one_and_then_the_other() {
        let guess = plan(&[(A, 10), (B, 1)], &[0; 3], true);
        let tries = |n: i64, every: i64| (0..n).map(|i| (i * every, A)).collect::<Vec<_>>();
        let then = |mut events: Vec<(i64, u32)>, t: i64| {
            events.push((t, B));
            events
        };
        assert_eq!(run(&guess, &then(tries(10, 5), 60)), [(0, 60)]);
        assert_eq!(run(&guess, &then(tries(9, 5), 60)), []);
        assert_eq!(run(&guess, &then(tries(30, 5), 150)), [(100, 150)], "the newest ten");
        assert_eq!(run(&guess, &then(tries(10, 90), 900)), [], "too slow");
        let mut between = tries(5, 5);
        between.push((26, B));
        between.extend((6..12).map(|i| (i * 5, A)));
        assert_eq!(run(&guess, &then(between, 100)), [(5, 100)], "a success in between is none of its steps");
    }

    #[test]
    fn what_must_not_come_before_between_and_after() {
        let before = plan(&[(B, 1)], &[A, 0], true);
        assert_eq!(run(&before, &[(0, B)]), [(0, 0)]);
        assert_eq!(run(&before, &[(0, A), (9 * MIN, B)]), []);
        assert_eq!(run(&before, &[(0, A), (11 * MIN, B)]), [(11 * MIN, 11 * MIN)], "too long ago");
        assert_eq!(run(&before, &[(10, B), (8, A), (60, C)]), [], "a line that came late was there in time");
        assert_eq!(run(&before, &[(10, B), (12, A), (60, C)]), [(10, 10)], "it came after");
        let between = plan(&[(A, 1), (B, 1)], &[0, C, 0], true);
        assert_eq!(run(&between, &[(0, A), (10, B)]), [(0, 10)]);
        assert_eq!(run(&between, &[(0, A), (5, C), (10, B)]), []);
        assert_eq!(run(&between, &[(0, A), (5, C), (6, A), (10, B)]), [(6, 10)]);
        let after = plan(&[(A, 1)], &[0, C], true);
        assert_eq!(run(&after, &[(0, A), (9 * MIN, C)]), []);
        assert_eq!(run(&after, &[(0, A), (11 * MIN, C)]), [(0, 0)]);
    }

    #[test]
    fn nothing_is_said_of_time_that_was_not_watched() {
        let before = plan(&[(B, 1)], &[A, 0], true);
        let mut chain = Chain::new(at(0));
        assert_eq!(chain.take(&before, B, at(9 * MIN), false), None);
        assert_eq!(chain.judge(&before, at(20 * MIN)), None, "A may have come before the log began");
        chain.take(&before, B, at(11 * MIN), false);
        assert_eq!(chain.due(), Some(at(11 * MIN)));
        assert_eq!(chain.judge(&before, at(11 * MIN)), None, "lines of this second may still come");
        assert!(chain.judge(&before, at(11 * MIN + 1)).is_some());
    }

    #[test]
    fn together_in_any_order() {
        let both = plan(&[(A, 2), (B, 1)], &[0], false);
        assert_eq!(run(&both, &[(0, A), (1, B), (2, A)]), [(0, 2)]);
        assert_eq!(run(&both, &[(0, A), (1, A), (11 * MIN, B)]), []);
        assert_eq!(run(&both, &[(0, A), (9 * MIN, A), (11 * MIN, B), (12 * MIN, A)]), [(9 * MIN, 12 * MIN)]);
        let without = plan(&[(A, 1), (B, 1)], &[C], false);
        assert_eq!(run(&without, &[(0, C), (1, A), (2, B)]), []);
        assert_eq!(run(&without, &[(1, A), (2, B), (30, C)]), [(1, 2)]);
    }

    #[test]
    fn what_matters_no_more_is_idle() {
        let abc = plan(&[(A, 1), (B, 1)], &[0; 3], true);
        let mut chain = Chain::new(at(0));
        chain.take(&abc, A, at(0), false);
        assert!(!chain.is_idle(&abc, at(10 * MIN)) && chain.is_idle(&abc, at(10 * MIN + 1)));
        assert!(chain.bytes() < 200);
    }
}
