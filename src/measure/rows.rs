//! Subjects and what is remembered of each, within a budget.
//!
//! Every subject starts light: a level and a name. One that makes 20 requests in a day becomes full and gets rings, a
//! profile and mixes. Both numbers are bounded; what gives way is what has been idle longest, and rows with a long
//! history give way last.

mod beside;
mod busy;
mod held;
mod readers;
mod room;
mod victim;

use hashbrown::HashTable;
use serde::{Deserialize, Serialize};

use self::beside::Beside;
pub use self::held::HeldOf;
use self::victim::Victims;
use crate::event::{Event, Id, SubjectKind};
use crate::measure::failures::{Class, Failures};
pub use crate::measure::full::{Full, Today};
use crate::measure::harvest::Harvest;
use crate::measure::mix::Fade;
use crate::measure::normal::{Surroundings, level};
use crate::measure::novelty::Novelty;
use crate::measure::ring::When;
use crate::time::{Span, Timestamp};

/// Requests in a day that make a row full.
const FULL_AT: u32 = 20;
/// Requests in a day that make somebody more than a visitor.
const REGULAR: u32 = 5;

/// One subject.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// What it is counted under.
    pub id: Id,
    /// Its name as people know it.
    pub name: Box<str>,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When it was last seen.
    pub last_seen: Timestamp,
    /// Whether it lies in the list of rows touched since they were last judged.
    pub touched: bool,
    /// Whether it lies in the list of busy rows.
    #[serde(skip)]
    busy: bool,
    /// Whether it lies in the list of rows whose bytes are to be counted anew.
    #[serde(skip)]
    changed: bool,
    /// Whether it lies in the list of rows that read something.
    #[serde(skip)]
    reads: bool,
    /// Requests of the current day while light.
    day: i64,
    requests: u32,
    /// Present once it is active enough.
    pub full: Option<Box<Full>>,
    /// What is new about it: keys only, from their first few requests on.
    pub novelty: Option<Box<Novelty>>,
    /// What it reads: keys, and clients without a key, that are active enough to be judged.
    pub harvest: Option<Box<Harvest>>,
}

impl Row {
    fn new(id: Id, name: Box<str>, t: Timestamp) -> Self {
        Row {
            id,
            name,
            first_seen: t,
            last_seen: t,
            touched: false,
            busy: false,
            changed: false,
            reads: false,
            day: 0,
            requests: 0,
            full: None,
            novelty: None,
            harvest: None,
        }
    }

    /// Whether it has rings and a profile, or called a few times today.
    pub fn is_regular(&self) -> bool {
        self.full.is_some() || self.requests >= REGULAR
    }

    /// For a second look at the log it was learned from: what is usual stays, as if learned `before` the log began, and
    /// the counts begin anew. Who is new on a key is asked anew as well.
    pub fn hindsight(&mut self, before: Span) {
        let began = self.first_seen;
        (self.day, self.requests, self.novelty) = (0, 0, None);
        if let Some(harvest) = self.harvest.as_deref_mut() {
            harvest.rewind();
        }
        if let Some(full) = self.full.as_deref_mut() {
            let mut fresh = Full::new(began);
            full.normal.hindsight(&full.counts, before);
            std::mem::swap(&mut fresh.normal, &mut full.normal);
            fresh.failures = std::array::from_fn(|i| {
                full.failures.get(i)?.as_deref().map(|failures| Box::new(failures.hindsight(began)))
            });
            fresh.today.active_days = full.today.active_days;
            *full = fresh;
        }
        self.first_seen = began - before;
        self.last_seen = self.first_seen;
    }

    /// Takes over what another row's requests are made of and how they fail: both saw the same.
    pub fn take_parts(&mut self, other: &Row) {
        if let (Some(full), Some(other)) = (self.full.as_deref_mut(), other.full.as_deref()) {
            full.take_parts(other);
        }
    }

    /// Counts one event; learns the hours before it first. Whether it takes more bytes than before.
    fn absorb(&mut self, kind: SubjectKind, event: &Event, when: &When, around: &Surroundings<'_>, lean: bool) -> bool {
        let mut grew = false;
        let t = when.time;
        self.last_seen = self.last_seen.max(t);
        if self.full.is_none() {
            let day = t.bucket(Span::DAY);
            if day != self.day {
                (self.day, self.requests) = (day, 0);
            }
            self.requests += 1;
            let always = !kind.is_caller();
            if always || self.requests >= FULL_AT {
                let mut full = Box::new(Full::new(self.first_seen));
                // The days before count as watched: what was too little to be remembered was little.
                full.normal.learn(&full.counts, t, around);
                full.today.day = day;
                full.today.active_days = (t - self.first_seen).days_f64().min(30.0) as u16;
                self.full = Some(full);
                grew = true;
            }
        }
        let Some(full) = self.full.as_deref_mut() else { return grew };
        if when.hour() > full.normal.learned_hour() + 1 {
            full.learn(t, around);
        }
        full.counts.count(when);
        let caller = if event.key.is_some() { event.key.id } else { event.client.id };
        if lean {
            return grew;
        }
        let fade = &mut Fade::default();
        if kind != SubjectKind::Key {
            full.keys.add(event.key.id, t, fade);
        }
        if kind != SubjectKind::Endpoint {
            full.endpoints.add(event.endpoint.id, t, fade);
        }
        if kind != SubjectKind::Client {
            full.clients.add(event.client.id, t, fade);
        }
        full.agents.add(event.agent.id, t, fade);
        if let Some(class) = Class::of(event.status) {
            let requests = full.normal.weight();
            let failures = full.failures[class.index()].get_or_insert_with(|| {
                grew = true;
                Box::new(Failures::new(t, requests))
            });
            failures.add(t);
            failures.callers.add(caller, t, fade);
            failures.statuses.add(Id(u64::from(event.status)), t, fade);
            failures.endpoints.add(event.endpoint.id, t, fade);
            full.note_failure(when);
        }
        grew
    }
}

/// Every subject of one kind.
#[derive(Clone, Debug)]
pub struct Rows {
    kind: SubjectKind,
    /// Only requests are counted: what they are made of, and how they fail, another row says as well.
    lean: bool,
    rows: Vec<Row>,
    index: HashTable<u32>,
    /// As much as there is room for now, and at most.
    limits: Limits,
    most: Limits,
    fulls: usize,
    /// Which rows may have to give way.
    victims: Victims,
    touched: Vec<u32>,
    /// Rows whose level is at least `busy_from` requests a minute, and some that no longer are.
    busy: Vec<u32>,
    busy_from: f64,
    beside: Beside,
    /// Rows that had to give way.
    pub evicted: u64,
    /// Rows ever made, since the start of the process.
    pub inserted: u64,
}

/// How many subjects of one kind are remembered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// Subjects in all.
    pub rows: usize,
    /// Subjects with rings and a profile.
    pub full: usize,
}

impl Rows {
    /// None yet.
    pub fn new(kind: SubjectKind, limits: Limits) -> Self {
        Rows {
            kind,
            lean: false,
            rows: Vec::new(),
            index: HashTable::new(),
            limits,
            most: limits,
            fulls: 0,
            victims: Victims::default(),
            touched: Vec::new(),
            busy: Vec::new(),
            busy_from: f64::INFINITY,
            beside: Beside::default(),
            evicted: 0,
            inserted: 0,
        }
    }

    /// From saved rows; whatever exceeds the limits is left out, longest idle first.
    pub fn restore(kind: SubjectKind, limits: Limits, mut saved: Vec<Row>) -> Self {
        let mut rows = Rows::new(kind, limits);
        if saved.len() > limits.rows {
            saved.sort_by_key(|row| std::cmp::Reverse(row.last_seen));
            saved.truncate(limits.rows);
        }
        rows.fill(saved);
        rows
    }

    /// See [`Row::hindsight`]; `end` is when the log ended.
    pub fn hindsight(&mut self, before: Span, end: Timestamp, around: &Surroundings<'_>) {
        self.touched.clear();
        for row in &mut self.rows {
            if let Some(full) = row.full.as_deref_mut() {
                full.learn(end.floor(Span::HOUR) + Span::HOUR, around);
            }
            row.touched = false;
            row.hindsight(before);
        }
        self.mark_all();
        self.untold();
    }

    /// Whether only requests are counted, and not what they are made of and how they fail.
    pub fn is_lean(&self) -> bool {
        self.lean
    }

    /// Sets that. While they are lean, nobody may ask for the rest.
    pub fn set_lean(&mut self, lean: bool) {
        self.lean = lean;
    }

    /// What is remembered of each, for saving.
    pub fn saved(&self) -> &[Row] {
        &self.rows
    }

    /// How many subjects there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many have rings and a profile.
    pub fn fulls(&self) -> usize {
        self.fulls
    }

    /// How many are remembered at most, as there is room now.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Looks a subject up.
    pub fn find(&self, id: Id) -> Option<u32> {
        let rows = &self.rows;
        self.index.find(id.0, |&slot| rows[slot as usize].id == id).copied()
    }

    /// One subject by its slot.
    pub fn get(&self, slot: u32) -> Option<&Row> {
        self.rows.get(slot as usize)
    }

    /// One subject by its slot, to change.
    pub fn get_mut(&mut self, slot: u32) -> Option<&mut Row> {
        self.rows.get_mut(slot as usize)
    }

    /// One subject by its id.
    pub fn row(&self, id: Id) -> Option<&Row> {
        self.find(id).and_then(|slot| self.get(slot))
    }

    /// The name of a subject.
    pub fn name(&self, id: Id) -> Option<&str> {
        self.row(id).map(|row| &*row.name)
    }

    /// Reads what counting an event for a subject will need, so that it is at hand by then: a processor waits for many such
    /// reads at once as long as none hangs on another. The answer means nothing but has to be used.
    pub fn warm(&self, slot: u32, when: &When) -> u64 {
        let Some(row) = self.get(slot) else { return 0 };
        let novelty = row.novelty.as_deref().map_or(0, Novelty::warm);
        let novelty = novelty ^ row.harvest.as_deref().map_or(0, Harvest::warm);
        row.full.as_deref().map_or(0, |full| full.warm(when)) ^ novelty
    }

    /// Counts one event for the subject `id`, which is made if it is new, and answers its slot. It is looked for at `hint`
    /// first; its name is asked for only if it is new.
    pub fn absorb(
        &mut self,
        (id, hint): (Id, u32),
        name: impl FnOnce() -> Box<str>,
        (event, when): (&Event, &When),
        around: &Surroundings<'_>,
    ) -> u32 {
        let known = if self.get(hint).is_some_and(|row| row.id == id) { Some(hint) } else { self.find(id) };
        let slot = match known {
            Some(slot) => slot,
            None => self.insert(Row::new(id, name(), event.time)),
        };
        let lean = self.lean;
        let row = &mut self.rows[slot as usize];
        let learned = row.full.as_deref().map(|full| full.normal.learned_hour());
        let grew = row.absorb(self.kind, event, when, around, lean);
        let learned_now = row.full.as_deref().map(|full| full.normal.learned_hour());
        if row.full.is_some() && !row.touched {
            row.touched = true;
            self.touched.push(slot);
        }
        if row.harvest.is_some() {
            self.note_reader(slot);
        }
        self.mark_age(slot);
        let became_full = learned.is_none() && learned_now.is_some();
        if learned != learned_now {
            self.note_level(slot, around.population_mean);
        }
        if grew {
            self.note_bytes(slot);
        }
        if became_full {
            self.fulls += 1;
            if self.fulls > self.limits.full {
                self.demote(slot);
            }
        }
        slot
    }

    /// Takes the list of rows touched since the last call. Rows that saw events after `judged` stay listed.
    pub fn take_touched(&mut self, judged: Timestamp, into: &mut Vec<u32>) {
        into.clear();
        into.append(&mut self.touched);
        for &slot in &*into {
            if let Some(row) = self.rows.get_mut(slot as usize) {
                let again = row.last_seen >= judged || row.full.as_ref().is_some_and(|f| f.normal.is_open());
                row.touched = again;
                if again {
                    self.touched.push(slot);
                }
            }
        }
    }

    /// Lets a row learn the hours before the one of `t`, if it has not done so yet.
    pub fn learn(&mut self, slot: u32, t: Timestamp, around: &Surroundings<'_>) {
        let full = self.rows.get_mut(slot as usize).and_then(|row| row.full.as_deref_mut());
        let Some(full) = full.filter(|full| t.bucket(Span::HOUR) > full.normal.learned_hour() + 1) else { return };
        full.learn(t, around);
        self.note_level(slot, around.population_mean);
    }

    /// The mean level of all subjects with rings and a profile that were ever learned from; `None` without any.
    pub fn mean_level(&self) -> Option<f64> {
        let (mut sum, mut n) = (0.0, 0u32);
        for (_, parts) in self.levels().filter(|(_, (events, _))| *events > 0.0) {
            sum += level(parts, 1.0);
            n += 1;
        }
        (n > 0).then(|| sum / f64::from(n))
    }

    fn insert(&mut self, row: Row) -> u32 {
        let id = row.id;
        self.inserted += 1;
        let slot = if self.rows.len() < self.limits.rows {
            self.rows.push(row);
            self.rows.len() as u32 - 1
        } else {
            let slot = self.victim();
            let old = std::mem::replace(&mut self.rows[slot as usize], row);
            self.evicted += 1;
            self.fulls -= usize::from(old.full.is_some());
            if old.touched {
                self.touched.retain(|&s| s != slot);
            }
            if let Ok(entry) = self.index.find_entry(old.id.0, |&s| s == slot) {
                entry.remove();
            }
            slot
        };
        let rows = &self.rows;
        self.index.insert_unique(id.0, slot, |&s| rows[s as usize].id.0);
        self.mark_new(slot);
        slot
    }

    /// Takes rings and profile from the full row that is missed least, but not from `except`.
    fn demote(&mut self, except: u32) {
        let victim = self.full_victim();
        if victim == except {
            return;
        }
        if self.rows.get_mut(victim as usize).is_some_and(|row| {
            row.harvest = None;
            row.full.take().is_some()
        }) {
            self.fulls -= 1;
            self.evicted += 1;
            self.mark_level(victim);
            self.mark_age(victim);
            self.note_bytes(victim);
        }
    }
}
