//! Stories on a virtual clock: what must be told, and what must stay silent.

#[allow(unreachable_pub, dead_code)]
mod scenario;

use lapwing::incident::ChangeKind;
use lapwing::time::Span;
use scenario::{Site, Stream, at, office};

/// Ten ordinary days of forty consumers, then what the story adds.
fn ordinary(seed: u64) -> Site {
    let mut site = Site::new(seed, "2026-03-02T00:00:00Z");
    site.consumers(40, 60.0);
    site.run_until(at("2026-03-12T10:00:00Z"));
    assert_eq!(site.opened(), Vec::<String>::new(), "ten ordinary days");
    site
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
        stream.from = at("2026-03-02T00:00:00Z");
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
    for c in &site.changes {
        eprintln!(
            "{} {:?} {} {} {} {} {:?} {:?}",
            c.at,
            c.kind,
            c.incident.detector,
            c.incident.subject,
            c.incident.observed,
            c.incident.started_at,
            c.incident.also,
            c.incident.parts.endpoints
        );
    }
    assert_eq!(site.opened(), ["error-spike endpoint /v1/reports"]);
    let opened = site.first("error-spike").unwrap();
    assert!(opened.at - start <= Span::from_secs(240), "noticed after {}", opened.at - start);
    assert!((opened.incident.started_at - start).millis().abs() <= 120_000);
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
        for c in &site.changes {
            eprintln!(
                "{n} {} {:?} {} {} x{} {}",
                c.at, c.kind, c.incident.detector, c.incident.subject, c.incident.observed, c.incident.started_at
            );
        }
        assert_eq!(site.opened().len(), expected, "{n} keys: {:?}", site.opened());
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
            let settings = lapwing::engine::Settings {
                zone: lapwing::time::Zone::UTC,
                sources: vec!["api".into()],
                ..Default::default()
            };
            site.engine = lapwing::engine::Engine::load(settings, &bytes).unwrap();
        }
        site.run_until(start + Span::from_hours(2));
        site.finish();
        site.changes
    };
    assert_eq!(story(false), story(true));
}
