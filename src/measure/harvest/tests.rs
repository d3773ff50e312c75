use super::*;
use crate::event::Hasher;

fn reading(time: Timestamp, n: u64) -> Reading {
    let resource = Hasher::new(1).id(&n.to_le_bytes());
    Reading { time, resource, route: Id(5), number: n as u32, crawler: false }
}

fn start() -> Timestamp {
    Timestamp::parse("2026-03-02T00:00:00Z").unwrap()
}

/// Reads `n` different things spread over each of `days` days, from the same hundred thousand in any order.
fn reader(days: i64, n: i64) -> (Harvest, Vec<Day>) {
    let mut harvest = Harvest::new(start(), Zone::UTC);
    let mut over = Vec::new();
    for day in 0..days {
        for i in 0..n {
            let t = start() + Span::from_days(day) + Span::from_millis(i * Span::DAY.millis() / n);
            over.extend(harvest.absorb(&reading(t, (i as u64 * 7919 + day as u64) % 100_000), Zone::UTC));
        }
    }
    (harvest, over)
}

#[test]
fn days_are_learned_and_windows_reach_back_twelve_to_twenty_four_hours() {
    let (harvest, over) = reader(10, 200);
    assert_eq!(over.len(), 9);
    assert!(over.iter().all(|day| (day.resources / 200.0 - 1.0).abs() < 0.2 && !day.crawler), "{over:?}");
    let ((mean, days), spread) = (harvest.usual(), harvest.seen(start(), Zone::UTC)[0].spread);
    assert!((mean / 200.0 - 1.0).abs() < 0.15 && spread <= 0.2 && days == 9, "{mean} {spread} {days}");
    let [earlier, later] = harvest.seen(start() + Span::from_days(10), Zone::UTC);
    assert_eq!((earlier.start, later.start), (start() + Span::from_days(9), start() + Span::from_hours(228)));
    assert_eq!((earlier.requests, later.requests), (200, 100));
}

#[test]
fn the_last_hours_are_told_from_what_was_read_before_them() {
    let (mut harvest, _) = reader(10, 200);
    let noon = start() + Span::from_days(9) + Span::from_hours(24);
    let before = harvest.seen(noon, Zone::UTC)[0].resources;
    for i in 0..600 {
        harvest.absorb(&reading(noon + Span::from_mins(30) + Span::from_secs(12 * i), 200_000 + i as u64), Zone::UTC);
    }
    let of = |harvest: &Harvest, hours: i64| {
        let now = noon + Span::from_hours(hours);
        harvest.seen_lately(&harvest.seen(now, Zone::UTC)[0], now, |_| 7)
    };
    let at = |hours: i64| of(&harvest, hours);
    let lately = at(3).expect("three hours");
    assert!(before > 90.0 && lately.start == noon, "{before} {lately:?}");
    assert!((lately.resources / 600.0 - 1.0).abs() < 0.15 && lately.at_least < lately.resources, "{lately:?}");
    assert!(lately.of_window > lately.at_least + 50.0, "{lately:?}");
    assert!(at(5).is_some_and(|seen| seen.resources < 200.0), "most of it lies before: {:?}", at(5));
    assert_eq!(at(9), None, "over for long");
    // What was not saved beside it is taken to begin with what it holds.
    let mut back = postcard::from_bytes::<Harvest>(&postcard::to_stdvec(&harvest).unwrap()).unwrap();
    assert_ne!(of(&back, 3), at(3));
    back.remember_lately(*harvest.lately());
    assert_eq!(of(&back, 3), at(3));
}

#[test]
fn days_of_rest_do_not_widen_how_far_the_last_hours_may_go() {
    let spreads = |idle: i64| {
        let mut harvest = Harvest::new(start(), Zone::UTC);
        for day in 0..15i64 {
            for i in 0..if day % 7 >= 5 { idle } else { 400 } {
                let t = start() + Span::from_days(day) + Span::from_secs(60 * i);
                harvest.absorb(&reading(t, (1000 * day + i) as u64), Zone::UTC);
            }
        }
        let now = start() + Span::from_days(14) + Span::from_hours(7);
        let [longer, _] = harvest.seen(now, Zone::UTC);
        (longer.spread, harvest.seen_lately(&longer, now, |_| 1).expect("it has read for hours").spread)
    };
    let (restless, resting) = (spreads(400), spreads(20));
    assert!(resting.1 < restless.1 + 0.1, "{restless:?} {resting:?}");
    assert!(resting.0 > resting.1 + 0.1, "whole days are judged by all days: {restless:?} {resting:?}");
}

#[test]
fn what_is_held_is_not_learned_until_it_is_accepted() {
    let (mut harvest, _) = reader(10, 50);
    let before = harvest.usual().0;
    harvest.hold(start() + Span::from_days(10), 300.0);
    for hour in 0..24 * 10 {
        for i in 0..300 {
            let t = start() + Span::from_days(10) + Span::from_hours(hour) + Span::from_secs(12 * i);
            harvest.absorb(&reading(t, (hour * 300 + i) as u64), Zone::UTC);
        }
        if hour < 24 * 7 {
            assert!((harvest.usual().0 - before).abs() < 1e-3, "hour {hour}");
        }
    }
    assert!(!harvest.is_held() && harvest.usual().0 > before);
}

#[test]
fn walks_are_told_from_chance() {
    let walked = |numbers: &mut dyn Iterator<Item = u64>| {
        let mut harvest = Harvest::new(start(), Zone::UTC);
        for (i, n) in numbers.enumerate() {
            harvest.absorb(&reading(start() + Span::from_secs(i as i64), n), Zone::UTC);
        }
        harvest.in_sequence()
    };
    assert_eq!(walked(&mut (100..200)), Some(0.99));
    assert_eq!(walked(&mut (100..200).rev()), Some(0.99));
    assert!(walked(&mut (100..200).map(|n| 3 * n)).is_some());
    assert_eq!(walked(&mut (100..120)), None, "too short");
    let mut random = 1u64;
    let mut chance = std::iter::repeat_with(|| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        random >> 40 & 0x3ff
    });
    assert_eq!(walked(&mut chance.by_ref().take(20_000)), None);
    // A walk with somebody else's requests among it is still one.
    let mixed = (100..300).flat_map(|n| if n % 5 == 0 { vec![n, 7] } else { vec![n] });
    assert!(walked(&mut mixed.into_iter()).is_some_and(|share| share > 0.5));
    // Also if it stands between any two of its steps.
    let between: Vec<u64> = (100..300).flat_map(|n| [n, chance.next().unwrap_or_default() << 10]).collect();
    assert!(walked(&mut between.into_iter()).is_some_and(|share| share > 0.4));
    // Who goes on elsewhere walks on there.
    assert!(walked(&mut (100..140).chain(9_000..9_100)).is_some_and(|share| share > 0.9));
}

#[test]
fn whoever_reads_in_a_circle_walks_no_further_than_once_around() {
    let mut harvest = Harvest::new(start(), Zone::UTC);
    for i in 0..400i64 {
        let t = start() + Span::from_secs(i * 15);
        harvest.absorb(&reading(t, 1 + i as u64 % 80), Zone::UTC);
        assert!(harvest.walks.iter().all(|walk| walk.steps < 80), "{i}: {:?}", harvest.walks);
        assert!(harvest.walked.furthest() < 80, "{i}: {:?}", harvest.walked);
    }
    assert!(harvest.in_sequence().is_some_and(|share| share > 0.85), "it is one: {:?}", harvest.in_sequence());
}

#[test]
fn two_that_are_read_by_chance_where_a_walk_has_been_do_not_set_it_back() {
    let mut harvest = Harvest::new(start(), Zone::UTC);
    for i in 0..300u64 {
        let t = start() + Span::from_secs(i as i64 * 20);
        harvest.absorb(&reading(t, 1000 + i), Zone::UTC);
        if i % 50 == 40 {
            harvest.absorb(&reading(t, 1000 + i / 2), Zone::UTC);
            harvest.absorb(&reading(t, 1000 + i / 2 + 2), Zone::UTC);
        }
    }
    assert_eq!(harvest.walked.furthest(), 299);
}

#[test]
fn a_walk_is_news_for_whoever_never_walked() {
    let walks = |every_day: bool| {
        let mut harvest = Harvest::new(start(), Zone::UTC);
        let today = start() + Span::from_days(10);
        for day in 0..10i64 {
            for i in 0..200i64 {
                let n = if every_day { 7000 * day + i } else { (7919 * i + day) % 100_000 };
                harvest.absorb(&reading(start() + Span::from_days(day) + Span::from_secs(i * 60), n as u64), Zone::UTC);
            }
        }
        for i in 0..250 {
            harvest.absorb(&reading(today + Span::from_secs(i * 15), 500_000 + i as u64), Zone::UTC);
        }
        (harvest, today)
    };
    let (harvest, today) = walks(false);
    let walk = harvest.walks_anew(today + Span::from_mins(63)).unwrap();
    assert!((0..60).contains(&((walk.since - today).millis() / 1000)) && walk.steps == 249, "{walk:?}");
    assert_eq!(harvest.walks_anew(today + Span::from_mins(100)), None, "over");
    assert_eq!(walks(true).0.walks_anew(today + Span::from_mins(63)), None, "a habit");
}

#[test]
fn memory_is_bounded_and_saved() {
    let mut harvest = Harvest::new(start(), Zone::UTC);
    for n in 0..20_000u64 {
        let t = start() + Span::from_secs(n as i64 * 30);
        harvest.absorb(&Reading { route: Id(n % 100), ..reading(t, n * n) }, Zone::UTC);
    }
    let bytes = postcard::to_stdvec(&harvest).unwrap();
    assert!(bytes.len() < 700, "{}", bytes.len());
    let mut back = postcard::from_bytes::<Harvest>(&bytes).unwrap();
    back.remember(harvest.walked().clone());
    // But for the newest number of each walk, which the next one takes the place of.
    assert_eq!((postcard::to_stdvec(&back).unwrap(), back.walked()), (bytes, harvest.walked()));
    assert!(postcard::to_stdvec(harvest.walked()).unwrap().len() < 200);
    for t in [Timestamp::MIN, Timestamp::MAX, start()] {
        harvest.absorb(&reading(t, 1), Zone::UTC);
    }
    assert!(harvest.seen(start(), Zone::UTC).iter().all(|seen| seen.resources.is_finite()));
}
