//! What is far larger, or far slower, than usual.

use super::actor::Actor;
use super::label::{Label, endpoint, key};
use super::play::Play;
use super::shape::{HOUR, MINUTE};
use super::story::{History, Story};
use super::world::{Slowness, Who};

const fn story(name: &'static str, short: bool, tell: fn(&mut Play)) -> Story {
    Story { name, history: History::Long, short, tell }
}

pub const STORIES: &[Story] = &[
    story("sizes: the answers of a key are thirty times as large", true, |play| {
        let (from, until) = (play.at(20.0), play.at(140.0));
        let world = &mut play.world;
        let who = world.who("maple");
        let large = Actor { from, until, large: 30.0, ..world.actors[who].clone() }.apart(3);
        let after = Actor { from: until, ..world.actors[who].clone() }.apart(4);
        world.actors[who].until = from;
        world.actors.extend([large, after]);
        let label = Label::new("payload-size", key("maple"), from, until);
        play.add(label);
    }),
    story("sizes: the answers of a key are twelve times as large", false, |play| {
        let (from, until) = (play.at(20.0), play.at(140.0));
        let world = &mut play.world;
        let who = world.who("quartz");
        let large = Actor { from, until, large: 12.0, ..world.actors[who].clone() }.apart(3);
        let after = Actor { from: until, ..world.actors[who].clone() }.apart(4);
        world.actors[who].until = from;
        world.actors.extend([large, after]);
        play.add(Label::new("payload-size", key("quartz"), from, until).within(HOUR));
    }),
    story("sizes: a customer asks for pages twice as large, another has a report of everything once", false, |play| {
        let from = play.at(20.0);
        for (name, large, until) in [("maple", 2.0, i64::MAX), ("acme", 8.0, from + 3 * MINUTE)] {
            let world = &mut play.world;
            let who = world.who(name);
            let then = Actor { from, until, large, ..world.actors[who].clone() }.apart(5);
            let after = Actor { from: until, ..world.actors[who].clone() }.apart(6);
            world.actors[who].until = from;
            world.actors.extend([then, after]);
        }
        play.lasts(4 * HOUR);
    }),
    story("sizes: everybody's answers on a path are ten times as large", false, |play| {
        let from = play.at(20.0);
        play.world.slowness.push(Slowness {
            who: Who::Everybody,
            path: Some("/v1/orders"),
            from,
            until: from + 6 * HOUR,
            slower: 1.0,
            larger: 10.0,
        });
        play.lasts(7 * HOUR);
    }),
    story("slow: the busiest path of some work takes eight times as long", true, |play| {
        let (from, until) = (play.at(20.0), play.at(80.0));
        let path = play.busiest_of(from, 80);
        let who = Who::Everybody;
        play.world.slowness.push(Slowness { who, path: Some(path), from, until, slower: 8.0, larger: 1.0 });
        play.add(Label::new("slow-response", endpoint(path), from, until));
    }),
    story("slow: a path takes four times as long", false, |play| {
        let (from, until) = (play.at(20.0), play.at(110.0));
        let path = play.busiest_of(from, 80);
        let who = Who::Everybody;
        play.world.slowness.push(Slowness { who, path: Some(path), from, until, slower: 4.0, larger: 1.0 });
        play.add(Label::new("slow-response", endpoint(path), from, until));
    }),
    story("slow: everything takes twice as long for an hour, and half a minute twenty times", true, |play| {
        let from = play.at(20.0);
        let who = Who::Everybody;
        let slow = Slowness { who, path: None, from, until: from + HOUR, slower: 1.8, larger: 1.0 };
        let blip = Slowness { from: from + 2 * HOUR, until: from + 2 * HOUR + 30_000, slower: 20.0, ..slow.clone() };
        play.world.slowness.extend([slow, blip]);
        play.lasts(4 * HOUR);
    }),
];
