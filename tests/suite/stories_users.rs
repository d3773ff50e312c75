//! Keys whose users change: browsers use what only servers used.

use super::actor::{Actor, Things};
use super::address::Addresses;
use super::cast::read;
use super::label::{Label, client, key};
use super::play::Play;
use super::shape::{HOUR, MINUTE, Shape};
use super::story::{History, Story};

const fn story(name: &'static str, short: bool, tell: fn(&mut Play)) -> Story {
    Story { name, history: History::Long, short, tell }
}

/// Browsers of strangers with somebody's key.
fn browsers(play: &mut Play, name: &str, salt: u64, networks: u64, rate: f64, hours: (f64, f64)) -> (i64, i64) {
    let (from, until) = (play.at(60.0 * hours.0), play.at(60.0 * hours.1));
    let world = &mut play.world;
    let visitors = world.actors[world.who(name)].extra(world.seed ^ salt, rate, from, until);
    world.actors.push(visitors.at(Addresses::strangers(salt, networks)).agent("Chrome"));
    (from, until)
}

/// The same, by a web page.
fn pages(play: &mut Play, name: &str, salt: u64, networks: u64, rate: f64, hours: (f64, f64)) -> (i64, i64) {
    let of = browsers(play, name, salt, networks, rate, hours);
    play.world.actors.last_mut().expect("just pushed").page = true;
    of
}

/// What is true of them.
fn exposed(play: &mut Play, name: &str, (salt, networks): (u64, u64), (from, until): (i64, i64), within: i64) {
    let strangers = (0..networks).map(|n| client(super::address::stranger(salt, n)));
    let label = Label::new("front-end-exposure", key(name), from, until).or_by("leaked-key");
    play.add(label.within(within).touching(strangers));
}

pub const STORIES: &[Story] = &[
    story("exposure: a server's key in a web page", true, |play| {
        let (from, until) = browsers(play, "quartz", 61, 20, 4.0, (0.4, 3.0));
        exposed(play, "quartz", (61, 20), (from, until), 10 * MINUTE);
    }),
    story("exposure: a page that hardly anybody visits", false, |play| {
        let (from, until) = browsers(play, "raven", 62, 6, 0.1, (0.4, 6.0));
        exposed(play, "raven", (62, 6), (from, until), 3 * HOUR);
    }),
    story("exposure: a shop's page with many visitors", true, |play| {
        let (from, until) = pages(play, "maple", 67, 60, 20.0, (0.4, 2.4));
        exposed(play, "maple", (67, 60), (from, until), 5 * MINUTE);
    }),
    story("exposure: a page that two offices have open all day", false, |play| {
        let (from, until) = pages(play, "quartz", 68, 2, 3.0, (0.4, 4.0));
        exposed(play, "quartz", (68, 2), (from, until), 2 * HOUR);
    }),
    story("exposure: a page's own key from its first hour on, a crawler that found a link", false, |play| {
        let from = play.at(20.0);
        let seed = play.world.seed;
        let page = Actor::new(seed, "widget", Shape::Flat, 2.0).agent("Firefox").at(Addresses::strangers(69, 40));
        play.world.actors.push(Actor { from, page: true, ..page });
        let world = &mut play.world;
        let crawler = world.actors[world.who("maple")].extra(seed ^ 0x46, 0.1, from, from + 5 * HOUR);
        world.actors.push(crawler.at(Addresses::strangers(70, 2)).agent("Googlebot"));
        // That somebody else uses the key may be said.
        let strangers = (0..2).map(|n| client(super::address::stranger(70, n)));
        let label = Label::new("leaked-key", key("maple"), from, from + 5 * HOUR).touching(strangers);
        play.add(label.optional());
        play.lasts(10 * HOUR);
    }),
    story("exposure: developers open links, a monitor looks like a browser", true, |play| {
        browsers(play, "maple", 63, 1, 0.3, (0.4, 0.8));
        browsers(play, "maple", 64, 1, 0.3, (4.0, 4.4));
        browsers(play, "sable", 65, 1, 0.5, (1.0, 1.3));
        let (from, until) = (play.at(30.0), play.at(600.0));
        let world = &mut play.world;
        let monitor = world.actors[world.who("tulip")].extra(world.seed ^ 0x42, 0.2, from, until).every(300);
        let monitor = monitor.only(read("/v1/users/{id}"));
        world.actors.push(monitor.asking(Things::Same).at(Addresses::strangers(66, 2)).agent("Chrome"));
        play.lasts(10 * HOUR);
    }),
];
