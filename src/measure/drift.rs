//! What each key's day is made of: routes, client programs and hours, against the mean of its last two weeks, and how far a
//! day of it usually lies from that.

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::event::Id;
use crate::measure::least::all_but;
use crate::time::Timestamp;

/// Routes and client programs that are told apart; what is beyond counts as the rest.
const ROUTES: usize = 16;
const AGENTS: usize = 8;
/// Days of the mean.
const DAYS: f32 = 14.0;
/// Days with fewer requests than this say nothing.
const LEAST: u32 = 100;
/// A part of the mean that is smaller is forgotten.
const NOTHING: f32 = 0.001;
/// Keys are never fewer or more than this, however much memory there is.
const MOST: (usize, usize) = (64, 20_000);
/// Bytes a key takes, about.
const KEY_BYTES: usize = 1100;

/// Counts of the parts of a day in one dimension.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
struct Counts {
    parts: Vec<(Id, u32)>,
    rest: u32,
}

impl Counts {
    fn add(&mut self, id: Id, most: usize) {
        if let Some((_, count)) = self.parts.iter_mut().find(|(known, _)| *known == id) {
            *count = count.saturating_add(1);
        } else if self.parts.len() < most {
            self.parts.push((id, 1));
        } else {
            self.rest = self.rest.saturating_add(1);
        }
    }

    fn clear(&mut self) {
        self.parts.clear();
        self.rest = 0;
    }

    fn total(&self) -> f32 {
        (self.parts.iter().map(|(_, n)| u64::from(*n)).sum::<u64>() + u64::from(self.rest)) as f32
    }
}

/// Shares of parts in one dimension, over days.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
struct Shares {
    parts: Vec<(Id, f32)>,
    rest: f32,
}

impl Shares {
    /// What stands for a share that is not told apart: the rest, of which nothing is known.
    fn of(&self, id: Id) -> f32 {
        self.parts.iter().find(|(known, _)| *known == id).map_or(0.0, |(_, share)| *share)
    }

    fn learn(&mut self, day: &Counts, weight: f32, most: usize) {
        let total = day.total().max(1.0);
        for (_, share) in &mut self.parts {
            *share *= 1.0 - weight;
        }
        self.rest = (1.0 - weight) * self.rest + weight * day.rest as f32 / total;
        for (id, count) in &day.parts {
            let share = weight * *count as f32 / total;
            match self.parts.iter_mut().find(|(known, _)| known == id) {
                Some((_, known)) => *known += share,
                None => self.parts.push((*id, share)),
            }
        }
        self.parts.retain(|(_, share)| *share >= NOTHING);
        self.parts.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        for (_, share) in self.parts.drain(most.min(self.parts.len())..) {
            self.rest += share;
        }
    }

    /// Jensen-Shannon divergence of a day from this, in bits: 0 the same, 1 nothing in common. A day's parts that there is
    /// no share of, and the rest of both, lie together.
    fn distance(&self, day: &Counts) -> f64 {
        let total = f64::from(day.total().max(1.0));
        let mut sum = 0.0;
        for (id, count) in &day.parts {
            sum += divergence(f64::from(*count) / total, f64::from(self.of(*id)));
        }
        for (id, share) in &self.parts {
            if !day.parts.iter().any(|(known, _)| known == id) {
                sum += divergence(0.0, f64::from(*share));
            }
        }
        sum + divergence(f64::from(day.rest) / total, f64::from(self.rest))
    }
}

/// One part's share of the divergence.
fn divergence(p: f64, q: f64) -> f64 {
    let m = f64::midpoint(p, q);
    let part = |x: f64| if x > 0.0 && m > 0.0 { 0.5 * x * (x / m).log2() } else { 0.0 };
    part(p) + part(q)
}

/// How far a day usually lies from the mean.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
struct Usual {
    mean: f32,
    variance: f32,
}

impl Usual {
    fn learn(&mut self, distance: f32, weight: f32) {
        let off = distance - self.mean;
        self.mean += weight * off;
        self.variance = (1.0 - weight) * (self.variance + weight * off * off);
    }
}

/// What a key's days are made of.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Habits {
    day: i64,
    last: Timestamp,
    requests: u32,
    routes: Counts,
    agents: Counts,
    hours: [u32; 24],
    usual_routes: Shares,
    usual_agents: Shares,
    usual_hours: [f32; 24],
    /// Days that were learned, and how far they lay from the mean, for routes, programs and hours.
    days: u16,
    distances: [Usual; 3],
}

/// A kind of habit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Kind {
    Routes,
    Agents,
    Hours,
}

/// A day of a key, against its usual ones, in one dimension.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Distance {
    /// In which.
    pub kind: Kind,
    /// How far the day lies from the mean: 0 the same, 1 nothing in common.
    pub now: f64,
    /// How far days usually lie from it, and by how much that varies.
    pub usual: f64,
    /// See `usual`.
    pub spread: f64,
}

/// A day that is over.
#[derive(Clone, PartialEq, Debug)]
pub struct Day {
    /// Whose.
    pub key: Id,
    /// Its requests.
    pub requests: u32,
    /// Days that it is compared with.
    pub days: u32,
    /// How far it lies from the usual.
    pub distances: [Distance; 3],
    /// Its routes and programs with their shares on the day and usually, those that changed most first.
    pub routes: Vec<(Id, f64, f64)>,
    /// See `routes`.
    pub agents: Vec<(Id, f64, f64)>,
}

impl Habits {
    fn take(&mut self, t: Timestamp, hour: usize, route: Id, agent: Id) {
        self.last = self.last.max(t);
        self.requests = self.requests.saturating_add(1);
        self.routes.add(route, ROUTES);
        self.agents.add(agent, AGENTS);
        if let Some(count) = self.hours.get_mut(hour) {
            *count = count.saturating_add(1);
        }
    }

    /// Ends the day: what it was, if it says anything, and it is learned.
    fn end_day(&mut self, key: Id, day: i64) -> Option<Day> {
        let mut over = None;
        if self.requests >= LEAST {
            let total = f64::from(self.requests);
            let hours = self.hours.iter().zip(self.usual_hours);
            let now = [
                self.usual_routes.distance(&self.routes),
                self.usual_agents.distance(&self.agents),
                hours.map(|(n, usual)| divergence(f64::from(*n) / total, f64::from(usual))).sum(),
            ];
            if self.days > 0 {
                let kinds = [Kind::Routes, Kind::Agents, Kind::Hours];
                over = Some(Day {
                    key,
                    requests: self.requests,
                    days: u32::from(self.days),
                    distances: std::array::from_fn(|i| Distance {
                        kind: kinds[i],
                        now: now[i],
                        usual: f64::from(self.distances[i].mean),
                        spread: f64::from(self.distances[i].variance).sqrt(),
                    }),
                    routes: changes(&self.routes, &self.usual_routes),
                    agents: changes(&self.agents, &self.usual_agents),
                });
                // The first day is compared with nothing.
                let weight = (1.0 / f32::from(self.days)).max(1.0 / DAYS);
                for (usual, now) in self.distances.iter_mut().zip(now) {
                    usual.learn(now as f32, weight);
                }
            }
            let weight = (1.0 / (f32::from(self.days) + 1.0)).max(1.0 / DAYS);
            self.usual_routes.learn(&self.routes, weight, ROUTES + AGENTS);
            self.usual_agents.learn(&self.agents, weight, AGENTS + 4);
            for (usual, n) in self.usual_hours.iter_mut().zip(self.hours) {
                *usual += weight * (n as f32 / total as f32 - *usual);
            }
            self.days = self.days.saturating_add(1);
        }
        (self.requests, self.hours, self.day) = (0, [0; 24], day);
        self.routes.clear();
        self.agents.clear();
        over
    }
}

/// Parts with their shares on a day and usually, the largest change first.
fn changes(day: &Counts, usual: &Shares) -> Vec<(Id, f64, f64)> {
    let total = f64::from(day.total().max(1.0));
    let mut parts: Vec<(Id, f64, f64)> =
        day.parts.iter().map(|(id, n)| (*id, f64::from(*n) / total, f64::from(usual.of(*id)))).collect();
    for (id, share) in &usual.parts {
        if !day.parts.iter().any(|(known, _)| known == id) {
            parts.push((*id, 0.0, f64::from(*share)));
        }
    }
    let far = |part: &(Id, f64, f64)| (part.1 - part.2).abs();
    parts.sort_by(|a, b| far(b).total_cmp(&far(a)).then(a.0.cmp(&b.0)));
    parts
}

/// One request of a key.
#[derive(Clone, Copy, Debug)]
pub struct Use {
    /// When, on which local day and in which local hour.
    pub time: Timestamp,
    /// See `time`.
    pub day: i64,
    /// See `time`.
    pub hour: usize,
    /// Whose.
    pub key: Id,
    /// To which route, with which program.
    pub route: Id,
    /// See `route`.
    pub agent: Id,
}

/// What all keys' days are made of, within a limit.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Drifts {
    keys: HashMap<Id, Habits>,
    /// Days that were over with a key's own first request of the next.
    over: SmallVec<[Day; 1]>,
}

impl Drifts {
    /// How many keys fit into so many bytes.
    pub fn most_in(bytes: usize) -> usize {
        (bytes / KEY_BYTES).clamp(MOST.0, MOST.1)
    }

    /// Reads a little of what [`Drifts::absorb`] will look at; the answer means nothing.
    pub fn warm(&self, key: Id) -> u64 {
        self.keys.get(&key).map_or(0, |habits| {
            let first = |counts: &Counts| counts.parts.first().map_or(0, |(id, _)| id.0);
            first(&habits.routes) ^ first(&habits.agents) ^ u64::from(habits.requests ^ habits.hours[0])
        })
    }

    /// Takes a request; `most` keys are remembered.
    pub fn absorb(&mut self, seen: &Use, most: usize) {
        if self.keys.len() >= most && !self.keys.contains_key(&seen.key) {
            self.make_room(most);
        }
        let habits = self.keys.entry(seen.key).or_insert_with(|| Habits { day: seen.day, ..Habits::default() });
        if seen.day > habits.day {
            self.over.extend(habits.end_day(seen.key, seen.day));
        }
        habits.take(seen.time, seen.hour, seen.route, seen.agent);
    }

    /// Ends the days of all keys that lie before `day`: those that say anything, by key.
    pub fn end_days(&mut self, day: i64) -> Vec<Day> {
        let mut over: Vec<Day> = std::mem::take(&mut self.over).into_vec();
        for (key, habits) in self.keys.iter_mut().filter(|(_, habits)| habits.day < day) {
            over.extend(habits.end_day(*key, day));
        }
        over.sort_by_key(|day| day.key);
        over
    }

    /// Bytes in use, about.
    pub fn bytes(&self) -> usize {
        self.keys.len() * KEY_BYTES
    }

    /// Those known longest and seen lately stay.
    fn make_room(&mut self, most: usize) {
        let order: Vec<((i64, u16, u32), Id)> =
            self.keys.iter().map(|(id, h)| ((h.day, h.days, h.requests), *id)).collect();
        for (_, id) in all_but(order, most - most / 4) {
            self.keys.remove(&id);
        }
    }
}

impl Serialize for Drifts {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut keys: Vec<(&Id, &Habits)> = self.keys.iter().collect();
        keys.sort_unstable_by_key(|(id, _)| **id);
        keys.serialize(s)
    }
}

impl<'de> Deserialize<'de> for Drifts {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(Drifts { keys: Vec::<(Id, Habits)>::deserialize(d)?.into_iter().collect(), over: SmallVec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(drifts: &mut Drifts, day: i64, routes: &[u64], agent: u64) {
        for n in 0..300u64 {
            let route = Id(1 + routes[n as usize % routes.len()]);
            let (hour, time) = (8 + n as usize % 10, Timestamp::from_secs(day * 86_400));
            drifts.absorb(&Use { time, day, hour, key: Id(9), route, agent: Id(100 + agent) }, 100);
        }
    }

    #[test]
    fn a_day_of_other_things_lies_far_away_and_becomes_the_usual() {
        let mut drifts = Drifts::default();
        for day in 0..10 {
            live(&mut drifts, day, &[1, 1, 2, 3], 1);
        }
        let over = drifts.end_days(10);
        assert_eq!(over.len(), 9, "the first is compared with nothing");
        assert!(over.iter().all(|day| day.distances.iter().all(|d| d.now < 1e-3 && d.usual < 1e-3)), "{over:?}");
        live(&mut drifts, 10, &[7, 8, 9], 1);
        let over = drifts.end_days(11);
        let [routes, agents, hours] = over[0].distances;
        assert!(routes.now > 0.95 && agents.now < 1e-3 && hours.now < 1e-3, "{over:?}");
        assert_eq!(over[0].routes[0], (Id(2), 0.0, 0.5));
        for day in 11..40 {
            live(&mut drifts, day, &[7, 8, 9], 1);
        }
        let last = drifts.end_days(40).pop().unwrap();
        assert!(last.distances[0].now < 0.1, "{last:?}");
    }

    #[test]
    fn memory_is_bounded_and_comes_back() {
        let mut drifts = Drifts::default();
        for n in 0..60_000u64 {
            let key = Id(1 + n % 500);
            let (time, day) = (Timestamp::from_secs(n as i64 * 60), n as i64 / 1440);
            drifts.absorb(&Use { time, day, hour: 3, key, route: Id(n), agent: Id(n / 3) }, 100);
        }
        assert!(drifts.keys.len() <= 100);
        drifts.end_days(100);
        let bytes = postcard::to_stdvec(&drifts).unwrap();
        assert!(bytes.len() < 100 * KEY_BYTES, "{}", bytes.len());
        assert_eq!(postcard::from_bytes::<Drifts>(&bytes).unwrap(), drifts);
    }
}
