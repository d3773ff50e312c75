//! An alert storm through the real outbox, the real words and layouts and the real sender to a receiver that behaves
//! like Slack.

mod support;

use std::sync::Arc;
use std::time::Duration;

use lapwing::app::telling::Teller;
use lapwing::config::Config;
use lapwing::notice::Notice;
use lapwing::notify::{ChannelSettings, HttpSettings, Outbox, PaceSettings, Routes, Target};
use lapwing::store::Store;
use lapwing::time::{Clock, Span, SystemClock};
use serde_json::json;
use support::machine::wait_for;
use support::receivers::Receiver;

fn notice(number: usize) -> Notice {
    serde_json::from_value(json!({
        "schema": 1, "type": "opened", "incident": format!("01KB3STORM{number:04}"), "detector": "burst",
        "rule": "burst", "severity": "warning", "subject": {"kind": "key", "name": format!("key-{number}")},
        "started_at": "2026-11-21T06:00:00Z", "detected_at": "2026-11-21T06:01:00Z", "ended_at": null,
        "observed": 60.0 + number as f64, "expected": 2.0, "unit": "requests/min", "trend": "rising",
        "impact": {"requests": 612, "errors": 3, "cost": null},
        "where": {"keys": [], "endpoints": [], "clients": [], "user_agents": [], "countries": []},
        "title": format!("Key key-{number} sends 30 times its usual traffic"), "summary": "Since 06:00.",
        "actions": [], "at": "2026-11-21T06:01:00Z"
    }))
    .expect("a notice")
}

#[test]
fn five_hundred_incidents_at_once_reach_slack_as_a_handful_of_messages() {
    let receiver = Receiver::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let _inside = runtime.enter();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let url = format!("http://127.0.0.1:{}/services/T0000/B0000/secret", receiver.port);
    let slack = ChannelSettings { name: "ops".to_owned(), target: Target::Slack(HttpSettings::to(url)) };
    let channels = vec![slack.build(clock.clone()).unwrap()];
    // Real time passes here: every span of the pace is a hundredth of what it is.
    let pace = PaceSettings {
        interval: Span::from_millis(10),
        window: Span::from_secs(6),
        between_digests: Span::from_millis(1200),
        gather: Span::from_millis(300),
        ..PaceSettings::default()
    };
    let store = Arc::new(Store::in_memory(clock.clone()).unwrap());
    let render = Arc::new(Teller::new(Arc::new(Config::default())).unwrap().messages());
    let outbox = Outbox::start(channels, Routes::default(), pace, store.clone(), render, clock);
    for hundred in 0..5 {
        let notices: Vec<Notice> = (0..100).map(|n| notice(hundred * 100 + n)).collect();
        store.tell(Vec::new(), outbox.decide(&notices)).unwrap();
        outbox.wake();
    }
    wait_for("everything is told", Duration::from_secs(60), || store.outbox().is_empty().then_some(()));
    let messages = receiver.slack();
    assert!(messages.len() <= 10, "{} messages", messages.len());
    let told: usize = messages
        .iter()
        .map(|body| {
            let text = body["text"].as_str().expect("a text");
            let first = text.split(|c: char| !c.is_ascii_digit()).find_map(|number| number.parse::<usize>().ok());
            if text.contains("incidents") || text.contains("alerts") { first.expect(text) } else { 1 }
        })
        .sum();
    assert_eq!(told, 500, "every incident is in a message: {messages:#?}");
    assert!(messages.iter().all(|body| body["blocks"].as_array().is_some_and(|blocks| blocks.len() <= 10)));
    runtime.block_on(outbox.stop());
}
