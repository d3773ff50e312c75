//! Those who try what is there, and whose password is what.

use lapwing::event::Method;

use super::actor::{Actor, Things};
use super::address::{Addresses, company, stranger};
use super::cast::{number, read};
use super::label::{Label, client, endpoint, key};
use super::play::Play;
use super::shape::{HOUR, MINUTE, Shape};
use super::story::{History, Story};
use super::world::{Fault, Who};

const fn story(name: &'static str, short: bool, tell: fn(&mut Play)) -> Story {
    Story { name, history: History::Long, short, tell }
}

/// Somebody without key, at these addresses.
fn somebody(play: &Play, route: u16, rate: f64, addresses: Addresses, from: i64, until: i64) -> Actor {
    let actor = Actor::new(play.world.seed, "somebody", Shape::Flat, rate).agent("aiohttp").only(route).at(addresses);
    Actor { key: String::new(), source: 1, ..actor }.extra(play.world.seed ^ from as u64, rate, from, until)
}

fn guesser(play: &Play, rate: f64, addresses: Addresses, from: i64, until: i64) -> Actor {
    somebody(play, number(Method::Post, "/login"), rate, addresses, from, until).failing(1.0, 401)
}

pub const STORIES: &[Story] = &[
    story("probing: a key walks through ids that are not its own", true, |play| {
        let (from, until) = (play.at(20.0), play.at(80.0));
        let world = &mut play.world;
        let walker = world.actors[world.who("raven")].extra(world.seed ^ 5, 20.0, from, until);
        let walker = walker.only(read("/v1/payments/{id}")).asking(Things::Walk).failing(0.85, 403);
        world.actors.push(walker);
        let label = Label::new("enumeration", key("raven"), from, until).or_by("error-spike");
        play.add(label.touching([endpoint("/v1/payments/{id}")]));
    }),
    story("probing: a stranger tries which customers exist", true, |play| {
        let (from, until) = (play.at(20.0), play.at(80.0));
        let address = stranger(21, 1);
        let prober = somebody(play, read("/v1/customers/{id}"), 12.0, Addresses::Fixed(vec![address]), from, until);
        play.world.actors.push(prober.asking(Things::Any(900_000)).failing(0.95, 404));
        let label = Label::new("enumeration", client(address), from, until);
        play.add(label.touching([endpoint("/v1/customers/{id}")]));
    }),
    story("probing: a key tries ids that are not its own, three a minute", false, |play| {
        let (from, until) = (play.at(20.0), play.at(140.0));
        let world = &mut play.world;
        let prober = world.actors[world.who("iris")].extra(world.seed ^ 6, 3.0, from, until);
        let prober = prober.only(read("/v1/invoices/{id}")).asking(Things::Any(900_000)).failing(0.95, 403);
        world.actors.push(prober);
        let label = Label::new("enumeration", key("iris"), from, until).or_by("error-spike").within(HOUR);
        play.add(label.touching([endpoint("/v1/invoices/{id}")]));
    }),
    story("probing: a stranger walks through a thousand ids a quarter hour", true, |play| {
        let (from, until) = (play.at(20.0), play.at(50.0));
        let address = stranger(26, 1);
        let prober = somebody(play, read("/v1/users/{id}"), 70.0, Addresses::Fixed(vec![address]), from, until);
        play.world.actors.push(prober.asking(Things::Walk).failing(0.9, 404));
        let label = Label::new("enumeration", client(address), from, until).loud(true).or_by("error-spike");
        play.add(label.touching([endpoint("/v1/users/{id}")]));
    }),
    story("probing: a job's list is old by a third, a crawler follows links of last year", false, |play| {
        let (from, until) = (play.at(20.0), play.at(60.0));
        let world = &mut play.world;
        let job = world.actors[world.who("raven")].extra(world.seed ^ 8, 8.0, from, until);
        world.actors.push(job.only(read("/v1/customers/{id}")).asking(Things::Any(900_000)).failing(0.35, 404));
        // That its refusals are up may be said, once.
        let label = Label::new("error-spike", key("raven"), from, until);
        play.add(label.touching([endpoint("/v1/customers/{id}")]).optional());
        let crawler = Actor::new(play.world.seed, "links", Shape::Flat, 2.0).agent("bingbot").only(read("/docs/{id}"));
        let crawler = crawler.at(Addresses::Even((1..6).map(|n| company(32, 1) & 0xFFFF_FF00 | n).collect()));
        let crawler = Actor { key: String::new(), source: 1, from, ..crawler }.asking(Things::Any(20_000));
        play.world.actors.push(crawler.failing(0.3, 404));
        // So may that its pages' are, which few others read.
        let label = Label::new("error-spike", endpoint("/docs/{id}"), from, from + 7 * HOUR);
        play.add(label.or_by("burst").optional());
        play.lasts(8 * HOUR);
    }),
    story("probing: a client asks for one broken link all day, a reader has stale ones", true, |play| {
        let (from, until) = (play.at(20.0), play.at(620.0));
        let link = somebody(play, read("/docs/{id}"), 1.0, Addresses::Fixed(vec![company(31, 1)]), from, until);
        play.world.actors.push(link.asking(Things::Same).every(10).failing(1.0, 404));
        let reader = somebody(play, read("/blog/{id}"), 2.0, Addresses::Fixed(vec![company(31, 2)]), from, until);
        play.world.actors.push(reader.asking(Things::Any(80)).failing(0.2, 404).agent("Firefox"));
        // Six times what is usual on pages that few others read: it may be said, in the morning and in the evening.
        for (from, until) in [(from, from + 8 * HOUR), (from + 8 * HOUR, until)] {
            play.add(Label::new("burst", endpoint("/docs/{id}"), from, until).optional());
        }
        play.lasts(11 * HOUR);
    }),
    story("probing: a page is taken away, and a customer still asks for what was there", false, |play| {
        let (from, until) = (play.at(20.0), play.at(140.0));
        play.world.faults.push(Fault {
            who: Who::Everybody,
            path: Some("/v1/items/{id}"),
            from,
            until,
            share: 1.0,
            status: 404,
        });
        let label = Label::new("error-spike", endpoint("/v1/items/{id}"), from, until);
        let keys: Vec<_> = play.world.actors.iter().filter(|a| !a.key.is_empty()).map(|a| key(&a.key)).collect();
        play.add(label.touching(keys));
    }),
    story("scope: a poller begins to change orders, items and webhooks", true, |play| {
        let (from, until) = (play.at(20.0), play.at(140.0));
        for (n, (method, path)) in
            [(Method::Put, "/v1/items/{id}"), (Method::Patch, "/v1/orders/{id}"), (Method::Post, "/v1/webhooks")]
                .into_iter()
                .enumerate()
        {
            let world = &mut play.world;
            let writer =
                world.actors[world.who("fjord")].extra(world.seed ^ n as u64, 0.3, from, until).apart(n as u64);
            let writer = writer.only(number(method, path)).asking(Things::Any(5000)).failing(0.0, 500);
            world.actors.push(writer);
        }
        play.add(Label::new("scope-creep", key("fjord"), from, until));
    }),
    story("scope: a poller of weeks begins to change one path that hardly anybody changes", false, |play| {
        let (from, until) = (play.at(20.0), play.at(140.0));
        let world = &mut play.world;
        let writer = world.actors[world.who("fjord")].extra(world.seed ^ 7, 1.0, from, until);
        // Only the back office does so.
        let writer = writer.only(number(Method::Delete, "/v1/webhooks/{id}")).asking(Things::Any(5000));
        world.actors.push(writer.failing(0.0, 500));
        play.add(Label::new("scope-creep", key("fjord"), from, until));
    }),
    story("scope: a poller tries what only the back office calls, and is denied", true, |play| {
        let (from, until) = (play.at(20.0), play.at(80.0));
        for (n, route) in
            [read("/v1/admin/accounts"), number(Method::Post, "/v1/users/{id}/roles")].into_iter().enumerate()
        {
            let world = &mut play.world;
            let tries = world.actors[world.who("fjord")].extra(world.seed ^ n as u64, 0.5, from, until).apart(n as u64);
            world.actors.push(tries.only(route).asking(Things::Any(50)).failing(1.0, 403));
        }
        play.add(Label::new("scope-creep", key("fjord"), from, until).or_by("error-spike").or_by("enumeration"));
    }),
    story(
        "scope: a customer of a handful of paths begins eight others, half of them to change something",
        false,
        |play| {
            let (from, until) = (play.at(20.0), play.at(140.0));
            let world = &mut play.world;
            let who = world.who("quartz");
            let used: Vec<u16> = world.actors[who].routes.iter().map(|route| route.0).collect();
            let fresh = (0..super::cast::API - 3).filter(|route| !used.contains(route));
            let writes = |route: &u16| super::cast::ROUTES[usize::from(*route)].method != Method::Get;
            let (others, reads): (Vec<u16>, Vec<u16>) = fresh.partition(writes);
            for (n, route) in
                others.into_iter().step_by(2).take(4).chain(reads.into_iter().step_by(3).take(4)).enumerate()
            {
                let more = world.actors[who].extra(world.seed ^ n as u64, 0.15, from, until).apart(n as u64);
                world.actors.push(more.only(route).asking(Things::Any(5000)).failing(0.0, 500));
            }
            play.add(Label::new("scope-creep", key("quartz"), from, until));
        },
    ),
    story("scope: a release lets everybody change webhooks", false, |play| {
        let from = play.at(20.0);
        let callers: Vec<Actor> = play.world.actors.iter().filter(|a| !a.key.is_empty()).step_by(3).cloned().collect();
        for (n, actor) in callers.into_iter().enumerate() {
            let more = actor.extra(play.world.seed ^ 9, 0.2, from + 7 * n as i64 * MINUTE, i64::MAX);
            let more = more.only(number(Method::Post, "/v1/webhooks")).failing(0.0, 500);
            play.world.actors.push(more.asking(Things::Any(5000)));
        }
        play.lasts(8 * HOUR);
    }),
    story("scope: customers begin to read one path more, a poller sends two orders", false, |play| {
        let from = play.at(20.0);
        for (n, (name, rate, route, minutes)) in [
            ("iris", 0.4, read("/v1/rates"), 300),
            ("sable", 0.8, read("/v1/webhooks"), 300),
            ("pine", 1.0, number(Method::Post, "/v1/orders"), 2),
        ]
        .into_iter()
        .enumerate()
        {
            let world = &mut play.world;
            let more = world.actors[world.who(name)].extra(world.seed ^ n as u64, rate, from, from + minutes * MINUTE);
            world.actors.push(more.only(route).asking(Things::Any(40)).failing(0.0, 500));
        }
        play.lasts(6 * HOUR);
    }),
    story("passwords: one address tries sixty a minute and gets in", true, |play| {
        let (from, until) = (play.at(20.0), play.at(50.0));
        let address = stranger(22, 1);
        play.world.actors.push(guesser(play, 60.0, Addresses::Fixed(vec![address]), from, until).failing(0.995, 401));
        let label = Label::new("credential-stuffing", client(address), from, until).loud(true);
        play.add(label.touching([endpoint("/login")]));
    }),
    story("passwords: three hundred addresses, thirty log-ins a minute", true, |play| {
        let (from, until) = (play.at(20.0), play.at(110.0));
        play.world.actors.push(guesser(play, 30.0, Addresses::strangers(23, 300), from, until).failing(0.99, 401));
        let strangers: Vec<_> = (0..300).map(|n| client(stranger(23, n))).collect();
        play.add(Label::new("credential-stuffing", endpoint("/login"), from, until).touching(strangers));
    }),
    story("passwords: three hundred addresses, five log-ins a minute", false, |play| {
        let (from, until) = (play.at(20.0), play.at(320.0));
        play.world.actors.push(guesser(play, 5.0, Addresses::strangers(24, 300), from, until).failing(0.99, 401));
        let strangers: Vec<_> = (0..300).map(|n| client(stranger(24, n))).collect();
        let label = Label::new("credential-stuffing", endpoint("/login"), from, until).within(HOUR);
        play.add(label.touching(strangers));
    }),
    story("passwords: one address tries one every forty seconds", false, |play| {
        let (from, until) = (play.at(20.0), play.at(260.0));
        let address = stranger(25, 1);
        play.world.actors.push(guesser(play, 1.5, Addresses::Fixed(vec![address]), from, until));
        let label = Label::new("credential-stuffing", client(address), from, until).within(HOUR);
        play.add(label.touching([endpoint("/login")]));
    }),
    story("passwords: one user forgot it, an office in the morning, a job that lost it", true, |play| {
        let from = play.at(20.0);
        let user = Addresses::Fixed(vec![company(41, 1)]);
        play.world.actors.push(guesser(play, 1.0, user.clone(), from, from + 6 * MINUTE).every(28));
        let after = guesser(play, 1.0, user, from + 7 * MINUTE, from + 10 * MINUTE).failing(0.0, 401);
        play.world.actors.push(after);
        let office = guesser(play, 8.0, Addresses::Fixed(vec![company(41, 2)]), from, from + 40 * MINUTE);
        play.world.actors.push(office.failing(0.15, 401));
        let job = guesser(play, 1.0, Addresses::Fixed(vec![company(41, 3)]), from, from + 8 * HOUR);
        play.world.actors.push(job.asking(Things::Same).every(60));
        // Thrice as many as usual log in there: a burst of that path, and fairly told if it is.
        let label = Label::new("burst", endpoint("/login"), from, from + 40 * MINUTE);
        play.add(label.or_on(client(company(41, 2))).optional());
        // That the job repeats itself may be said as well.
        play.add(Label::new("retry-loop", client(company(41, 3)), from, from + 8 * HOUR).optional());
        play.lasts(9 * HOUR);
    }),
    story("passwords: log-ins are broken for everybody", true, |play| {
        let (from, until) = (play.at(20.0), play.at(50.0));
        let path = Some("/login");
        play.world.faults.push(Fault { who: Who::Everybody, path, from, until, share: 1.0, status: 401 });
        play.add(Label::new("error-spike", endpoint("/login"), from, until));
    }),
];
