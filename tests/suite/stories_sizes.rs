//! What is far larger, or far slower, than usual.

use lapwing::event::{Method, Subject};

use super::actor::Actor;
use super::cast::ROUTES;
use super::label::{Label, endpoint, key, source};
use super::play::Play;
use super::shape::{HOUR, MINUTE};
use super::story::{History, Story};
use super::world::{Slowness, Who};

const fn story(name: &'static str, short: bool, tell: fn(&mut Play)) -> Story {
    Story { name, history: History::Long, short, tell }
}

/// The first of these whose answers usually have so many bytes: what stays small however much it grows is nothing.
fn with_answers(play: &Play, names: &[&'static str], least: f64) -> &'static str {
    let mean = |name: &str| {
        let (mut last, mut sum) = (0.0, 0.0);
        for (route, upto) in &play.world.actors[play.world.who(name)].routes {
            sum += (upto - last) * f64::from(ROUTES[usize::from(*route)].bytes);
            last = *upto;
        }
        sum
    };
    let largest = names.iter().max_by(|a, b| mean(a).total_cmp(&mean(b)));
    names.iter().find(|name| mean(name) >= least).or(largest).expect("some names")
}

/// A caller is otherwise for a while.
fn swells(play: &mut Play, name: &str, (from, until): (i64, i64), change: fn(Actor) -> Actor) {
    let world = &mut play.world;
    let who = world.who(name);
    let then = change(Actor { from, until, ..world.actors[who].clone() }.apart(3));
    let after = Actor { from: until, ..world.actors[who].clone() }.apart(4);
    world.actors[who].until = from;
    world.actors.extend([then, after]);
}

pub const STORIES: &[Story] = &[
    story("sizes: the answers of a key are thirty times as large", true, |play| {
        let (from, until) = (play.at(20.0), play.at(140.0));
        let name = with_answers(play, &["maple", "quartz", "borealis", "acme", "sable"], 5_000.0);
        swells(play, name, (from, until), |actor| Actor { large: 30.0, ..actor });
        play.add(Label::new("payload-size", key(name), from, until));
    }),
    story("sizes: the answers of a key are twelve times as large", false, |play| {
        let (from, until) = (play.at(20.0), play.at(140.0));
        let name = with_answers(play, &["quartz", "maple", "borealis", "acme", "sable"], 12_000.0);
        swells(play, name, (from, until), |actor| Actor { large: 12.0, ..actor });
        play.add(Label::new("payload-size", key(name), from, until).within(HOUR));
    }),
    story("sizes: the answers of the largest key are a hundred times as large", false, |play| {
        let (from, until) = (play.at(20.0), play.at(80.0));
        let name = with_answers(play, &["acme", "borealis", "cobalt", "maple"], 1_500.0);
        swells(play, name, (from, until), |actor| Actor { large: 100.0, ..actor });
        play.add(Label::new("payload-size", key(name), from, until));
    }),
    story("sizes: a key sends bodies a thousand times as large", false, |play| {
        let (from, until) = (play.at(20.0), play.at(140.0));
        let writes = |a: &Actor| a.routes.iter().any(|route| ROUTES[usize::from(route.0)].method == Method::Post);
        let names = ["maple", "quartz", "borealis", "sable", "acme", "cobalt"];
        let of = |name: &&str| writes(&play.world.actors[play.world.who(name)]);
        let name = names.into_iter().find(of).expect("somebody sends something");
        swells(play, name, (from, until), |actor| Actor { heavy: 1000.0, ..actor });
        play.add(Label::new("payload-size", key(name), from, until).within(HOUR));
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
    story("slow: a path of a few calls a minute takes six times as long", false, |play| {
        let (from, until) = (play.at(20.0), play.at(140.0));
        let rate = |path: &str| play.rate_of(path, from);
        let slow = |path: &str| ROUTES.iter().filter(|route| route.path == path).all(|route| route.ms >= 60);
        let some = ROUTES[..40].iter().map(|route| route.path).filter(|path| slow(path));
        let off = |path: &str| (rate(path) - 6.0).abs();
        let path = some.min_by(|a, b| off(a).total_cmp(&off(b))).expect("a path of some calls");
        let who = Who::Everybody;
        play.world.slowness.push(Slowness { who, path: Some(path), from, until, slower: 6.0, larger: 1.0 });
        play.add(Label::new("slow-response", endpoint(path), from, until).within(HOUR));
    }),
    story("slow: the whole service takes twelve times as long", false, |play| {
        let (from, until) = (play.at(20.0), play.at(60.0));
        let who = Who::Everybody;
        play.world.slowness.push(Slowness { who, path: None, from, until, slower: 12.0, larger: 1.0 });
        let mut label = Label::new("slow-response", endpoint(ROUTES[0].path), from, until).or_on(Subject::site());
        label.subjects.extend(ROUTES[1..].iter().map(|route| endpoint(route.path)));
        play.add(label.touching(["api", "web"].map(source)));
    }),
    story("slow: a small customer's calls take ten times as long, a path does so for three minutes", false, |play| {
        let from = play.at(20.0);
        let who = Who::Key("raven".to_owned());
        play.world.slowness.push(Slowness { who, path: None, from, until: from + HOUR, slower: 10.0, larger: 1.0 });
        let (who, path, from) = (Who::Everybody, Some(play.busiest_of(from, 80)), from + 2 * HOUR);
        play.world.slowness.push(Slowness { who, path, from, until: from + 3 * MINUTE, slower: 8.0, larger: 1.0 });
        play.lasts(4 * HOUR);
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
