//! What callers do anew on ordinary days, and nobody wants to hear of: another route, larger pages, links that are gone, a
//! password that was forgotten, a path that is slow for a while.

use lapwing::event::Method;

use super::actor::{Actor, Things};
use super::address::{Addresses, company};
use super::cast::{API, ROUTES, number, read};
use super::label::{Label, endpoint, key};
use super::play::Play;
use super::random::Random;
use super::shape::{DAY, HOUR, MINUTE, Shape};
use super::story::MONDAY;
use super::world::{Slowness, Who};

/// Adds them to a play that is otherwise complete: nobody of whom a story is told is changed.
pub fn habits(play: &mut Play, days: i64) {
    let mut random = Random::new(play.world.seed, "habits");
    let told = play.labels.iter().filter(|label| !label.optional);
    let subjects = told.flat_map(|label| &label.subjects);
    let told: Vec<String> = subjects.map(|subject| subject.name.clone()).collect();
    let free = |a: &Actor| !a.key.is_empty() && !a.injected && a.from == i64::MIN && !told.contains(&a.key);
    let keys: Vec<String> = play.world.actors.iter().filter(|a| free(a)).map(|a| a.key.clone()).collect();
    let seed = play.world.seed;
    for day in 1..days {
        let some_time = |random: &mut Random| MONDAY + day * DAY + random.below(DAY as u64) as i64;
        let somebody =
            |random: &mut Random, play: &Play| play.world.actors[play.world.who(random.one::<String>(&keys))].clone();
        let more = |actor: &Actor, rate: f64, from: i64, until: i64| {
            let extra = actor.extra(seed, rate, from, until);
            Actor { injected: false, fails: actor.fails.clone(), ..extra }
        };
        for (chance, write) in [(0.35, false), (0.12, true)] {
            if random.chance(chance) {
                let (from, who) = (some_time(&mut random), somebody(&mut random, play));
                let route = loop {
                    let route = random.below(u64::from(API) - 3) as u16;
                    if (ROUTES[usize::from(route)].method != Method::Get) == write {
                        break route;
                    }
                };
                let more = more(&who, 0.05 + 0.1 * who.scale.min(10.0), from, i64::MAX).only(route);
                // Who asks for the same again and again does not make the same payment again and again: that were a loop.
                let things = if write && more.things == Things::Same { Things::Popular(500) } else { more.things };
                play.world.actors.push(more.asking(things));
            }
        }
        if random.chance(0.25) {
            // A job checks its list; a third of what is in it is gone. That its refusals are up may be said, once.
            let (from, who) = (some_time(&mut random), somebody(&mut random, play));
            let sync = more(&who, 8.0, from, from + 20 * MINUTE).only(read("/v1/customers/{id}"));
            play.world.actors.push(sync.asking(Things::Any(900_000)).failing(0.35, 404));
            let label = Label::new("error-spike", key(&who.key), from, from + 20 * MINUTE);
            play.labels.push(label.touching([endpoint("/v1/customers/{id}")]).optional());
        }
        if random.chance(0.25) {
            // Old bookmarks.
            let from = some_time(&mut random);
            let reader = Actor::new(seed, "bookmarks", Shape::Flat, 0.4).agent("Firefox").only(read("/docs/{id}"));
            let reader = reader.at(Addresses::Fixed(vec![company(500 + day as u64, 1)])).asking(Things::Any(80));
            let reader = reader.extra(seed ^ day as u64, 0.4, from, from + HOUR).failing(0.9, 404);
            play.world.actors.push(Actor { key: String::new(), source: 1, injected: false, ..reader });
        }
        if random.chance(0.25) {
            // Larger pages from now on, or a report of everything once.
            let (from, who) = (some_time(&mut random), random.one::<String>(&keys).clone());
            let at = play.world.who(&who);
            let (large, until) = if random.chance(0.5) { (2.5, i64::MAX) } else { (6.0, from + 4 * MINUTE) };
            if play.world.actors[at].until == i64::MAX {
                let now = play.world.actors[at].clone();
                let then = Actor { from, until, large: now.large * large, ..now.clone() }.apart(day as u64);
                let after = Actor { from: until, ..now }.apart(7 + day as u64);
                play.world.actors[at].until = from;
                play.world.actors.push(then);
                if until < i64::MAX {
                    play.world.actors.push(after);
                }
            }
        }
        if random.chance(0.3) {
            let (from, path) = (some_time(&mut random), random.one(&ROUTES[..40]).path);
            let slow = |from: i64, minutes: i64, slower: f64| Slowness {
                who: Who::Everybody,
                path: Some(path),
                from,
                until: from + minutes * MINUTE,
                slower,
                larger: 1.0,
            };
            play.world.slowness.extend([slow(from, 40, 1.8), slow(from + 3 * HOUR, 3, 6.0)]);
        }
        if random.chance(0.4) {
            // Somebody forgot the password, and remembers it in the end.
            let (from, tries) = (some_time(&mut random), 6 + random.below(9) as i64);
            let door = number(Method::Post, "/login");
            let user = Actor::new(seed, "user", Shape::Flat, 1.0)
                .only(door)
                .agent("Chrome")
                .at(Addresses::Fixed(vec![company(700 + day as u64, 1)]));
            let user = Actor { key: String::new(), source: 1, ..user };
            let until = from + tries * 25_000;
            let fails = user.extra(seed ^ day as u64, 1.0, from, until).every(25).failing(1.0, 401);
            let then = user.extra(seed ^ day as u64, 1.0, until, until + 30_000).every(25).failing(0.0, 401);
            play.world.actors.extend([fails, then].map(|a| Actor { injected: false, ..a }));
        }
    }
}
