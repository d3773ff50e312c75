//! What keeps alerts worth reading: the alert budget, the daily summary, reasons on request, and a second look at logs
//! that are too short to learn from.

#[allow(unreachable_pub, dead_code)]
mod scenario;

use std::sync::OnceLock;

use lapwing::engine::{Engine, Settings};
use lapwing::event::{Method, Severity};
use lapwing::incident::allowance::Allowance;
use lapwing::incident::kept::{Reason, would_tell};
use lapwing::incident::{Again, ChangeKind, Ending};
use lapwing::time::Span;
use scenario::{Site, Stream, at};

const DAY: &str = "2026-03-12T10:00:00Z";

/// Ten ordinary days of forty consumers, then a story under these settings.
fn ordinary(seed: u64, settings: Settings) -> Site {
    static LIVED: OnceLock<Vec<u8>> = OnceLock::new();
    let saved = LIVED.get_or_init(|| {
        let mut site = Site::new(1, "2026-03-02T00:00:00Z");
        site.consumers(40, 60.0);
        site.run_until(at(DAY));
        site.engine.save()
    });
    let mut site = Site::with(seed, DAY, settings.clone());
    site.consumers(40, 60.0);
    site.engine = Engine::load(settings, saved).expect("what was saved");
    site
}

fn with(change: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = Site::settings();
    change(&mut settings);
    settings
}

/// A key that suddenly makes this many requests a minute for twenty minutes, `after` so long.
fn burst(site: &mut Site, key: usize, per_minute: f64, after: Span) {
    let start = at(DAY) + after;
    let mut burst = Stream::new(&site.streams[key].key.clone(), per_minute).steady();
    burst = burst.between(start, start + Span::from_mins(20));
    burst.clients = site.streams[key].clients.clone();
    burst.agents = site.streams[key].agents.clone();
    site.streams.push(burst);
}

#[test]
fn beyond_the_budget_the_weaker_is_in_the_daily_summary_and_the_stronger_is_told() {
    let one_a_day = with(|s| s.book.allowance = Allowance { openings: 1, per: Span::DAY });
    let mut site = ordinary(1, one_a_day);
    burst(&mut site, 5, 400.0, Span::ZERO);
    burst(&mut site, 7, 120.0, Span::from_hours(3));
    burst(&mut site, 9, 4000.0, Span::from_hours(6));
    site.run_until(at("2026-03-13T09:30:00Z"));
    site.finish();
    let opened = site.opened();
    assert_eq!(opened.first().map(String::as_str), Some("burst key consumer-005"), "{opened:?}");
    assert!(!opened.contains(&"burst key consumer-007".to_owned()), "{opened:?}");
    assert!(opened.contains(&"burst key consumer-009".to_owned()), "far stronger: it takes the place: {opened:?}");
    let kept: Vec<_> = site.changes.iter().filter(|c| matches!(c.kind, ChangeKind::Kept(_))).collect();
    let held: Vec<_> = kept.iter().filter(|c| c.kind == ChangeKind::Kept(Reason::Budget)).collect();
    assert_eq!(held.len(), 1, "{kept:?}");
    assert_eq!(held[0].incident.subject.name, "consumer-007");
    assert_eq!(held[0].at, at("2026-03-13T09:00:00Z"), "the summary comes at nine");
    assert!(held[0].incident.ended_at.is_some(), "and knows how it ended");
    // Nobody hears the end of what nobody heard begin.
    let resolved = site.changes.iter().filter(|c| matches!(c.kind, ChangeKind::Resolved(_)));
    assert!(resolved.clone().all(|c| c.incident.subject.name != "consumer-007"));
    assert!(resolved.count() >= 1);
    // With the default of ten a day all three would have been told.
    let budget = Allowance { openings: 1, per: Span::DAY };
    assert!(would_tell(site.engine.weighed(), &budget, &Allowance::default()) >= 3);
    assert_eq!(would_tell(site.engine.weighed(), &budget, &budget), 2);
}

#[test]
fn whoever_changes_the_address_every_ten_minutes_is_one_incident() {
    let mut site = ordinary(3, Site::settings());
    for nth in 0..5 {
        let start = at(DAY) + Span::from_mins(60 + 10 * nth);
        let mut stream =
            Stream::new("", 400.0).steady().endpoint("/v1/orders").between(start, start + Span::from_mins(10));
        stream.clients = vec![format!("198.18.9{nth}.7")];
        stream.agents = vec!["python-requests".into()];
        site.streams.push(stream);
    }
    site.run_until(at(DAY) + Span::from_hours(4));
    site.finish();
    assert_eq!(site.opened(), ["burst client 198.18.90.7"], "{:?}", site.changes);
    let moves: Vec<&str> = site
        .changes
        .iter()
        .filter(|change| change.kind == ChangeKind::Updated(Again::Moved))
        .map(|change| change.incident.subject.name.as_str())
        .collect();
    assert_eq!(moves, ["198.18.91.7", "198.18.92.7", "198.18.93.7", "198.18.94.7"]);
    let last = site.changes.last().unwrap();
    assert_eq!(last.kind, ChangeKind::Resolved(Ending::Calm));
    let began = last.incident.started_at - at(DAY) - Span::from_mins(60);
    assert!(began.millis().abs() <= Span::MINUTE.millis(), "{last:?}");
    assert!((15_000..=25_000).contains(&last.incident.impact.requests), "{last:?}");
}

#[test]
fn what_is_critical_is_told_whatever_the_budget() {
    let mut settings = with(|s| s.book.allowance = Allowance { openings: 1, per: Span::from_days(7) });
    settings.severities.insert("burst".to_owned(), Severity::Critical);
    let mut site = ordinary(2, settings);
    for (key, hours) in [(5, 0), (6, 3), (7, 6)] {
        burst(&mut site, key, 500.0, Span::from_hours(hours));
    }
    site.run_until(at("2026-03-12T18:00:00Z"));
    site.finish();
    assert_eq!(site.opened().len(), 3, "{:?}", site.opened());
}

#[test]
fn money_makes_a_warning_critical() {
    let dear = with(|s| s.book.critical_cost = 100.0);
    let mut site = ordinary(3, dear);
    let mut looping = Stream::new("consumer-005", 1.0).steady().endpoint("/v1/documents/process");
    (looping.method, looping.identical, looping.cost) = (Method::Post, true, 1.58);
    looping.clients = site.streams[5].clients.clone();
    looping.agents = site.streams[5].agents.clone();
    site.streams.push(looping);
    site.run_until(at(DAY) + Span::from_hours(4));
    site.finish();
    let opened = site.first("retry-loop").expect("the loop");
    assert!(opened.incident.impact.cost.is_some_and(|cost| cost < 60.0), "{:?}", opened.incident.impact);
    let worst = site.changes.iter().filter(|c| c.incident.id == opened.incident.id).map(|c| c.incident.severity).max();
    assert_eq!(worst, Some(Severity::Critical), "240 calls at 1.58 each");
}

#[test]
fn information_is_a_line_of_the_summary_unless_it_is_routed() {
    for tells_info in [false, true] {
        let mut settings = with(|s| s.book.tells_info = tells_info);
        settings.severities.insert("burst".to_owned(), Severity::Info);
        let mut site = ordinary(4, settings);
        burst(&mut site, 5, 400.0, Span::ZERO);
        site.run_until(at("2026-03-13T09:30:00Z"));
        site.finish();
        let bursts = site.changes.iter().filter(|c| c.incident.detector == "burst");
        let kept = bursts.filter(|c| c.kind == ChangeKind::Kept(Reason::Information)).count();
        assert_eq!((site.opened().len(), kept), if tells_info { (1, 0) } else { (0, 1) });
    }
}

#[test]
fn a_steady_new_caller_that_succeeds_is_one_line_and_no_message() {
    let mut site = ordinary(5, Site::settings());
    let mut poller = Stream::new("consumer-020", 0.0).endpoint("/v1/items");
    (poller.identical, poller.pace) = (true, Some(Span::from_secs(20)));
    poller.clients = site.streams[20].clients.clone();
    poller.agents = site.streams[20].agents.clone();
    site.streams.push(poller);
    site.run_until(at("2026-03-16T09:30:00Z"));
    site.finish();
    assert_eq!(site.opened(), Vec::<String>::new());
    let lines = site.changes.iter().filter(|c| c.kind == ChangeKind::Kept(Reason::Information)).count();
    assert_eq!(lines, 1, "known from then on: {:?}", site.changes);
}

#[test]
fn every_opening_says_on_request_what_decided() {
    let mut site = ordinary(6, Site::settings());
    burst(&mut site, 5, 400.0, Span::ZERO);
    site.run_until(at(DAY) + Span::from_hours(1));
    let opened = site.first("burst").expect("the burst");
    let grounds = &opened.incident.grounds;
    assert!(grounds.had >= grounds.needed && grounds.needed > 19.0, "{grounds:?}");
    let text = grounds.lines.join("\n");
    for part in ["this window spoke", "usual at this hour", "streams of its kind"] {
        assert!(text.contains(part), "{text}");
    }
}

/// Six hours of a log nobody has seen before, with a burst in the middle: live nobody could know, in hindsight one can.
#[test]
fn a_second_look_finds_what_a_short_log_was_too_short_for() {
    let lived = |engine: Option<Engine>, quiet: bool| {
        let start = "2026-03-12T08:00:00Z";
        let mut site = Site::new(7, start);
        if let Some(engine) = engine {
            site.engine = engine;
        }
        site.engine.quiet(quiet);
        site.consumers(40, 60.0);
        let from = at(start) + Span::from_hours(3);
        let mut burst = Stream::new("consumer-005", 500.0).steady().between(from, from + Span::from_mins(20));
        burst.clients = site.streams[5].clients.clone();
        site.streams.push(burst);
        site.run_until(at(start) + Span::from_hours(6));
        site.finish();
        site
    };
    let first = lived(None, false);
    let found = |site: &Site| site.opened().contains(&"burst key consumer-005".to_owned());
    assert!(!found(&first), "three hours of history say nothing of single keys: {:?}", first.opened());
    let second = lived(Some(lived(None, true).engine.hindsight()), false);
    assert_eq!(second.opened(), ["burst key consumer-005"]);
    let opened = second.first("burst").expect("the burst");
    let began = at("2026-03-12T11:00:00Z");
    assert!((opened.incident.started_at - began).millis().abs() <= 60_000, "began {}", opened.incident.started_at);
}

/// A path that one customer calls almost alone, and a few others now and then.
fn lopsided(site: &mut Site) {
    site.consumers(12, 20.0);
    for (n, rate) in [25.0, 2.2, 1.0, 0.5, 0.4, 0.3].into_iter().enumerate() {
        let mut stream = Stream::new(&format!("rates-{n}"), rate).steady().endpoint("/v1/rates");
        stream.clients = vec![format!("192.0.2.{}", n + 1)];
        stream.errors = (0.003, 502);
        site.streams.push(stream);
    }
}

#[test]
fn a_path_that_fails_for_all_its_callers_is_the_paths_trouble_though_one_calls_it_almost_alone() {
    static LIVED: OnceLock<Vec<u8>> = OnceLock::new();
    for (who, wanted) in [("rates-", "error-spike endpoint /v1/rates"), ("rates-0", "error-spike key rates-0")] {
        let mut site = Site::after(&LIVED, (1, "2026-03-02T00:00:00Z"), (7, DAY), lopsided, Site::is_silent);
        let fail = |site: &mut Site, share: f64| {
            for stream in site.streams.iter_mut().filter(|stream| stream.key.starts_with(who)) {
                stream.errors = (share, 502);
            }
        };
        site.run_until(at(DAY) + Span::from_mins(20));
        fail(&mut site, 0.7);
        site.run_until(at(DAY) + Span::from_mins(45));
        fail(&mut site, 0.003);
        site.run_until(at(DAY) + Span::from_mins(120));
        site.finish();
        assert_eq!(site.opened(), [wanted], "{:#?}", site.changes);
    }
}

/// Three keys of one pace, one call in six seconds: `fine` and `single`, which never fail, and `clumsy`, one in thirty of
/// whose calls is refused. `single` makes one call over and over.
fn small(site: &mut Site) {
    site.consumers(12, 20.0);
    for (name, usual) in [("fine", 0.0), ("single", 0.0), ("clumsy", 0.03)] {
        let mut stream = Stream::new(name, 0.0).failing(usual, 400);
        stream.pace = Some(Span::from_secs(6));
        site.streams.push(if name == "single" { stream.endpoint("/v1/orders/{id}") } else { stream });
    }
}

#[test]
fn a_key_that_never_failed_and_is_refused_wholly_is_told_within_two_minutes_however_little_it_calls() {
    static LIVED: OnceLock<Vec<u8>> = OnceLock::new();
    let begin = at(DAY) + Span::from_mins(20);
    let run = |name: &str, share: f64, minutes: i64| {
        let mut site = Site::after(&LIVED, (1, "2026-03-10T10:00:00Z"), (7, DAY), small, Site::is_silent);
        site.run_until(begin);
        let fail = |site: &mut Site, share: f64| {
            site.streams.iter_mut().filter(|s| s.key == name).for_each(|stream| stream.errors = (share, 400));
        };
        fail(&mut site, share);
        site.run_until(begin + Span::from_mins(minutes));
        fail(&mut site, 0.0);
        site.run_until(begin + Span::from_mins(90));
        site.finish();
        site.changes.iter().find(|c| matches!(c.kind, ChangeKind::Opened)).map(|c| c.at - begin)
    };
    // Ten calls a minute: twenty failures would take them two minutes and the end of one more ten seconds.
    let noticed = run("fine", 0.95, 20).expect("it is told");
    assert!(noticed <= Span::from_secs(110), "noticed after {noticed}");
    // One that is refused now and then, or may be a loop, is given the time that twenty take; and a minute of it is a blip.
    for name in ["clumsy", "single"] {
        let noticed = run(name, 0.95, 20).expect("it is told");
        assert!(noticed >= Span::from_secs(120), "{name} noticed after {noticed}");
    }
    assert_eq!(run("fine", 0.95, 1), None, "a minute");
    assert_eq!(run("fine", 0.5, 2), None, "half of its calls for two minutes");
}

#[test]
fn what_one_caller_failed_by_itself_is_not_how_its_path_usually_fails() {
    let mut site = Site::new(5, "2026-03-10T10:00:00Z");
    site.consumers(12, 20.0);
    for n in 0..12 {
        let mut stream = Stream::new(&format!("rates-{n}"), 6.0).steady().endpoint("/v1/rates");
        stream.errors = (0.001, 502);
        site.streams.push(stream);
    }
    let fail = |site: &mut Site, who: &str, share: f64| {
        site.streams.iter_mut().filter(|s| s.key.starts_with(who)).for_each(|s| s.errors = (share, 502));
    };
    site.run_until(at(DAY));
    // For three hours of one day all that one customer asks for is refused; it is told as that customer's.
    fail(&mut site, "rates-0", 1.0);
    site.run_until(at(DAY) + Span::from_hours(3));
    fail(&mut site, "rates-0", 0.001);
    site.run_until(at(DAY) + Span::from_hours(12));
    assert_eq!(site.opened(), ["error-spike key rates-0"]);
    // Then a few of everybody's calls fail.
    let begin = site.now;
    fail(&mut site, "rates-", 0.07);
    site.run_until(begin + Span::from_mins(40));
    let of_all = site.changes.iter().find(|c| c.at > begin && matches!(c.kind, ChangeKind::Opened));
    let of_all = of_all.unwrap_or_else(|| panic!("never told: {:?}", site.opened()));
    assert_eq!(of_all.incident.subject.to_string(), "endpoint /v1/rates");
    assert!(of_all.at - begin <= Span::from_mins(12), "noticed after {}", of_all.at - begin);
}
