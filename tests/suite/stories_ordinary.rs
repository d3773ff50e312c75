//! Ordinary events: nobody may be bothered, but where something is so large that one line about it is fair.

use lapwing::event::Subject;

use super::actor::{Actor, Things};
use super::address::{Addresses, company};
use super::cast::{agent, number, read};
use super::label::{Label, endpoint, key, source};
use super::people::{Kind, caller};
use super::shape::{DAY, HOUR, MINUTE, Shape};
use super::story::{History, Story};
use super::world::{Clockwork, Fault, Who};

const fn story(name: &'static str, short: bool, tell: fn(&mut super::play::Play)) -> Story {
    Story { name, history: History::Long, short, tell }
}

pub const STORIES: &[Story] = &[
    story("blip: a key a hundred times up for 25 s", true, |play| {
        let (from, world) = (play.at(20.05), &mut play.world);
        let blip = world.actors[world.who("sable")].extra(world.seed, 1500.0, from, from + 25_000);
        world.actors.push(blip);
    }),
    story("deploy: everything fails for 25 s", true, |play| {
        let from = play.at(15.3);
        let until = from + 25_000;
        play.world.faults.push(Fault { who: Who::Everybody, path: None, from, until, share: 1.0, status: 502 });
    }),
    story("deploy: three restarts of 12 s with half of all requests failing", true, |play| {
        for minute in [12.0, 14.5, 17.0] {
            let from = play.at(minute);
            let until = from + 12_000;
            play.world.faults.push(Fault { who: Who::Everybody, path: None, from, until, share: 0.5, status: 503 });
        }
    }),
    story("onboarding: a new customer grows over two days", false, |play| {
        let from = play.at(10.0);
        let new = caller(play.world.seed, "newcomer", Kind::Office, 20.0);
        play.world.actors.push(Actor { shape: Shape::Ramp { zone: 0, from, days: 2.0 }, from, ..new });
        play.lasts(3 * DAY);
    }),
    story("onboarding: a new customer at once, of a usual size", true, |play| {
        let new = caller(play.world.seed, "newcomer", Kind::Office, 5.0);
        let from = play.at(10.0);
        play.world.actors.push(Actor { from, ..new });
        play.lasts(10 * HOUR);
    }),
    story("campaign: everybody 2.6 times up for two hours", true, |play| {
        let from = play.at(20.0);
        play.campaign(2.6, from, 120.0, 20.0);
    }),
    story("campaign: everybody 1.6 times up for three hours", false, |play| {
        let from = play.at(20.0);
        play.campaign(1.6, from, 180.0, 30.0);
    }),
    story("address: an office gets another one", true, |play| {
        let from = play.at(30.0);
        let world = &mut play.world;
        let who = world.who("sable");
        let moved = Actor { from, ..world.actors[who].clone() }.at(Addresses::fixed(4711, 1));
        world.actors[who].until = from;
        world.actors.push(moved);
        play.lasts(6 * HOUR);
    }),
    story("address: a customer moves its servers over an hour, old and new at once", true, |play| {
        let from = play.at(30.0);
        let world = &mut play.world;
        let who = world.who("maple");
        let half = world.actors[who].scale / 2.0;
        let moved = Actor { from, scale: half, ..world.actors[who].clone() }.at(Addresses::fixed(4712, 2)).apart(1);
        let after = Actor { from: from + HOUR, ..moved.clone() }.apart(2);
        let rest = Actor { until: from + HOUR, from, scale: half, ..world.actors[who].clone() };
        world.actors[who].until = from;
        world.actors.extend([moved, after, rest]);
        play.lasts(6 * HOUR);
    }),
    story("address: a developer's laptop at home, once", true, |play| {
        let from = play.at(30.0);
        let world = &mut play.world;
        let laptop = world.actors[world.who("acme")].extra(world.seed, 0.6, from, from + 50 * MINUTE);
        world.actors.push(laptop.at(Addresses::Fixed(vec![company(99, 1)])).agent("PostmanRuntime"));
        play.lasts(3 * HOUR);
    }),
    story("agent: a customer changes its library", true, |play| {
        let from = play.at(30.0);
        let world = &mut play.world;
        for name in ["acme", "maple"] {
            let who = world.who(name);
            let upgraded = Actor { from, ..world.actors[who].clone() }.agent("node-fetch");
            world.actors[who].until = from;
            world.actors.push(upgraded);
        }
        play.lasts(6 * HOUR);
    }),
    story("autoscaling: a cloud customer triples its machines, some in new networks", true, |play| {
        let from = play.at(30.0);
        let world = &mut play.world;
        let who = world.who("cobalt");
        if let Addresses::Cloud { salt, networks, machines, life } = world.actors[who].addresses {
            // The new ones run in the networks of the old ones, and in two more.
            let rate = 0.3 * world.actors[who].scale;
            let more = Addresses::Cloud { salt, networks: networks + 2, machines: 2 * machines, life };
            let extra = world.actors[who].extra(world.seed, rate, from, from + DAY).at(more);
            world.actors.push(extra);
        }
        play.lasts(8 * HOUR);
    }),
    story("gap: no line for 90 s", true, |play| {
        let from = play.at(20.0);
        play.world.gaps.push((from, from + 90_000, None));
    }),
    story("gap: no line for 40 minutes", true, |play| {
        let (from, until) = (play.at(20.0), play.at(60.0));
        play.world.gaps.push((from, until, None));
        // Its own line, that nothing comes, is fair.
        let silence = Label::new("traffic-drop", Subject::site(), from, until).or_on(source("api"));
        play.add(silence.or_on(source("web")).optional());
        play.lasts(6 * HOUR);
    }),
    story("holiday: a Sunday in the middle of the week", false, |play| {
        let day = super::shape::Clocks::at(play.start + DAY, &[]).day(0);
        play.world.holidays.push((0, day));
        play.lasts(2 * DAY + 12 * HOUR);
    }),
    story("clocks go forward", false, |play| play.lasts(6 * DAY)),
    story("clock: one line an hour ahead", true, |play| {
        let from = play.at(20.0);
        let work = Clockwork { source: 0, from, until: from + 1500, share: 0.4, late: 0, off: HOUR };
        play.world.clockwork.push(work);
    }),
    story("clock: one host four minutes fast for an hour, then right again", true, |play| {
        let (from, until) = (play.at(20.0), play.at(80.0));
        play.world.clockwork.push(Clockwork { source: 1, from, until, share: 1.0, late: 0, off: 4 * MINUTE });
        play.lasts(4 * HOUR);
    }),
    story("late: a fifth of all lines 10 s late, some ten minutes", true, |play| {
        let (from, until) = (play.at(10.0), play.at(180.0));
        play.world.clockwork.push(Clockwork { source: 0, from, until, share: 0.02, late: 10 * MINUTE, off: 0 });
        play.world.clockwork.push(Clockwork { source: 0, from, until, share: 0.2, late: 10_000, off: 0 });
        play.lasts(4 * HOUR);
    }),
    story("cron: a new nightly job, known from the third night on", false, |play| {
        let from = play.start;
        let nightly = Shape::Nightly { zone: 0, hour: 3.0, minutes: 15.0 };
        let job = caller(play.world.seed, "jade", Kind::Office, 90.0);
        play.world.actors.push(Actor { shape: nightly, from, key: "jade".into(), ..job });
        for night in 0..2 {
            let at = (play.start - 1).div_euclid(DAY) * DAY + DAY + 2 * HOUR + night * DAY;
            play.add(Label::new("burst", key("jade"), at, at + 15 * MINUTE).optional());
        }
        play.lasts(5 * DAY);
    }),
    story("poller: a new one, each minute", true, |play| {
        let from = play.at(10.0);
        let new = caller(play.world.seed, "sable", Kind::Poller, 1.0).only(read("/v1/orders")).every(60);
        let addresses = play.world.actors[play.world.who("sable")].addresses.clone();
        let agents = play.world.actors[play.world.who("sable")].agents.clone();
        play.world.actors.push(Actor { from, agents, key: "sable".into(), ..new.at(addresses) });
        play.lasts(10 * HOUR);
    }),
    story("poller: a job's state every 2 s for ten minutes, again and again", true, |play| {
        for n in 0..6 {
            let from = play.at(15.0 + 25.0 * f64::from(n));
            let world = &mut play.world;
            let wait =
                world.actors[world.who("acme")].extra(world.seed ^ u64::from(n as u32), 1.0, from, from + 10 * MINUTE);
            let wait = wait.only(read("/v1/jobs/{id}")).every(2).asking(Things::Same).failing(0.0, 500);
            world.actors.push(wait);
        }
        // Three times what is usual there in small towns: as a burst of that path it may be said, once.
        let (from, until) = (play.at(15.0), play.at(150.0));
        play.add(Label::new("burst", endpoint("/v1/jobs/{id}"), from, until).optional());
        play.lasts(5 * HOUR);
    }),
    story("batch: five thousand orders, each different", true, |play| {
        let (from, until) = (play.at(10.0), play.at(310.0));
        let world = &mut play.world;
        let batch = world.actors[world.who("acme")].extra(world.seed, 17.0, from, until);
        world.actors.push(batch.only(number(lapwing::event::Method::Post, "/v1/orders")).failing(0.0, 500));
        // More than four times what is usual on this path: it may be said, as a burst.
        play.add(Label::new("burst", endpoint("/v1/orders"), from, until).or_on(key("acme")).optional());
        play.lasts(7 * HOUR);
    }),
    story("crawler: a search engine reads two and a half times as much for a day", false, |play| {
        let from = play.at(30.0);
        let world = &mut play.world;
        let who = world.actors.iter().position(|a| a.agents == [agent("Googlebot")]).expect("a crawler");
        let extra = world.actors[who].extra(world.seed, 3.3, from, from + DAY);
        world.actors.push(extra);
        play.lasts(26 * HOUR);
    }),
    story("scanners: three times as many as usual", true, |play| {
        play.world.passers.scans *= 3.0;
        play.lasts(12 * HOUR);
    }),
    story("release: everybody begins to call a new path", false, |play| {
        let from = play.at(30.0);
        let callers: Vec<Actor> = play.world.actors.iter().filter(|a| !a.key.is_empty()).cloned().collect();
        for actor in callers {
            let more = actor.extra(play.world.seed ^ 3, 0.1, from, i64::MAX).only(read("/v1/webhooks"));
            play.world.actors.push(more);
        }
        play.lasts(8 * HOUR);
    }),
    story("three ordinary days", false, |play| play.lasts(3 * DAY)),
    story("an ordinary weekend", false, |play| {
        play.lasts(5 * DAY);
        let saturday = play.start + 2 * DAY;
        // Half of the work of a week, done on a Saturday by one who usually rests.
        let world = &mut play.world;
        let busy = world.actors[world.who("iris")].extra(world.seed, 1.5, saturday, saturday + 6 * HOUR);
        world.actors.push(busy);
    }),
];
