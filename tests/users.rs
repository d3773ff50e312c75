//! Stories of who uses a key: browsers, travellers, more and more people. What must be told of it, and what must not.

#[allow(unreachable_pub, dead_code)]
mod scenario;

use std::sync::OnceLock;

use lapwing::detect::Fact;
use lapwing::engine::Engine;
use lapwing::event::Severity;
use lapwing::incident::{Again, Change, ChangeKind};
use lapwing::time::{Span, Timestamp};
use scenario::{Site, Stream, at};

/// A Wednesday morning after nine days of an API that servers and one web page use.
const MORNING: &str = "2026-03-11T09:00:00Z";

fn addresses(first: u32, count: u32) -> Vec<String> {
    (first..first + count).map(|n| format!("198.{}.{}.{}", 18 + n / 200, n % 200, 1 + n % 250)).collect()
}

fn people(site: &mut Site) {
    site.consumers(12, 10.0);
    // A page whose visitors use its key, an app, and a small key whose owner looks at it now and then.
    let mut page = browsers("shop-page", 3.0, &addresses(1_000, 400));
    page.rate = |stream, t| stream.scale * scenario::office(t);
    site.streams.push(page);
    let mut small_page = browsers("wiki-page", 0.05, &addresses(1_500, 6));
    small_page.page = true;
    site.streams.push(small_page);
    let mut app = Stream::new("shop-app", 4.0);
    (app.clients, app.agents) = (addresses(2_000, 600), vec!["okhttp".into(), "CFNetwork".into()]);
    site.streams.push(app);
}

fn browsers(key: &str, rate: f64, from: &[String]) -> Stream {
    let mut stream = Stream::new(key, rate).steady();
    stream.clients = from.to_vec();
    stream.agents = ["chrome/125", "firefox/126", "safari/605"].map(str::to_owned).to_vec();
    stream.page = true;
    stream
}

fn portal(seed: u64) -> Site {
    static LIVED: OnceLock<Vec<u8>> = OnceLock::new();
    let saved = LIVED.get_or_init(|| {
        let mut site = Site::new(5, "2026-03-02T06:00:00Z");
        people(&mut site);
        site.run_until(at(MORNING));
        assert_eq!(site.opened(), Vec::<String>::new(), "nine ordinary days");
        site.engine.save()
    });
    let mut site = Site::new(seed, MORNING);
    people(&mut site);
    site.engine = Engine::load(Site::settings(), saved).expect("what was saved");
    site
}

fn begins() -> Timestamp {
    at(MORNING) + Span::from_mins(30)
}

fn count(change: &Change, name: &str) -> u64 {
    match change.incident.facts.get(name) {
        Some(Fact::Count(n)) => *n,
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn a_servers_key_in_a_web_page_is_told_within_minutes_and_once() {
    let mut site = portal(21);
    // Twenty browsers within ten minutes, and they stay for two hours.
    for n in 0..20 {
        let from = begins() + Span::from_secs(30 * n);
        let visitor = browsers("consumer-003", 0.5, &addresses(n as u32, 1));
        site.streams.push(visitor.between(from, begins() + Span::from_hours(2)));
        site.streams.last_mut().unwrap().pace = Some(Span::from_secs(60));
    }
    site.run_until(begins() + Span::from_hours(30));
    site.finish();
    assert_eq!(site.opened(), ["front-end-exposure key consumer-003"]);
    let told = site.first("front-end-exposure").unwrap();
    assert!(told.at - begins() <= Span::from_mins(3), "noticed after {}", told.at - begins());
    assert!(count(told, "browser_networks") >= 3 && count(told, "browser_requests") < 12, "before it is abused");
    assert_eq!(told.incident.severity, Severity::Warning);
    let worse = site.changes.iter().find(|c| c.kind == ChangeKind::Updated(Again::Worse)).expect("everybody has it");
    assert_eq!((worse.incident.severity, &*worse.incident.detector), (Severity::Critical, "front-end-exposure"));
    assert!(worse.at - begins() <= Span::from_mins(8), "worse after {}", worse.at - begins());
    assert!(matches!(site.changes.last().map(|c| c.kind), Some(ChangeKind::Resolved(_))), "{:?}", site.changes.last());
    assert_eq!(worse.incident.facts.get("page_share"), Some(&Fact::Share(1.0)));
}

#[test]
fn one_browser_an_hour_is_told_with_the_fourth() {
    let mut site = portal(22);
    for n in 0..8 {
        let from = begins() + Span::from_hours(n);
        let visitor = browsers("consumer-001", 0.3, &addresses(n as u32, 1));
        site.streams.push(visitor.between(from, from + Span::from_mins(10)));
        site.streams.last_mut().unwrap().pace = Some(Span::from_mins(3));
    }
    site.run_until(begins() + Span::from_hours(10));
    site.finish();
    assert_eq!(site.opened(), ["front-end-exposure key consumer-001"]);
    let told = site.first("front-end-exposure").unwrap();
    let after = told.at - begins();
    assert!(after > Span::from_hours(2) && after <= Span::from_mins(190), "noticed after {after}");
    assert!(count(told, "browser_requests") <= 20);
}

#[test]
fn developers_monitors_pages_of_their_own_and_new_keys_are_no_exposure() {
    let mut site = portal(23);
    let hours = |n| begins() + Span::from_hours(n);
    // A developer opens a link where the servers are, and at home.
    let mut office = browsers("consumer-002", 0.4, &["198.51.2.1".to_owned()]).between(hours(0), hours(1));
    office.page = false;
    site.streams.push(office);
    site.streams.push(browsers("consumer-002", 1.0, &addresses(1, 1)).between(hours(1), hours(2)));
    site.streams.push(browsers("consumer-002", 0.2, &addresses(2, 1)).between(hours(8), hours(9)));
    // A monitor that looks like a browser, from two places, for ever.
    let mut monitor = browsers("consumer-004", 1.0, &addresses(10, 2)).between(hours(1), Timestamp::MAX);
    (monitor.page, monitor.identical) = (false, true);
    monitor.pace = Some(Span::from_mins(5));
    site.streams.push(monitor);
    // Pages that have visitors, and more of them today.
    site.streams.push(browsers("shop-page", 2.0, &addresses(1_200, 300)).between(hours(2), hours(6)));
    site.streams.push(browsers("wiki-page", 0.1, &addresses(1_505, 3)).between(hours(2), hours(6)));
    // A key that begins its life in a page.
    site.streams.push(browsers("new-page", 0.5, &addresses(60, 30)).between(hours(3), Timestamp::MAX));
    // Somebody who is only refused.
    let refused = browsers("consumer-005", 0.5, &addresses(100, 12)).failing(1.0, 403);
    site.streams.push(refused.between(hours(4), hours(5)));
    site.run_until(hours(24 * 5));
    site.finish();
    let told: Vec<String> = site.opened().into_iter().filter(|o| o.starts_with("front-end")).collect();
    assert_eq!(told, Vec::<String>::new());
}

#[test]
fn a_restart_changes_nothing_about_who_uses_a_key() {
    let story = |restart: bool| {
        let mut site = portal(24);
        for n in 0..12 {
            let from = begins() + Span::from_mins(6 * n);
            let visitor = browsers("consumer-003", 0.5, &addresses(n as u32, 1));
            site.streams.push(visitor.between(from, begins() + Span::from_hours(2)));
        }
        for step in 0..24 {
            site.run_until(begins() + Span::from_mins(10 * step));
            if restart {
                let bytes = site.engine.save();
                site.engine = Engine::load(Site::settings(), &bytes).unwrap();
            }
        }
        site.changes
    };
    let changes = story(true);
    assert!(changes.iter().any(|c| c.incident.detector == "front-end-exposure"));
    assert_eq!(story(false), changes);
}
