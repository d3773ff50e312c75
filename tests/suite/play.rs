//! A story: what is put into the traffic from an instant on, with what is true about it.

use lapwing::event::Subject;

use super::actor::{Actor, Things};
use super::address::Addresses;
use super::cast::{ROUTES, number, read};
use super::label::{Label, client, endpoint, key};
use super::random::Random;
use super::shape::{HOUR, MINUTE, Shape};
use super::world::{Fault, Sway, Who, World};

/// A story on its way.
pub struct Play {
    pub world: World,
    pub labels: Vec<Label>,
    /// When the story begins.
    pub start: i64,
    /// When it is over.
    pub until: i64,
    /// How long the callers have been watched by then, in days.
    pub history: f64,
    pub random: Random,
}

impl Play {
    pub fn new(world: World, history: f64, name: &str) -> Self {
        let start = world.now;
        let random = Random::new(world.seed ^ 0x57A6E, name);
        Play { world, labels: Vec::new(), start, until: start + 3 * HOUR, history, random }
    }

    /// Traffic goes on for at least so long.
    pub fn lasts(&mut self, millis: i64) {
        self.until = self.until.max(self.start + millis);
    }

    /// So many minutes after the beginning.
    pub fn at(&self, minutes: f64) -> i64 {
        self.start + (minutes * MINUTE as f64) as i64
    }

    fn label(&mut self, label: Label) -> &mut Label {
        self.until = self.until.max(label.end + 2 * HOUR).max(label.start + label.within + 10 * MINUTE);
        self.labels.push(label);
        self.labels.last_mut().expect("just pushed")
    }

    pub fn add(&mut self, label: Label) {
        self.label(label);
    }

    fn routes_of(&self, name: &str) -> Vec<Subject> {
        let actor = &self.world.actors[self.world.who(name)];
        actor.routes.iter().map(|r| endpoint(ROUTES[usize::from(r.0)].path)).collect()
    }

    fn addresses_of(&self, name: &str) -> Vec<Subject> {
        match &self.world.actors[self.world.who(name)].addresses {
            Addresses::Fixed(list) | Addresses::Even(list) => list.iter().map(|a| client(*a)).collect(),
            _ => Vec::new(),
        }
    }

    /// A key calls `factor` times as often as usual, by its own machines.
    pub fn burst(&mut self, name: &str, factor: f64, from: i64, minutes: f64) {
        let more = (factor - 1.0) * self.world.usual(name, from).max(0.05);
        self.burst_by(name, more, from, minutes);
        if let Some(label) = self.labels.last_mut() {
            label.size = Some(("burst: times the usual", factor));
            // Less than four times the usual is an incident to nobody.
            label.probe = factor < 4.0;
        }
    }

    /// A key calls so many times a minute more than usual.
    pub fn burst_by(&mut self, name: &str, more: f64, from: i64, minutes: f64) {
        let usual = self.world.usual(name, from);
        let until = from + (minutes * MINUTE as f64) as i64;
        let actor = self.world.actors[self.world.who(name)].extra(self.world.seed, more, from, until);
        self.world.actors.push(actor);
        let loud = self.history >= 8.0 && more >= 9.0 * usual && more >= 100.0 && minutes >= 5.0;
        let touches = self.routes_of(name).into_iter().chain(self.addresses_of(name));
        self.add(Label::new("burst", key(name), from, until).loud(loud).touching(touches));
    }

    /// An address without key calls so often a minute.
    pub fn client_burst(&mut self, rate: f64, from: i64, minutes: f64) {
        let until = from + (minutes * MINUTE as f64) as i64;
        let address = super::address::stranger(self.random.next(), 0);
        let actor = Actor::new(self.world.seed, "stranger", Shape::Flat, rate).asking(Things::Any(3000));
        let actor = Actor { key: String::new(), source: 1, ..actor.only(read("/products/{id}")).agent("aiohttp") };
        let actor =
            actor.at(Addresses::Fixed(vec![address])).failing(0.01, 404).extra(self.world.seed, rate, from, until);
        self.world.actors.push(actor);
        let loud = self.history >= 8.0 && rate >= 200.0 && minutes >= 5.0;
        let label = Label::new("burst", client(address), from, until).or_by("harvesting").loud(loud);
        let label = label.touching([endpoint("/products/{id}")]).probe(rate < 60.0);
        self.add(label.sized("stranger: requests a minute", rate));
    }

    /// Many call one path more often: a client release, say.
    pub fn endpoint_burst(&mut self, path: &'static str, more: f64, from: i64, minutes: f64) {
        let until = from + (minutes * MINUTE as f64) as i64;
        let keys: Vec<Actor> = self.world.actors.iter().filter(|a| !a.key.is_empty() && !a.injected).cloned().collect();
        let each = more / keys.len() as f64;
        for actor in keys {
            let extra = actor.extra(self.world.seed ^ 1, each, from, until).only(read(path));
            self.world.actors.push(extra);
        }
        let loud = self.history >= 8.0 && more >= 200.0;
        self.add(Label::new("burst", endpoint(path), from, until).loud(loud).or_on(Subject::site()));
        self.touch_everybody();
    }

    /// The last label touches every key.
    fn touch_everybody(&mut self) {
        let keys: Vec<Subject> = self.world.actors.iter().filter(|a| !a.key.is_empty()).map(|a| key(&a.key)).collect();
        if let Some(label) = self.labels.last_mut() {
            label.touches.extend(keys);
        }
    }

    /// Everybody calls `factor` times as often, coming and going over so many minutes.
    pub fn campaign(&mut self, factor: f64, from: i64, minutes: f64, ramp: f64) {
        let until = from + (minutes * MINUTE as f64) as i64;
        let ramp = (ramp * MINUTE as f64) as i64;
        self.world.sways.push(Sway { who: Who::Everybody, from, until, factor, ramp });
        self.add(Label::new("burst", Subject::site(), from, until).optional());
        self.touch_everybody();
    }

    /// A path fails for everybody.
    pub fn endpoint_fails(&mut self, path: &'static str, share: f64, status: u16, from: i64, minutes: f64) {
        let until = from + (minutes * MINUTE as f64) as i64;
        self.world.faults.push(Fault { who: Who::Everybody, path: Some(path), from, until, share, status });
        let rate = self.rate_of(path, from);
        let loud = share >= 0.5 && rate >= 30.0 && self.history >= 1.0 && minutes >= 5.0;
        let label = Label::new("error-spike", endpoint(path), from, until).loud(loud).probe(share < 0.15);
        self.add(label.sized("errors: share of an endpoint", share));
        self.touch_everybody();
    }

    /// Requests a minute that are usual for a path.
    pub fn rate_of(&self, path: &str, at: i64) -> f64 {
        let clocks = super::shape::Clocks::at(at, &self.world.holidays);
        let share = |a: &Actor| {
            let (mut last, mut sum) = (0.0, 0.0);
            for (route, upto) in &a.routes {
                if ROUTES[usize::from(*route)].path == path {
                    sum += upto - last;
                }
                last = *upto;
            }
            sum
        };
        self.world.actors.iter().filter(|a| !a.injected).map(|a| a.usual(&clocks) * share(a)).sum()
    }

    /// The busiest API path just now.
    pub fn busiest_path(&self, at: i64) -> &'static str {
        self.busiest_of(at, 0)
    }

    /// The busiest API path just now whose answers usually take so many milliseconds or more.
    pub fn busiest_of(&self, at: i64, least: u32) -> &'static str {
        let paths = ROUTES[..usize::from(super::cast::API)].iter().filter(|r| r.ms >= least).map(|r| r.path);
        paths.max_by(|a, b| self.rate_of(a, at).total_cmp(&self.rate_of(b, at))).expect("routes")
    }

    /// Everything fails.
    pub fn outage(&mut self, share: f64, status: u16, from: i64, minutes: f64) {
        let until = from + (minutes * MINUTE as f64) as i64;
        self.world.faults.push(Fault { who: Who::Everybody, path: None, from, until, share, status });
        let loud = share >= 0.5 && minutes >= 5.0;
        let label = Label::new("error-spike", Subject::site(), from, until).loud(loud);
        self.add(label.or_on(super::label::source("api")).or_on(super::label::source("web")));
        self.touch_everybody();
    }

    /// One caller's requests are refused: a deployment of theirs.
    pub fn key_fails(&mut self, name: &str, share: f64, status: u16, from: i64, minutes: f64) {
        let until = from + (minutes * MINUTE as f64) as i64;
        self.world.faults.push(Fault { who: Who::Key(name.to_owned()), path: None, from, until, share, status });
        let rate = self.world.usual(name, from);
        let loud = share >= 0.5 && rate >= 30.0 && self.history >= 1.0 && minutes >= 5.0;
        let touches = self.routes_of(name).into_iter().chain(self.addresses_of(name));
        let label = Label::new("error-spike", key(name), from, until).loud(loud).touching(touches);
        self.add(label.sized("errors: share of a key", share));
    }

    /// A key is used by strangers in so many networks, `rate` requests a minute in all.
    pub fn leak(&mut self, name: &str, networks: u64, rate: f64, from: i64, minutes: f64) {
        let until = from + (minutes * MINUTE as f64) as i64;
        let salt = self.random.next();
        let owner = &self.world.actors[self.world.who(name)];
        let thief = owner.extra(self.world.seed ^ salt, rate, from, until).at(Addresses::strangers(salt, networks));
        self.world.actors.push(thief.agent("aiohttp"));
        let loud = self.history >= 8.0 && networks >= 10 && rate >= 60.0;
        let strangers = (0..networks).map(|n| client(super::address::stranger(salt, n)));
        let touches: Vec<Subject> = self.routes_of(name).into_iter().chain(strangers).collect();
        let label = Label::new("leaked-key", key(name), from, until).loud(loud).touching(touches);
        self.add(label.probe(networks < 3).sized("leak: new networks", networks as f64));
    }

    /// The same request again and again, every so many seconds, so many times.
    pub fn repeats(&mut self, name: &str, path: &'static str, seconds: f64, calls: i64, from: i64) -> &mut Actor {
        let until = from + (seconds * 1000.0) as i64 * calls;
        let owner = &self.world.actors[self.world.who(name)];
        let again = owner.extra(self.world.seed ^ from as u64, 1.0, from, until);
        let again = again.only(number(lapwing::event::Method::Post, path)).asking(Things::Same).failing(0.0, 504);
        self.world.actors.push(Actor { pace: Some((seconds * 1000.0) as i64), ..again });
        let addresses = self.addresses_of(name);
        let path = endpoint(path);
        let label = Label::new("retry-loop", key(name), from, until).touching(addresses).touching([path]);
        self.add(label.sized("loop: seconds between calls", seconds));
        self.world.actors.last_mut().expect("just pushed")
    }

    /// Somebody reads thing after thing, `rate` a minute.
    pub fn harvest(&mut self, name: &str, rate: f64, from: i64, hours: f64, in_order: bool) {
        let until = from + (hours * HOUR as f64) as i64;
        let owner = &self.world.actors[self.world.who(name)];
        let reader = owner.extra(self.world.seed ^ from as u64, rate, from, until).only(read("/v1/customers/{id}"));
        self.world.actors.push(reader.asking(if in_order { Things::Walk } else { Things::Any(800_000) }));
        let touches = self.addresses_of(name);
        let label = Label::new("harvesting", key(name), from, until).touching(touches);
        let label = label.touching([endpoint("/v1/customers/{id}")]).probe(rate < 3.0);
        self.add(label.sized("harvest: things a minute", rate));
    }

    /// Nothing comes any more: of everybody, a key, or a log.
    pub fn falls_silent(&mut self, who: Who, subject: Subject, from: i64, minutes: f64) {
        let until = from + (minutes * MINUTE as f64) as i64;
        self.world.sways.push(Sway { who, from, until, factor: 0.0, ramp: 0 });
        self.add(Label::new("traffic-drop", subject, from, until).within(15 * MINUTE));
    }
}
