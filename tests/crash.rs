//! The daemon dies at every named point of a cut and of a delivery. After the next start every line is counted once, and
//! every message has been told once; twice only where the kill came between sending and noting that it was sent.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use support::daemon::Home;
use support::machine::{unix_now, wait_for};
use support::traffic::{self, DAY};

/// What must be so after a start.
const SOON: Duration = Duration::from_secs(60);

/// Points at which the process may end, and whether a message may be told twice for it.
type Points = [(&'static str, bool); 3];

const IN_A_CUT: Points = [("cut.before", false), ("cut.in-snapshot", false), ("cut.before-rename", false)];
const AFTER_A_SNAPSHOT: Points =
    [("cut.before-sync", false), ("cut.after-snapshot", false), ("cut.after-commit", false)];
const AROUND_A_TELLING: Points = [("tell.before", false), ("tell.after", false), ("told", true)];
const IN_A_DELIVERY: Points = [("send.before", false), ("send.after", true), ("send.settled", false)];

fn lines(home: &Home) -> u64 {
    std::fs::read_to_string(home.log()).unwrap().lines().count() as u64
}

/// How often each notice about this key was told: by incident, type and instant.
fn told(home: &Home, key: &str) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for notice in home.told().iter().filter(|n| n["subject"]["name"] == key) {
        let name = ["incident", "type", "started_at"].map(|field| notice[field].to_string()).join(" ");
        *times.entry(name).or_default() += 1;
    }
    times
}

#[test]
fn a_process_that_dies_while_it_makes_a_cut_loses_and_repeats_nothing() {
    dies_at(IN_A_CUT);
}

#[test]
fn a_process_that_dies_around_the_commit_loses_and_repeats_nothing() {
    dies_at(AFTER_A_SNAPSHOT);
}

#[test]
fn a_process_that_dies_between_the_message_and_its_state_tells_it_once() {
    dies_at(AROUND_A_TELLING);
}

/// A home whose daemon has learned nine days of wayne and bruce, and was stopped.
fn home_that_knows_two_keys() -> Home {
    let home = Home::new("");
    let now = unix_now();
    let mut history = traffic::usual(now - 9 * DAY, now);
    history
        .extend((now - 9 * DAY..now).step_by(1700).map(|at| traffic::request(at, "bruce", "203.0.113.100", at % 9000)));
    traffic::append(&home.log(), history);
    let mut daemon = home.start();
    assert!(daemon.terminate(Duration::from_secs(10)).success());
    home
}

#[test]
fn a_message_that_was_accepted_is_not_told_again_though_its_state_was_never_saved() {
    let home = home_that_knows_two_keys();
    // It goes out, is acknowledged, and no state is saved after it.
    let mut daemon = home.spawn_in(&[("LAPWING_FAULT", "told=stuck".to_owned())]);
    traffic::append(&home.log(), traffic::leak("wayne", unix_now() - 600, unix_now()));
    wait_for("the leak is told", SOON, || (!told(&home, "wayne").is_empty()).then_some(()));
    wait_for("it is acknowledged", SOON, || home.is_all_delivered().then_some(()));
    daemon.kill();
    let before = told(&home, "wayne");
    let daemon = home.start();
    wait_for("all lines are counted", SOON, || (home.counted() == Some(lines(&home))).then_some(()));
    // What comes later of the same incident comes by the same id, and nothing of before once more.
    traffic::append(&home.log(), traffic::leak("bruce", unix_now() - 600, unix_now()));
    wait_for("the next leak is told", SOON, || (!told(&home, "bruce").is_empty()).then_some(()));
    let after = told(&home, "wayne");
    assert!(after.values().all(|times| *times == 1), "{after:?}\n{}", daemon.said());
    let incidents: BTreeSet<&str> = after.keys().filter_map(|name| name.split(' ').next()).collect();
    assert_eq!((incidents.len(), before.len()), (1, 1), "{before:?} then {after:?}");
}

#[test]
fn a_message_waits_for_no_state_that_is_being_saved() {
    let home = home_that_knows_two_keys();
    // No state is ever saved again: the disk does not come back. What comes is judged and told.
    let mut daemon = home.spawn_in(&[("LAPWING_FAULT", "cut.in-snapshot=stuck".to_owned())]);
    traffic::append(&home.log(), traffic::leak("wayne", unix_now() - 600, unix_now()));
    wait_for("the first leak is told", SOON, || (!told(&home, "wayne").is_empty()).then_some(()));
    traffic::append(&home.log(), traffic::leak("bruce", unix_now() - 600, unix_now()));
    wait_for("so is the second", SOON, || (!told(&home, "bruce").is_empty()).then_some(()));
    wait_for("both are acknowledged", SOON, || home.is_all_delivered().then_some(()));
    daemon.kill();
    // The lines are read once more, from the state of before, and told to nobody twice.
    let daemon = home.start();
    wait_for("all lines are counted", SOON, || (home.counted() == Some(lines(&home))).then_some(()));
    for key in ["wayne", "bruce"] {
        let told = told(&home, key);
        assert!(told.values().all(|times| *times == 1), "{key}: {told:?}\n{}", daemon.said());
    }
}

#[test]
fn a_process_that_dies_in_a_delivery_loses_nothing_and_repeats_one_message_at_most() {
    dies_at(IN_A_DELIVERY);
}

fn dies_at(points: Points) {
    let home = Home::new("");
    let now = unix_now();
    let mut history = traffic::usual(now - 9 * DAY, now);
    // A key of its own for each point: its leak is the message that is under way when the process dies.
    let keys: Vec<String> = (0..points.len()).map(|number| format!("wayne-{number}")).collect();
    for (number, key) in keys.iter().enumerate() {
        let client = format!("203.0.113.{}", 100 + number);
        let times = (now - 9 * DAY..now).step_by(1700);
        history.extend(times.map(|at| traffic::request(at + number as i64, key, &client, at % 9000)));
    }
    traffic::append(&home.log(), history);
    let mut daemon = home.start();
    assert!(daemon.terminate(Duration::from_secs(10)).success());
    for (number, (point, twice)) in points.into_iter().enumerate() {
        let key = &keys[number];
        assert!(told(&home, key).is_empty(), "{point}");
        // Not waited for: what is still to be told of the point before may end it at once.
        let mut daemon = home.spawn_in(&[("LAPWING_FAULT", format!("{point}=abort"))]);
        let leak = traffic::leak(key, unix_now() - 600, unix_now());
        traffic::append(&home.log(), leak);
        wait_for(&format!("it dies at {point}"), SOON, || daemon.has_ended());

        let daemon = home.start();
        wait_for(&format!("the leak is told after {point}"), SOON, || (!told(&home, key).is_empty()).then_some(()));
        wait_for("all is acknowledged", SOON, || home.is_all_delivered().then_some(()));
        assert_eq!(home.counted(), Some(lines(&home)), "{point}: lines\n{}", daemon.said());
        let most = if twice { 2 } else { 1 };
        let told = told(&home, key);
        // It may be over by the time it is told: then one message says both.
        let incidents: BTreeSet<&str> = told.keys().filter_map(|name| name.split(' ').next()).collect();
        assert_eq!(incidents.len(), 1, "{point}: {told:?}");
        assert!(told.values().all(|times| *times <= most), "{point}: {told:?}");
        assert!(told.values().filter(|times| **times > 1).count() <= 1, "{point}: one message at most: {told:?}");
        let said = daemon.said();
        assert_eq!(said.matches("the last run was cut short").count(), number + 1, "{point}:\n{said}");
        drop(daemon);
    }
    assert!(home.status().is_none());
}

#[test]
fn a_kill_while_the_receiver_holds_its_answer_costs_one_repetition_with_the_same_id() {
    let receiver = support::receivers::Slow::start();
    let home =
        Home::new(&format!("[channel.hook]\nkind = \"webhook\"\nurl = \"http://127.0.0.1:{}/\"\n", receiver.port));
    let now = unix_now();
    traffic::append(&home.log(), traffic::usual(now - 9 * DAY, now));
    let mut daemon = home.start();
    receiver.hold(true);
    traffic::append(&home.log(), traffic::leak("wayne", now - 300, now));
    wait_for("the message is with the receiver", SOON, || {
        daemon.must_run();
        (!receiver.got().is_empty()).then_some(())
    });
    daemon.kill();
    receiver.hold(false);
    let mut daemon = home.start();
    wait_for("all is acknowledged", SOON, || home.is_all_delivered().then_some(()));
    let got = receiver.got();
    let about: Vec<&Value> = got.iter().filter(|n| n["type"] == "opened").collect();
    assert_eq!(about.len(), 2, "{got:#?}");
    assert_eq!(about[0], about[1], "the same incident, the same words");
    assert_eq!(receiver.ids(), vec![about[0]["incident"].as_str().unwrap(); 2], "in the header too");

    // SIGTERM while an answer is held: the open request gets its five seconds, and the end is orderly.
    receiver.hold(true);
    let later = unix_now();
    traffic::append(&home.log(), traffic::leak("acme", later - 300, later));
    wait_for("the next one is with the receiver", SOON, || (receiver.got().len() > 2).then_some(()));
    let ended = daemon.terminate(Duration::from_secs(10));
    assert!(ended.success(), "{ended}:\n{}", daemon.said());
}

#[test]
fn every_file_that_a_start_finds_is_known_from_its_first_cut_on() {
    let home = Home::new("");
    let (logs, targets) = (home.path().join("logs"), home.path().join("targets"));
    std::fs::create_dir(&logs).unwrap();
    std::fs::create_dir(&targets).unwrap();
    let state = home.path().join("state");
    let text = format!("state_dir = \"{}\"\n[source.api]\npath = [\"{}/*.log\"]\n", state.display(), logs.display());
    std::fs::write(home.config(), text).unwrap();
    let now = unix_now();
    let mut written = 0;
    let mut write = |path: std::path::PathBuf, lines: i64| {
        traffic::append(&path, (0..lines).map(|n| traffic::request(now, "acme", "203.0.113.9", n)).collect());
        written += lines.cast_unsigned();
    };
    let turn = |to: &str| {
        std::os::unix::fs::symlink(targets.join(to), logs.join("new")).unwrap();
        std::fs::rename(logs.join("new"), logs.join("current.log")).unwrap();
    };
    write(targets.join("1"), 20);
    turn("1");
    assert!(home.start().terminate(Duration::from_secs(10)).success());
    // While nobody looks, the link is turned, and other logs come before and after it.
    write(targets.join("2"), 50);
    turn("2");
    for name in ["a", "b", "c", "x", "y", "z"] {
        write(logs.join(format!("{name}.log")), 10);
    }
    let mut daemon = home.spawn_in(&[("LAPWING_FAULT", "cut.after-commit=abort".to_owned())]);
    wait_for("it dies after its first cut", SOON, || daemon.has_ended());
    // Where the link led then can be learned from that cut alone.
    write(targets.join("3"), 5);
    turn("3");
    let daemon = home.start();
    wait_for("every line is counted", SOON, || (home.counted()? >= written).then_some(()));
    assert_eq!(home.counted(), Some(written), "{}", daemon.said());
}
