//! Time that is not as it should be: unordered lines, clocks that step, zones that change (F41 to F45).

#[allow(unreachable_pub, dead_code)]
mod scenario;

use lapwing::time::{Span, Timestamp};
use scenario::{Site, Stream, at};

const START: &str = "2026-03-12T10:00:00Z";

/// A week of ordinary life of twelve consumers.
fn ordinary() -> Site {
    static LIVED: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    let consumers = |site: &mut Site| site.consumers(12, 30.0);
    Site::after(&LIVED, (1, "2026-03-05T00:00:00Z"), (3, START), consumers, Site::is_silent)
}

#[test]
fn f45_lines_up_to_a_minute_out_of_order_tell_what_sorted_ones_tell() {
    let story = |delay: Span| {
        let mut site = ordinary();
        site.delay = delay;
        let start = at(START);
        let mut burst = Stream::new("consumer-005", 400.0).steady().between(start, start + Span::from_mins(20));
        burst.clients = site.streams[5].clients.clone();
        burst.agents = site.streams[5].agents.clone();
        let mut leak = Stream::new("consumer-007", 7.0).steady().between(start, start + Span::from_hours(1));
        leak.clients = (1..=37).map(|i| format!("45.83.{i}.7")).collect();
        site.streams.extend([burst, leak]);
        site.run_until(start + Span::from_hours(3));
        site.finish();
        let mut opened = site.opened();
        opened.sort();
        let began: Vec<Timestamp> =
            opened.iter().filter_map(|o| Some(site.first(o.split(' ').next()?)?.incident.started_at)).collect();
        (opened, began)
    };
    let (sorted, began) = story(Span::ZERO);
    assert_eq!(sorted, ["burst key consumer-005", "leaked-key key consumer-007"]);
    let (unordered, began_unordered) = story(Span::MINUTE);
    assert_eq!(unordered, sorted);
    for (a, b) in began.iter().zip(&began_unordered) {
        assert!((*a - *b).millis().abs() <= 60_000, "{a} {b}");
    }
}

#[test]
fn f45_ordinary_life_out_of_order_is_silent() {
    let mut site = ordinary();
    site.delay = Span::from_mins(2);
    site.run_until(at(START) + Span::from_days(1));
    site.finish();
    assert_eq!(site.opened(), Vec::<String>::new());
}

#[test]
fn f41_f42_f43_a_clock_that_steps_ten_minutes_long_tells_nothing() {
    // Back two hours, forward a day, forward a year, back a day.
    let skews: [fn(Timestamp) -> Span; 4] = [
        |t| Span::from_hours(if stepped(t) { -2 } else { 0 }),
        |t| Span::from_days(i64::from(stepped(t))),
        |t| Span::from_days(if stepped(t) { 365 } else { 0 }),
        |t| Span::from_days(if stepped(t) { -1 } else { 0 }),
    ];
    for (n, skew) in skews.into_iter().enumerate() {
        let mut site = ordinary();
        site.live = true;
        site.skew = skew;
        site.run_until(at(START) + Span::from_hours(4));
        // No rate is huge and none negative; what comes with a wrong time may be missing in its minutes.
        let opened: Vec<String> = site.opened().into_iter().filter(|o| !o.starts_with("traffic-drop")).collect();
        assert_eq!(opened, Vec::<String>::new(), "skew {n}");
        let totals = site.engine.status().totals;
        if n == 1 || n == 2 {
            assert!(totals.future > 100, "counted when they came: {totals:?}");
        } else {
            assert!(totals.late > 100, "{totals:?}");
        }
        // Afterwards it judges as before.
        let start = site.now;
        site.skew = |_| Span::ZERO;
        let mut burst = Stream::new("consumer-005", 400.0).steady().between(start, start + Span::from_mins(20));
        burst.clients = site.streams[5].clients.clone();
        burst.agents = site.streams[5].agents.clone();
        site.streams.push(burst);
        site.run_until(start + Span::from_mins(30));
        assert!(site.first("burst").is_some(), "skew {n}: {:?}", site.opened());
    }
}

/// For ten minutes.
fn stepped(t: Timestamp) -> bool {
    let since = t - at(START);
    since >= Span::from_mins(30) && since < Span::from_mins(40)
}
