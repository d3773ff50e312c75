//! Silence, harvesting, and several things at once.

use lapwing::event::Subject;

use super::actor::{Actor, Things};
use super::address::{Addresses, stranger};
use super::cast::read;
use super::label::{Label, client, endpoint, key, source};
use super::shape::{HOUR, MINUTE, Shape};
use super::story::{History, Story};
use super::world::Who;

const fn story(name: &'static str, short: bool, tell: fn(&mut super::play::Play)) -> Story {
    Story { name, history: History::Long, short, tell }
}

pub const STORIES: &[Story] = &[
    story("silence: nobody comes for half an hour", true, |play| {
        let from = play.at(20.0);
        play.falls_silent(Who::Everybody, Subject::site(), from, 30.0);
        let label = play.labels.pop().expect("its label");
        play.add(label.or_on(source("api")).or_on(source("web")));
    }),
    story("silence: the log of the API stops, the other goes on", true, |play| {
        let (from, until) = (play.at(20.0), play.at(60.0));
        play.world.gaps.push((from, until, Some(0)));
        let paths = super::cast::ROUTES.iter().map(|r| endpoint(r.path));
        let label = Label::new("traffic-drop", source("api"), from, until).or_on(Subject::site());
        play.add(label.touching(paths));
    }),
    story("silence: the largest customer has gone", true, |play| {
        let from = play.at(40.0);
        play.falls_silent(Who::Key("maple".to_owned()), key("maple"), from, 120.0);
        let label = play.labels.pop().expect("its label");
        play.add(label.within(30 * MINUTE));
    }),
    story("silence: a tenth of everybody is left", false, |play| {
        let from = play.at(40.0);
        play.world.sways.push(super::world::Sway {
            who: Who::Everybody,
            from,
            until: from + HOUR,
            factor: 0.1,
            ramp: 0,
        });
        let label = Label::new("traffic-drop", Subject::site(), from, from + HOUR).or_on(source("api"));
        play.add(label.or_on(source("web")));
    }),
    story("harvest: five things a minute for a day", true, |play| {
        let from = play.at(20.0);
        play.harvest("jade", 5.0, from, 24.0, false);
    }),
    story("harvest: five things a minute by keys that read a thousand on other days", false, |play| {
        for name in ["iris", "tulip"] {
            let from = play.at(20.0);
            play.harvest(name, 5.0, from, 24.0, false);
            play.labels.last_mut().expect("its label").within = 13 * HOUR;
        }
    }),
    story("harvest: thing after thing, in order, by a small key", false, |play| {
        let from = play.at(20.0);
        play.harvest("raven", 4.0, from, 24.0, true);
    }),
    story("harvest: one to three things a minute by keys that read little", false, |play| {
        for (name, rate) in [("jade", 3.0), ("tulip", 2.0), ("iris", 1.0)] {
            let from = play.at(20.0);
            play.harvest(name, rate, from, 24.0, false);
            play.labels.last_mut().expect("its label").within = 12 * HOUR;
        }
    }),
    story("harvest: a stranger reads the catalogue, three things a minute", false, |play| {
        let from = play.at(20.0);
        let until = from + 24 * HOUR;
        let address = stranger(8, 8);
        let reader =
            Actor::new(play.world.seed, "reader", Shape::Flat, 3.0).agent("Chrome").only(read("/products/{id}"));
        let reader = reader.asking(Things::Walk).at(Addresses::Fixed(vec![address])).failing(0.02, 404);
        let reader = Actor { key: String::new(), source: 1, ..reader }.extra(play.world.seed, 3.0, from, until);
        play.world.actors.push(reader);
        let label = Label::new("harvesting", client(address), from, until).or_by("burst").within(6 * HOUR);
        play.add(label.touching([endpoint("/products/{id}")]));
    }),
    story("at once: a leak, a loop and a burst on three keys", true, |play| {
        let from = play.at(20.0);
        play.leak("borealis", 30, 20.0, from, 60.0);
        play.repeats("iris", "/v1/documents/process", 15.0, 200, from + MINUTE);
        play.burst("sable", 20.0, from + 2 * MINUTE, 25.0);
    }),
    story("at once: a path fails while another key bursts elsewhere", false, |play| {
        let from = play.at(20.0);
        let path = play.busiest_path(from);
        play.endpoint_fails(path, 0.7, 502, from, 25.0);
        play.burst("maple", 20.0, from + 5 * MINUTE, 25.0);
        let world = &mut play.world;
        let last = world.actors.pop().expect("the burst");
        let elsewhere = if path == "/v1/rates" { "/v1/items" } else { "/v1/rates" };
        world.actors.push(last.only(read(elsewhere)));
        play.labels[1].touches.push(endpoint(elsewhere));
    }),
    story("at once: an outage, and a leak that began before it", false, |play| {
        let from = play.at(20.0);
        play.leak("sable", 30, 30.0, from, 120.0);
        play.outage(0.9, 502, from + 30 * MINUTE, 12.0);
    }),
];
