//! Keys whose users change: browsers use what only servers used.

use super::actor::Things;
use super::address::Addresses;
use super::cast::read;
use super::label::{Label, client, key};
use super::play::Play;
use super::shape::HOUR;
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

pub const STORIES: &[Story] = &[
    story("exposure: a server's key in a web page", true, |play| {
        let (from, until) = browsers(play, "quartz", 61, 20, 4.0, (0.4, 3.0));
        let strangers = (0..20).map(|n| client(super::address::stranger(61, n)));
        let label = Label::new("front-end-exposure", key("quartz"), from, until).or_by("leaked-key");
        play.add(label.within(10 * super::shape::MINUTE).touching(strangers));
    }),
    story("exposure: a page that hardly anybody visits", false, |play| {
        let (from, until) = browsers(play, "raven", 62, 6, 0.1, (0.4, 6.0));
        let strangers = (0..6).map(|n| client(super::address::stranger(62, n)));
        let label = Label::new("front-end-exposure", key("raven"), from, until).or_by("leaked-key");
        play.add(label.within(3 * HOUR).touching(strangers));
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
