//! Who uses a key: its networks and agents, and which of them are new.
//!
//! A network (/24, /48) or agent is *new* if the key has not used it in 30 days. It stays a *newcomer* for 24 hours, so that an
//! attack does not age into the old set within a day, and as long as an incident about the key is open. What a key does
//! on its first day makes its first set.

mod lists;
mod rate;
mod sketch;
mod strangers;
mod view;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

pub use self::rate::Rate;
pub use self::view::Newcomers;

use self::lists::{Address, NewAgent, Newcomer, Old, count, remember, seconds};
use self::strangers::Strangers;
use crate::event::Id;
use crate::time::{Span, Timestamp};

/// Old networks that are remembered; also newcomers, and their addresses.
const NETWORKS: usize = 64;

/// Old agents that are remembered; also new ones, and endpoints of newcomers.
const FEW: usize = 8;

/// How long a newcomer stays one.
const NEW_FOR: Span = Span::DAY;

/// Days after which an unused network or agent is forgotten.
const REMEMBERED_DAYS: i32 = 30;

/// New networks a day above which a key is a public client (an app on phones, a script on web pages).
const PUBLIC: f64 = 50.0;

/// New networks and agents a day before anything is known of a key.
const PRIORS: (f64, f64) = (0.3, 0.03);

/// Share of the first day's networks that is taken as novelty of every day: most of them are simply the key's own.
const FIRST_DAY: f64 = 0.25;

/// Requests since the first newcomer of which each is to be judged, and which of the others.
const OFTEN: u64 = 256;
const SELDOM: u64 = 64;

/// A request with a key.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// When, by the log.
    pub time: Timestamp,
    /// The client's network; [`Id::NONE`] if the log has none.
    pub network: Id,
    /// The client.
    pub client: Id,
    /// The family of the user agent.
    pub agent: Id,
    /// The endpoint.
    pub endpoint: Id,
    /// The status.
    pub status: u16,
    /// The number of the local day.
    pub day: i32,
}

/// Networks or agents of long standing: most keys have one or two.
type Olds = SmallVec<[Old; 2]>;

/// What is known of the users of one key. Some 250 bytes for a quiet key, at most 5 kB while strangers use it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Novelty {
    first: Timestamp,
    last: Timestamp,
    old_last: Timestamp,
    day: i32,
    hour: i64,
    settled: bool,
    public: bool,
    held: bool,
    counted_hour: i64,
    network_rate: Rate,
    agent_rate: Rate,
    /// New networks and agents of today, as far as they are learned from; old networks seen today.
    new_today: u32,
    agents_today: u32,
    old_today: u32,
    networks: Olds,
    agents: Olds,
    /// Who is new, or found no place among the networks, while there is anybody.
    #[serde(with = "strangers::saved")]
    strangers: Option<Box<Strangers>>,
    rejections: u32,
    rejected_from: Timestamp,
}

impl Novelty {
    /// A key that is met for the first time.
    pub fn new(time: Timestamp, day: i32) -> Self {
        Novelty {
            first: time,
            last: time,
            old_last: Timestamp::MIN,
            day,
            hour: time.bucket(Span::HOUR),
            settled: false,
            public: false,
            held: false,
            counted_hour: i64::MIN,
            network_rate: Rate::new(PRIORS.0),
            agent_rate: Rate::new(PRIORS.1),
            new_today: 0,
            agents_today: 0,
            old_today: 0,
            networks: Olds::new(),
            agents: Olds::new(),
            strangers: None,
            rejections: 0,
            rejected_from: Timestamp::MIN,
        }
    }

    /// Takes a request. True when a newcomer made it: then the key is to be judged at once. (When newcomers make hundreds
    /// of requests, it is true for each newcomer's first and every 64th: ticks do the rest.)
    pub fn absorb(&mut self, seen: &Seen) -> bool {
        self.last = self.last.max(seen.time);
        self.pass(self.last, seen.day);
        let new_agent = self.meet_agent(seen);
        let rejected = matches!(seen.status, 401 | 403);
        if rejected && self.rejections == 0 {
            self.rejected_from = seen.time;
        }
        self.rejections = if rejected { self.rejections.saturating_add(1) } else { 0 };
        if !seen.network.is_some() {
            return false;
        }
        let hash = seen.network.0 as u32;
        if let Some(old) = self.networks.iter_mut().find(|old| old.hash == hash) {
            self.old_today += u32::from(old.day != self.day);
            (old.day, old.last_s) = (self.day, seconds(seen.time));
            self.old_last = self.old_last.max(seen.time);
            if let Some(strangers) = self.strangers.as_deref_mut() {
                strangers.requests += u64::from(!strangers.newcomers.is_empty());
            }
            return false;
        }
        if !self.settled {
            return self.meet_on_first_day(hash, seen);
        }
        if self.public {
            // Everybody is new here: only how many there are is kept.
            self.strangers.get_or_insert_default().meet_more(seen.network);
            return new_agent;
        }
        let first = self.meet_newcomer(hash, seen);
        let requests = self.strangers().requests;
        first || requests <= OFTEN || requests.is_multiple_of(SELDOM)
    }

    /// Reads a little of everything that [`Novelty::absorb`] looks at; the answer means nothing.
    pub(super) fn warm(&self) -> u64 {
        let lists = self.networks.first().map_or(0, |old| old.hash) ^ self.agents.first().map_or(0, |old| old.hash);
        u64::from(lists) ^ self.last.millis() as u64 ^ u64::from(self.rejections)
    }

    /// Lets time pass up to `now`, on this local day: newcomers that have been here for a day become old, days are learned
    /// from. Requests do this by themselves; the owner does it hourly for keys that are silent.
    pub fn pass(&mut self, now: Timestamp, day: i32) {
        let hour = now.bucket(Span::HOUR);
        if hour <= self.hour && day <= self.day {
            return;
        }
        self.hour = hour.max(self.hour);
        if !self.settled && now - self.first >= NEW_FOR {
            self.settle(now);
        }
        // Mostly there is nobody who could.
        if !self.held && self.strangers.is_some() {
            self.graduate(|newcomer| now - newcomer.first >= NEW_FOR, |agent| now - agent.first >= NEW_FOR, now);
        }
        if day > self.day {
            self.end_days(now, day);
        }
    }

    /// The number of the first hour at whose beginning [`Novelty::pass`] has more to do than to note the hour, as long as no
    /// request comes and no day ends.
    pub(super) fn due(&self) -> i64 {
        let hour = |since: Timestamp| {
            let over = since.millis().saturating_add(NEW_FOR.millis()).saturating_add(Span::HOUR.millis() - 1);
            Timestamp::from_millis(over).bucket(Span::HOUR)
        };
        if !self.settled {
            return hour(self.first);
        }
        let strangers = self.strangers();
        let newcomers = strangers.newcomers.iter().map(|newcomer| newcomer.first);
        newcomers.chain(strangers.new_agents.iter().map(|agent| agent.first)).min().map_or(i64::MAX, hour)
    }

    /// Notes that it was told of an hour in which it had nothing to do.
    pub(super) fn note_hour(&mut self, hour: i64) {
        self.hour = self.hour.max(hour);
    }

    /// The newest hour that it was told of.
    #[cfg(test)]
    pub(super) fn hour(&self) -> i64 {
        self.hour
    }

    /// The local day up to which days are learned.
    pub(super) fn day(&self) -> i32 {
        self.day
    }

    /// While held, an incident about the key is open: newcomers stay newcomers, and novelty counts at most one of them an hour.
    pub fn hold(&mut self) {
        self.held = true;
    }

    /// The incident is over. If it was accepted as the new normal its newcomers belong to the key from now on; if not they are
    /// forgotten, and are strangers when they come again.
    pub fn release(&mut self, accepted: bool) {
        self.held = false;
        if accepted {
            self.graduate(|_| true, |_| true, self.last);
        }
        if let Some(strangers) = self.strangers.as_deref_mut() {
            strangers.newcomers.clear();
            strangers.new_agents.clear();
        }
        self.forget_parts();
        self.dismiss();
    }

    fn meet_agent(&mut self, seen: &Seen) -> bool {
        if !seen.agent.is_some() {
            return false;
        }
        let hash = seen.agent.0 as u32;
        if let Some(old) = self.agents.iter_mut().find(|old| old.hash == hash) {
            (old.day, old.last_s) = (self.day, seconds(seen.time));
            return false;
        }
        if self.settled {
            let known = &mut self.strangers.get_or_insert_default().new_agents;
            if !known.iter().any(|new| new.agent == seen.agent) && known.len() < FEW {
                known.push(NewAgent { agent: seen.agent, first: seen.time });
                self.agents_today += 1;
            }
            return true;
        }
        remember(&mut self.agents, FEW, Old { hash, last_s: seconds(seen.time), day: self.day });
        false
    }

    /// On the first day everybody is taken as the key's own, as far as there is place. True (to be judged by the peers) for
    /// a new network among many.
    fn meet_on_first_day(&mut self, hash: u32, seen: &Seen) -> bool {
        self.old_last = self.old_last.max(seen.time);
        if self.networks.len() < NETWORKS {
            self.networks.push(Old { hash, last_s: seconds(seen.time), day: self.day });
            self.old_today += 1;
        } else {
            self.strangers.get_or_insert_default().meet_more(seen.network);
        }
        self.networks.len() >= NETWORKS / 4
    }

    /// True if this newcomer is met for the first time.
    fn meet_newcomer(&mut self, hash: u32, seen: &Seen) -> bool {
        if self.strangers().newcomers.is_empty() {
            self.forget_parts();
            self.strangers.get_or_insert_default().requests = 0;
        }
        let strangers = self.strangers.get_or_insert_default();
        strangers.requests += 1;
        let (day, before) = (self.day, strangers.newcomers.len());
        if let Some(newcomer) = strangers.newcomers.iter_mut().find(|newcomer| newcomer.network == hash) {
            newcomer.take(seen, day);
        } else if strangers.newcomers.len() < NETWORKS {
            let mut newcomer = Newcomer { network: hash, first: seen.time, ..Newcomer::nobody() };
            newcomer.take(seen, day);
            strangers.newcomers.push(newcomer);
            let hour = seen.time.bucket(Span::HOUR);
            if !self.held || hour != self.counted_hour {
                self.new_today += 1;
            }
            self.counted_hour = hour;
        } else {
            strangers.meet_more(seen.network);
            strangers.more.take(seen, day);
        }
        if let Some(address) = strangers.addresses.iter_mut().find(|address| address.client == seen.client) {
            address.requests = address.requests.saturating_add(1);
        } else if strangers.addresses.len() < NETWORKS {
            strangers.addresses.push(Address { client: seen.client, network: hash, requests: 1 });
        } else {
            strangers.more_addresses.get_or_insert_default().insert(seen.client.0);
        }
        count(&mut strangers.endpoints, seen.endpoint);
        count(&mut strangers.used_agents, seen.agent);
        strangers.newcomers.len() > before
    }

    /// The first day is over: from now on, who is not known is new.
    fn settle(&mut self, now: Timestamp) {
        self.settled = true;
        let more = self.take_more_networks();
        let count = f64::from(self.networks.len() as u32 + more);
        // More than there is place for: these are the public, or nearly, and tomorrow's will be others.
        self.network_rate.start(if more > 0 { count } else { count * FIRST_DAY });
        self.agent_rate.start(0.0);
        self.public = self.network_rate.per_day(self.age_days(now)) > PUBLIC;
    }

    /// Newcomers of whom `network` or `agent` says yes become old.
    fn graduate(&mut self, network: impl Fn(&Newcomer) -> bool, agent: impl Fn(&NewAgent) -> bool, now: Timestamp) {
        let Some(strangers) = self.strangers.as_deref_mut() else { return };
        let (first, networks, day) = (strangers.first(), &mut self.networks, self.day);
        strangers.newcomers.retain(|new| {
            let old = Old { hash: new.network, last_s: seconds(new.last), day: new.day };
            network(new).then(|| remember(networks, NETWORKS, old)).is_none()
        });
        let (agents, last_s) = (&mut self.agents, seconds(self.last));
        strangers.new_agents.retain(|new| {
            agent(new).then(|| remember(agents, FEW, Old { hash: new.agent.0 as u32, last_s, day })).is_none()
        });
        // What is told of the others is told since the first of them.
        let left = strangers.first();
        if let (Some(before), Some(left)) = (first, left)
            && left > before
        {
            let share = (now - left).secs_f64() / (now - before).secs_f64().max(1.0);
            strangers.requests = (strangers.requests as f64 * share.clamp(0.0, 1.0)) as u64;
            let newcomers = &strangers.newcomers;
            strangers.addresses.retain(|address| newcomers.iter().any(|new| new.network == address.network));
        }
        if left.is_none() {
            if first.is_some() {
                self.forget_parts();
            }
            self.dismiss();
        }
    }

    fn end_days(&mut self, now: Timestamp, day: i32) {
        let age_days = self.age_days(now);
        if self.settled {
            if let Some(strangers) = self.strangers.as_deref_mut().filter(|_| !self.held) {
                strangers.more_addresses = None;
            }
            let more = if self.held { 0 } else { self.take_more_networks() };
            let new = f64::from(self.new_today + more);
            let silent = day.saturating_sub(self.day).saturating_sub(1).min(REMEMBERED_DAYS);
            self.network_rate.learn(new, age_days);
            self.agent_rate.learn(f64::from(self.agents_today), age_days);
            for _ in 0..silent {
                self.network_rate.learn(0.0, age_days);
                self.agent_rate.learn(0.0, age_days);
            }
            self.public = self.network_rate.per_day(age_days) > PUBLIC;
        }
        (self.new_today, self.agents_today, self.old_today, self.day) = (0, 0, 0, day);
        let fresh = |old: &mut Old| day.saturating_sub(old.day) <= REMEMBERED_DAYS;
        self.networks.retain(fresh);
        self.agents.retain(fresh);
    }

    fn forget_parts(&mut self) {
        let more = self.settled && !self.public;
        if let Some(strangers) = self.strangers.as_deref_mut() {
            strangers.forget_parts(more);
        }
    }

    /// Takes how many networks found no place.
    fn take_more_networks(&mut self) -> u32 {
        let more = self.strangers.as_deref_mut().and_then(|strangers| strangers.more_networks.take());
        self.dismiss();
        more.map_or(0, |sketch| sketch.estimate())
    }

    /// What is known of strangers; nothing where there are none.
    fn strangers(&self) -> &Strangers {
        self.strangers.as_deref().unwrap_or(&strangers::NONE)
    }

    /// Gives back the place of strangers where there are none.
    fn dismiss(&mut self) {
        if self.strangers().is_nobody() {
            self.strangers = None;
        }
    }

    fn age_days(&self, now: Timestamp) -> f64 {
        (now - self.first).days_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_clock_and_no_number_can_upset_it_and_memory_is_bounded() {
        let times = [Timestamp::MIN, Timestamp::MAX, Timestamp::from_secs(0), Timestamp::from_secs(1_772_409_600)];
        let (mut novelty, mut random) = (Novelty::new(times[3], 5), 1u64);
        for n in 0..50_000u64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(n | 1);
            // Usually one clock, now and then any.
            let time = times[if random >> 56 == 0 { n as usize % 4 } else { 3 }] + Span::from_secs(n as i64 * 10);
            let day = if (random >> 55).is_multiple_of(128) { i32::MAX } else { (n / 8640) as i32 };
            novelty.absorb(&Seen {
                time,
                network: Id(random >> 30),
                client: Id(random >> 10),
                agent: Id(random >> 57),
                endpoint: Id(random >> 50),
                status: (random >> 40) as u16,
                day,
            });
            match random >> 52 {
                0 => novelty.hold(),
                1 | 2 => novelty.release(random >> 40 & 1 == 0),
                _ => {}
            }
        }
        let (all, parts) = (novelty.newcomers(Timestamp::MIN), novelty.parts());
        assert!(all.arrivals.len() <= NETWORKS && parts.iter().all(|part| part.len() <= NETWORKS));
        let bytes = postcard::to_allocvec(&novelty).unwrap();
        assert!(bytes.len() < 6_000, "{}", bytes.len());
    }

    #[test]
    fn a_network_of_last_month_is_new_again() {
        let start = Timestamp::from_secs(1_772_409_600);
        let seen = |day: i32, network: u64| Seen {
            time: start + Span::from_days(i64::from(day)),
            network: Id(network),
            client: Id(network),
            agent: Id(9),
            endpoint: Id(1),
            status: 200,
            day,
        };
        let mut novelty = Novelty::new(start, 0);
        assert!(!novelty.absorb(&seen(0, 1)) && !novelty.absorb(&seen(0, 2)));
        for day in 1..30 {
            assert!(!novelty.absorb(&seen(day, 1)));
        }
        assert!(!novelty.absorb(&seen(30, 2)), "thirty days are remembered");
        for day in 31..62 {
            assert!(!novelty.absorb(&seen(day, 1)));
        }
        assert!(novelty.absorb(&seen(62, 2)));
        assert_eq!(novelty.newcomers(start).networks, 1);
    }
}
