//! Stories on a virtual clock: what must be told, and what must stay silent.

#[allow(unreachable_pub, dead_code)]
mod scenario;

use std::sync::OnceLock;

use lapwing::detect::{Fact, budget};
use lapwing::engine::{Engine, Settings};
use lapwing::event::{Severity, SubjectKind};
use lapwing::incident::{Again, Change, ChangeKind};
use lapwing::measure::period::Period;
use lapwing::time::{Span, Timestamp};
use scenario::{Site, Stream, Things, at, office};

/// Ten ordinary days of forty consumers, lived through once, then what the story adds.
fn ordinary(seed: u64) -> Site {
    static LIVED: OnceLock<Vec<u8>> = OnceLock::new();
    let consumers = |site: &mut Site| site.consumers(40, 60.0);
    Site::after(&LIVED, (1, "2026-03-02T00:00:00Z"), (seed, "2026-03-12T10:00:00Z"), consumers, Site::is_silent)
}

#[test]
fn ten_ordinary_days_and_five_more_are_silent() {
    let mut site = ordinary(1);
    site.run_until(at("2026-03-17T00:00:00Z"));
    site.finish();
    assert_eq!(site.opened(), Vec::<String>::new());
}

#[test]
fn a_key_that_bursts_is_one_incident_on_the_key_with_a_beginning_and_an_end() {
    let mut site = ordinary(2);
    let start = at("2026-03-12T10:00:00Z");
    let mut burst = Stream::new("consumer-005", 400.0).steady().between(start, start + Span::from_mins(20));
    burst.clients = site.streams[5].clients.clone();
    burst.agents = site.streams[5].agents.clone();
    site.streams.push(burst);
    site.run_until(start + Span::from_hours(3));
    site.finish();
    assert_eq!(site.opened(), ["burst key consumer-005"]);
    let opened = site.first("burst").unwrap();
    assert!(opened.at - start <= Span::from_secs(120), "noticed after {}", opened.at - start);
    assert!((opened.incident.started_at - start).millis().abs() <= 30_000, "began {}", opened.incident.started_at);
    let resolved: Vec<_> = site.changes.iter().filter(|c| matches!(c.kind, ChangeKind::Resolved(_))).collect();
    assert_eq!(resolved.len(), 1);
    let ended = resolved[0].incident.ended_at.unwrap();
    assert!((ended - (start + Span::from_mins(20))).millis().abs() <= 180_000, "ended {ended}");
    assert!((resolved[0].incident.observed / 400.0 - 1.0).abs() < 0.2, "{}", resolved[0].incident.observed);
}

#[test]
fn a_blip_of_25_seconds_is_silent_however_high() {
    let mut site = ordinary(3);
    let start = at("2026-03-12T10:00:03Z");
    site.streams.push(Stream::new("consumer-005", 6000.0).steady().between(start, start + Span::from_secs(25)));
    site.run_until(start + Span::from_hours(2));
    site.finish();
    assert_eq!(site.opened(), Vec::<String>::new());
}

#[test]
fn a_deploy_that_fails_for_25_seconds_is_silent() {
    let mut site = ordinary(4);
    let start = at("2026-03-12T10:00:20Z");
    site.run_until(start);
    for stream in &mut site.streams {
        stream.errors = (1.0, 502);
    }
    site.run_until(start + Span::from_secs(25));
    for stream in &mut site.streams {
        stream.errors = (0.005, 500);
    }
    site.run_until(start + Span::from_hours(2));
    site.finish();
    assert_eq!(site.opened(), Vec::<String>::new());
}

#[test]
fn an_endpoint_that_fails_for_everybody_is_one_error_spike_on_it() {
    let mut site = ordinary(5);
    let start = at("2026-03-12T10:00:00Z");
    for i in 0..12 {
        let mut stream = Stream::new(&format!("consumer-{i:03}"), 8.0).endpoint("/v1/reports");
        stream.errors = (0.01, 500);
        site.streams.push(stream);
    }
    site.run_until(at("2026-03-16T10:00:00Z"));
    let start = start + Span::from_days(4);
    for stream in site.streams.iter_mut().filter(|s| s.endpoints == ["/v1/reports"]) {
        stream.errors = (0.7, 502);
    }
    site.run_until(start + Span::from_mins(20));
    for stream in &mut site.streams {
        stream.errors = (0.005, 500);
    }
    site.run_until(start + Span::from_hours(2));
    site.finish();
    assert_eq!(site.opened(), ["error-spike endpoint /v1/reports"]);
    let opened = site.first("error-spike").unwrap();
    assert!(opened.at - start <= Span::from_secs(240), "noticed after {}", opened.at - start);
    let resolved = site.changes.iter().find(|c| matches!(c.kind, ChangeKind::Resolved(_))).expect("its end");
    assert!((resolved.incident.observed - 0.7).abs() < 0.1, "over its length {}", resolved.incident.observed);
    assert!((opened.incident.started_at - start).millis().abs() <= 120_000);
}

/// A job of 54 minutes a day that lies across a full hour; after three weeks the clock of whoever runs it goes back.
fn job_that_moves(stream: &Stream, t: Timestamp) -> f64 {
    let moved = if t < at("2026-03-23T00:00:00Z") { 0 } else { 60 };
    let minute = (t - t.floor(Span::DAY)).mins_f64() as i64 - moved;
    if (770..824).contains(&minute) { stream.scale } else { 0.0 }
}

#[test]
fn a_daily_job_that_moves_by_an_hour_is_neither_a_drop_nor_a_burst() {
    let mut site = Site::new(42, "2026-03-02T00:00:00Z");
    site.consumers(10, 20.0);
    let mut job = Stream::new("nightly-export", 15.0);
    job.rate = job_that_moves;
    site.streams.push(job);
    site.run_until(at("2026-03-22T00:00:00Z"));
    let before = site.opened().len();
    site.run_until(at("2026-03-27T00:00:00Z"));
    site.finish();
    assert_eq!(site.opened()[before..], [] as [String; 0]);
}

#[test]
fn everything_rising_together_is_one_incident_on_the_site() {
    let mut site = ordinary(6);
    let start = at("2026-03-12T10:00:00Z");
    let more: Vec<Stream> = site
        .streams
        .iter()
        .map(|s| {
            let mut s = s.clone().between(start, start + Span::from_hours(1));
            s.rate = |stream, t| 2.0 * stream.scale * office(t);
            s
        })
        .collect();
    site.streams.extend(more);
    site.run_until(start + Span::from_hours(3));
    site.finish();
    assert_eq!(site.opened(), ["burst site"]);
}

#[test]
fn two_keys_at_once_are_two_incidents_and_thirty_are_one() {
    for (n, expected) in [(2, 2), (30, 1)] {
        let mut site = ordinary(7);
        let start = at("2026-03-12T10:00:00Z");
        for i in 5..5 + n {
            let mut burst = Stream::new(&format!("consumer-{i:03}"), 300.0).steady();
            burst.clients = site.streams[i].clients.clone();
            site.streams.push(burst.between(start, start + Span::from_mins(15)));
        }
        site.run_until(start + Span::from_hours(2));
        site.finish();
        assert_eq!(site.opened().len(), expected, "{n} keys: {:?}", site.opened());
    }
}

#[test]
fn five_hundred_keys_at_once_are_one_message() {
    let mut site = Site::new(16, "2026-03-02T00:00:00Z");
    site.consumers(600, 30.0);
    site.run_until(at("2026-03-09T10:00:00Z"));
    assert_eq!(site.opened(), Vec::<String>::new());
    let start = site.now;
    for i in 50..550 {
        let mut burst = Stream::new(&format!("consumer-{i:03}"), 60.0).steady();
        burst.clients = site.streams[i].clients.clone();
        burst.agents = site.streams[i].agents.clone();
        site.streams.push(burst.between(start, start + Span::from_mins(12)));
    }
    site.run_until(start + Span::from_hours(2));
    site.finish();
    assert_eq!(site.opened(), ["burst site"]);
}

/// New keys, so many in each of so many ten seconds, each with one refused request from an address of its own.
fn flood(site: &mut Site, tens: i64, keys: i64) {
    let step = Span::from_secs(10);
    for number in 0..tens {
        let from = site.now;
        let regulars = site.streams.len();
        for n in number * keys..(number + 1) * keys {
            let mut once = Stream::new(&format!("unknown-{n}"), 1.0).between(from, from + step);
            once.clients = vec![format!("10.{}.{}.{}", n >> 16, n >> 8 & 255, n & 255)];
            once.pace = Some(step);
            site.streams.push(once.failing(1.0, 401));
        }
        site.run_until(from + step);
        site.streams.truncate(regulars);
    }
}

#[test]
fn a_flood_of_unknown_keys_is_one_incident_and_drives_nobody_out() {
    let mut site = ordinary(17);
    let mut settings = Site::settings();
    // Room for some ten thousand rows.
    settings.memory = 8 << 20;
    site.engine = Engine::load(settings, &site.engine.save()).expect("what was saved");
    let start = site.now;
    let before = site.engine.status();
    flood(&mut site, 120, 150);
    let after = site.engine.status();
    assert_eq!(site.opened(), ["burst site"], "one incident, whatever else is up");
    let opened = site.first("burst").unwrap();
    assert!(opened.at - start <= Span::from_mins(3), "noticed after {}", opened.at - start);
    assert_eq!(opened.incident.unit, "new keys/min");
    assert!((opened.incident.observed / 900.0 - 1.0).abs() < 0.7, "{}", opened.incident.observed);
    assert!(after.memory.used <= after.memory.limit, "{:?}", after.memory);
    assert!(after.evicted - before.evicted > 5_000, "what had to go is counted: {}", after.evicted);
    assert_eq!(after.keys.1, before.keys.1, "every regular keeps what is usual for it");
    // They go on as if nothing had been: no burst, no leak, no missing traffic; and the flood's end is told.
    site.run_until(site.now + Span::from_hours(2));
    site.finish();
    assert_eq!(site.opened(), ["burst site"]);
    let ends: Vec<_> = site.changes.iter().filter(|c| matches!(c.kind, ChangeKind::Resolved(_))).collect();
    assert_eq!(ends.len(), 1);
    let keys = ends[0].incident.impact.requests as f64;
    assert!((keys / 18_000.0 - 1.0).abs() < 0.15, "{keys} keys in all");
}

#[test]
fn a_flood_hides_nobody_who_misuses_a_known_key_meanwhile() {
    let mut site = ordinary(17);
    let start = site.now;
    let mut leak = Stream::new("consumer-007", 7.0).steady().between(start + Span::from_mins(5), start + Span::HOUR);
    leak.clients = (1..=37).map(|i| format!("45.83.{i}.7")).collect();
    leak.agents = vec!["python-requests".into()];
    site.streams.push(leak);
    let mut burst = Stream::new("consumer-003", 300.0).steady().between(start, start + Span::HOUR);
    burst.clients = site.streams[3].clients.clone();
    burst.agents = site.streams[3].agents.clone();
    site.streams.push(burst);
    flood(&mut site, 90, 300);
    site.run_until(start + Span::from_hours(2));
    site.finish();
    let mut opened = site.opened();
    opened.sort_unstable();
    assert_eq!(opened, ["burst key consumer-003", "burst site", "leaked-key key consumer-007"]);
}

#[test]
fn thousands_of_unknown_keys_are_told_however_short_it_is_and_hundreds_only_if_it_lasts() {
    for (keys, told) in [(300, &[][..]), (3000, &["burst site"][..])] {
        let mut site = ordinary(17);
        let start = site.now;
        flood(&mut site, 2, keys);
        site.run_until(start + Span::from_hours(2));
        site.finish();
        assert_eq!(site.opened(), told, "2 * {keys} keys within 20 s");
    }
}

#[test]
fn a_site_that_goes_silent_is_told_once_and_its_return_resolves_it() {
    let mut site = ordinary(8);
    let start = at("2026-03-12T10:00:00Z");
    let streams = std::mem::take(&mut site.streams);
    for minute in 0..30 {
        site.engine.advance(start + Span::from_mins(minute), &mut site.changes);
    }
    site.now = start + Span::from_mins(30);
    site.streams = streams;
    site.run_until(start + Span::from_hours(3));
    site.finish();
    assert_eq!(site.opened(), ["traffic-drop source api"]);
    assert_eq!(site.changes.iter().filter(|c| matches!(c.kind, ChangeKind::Resolved(_))).count(), 1);
    let worse = site.changes.iter().filter(|c| c.kind == ChangeKind::Updated(Again::Worse)).count();
    assert_eq!(worse, 0, "what comes again is nothing worse");
    let opened = site.first("traffic-drop").unwrap();
    let Some(Fact::Count(missing)) = opened.incident.facts.get("missing") else { panic!("counted") };
    let due = opened.incident.expected * (opened.at - opened.incident.started_at).mins_f64();
    assert!((0.7..1.3).contains(&(*missing as f64 / due)), "{missing} of {due} are missing");
}

/// Three weeks of a shop that calls so many times a minute by day and night; from then on it does this share of that.
fn shop(key: &str, per_minute: f64, shares: &[(f64, i64)]) -> Site {
    let mut site = Site::new(43, "2026-03-02T00:00:00Z");
    site.consumers(10, 20.0);
    let shop = Stream::new(key, per_minute).steady();
    let start = at("2026-03-18T10:00:00Z");
    site.streams.push(shop.clone().between(at("2026-03-02T00:00:00Z"), start));
    let mut from = start;
    for (share, minutes) in shares {
        let until = from + Span::from_mins(*minutes);
        let part = Stream { scale: per_minute * share, ..shop.clone() };
        site.streams.push(part.between(from, until));
        from = until;
    }
    site.run_until(from);
    site.finish();
    site
}

#[test]
fn a_key_that_falls_silent_is_told_and_what_is_missing_is_counted_along() {
    let site = shop("shop", 10.0, &[(0.0, 240), (1.0, 120)]);
    assert_eq!(site.opened(), ["traffic-drop key shop"]);
    let told: Vec<_> = site.changes.iter().filter(|c| c.incident.detector == "traffic-drop").collect();
    let missing = |c: &Change| match c.incident.facts["missing"] {
        Fact::Count(n) => n as f64,
        ref other => panic!("{other:?}"),
    };
    let start = at("2026-03-18T10:00:00Z");
    for change in &told {
        let gone = change.incident.ended_at.unwrap_or(change.at).min(start + Span::from_hours(4)) - start;
        let ratio = missing(change) / (10.0 * gone.mins_f64());
        assert!((0.8..1.2).contains(&ratio), "{:?} after {gone}: {}", change.kind, missing(change));
    }
    assert!(told.len() >= 4 && matches!(told.last().unwrap().kind, ChangeKind::Resolved(_)), "{}", told.len());
}

#[test]
fn what_is_missing_is_what_usually_comes_though_less_is_enough_to_be_told() {
    let mut site = Site::new(46, "2026-03-02T00:00:00Z");
    site.consumers(10, 20.0);
    let mut shop = Stream::new("shop", 10.0);
    // By night it does a third: only what surely would have come speaks for a drop in the first hour of the day.
    shop.rate =
        |stream, t| stream.scale * if (9..18).contains(&t.bucket(Span::HOUR).rem_euclid(24)) { 1.0 } else { 0.33 };
    let start = at("2026-03-18T09:15:00Z");
    site.streams.push(shop.between(at("2026-03-02T00:00:00Z"), start));
    site.run_until(start + Span::from_hours(2));
    site.finish();
    let opened = site.first("traffic-drop").expect("told");
    let Fact::Count(missing) = opened.incident.facts["missing"] else { panic!("counted") };
    let due = 10.0 * (opened.at - start).mins_f64();
    assert!((0.7..1.2).contains(&(missing as f64 / due)), "{missing} of {due} are missing at {}", opened.at);
}

#[test]
fn a_lull_of_a_key_that_has_been_quiet_all_day_is_no_drop() {
    assert_eq!(shop("shop", 10.0, &[(0.25, 300), (0.09, 70), (0.25, 120)]).opened(), [] as [String; 0]);
}

#[test]
fn what_an_hour_owes_to_its_first_half_is_no_news() {
    // Too little for a quarter of an hour to show: only the hour could tell of it.
    let client = |shares: &[(f64, i64)]| shop("", 5.0, shares).opened();
    assert_eq!(client(&[(4.0, 60), (1.0, 60)]), ["burst client 10.0.0.0"], "while it goes on");
    assert_eq!(client(&[(4.0, 26), (1.4, 45), (1.0, 60)]), [] as [String; 0], "when it has eased");
}

#[test]
fn a_silence_that_says_enough_is_told_as_one_whatever_came_before() {
    // A site on its second day, quiet for ten minutes before: an hour of little would be told of it else.
    let mut site = Site::new(44, "2026-03-02T00:00:00Z");
    let start = at("2026-03-03T06:00:00Z");
    let shop = Stream::new("shop", 1.5).steady();
    site.streams.push(shop.clone().between(at("2026-03-02T00:00:00Z"), start));
    let little = Stream { scale: 0.6, ..shop.clone() };
    site.streams.push(little.between(start, start + Span::from_mins(10)));
    site.streams.push(shop.between(start + Span::from_mins(120), start + Span::from_mins(180)));
    site.run_until(start + Span::from_hours(3));
    let opened = site.first("traffic-drop").expect("its opening");
    assert!(opened.incident.observed == 0.0, "{}", opened.incident.observed);
    assert!(matches!(opened.incident.facts["per_minute"], Fact::Number(n) if n == 0.0), "{:?}", opened.incident.facts);
    assert!(opened.incident.started_at - start >= Span::from_mins(8), "{}", opened.incident.started_at);
}

#[test]
fn a_gap_of_forty_minutes_in_the_log_alone_raises_no_burst_afterwards() {
    let mut site = ordinary(9);
    site.now = at("2026-03-12T10:40:00Z");
    site.run_until(at("2026-03-12T16:00:00Z"));
    site.finish();
    assert!(site.opened().iter().all(|o| o.starts_with("traffic-drop")), "{:?}", site.opened());
}

#[test]
fn a_restart_in_the_middle_of_an_incident_is_invisible() {
    let story = |restart: bool| {
        let mut site = ordinary(10);
        let start = at("2026-03-12T10:00:00Z");
        site.streams.push(Stream::new("consumer-005", 400.0).steady().between(start, start + Span::from_mins(20)));
        site.run_until(start + Span::from_mins(7));
        if restart {
            let bytes = site.engine.save();
            site.engine = Engine::load(Site::settings(), &bytes).unwrap();
        }
        site.run_until(start + Span::from_hours(2));
        site.finish();
        site.changes
    };
    assert_eq!(story(false), story(true));
}

#[test]
fn a_leaked_key_is_told_within_two_minutes_and_its_owner_going_on_is_said() {
    let mut site = ordinary(11);
    let start = at("2026-03-12T10:00:00Z");
    let mut leak = Stream::new("consumer-007", 7.0).steady().between(start, start + Span::from_hours(2));
    leak.clients = (1..=37).map(|i| format!("45.83.{i}.7")).collect();
    leak.agents = vec!["python-requests".into()];
    site.streams.push(leak);
    site.run_until(start + Span::from_hours(12));
    site.finish();
    assert_eq!(site.opened(), ["leaked-key key consumer-007"]);
    let opened = site.first("leaked-key").unwrap();
    assert!(opened.at - start <= Span::from_mins(5), "noticed after {}", opened.at - start);
    assert!((opened.incident.started_at - start).millis().abs() <= 60_000);
}

#[test]
fn two_million_calls_of_a_leaked_key_are_noticed_within_two_minutes() {
    // 2.3 million calls in 72 hours on top of 8 million a day of others; a tenth of each unless LAPWING_FULL_SIZE is set.
    let scale = if std::env::var_os("LAPWING_FULL_SIZE").is_some() { 10.0 } else { 1.0 };
    let mut site = Site::new(12, "2026-03-02T00:00:00Z");
    site.consumers(200, 237.0 * scale);
    site.run_until(at("2026-03-06T03:00:00Z"));
    assert_eq!(site.opened(), Vec::<String>::new());
    let start = site.now;
    let mut leak = Stream::new("consumer-040", 53.2 * scale).steady().between(start, start + Span::from_hours(72));
    leak.clients = (1..=12).map(|i| format!("45.83.{i}.7")).collect();
    site.streams.push(leak);
    site.run_until(start + Span::from_mins(30));
    site.finish();
    let opened = site.first("leaked-key").expect("the leak");
    assert_eq!(opened.incident.subject.name, "consumer-040");
    assert!(opened.at - start <= Span::from_mins(2), "noticed after {}", opened.at - start);
    assert_eq!(site.opened().len(), 1, "{:?}", site.opened());
}

/// A call about every 173 seconds, always the same.
fn slow_loop(key: &str) -> Stream {
    let mut stream = Stream::new(key, 60.0 / 173.0).steady().endpoint("/v1/documents/process");
    stream.method = lapwing::event::Method::Post;
    stream.identical = true;
    stream.pace = Some(Span::from_secs(173));
    stream.errors = (0.0, 500);
    stream
}

#[test]
fn a_slow_retry_loop_is_found_within_its_first_two_hours() {
    let mut site = ordinary(13);
    let start = at("2026-03-12T10:00:00Z");
    let mut repeats = slow_loop("consumer-003").between(start, start + Span::from_hours(48));
    repeats.clients = site.streams[3].clients.clone();
    repeats.agents = site.streams[3].agents.clone();
    site.streams.push(repeats);
    site.run_until(start + Span::from_hours(49));
    site.finish();
    assert_eq!(site.opened(), ["retry-loop key consumer-003"]);
    let opened = site.first("retry-loop").unwrap();
    assert!(opened.at - start <= Span::from_hours(2), "noticed after {}", opened.at - start);
    assert!(opened.incident.started_at - start <= Span::from_mins(15), "began {}", opened.incident.started_at);
    let resolved = site.changes.iter().find(|c| matches!(c.kind, ChangeKind::Resolved(_))).expect("its end");
    assert!((resolved.incident.impact.requests as f64 / 1000.0 - 1.0).abs() < 0.1, "{:?}", resolved.incident.impact);
}

#[test]
fn a_poller_with_weeks_of_history_at_the_same_pace_is_silent() {
    let mut site = Site::new(14, "2026-03-02T00:00:00Z");
    site.consumers(20, 20.0);
    let mut poller = slow_loop("consumer-003");
    poller.clients = site.streams[3].clients.clone();
    poller.agents = site.streams[3].agents.clone();
    site.streams.push(poller);
    site.run_until(at("2026-03-25T00:00:00Z"));
    site.finish();
    assert_eq!(site.opened(), Vec::<String>::new());
}

#[test]
fn a_key_with_a_cost_says_what_the_loop_spends() {
    let mut site = ordinary(15);
    let start = at("2026-03-12T10:00:00Z");
    let mut repeats = slow_loop("consumer-003").failing(1.0, 504).between(start, start + Span::from_hours(3));
    repeats.cost = 1.58;
    repeats.clients = site.streams[3].clients.clone();
    site.streams.push(repeats);
    site.run_until(start + Span::from_hours(4));
    site.finish();
    let opened = site.first("retry-loop").expect("the loop");
    let cost = opened.incident.impact.cost.expect("a cost");
    assert!((20.0..40.0).contains(&cost), "told after ${cost}");
    assert!(opened.at - start <= Span::from_mins(75), "noticed after {}", opened.at - start);
}

/// A budget of requests for each key and day, told at 50, 80 and 100 %.
fn quota(requests: u64) -> budget::Settings {
    let step = |percent, severity| budget::Step { percent, severity };
    budget::Settings {
        name: "partner-quota".into(),
        per: SubjectKind::Key,
        period: Period::Day,
        limits: budget::Limits { requests: Some(requests), ..budget::Limits::default() },
        steps: vec![step(50, Severity::Info), step(80, Severity::Warning), step(100, Severity::Critical)],
        keys: Vec::new(),
        endpoints: Vec::new(),
        most: 20_000,
    }
}

fn with_budgets(budgets: Vec<budget::Settings>) -> Settings {
    Settings { budgets, ..Site::settings() }
}

/// What was told of budgets: by which request (counted from one), how, and how much it matters.
fn told(changes: &[Change]) -> Vec<(ChangeKind, Severity)> {
    changes.iter().filter(|c| c.incident.detector == "budget").map(|c| (c.kind, c.incident.severity)).collect()
}

const STEPS: [(u64, ChangeKind, Severity); 3] = [
    (500, ChangeKind::Opened, Severity::Info),
    (800, ChangeKind::Updated(Again::Worse), Severity::Warning),
    (1000, ChangeKind::Updated(Again::Worse), Severity::Critical),
];

#[test]
fn a_budget_of_1000_is_told_by_the_500th_800th_and_1000th_request_and_at_the_end_of_the_day() {
    let start = at("2026-03-02T00:00:00Z");
    let mut site = Site::with(20, "2026-03-02T00:00:00Z", with_budgets(vec![quota(1000)]));
    site.streams.push(Stream::new("acme", 1.0));
    let mut steps = Vec::new();
    for n in 1..=1204u64 {
        let changes = site.line(start + Span::from_secs(60 * n as i64), 0);
        steps.extend(told(&changes).into_iter().map(|(kind, severity)| (n, kind, severity)));
    }
    assert_eq!(steps, STEPS);
    let opened = site.first("budget").unwrap().clone();
    assert_eq!((opened.at, opened.incident.observed), (start + Span::from_secs(30_000), 500.0));
    assert_eq!(opened.incident.rule, "partner-quota");
    let before = site.changes.len();
    // Somebody else goes on until the day is over.
    site.streams.push(Stream::new("bolt", 1.0));
    for minute in (1205..24 * 60 + 30).step_by(4) {
        site.line(start + Span::from_mins(minute), 1);
    }
    let over: Vec<&Change> = site.changes[before..].iter().filter(|c| c.incident.detector == "budget").collect();
    assert_eq!(over.len(), 1, "{over:?}");
    assert!(matches!(over[0].kind, ChangeKind::Resolved(_)));
    assert_eq!(over[0].incident.id, opened.incident.id, "one incident a key and day");
    assert_eq!(over[0].incident.ended_at, Some(at("2026-03-03T00:00:00Z")));
    assert_eq!((over[0].incident.observed, over[0].incident.expected), (1204.0, 1000.0));
}

#[test]
fn each_day_has_its_own_steps_and_late_lines_count_for_theirs() {
    let day = |n: i64| at("2026-03-02T00:00:00Z") + Span::from_days(n);
    let mut site = Site::with(21, "2026-03-02T00:00:00Z", with_budgets(vec![quota(1000)]));
    site.streams.push(Stream::new("acme", 1.0));
    for n in 0..999 {
        site.line(day(0) + Span::from_secs(60 * n), 0);
    }
    assert_eq!(told(&site.changes).len(), 2);
    // The next day begins; then the last line of the day before comes, three hours late.
    for n in 0..180 {
        site.line(day(1) + Span::from_secs(60 * n), 0);
    }
    assert_eq!(told(&site.changes).len(), 3, "and the day was told to be over");
    let late = site.line(day(1) - Span::SECOND, 0);
    assert_eq!(told(&late)[0], (ChangeKind::Opened, Severity::Critical), "{late:?}");
    assert_eq!((late[0].incident.observed, late[0].incident.started_at), (1000.0, day(1) - Span::SECOND));
    let second = (0..320).flat_map(|n| site.line(day(1) + Span::from_secs(60 * (180 + n)), 0)).collect::<Vec<_>>();
    assert_eq!(told(&second), [(ChangeKind::Opened, Severity::Info)], "500 of the second day");
}

#[test]
fn no_restart_moves_the_edge_of_a_budget() {
    let start = at("2026-03-02T00:00:00Z");
    for seed in 0..8u64 {
        let settings = || {
            with_budgets(vec![
                quota(1000),
                budget::Settings { per: SubjectKind::Site, name: "all".into(), ..quota(1000) },
            ])
        };
        let mut site = Site::with(seed, "2026-03-02T00:00:00Z", settings());
        site.streams.push(Stream::new("acme", 1.0));
        let mut random = scenario::Random::new(seed);
        let mut steps = Vec::new();
        for n in 1..=1100u64 {
            if random.below(50) == 0 || [499, 500, 799, 800, 999, 1000].contains(&n) {
                let bytes = site.engine.save();
                site.engine = Engine::load(settings(), &bytes).unwrap();
            }
            let changes = site.line(start + Span::from_secs(10 * n as i64), 0);
            steps.extend(told(&changes).into_iter().map(|(kind, severity)| (n, kind, severity)));
        }
        let twice: Vec<_> = STEPS.into_iter().flat_map(|step| [step, step]).collect();
        assert_eq!(steps, twice, "each budget once");
    }
}

#[test]
fn a_budget_neither_hides_a_burst_nor_is_hidden_by_one() {
    let mut site = ordinary(22);
    let start = at("2026-03-12T10:00:00Z");
    site.engine.retune(with_budgets(vec![quota(1000)]));
    let mut burst = Stream::new("consumer-005", 400.0).steady().between(start, start + Span::from_mins(20));
    burst.clients = site.streams[5].clients.clone();
    burst.agents = site.streams[5].agents.clone();
    site.streams.push(burst);
    site.run_until(start + Span::from_hours(2));
    site.finish();
    let of_key: Vec<String> = site.opened().into_iter().filter(|o| o.ends_with("key consumer-005")).collect();
    let mut sorted = of_key.clone();
    sorted.sort();
    assert_eq!(sorted, ["budget key consumer-005", "burst key consumer-005"]);
    assert_eq!(
        told(&site.changes).iter().filter(|(_, severity)| *severity == Severity::Critical).count(),
        1 + busy(&site)
    );
}

/// Other consumers that used up the same budget meanwhile.
fn busy(site: &Site) -> usize {
    let of = |c: &&Change| c.incident.detector == "budget" && c.incident.severity == Severity::Critical;
    site.changes.iter().filter(of).filter(|c| c.incident.subject.name != "consumer-005").count()
}

#[test]
fn five_hundred_keys_at_half_of_their_budget_are_five_hundred_pieces_of_information_and_no_page() {
    let start = at("2026-03-02T00:00:00Z");
    let mut site = Site::with(23, "2026-03-02T00:00:00Z", with_budgets(vec![quota(20)]));
    site.streams = (0..500).map(|i| Stream::new(&format!("consumer-{i:03}"), 1.0)).collect();
    for n in 0..15 {
        for i in 0..500 {
            site.line(start + Span::from_secs(60 * n + i as i64 / 10), i);
        }
    }
    assert_eq!(told(&site.changes), vec![(ChangeKind::Opened, Severity::Info); 500]);
    let ids: std::collections::BTreeSet<&str> = site.changes.iter().map(|c| c.incident.id.as_str()).collect();
    assert_eq!(ids.len(), 500);
}

#[test]
fn keys_without_a_place_in_a_budget_are_said() {
    let start = at("2026-03-02T00:00:00Z");
    let few = budget::Settings { most: 10, ..quota(4) };
    let mut site = Site::with(24, "2026-03-02T00:00:00Z", with_budgets(vec![few]));
    site.streams = (0..30).map(|i| Stream::new(&format!("consumer-{i:03}"), 1.0)).collect();
    for n in 0..4 {
        for i in 0..30 {
            site.line(start + Span::from_secs(60 * n + i as i64), i);
        }
    }
    assert_eq!(told(&site.changes).len(), 3 * 10 - 10, "50 %, then 80 and 100 % at once");
    let status = site.engine.status();
    assert_eq!((status.budgets[0].subjects, status.budgets[0].uncounted), (10, 80));
}

#[test]
fn a_budget_that_runs_out_says_when() {
    let mut site = ordinary(25);
    let start = at("2026-03-12T10:00:00Z");
    // About 1,400 a day are usual; from ten o'clock on it does four a minute on top.
    let only = budget::Settings { keys: vec!["consumer-01*".into()], ..quota(1000) };
    site.engine.retune(with_budgets(vec![only]));
    let mut more = Stream::new("consumer-012", 4.0).steady().between(start, start + Span::from_hours(10));
    more.clients = site.streams[12].clients.clone();
    more.agents = site.streams[12].agents.clone();
    site.streams.push(more);
    site.run_until(start + Span::from_hours(5));
    let half =
        site.changes.iter().find(|c| c.incident.subject.name == "consumer-012" && c.incident.detector == "budget");
    let half = half.expect("half of it");
    let ran_out: Timestamp = site
        .changes
        .iter()
        .find(|c| c.incident.subject.name == "consumer-012" && c.incident.severity == Severity::Critical)
        .expect("the end of it")
        .at;
    let Some(lapwing::detect::Fact::Time(forecast)) = half.incident.facts.get("runs_out") else { panic!("{half:?}") };
    assert!((*forecast - ran_out).millis().abs() <= Span::from_mins(20).millis(), "{forecast}, in truth {ran_out}");
    assert!(half.incident.facts.contains_key("counted_since"), "the day had begun before");
}

/// Two weeks of an API with large and small readers, a nightly batch, a search engine, and visitors without keys; Monday morning.
const MONDAY: &str = "2026-03-16T08:00:00Z";

fn library(seed: u64) -> Site {
    static LIVED: OnceLock<Vec<u8>> = OnceLock::new();
    Site::after(&LIVED, (3, "2026-03-02T00:00:00Z"), (seed, MONDAY), readers, Site::is_silent)
}

fn readers(site: &mut Site) {
    site.consumers(12, 6.0);
    for i in 0..6 {
        let mut reader = Stream::new(&format!("reader-{i}"), 0.3);
        reader.clients = vec![format!("192.0.{i}.9")];
        site.streams.push(reader);
        let mut visitor = Stream::new("", 0.2);
        visitor.clients = (0..8).map(|n| format!("203.0.{i}.{n}")).collect();
        visitor.agents = vec!["Chrome".into()];
        site.streams.push(visitor);
    }
    let mut batch = Stream::new("nightly", 25.0);
    batch.rate = |stream, t| if t.millis().div_euclid(3_600_000).rem_euclid(24) == 2 { stream.scale } else { 0.0 };
    batch.things = Things::New;
    site.streams.push(batch);
    let mut engine = Stream::new("", 2.0).steady();
    engine.clients = vec!["66.249.66.1".into()];
    engine.agents = vec!["Googlebot".into()];
    (engine.things, engine.crawler) = (Things::New, true);
    site.streams.push(engine);
}

/// Five requests a minute for a day, on top of what else a key or address does.
fn collector(key: &str, client: &str, agent: &str, things: Things) -> Stream {
    let start = at(MONDAY) + Span::from_hours(2);
    let mut stream = Stream::new(key, 5.0).steady().endpoint("/v1/users/{id}").between(start, start + Span::DAY);
    stream.clients = vec![client.to_owned()];
    stream.agents = vec![agent.to_owned()];
    stream.things = things;
    stream
}

fn is_harvest(change: &Change) -> bool {
    change.incident.detector == "harvesting"
}

#[test]
fn five_requests_a_minute_are_found_within_three_hours() {
    let start = at(MONDAY) + Span::from_hours(2);
    for (things, key, client) in [
        (Things::InSequence, "reader-3", "192.0.3.9"),
        (Things::New, "reader-3", "192.0.3.9"),
        (Things::New, "", "198.18.7.7"),
    ] {
        let mut site = library(31);
        site.streams.push(collector(key, client, "okhttp", things));
        site.run_until(start + Span::from_hours(30));
        site.finish();
        let first =
            site.changes.iter().find(|c| is_harvest(c)).unwrap_or_else(|| panic!("{things:?}: {:?}", site.opened()));
        assert!(first.at - start <= Span::from_hours(3), "{things:?} {key}: noticed after {}", first.at - start);
        assert!(
            (first.incident.started_at - start).millis().abs() <= Span::HOUR.millis(),
            "{}",
            first.incident.started_at
        );
        let subject = if key.is_empty() { "client 198.18.7.7" } else { "key reader-3" };
        assert_eq!(first.incident.subject.to_string(), subject);
        assert_eq!(site.opened().len(), 1, "{:?}", site.opened());
        let last = site.changes.iter().rfind(|c| is_harvest(c)).unwrap();
        assert!(matches!(last.kind, ChangeKind::Resolved(_)), "{last:?}");
        let read = last.incident.observed;
        // Two thirds of the twelve-second steps bring a request.
        assert!((3500.0..9000.0).contains(&read), "{read} of 7,200");
        let in_sequence = first.incident.facts.get("in_sequence") == Some(&lapwing::detect::Fact::Flag(true));
        assert_eq!(in_sequence, things == Things::InSequence);
        assert!(first.incident.parts.endpoints.iter().any(|part| part.name == "/v1/users/{id}" && part.share > 0.5));
    }
}

#[test]
fn a_restart_changes_nothing_about_who_collects() {
    let story = |restart: bool| {
        let mut site = library(32);
        site.streams.push(collector("reader-3", "192.0.3.9", "okhttp", Things::New));
        for hour in 0..8 {
            site.run_until(at(MONDAY) + Span::from_hours(hour));
            if restart {
                let bytes = site.engine.save();
                site.engine = Engine::load(Site::settings(), &bytes).unwrap();
            }
        }
        site.changes
    };
    let changes = story(true);
    assert!(changes.iter().any(is_harvest));
    assert_eq!(story(false), changes);
}

#[test]
fn a_first_day_of_a_few_hours_is_no_measure_for_the_second() {
    for start in ["2026-03-02T15:00:00Z", "2026-03-02T19:53:00Z", "2026-03-02T22:30:00Z"] {
        let mut site = Site::new(33, start);
        for n in 0..6 {
            let mut reader = Stream::new(&format!("steady-{n}"), 1.1).steady().endpoint("/v1/users/{id}");
            reader.clients = vec![format!("192.0.3.{n}")];
            reader.things = Things::New;
            site.streams.push(reader);
        }
        site.run_until(at(start) + Span::from_hours(60));
        site.finish();
        assert_eq!(site.opened(), Vec::<String>::new(), "from {start} on");
    }
}

#[test]
fn search_engines_batches_big_and_new_readers_and_caches_do_not_harvest() {
    let start = at(MONDAY) + Span::from_hours(2);
    let mut site = library(33);
    // A new search engine, four times as busy as a collector.
    let mut engine = collector("", "40.77.167.1", "bingbot", Things::New);
    (engine.crawler, engine.scale) = (true, 20.0);
    site.streams.push(engine);
    // The largest reader is half as busy again.
    let mut large = Stream::new("consumer-000", 3.0).between(start, start + Span::DAY);
    (large.clients, large.agents) = (site.streams[0].clients.clone(), site.streams[0].agents.clone());
    site.streams.push(large);
    // A new customer who does what others do.
    let mut customer = Stream::new("customer", 2.0).between(start, start + Span::from_days(3));
    customer.clients = vec!["198.18.9.9".into()];
    site.streams.push(customer);
    // A cache that asks for the same few things again and again.
    site.streams.push(collector("reader-4", "192.0.4.9", "okhttp", Things::Of(30)));
    site.run_until(start + Span::from_days(3));
    site.finish();
    let harvests: Vec<_> =
        site.changes.iter().filter(|c| is_harvest(c)).filter(|c| c.kind == ChangeKind::Opened).collect();
    assert!(harvests.is_empty(), "{harvests:#?}");
}

#[test]
fn a_key_of_a_week_is_measured_by_itself_however_much_others_read() {
    static LIVED: OnceLock<Vec<u8>> = OnceLock::new();
    let people = |site: &mut Site| {
        readers(site);
        let mut newer = Stream::new("newer", 0.3).between(at("2026-03-09T06:00:00Z"), Timestamp::MAX);
        newer.clients = vec!["192.0.7.9".into()];
        site.streams.push(newer);
    };
    let mut site = Site::after(&LIVED, (3, "2026-03-02T00:00:00Z"), (35, MONDAY), people, Site::is_silent);
    let start = at(MONDAY) + Span::from_hours(2);
    site.streams.push(collector("newer", "192.0.7.9", "okhttp", Things::New));
    site.run_until(start + Span::from_hours(6));
    let first = site.changes.iter().find(|c| is_harvest(c)).unwrap_or_else(|| panic!("{:?}", site.opened()));
    assert!(first.at - start <= Span::from_hours(3), "noticed after {}", first.at - start);
    assert_eq!(first.incident.subject.to_string(), "key newer");
    let own = first.incident.facts.get("peers_only") == Some(&lapwing::detect::Fact::Flag(false));
    assert!(own, "{:?}", first.incident.facts);
}

#[test]
fn a_key_that_reads_much_on_working_days_is_told_within_three_hours_in_the_middle_of_one() {
    static LIVED: OnceLock<Vec<u8>> = OnceLock::new();
    let people = |site: &mut Site| {
        readers(site);
        // Seven hundred different things a working day, next to nothing at weekends.
        let mut office = Stream::new("office", 1.0).endpoint("/v1/users/{id}");
        office.rate = |stream, t| {
            let hour = t.millis().div_euclid(3_600_000);
            // The first of January 1970 was a Thursday.
            let works = (hour.div_euclid(24) + 3).rem_euclid(7) < 5 && (6..18).contains(&hour.rem_euclid(24));
            if works { stream.scale } else { 0.02 * stream.scale }
        };
        office.clients = vec!["192.0.9.9".into()];
        site.streams.push(office);
    };
    let mut site = Site::after(&LIVED, (3, "2026-03-02T00:00:00Z"), (38, MONDAY), people, Site::is_silent);
    let start = at(MONDAY) + Span::from_hours(11);
    let mut collector = collector("office", "192.0.9.9", "okhttp", Things::New);
    (collector.from, collector.until) = (start, start + Span::DAY);
    site.streams.push(collector);
    site.run_until(start + Span::from_hours(6));
    let first = site.changes.iter().find(|c| is_harvest(c)).unwrap_or_else(|| panic!("{:?}", site.opened()));
    assert!(first.at - start <= Span::from_hours(3), "noticed after {}", first.at - start);
    assert_eq!(first.incident.subject.to_string(), "key office");
}

#[test]
fn a_key_that_reads_in_bursts_is_told_once_it_goes_on_far_beyond_its_days() {
    static LIVED: OnceLock<Vec<u8>> = OnceLock::new();
    let people = |site: &mut Site| {
        readers(site);
        // An hour here and there, by no clock.
        let mut bursts = Stream::new("bursts", 1.6);
        bursts.rate = |stream, t| {
            let hour = t.millis().div_euclid(3_600_000);
            if (hour.wrapping_mul(hour) * 7919).rem_euclid(23) < 3 { stream.scale } else { 0.0 }
        };
        bursts.clients = vec!["192.0.8.9".into()];
        site.streams.push(bursts);
    };
    let mut site = Site::after(&LIVED, (3, "2026-03-02T00:00:00Z"), (36, MONDAY), people, Site::is_silent);
    let start = at(MONDAY) + Span::from_hours(2);
    site.streams.push(collector("bursts", "192.0.8.9", "okhttp", Things::New));
    site.run_until(start + Span::from_hours(6));
    let first = site.changes.iter().find(|c| is_harvest(c)).unwrap_or_else(|| panic!("{:?}", site.opened()));
    assert!(first.at - start <= Span::from_hours(4), "noticed after {}", first.at - start);
    assert_eq!(first.incident.subject.to_string(), "key bursts");
}

#[test]
fn a_trickle_that_is_left_of_the_traffic_does_not_hide_when_the_rest_went() {
    let start = at("2026-03-12T00:00:00Z");
    let mut site = Site::new(77, "2026-03-02T00:00:00Z");
    for n in 0..8 {
        let stream = Stream::new(&format!("steady-{n}"), 1.0).steady().between(Timestamp::MIN, start);
        site.streams.push(stream);
    }
    let mut watcher = Stream::new("watcher", 0.0);
    watcher.pace = Some(Span::from_secs(173));
    site.streams.push(watcher);
    site.run_until(start + Span::from_hours(1));
    site.finish();
    let told = site.first("traffic-drop").expect("told");
    assert!((told.incident.started_at - start).millis().abs() <= 60_000, "began {}", told.incident.started_at);
}

#[test]
fn what_was_read_in_a_burst_of_all_that_is_over_is_not_told_once_more() {
    let start = at(MONDAY) + Span::from_mins(20);
    let mut site = library(37);
    for n in 0..site.streams.len() {
        let usual = site.streams[n].clone();
        if usual.key.starts_with("reader") || usual.key.starts_with("consumer-00") {
            let mut more = Stream::new(&usual.key, 50.0).steady().between(start, start + Span::from_mins(15));
            (more.clients, more.agents, more.things) = (usual.clients, usual.agents, Things::New);
            site.streams.push(more);
        }
    }
    site.run_until(start + Span::from_hours(6));
    site.finish();
    assert!(site.opened().iter().any(|opened| opened.starts_with("burst")), "{:?}", site.opened());
    let harvests: Vec<_> = site.opened().into_iter().filter(|opened| opened.starts_with("harvesting")).collect();
    assert_eq!(harvests, Vec::<String>::new());
}
