//! Failures: of a path, a caller, everything; large and small.

use super::label::{Label, endpoint, key};
use super::shape::MINUTE;
use super::story::{History, Story};
use super::world::{Fault, Who};

const fn story(name: &'static str, short: bool, tell: fn(&mut super::play::Play)) -> Story {
    Story { name, history: History::Long, short, tell }
}

pub const STORIES: &[Story] = &[
    story("errors: the busiest path, 5 to 80 % of it", true, |play| {
        for (n, share) in [0.8, 0.5, 0.3, 0.15, 0.05].into_iter().enumerate() {
            let from = play.at(15.0 + 90.0 * n as f64);
            let path = play.busiest_path(from);
            play.endpoint_fails(path, share, if n % 2 == 0 { 502 } else { 500 }, from, 25.0);
        }
    }),
    story("errors: a path that few call, nearly all of it", false, |play| {
        let from = play.at(20.0);
        let rates = super::cast::ROUTES[..44].iter().map(|r| (r.path, play.rate_of(r.path, from)));
        let few = rates.filter(|(_, rate)| *rate > 1.5).min_by(|a, b| a.1.total_cmp(&b.1));
        let (path, _) = few.expect("a path that few call");
        play.endpoint_fails(path, 0.9, 500, from, 60.0);
    }),
    story("errors: everything fails for ten minutes", true, |play| {
        let from = play.at(20.0);
        play.outage(0.95, 502, from, 10.0);
    }),
    story("errors: a third of everything fails for twenty minutes", false, |play| {
        let from = play.at(20.0);
        play.outage(0.33, 503, from, 20.0);
    }),
    story("errors: an outage in which a hundred requests are retried each second", true, |play| {
        let from = play.at(20.0);
        play.outage(0.9, 503, from, 15.0);
        let keys: Vec<String> =
            play.world.actors.iter().filter(|a| !a.key.is_empty() && a.pace.is_none()).map(|a| a.key.clone()).collect();
        for name in keys.iter().take(20) {
            let world = &mut play.world;
            let again = world.actors[world.who(name)].extra(world.seed ^ 9, 12.0, from, from + 15 * MINUTE);
            world.actors.push(again.asking(super::actor::Things::Same).failing(0.9, 503));
        }
    }),
    story("errors: keys whose requests are refused, 20 to 90 %", true, |play| {
        for (n, (name, share, status)) in
            [("acme", 0.9, 400), ("maple", 0.6, 422), ("cobalt", 0.3, 404), ("borealis", 0.2, 400)]
                .into_iter()
                .enumerate()
        {
            let from = play.at(15.0 + 100.0 * n as f64);
            play.key_fails(name, share, status, from, 30.0);
        }
    }),
    story("errors: a revoked key, its owner goes on", true, |play| {
        let from = play.at(20.0);
        play.key_fails("maple", 1.0, 401, from, 60.0);
    }),
    story("errors: a key is throttled", false, |play| {
        let from = play.at(20.0);
        play.key_fails("cobalt", 0.7, 429, from, 40.0);
    }),
    story("errors: logins are broken for everybody", false, |play| {
        let from = play.at(20.0);
        play.outage(0.8, 401, from, 15.0);
    }),
    story("errors: a path fails for one customer only", false, |play| {
        let from = play.at(20.0);
        let until = from + 40 * MINUTE;
        let world = &mut play.world;
        let route = world.actors[world.who("acme")].routes[0].0;
        let path = super::cast::ROUTES[usize::from(route)].path;
        let who = Who::Key("acme".to_owned());
        world.faults.push(Fault { who, path: Some(path), from, until, share: 1.0, status: 500 });
        play.add(Label::new("error-spike", key("acme"), from, until).touching([endpoint(path)]));
    }),
];
