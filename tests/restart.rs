//! The real daemon through stops, kills, reloads and backlogs: what it told before is not told again, what goes on is
//! seen to its end, and what it tells is what a replay of the same lines tells.

mod support;

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use support::daemon::{Home, binary, notices};
use support::machine::{self, unix_now, wait_for};
use support::traffic::{self, DAY, USUAL};

/// Days of ordinary life before the tests' incidents.
const HISTORY: i64 = 9 * DAY;

/// What must be so for somebody to hear of it.
const SOON: Duration = Duration::from_secs(60);

fn about<'a>(told: &'a [Value], kind: &str, key: &str) -> Vec<&'a Value> {
    told.iter().filter(|n| n["type"] == kind && n["subject"]["name"] == key).collect()
}

fn lines_in(paths: &[std::path::PathBuf]) -> u64 {
    paths.iter().map(|path| std::fs::read_to_string(path).unwrap().lines().count() as u64).sum()
}

/// A daemon that has met its log while that was empty: what is written later is a backlog and no history.
fn meet_an_empty_log(home: &Home) {
    traffic::append(&home.log(), Vec::new());
    let mut daemon = home.start();
    let ended = daemon.terminate(Duration::from_secs(10));
    assert!(ended.success(), "SIGTERM ends with {ended}:\n{}", daemon.said());
}

#[test]
fn a_backlog_is_told_as_a_replay_tells_it_without_the_steps_between() {
    let home = Home::new("");
    meet_an_empty_log(&home);
    let now = unix_now();
    traffic::append(
        &home.log(),
        [
            traffic::usual(now - HISTORY, now),
            traffic::leak("wayne", now - 20 * 3600, now - 19 * 3600),
            traffic::retry_loop("initech", USUAL[3].1, now - 3 * 3600, now - 2 * 3600),
        ]
        .concat(),
    );
    let mut daemon = home.start();
    wait_for("both incidents are told and over", SOON, || {
        daemon.must_run();
        let told = home.told();
        let over = |key| about(&told, "resolved", key).len() == 1;
        (over("wayne") && over("initech")).then_some(())
    });
    wait_for("every line is counted", SOON, || (home.counted() == Some(lines_in(&[home.log()]))).then_some(()));

    let replay = home.run(&["replay", "--json", "access.log"]);
    assert!(replay.status.success());
    let replayed = notices(&replay.stdout);
    let told = home.told();
    // `detected_at` is left out: it was told late.
    // Of what is over when it is told, the newest word is the only one: the openings and steps before it were overtaken.
    let gist = |notices: &[Value]| -> BTreeSet<String> {
        let wanted = notices.iter().filter(|n| n["type"] == "resolved");
        wanted
            .map(|n| {
                let keys = ["incident", "detector", "severity", "subject", "started_at", "ended_at"];
                keys.map(|key| n[key].to_string()).join(" ")
            })
            .collect()
    };
    assert_eq!(gist(&told), gist(&replayed));
    for key in ["wayne", "initech"] {
        let late = about(&told, "resolved", key)[0]["summary"].as_str().unwrap().contains("Told late");
        assert!(late, "{told:#?}");
        assert_eq!(about(&told, "updated", key).len(), 0, "no steps between: {told:#?}");
        assert!(about(&told, "opened", key).len() <= 1, "nothing twice: {told:#?}");
        assert_eq!(about(&replayed, "opened", key).len(), 1, "{replayed:#?}");
    }
    // How many steps there are hangs on the hour of the day; of what has stopped nobody is reminded.
    assert!(!about(&replayed, "updated", "wayne").is_empty(), "the replay tells the steps as they came");
}

#[test]
fn what_is_found_live_is_what_a_replay_finds() {
    let home = Home::new("");
    let now = unix_now();
    traffic::append(&home.log(), traffic::usual(now - HISTORY, now));
    let mut daemon = home.start();
    let mut count = 0;
    machine::every("the leak is told", Duration::from_millis(500), SOON, || {
        daemon.must_run();
        count += 1;
        traffic::append(&home.log(), vec![traffic::leaked("wayne", count, unix_now())]);
        !about(&home.told(), "opened", "wayne").is_empty()
    });
    let told = home.told();
    let replay = home.run(&["replay", "--json", "access.log"]);
    let replayed = notices(&replay.stdout);
    let (live, again) = (about(&told, "opened", "wayne"), about(&replayed, "opened", "wayne"));
    assert_eq!((live.len(), again.len()), (1, 1), "{told:#?} {replayed:#?}");
    for key in ["incident", "detector", "severity", "started_at", "detected_at", "title", "observed", "impact"] {
        assert_eq!(live[0][key], again[0][key], "{key}");
    }
}

#[test]
fn a_kill_in_the_middle_opens_nothing_again_and_forgets_no_end() {
    // The first reminder falls due some 20 s after the backlog is told, by log time three minutes back.
    let home = Home::new("[alerts]\ncooldown = \"200s\"\n");
    meet_an_empty_log(&home);
    let now = unix_now();
    traffic::append(
        &home.log(),
        [
            traffic::usual(now - HISTORY, now),
            traffic::leak("wayne", now - 20 * 60, now),
            // A loop is over ten minutes after its last call, and told so when it has been calm for five more.
            traffic::retry_loop("initech", USUAL[3].1, now - 20 * 60, now - 14 * 60 - 30),
        ]
        .concat(),
    );
    let mut daemon = home.start();
    let open = |key| {
        let told = home.told();
        about(&told, "opened", key).first().map(|n| n["incident"].clone())
    };
    let (leak, looping) = wait_for("both are told", SOON, || {
        daemon.must_run();
        open("wayne").zip(open("initech"))
    });
    wait_for("both are acknowledged", SOON, || home.is_all_delivered().then_some(()));
    daemon.kill();

    let mut written = unix_now();
    traffic::append(&home.log(), traffic::leak("wayne", now, written));
    let mut daemon = home.start();
    machine::every("the leak is told again, the loop's end is told", Duration::from_secs(1), SOON * 2, || {
        daemon.must_run();
        let from = written;
        written = unix_now();
        traffic::append(&home.log(), traffic::leak("wayne", from, written));
        let told = home.told();
        let again = about(&told, "updated", "wayne").iter().any(|n| n["incident"] == leak);
        let over = about(&told, "resolved", "initech").iter().any(|n| n["incident"] == looping);
        again && over
    });
    let told = home.told();
    for key in ["wayne", "initech"] {
        assert_eq!(about(&told, "opened", key).len(), 1, "{key}: {told:#?}");
    }
    assert_eq!(about(&told, "resolved", "initech").len(), 1, "{told:#?}");
    assert!(about(&told, "resolved", "wayne").is_empty(), "it goes on: {told:#?}");
    assert!(daemon.terminate(Duration::from_secs(10)).success());
}

#[test]
fn a_reload_with_an_error_changes_nothing_and_a_good_one_keeps_what_is_known() {
    let home = Home::new("");
    let good = std::fs::read_to_string(home.config()).unwrap();
    let now = unix_now();
    traffic::append(&home.log(), traffic::usual(now - HISTORY, now));
    let mut daemon = home.start();
    let counted = home.counted();
    assert_eq!(counted, Some(lines_in(&[home.log()])));

    std::fs::write(home.config(), format!("{good}\n[alerts]\ncooldwon = \"1h\"\n")).unwrap();
    daemon.hang_up();
    let error = wait_for("`status` says why the new configuration is not taken", SOON, || {
        // The file is broken for the client too: it is asked by the socket.
        let output = binary(home.path()).args(["status", "--json", "--socket", "state/lapwing.sock"]).output().unwrap();
        let status: Value = serde_json::from_slice(&output.stdout).ok()?;
        status["reload_error"].as_str().map(str::to_owned)
    });
    assert!(error.contains("cooldwon") && error.contains("cooldown") && error.contains("lapwing.toml:"), "{error}");
    assert!(daemon.said().contains("the configuration stays as it was"), "{}", daemon.said());

    let other = home.path().join("other.jsonl");
    std::fs::write(
        home.config(),
        format!("{good}\n[channel.other]\nkind = \"file\"\npath = \"{}\"\n", other.display()),
    )
    .unwrap();
    daemon.hang_up();
    wait_for("the new channel is there", SOON, || {
        daemon.must_run();
        let status = home.status()?;
        (status["channels"].as_array()?.len() == 2 && status["reload_error"].is_null()).then_some(())
    });
    assert_eq!(home.counted(), counted, "no line is read again");
    // What was learned before the reload is what makes this a leak.
    traffic::append(&home.log(), (0..60).map(|i| traffic::leaked("wayne", i, unix_now())).collect());
    wait_for("both channels are told", SOON, || {
        let told = |path| notices(&std::fs::read(path).unwrap_or_default());
        let hears = |path| about(&told(path), "opened", "wayne").len() == 1;
        (hears(other.clone()) && hears(home.told_to())).then_some(())
    });
}

#[test]
fn a_second_daemon_on_the_same_state_is_refused_in_one_sentence() {
    let home = Home::new("");
    traffic::append(&home.log(), Vec::new());
    let mut daemon = home.start();
    let second = home.run(&["run"]);
    assert_eq!(second.status.code(), Some(1));
    let error = String::from_utf8_lossy(&second.stderr);
    assert_eq!(error.trim().lines().count(), 1, "{error}");
    assert!(error.contains("another lapwing") && error.contains("already uses the state directory"), "{error}");
    daemon.must_run();
    assert!(home.status().is_some(), "the first one goes on");
}

#[test]
fn the_first_start_reads_rotated_copies_once_and_tells_nothing_that_is_over() {
    reads_history_once("access.log*");
}

#[test]
fn copies_beside_the_log_are_read_once_too_and_ancient_ones_never() {
    reads_history_once("access.log");
}

fn reads_history_once(pattern: &str) {
    let home = Home::new("");
    let config = std::fs::read_to_string(home.config()).unwrap();
    std::fs::write(home.config(), config.replace("access.log*", pattern)).unwrap();
    let now = unix_now();
    let copies = [home.path().join("access.log.2"), home.path().join("access.log.1"), home.log()];
    let days = [now - HISTORY, now - 4 * DAY, now - DAY, now];
    for (copy, days) in copies.iter().zip(days.windows(2)) {
        let mut lines = traffic::usual(days[0], days[1]);
        if days[1] == now - DAY {
            lines.extend(traffic::leak("wayne", now - 2 * DAY, now - 2 * DAY + 3600));
            lines.extend(traffic::retry_loop("initech", USUAL[3].1, now - 2 * DAY, now - 2 * DAY + 3600));
        }
        traffic::append(copy, lines);
    }
    let all = lines_in(&copies);
    assert!(Command::new("gzip").arg(&copies[0]).status().unwrap().success());
    if pattern == "access.log" {
        let ancient = home.path().join("access.log.9");
        traffic::append(&ancient, traffic::usual(now - 90 * DAY, now - 89 * DAY));
        let changed = std::time::UNIX_EPOCH + Duration::from_secs((now - 89 * DAY).unsigned_abs());
        std::fs::File::options().append(true).open(&ancient).unwrap().set_modified(changed).unwrap();
    }

    let mut daemon = home.start();
    assert_eq!(home.counted(), Some(all));
    let said = daemon.said();
    assert!(said.contains(&format!("learned from {all} lines in 3 files")), "{said}");
    // An archive is looked into after five seconds, a doubtful copy after ten: by now, had they not been read already.
    let began = unix_now();
    machine::every("some scans pass", Duration::from_millis(500), SOON, || {
        daemon.must_run();
        assert_eq!(home.counted(), Some(all), "no line is counted twice:\n{}", daemon.said());
        unix_now() - began > 14
    });
    daemon.kill();
    let daemon = home.start();
    assert_eq!(home.counted(), Some(all), "nor after a kill");
    assert_eq!(daemon.said().matches("learned from").count(), 1, "the history is read once:\n{}", daemon.said());
    assert!(home.told().is_empty(), "{:#?}", home.told());
}
