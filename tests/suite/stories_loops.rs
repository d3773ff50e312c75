//! The same request again and again.

use super::actor::{Actor, Things};
use super::address::{Addresses, stranger};
use super::cast::{number, read};
use super::label::{Label, client, endpoint, key};
use super::shape::{HOUR, MINUTE, Shape};
use super::story::{History, Story};
use super::world::{Fault, Who};

const fn story(name: &'static str, short: bool, tell: fn(&mut super::play::Play)) -> Story {
    Story { name, history: History::Long, short, tell }
}

pub const STORIES: &[Story] = &[
    story("loop: a thousand calls in 48 hours, each for $1.58", false, |play| {
        let from = play.at(10.0);
        play.repeats("sable", "/v1/documents/process", 173.0, 1000, from);
        play.labels[0].within = HOUR;
    }),
    story("loop: a thousand calls in 48 hours that cost nothing", false, |play| {
        let from = play.at(10.0);
        play.repeats("sable", "/v1/reports", 173.0, 1000, from);
    }),
    story("loop: 1, 10, 60 and 173 s apart, failing", true, |play| {
        for (n, (name, seconds)) in
            [("maple", 1.0), ("sable", 10.0), ("acme", 60.0), ("iris", 173.0)].into_iter().enumerate()
        {
            let from = play.at(10.0 + 30.0 * n as f64);
            let calls = if seconds < 5.0 { 900 } else { 90 };
            play.repeats(name, "/v1/shipments", seconds, calls, from).fails = vec![(1.0, 503)];
            if seconds < 5.0 {
                let label = play.labels.pop().expect("its label");
                play.labels.push(label.loud(true));
            }
        }
    }),
    story("loop: 2, 20, 60 and 300 s apart, succeeding", true, |play| {
        for (n, (name, seconds)) in
            [("maple", 2.0), ("sable", 20.0), ("acme", 60.0), ("dune", 150.0)].into_iter().enumerate()
        {
            let from = play.at(10.0 + 20.0 * n as f64);
            play.repeats(name, "/v1/invoices", seconds, if seconds < 5.0 { 900 } else { 120 }, from);
        }
    }),
    story("loop: answers that alternate between 504 and 200", true, |play| {
        let from = play.at(10.0);
        play.repeats("quartz", "/v1/payments", 45.0, 200, from).fails = vec![(0.5, 504)];
    }),
    story("loop: a poller of long standing begins to fail", true, |play| {
        let from = play.at(20.0);
        let until = from + 3 * HOUR;
        let who = Who::Key("fjord".to_owned());
        play.world.faults.push(Fault { who, path: None, from, until, share: 1.0, status: 500 });
        play.add(Label::new("retry-loop", key("fjord"), from, until).or_by("error-spike").within(HOUR));
    }),
    story("loop: two keys on one path", false, |play| {
        let from = play.at(10.0);
        play.repeats("sable", "/v1/documents/process", 20.0, 300, from);
        play.repeats("raven", "/v1/documents/process", 31.0, 200, from + 5 * MINUTE);
    }),
    story("loop: an address without key, failing each second", true, |play| {
        let (from, until) = (play.at(10.0), play.at(40.0));
        let address = stranger(3, 3);
        let again = Actor::new(play.world.seed, "stuck", Shape::Flat, 1.0).agent("curl").failing(1.0, 500).every(1);
        let again = again.only(number(lapwing::event::Method::Post, "/v1/events")).asking(Things::Same);
        let again = again.at(Addresses::Fixed(vec![address]));
        play.world.actors.push(Actor { key: String::new(), from, until, injected: true, ..again });
        let label = Label::new("retry-loop", client(address), from, until).loud(true).or_by("error-spike");
        play.add(label.touching([endpoint("/v1/events")]));
    }),
    story("loop: a customer's search in a loop reads twice a second all day", false, |play| {
        let (from, until) = (play.at(10.0), play.at(610.0));
        let world = &mut play.world;
        let again = world.actors[world.who("tulip")].extra(world.seed, 1.0, from, until);
        let again = again.only(read("/v1/search")).asking(Things::Same);
        world.actors.push(Actor { pace: Some(500), ..again });
        let label =
            Label::new("burst", key("tulip"), from, until).or_by("retry-loop").touching([endpoint("/v1/search")]);
        play.add(label);
    }),
    story("loop: completions that cost two cents, every four seconds", false, |play| {
        let from = play.at(10.0);
        play.repeats("raven", "/v1/completions", 4.0, 2000, from);
    }),
];
