//! Keys in the wrong hands.

use super::address::Addresses;
use super::label::{Label, key};
use super::shape::{HOUR, MINUTE};
use super::story::{History, Story};

const fn story(name: &'static str, short: bool, tell: fn(&mut super::play::Play)) -> Story {
    Story { name, history: History::Long, short, tell }
}

pub const STORIES: &[Story] = &[
    story("leak: 37 strangers at 400 an hour", true, |play| {
        let from = play.at(20.0);
        play.leak("borealis", 37, 6.7, from, 120.0);
        play.labels[0].within = 5 * MINUTE;
    }),
    story("leak: 37 strangers at 60 a minute", true, |play| {
        let from = play.at(20.0);
        play.leak("sable", 37, 60.0, from, 60.0);
    }),
    story("leak: 12 strangers call as much as the whole service for three days", false, |play| {
        let from = play.at(20.0);
        play.leak("maple", 12, 100.0, from, 3.0 * 24.0 * 60.0);
    }),
    story("leak: 1 to 12 new networks", true, |play| {
        for (n, (name, networks)) in [("acme", 12), ("maple", 6), ("quartz", 3), ("raven", 1)].into_iter().enumerate() {
            let from = play.at(10.0 + 60.0 * n as f64);
            play.leak(name, networks, 4.0, from, 120.0);
        }
    }),
    story("leak: six strangers at one a minute", true, |play| {
        let from = play.at(20.0);
        play.leak("tulip", 6, 1.0, from, 240.0);
    }),
    story("leak: of a key that hardly anybody used", false, |play| {
        let from = play.at(20.0);
        play.leak("jade", 20, 10.0, from, 60.0);
    }),
    story("leak: of a customer whose address changes every few days", false, |play| {
        let from = play.at(20.0);
        play.leak("otter", 15, 12.0, from, 90.0);
    }),
    story("leak: of a customer in a cloud", false, |play| {
        let from = play.at(20.0);
        play.leak("cobalt", 60, 40.0, from, 120.0);
    }),
    story("leak: of an app's key, which everybody has: only more calls can show it", false, |play| {
        let from = play.at(20.0);
        play.leak("ember", 40, 150.0, from, 120.0);
        let label = play.labels[0].clone().loud(false).or_by("burst").within(30 * MINUTE);
        play.labels[0] = label;
    }),
    story("leak: at night, while its owner sleeps", false, |play| {
        let from = play.start + 17 * HOUR;
        play.leak("sable", 25, 20.0, from, 120.0);
    }),
    story("leak: one busy stranger with another agent", true, |play| {
        let from = play.at(20.0);
        play.leak("maple", 1, 15.0, from, 120.0);
        play.labels[0].size = None;
        play.labels[0].probe = false;
        play.labels[0] = play.labels[0].clone().or_by("burst");
    }),
    story("leak: a thief who changes his address every quarter of an hour", false, |play| {
        let (from, until) = (play.at(20.0), play.at(320.0));
        let world = &mut play.world;
        let addresses: Vec<u32> = (0..20).map(|n| super::address::stranger(77, n)).collect();
        let thief = world.actors[world.who("raven")].extra(world.seed, 8.0, from, until).agent("aiohttp");
        world.actors.push(thief.at(Addresses::Moving { addresses, every: 15 * MINUTE, from }));
        play.add(Label::new("leaked-key", key("raven"), from, until).or_by("burst").within(2 * HOUR));
    }),
];
