//! Silences with ceilings, their ends, and maintenance.

use std::sync::Arc;

use super::outbox_tests::{House, PausedClock, TEXT, opened};
use super::{Maintenance, Routes, with_levels};
use crate::notice::{Notice, NoticeType, sample};
use crate::store::{IncidentRow, Silence, Store};
use crate::time::{Clock, Span};

fn house(clock: &Arc<PausedClock>, routes: Routes) -> House {
    let store = Arc::new(Store::in_memory(clock.clone()).unwrap());
    House::on(clock.clone(), store, &[("ops", TEXT, vec![])], routes)
}

fn silence(clock: &Arc<PausedClock>) -> Silence {
    Silence {
        subject: Some("key acme".into()),
        until: clock.now() + Span::HOUR,
        comment: "load test".into(),
        author: "ana".into(),
        ..Silence::default()
    }
}

fn at_level(observed: f64, cost: Option<f64>) -> Notice {
    let mut notice = Notice { observed, expected: 0.0, kind: NoticeType::Updated, ..opened("A") };
    notice.impact.cost = cost;
    notice
}

#[tokio::test(start_paused = true)]
async fn what_grows_to_three_times_todays_level_is_told_in_spite_of_the_silence() {
    let clock = PausedClock::new();
    let house = house(&clock, Routes::default());
    let open = [IncidentRow::new(at_level(50.0, None), clock.now())];
    let asked = with_levels(Silence { times: Some(3.0), ..silence(&clock) }, &open, clock.now());
    house.store.add_silence(asked).unwrap();
    let rows = house.outbox.decide(&[at_level(149.0, None)]);
    assert!(rows.is_empty(), "2.98 times");
    assert!(house.outbox.overdue(&[at_level(149.0, None)]).is_empty());
    let due = house.outbox.overdue(&[at_level(150.0, None)]);
    assert_eq!(due.len(), 1, "what goes on is looked at between its own notices");
    let rows = house.outbox.decide(&due);
    assert_eq!(rows.len(), 1);
    let summary = &rows[0].notices[0].summary;
    assert!(
        summary.contains("in spite of silence") && summary.contains("(load test, by ana): it is 3.0 times what it was"),
        "{summary}"
    );
    // From then on as usual, also when it is smaller again; and not told again and again.
    assert!(house.outbox.overdue(&[at_level(160.0, None)]).is_empty());
    assert_eq!(house.outbox.decide(&[at_level(80.0, None)]).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_told_before_silence_was_asked_for_is_held_against_its_ceiling_between_its_notices() {
    let clock = PausedClock::new();
    let house = house(&clock, Routes::default());
    assert_eq!(house.outbox.decide(&[opened("A")]).len(), 1);
    let open = [IncidentRow::new(at_level(50.0, None), clock.now())];
    house.store.add_silence(with_levels(Silence { times: Some(3.0), ..silence(&clock) }, &open, clock.now())).unwrap();
    assert!(house.outbox.keeps_silence(), "somebody has to look");
    assert!(house.outbox.overdue(&[at_level(149.0, None)]).is_empty());
    let due = house.outbox.overdue(&[at_level(150.0, None)]);
    let rows = house.outbox.decide(&due);
    assert!(rows.len() == 1 && rows[0].notices[0].summary.contains("3.0 times what it was when the silence was made"));
    assert!(house.outbox.overdue(&[at_level(160.0, None)]).is_empty(), "once");
    house.pass(Span::HOUR).await;
    assert!(house.outbox.overdue(&[at_level(160.0, None)]).is_empty(), "nothing was held back");
}

#[tokio::test(start_paused = true)]
async fn what_was_not_open_is_held_against_the_usual_or_its_beginning() {
    let clock = PausedClock::new();
    let house = house(&clock, Routes::default());
    house.store.add_silence(Silence { times: Some(3.0), ..silence(&clock) }).unwrap();
    // Nothing is usual of it: its first size is its level.
    assert!(house.outbox.decide(&[at_level(10.0, None)]).is_empty());
    assert!(house.outbox.decide(&[at_level(29.0, None)]).is_empty());
    assert_eq!(house.outbox.decide(&[at_level(30.0, None)]).len(), 1);
    // Usual is 1.9 of this one.
    let other = |observed: f64| Notice {
        observed,
        detector: "error-spike".to_owned(),
        ..sample::notice("B", NoticeType::Opened)
    };
    assert!(house.outbox.decide(&[other(5.6)]).is_empty());
    assert_eq!(house.outbox.decide(&[other(5.8)]).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_costs_too_much_is_told_and_a_silence_that_ends_tells_what_still_goes_on() {
    let clock = PausedClock::new();
    let house = house(&clock, Routes::default());
    house.store.add_silence(Silence { cost: Some(200.0), ..silence(&clock) }).unwrap();
    assert!(house.outbox.decide(&[at_level(50.0, Some(199.0))]).is_empty());
    let mut other = Notice { incident: "B".to_owned(), ..at_level(50.0, Some(3.0)) };
    assert!(house.outbox.decide(&[other.clone()]).is_empty());
    assert!(house.outbox.keeps_silence());
    let due = house.outbox.overdue(&[at_level(50.0, Some(200.5)), other.clone()]);
    assert_eq!(due.iter().map(|n| n.incident.as_str()).collect::<Vec<_>>(), ["A"]);
    let rows = house.outbox.decide(&due);
    assert!(rows[0].notices[0].summary.contains("it has cost $201, and $200 was the limit"));
    house.pass(Span::HOUR).await;
    let due = house.outbox.overdue(&[other.clone()]);
    assert_eq!(due.len(), 1);
    assert!(due[0].summary.contains("Silence was kept about it until now."));
    assert_eq!(house.outbox.decide(&due).len(), 1);
    assert!(house.outbox.overdue(&[other.clone()]).is_empty() && !house.outbox.keeps_silence());
    // What ends in silence is not told when the silence ends.
    house.store.add_silence(silence(&clock)).unwrap();
    other.incident = "C".to_owned();
    assert!(house.outbox.decide(&[other.clone()]).is_empty());
    other.kind = NoticeType::Resolved;
    assert!(house.outbox.decide(&[other]).is_empty());
    assert!(!house.outbox.keeps_silence());
}

#[tokio::test(start_paused = true)]
async fn what_silence_is_kept_about_outlives_a_restart_with_its_ceiling() {
    let clock = PausedClock::new();
    let before = house(&clock, Routes::default());
    before.store.add_silence(Silence { times: Some(3.0), ..silence(&clock) }).unwrap();
    let rows = vec![IncidentRow::new(at_level(50.0, None), clock.now())];
    before.store.tell(rows, Vec::new()).unwrap();
    assert!(before.outbox.decide(&[at_level(50.0, None)]).is_empty());
    // Of what is over nothing is kept.
    let over = Notice { incident: "B".to_owned(), ..at_level(50.0, None) };
    assert!(before.outbox.decide(std::slice::from_ref(&over)).is_empty());
    let after = House::on(clock.clone(), before.store.clone(), &[("ops", TEXT, vec![])], Routes::default());
    assert!(after.outbox.keeps_silence());
    assert!(after.outbox.overdue(&[at_level(149.0, None), over]).is_empty());
    let due = after.outbox.overdue(&[at_level(150.0, None)]);
    assert_eq!(due.iter().map(|n| n.incident.as_str()).collect::<Vec<_>>(), ["A"]);
    after.pass(Span::HOUR).await;
    assert_eq!(after.outbox.overdue(&[at_level(60.0, None)]).len(), 1, "its end is told as well");
}

#[tokio::test(start_paused = true)]
async fn maintenance_is_silent_about_what_it_names_and_has_a_ceiling_too() {
    let clock = PausedClock::new();
    let window = Maintenance {
        name: "import".to_owned(),
        until: Some(clock.now() + Span::HOUR),
        detectors: vec!["burst".to_owned()],
        subjects: vec!["acme".to_owned(), "globex".to_owned()],
        times: Some(40.0),
        reason: "yearly".to_owned(),
        ..Maintenance::default()
    };
    let house = house(&clock, Routes { maintenance: vec![window], ..Routes::default() });
    let of = |incident: &str, observed: f64, detector: &str| Notice {
        observed,
        detector: detector.to_owned(),
        rule: detector.to_owned(),
        ..opened(incident)
    };
    assert!(house.outbox.decide(&[of("A", 58.0, "burst")]).is_empty());
    assert_eq!(house.outbox.decide(&[of("B", 58.0, "leaked-key")]).len(), 1, "it does not say so");
    let rows = house.outbox.decide(&[of("A", 80.0, "burst")]);
    let summary = &rows[0].notices[0].summary;
    assert!(
        summary.contains("in spite of the maintenance \"import\" (yearly): it is 42.1 times the usual"),
        "{summary}"
    );
    assert_eq!(house.outbox.decide(&[of("A", 60.0, "burst")]).len(), 1, "told from then on");
    let mut drill = of("C", 58.0, "burst");
    drill.drill = true;
    assert_eq!(house.outbox.decide(&[drill]).len(), 1);
}
