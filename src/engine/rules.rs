//! The users' own rules: what is kept of them, and how it outlives a reload and a restart.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::detect::user_rule::Counted;
use crate::engine::Engine;
use crate::event::{Batch, Hasher, Hit, Id};
use crate::measure::groups::{Groups, State};
use crate::rule::spec::Rule;
use crate::time::Timestamp;

/// What is kept of the rules when the daemon is not running.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) groups: Vec<Groups>,
    /// The hits of the events that wait, in their order.
    waiting: VecDeque<Vec<(Hit, Box<str>)>>,
}

/// The rules at work.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) kept: Kept,
    pub(super) counted: Vec<Counted>,
    /// Groups in which something came since the last tick, and that time judges.
    pub(super) touched: BTreeSet<(usize, Id)>,
    /// Groups about which something is told, or was a moment ago.
    pub(super) harmed: BTreeSet<(usize, Id)>,
    /// When the next sequence of a rule is to be judged.
    pub(super) due: Vec<Option<Timestamp>>,
    /// Whether a rule has not been shown any line yet.
    unwatched: bool,
}

/// How a rule of the user fares, for `lapwing status`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct RuleStatus {
    /// The rule.
    pub rule: String,
    /// Groups that it follows.
    pub groups: usize,
    /// Groups that had to give way, since there are more than its `most` or than memory allows.
    pub evicted: u64,
    /// Bytes in use.
    pub bytes: usize,
}

impl Rules {
    /// For these rules; what was counted of those that stay as they are goes on.
    pub(super) fn arrange(&mut self, rules: &[Rule]) {
        let hasher = Hasher::new(0x0b1d_9e75);
        let shapes: Vec<Id> = rules.iter().map(|rule| hasher.id(rule.shape().as_bytes())).collect();
        let old = std::mem::take(&mut self.kept.groups);
        let moved: Vec<Option<u16>> = old
            .iter()
            .map(|groups| shapes.iter().position(|shape| *shape == groups.shape).map(|at| at as u16))
            .collect();
        let mut old: Vec<Option<Groups>> = old.into_iter().map(Some).collect();
        self.kept.groups = shapes
            .iter()
            .map(|&shape| {
                let known = old.iter_mut().find(|groups| groups.as_ref().is_some_and(|g| g.shape == shape));
                known.and_then(Option::take).unwrap_or_else(|| Groups::new(shape))
            })
            .collect();
        for hits in &mut self.kept.waiting {
            hits.retain_mut(|(hit, _)| {
                let place = moved.get(usize::from(hit.rule)).copied().flatten();
                hit.rule = place.unwrap_or_default();
                place.is_some()
            });
        }
        self.counted = rules.iter().map(Counted::of).collect();
        self.touched.clear();
        self.harmed.clear();
        self.due = vec![None; rules.len()];
        self.unwatched = self.kept.groups.iter().any(|groups| groups.watched.is_none());
        for (index, (groups, counted)) in self.kept.groups.iter_mut().zip(&self.counted).enumerate() {
            // A rule that is counted in another way after all: damaged state.
            groups.retain(|group| {
                matches!(
                    (&group.state, counted),
                    (State::Window(_), Counted::Window { .. }) | (State::Chain(_), Counted::Chain(_))
                )
            });
            for place in 0..groups.len() {
                let Some(group) = groups.get(place) else { continue };
                if group.harm.is_some() {
                    self.harmed.insert((index, group.id));
                }
                if let (State::Chain(chain), Some(due)) = (&group.state, self.due.get_mut(index)) {
                    *due = earlier(*due, chain.due());
                }
            }
        }
    }

    /// From the first line on, what does not come is known not to have come.
    pub(super) fn watch(&mut self, since: Timestamp) {
        if self.unwatched {
            self.unwatched = false;
            self.kept.groups.iter_mut().for_each(|groups| {
                groups.watched.get_or_insert(since);
            });
        }
    }

    /// Makes room for one more group of a rule: within its own places, and within the memory of all, where the rule
    /// that takes most of it gives way.
    pub(super) fn make_room(&mut self, index: usize, most: usize, memory: usize) {
        let groups = &mut self.kept.groups;
        if let Some(own) = groups.get_mut(index).filter(|own| own.len() >= most) {
            own.make_room(most.saturating_sub(1), usize::MAX);
        }
        if groups.iter().map(Groups::bytes).sum::<usize>() > memory
            && let Some(largest) = groups.iter_mut().max_by_key(|groups| groups.bytes())
        {
            let bytes = largest.bytes();
            largest.make_room(usize::MAX, bytes - bytes / 8);
        }
    }

    /// Whether there are no rules: then lines cost nothing here.
    pub(super) fn is_empty(&self) -> bool {
        self.counted.is_empty()
    }

    /// Keeps the hits of an event that waits; none are kept as well, so that the next ones stay with their events.
    pub(super) fn wait(&mut self, hits: &[Hit], batch: &Batch) {
        self.kept.waiting.push_back(hits.iter().map(|hit| (*hit, batch.text(hit.name).into())).collect());
    }

    /// For a state in which so many events wait, some of them since a Lapwing without rules.
    pub(super) fn align(&mut self, waiting: usize) {
        while self.kept.waiting.len() > waiting {
            self.kept.waiting.pop_front();
        }
        while self.kept.waiting.len() < waiting {
            self.kept.waiting.push_front(Vec::new());
        }
    }

    /// The hits of the event that waited longest.
    pub(super) fn waited(&mut self) -> Vec<(Hit, Box<str>)> {
        self.kept.waiting.pop_front().unwrap_or_default()
    }

    /// Bytes in use.
    pub(super) fn bytes(&self) -> usize {
        self.kept.groups.iter().map(Groups::bytes).sum()
    }
}

pub(super) fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

impl Engine {
    /// How each rule fares.
    pub(super) fn rule_status(&self) -> Vec<RuleStatus> {
        let rules = self.settings.rules.iter().zip(&self.rules.kept.groups);
        rules
            .map(|(rule, groups)| RuleStatus {
                rule: rule.name.clone(),
                groups: groups.len(),
                evicted: groups.evicted,
                bytes: groups.bytes(),
            })
            .collect()
    }
}
