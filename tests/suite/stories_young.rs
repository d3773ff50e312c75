//! Incidents before much is known: in the first minutes, hours and days.

use lapwing::event::Subject;

use super::actor::{Actor, Things};
use super::address::Addresses;
use super::label::{Label, key};
use super::people::{Kind, caller};
use super::shape::{HOUR, MINUTE};
use super::story::{History, Story};

const fn story(name: &'static str, history: History, short: bool, tell: fn(&mut super::play::Play)) -> Story {
    Story { name, history, short, tell }
}

pub const STORIES: &[Story] = &[
    story("first hour: nothing happens", History::None, true, |play| play.lasts(4 * HOUR)),
    story("first hour: a loop that fails every 20 s", History::None, true, |play| {
        let from = play.at(25.0);
        play.repeats("sable", "/v1/shipments", 20.0, 200, from).fails = vec![(1.0, 503)];
    }),
    story("first hour: a loop that fails was there before us", History::None, false, |play| {
        let from = play.start;
        play.repeats("sable", "/v1/shipments", 20.0, 400, from).fails = vec![(1.0, 503)];
    }),
    story("first hour: a path fails", History::Hour, true, |play| {
        let from = play.at(10.0);
        let path = play.busiest_path(from);
        play.endpoint_fails(path, 0.8, 500, from, 20.0);
    }),
    story("first hours: everything fails", History::Hour, true, |play| {
        let from = play.at(40.0);
        play.outage(0.9, 502, from, 10.0);
    }),
    story("first day: one key makes ten times the whole traffic", History::Day, true, |play| {
        let from = play.start + 6 * HOUR;
        play.burst_by("maple", 1500.0, from, 30.0);
    }),
    story("first day: a loop that costs $1.58 a call", History::Hour, false, |play| {
        let from = play.start + 3 * HOUR;
        play.repeats("iris", "/v1/documents/process", 120.0, 120, from);
    }),
    story("first day: a key given to forty strangers", History::Day, false, |play| {
        let from = play.start + 5 * HOUR;
        let until = from + 3 * HOUR;
        let new = caller(play.world.seed, "shared", Kind::Machine, 20.0).at(Addresses::strangers(40, 40));
        play.world.actors.push(Actor { from, until, injected: true, ..new.asking(Things::Any(400)) });
        play.add(Label::new("leaked-key", key("shared"), from, until).within(2 * HOUR).or_by("burst"));
    }),
    story("day 2: a leak of 37 strangers", History::Days3, true, |play| {
        let from = play.at(30.0);
        play.leak("borealis", 37, 10.0, from, 60.0);
    }),
    story("day 3: keys at 20, 10 and 5 times their rate", History::Days3, true, |play| {
        for (n, (name, factor)) in [("maple", 20.0), ("sable", 10.0), ("acme", 5.0)].into_iter().enumerate() {
            let from = play.at(10.0 + 90.0 * n as f64);
            play.burst(name, factor, from, 30.0);
            play.labels[n].size = None;
        }
    }),
    story("day 3: the site is silent for half an hour", History::Days3, false, |play| {
        let from = play.at(60.0);
        play.falls_silent(super::world::Who::Everybody, Subject::site(), from, 30.0);
        let label = play.labels.pop().expect("its label");
        play.add(label.or_on(super::label::source("api")).or_on(super::label::source("web")));
    }),
    story("day 7: keys at 20, 10 and 5 times their rate", History::Days6, false, |play| {
        for (n, (name, factor)) in [("maple", 20.0), ("sable", 10.0), ("acme", 5.0)].into_iter().enumerate() {
            let from = play.at(10.0 + 90.0 * n as f64);
            play.burst(name, factor, from, 30.0);
            play.labels[n].size = None;
        }
    }),
    story("day 7: a path fails by half", History::Days6, false, |play| {
        let from = play.at(30.0);
        let path = play.busiest_path(from);
        play.endpoint_fails(path, 0.5, 500, from, 25.0);
    }),
    story("second hour: four ordinary hours", History::Hour, true, |play| play.lasts(4 * HOUR)),
    story("second day: an ordinary day", History::Day, false, |play| play.lasts(28 * HOUR)),
    story("day 3: a quarter of an hour of forty times, by a stranger", History::Days3, false, |play| {
        let from = play.at(30.0);
        play.client_burst(300.0, from, 15.0);
        play.labels[0].size = None;
        play.labels[0].within = 10 * MINUTE;
    }),
];
