//! Storms and outages that restarts fall into: on a paused clock, with the store on disk.

use super::outbox_tests::{House, PausedClock, TEXT, opened, retry};
use super::*;
use crate::notice::{Notice, NoticeType};
use crate::store::{Settings, Store};

async fn end(house: House) {
    let House { outbox, store, .. } = house;
    outbox.stop().await;
    drop(store);
}

fn start(dir: &std::path::Path, clock: &Arc<PausedClock>, channels: &[(&str, ChannelKind, Vec<Outcome>)]) -> House {
    let (store, recovery) = Store::open(dir, Settings::default(), clock.clone()).unwrap();
    assert!(recovery.lost.is_empty(), "{:?}", recovery.lost);
    House::on(clock.clone(), Arc::new(store), channels, Routes::default())
}

/// How many incidents texts tell of.
fn told(texts: &[String]) -> usize {
    let of =
        |text: &String| text.strip_prefix("digest ").map_or(1, |rest| rest.split(':').next().unwrap().parse().unwrap());
    texts.iter().map(of).sum()
}

#[tokio::test(start_paused = true)]
async fn a_restart_every_half_minute_allows_no_more_messages_than_one_run() {
    let dir = tempfile::tempdir().unwrap();
    let clock = PausedClock::new();
    let mut texts = Vec::new();
    for run in 0..20 {
        let house = start(dir.path(), &clock, &[("ops", TEXT, vec![])]);
        let notices: Vec<Notice> = (0..25).map(|n| opened(&format!("I{run:02}-{n:02}"))).collect();
        for some in notices.chunks(5) {
            house.tell(some);
            house.pass(Span::from_secs(6)).await;
        }
        texts.extend(house.texts("ops"));
        end(house).await;
    }
    assert!(texts.len() <= 20, "{} messages in ten minutes: {texts:?}", texts.len());
    let house = start(dir.path(), &clock, &[("ops", TEXT, vec![])]);
    house.pass(Span::from_mins(15)).await;
    texts.extend(house.texts("ops"));
    assert_eq!(told(&texts), 500, "{texts:?}");
}

#[tokio::test(start_paused = true)]
async fn all_channels_down_for_a_day_with_restarts_give_one_digest_and_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let clock = PausedClock::new();
    let channels = [("ops", TEXT, vec![]), ("mail", TEXT, vec![])];
    for run in 0..24 {
        let house = start(dir.path(), &clock, &channels);
        for receiver in house.receivers.values() {
            receiver.always(Some(retry("connection refused")));
        }
        house.tell(&(0..20).map(|n| opened(&format!("I{run:02}-{n:02}"))).collect::<Vec<_>>());
        house.pass(Span::from_mins(59)).await;
        for status in house.outbox.status() {
            assert!(!matches!(status.state, ChannelState::Ok), "it is seen that {} is down", status.name);
            assert!(status.queued > 0 && status.oldest.is_some());
        }
        end(house).await;
    }
    let house = start(dir.path(), &clock, &channels);
    // What is over meanwhile is told as over, in the same digest.
    let mut over = opened("I00-00");
    over.kind = NoticeType::Resolved;
    house.tell(&[over]);
    house.pass(Span::from_mins(10)).await;
    for channel in ["ops", "mail"] {
        let texts = house.texts(channel);
        assert_eq!(texts.len(), 1, "{channel}: one digest: {texts:?}");
        assert_eq!(told(&texts), 480, "{channel}: {texts:?}");
    }
    assert!(house.store.outbox().is_empty() && house.store.dead_letters().is_empty());
    assert!(house.outbox.status().iter().all(|status| status.state == ChannelState::Ok && status.queued == 0));
}
