//! People's keys, and where they are used.

use super::actor::Actor;
use super::address::{Addresses, company, stranger};
use super::label::{Label, client, key};
use super::places::{City, FRANKFURT, HOMES, SINGAPORE, place};
use super::play::Play;
use super::shape::{HOUR, MINUTE, Shape};
use super::story::{History, Story};

const fn story(name: &'static str, short: bool, tell: fn(&mut Play)) -> Story {
    Story { name, history: History::Long, short, tell }
}

const ZURICH: City = HOMES[0];
const BERLIN: City = HOMES[1];
const PARIS: City = HOMES[2];
const NEW_YORK: City = HOMES[4];
const TOKYO: City = HOMES[6];
const MUMBAI: City = HOMES[7];

/// Uses a key by hand at an address in a city, from some minutes after the beginning on until others.
fn uses(play: &mut Play, name: &str, address: u32, (city, hosted): (City, bool), rate: f64, minutes: (f64, f64)) {
    let (from, until) = (play.at(minutes.0), play.at(minutes.1));
    let seed = play.world.seed;
    let person = Actor::new(seed, name, Shape::Flat, rate).agent("PostmanRuntime").apart(from as u64);
    let person = Actor { from, until, ..person }.at(Addresses::Fixed(vec![address]));
    play.world.actors.push(person.failing(0.005, 500));
    play.world.places.push((address & 0xFFFF_FF00, place(city, hosted)));
}

/// Somebody at home, and then elsewhere: told.
fn travels(
    play: &mut Play,
    name: &str,
    salt: u64,
    cities: (City, City),
    rates: (f64, f64),
    home: f64,
    away: (f64, f64),
) {
    let there = stranger(salt, 1);
    uses(play, name, company(salt, 1), (cities.0, false), rates.0, (0.0, home));
    uses(play, name, there, (cities.1, false), rates.1, away);
    let label = Label::new("impossible-travel", key(name), play.at(away.0), play.at(away.1));
    let within = if rates.1 < 0.2 { 2 * HOUR } else { HOUR };
    play.add(label.within(within).touching([client(there)]));
}

pub const STORIES: &[Story] = &[
    story("travel: Singapore, and half an hour later Frankfurt", true, |play| {
        travels(play, "wayne", 301, (SINGAPORE, FRANKFURT), (2.0, 2.0), 120.0, (150.0, 210.0));
    }),
    story("travel: at home, and in Tokyo at the same time", true, |play| {
        travels(play, "bruce", 302, (BERLIN, TOKYO), (0.5, 0.3), 400.0, (180.0, 300.0));
    }),
    story("travel: a few calls from the other side of the world", false, |play| {
        travels(play, "selina", 303, (NEW_YORK, MUMBAI), (0.3, 0.1), 300.0, (200.0, 320.0));
    }),
    story("travel: 670 kilometres in a quarter of an hour", false, |play| {
        travels(play, "alfred", 304, (ZURICH, BERLIN), (1.0, 1.0), 120.0, (135.0, 200.0));
    }),
    story("travel: a flight of fourteen hours, a train to Paris, a tunnel's end", true, |play| {
        uses(play, "flyer", company(311, 1), (SINGAPORE, false), 1.0, (0.0, 120.0));
        uses(play, "flyer", stranger(311, 1), (FRANKFURT, false), 1.0, (960.0, 1080.0));
        uses(play, "rider", company(312, 1), (ZURICH, false), 1.0, (0.0, 120.0));
        uses(play, "rider", stranger(312, 1), (PARIS, false), 1.0, (240.0, 300.0));
        uses(play, "tunneller", company(313, 1), (BERLIN, false), 1.0, (0.0, 400.0));
        uses(play, "tunneller", stranger(313, 1), (NEW_YORK, true), 1.0, (180.0, 240.0));
        play.lasts(19 * HOUR);
    }),
    story("travel: keys behind a gateway far away, a developer on the road with a key of servers", false, |play| {
        // An office far away, whose people are there all day.
        for n in 0..4 {
            uses(play, &format!("branch-{n}"), stranger(330, 1), (NEW_YORK, false), 0.5, (0.0, 600.0));
        }
        for n in 0..5 {
            let name = format!("clerk-{n}");
            uses(play, &name, company(320 + n, 1), (ZURICH, false), 0.5, (0.0, 600.0));
            uses(play, &name, stranger(330, 1), (NEW_YORK, false), 0.5, (180.0, 600.0));
        }
        let (from, until) = (play.at(180.0), play.at(240.0));
        let seed = play.world.seed;
        let servers = Actor::new(seed, "plant", Shape::Flat, 6.0).agent("python-requests");
        let road = Actor { from, until, ..servers.clone() }.apart(1).at(Addresses::Fixed(vec![stranger(331, 1)]));
        play.world.actors.extend([servers, Actor { scale: 0.4, ..road.agent("PostmanRuntime") }]);
        play.world.places.push((stranger(331, 1) & 0xFFFF_FF00, place(TOKYO, false)));
        play.lasts(10 * HOUR + 10 * MINUTE);
    }),
];
