//! The long mix: 28 days of a city with five hundred keys, ordinary events all along, and incidents if asked for.

use super::actor::Actor;
use super::address::Addresses;
use super::cast::ROUTES;
use super::habits::habits;
use super::label::{Label, client, endpoint};
use super::people::{Kind, caller, city};
use super::play::Play;
use super::random::Random;
use super::score::{Run, score, score_alarms};
use super::shape::{DAY, HOUR, MINUTE, Shape};
use super::stage::Stage;
use super::story::MONDAY;
use super::world::{Clockwork, Fault, Sway, Who};

/// How a mix is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    pub seed: u64,
    pub keys: usize,
    /// Keys among them that come in bursts without any order.
    pub wild: usize,
    pub days: i64,
    pub incidents: bool,
}

impl Plan {
    pub fn name(&self) -> String {
        let wild = if self.wild == 0 { "no wild ones".to_owned() } else { format!("{} wild ones", self.wild) };
        let incidents = if self.incidents { "with incidents" } else { "no incidents" };
        format!("{} days, {} keys, {wild}, {incidents}", self.days, self.keys)
    }

    /// Lives through it and scores what was told.
    pub fn run(self) -> Run {
        let mut play = Play::new(city(self.seed, self.keys, self.wild, MONDAY), 0.0, "mix");
        ordinary(&mut play, self.days);
        if self.incidents {
            incidents(&mut play, self);
        }
        habits(&mut play, self.days);
        let Play { world, labels, .. } = play;
        let mut stage = Stage::new(world);
        stage.run_until(MONDAY + self.days * DAY);
        stage.finish();
        let mut run = score(&self.name(), self.seed, &labels, &stage.changes);
        score_alarms(&mut run, &stage.alarms, &stage.key_names());
        run.length = self.days * DAY;
        run.events = stage.feed.events;
        run
    }
}

/// An instant of a day between these local hours.
fn some_time(random: &mut Random, day: i64, hours: (f64, f64)) -> i64 {
    let at = MONDAY + day * DAY + (random.between(hours.0, hours.1) * HOUR as f64) as i64;
    at.div_euclid(MINUTE) * MINUTE + random.below(60) as i64 * 1000
}

/// What happens everywhere: deploys, new customers, moves, upgrades, a holiday, gaps, late lines, small things that fail.
fn ordinary(play: &mut Play, days: i64) {
    let mut random = Random::new(play.world.seed, "ordinary");
    let seed = play.world.seed;
    for day in 1..days {
        if day % 7 < 5 && random.chance(0.6) {
            // A deploy: everything fails for some seconds, or a part of it while one host after the other restarts.
            let mut from = some_time(&mut random, day, (9.0, 17.0));
            let hosts = 1 + random.below(4);
            for _ in 0..hosts {
                let most = if hosts == 1 { 20_000 } else { 8_000 };
                let until = from + 4_000 + random.below(most) as i64;
                let share = random.between(0.5, 1.0) / hosts as f64;
                play.world.faults.push(Fault { who: Who::Everybody, path: None, from, until, share, status: 502 });
                from += 90_000;
            }
        }
        if random.chance(0.5) {
            // A path fails a little for an hour.
            let from = some_time(&mut random, day, (0.0, 23.0));
            let until = from + HOUR;
            let path = Some(random.one(&ROUTES[..40]).path);
            play.world.faults.push(Fault { who: Who::Everybody, path, from, until, share: 0.015, status: 500 });
        }
        if random.chance(0.3) {
            // A host that writes late for two hours.
            let from = some_time(&mut random, day, (0.0, 22.0));
            let (until, late) = (from + 2 * HOUR, 1_000 + random.below(60_000) as i64);
            play.world.clockwork.push(Clockwork { source: 0, from, until, share: 0.05, late, off: 0 });
        }
        if random.chance(0.4) {
            // Somebody's office or servers move.
            let from = some_time(&mut random, day, (8.0, 18.0));
            let who = random.below(play.world.actors.len() as u64) as usize;
            let fixed = matches!(play.world.actors[who].addresses, Addresses::Fixed(_));
            if fixed && !play.world.actors[who].key.is_empty() && play.world.actors[who].until == i64::MAX {
                let new = Addresses::fixed(random.next(), 1 + random.below(2));
                let moved = Actor { from, ..play.world.actors[who].clone() }.at(new);
                play.world.actors[who].until = from;
                play.world.actors.push(moved);
            }
        }
        if random.chance(0.4) {
            // A customer changes its library.
            let from = some_time(&mut random, day, (8.0, 18.0));
            let who = random.below(play.world.actors.len() as u64) as usize;
            if !play.world.actors[who].key.is_empty() && play.world.actors[who].until == i64::MAX {
                let family = *random.one(&["node-fetch", "Java", "okhttp", "axios"]);
                let upgraded = Actor { from, ..play.world.actors[who].clone() }.agent(family);
                play.world.actors[who].until = from;
                play.world.actors.push(upgraded);
            }
        }
        if random.chance(0.35) {
            // A new customer: some at once, most over days.
            let from = some_time(&mut random, day, (8.0, 16.0));
            let scale = random.pareto(0.3, 0.8, 12.0);
            let new = caller(seed, &format!("new-{day:02}"), Kind::Office, scale);
            let ramp = Shape::Ramp { zone: 0, from, days: random.between(0.5, 6.0) };
            let shape = if random.chance(0.3) { new.shape } else { ramp };
            play.world.actors.push(Actor { shape, from, ..new });
        }
        if random.chance(0.3) {
            // Somebody begins to poll.
            let from = some_time(&mut random, day, (8.0, 18.0));
            let poller = caller(seed, &format!("poller-{day:02}"), Kind::Poller, 1.0);
            play.world.actors.push(Actor { from, ..poller });
        }
        if random.chance(0.3) {
            // A developer at home, once.
            let from = some_time(&mut random, day, (17.0, 23.0));
            let name = format!("key-{:03}", random.below(100));
            let minutes = random.between(10.0, 90.0) as i64;
            let laptop = play.world.actors[play.world.who(&name)].extra(seed, 0.7, from, from + minutes * MINUTE);
            let laptop = laptop.at(Addresses::fixed(random.next(), 1)).agent("PostmanRuntime");
            play.world.actors.push(Actor { injected: false, ..laptop });
        }
    }
    // A campaign of a few hours, a gap, and a holiday.
    if days > 12 {
        let from = some_time(&mut random, 11, (9.0, 14.0));
        play.campaign(2.4, from, 200.0, 25.0);
        let from = some_time(&mut random, 16, (9.0, 18.0));
        let (until, ramp) = (from + 6 * HOUR, 90 * MINUTE);
        play.world.sways.push(Sway { who: Who::Zone(1), from, until, factor: 1.5, ramp });
        let from = some_time(&mut random, 9, (2.0, 20.0));
        play.world.gaps.push((from, from + 70_000, None));
        play.world.holidays.push((0, MONDAY.div_euclid(DAY) + 1 + 17));
    }
}

/// Incidents of every kind, of all sizes, from the second day on.
fn incidents(play: &mut Play, plan: Plan) {
    let mut random = Random::new(plan.seed, "incidents");
    let mut taken: Vec<String> = Vec::new();
    let last = plan.days - 2;
    let mut pick = |play: &Play, at: i64, least: f64, most: f64| -> String {
        // A city may have nobody left of this size: then somebody of nearly this size.
        let mut tries = 0u32;
        loop {
            let wider = f64::from(1 << (tries / 5000).min(20));
            let (least, most) = (least / wider, most * wider);
            tries += 1;
            let actor = &play.world.actors[random.below(play.world.actors.len() as u64) as usize];
            let ordinary = matches!(actor.addresses, Addresses::Fixed(_)) && actor.noise.bursts == 0.0;
            let usual = play.world.usual(&actor.key, at);
            let steady =
                actor.pace.is_none() && !actor.shape.is_sharp() && actor.until == i64::MAX && actor.from == i64::MIN;
            if ordinary
                && steady
                && (least..most).contains(&usual)
                && !actor.key.is_empty()
                && !taken.contains(&actor.key)
            {
                taken.push(actor.key.clone());
                return actor.key.clone();
            }
        }
    };
    let mut times = Random::new(plan.seed, "times");
    let mut when = |day: i64| some_time(&mut times, 1 + day * last / 30, (8.5, 18.0));
    // How old the city is at a day of thirty.
    let age = |from: i64| (from - MONDAY) as f64 / DAY as f64;
    for (day, factor, minutes) in
        [(3, 25.0, 30.0), (9, 20.0, 20.0), (13, 10.0, 25.0), (17, 6.0, 40.0), (21, 4.0, 60.0), (26, 30.0, 15.0)]
    {
        let from = when(day);
        let name = pick(play, from, 2.0, 60.0);
        play.history = age(from);
        play.burst(&name, factor, from, minutes);
    }
    for (day, rate) in [(10, 300.0), (24, 120.0)] {
        let from = when(day);
        play.history = age(from);
        play.client_burst(rate, from, 25.0);
    }
    for (day, share, minutes) in [(5, 0.8, 20.0), (14, 0.5, 25.0), (22, 0.25, 40.0)] {
        let from = when(day);
        let path = play.busiest_path(from);
        play.history = age(from);
        play.endpoint_fails(path, share, 500, from, minutes);
    }
    for (day, share) in [(8, 0.9), (19, 0.5)] {
        let from = when(day);
        let name = pick(play, from, 4.0, 60.0);
        play.history = age(from);
        play.key_fails(&name, share, 422, from, 45.0);
    }
    for (day, networks, rate, minutes) in
        [(4, 30, 20.0, 60.0), (11, 37, 6.7, 180.0), (15, 8, 3.0, 240.0), (20, 20, 80.0, 45.0), (25, 5, 8.0, 120.0)]
    {
        let from = when(day);
        let name = pick(play, from, 0.3, 30.0);
        play.history = age(from);
        play.leak(&name, networks, rate, from, minutes);
    }
    for (day, path, seconds, calls, failing) in [
        (2, "/v1/shipments", 5.0, 500, true),
        (6, "/v1/documents/process", 173.0, 1000, false),
        (12, "/v1/invoices", 60.0, 300, false),
        (16, "/v1/events", 1.0, 1200, true),
        (23, "/v1/reports", 120.0, 200, true),
    ] {
        let from = when(day);
        let name = pick(play, from, 0.3, 30.0);
        play.history = age(from);
        let actor = play.repeats(&name, path, seconds, calls, from);
        if failing {
            actor.fails = vec![(1.0, 503)];
        }
        if seconds < 2.0 {
            let label = play.labels.pop().expect("its label");
            play.labels.push(label.loud(true));
        }
    }
    for (day, rate) in [(9, 5.0), (18, 4.0)] {
        let from = when(day);
        let name = pick(play, from, 0.05, 0.8);
        play.harvest(&name, rate, from, 24.0, day == 18);
    }
    let from = when(27);
    play.falls_silent(Who::Source(0), super::label::source("api"), from, 25.0);
    let label = play.labels.pop().expect("its label").or_on(lapwing::event::Subject::site());
    play.labels.push(label);
    // A swarm on the login page.
    let (from, salt) = (when(28), 91);
    let until = from + 20 * MINUTE;
    let swarm = Actor::new(plan.seed, "swarm", Shape::Flat, 1.0).agent("aiohttp").failing(0.97, 401);
    let swarm =
        swarm.only(super::cast::number(lapwing::event::Method::Post, "/login")).at(Addresses::strangers(salt, 40));
    play.world.actors.push(Actor { key: String::new(), source: 1, ..swarm }.extra(plan.seed, 240.0, from, until));
    let strangers = (0..40).map(|n| client(super::address::stranger(salt, n)));
    let label = Label::new("burst", endpoint("/login"), from, until).or_on(lapwing::event::Subject::site());
    play.add(label.or_by("error-spike").or_by("credential-stuffing").loud(true).touching(strangers));
}
