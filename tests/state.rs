//! The state directory on a bad day, with the real daemon: a full disk, a read-only one, a directory that is gone, files
//! that are damaged, states of older and newer versions.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use support::daemon::Home;
use support::machine::{unix_now, wait_for};
use support::traffic::{self, DAY};
use support::tree;

const SOON: Duration = Duration::from_secs(60);

/// A small file system in memory at a folder; unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where this user may not mount.
    fn mount(folder: &Path, size: &str) -> Option<SmallDisk> {
        std::fs::create_dir_all(folder).unwrap();
        let options = format!("size={size},mode=0700");
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder).output().ok()?;
        done.status.success().then(|| SmallDisk(folder.to_owned()))
    }

    /// Lays a read-only view of it over itself. (Remounting it is refused while the daemon holds files open.)
    fn read_only(&self) {
        for arguments in [&["--bind"][..], &["-o", "remount,bind,ro"]] {
            let mut command = Command::new("mount");
            command.args(arguments).arg(&self.0);
            if arguments.len() == 1 {
                command.arg(&self.0);
            }
            let done = command.output().unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        }
    }

    fn writable(&self) {
        let done = Command::new("umount").arg(&self.0).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        for _ in 0..2 {
            let _ = Command::new("umount").arg("--lazy").arg(&self.0).output();
        }
    }
}

fn titles(home: &Home) -> Vec<String> {
    home.told().iter().map(|n| format!("{} {}", n["type"].as_str().unwrap(), n["title"].as_str().unwrap())).collect()
}

fn wait_until_told(home: &Home, what: &str) {
    wait_for(&format!("it is told: {what}"), SOON, || {
        titles(home).iter().any(|title| title.contains(what)).then_some(())
    });
}

fn all_lines(home: &Home) -> u64 {
    std::fs::read_to_string(home.log()).unwrap().lines().count() as u64
}

fn wait_until_counted(home: &Home) {
    let all = all_lines(home);
    wait_for("every line is counted", SOON, || (home.counted() == Some(all)).then_some(()));
}

/// `status --check`: its exit code and words.
fn check(home: &Home) -> (Option<i32>, String) {
    let output = home.run(&["status", "--check"]);
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_full_a_read_only_and_a_vanished_disk_stop_neither_watching_nor_telling() {
    let home = Home::new("");
    let Some(disk) = SmallDisk::mount(&home.path().join("state"), "12m") else {
        let required = std::env::var("LAPWING_TEST_SERVERS").is_ok_and(|v| v == "required");
        assert!(!required, "this test needs to mount a file system");
        println!("did not run: this user may not mount a file system");
        return;
    };
    let now = unix_now();
    traffic::append(&home.log(), traffic::usual(now - 9 * DAY, now));
    let mut daemon = home.start();
    assert_eq!(check(&home).0, Some(0), "{:?}", check(&home));

    // Full to the last byte.
    let ballast = home.path().join("state/ballast");
    let filled = std::fs::write(&ballast, vec![0u8; 32 << 20]);
    assert!(filled.is_err(), "the disk is full now");
    traffic::append(&home.log(), traffic::leak("wayne", now - 300, now));
    wait_until_told(&home, "opened Lapwing cannot save its state");
    wait_until_told(&home, "Key wayne");
    wait_until_counted(&home);
    let (code, words) = check(&home);
    assert!(code == Some(1) && words.contains("not saved since"), "{code:?} {words}");
    daemon.must_run();
    std::fs::remove_file(&ballast).unwrap();
    wait_until_told(&home, "resolved Lapwing saves its state again");
    wait_for("all is well again", SOON, || (check(&home).0 == Some(0)).then_some(()));

    // Read-only.
    disk.read_only();
    traffic::append(&home.log(), traffic::leak("initech", now - 300, now));
    wait_until_told(&home, "Key initech");
    wait_for("it is seen", SOON, || check(&home).1.contains("ead-only").then_some(()));
    disk.writable();
    wait_for("all is well again", SOON, || (check(&home).0 == Some(0)).then_some(()));

    // Everything in it is gone.
    let dir = home.path().join("state");
    for entry in std::fs::read_dir(&dir).unwrap().flatten() {
        // The socket is how this test asks; the rest is the state.
        if entry.file_name() != "lapwing.sock" {
            let path = entry.path();
            let _ = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        }
    }
    traffic::append(&home.log(), traffic::leak("acme", now - 300, now));
    wait_until_told(&home, "Key acme");
    wait_for("it is written anew", SOON, || {
        (dir.join("journal.redb").exists() && check(&home).0 == Some(0)).then_some(())
    });
    daemon.kill();
    let daemon = home.start();
    wait_until_counted(&home);
    let opened = titles(&home).iter().filter(|t| t.starts_with("opened Key")).count();
    assert_eq!(opened, 3, "nothing twice, nothing forgotten: {:?}\n{}", titles(&home), daemon.said());
}

#[test]
fn damage_is_told_on_the_channels_and_costs_no_line() {
    let home = Home::new("");
    let now = unix_now();
    traffic::append(&home.log(), traffic::usual(now - 9 * DAY, now));
    let mut daemon = home.start();
    traffic::append(&home.log(), traffic::leak("wayne", now - 300, now));
    wait_until_told(&home, "Key wayne");
    wait_for("all is acknowledged", SOON, || home.is_all_delivered().then_some(()));
    daemon.kill();
    for name in ["journal.redb", "secret", "VERSION"] {
        let path = home.path().join("state").join(name);
        let mut bytes = std::fs::read(&path).unwrap();
        let half = bytes.len() / 2;
        bytes[..half].fill(0xA5);
        std::fs::write(&path, bytes).unwrap();
    }
    let mut daemon = home.start();
    wait_until_told(&home, "Lapwing's saved state was damaged");
    wait_until_counted(&home);
    let status = home.status().unwrap();
    assert!(status["store"]["quarantined"].as_u64().unwrap() >= 2, "{status:#}");
    assert!(!status["notes"].as_array().unwrap().is_empty());
    wait_for("all is acknowledged", SOON, || home.is_all_delivered().then_some(()));
    assert!(daemon.terminate(Duration::from_secs(10)).success());
    let told = titles(&home).len();
    let _daemon = home.start();
    wait_until_counted(&home);
    wait_for("all is acknowledged", SOON, || home.is_all_delivered().then_some(()));
    assert_eq!(titles(&home).len(), told, "told once: {:?}", titles(&home));
}

#[test]
fn a_newer_state_is_refused_in_one_sentence_and_left_as_it_is() {
    let home = Home::new("");
    traffic::append(&home.log(), Vec::new());
    let mut daemon = home.start();
    assert!(daemon.terminate(Duration::from_secs(10)).success());
    let dir = home.path().join("state");
    std::fs::write(dir.join("VERSION"), "lapwing state 99\n").unwrap();
    let content = |dir: &Path| -> Vec<(PathBuf, Vec<u8>)> {
        tree::files_under(dir).into_iter().map(|p| (p.clone(), std::fs::read(p).unwrap())).collect()
    };
    let before = content(&dir);
    let refused = home.run(&["run"]);
    assert_eq!(refused.status.code(), Some(1));
    let error = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(error.trim().lines().count(), 1, "{error}");
    assert!(error.contains("newer version") && error.contains("99"), "{error}");
    assert_eq!(content(&dir), before);
}

/// A state directory of every released version lies in testdata/state: each is opened, with all that is in it. To keep
/// one of this version: `LAPWING_KEEP_STATE=testdata/state/VERSION cargo test --test state old_states`.
#[test]
fn old_states_are_opened_with_all_that_is_in_them() {
    if let Ok(target) = std::env::var("LAPWING_KEEP_STATE") {
        keep_state(&tree::repository().join(target));
    }
    let kept = tree::repository().join("testdata/state");
    let mut versions: Vec<PathBuf> = std::fs::read_dir(&kept).unwrap().map(|e| e.unwrap().path()).collect();
    versions.retain(|path| path.is_dir());
    versions.sort();
    assert!(!versions.is_empty());
    for version in versions {
        let home = Home::new("[channel.later]\nkind = \"webhook\"\nurl = \"http://127.0.0.1:9/\"\n");
        for path in tree::files_under(&version) {
            let target = home.path().join("state").join(path.strip_prefix(&version).unwrap());
            std::fs::create_dir_all(target.parent().unwrap()).unwrap();
            std::fs::copy(&path, target).unwrap();
        }
        traffic::append(&home.log(), Vec::new());
        let what = version.display();
        let daemon = home.start();
        let status = home.status().unwrap();
        assert_eq!(status["notes"], Value::Array(Vec::new()), "{what}:\n{}", daemon.said());
        assert_eq!(status["store"]["quarantined"], 0, "{what}");
        assert!(status["sources"][0]["lines"].as_u64().unwrap() > 1000, "{what}: counts go on: {status:#}");
        assert_eq!(status["engine"]["keys"][0], 3, "{what}: what is usual is known");
        // A line each: what is old by now may be told as well.
        let incidents = home.run(&["incidents", "list", "--all", "--json"]).stdout;
        let incidents = String::from_utf8_lossy(&incidents).into_owned();
        assert!(incidents.contains("wayne"), "{what}: {incidents}");
        let silences = String::from_utf8_lossy(&home.run(&["silence", "list"]).stdout).into_owned();
        assert!(silences.contains("globex"), "{what}: {silences}");
        let rows =
            |text: &str| -> Vec<Value> { text.lines().map(|line| serde_json::from_str(line).unwrap()).collect() };
        let wayne = rows(&incidents).into_iter().find(|row| row["subject"]["name"] == "wayne").expect("it");
        // By then the silence since the state was saved may be told in the same message.
        let outbox = String::from_utf8_lossy(&home.run(&["outbox", "--json"]).stdout).into_owned();
        let owed = rows(&outbox)
            .into_iter()
            .any(|row| row["channel"] == "later" && row["incidents"].as_array().unwrap().contains(&wayne["incident"]));
        assert!(owed, "{what}: what is owed is owed: {outbox}");
    }
}

fn keep_state(target: &Path) {
    let home = Home::new("[channel.later]\nkind = \"webhook\"\nurl = \"http://127.0.0.1:9/\"\n");
    let now = unix_now();
    // What is owed must stay so for 72 hours by its own count, whenever this is opened: the message is refused for good
    // by nobody, and a test far in the future finds it among those given up.
    traffic::append(&home.log(), traffic::usual(now - 9 * DAY, now));
    let mut daemon = home.start();
    traffic::append(&home.log(), traffic::leak("wayne", now - 300, now));
    wait_until_told(&home, "Key wayne");
    assert!(
        home.run(&["silence", "add", "--subject", "key globex", "--for", "3650d", "--comment", "kept"])
            .status
            .success()
    );
    wait_until_counted(&home);
    assert!(daemon.terminate(Duration::from_secs(10)).success());
    if target.exists() {
        std::fs::remove_dir_all(target).unwrap();
    }
    std::fs::create_dir_all(target).unwrap();
    for path in tree::files_under(&home.path().join("state")) {
        // One snapshot is enough: the hourly one may be the same.
        if path.extension().is_none_or(|e| e != "sock") && path.file_name().is_none_or(|n| n != "lock") {
            std::fs::copy(&path, target.join(path.file_name().unwrap())).unwrap();
        }
    }
}
