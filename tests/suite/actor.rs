//! One caller: when, from where, with what, asking for what, and how often it is refused.

use super::address::Addresses;
use super::cast::{API, ROUTES};
use super::random::{Random, mix};
use super::shape::{Clocks, DAY, MINUTE, Shape};

/// One request on its way into a log.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Call {
    /// When its line is written.
    pub at: i64,
    /// The time in its line.
    pub time: i64,
    /// Number of the actor, see [`super::world::World::actors`].
    pub actor: u32,
    /// The address.
    pub client: u32,
    /// The number in its path, and the one in its query (0: none).
    pub id: u32,
    pub query: u32,
    pub route: u16,
    pub status: u16,
    pub source: u16,
    pub agent: u8,
    /// Length of the body sent.
    pub body: u32,
    pub ms: u32,
    pub bytes: u32,
}

/// The things that a caller asks for.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Things {
    /// Its own so many, some far more often than others.
    Popular(u64),
    /// Any of so many, each as likely.
    Any(u64),
    /// One after the other.
    Walk,
    /// Always the very same request.
    Same,
}

/// Noise of a rate: an autoregressive log-rate, another level each day, and bursts of those who have them.
#[derive(Clone, Debug)]
pub struct Noise {
    /// Standard deviation of the log-rate.
    pub sigma: f64,
    /// Of the day's level.
    pub daily: f64,
    /// Chance that a burst begins, a five minutes.
    pub bursts: f64,
    pub state: f64,
    pub day: (i64, f64),
    pub burst: (i64, f64),
}

impl Noise {
    pub fn new(sigma: f64, daily: f64) -> Self {
        Noise { sigma, daily, bursts: 0.0, state: 0.0, day: (i64::MIN, 1.0), burst: (i64::MIN, 1.0) }
    }

    /// Five minutes on. The correlation time is about an hour.
    fn step(&mut self, now: i64, random: &mut Random) -> f64 {
        const RHO: f64 = 0.92;
        self.state = RHO * self.state + (1.0 - RHO * RHO).sqrt() * random.normal();
        let day = now.div_euclid(DAY);
        if self.day.0 != day {
            self.day = (day, (self.daily * random.normal() - self.daily * self.daily / 2.0).exp());
        }
        if self.bursts > 0.0 && now >= self.burst.0 && random.chance(self.bursts) {
            let minutes = random.pareto(5.0, 1.2, 360.0);
            self.burst = (now + (minutes * MINUTE as f64) as i64, random.pareto(3.0, 1.0, 100.0));
        }
        let burst = if now < self.burst.0 { self.burst.1 } else { 1.0 };
        (self.sigma * self.state - self.sigma * self.sigma / 2.0).exp() * self.day.1 * burst
    }
}

/// A caller.
#[derive(Clone, Debug)]
pub struct Actor {
    /// Its key; empty for those without.
    pub key: String,
    /// Which log its calls are in.
    pub source: u16,
    pub shape: Shape,
    /// Requests a minute at its peak.
    pub scale: f64,
    pub noise: Noise,
    pub from: i64,
    pub until: i64,
    pub addresses: Addresses,
    /// The first does most.
    pub agents: Vec<u8>,
    /// Routes with cumulative weights that end at 1.
    pub routes: Vec<(u16, f64)>,
    pub things: Things,
    /// Shares of statuses other than 200.
    pub fails: Vec<(f64, u16)>,
    /// One call in each such time, give or take a tenth, instead of by chance.
    pub pace: Option<i64>,
    /// Milliseconds a call takes, if not the route's.
    pub ms: Option<u32>,
    /// Its answers are so many times as large as others get.
    pub large: f64,
    /// What it sends is so many times as large as usual.
    pub heavy: f64,
    /// A web page makes its calls: they have a Referer.
    pub page: bool,
    /// It is part of an incident: faults of the service and ups and downs of the crowd do not change it.
    pub injected: bool,
    pub random: Random,
    pub salt: u64,
    pub walked: u32,
    pub rate: (i64, f64),
}

impl Actor {
    /// An ordinary caller of a handful of routes.
    pub fn new(seed: u64, key: &str, shape: Shape, scale: f64) -> Self {
        let mut random = Random::new(seed, key);
        let salt = random.next();
        let routes = some_routes(&mut random);
        let agents = vec![random.below(11) as u8];
        let fails = vec![(random.between(0.001, 0.004), 500), (random.pareto(0.004, 1.5, 0.06), 404), (0.002, 422)];
        Actor {
            key: key.to_owned(),
            source: 0,
            shape,
            scale,
            noise: Noise::new(0.25, 0.12),
            from: i64::MIN,
            until: i64::MAX,
            addresses: Addresses::fixed(salt, 1 + random.below(4)),
            agents,
            routes,
            things: Things::Popular(200 + random.below(5000)),
            fails,
            pace: None,
            ms: None,
            large: 1.0,
            heavy: 1.0,
            page: false,
            injected: false,
            random,
            salt,
            walked: 0,
            rate: (i64::MIN, 0.0),
        }
    }

    /// More of the same, as part of an incident.
    pub fn extra(&self, seed: u64, rate: f64, from: i64, until: i64) -> Actor {
        Actor {
            shape: Shape::Flat,
            scale: rate,
            noise: Noise::new(0.05, 0.0),
            from,
            until,
            pace: None,
            injected: true,
            random: Random::new(seed, &format!("extra {} {from}", self.key)),
            rate: (i64::MIN, 0.0),
            ..self.clone()
        }
    }

    /// The same caller with chances of its own.
    #[must_use]
    pub fn apart(mut self, n: u64) -> Self {
        self.random = Random::new(mix(self.random.next()) ^ n, "apart");
        self
    }

    #[must_use]
    pub fn only(mut self, route: u16) -> Self {
        self.routes = vec![(route, 1.0)];
        self
    }

    #[must_use]
    pub fn agent(mut self, family: &str) -> Self {
        self.agents = vec![super::cast::agent(family)];
        self
    }

    #[must_use]
    pub fn failing(mut self, share: f64, status: u16) -> Self {
        self.fails = vec![(share, status)];
        self
    }

    #[must_use]
    pub fn every(mut self, seconds: i64) -> Self {
        self.pace = Some(seconds * 1000);
        self
    }

    #[must_use]
    pub fn asking(mut self, things: Things) -> Self {
        self.things = things;
        self
    }

    #[must_use]
    pub fn at(mut self, addresses: Addresses) -> Self {
        self.addresses = addresses;
        self
    }

    /// Requests a minute that are usual at an instant, noise left out.
    pub fn usual(&self, clocks: &Clocks) -> f64 {
        match self.pace {
            Some(pace) => MINUTE as f64 / pace as f64,
            None => self.scale * self.shape.part(clocks),
        }
    }

    /// Its calls of the minute that begins now; `sway` is what the crowd does with its rate.
    pub fn minute(&mut self, number: u32, clocks: &Clocks, sway: f64, out: &mut Vec<Call>) {
        let now = clocks.now;
        if now + MINUTE <= self.from || now >= self.until {
            return;
        }
        if let Some(pace) = self.pace {
            for n in now.div_euclid(pace)..=(now + MINUTE).div_euclid(pace) {
                // The same beat has the same time, whichever minute asks.
                let late = mix(self.salt ^ n as u64) % (pace as u64 / 10).max(1);
                let t = n * pace + (self.salt as i64).rem_euclid((pace / 2).max(1)) + late as i64;
                if t >= now && t < now + MINUTE && t >= self.from && t < self.until {
                    let call = self.call(number, t);
                    out.push(call);
                }
            }
            return;
        }
        if self.rate.0 <= now {
            let step = if self.shape.is_sharp() { MINUTE } else { 5 * MINUTE };
            let rate = self.scale * self.shape.part(clocks);
            let noise = if self.shape.is_sharp() { 1.0 } else { self.noise.step(now, &mut self.random) };
            self.rate = (now.div_euclid(step) * step + step, rate * noise);
        }
        for _ in 0..self.random.poisson(self.rate.1 * sway) {
            let t = now + self.random.below(MINUTE as u64) as i64;
            if t >= self.from && t < self.until {
                let call = self.call(number, t);
                out.push(call);
            }
        }
    }

    fn call(&mut self, number: u32, t: i64) -> Call {
        let random = &mut self.random;
        let u = random.unit();
        let route = self.routes.iter().find(|(_, upto)| u <= *upto).or(self.routes.last()).map_or(0, |r| r.0);
        let about = &ROUTES[usize::from(route)];
        let has_id = about.path.contains("{id}");
        let popular = |random: &mut Random, n: u64| (n as f64 * random.unit().powi(3)) as u64;
        // What was deleted is gone.
        let gone = about.method == lapwing::event::Method::Delete;
        let thing = match self.things {
            Things::Popular(_) if gone => random.below(900_000) as u32,
            Things::Popular(n) => (mix(self.salt ^ popular(random, n)) % 900_000) as u32,
            Things::Any(n) => random.below(n) as u32,
            Things::Walk => {
                self.walked += 1;
                self.walked
            }
            Things::Same => (self.salt % 900_000) as u32,
        };
        let same = self.things == Things::Same;
        let (id, query) = match (has_id, same) {
            (true, _) => (1 + thing, 0),
            (false, true) => (0, 0),
            // Lists are asked page by page, searches for many things.
            (false, false) if about.path.ends_with("search") => (0, 1 + thing),
            (false, false) => (0, popular(random, 40) as u32),
        };
        let body = match about.method {
            lapwing::event::Method::Post | lapwing::event::Method::Put | lapwing::event::Method::Patch => {
                if same {
                    700 + (self.salt % 900) as u32
                } else {
                    (600.0 * self.heavy * (0.8 * random.normal()).exp()) as u32 + 40
                }
            }
            _ => 0,
        };
        let mut status = if about.method == lapwing::event::Method::Post { 201 } else { 200 };
        let mut u = random.unit();
        for &(share, failed) in &self.fails {
            if u < share {
                status = failed;
                break;
            }
            u -= share;
        }
        let slowness = (0.5 * random.normal()).exp();
        Call {
            at: t,
            time: t,
            actor: number,
            client: self.addresses.choose(t, random),
            id,
            query,
            route,
            status,
            source: self.source,
            agent: if self.agents.len() == 1 || random.chance(0.7) {
                self.agents[0]
            } else {
                *random.one(&self.agents)
            },
            body,
            ms: self.ms.unwrap_or((f64::from(about.ms) * slowness) as u32 + 1),
            bytes: if status < 400 { (f64::from(about.bytes) * slowness * self.large) as u32 } else { 150 },
        }
    }
}

/// Three to eight routes with weights of their own.
fn some_routes(random: &mut Random) -> Vec<(u16, f64)> {
    let n = 3 + random.below(6);
    // Costed routes are left to those who are given them.
    let mut routes: Vec<(u16, f64)> =
        (0..n).map(|_| (random.below(u64::from(API) - 3) as u16, random.exponential(1.0))).collect();
    let sum: f64 = routes.iter().map(|r| r.1).sum();
    let mut upto = 0.0;
    for route in &mut routes {
        upto += route.1 / sum;
        route.1 = upto;
    }
    routes
}
