//! Who calls: a town of a few dozen callers for the stories, a city of five hundred for the long mix.

use lapwing::event::Method;

use super::actor::{Actor, Noise, Things};
use super::address::{Addresses, CLOUD_LIFE, company};
use super::cast::{agent, number, read};
use super::random::Random;
use super::shape::{DAY, HOUR, Shape};
use super::world::{Passers, World};

/// How many callers there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Size {
    /// A few, for quick runs.
    Small,
    /// As many as the reported figures are made with.
    Full,
}

/// The kinds of callers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Office,
    Evening,
    Machine,
    Cloud,
    Phones,
    Builds,
    Poller,
    Nightly,
    Weekly,
    Hourly,
    Dynamic,
    Wild,
}

/// A caller of a kind; `scale` is requests a minute at its peak.
pub fn caller(seed: u64, key: &str, kind: Kind, scale: f64) -> Actor {
    let mut random = Random::new(seed ^ 0x5EED, key);
    let zone = *random.one(&[0u8, 0, 0, 1, 1, 2, 3, 4, 5]);
    let salt = random.next();
    let office = Shape::Office { zone, rest: random.between(0.03, 0.25) };
    let noise = Noise::new(random.between(0.15, 0.45), random.between(0.05, 0.2));
    let mut actor = Actor { noise, ..Actor::new(seed, key, office, scale) };
    let minute = random.below(50) as f64;
    match kind {
        Kind::Office => {}
        Kind::Evening => actor.shape = Shape::Evening { zone },
        Kind::Machine => actor.shape = Shape::Flat,
        Kind::Cloud => {
            actor.shape = if random.chance(0.5) { Shape::Flat } else { office };
            let machines = 3 + random.below(20);
            actor.addresses = Addresses::Cloud { salt, networks: 4 + random.below(20), machines, life: CLOUD_LIFE };
        }
        Kind::Phones => {
            actor.shape = Shape::Evening { zone };
            actor.addresses = Addresses::Phones { salt, phones: 20 + (scale * 20.0) as u64 };
            actor.agents = vec![agent("AcmeApp"), agent("okhttp"), agent("Dart")];
        }
        Kind::Builds => {
            actor.addresses = Addresses::Builds { salt };
            actor.agents = vec![agent("curl"), agent("python-requests")];
        }
        Kind::Poller => {
            let pace = *random.one(&[5, 10, 30, 60, 60, 60, 300, 600]);
            let route =
                *random.one(&[read("/v1/jobs/{id}"), read("/v1/config"), read("/v1/rates"), read("/v1/orders")]);
            actor = actor.only(route).every(pace).asking(Things::Same);
            actor.addresses = Addresses::fixed(salt, 1);
        }
        Kind::Nightly => actor.shape = Shape::Nightly { zone, hour: 1.0 + minute / 12.0, minutes: 10.0 + minute },
        Kind::Weekly => {
            let weekday = random.below(7) as i64;
            actor.shape = Shape::Weekly { zone, weekday, hour: 2.0 + minute / 10.0, minutes: 20.0 + minute };
        }
        Kind::Hourly => actor.shape = Shape::Hourly { minute, minutes: 1.0 + random.below(6) as f64 },
        Kind::Dynamic => {
            let period = (1 + random.below(6) as i64) * DAY + random.below(20) as i64 * HOUR;
            actor.addresses = Addresses::Office { salt, period };
        }
        Kind::Wild => {
            actor.noise = Noise { bursts: random.between(0.004, 0.02), ..Noise::new(random.between(0.6, 1.2), 0.5) };
        }
    }
    actor
}

/// Machines without key that are there on every site.
fn machines(world: &mut World) {
    let seed = world.seed;
    for n in 0..2 {
        let mut probe = Actor::new(seed, &format!("probe {n}"), Shape::Flat, 6.0).only(read("/healthz")).every(10);
        probe = probe.asking(Things::Same).agent(if n == 0 { "kube-probe" } else { "Go-http-client" });
        probe = probe.at(Addresses::Fixed(vec![company(77 + n, 0)])).failing(0.0005, 503);
        world.actors.push(Actor { key: String::new(), ..probe });
    }
    for (family, rate) in [("Googlebot", 2.2), ("bingbot", 0.8)] {
        let crawler = Actor::new(seed, family, Shape::Flat, rate).agent(family).asking(Things::Any(20_000));
        let pages = vec![(read("/products/{id}"), 0.6), (read("/blog/{id}"), 0.8), (read("/docs/{id}"), 1.0)];
        let network = company(u64::from(family.len() as u32), 3) & 0xFFFF_FF00;
        let addresses = Addresses::Even((1..9).map(|n| network + 7 * n).collect());
        let noise = Noise::new(0.5, 0.3);
        let fails = vec![(0.04, 404), (0.002, 500)];
        world.actors.push(Actor { key: String::new(), source: 1, routes: pages, addresses, noise, fails, ..crawler });
    }
}

/// Named callers of every kind, and as many others as the size has.
pub fn town(seed: u64, size: Size, now: i64) -> World {
    let mut world = World::new(seed, now);
    let much = if size == Size::Small { 0.4 } else { 1.0 };
    let named = [
        ("acme", Kind::Office, 60.0),
        ("borealis", Kind::Office, 25.0),
        ("cobalt", Kind::Cloud, 30.0),
        ("dune", Kind::Office, 12.0),
        ("ember", Kind::Phones, 25.0),
        ("fjord", Kind::Poller, 1.0),
        ("gable", Kind::Nightly, 120.0),
        ("heron", Kind::Hourly, 40.0),
        ("iris", Kind::Office, 4.0),
        ("jade", Kind::Office, 0.6),
        ("kite", Kind::Builds, 8.0),
        ("lark", Kind::Weekly, 90.0),
        ("maple", Kind::Machine, 20.0),
        ("nova", Kind::Evening, 15.0),
        ("otter", Kind::Dynamic, 6.0),
        ("pine", Kind::Poller, 1.0),
        ("quartz", Kind::Machine, 6.0),
        ("raven", Kind::Machine, 2.0),
        ("sable", Kind::Office, 10.0),
        ("tulip", Kind::Office, 5.0),
    ];
    for (key, kind, scale) in named {
        let mut actor = caller(seed, key, kind, scale * much);
        // Those that stories are told about keep their zone and their addresses from seed to seed.
        match key {
            "acme" | "iris" | "jade" | "sable" => actor.shape = Shape::Office { zone: 0, rest: 0.08 },
            "borealis" => actor.shape = Shape::Office { zone: 1, rest: 0.1 },
            "dune" => actor.shape = Shape::Office { zone: 3, rest: 0.1 },
            "fjord" => actor.pace = Some(60_000),
            "gable" => actor.shape = Shape::Nightly { zone: 0, hour: 2.25, minutes: 20.0 },
            "cobalt" => actor.shape = Shape::Flat,
            _ => {}
        }
        world.actors.push(actor);
    }
    let others = if size == Size::Small { 12 } else { 60 };
    for n in 0..others {
        let mut random = Random::new(seed ^ 0xA11, &format!("kind {n}"));
        let kind = *random.one(&[
            Kind::Office,
            Kind::Office,
            Kind::Office,
            Kind::Evening,
            Kind::Machine,
            Kind::Poller,
            Kind::Hourly,
        ]);
        let scale = 20.0 * much / (n + 1) as f64 + 0.2;
        world.actors.push(caller(seed, &format!("consumer-{n:02}"), kind, scale));
    }
    // What only the back office calls.
    let office = Actor::new(seed, "backoffice", Shape::Office { zone: 0, rest: 0.1 }, 0.6).agent("axios");
    let routes = vec![(read("/v1/admin/accounts"), 0.7), (number(Method::Post, "/v1/users/{id}/roles"), 0.9)];
    let routes = [routes, vec![(number(Method::Delete, "/v1/webhooks/{id}"), 1.0)]].concat();
    world.actors.push(Actor { routes, ..office });
    machines(&mut world);
    world.passers = Passers { visits: 1.2 * much, scans: 25.0, logins: 4.0 * much };
    world
}

/// Five hundred keys of Zipf sizes; `wild` of them come in bursts without any order.
pub fn city(seed: u64, keys: usize, wild: usize, now: i64) -> World {
    let mut world = World::new(seed, now);
    let mut random = Random::new(seed, "city");
    for n in 0..keys {
        let kind = match random.below(100) {
            _ if wild > 0 && n % (keys / wild) == keys / wild / 2 => Kind::Wild,
            0..45 => Kind::Office,
            45..55 => Kind::Evening,
            55..65 => Kind::Machine,
            65..71 => Kind::Cloud,
            71..75 => Kind::Phones,
            75..79 => Kind::Builds,
            79..88 => Kind::Poller,
            88..92 => Kind::Nightly,
            92..93 => Kind::Weekly,
            93..96 => Kind::Hourly,
            _ => Kind::Dynamic,
        };
        let scale = 45.0 / ((n + 1) as f64).powf(0.9);
        let scale = if matches!(kind, Kind::Nightly | Kind::Weekly | Kind::Hourly) { 4.0 * scale } else { scale };
        world.actors.push(caller(seed, &format!("key-{n:03}"), kind, scale));
    }
    machines(&mut world);
    world.passers = Passers { visits: 2.0, scans: 40.0, logins: 4.0 };
    world
}
