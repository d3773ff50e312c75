//! The outbox through outages, storms and restarts, on a paused clock: hours pass in milliseconds.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use super::*;
use crate::event::Severity;
use crate::notice::NoticeType;
use crate::notice::sample::notice;
use crate::store::{OutboxRow, Settings, Silence, Store};
use crate::time::Timestamp;

/// Follows tokio's clock, which the tests pause.
pub(super) struct PausedClock(tokio::time::Instant);

impl PausedClock {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(PausedClock(tokio::time::Instant::now()))
    }
}

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        Timestamp::parse("2026-11-21T06:00:00Z").unwrap() + self.monotonic()
    }

    fn monotonic(&self) -> Span {
        Span::from_millis(self.0.elapsed().as_millis() as i64)
    }
}

/// Answers as told, then accepts; remembers what came and when.
pub(super) struct Scripted {
    clock: Arc<PausedClock>,
    answers: Mutex<VecDeque<Outcome>>,
    always: Mutex<Option<Outcome>>,
    got: Mutex<Vec<(i64, String)>>,
}

impl Scripted {
    fn new(clock: &Arc<PausedClock>, answers: Vec<Outcome>) -> Arc<Self> {
        Arc::new(Scripted {
            clock: clock.clone(),
            answers: Mutex::new(answers.into()),
            always: Mutex::new(None),
            got: Mutex::new(Vec::new()),
        })
    }

    pub(super) fn always(&self, outcome: Option<Outcome>) {
        *self.always.lock().unwrap() = outcome;
    }

    fn texts(&self) -> Vec<String> {
        self.got.lock().unwrap().iter().map(|(_, text)| text.clone()).collect()
    }

    fn seconds(&self) -> Vec<i64> {
        self.got.lock().unwrap().iter().map(|(at, _)| at / 1000).collect()
    }
}

impl Notifier for Scripted {
    fn send<'a>(&'a self, message: &'a Message, _settled: &'a [String]) -> Sending<'a> {
        Box::pin(async move {
            let text = match message {
                Message::Text(text) => text.clone(),
                Message::Slack { body, .. } => body.as_str().unwrap_or_default().to_owned(),
                other => panic!("{other:?}"),
            };
            self.got.lock().unwrap().push((self.clock.monotonic().millis(), text));
            if let Some(outcome) = self.always.lock().unwrap().clone() {
                return outcome;
            }
            self.answers.lock().unwrap().pop_front().unwrap_or(Outcome::Delivered)
        })
    }
}

/// `opened A`, or `digest 3: opened A, resolved B`.
struct Plain;

fn word(notice: &Notice) -> String {
    format!("{} {}", format!("{:?}", notice.kind).to_lowercase(), notice.incident)
}

fn wrap(text: String, kind: ChannelKind) -> Message {
    match kind {
        ChannelKind::Slack => Message::Slack { plain: format!("plain {text}").into(), body: text.into() },
        _ => Message::Text(text),
    }
}

impl Render for Plain {
    fn message(&self, notice: &Notice, channel: &ChannelKind) -> Message {
        wrap(word(notice), *channel)
    }

    fn digest(&self, notices: &[Notice], channel: &ChannelKind) -> Message {
        let words: Vec<String> = notices.iter().take(5).map(word).collect();
        wrap(format!("digest {}: {}", notices.len(), words.join(", ")), *channel)
    }
}

pub(super) fn opened(incident: &str) -> Notice {
    notice(incident, NoticeType::Opened)
}

pub(super) fn retry(why: &str) -> Outcome {
    Outcome::Retry { after: None, why: why.to_owned() }
}

pub(super) struct House {
    clock: Arc<PausedClock>,
    pub(super) store: Arc<Store>,
    pub(super) outbox: Outbox,
    pub(super) receivers: BTreeMap<String, Arc<Scripted>>,
}

impl House {
    fn new(channels: &[(&str, ChannelKind, Vec<Outcome>)]) -> House {
        let clock = PausedClock::new();
        let store = Arc::new(Store::in_memory(clock.clone()).unwrap());
        House::on(clock, store, channels, Routes::default())
    }

    pub(super) fn on(
        clock: Arc<PausedClock>,
        store: Arc<Store>,
        channels: &[(&str, ChannelKind, Vec<Outcome>)],
        routes: Routes,
    ) -> House {
        let receivers: BTreeMap<String, Arc<Scripted>> = channels
            .iter()
            .map(|(name, _, answers)| ((*name).to_owned(), Scripted::new(&clock, answers.clone())))
            .collect();
        let channels = channels
            .iter()
            .map(|(name, kind, _)| Channel {
                name: (*name).to_owned(),
                kind: *kind,
                notifier: receivers[*name].clone(),
            })
            .collect();
        let outbox =
            Outbox::start(channels, routes, PaceSettings::default(), store.clone(), Arc::new(Plain), clock.clone());
        House { clock, store, outbox, receivers }
    }

    /// Decides and cuts, as the engine's loop does.
    pub(super) fn tell(&self, notices: &[Notice]) {
        let outbox = self.outbox.decide(notices);
        self.store.tell(Vec::new(), outbox).unwrap();
        self.outbox.wake();
    }

    pub(super) async fn pass(&self, span: Span) {
        tokio::time::sleep(span.to_std()).await;
    }

    pub(super) fn texts(&self, channel: &str) -> Vec<String> {
        self.receivers[channel].texts()
    }

    fn state(&self, channel: &str) -> ChannelState {
        self.outbox.status().into_iter().find(|status| status.name == channel).unwrap().state
    }
}

pub(super) const TEXT: ChannelKind = ChannelKind::Terminal;

#[tokio::test(start_paused = true)]
async fn a_message_goes_to_every_channel_once_and_is_forgotten() {
    let house = House::new(&[("ops", TEXT, vec![]), ("mail", TEXT, vec![])]);
    house.tell(&[opened("A")]);
    house.pass(Span::from_mins(1)).await;
    house.tell(&[opened("A")]);
    house.pass(Span::from_mins(1)).await;
    assert_eq!((house.texts("ops"), house.texts("mail")), (vec!["opened A".to_owned()], vec!["opened A".to_owned()]));
    assert!(house.store.outbox().is_empty());
    let status = &house.outbox.status()[0];
    assert_eq!((status.queued, status.delivered, &status.state), (0, 1, &ChannelState::Ok));
    assert!(status.last_delivered.is_some());
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_obeyed_and_nobody_else_waits() {
    let busy = Outcome::Retry { after: Some(Span::from_secs(30)), why: "HTTP 429".to_owned() };
    let house = House::new(&[("ops", TEXT, vec![busy]), ("mail", TEXT, vec![])]);
    house.tell(&[opened("A")]);
    house.pass(Span::from_secs(5)).await;
    let ChannelState::Waiting { because, until } = house.state("ops") else { panic!("not waiting") };
    assert_eq!(because, "HTTP 429");
    assert!(until > house.clock.now());
    assert_eq!(house.texts("mail").len(), 1);
    house.pass(Span::from_mins(1)).await;
    assert_eq!(house.receivers["ops"].seconds(), [0, 30]);
    assert_eq!(house.state("ops"), ChannelState::Ok);
}

#[tokio::test(start_paused = true)]
async fn a_plain_failure_is_tried_again_soon_then_rarely_until_it_is_back() {
    let house = House::new(&[("ops", TEXT, vec![])]);
    house.receivers["ops"].always(Some(retry("HTTP 503")));
    house.tell(&[opened("A")]);
    house.pass(Span::from_hours(24)).await;
    let tries = house.texts("ops").len();
    assert!((280..3_000).contains(&tries), "{tries} tries in a day");
    let gaps: Vec<i64> = house.receivers["ops"].seconds().windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.iter().all(|gap| *gap <= 300));
    house.receivers["ops"].always(None);
    house.pass(Span::from_mins(6)).await;
    assert_eq!(house.texts("ops").last().unwrap(), "opened A");
    assert!(house.store.outbox().is_empty());
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_comes_one_digest_per_severity_with_the_newest_state() {
    let house = House::new(&[("ops", TEXT, vec![])]);
    house.receivers["ops"].always(Some(retry("could not connect")));
    house.tell(&[opened("A")]);
    for hour in 0..20 {
        let mut critical = opened(&format!("C{hour:02}"));
        critical.severity = Severity::Critical;
        house.tell(&[opened(&format!("W{hour:02}")), critical]);
        house.pass(Span::from_hours(1)).await;
    }
    let mut worse = notice("A", NoticeType::Updated);
    worse.severity = Severity::Critical;
    house.tell(&[worse, notice("W00", NoticeType::Resolved)]);
    house.pass(Span::from_hours(1)).await;
    assert!(house.store.outbox().len() <= 4, "bounded while it lasts");
    let before = house.texts("ops").len();
    house.receivers["ops"].always(None);
    house.pass(Span::from_mins(10)).await;
    let came = house.texts("ops").split_off(before);
    assert_eq!(came.len(), 2, "{came:?}");
    assert!(came[0].starts_with("digest 21: ") && came[0].contains("C00"), "{came:?}");
    assert!(came[1].starts_with("digest 20: ") && !came[1].contains("opened A"), "{came:?}");
    let all = house.store.outbox();
    assert!(all.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_end_that_overtakes_its_opening_in_the_queue_is_one_message() {
    let house = House::new(&[("ops", TEXT, vec![retry("HTTP 500")])]);
    house.tell(&[opened("A"), opened("B")]);
    house.pass(Span::from_millis(1)).await;
    house.tell(&[
        notice("A", NoticeType::Updated),
        notice("A", NoticeType::Resolved),
        notice("B", NoticeType::Updated),
    ]);
    house.pass(Span::from_mins(1)).await;
    // The try that failed, then each incident once, in its newest state; B's opening was never told.
    assert_eq!(house.texts("ops"), ["opened A", "resolved A", "opened B"]);
}

#[tokio::test(start_paused = true)]
async fn a_broken_channel_is_told_elsewhere_once_and_probed_each_hour() {
    let revoked = || Outcome::Broken { why: "HTTP 404 (no_service)".to_owned() };
    let house = House::new(&[("ops", TEXT, vec![revoked(), revoked(), revoked()]), ("mail", TEXT, vec![])]);
    house.tell(&[opened("A")]);
    house.pass(Span::from_secs(59)).await;
    let mail = house.texts("mail");
    assert_eq!(mail.len(), 2, "{mail:?}");
    assert!(mail[1].starts_with("opened channel-ops-"), "{mail:?}");
    assert!(matches!(house.state("ops"), ChannelState::Broken { because, .. } if because.contains("no_service")));
    house.pass(Span::from_mins(150)).await;
    assert_eq!(house.receivers["ops"].seconds(), [0, 3600, 7200]);
    assert_eq!(house.texts("mail").len(), 2, "told once");
    house.pass(Span::from_hours(1)).await;
    assert_eq!(house.texts("ops").len(), 4);
    assert_eq!(house.state("ops"), ChannelState::Ok);
    assert!(house.texts("mail")[2].starts_with("resolved channel-ops-"));
    assert!(house.store.outbox().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_repaired_channel_can_be_tried_at_once() {
    let house = House::new(&[("ops", TEXT, vec![Outcome::Broken { why: "403".to_owned() }])]);
    house.tell(&[opened("A")]);
    house.pass(Span::from_secs(30)).await;
    assert!(!house.outbox.retry_now("nobody") && house.outbox.retry_now("ops"));
    house.pass(Span::from_secs(1)).await;
    assert_eq!(house.receivers["ops"].seconds(), [0, 30]);
    assert!(house.store.outbox().is_empty());
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_none_mean_broken_after_an_hour() {
    let house = House::new(&[("ops", TEXT, vec![]), ("mail", TEXT, vec![])]);
    house.receivers["ops"].always(Some(Outcome::Doubtful { why: "HTTP 200 (login page)".to_owned() }));
    house.tell(&[opened("A")]);
    house.pass(Span::from_mins(50)).await;
    assert!(matches!(house.state("ops"), ChannelState::Waiting { .. }));
    assert_eq!(house.texts("mail").len(), 1);
    house.pass(Span::from_mins(16)).await;
    assert!(matches!(house.state("ops"), ChannelState::Broken { .. }));
    assert_eq!(house.texts("mail").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refused_form_goes_out_as_plain_text_once() {
    let refused = || Outcome::ResendPlain { why: "HTTP 400 (invalid_blocks)".to_owned() };
    let house = House::new(&[("ops", ChannelKind::Slack, vec![refused(), Outcome::Delivered, refused(), refused()])]);
    house.tell(&[opened("A")]);
    house.pass(Span::from_secs(10)).await;
    assert_eq!(house.texts("ops"), ["opened A", "plain opened A"]);
    house.tell(&[opened("B")]);
    house.pass(Span::from_secs(10)).await;
    assert_eq!(house.texts("ops")[2..], ["opened B", "plain opened B"]);
    let dead = house.store.dead_letters();
    assert!(dead[0].1.last_error.as_ref().unwrap().contains("also as plain text"));
    assert_eq!(house.state("ops"), ChannelState::Ok);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_nobody_takes_is_given_up_after_three_days() {
    let house = House::new(&[("ops", TEXT, vec![])]);
    house.receivers["ops"].always(Some(retry("HTTP 503")));
    house.tell(&[opened("A")]);
    house.pass(Span::from_hours(71)).await;
    assert_eq!(house.store.outbox().len(), 1);
    house.pass(Span::from_hours(2)).await;
    assert!(house.store.outbox().is_empty());
    assert_eq!(house.store.dead_letters()[0].1.last_error.as_deref(), Some("not accepted for 72 hours"));
}

#[tokio::test(start_paused = true)]
async fn five_hundred_incidents_within_a_minute_are_few_messages() {
    let house = House::new(&[("ops", TEXT, vec![])]);
    let mut leak = opened("LEAK");
    leak.severity = Severity::Critical;
    leak.rule = "leaked-key".to_owned();
    for batch in 0..50 {
        let mut notices: Vec<Notice> = (0..10).map(|n| opened(&format!("I{:03}", batch * 10 + n))).collect();
        if batch == 25 {
            notices.push(leak.clone());
        }
        house.tell(&notices);
        house.pass(Span::from_secs(1)).await;
    }
    house.pass(Span::from_mins(9)).await;
    let texts = house.texts("ops");
    assert!(texts.len() <= 20, "{} messages", texts.len());
    assert!(texts.contains(&"opened LEAK".to_owned()), "critical news passes: {texts:?}");
    let told: usize = texts
        .iter()
        .map(|text| text.strip_prefix("digest ").map_or(1, |rest| rest.split(':').next().unwrap().parse().unwrap()))
        .sum();
    assert_eq!(told, 501, "{texts:?}");
    let seconds = house.receivers["ops"].got.lock().unwrap().clone();
    assert!(seconds.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 1000), "one a second");
}

#[tokio::test(start_paused = true)]
async fn silences_and_routes_choose_and_an_end_reaches_who_heard_of_it() {
    let clock = PausedClock::new();
    let store = Arc::new(Store::in_memory(clock.clone()).unwrap());
    let routes = Routes { warning: Some(vec!["ops".to_owned()]), ..Routes::default() };
    let house = House::on(clock.clone(), store, &[("ops", TEXT, vec![]), ("mail", TEXT, vec![])], routes);
    let until = clock.now() + Span::HOUR;
    house
        .store
        .add_silence(Silence {
            subject: Some("key ac*".into()),
            detector: Some("burst".into()),
            until,
            ..Silence::default()
        })
        .unwrap();
    house.store.add_silence(Silence { until, ..Silence::default() }).unwrap();
    house.tell(&[opened("A")]);
    let mut other = opened("B");
    other.subject.name = "other".to_owned();
    house.tell(&[other.clone()]);
    house.pass(Span::from_mins(1)).await;
    assert_eq!(house.texts("ops"), ["opened B"]);
    assert!(house.texts("mail").is_empty());
    // Worse: mail hears of it for the first time, as of an opening. The end goes to both.
    other.kind = NoticeType::Updated;
    other.severity = Severity::Critical;
    house.tell(&[other.clone()]);
    house.pass(Span::from_mins(1)).await;
    other.kind = NoticeType::Resolved;
    other.severity = Severity::Info;
    // The end of what was silenced all along interests nobody.
    house.tell(&[other, notice("A", NoticeType::Resolved)]);
    house.pass(Span::from_mins(1)).await;
    assert_eq!(house.texts("ops"), ["opened B", "updated B", "resolved B"]);
    assert_eq!(house.texts("mail"), ["opened B", "resolved B"]);
    house.pass(Span::HOUR).await;
    house.tell(&[notice("A", NoticeType::Updated)]);
    house.pass(Span::from_mins(1)).await;
    assert_eq!(house.texts("ops")[3], "opened A");
}

#[tokio::test(start_paused = true)]
async fn a_restart_neither_repeats_nor_forgets() {
    let dir = tempfile::tempdir().unwrap();
    let clock = PausedClock::new();
    let start = |answers: Vec<Outcome>| {
        let (store, recovery) = Store::open(dir.path(), Settings::default(), clock.clone()).unwrap();
        assert!(recovery.lost.is_empty());
        House::on(clock.clone(), Arc::new(store), &[("ops", TEXT, answers), ("mail", TEXT, vec![])], Routes::default())
    };
    let house = start(vec![Outcome::Delivered, Outcome::Broken { why: "410".to_owned() }]);
    house.tell(&[opened("A")]);
    house.pass(Span::from_secs(5)).await;
    house.tell(&[opened("B")]);
    house.pass(Span::from_secs(5)).await;
    assert_eq!((house.texts("ops").len(), house.texts("mail").len()), (2, 3));
    let House { outbox, store, .. } = house;
    outbox.stop().await;
    drop(store);
    let house = start(vec![Outcome::Broken { why: "410".to_owned() }]);
    assert!(matches!(house.state("ops"), ChannelState::Broken { .. }), "remembered");
    assert_eq!(house.outbox.status()[0].queued, 1);
    house.tell(&[opened("A"), opened("B")]);
    house.pass(Span::from_hours(3)).await;
    assert_eq!(house.texts("ops"), ["opened B", "opened B"]);
    assert_eq!(house.texts("mail").len(), 1, "only that it works again: {:?}", house.texts("mail"));
    let House { outbox, store, .. } = house;
    outbox.stop().await;
    drop(store);
    // A channel that was taken out of the configuration leaves no message behind unseen.
    let (store, _) = Store::open(dir.path(), Settings::default(), clock.clone()).unwrap();
    let gone = OutboxRow::new("gone", opened("C"), "\"\"".to_owned(), clock.now());
    store.tell(Vec::new(), vec![gone]).unwrap();
    let house = House::on(clock.clone(), Arc::new(store), &[("ops", TEXT, vec![])], Routes::default());
    assert!(house.store.dead_letters()[0].1.last_error.as_ref().unwrap().contains("no longer configured"));
}

#[tokio::test(start_paused = true)]
async fn stopping_waits_for_the_message_in_flight_but_not_for_ever() {
    struct Slow(Span);
    impl Notifier for Slow {
        fn send<'a>(&'a self, _message: &'a Message, _settled: &'a [String]) -> Sending<'a> {
            Box::pin(async move {
                tokio::time::sleep(self.0.to_std()).await;
                Outcome::Delivered
            })
        }
    }
    for (takes, left) in [(Span::from_secs(3), 0), (Span::from_secs(60), 1)] {
        let clock = PausedClock::new();
        let store = Arc::new(Store::in_memory(clock.clone()).unwrap());
        let channel = Channel { name: "ops".to_owned(), kind: TEXT, notifier: Arc::new(Slow(takes)) };
        let outbox = Outbox::start(
            vec![channel],
            Routes::default(),
            PaceSettings::default(),
            store.clone(),
            Arc::new(Plain),
            clock.clone(),
        );
        store.tell(Vec::new(), outbox.decide(&[opened("A")])).unwrap();
        outbox.wake();
        tokio::time::sleep(Span::SECOND.to_std()).await;
        outbox.stop().await;
        assert_eq!(store.outbox().len(), left);
        assert!(clock.monotonic() <= Span::from_secs(7));
    }
}

#[tokio::test(start_paused = true)]
async fn a_template_that_panics_does_not_silence_the_channel() {
    struct Fragile;
    impl Render for Fragile {
        fn message(&self, notice: &Notice, channel: &ChannelKind) -> Message {
            Plain.message(notice, channel)
        }

        fn digest(&self, _notices: &[Notice], _channel: &ChannelKind) -> Message {
            panic!("on purpose")
        }
    }
    let clock = PausedClock::new();
    let store = Arc::new(Store::in_memory(clock.clone()).unwrap());
    let receiver = Scripted::new(&clock, vec![]);
    let channel = Channel { name: "ops".to_owned(), kind: TEXT, notifier: receiver.clone() };
    let render = Arc::new(Fragile);
    let outbox =
        Outbox::start(vec![channel], Routes::default(), PaceSettings::default(), store.clone(), render, clock.clone());
    let crowd: Vec<Notice> = (0..7).map(|n| opened(&n.to_string())).collect();
    store.tell(Vec::new(), outbox.decide(&crowd)).unwrap();
    outbox.wake();
    tokio::time::sleep(Span::from_secs(30).to_std()).await;
    assert_eq!(store.outbox().len(), 7, "nothing is lost");
    for (number, _) in store.outbox().into_iter().skip(1) {
        store.give_up(number, "test").unwrap();
    }
    tokio::time::sleep(Span::from_mins(2).to_std()).await;
    assert_eq!(receiver.texts(), ["opened 0"]);
    outbox.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_panics_is_a_failed_try() {
    struct Panics;
    impl Notifier for Panics {
        fn send<'a>(&'a self, _message: &'a Message, _settled: &'a [String]) -> Sending<'a> {
            Box::pin(async { panic!("on purpose") })
        }
    }
    let clock = PausedClock::new();
    let store = Arc::new(Store::in_memory(clock.clone()).unwrap());
    let channel = Channel { name: "ops".to_owned(), kind: TEXT, notifier: Arc::new(Panics) };
    let outbox =
        Outbox::start(vec![channel], Routes::default(), PaceSettings::default(), store.clone(), Arc::new(Plain), clock);
    store.tell(Vec::new(), outbox.decide(&[opened("A")])).unwrap();
    outbox.wake();
    tokio::time::sleep(Span::from_mins(1).to_std()).await;
    assert!(matches!(&outbox.status()[0].state, ChannelState::Waiting { because, .. } if because.contains("internal")));
    assert!(store.outbox()[0].1.attempts > 1);
}

#[tokio::test(start_paused = true)]
async fn good_news_follows_the_bad_news_and_goes_nowhere_else() {
    let channels = [("ops", ChannelKind::Slack, Vec::new()), ("log", ChannelKind::Slack, Vec::new())];
    let clock = PausedClock::new();
    let store = Arc::new(Store::in_memory(clock.clone()).unwrap());
    let only = |name: &str| Some(vec![name.to_owned()]);
    let routes = Routes { critical: only("ops"), info: only("log"), ..Routes::default() };
    let house = House::on(clock, store, &channels, routes);
    house.tell(&[Notice { severity: Severity::Critical, ..opened("A") }]);
    house.pass(Span::from_mins(1)).await;
    let refused = crate::notice::Outcome {
        by: "refused".to_owned(),
        since: None,
        refused_per_minute: Some(210.0),
        allowed_per_minute: None,
        statuses: vec!["401".to_owned()],
        trend: None,
    };
    let works = Notice { severity: Severity::Info, outcome: Some(refused), ..notice("A", NoticeType::Updated) };
    let unheard = Notice { incident: "B".to_owned(), ..works.clone() };
    house.tell(&[works, unheard]);
    house.pass(Span::from_mins(1)).await;
    assert_eq!(house.texts("ops"), ["opened A", "updated A"]);
    assert_eq!(house.texts("log"), Vec::<String>::new());
}
