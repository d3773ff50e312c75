//! More than usual: of a key, a stranger, an endpoint, everybody.

use lapwing::event::Subject;

use super::actor::{Actor, Things};
use super::address::{Addresses, stranger};
use super::cast::{number, read};
use super::label::{Label, client, endpoint, key};
use super::shape::{DAY, HOUR, MINUTE, Shape};
use super::story::{History, Story};

const fn story(name: &'static str, short: bool, tell: fn(&mut super::play::Play)) -> Story {
    Story { name, history: History::Long, short, tell }
}

pub const STORIES: &[Story] = &[
    story("burst: keys at 2 to 20 times their usual rate", true, |play| {
        for (n, (name, factor)) in
            [("maple", 20.0), ("sable", 10.0), ("acme", 5.0), ("cobalt", 3.0), ("borealis", 2.0), ("quartz", 10.0)]
                .into_iter()
                .enumerate()
        {
            let from = play.at(10.0 + 75.0 * n as f64);
            play.burst(name, factor, from, 25.0);
        }
    }),
    story("burst: the same again with other keys", false, |play| {
        for (n, (name, factor)) in
            [("quartz", 20.0), ("tulip", 10.0), ("maple", 5.0), ("sable", 3.0), ("cobalt", 2.0), ("raven", 20.0)]
                .into_iter()
                .enumerate()
        {
            let from = play.at(10.0 + 75.0 * n as f64);
            play.burst(name, factor, from, 25.0);
        }
    }),
    story("burst: a large key four times up for an hour", false, |play| {
        let from = play.at(30.0);
        play.burst("acme", 4.0, from, 60.0);
    }),
    story("burst: a key, all of it on one endpoint", true, |play| {
        let from = play.at(20.0);
        play.burst_by("borealis", 400.0, from, 20.0);
        let world = &mut play.world;
        let last = world.actors.pop().expect("the burst");
        world.actors.push(last.only(read("/v1/items")));
        play.labels[0].touches.push(endpoint("/v1/items"));
    }),
    story("burst: a tiny key, suddenly once a second", true, |play| {
        let from = play.at(20.0);
        play.burst_by("jade", 60.0, from, 20.0);
    }),
    story("burst: a minute of 600 a minute", false, |play| {
        let from = play.at(20.0);
        play.burst_by("maple", 600.0, from, 1.5);
    }),
    story("burst: the nightly job at noon", true, |play| {
        let from = play.at(152.0);
        let rate = play.world.actors[play.world.who("gable")].scale;
        play.burst_by("gable", rate, from, 20.0);
    }),
    story("burst: slowly rising to eight times within forty minutes", false, |play| {
        let from = play.at(20.0);
        let usual = play.world.usual("maple", from);
        for step in 0..8 {
            let (begin, end) = (from + step * 5 * MINUTE, from + 80 * MINUTE);
            let world = &mut play.world;
            let more = world.actors[world.who("maple")].extra(world.seed ^ step as u64, usual, begin, end);
            world.actors.push(more);
        }
        play.add(
            Label::new("burst", key("maple"), from, from + 80 * MINUTE)
                .within(40 * MINUTE)
                .touching(super::cast::ROUTES[..44].iter().map(|r| endpoint(r.path))),
        );
    }),
    story("burst: five times up for three days does not become normal", false, |play| {
        let from = play.at(20.0);
        play.burst("maple", 5.0, from, 3.0 * 24.0 * 60.0);
        play.lasts(3 * DAY + 6 * HOUR);
    }),
    story("burst: two keys at once are two", true, |play| {
        let from = play.at(20.0);
        play.burst("sable", 15.0, from, 20.0);
        play.burst("maple", 8.0, from + 40_000, 20.0);
    }),
    story("burst: thirty keys at once are one", false, |play| {
        let from = play.at(20.0);
        let names: Vec<String> =
            play.world.actors.iter().filter(|a| !a.key.is_empty()).map(|a| a.key.clone()).take(30).collect();
        for name in &names {
            let world = &mut play.world;
            let more = world.actors[world.who(name)].extra(world.seed, 80.0, from, from + 20 * MINUTE);
            world.actors.push(more);
        }
        let touches = names.iter().map(|n| key(n)).chain(super::cast::ROUTES.iter().map(|r| endpoint(r.path)));
        play.add(Label::new("burst", Subject::site(), from, from + 20 * MINUTE).loud(true).touching(touches));
    }),
    story("burst: one key ten times up in the middle of a campaign", false, |play| {
        let from = play.at(20.0);
        play.campaign(2.5, from, 150.0, 20.0);
        play.burst("maple", 20.0, from + 70 * MINUTE, 20.0);
    }),
    story("burst: strangers without key, 20 to 600 a minute", true, |play| {
        for (n, rate) in [600.0, 200.0, 60.0, 20.0].into_iter().enumerate() {
            let from = play.at(10.0 + 90.0 * n as f64);
            play.client_burst(rate, from, 30.0);
        }
    }),
    story("burst: one path called by everybody", true, |play| {
        let from = play.at(20.0);
        play.endpoint_burst("/v1/config", 400.0, from, 25.0);
    }),
    story("swarm: 34 strangers with one agent try logins", true, |play| {
        let from = play.at(20.0);
        let until = from + 30 * MINUTE;
        let salt = 34;
        let swarm = Actor::new(play.world.seed, "swarm", Shape::Flat, 1.0).agent("aiohttp").failing(0.97, 401);
        let swarm = swarm.only(number(lapwing::event::Method::Post, "/login")).asking(Things::Any(100));
        let swarm = Actor { key: String::new(), source: 1, ..swarm }.at(Addresses::strangers(salt, 34));
        play.world.actors.push(swarm.extra(play.world.seed, 340.0, from, until));
        let strangers: Vec<Subject> = (0..34).map(|n| client(stranger(salt, n))).collect();
        let label = Label::new("burst", endpoint("/login"), from, until).or_on(Subject::site()).or_by("error-spike");
        play.add(label.or_by("credential-stuffing").loud(true).touching(strangers));
    }),
    story("swarm: an attacker who changes his address every ten minutes", false, |play| {
        let from = play.at(20.0);
        let until = from + HOUR;
        let addresses: Vec<u32> = (0..6).map(|n| stranger(35, n)).collect();
        let moving = Addresses::Moving { addresses: addresses.clone(), every: 10 * MINUTE, from };
        let reader = Actor::new(play.world.seed, "mover", Shape::Flat, 1.0).agent("aiohttp").at(moving);
        let reader = Actor { key: String::new(), source: 1, ..reader.only(read("/products/{id}")) };
        play.world.actors.push(reader.asking(Things::Any(5000)).failing(0.0, 404).extra(
            play.world.seed,
            240.0,
            from,
            until,
        ));
        let mut label = Label::new("burst", endpoint("/products/{id}"), from, until).or_by("harvesting").loud(true);
        label = label.or_on(Subject::site());
        for address in addresses {
            label = label.or_on(client(address));
        }
        play.add(label);
    }),
    story("burst: everything ten times up at night", false, |play| {
        let from = play.start + 16 * HOUR;
        play.campaign(10.0, from, 30.0, 0.0);
        if let Some(label) = play.labels.last_mut() {
            label.optional = false;
            *label = label.clone().loud(true);
        }
    }),
];
