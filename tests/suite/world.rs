//! A service and everybody who calls it: minute by minute, the lines of its logs.

use std::collections::BTreeMap;

use lapwing::event::Place;

use super::actor::{Actor, Call};
use super::cast::{ROUTES, agent, number, read};
use super::random::Random;
use super::shape::{Clocks, MINUTE, Shape};

/// Names of the logs.
pub const SOURCES: [&str; 2] = ["api", "web"];

/// Whom something concerns.
#[derive(Clone, PartialEq, Debug)]
pub enum Who {
    Everybody,
    /// Callers of this zone.
    Zone(u8),
    /// The caller with this key.
    Key(String),
    /// Callers whose lines are in this log.
    Source(u16),
}

/// Ups and downs of rates.
#[derive(Clone, Debug)]
pub struct Sway {
    pub who: Who,
    pub from: i64,
    pub until: i64,
    pub factor: f64,
    /// How long it takes to come and to go.
    pub ramp: i64,
}

/// Something of the service that fails.
#[derive(Clone, Debug)]
pub struct Fault {
    pub who: Who,
    /// On this path; anywhere if none.
    pub path: Option<&'static str>,
    pub from: i64,
    pub until: i64,
    pub share: f64,
    pub status: u16,
}

/// Answers that take longer, or are larger.
#[derive(Clone, Debug)]
pub struct Slowness {
    pub who: Who,
    /// On this path; anywhere if none.
    pub path: Option<&'static str>,
    pub from: i64,
    pub until: i64,
    pub slower: f64,
    pub larger: f64,
}

/// Lines that come late, or whose clock is wrong.
#[derive(Clone, Debug)]
pub struct Clockwork {
    pub source: u16,
    pub from: i64,
    pub until: i64,
    pub share: f64,
    /// Written so much later.
    pub late: i64,
    /// Their time is so far off.
    pub off: i64,
}

/// People who look at the site, crawlers and scanners: callers without key that come, ask and go.
#[derive(Clone, Copy, Debug)]
pub struct Passers {
    /// Visits a minute at the peak.
    pub visits: f64,
    /// Scans a day.
    pub scans: f64,
    /// People who log in, a minute at the peak.
    pub logins: f64,
}

/// The service with its callers.
#[derive(Clone, Debug)]
pub struct World {
    pub seed: u64,
    pub now: i64,
    pub actors: Vec<Actor>,
    pub passers: Passers,
    pub sways: Vec<Sway>,
    pub faults: Vec<Fault>,
    pub slowness: Vec<Slowness>,
    /// From, until, source: what is written then is lost.
    pub gaps: Vec<(i64, i64, Option<u16>)>,
    pub clockwork: Vec<Clockwork>,
    pub holidays: Vec<(u8, i64)>,
    /// Networks of which it is known where they are, beside those of callers: the first address of 256, and where.
    pub places: Vec<(u32, Place)>,
    later: BTreeMap<i64, Vec<Call>>,
    random: Random,
}

/// The actor number of those without a key of their own.
pub const NOBODY: u32 = u32::MAX;

impl World {
    pub fn new(seed: u64, now: i64) -> Self {
        World {
            seed,
            now,
            actors: Vec::new(),
            passers: Passers { visits: 0.0, scans: 0.0, logins: 0.0 },
            sways: Vec::new(),
            faults: Vec::new(),
            slowness: Vec::new(),
            gaps: Vec::new(),
            clockwork: Vec::new(),
            holidays: Vec::new(),
            places: Vec::new(),
            later: BTreeMap::new(),
            random: Random::new(seed, "world"),
        }
    }

    /// The first actor with this key.
    pub fn who(&self, key: &str) -> usize {
        self.actors.iter().position(|a| a.key == key).unwrap_or_else(|| panic!("nobody has the key {key}"))
    }

    /// Requests a minute that are usual for a key at an instant.
    pub fn usual(&self, key: &str, at: i64) -> f64 {
        let clocks = Clocks::at(at, &self.holidays);
        self.actors.iter().filter(|a| a.key == key && !a.injected).map(|a| a.usual(&clocks)).sum()
    }

    /// The lines of the next minute, in the order in which they are written.
    pub fn minute(&mut self, out: &mut Vec<Call>) {
        out.clear();
        let now = self.now;
        let clocks = Clocks::at(now, &self.holidays);
        let sways: Vec<Sway> = self.sways.iter().filter(|s| s.from <= now && now < s.until).cloned().collect();
        for (number, actor) in self.actors.iter_mut().enumerate() {
            let first = out.len();
            let sway = if actor.injected { 1.0 } else { strength(&sways, actor, now) };
            if sway > 0.0 {
                actor.minute(number as u32, &clocks, sway, out);
            }
            if sway < 1.0 && actor.pace.is_some() {
                let mut keep = Random::new(self.seed ^ now as u64, &actor.key);
                let mut index = first;
                while index < out.len() {
                    if keep.chance(sway) {
                        index += 1;
                    } else {
                        out.swap_remove(index);
                    }
                }
            }
        }
        self.passers(&clocks, strength_of_web(&sways, now), out);
        self.fail(out);
        self.slow_down(out);
        if let Some(mut waiting) = self.later.remove(&now) {
            out.append(&mut waiting);
        }
        if self.clockwork.iter().any(|c| now + MINUTE > c.from && now < c.until) {
            self.turn_clocks(out);
        }
        if !self.gaps.is_empty() {
            let gaps = &self.gaps;
            out.retain(|c| {
                !gaps.iter().any(|g| c.at >= g.0 && c.at < g.1 && g.2.is_none_or(|source| source == c.source))
            });
        }
        out.sort_unstable_by_key(|c| (c.at, c.actor, c.id, c.client));
        self.now += MINUTE;
    }

    fn fail(&mut self, out: &mut [Call]) {
        let now = self.now;
        for fault in self.faults.iter().filter(|f| now + MINUTE > f.from && now < f.until) {
            for call in out.iter_mut().filter(|c| c.at >= fault.from && c.at < fault.until) {
                let actor = self.actors.get(call.actor as usize);
                let concerned = match &fault.who {
                    Who::Everybody => true,
                    Who::Key(key) => actor.is_some_and(|a| a.key == *key),
                    Who::Source(source) => call.source == *source,
                    Who::Zone(zone) => actor.is_some_and(|a| zone_of(a) == Some(*zone)),
                };
                let there = fault.path.is_none_or(|path| ROUTES[usize::from(call.route)].path == path);
                if concerned && there && !actor.is_some_and(|a| a.injected) && self.random.chance(fault.share) {
                    call.status = fault.status;
                    call.bytes = 150;
                }
            }
        }
    }

    fn slow_down(&self, out: &mut [Call]) {
        for slow in self.slowness.iter().filter(|s| self.now + MINUTE > s.from && self.now < s.until) {
            for call in out.iter_mut().filter(|c| c.at >= slow.from && c.at < slow.until && c.status < 400) {
                let there = slow.path.is_none_or(|path| ROUTES[usize::from(call.route)].path == path);
                let actor = self.actors.get(call.actor as usize);
                let concerned = match &slow.who {
                    Who::Key(key) => actor.is_some_and(|a| a.key == *key),
                    Who::Source(source) => call.source == *source,
                    Who::Everybody | Who::Zone(_) => true,
                };
                if there && concerned {
                    call.ms = (f64::from(call.ms) * slow.slower) as u32;
                    call.bytes = (f64::from(call.bytes) * slow.larger) as u32;
                }
            }
        }
    }

    fn turn_clocks(&mut self, out: &mut Vec<Call>) {
        let (now, mut kept) = (self.now, 0);
        for index in 0..out.len() {
            let mut call = out[index];
            for work in &self.clockwork {
                let concerned = call.source == work.source && call.at >= work.from && call.at < work.until;
                if concerned && call.at == call.time && self.random.chance(work.share) {
                    call.time = call.at + work.off;
                    call.at += work.late;
                }
            }
            if call.at >= now + MINUTE {
                self.later.entry(call.at.div_euclid(MINUTE) * MINUTE).or_default().push(call);
            } else {
                out[kept] = call;
                kept += 1;
            }
        }
        out.truncate(kept);
    }

    fn passers(&mut self, clocks: &Clocks, sway: f64, out: &mut Vec<Call>) {
        let part = Shape::Evening { zone: 0 }.part(clocks).max(Shape::Office { zone: 0, rest: 0.2 }.part(clocks));
        for _ in 0..self.random.poisson(self.passers.visits * part * sway) {
            self.visit(out);
        }
        for _ in 0..self.random.poisson(self.passers.scans / 1440.0) {
            self.scan(out);
        }
        // With chances of its own: who logs in changes nothing about the others.
        let mut random = Random::new(self.seed ^ self.now as u64, "logins");
        for _ in 0..random.poisson(self.passers.logins * part * sway) {
            self.log_in(&mut random, out);
        }
    }

    fn visit(&mut self, out: &mut Vec<Call>) {
        let random = &mut self.random;
        let client = super::address::visitor(random);
        let browser = *random.one(&[agent("Chrome"), agent("Chrome"), agent("Firefox"), agent("Safari")]);
        let mut t = self.now + random.below(MINUTE as u64) as i64;
        let pages = ["/", "/products/{id}", "/blog/{id}", "/pricing", "/docs/{id}"];
        for _ in 0..=random.exponential(4.0) as u32 {
            let random = &mut self.random;
            let route = read(pages[random.below(5) as usize]);
            let id = 1 + (400.0 * random.unit().powi(3)) as u32;
            let status = if random.chance(0.01) { 404 } else { 200 };
            let assets = random.below(5);
            self.soon(page(t, client, route, id, browser, status), out);
            for asset in 0..assets {
                let when = t + 100 + 40 * asset as i64;
                self.soon(page(when, client, read("/assets/app.js"), 0, browser, 200), out);
            }
            t += 1000 + self.random.exponential(25_000.0) as i64;
        }
    }

    /// Somebody logs in, most from where they always do; one in nine mistypes, some more than once.
    fn log_in(&mut self, random: &mut Random, out: &mut Vec<Call>) {
        let home = if random.chance(0.8) { random.below(2_000) } else { random.next() };
        let client = super::address::company(self.seed ^ 0x4046, home);
        let browser = *random.one(&[agent("Chrome"), agent("Firefox"), agent("Safari"), agent("AcmeApp")]);
        let mut t = self.now + random.below(MINUTE as u64) as i64;
        loop {
            let failed = random.chance(0.11);
            let call = page(t, client, number(lapwing::event::Method::Post, "/login"), 0, browser, 200);
            let (status, bytes) = if failed { (401, 150) } else { (200, call.bytes) };
            self.soon(Call { status, bytes, body: 60 + random.below(40) as u32, ..call }, out);
            if !failed {
                break;
            }
            t += 4_000 + random.exponential(9_000.0) as i64;
        }
    }

    fn scan(&mut self, out: &mut Vec<Call>) {
        let random = &mut self.random;
        let client = super::address::visitor(random);
        let n = random.pareto(6.0, 1.1, 150.0) as u32;
        let gap = random.between(300.0, 6_000.0);
        let source = random.below(2) as u16;
        let mut t = self.now + random.below(MINUTE as u64) as i64;
        let routes = [
            read("/wp-login.php"),
            read("/.env"),
            read("/phpmyadmin/index.php"),
            number(lapwing::event::Method::Head, "/admin"),
        ];
        for query in 0..n {
            let route = *self.random.one(&routes);
            let status = *self.random.one(&[404, 404, 404, 403, 400]);
            let call = page(t, client, route, 0, agent("zgrab"), status);
            self.soon(Call { query, source, ..call }, out);
            t += self.random.exponential(gap) as i64;
        }
    }

    /// Written in its minute.
    pub fn soon(&mut self, call: Call, out: &mut Vec<Call>) {
        if call.at < self.now + MINUTE {
            out.push(call);
        } else {
            self.later.entry(call.at.div_euclid(MINUTE) * MINUTE).or_default().push(call);
        }
    }

    /// Written when its time comes.
    pub fn write_at(&mut self, call: Call) {
        self.later.entry(call.at.div_euclid(MINUTE) * MINUTE).or_default().push(call);
    }
}

fn page(t: i64, client: u32, route: u16, id: u32, agent: u8, status: u16) -> Call {
    let about = &ROUTES[usize::from(route)];
    let id = if about.path.contains("{id}") { id } else { 0 };
    let bytes = if status < 400 { about.bytes } else { 150 };
    let nobody = NOBODY;
    Call {
        at: t,
        time: t,
        actor: nobody,
        client,
        id,
        query: 0,
        route,
        status,
        source: 1,
        agent,
        body: 0,
        ms: about.ms,
        bytes,
    }
}

fn zone_of(actor: &Actor) -> Option<u8> {
    match actor.shape {
        Shape::Office { zone, .. } | Shape::Evening { zone } | Shape::Ramp { zone, .. } => Some(zone),
        _ => None,
    }
}

fn strength(sways: &[Sway], actor: &Actor, now: i64) -> f64 {
    let concerned = |sway: &&Sway| match &sway.who {
        Who::Everybody => true,
        Who::Zone(zone) => zone_of(actor) == Some(*zone),
        Who::Key(key) => actor.key == *key,
        Who::Source(source) => actor.source == *source,
    };
    sways.iter().filter(concerned).map(|s| factor(s, now)).product()
}

fn strength_of_web(sways: &[Sway], now: i64) -> f64 {
    let web = |sway: &&Sway| matches!(sway.who, Who::Everybody | Who::Source(1));
    sways.iter().filter(web).map(|s| factor(s, now)).product()
}

fn factor(sway: &Sway, now: i64) -> f64 {
    if sway.ramp == 0 {
        return sway.factor;
    }
    let edge = (now - sway.from).min(sway.until - now) as f64 / sway.ramp as f64;
    1.0 + (sway.factor - 1.0) * edge.clamp(0.0, 1.0)
}
