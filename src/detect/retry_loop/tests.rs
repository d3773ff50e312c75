//! Loops and what looks like them, on synthetic traffic in virtual time.

mod real_logs;

use super::*;
use crate::event::{Event, Flags, Hasher, Id, Method};
use crate::measure::repeats::{Call, Repeats};

const START: Timestamp = Timestamp::from_secs(1_772_409_600); // 2026-03-02 00:00 UTC, a Monday

/// One caller's one request, as it comes again and again.
#[derive(Clone, Copy)]
struct Loop {
    call: Call,
}

impl Loop {
    fn new(caller: &str, method: Method, route: &str, content: &str) -> Self {
        let hasher = Hasher::new(5);
        let (caller, route) = (hasher.id(caller.as_bytes()), hasher.id(route.as_bytes()));
        let request = hasher.pair(hasher.pair(caller, route), hasher.id(content.as_bytes()));
        let flags = Flags::HTTP.with(Flags::STRONG);
        let duration_ms = Event::UNKNOWN;
        let time = START;
        Loop {
            call: Call {
                time,
                request,
                caller,
                caller_is_key: true,
                route,
                method,
                status: 200,
                flags,
                duration_ms,
                cost: f32::NAN,
                day: 0,
            },
        }
    }

    fn status(mut self, status: u16) -> Self {
        self.call.status = status;
        self
    }

    fn cost(mut self, cost: f32) -> Self {
        self.call.cost = cost;
        self
    }

    fn weak(mut self) -> Self {
        self.call.flags = Flags::HTTP;
        self
    }

    fn at(self, time: Timestamp) -> Call {
        Call { time, day: time.bucket(Span::DAY) as i32, ..self.call }
    }
}

/// Feeds calls in time order, with an hourly sweep, and keeps the verdicts.
#[derive(Default)]
struct Story {
    repeats: Repeats,
    hour: i64,
    pages: Vec<(Timestamp, Id, Finding)>,
    digests: Vec<(Timestamp, Id)>,
}

impl Story {
    fn watch(&mut self, call: &Call) {
        if call.time.bucket(Span::HOUR) != self.hour {
            self.hour = call.time.bucket(Span::HOUR);
            self.repeats.sweep(call.time);
        }
        let Some(sighting) = self.repeats.absorb(call) else { return };
        match judge(&sighting, &Settings::default(), call.time) {
            Verdict::Quiet => {}
            Verdict::Digest(_) => self.digests.push((call.time, call.request)),
            Verdict::Page(finding) => {
                self.repeats.hold(call.request, true);
                self.pages.push((call.time, call.request, finding));
            }
        }
    }

    fn play(&mut self, mut calls: Vec<Call>) {
        calls.sort_by_key(|call| call.time);
        for call in &calls {
            self.watch(call);
        }
    }

    fn pages_of(&self, request: Id) -> usize {
        self.pages.iter().filter(|(_, of, _)| *of == request).count()
    }
}

/// Calls every `gap` with a jitter of a quarter, from an hour on.
fn every(gap_s: f64, request: Loop, from_h: f64, n: usize) -> Vec<Call> {
    let mut random = 88_172_645_463_325_252u64;
    let mut time = START + Span::from_secs_f64(from_h * 3600.0);
    (0..n)
        .map(|_| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let jitter = 0.75 + 0.5 * (random >> 11) as f64 / (1u64 << 53) as f64;
            let call = request.at(time);
            time += Span::from_secs_f64(gap_s * jitter);
            call
        })
        .collect()
}

/// Ordinary traffic of the same key: reads of ever other things, and of a few things again and again at random.
fn ordinary(hours: f64) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut random = 1u64;
    for n in 0..(hours * 60.0) as usize {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let what = if random >> 61 == 0 { format!("popular {}", random >> 55 & 7) } else { format!("{n}") };
        let time = START + Span::from_secs(n as i64 * 60 + (random >> 58) as i64);
        calls.push(Loop::new("wayne", Method::Get, "/v1/orders/{id}", &what).at(time));
    }
    calls
}

#[test]
fn a_slow_loop_among_ordinary_calls_is_told_within_two_hours() {
    for (cost, by_call) in [(f32::NAN, 41), (1.58, 15)] {
        let slow = Loop::new("wayne", Method::Post, "/v1/documents/process", "4711 bytes").cost(cost);
        let looping = every(173.0, slow, 30.0, 1000);
        let mut calls = ordinary(78.0);
        calls.extend(&looping);
        let mut story = Story::default();
        story.play(calls);
        let (time, request, finding) = &story.pages[0];
        assert_eq!(*request, slow.call.request);
        assert!(*time <= looping[by_call - 1].time, "told at {time} for cost {cost}");
        assert!(*time - looping[0].time <= Span::from_hours(2));
        let off = finding.started_at - looping[0].time;
        assert!(off.millis().abs() <= 120_000, "started {off} off");
        assert!(story.pages.iter().all(|(_, of, _)| of == request), "nothing else was told");
        let sighting = story.repeats.look(*request, looping[999].time).unwrap();
        let Verdict::Page(last) = judge(&sighting, &Settings::default(), looping[999].time) else {
            panic!("two days later it is still a loop");
        };
        assert_eq!(last.impact.requests, 1000);
        if cost > 0.0 {
            let spent = finding.impact.cost.unwrap();
            assert!((19.0..26.0).contains(&spent), "{spent}");
            let Fact::Number(per_day) = finding.facts["cost_per_day"] else { panic!() };
            assert!((700.0..880.0).contains(&per_day), "{per_day}");
            assert_eq!(finding.severity, Severity::Critical);
        } else {
            assert_eq!((finding.severity, finding.impact.cost), (Severity::Warning, None));
        }
    }
}

#[test]
fn a_poller_of_long_standing_is_silent_and_a_new_one_is_a_line_in_the_digest() {
    let old = Loop::new("wayne", Method::Get, "/v1/status", "");
    let new = Loop::new("bruce", Method::Get, "/v1/jobs", "");
    let mut calls = every(173.0, old, 0.0, 21 * 500);
    calls.extend(every(60.0, new, 200.0, 5000));
    let mut story = Story::default();
    story.play(calls);
    assert_eq!(story.pages.len(), 0, "{:?}", story.pages.first());
    assert!(story.digests.iter().all(|(_, of)| *of == new.call.request));
    let (first, _) = story.digests[0];
    assert!(first - (START + Span::from_hours(200)) >= Span::from_hours(4));
    let (last, _) = *story.digests.last().unwrap();
    assert!(last - first < Span::from_days(2), "after two days it is known");
}

#[test]
fn a_failing_loop_is_told_at_its_twentieth_call() {
    let failing = Loop::new("wayne", Method::Get, "/v1/orders/{id}", "7").status(503);
    let looping = every(30.0, failing, 0.2, 60);
    let mut story = Story::default();
    story.play(looping.clone());
    let (time, _, finding) = &story.pages[0];
    assert_eq!(*time, looping[19].time);
    assert_eq!(finding.facts["last_status"], Fact::Count(503));
    assert_eq!(finding.facts["failing"], Fact::Flag(true));
    assert_eq!(finding.impact.errors, 20);

    // Every other call succeeds: no failing loop, and too short for any other.
    let mut story = Story::default();
    let mut calls = looping;
    calls.iter_mut().step_by(2).for_each(|call| call.status = 200);
    story.play(calls);
    assert!(story.pages.is_empty());
}

#[test]
fn a_known_poller_that_begins_to_fail_is_told_and_since_when() {
    let poller = Loop::new("wayne", Method::Get, "/v1/status", "");
    let mut calls = every(60.0, poller, 0.0, 10 * 1440);
    let broken = 12_345;
    calls.iter_mut().skip(broken).for_each(|call| call.status = 401);
    let mut story = Story::default();
    story.play(calls.clone());
    let (time, _, finding) = &story.pages[0];
    assert_eq!(*time, calls[broken + 19].time);
    assert_eq!(finding.started_at.secs(), calls[broken].time.secs());
    assert_eq!(finding.impact.requests, 20);
}

#[test]
fn polling_a_job_and_a_batch_of_different_documents_are_silent() {
    let job = Loop::new("wayne", Method::Get, "/v1/jobs/{id}", "77");
    let mut calls = ordinary(60.0);
    calls.extend(every(2.0, job, 40.0, 300));
    for n in 0..5000 {
        let document = Loop::new("wayne", Method::Post, "/v1/documents/process", &format!("{n} bytes")).cost(1.58);
        calls.push(document.at(START + Span::from_hours(45) + Span::from_millis(700 * n)));
    }
    // Without lengths all documents look alike, but no machine waits so unevenly.
    let uneven = Loop::new("bruce", Method::Post, "/v1/documents/process", "").weak();
    let mut time = START + Span::from_hours(50);
    for n in 0..300i64 {
        calls.push(uneven.at(time));
        time += Span::from_secs([3, 40, 1, 200, 9][n as usize % 5]);
    }
    let mut story = Story::default();
    story.play(calls);
    assert!(story.pages.is_empty() && story.digests.is_empty(), "{:?} {:?}", story.pages.first(), story.digests);
}

#[test]
fn a_steady_loop_of_unknown_bodies_is_no_page() {
    let weak = Loop::new("wayne", Method::Post, "/v1/events", "").weak();
    let mut calls = ordinary(60.0);
    calls.extend(every(30.0, weak, 30.0, 600));
    let mut story = Story::default();
    story.play(calls);
    assert!(story.pages.is_empty());
    assert!(story.digests[0].0 - (START + Span::from_hours(30)) < Span::HOUR);
}

#[test]
fn a_hundred_callers_retrying_in_an_outage_are_left_to_the_errors() {
    let mut calls = Vec::new();
    for n in 0..100 {
        let caller = Loop::new(&format!("key {n}"), Method::Get, "/v1/prices", "").status(502);
        calls.extend(every(20.0 + f64::from(n) / 10.0, caller, 30.0, 90));
    }
    let mut story = Story::default();
    story.play(calls);
    assert_eq!(story.pages.len(), 0);
}

#[test]
fn a_flood_of_other_calls_does_not_hide_a_slow_loop() {
    let slow = Loop::new("wayne", Method::Post, "/v1/documents/process", "4711 bytes");
    let looping = every(173.0, slow, 30.0, 60);
    let mut story = Story::default();
    story.watch(&Loop::new("flood", Method::Get, "/", "first").at(START));
    let hasher = Hasher::new(9);
    let flood = Loop::new("flood", Method::Get, "/v1/orders/{id}", "");
    let mut n = 0u64;
    let per_gap = 1_000_000 / looping.len() as u64;
    for call in &looping {
        story.watch(call);
        for _ in 0..per_gap {
            n += 1;
            let mut other = flood.at(call.time);
            other.request = hasher.id(&n.to_le_bytes());
            story.watch(&other);
        }
    }
    assert!(story.pages_of(slow.call.request) > 0);
    assert!(story.repeats.evictions() > 0, "the flood was larger than the table");
    assert!(story.repeats.len() <= crate::measure::repeats::ENTRIES);
    assert!(story.repeats.bytes() < 16 << 20, "{} bytes", story.repeats.bytes());
}

#[test]
fn saved_and_read_back_it_goes_on_where_it_was() {
    let slow = Loop::new("wayne", Method::Post, "/v1/documents/process", "4711 bytes").cost(1.58);
    let mut calls = ordinary(32.0);
    calls.extend(every(173.0, slow, 30.0, 30));
    calls.sort_by_key(|call| call.time);
    let (before, after) = calls.split_at(calls.len() - 120);
    let mut story = Story::default();
    story.play(before.to_vec());
    let bytes = postcard::to_allocvec(&story.repeats).unwrap();
    let mut again = Story { repeats: postcard::from_bytes(&bytes).unwrap(), hour: story.hour, ..Story::default() };
    story.pages.clear();
    story.play(after.to_vec());
    again.play(after.to_vec());
    assert!(!story.pages.is_empty());
    assert_eq!(story.pages, again.pages);
}

#[test]
fn a_poller_that_failed_is_over_when_it_works_again() {
    let slow = Loop::new("wayne", Method::Get, "/v1/orders", "");
    let polling = every(60.0, slow, 30.0, 100);
    let mut story = Story::default();
    story.play(polling.clone());
    let last = polling[99].time;
    let run = story.repeats.look(slow.call.request, last).unwrap().run;
    let old = Run { first_at: last - Span::from_days(9), calls: 12_000, failing_at: last, ..run };
    let failing = Run { failing_calls: 50, failing_failures: 50, ..old };
    let works = Run { failing_calls: 0, failing_failures: 0, ..old };
    let now = last + Span::MINUTE;
    assert!(still(&failing, 50.0, &Settings::default(), now));
    assert!(!still(&works, 50.0, &Settings::default(), now), "what it came to in nine days is no loop");
    assert!(still(&works, 12_000.0, &Settings::default(), now), "what was told of all its calls goes on");
    let since_yesterday = Run { first_at: last - Span::from_hours(36), ..works };
    assert!(!still(&since_yesterday, 50.0, &Settings::default(), now), "the calls of a day and a half are none either");
    assert!(still(&Run { first_at: last - Span::HOUR, ..works }, 50.0, &Settings::default(), now), "a fast new loop");
}

#[test]
fn a_loop_is_over_after_ten_minutes_or_five_gaps_and_while_held_it_teaches_nothing() {
    let slow = Loop::new("wayne", Method::Post, "/v1/documents/process", "4711 bytes");
    let looping = every(173.0, slow, 30.0, 100);
    let mut story = Story::default();
    story.watch(&Loop::new("other", Method::Get, "/", "").at(START));
    story.play(looping.clone());
    let last = looping[99].time;
    let run = story.repeats.look(slow.call.request, last).unwrap().run;
    assert!(still(&run, f64::from(run.calls), &Settings::default(), last + Span::from_mins(12)));
    assert!(!still(&run, f64::from(run.calls), &Settings::default(), last + Span::from_mins(18)));

    story.repeats.hold(slow.call.request, true);
    let next_day = every(173.0, slow, 34.7, 1000);
    story.play(next_day.clone());
    let run = story.repeats.look(slow.call.request, next_day[999].time).unwrap().run;
    assert!(run.held && run.days.busiest() == 0, "a held call writes no days: {:?}", run.days);
}

#[test]
fn quickening_and_slowing_show_in_the_trend() {
    let slow = Loop::new("wayne", Method::Get, "/v1/orders/{id}", "7").status(500);
    let mut story = Story::default();
    let mut time = START;
    for n in 0..120i64 {
        story.watch(&slow.at(time));
        time += Span::from_secs(130 - n);
    }
    let sighting = story.repeats.look(slow.call.request, time).unwrap();
    assert_eq!(finding(&sighting, &Settings::default()).trend, Trend::Rising);
}
