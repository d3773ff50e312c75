//! What only days and weeks show: keys that are handed on, and keys whose days become otherwise. In a hamlet of a few
//! callers, from its first day on.

use lapwing::event::Method;

use super::actor::Actor;
use super::address::{Addresses, company};
use super::cast::{agent, number, read};
use super::label::{Label, key};
use super::play::Play;
use super::shape::{DAY, HOUR, Shape};
use super::story::{History, MONDAY, Story};
use super::world::Passers;

const fn story(name: &'static str, short: bool, tell: fn(&mut Play)) -> Story {
    Story { name, history: History::None, short, tell }
}

/// Nobody is there yet.
fn hamlet(play: &mut Play, days: i64) {
    play.world.actors.clear();
    play.world.passers = Passers { visits: 0.0, scans: 0.0, logins: 0.0 };
    play.lasts(days * DAY);
}

/// Midnight before a day.
const fn midnight(day: i64) -> i64 {
    MONDAY + day * DAY
}

/// Somebody who uses a key from an address of their own, on these days.
fn member(play: &mut Play, name: &str, n: u64, shape: Shape, days: (i64, i64)) {
    let member = Actor::new(play.world.seed, name, shape, 0.05).agent("okhttp").apart(n + 1);
    let (from, until) = (midnight(days.0) + 9 * HOUR, midnight(days.1));
    let address = company(play.world.seed ^ name.len() as u64, 100 * name.len() as u64 + n);
    play.world.actors.push(Actor { from, until, ..member }.at(Addresses::Fixed(vec![address])));
}

/// So many use a key from the beginning on, others come and stay.
fn members(play: &mut Play, name: &str, shape: Shape, first: u64, joins: &[i64]) {
    for n in 0..first {
        member(play, name, n, shape, (0, 100));
    }
    for (n, day) in joins.iter().enumerate() {
        member(play, name, first + n as u64, shape, (*day, 100));
    }
}

/// A key that is handed on: it must be told within the four weeks.
fn handed_on(play: &mut Play, name: &str, shape: Shape, first: u64, joins: &[i64]) {
    members(play, name, shape, first, joins);
    let from = midnight(joins[0]) + 9 * HOUR;
    play.add(Label::new("shared-key", key(name), from, midnight(27)));
}

/// A caller of a handful of routes, all day.
fn villager(play: &Play, name: &str, shape: Shape) -> Actor {
    let villager = Actor::new(play.world.seed, name, shape, 0.6).agent("okhttp");
    let routes = vec![(read("/v1/orders"), 0.5), (read("/v1/items/{id}"), 0.8), (read("/v1/customers/{id}"), 1.0)];
    Actor { routes, ..villager }
}

/// A caller that is otherwise from a day on.
fn becomes(play: &mut Play, name: &str, shape: Shape, day: i64, change: fn(Actor) -> Actor) {
    let before = villager(play, name, shape);
    let at = midnight(day);
    let after = change(Actor { from: at, ..before.clone() }.apart(9));
    play.world.actors.extend([Actor { until: at, ..before }, after]);
}

fn drifts(play: &mut Play, name: &str, shape: Shape, day: i64, change: fn(Actor) -> Actor) {
    becomes(play, name, shape, day, change);
    // What is otherwise for good is told on some days.
    let label = Label::new("drift", key(name), midnight(day), midnight(day + 3));
    play.add(label.within(26 * HOUR));
}

const OFFICE: Shape = Shape::Office { zone: 0, rest: 0.1 };

/// What it calls besides, as a share of all.
fn also(mut actor: Actor, route: u16, share: f64) -> Actor {
    actor.routes.iter_mut().for_each(|route| route.1 *= 1.0 - share);
    actor.routes.push((route, 1.0));
    actor
}

pub const STORIES: &[Story] = &[
    story("days: keys are handed on, to twenty and to eight", true, |play| {
        hamlet(play, 27);
        let each_day: Vec<i64> = (5..26).collect();
        handed_on(play, "relay", Shape::Flat, 3, &each_day);
        handed_on(play, "handed", Shape::Flat, 2, &[6, 8, 10, 13, 15, 17, 19, 21]);
        handed_on(play, "agencies", OFFICE, 3, &[7, 8, 9, 10, 11, 14, 15, 16, 17, 18, 21]);
        handed_on(play, "pals", Shape::Flat, 1, &[5, 8, 9, 12, 14, 16, 18, 20]);
    }),
    story(
        "days: offices have as many as ever, a team moves in at once, phones, people who come and go",
        true,
        |play| {
            hamlet(play, 27);
            members(play, "offices", OFFICE, 12, &[]);
            members(play, "movers", Shape::Flat, 3, &[12; 9]);
            // Nine at once are strangers: that they came may be said.
            let label = Label::new("leaked-key", key("movers"), midnight(12), midnight(14)).optional();
            play.add(label);
            members(play, "couple", Shape::Flat, 2, &[9]);
            for n in 0..24 {
                member(play, "guests", n, Shape::Flat, (n as i64, n as i64 + 5));
            }
            let phones = Addresses::Phones { salt: 5, phones: 60 };
            let app = Actor::new(play.world.seed, "app", Shape::Evening { zone: 0 }, 2.0).at(phones);
            play.world.actors.push(app.agent("AcmeApp"));
        },
    ),
    story("days: other routes, another program, other hours", true, |play| {
        hamlet(play, 20);
        drifts(play, "turned", Shape::Flat, 9, |actor| also(actor.only(read("/v1/rates")), read("/v1/shipments"), 0.5));
        drifts(play, "rewritten", Shape::Flat, 10, |actor| actor.agent("Go-http-client"));
        drifts(play, "partly", Shape::Flat, 11, |actor| also(actor, number(Method::Post, "/v1/search"), 0.45));
        drifts(play, "moved-on", OFFICE, 15, |actor| Actor { shape: Shape::Office { zone: 3, rest: 0.1 }, ..actor });
        drifts(play, "two-programs", Shape::Flat, 16, |actor| Actor {
            agents: vec![agent("Faraday"), agent("okhttp"), agent("okhttp"), agent("okhttp")],
            ..actor
        });
        for n in 0..6 {
            let steady = villager(play, &format!("steady-{n}"), if n < 3 { OFFICE } else { Shape::Flat });
            play.world.actors.push(steady);
        }
    }),
    story("days: a release changes all, weekends and other clocks, days that are never alike", true, |play| {
        hamlet(play, 24);
        for n in 0..8 {
            let shape = [OFFICE, Shape::Flat, Shape::Office { zone: 1, rest: 0.1 }][n % 3];
            becomes(play, &format!("customer-{n}"), shape, 11, |actor| also(actor, read("/v1/webhooks"), 0.5));
        }
        becomes(play, "newer", Shape::Flat, 3, |actor| also(actor, read("/v1/rates"), 0.6));
        becomes(play, "a-little", Shape::Flat, 14, |actor| also(actor, read("/v1/rates"), 0.12));
        let small = villager(play, "small", Shape::Flat);
        play.world.actors.push(Actor { scale: 0.08, ..small });
        for day in 0..24 {
            let other = villager(play, "never-alike", Shape::Flat).agent("curl").apart(day as u64);
            let (first, second) = ([0.1, 0.6, 0.3, 0.8, 0.2][day as usize % 5], [0.9, 0.7, 0.95][day as usize % 3]);
            let mut routes = other.routes.clone();
            (routes[0].1, routes[1].1) = (first, f64::max(first, second));
            play.world.actors.push(Actor { from: midnight(day), until: midnight(day + 1), routes, ..other });
        }
        let batches = villager(play, "batches", Shape::Hourly { minute: 5.0, minutes: 4.0 });
        play.world.actors.push(Actor { scale: 8.0, ..batches });
    }),
];
