//! Faults of files and of the machine, with the real binary: what goes on, and what `status`, the log and the channels
//! say. The rest of the fault matrix for files is tried in `tests/tail.rs`; `tests/FAULTS.md` says what is tried where.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use support::daemon::{Home, binary};
use support::machine::{Running, unix_now, wait_for};
use support::traffic;

const SOON: Duration = Duration::from_secs(40);
/// `nobody`, on all systems that these tests run on.
const NOBODY: u32 = 65534;

/// Starts the daemon by a shell that first does `before`.
fn start_after(home: &Home, before: &str) -> Running {
    let shell = format!("{before}; exec {} run --config {}", env!("CARGO_BIN_EXE_lapwing"), home.config().display());
    let mut command = binary(home.path());
    let environment: Vec<_> = command.get_envs().map(|(k, v)| (k.to_owned(), v.map(ToOwned::to_owned))).collect();
    command = Command::new("sh");
    command.current_dir(home.path()).args(["-c", &shell]);
    for (name, value) in environment {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Running::start("lapwing", &mut command, home.path())
}

fn lines(home: &Home, name: &str, count: usize) {
    let lines = (0..count).map(|i| traffic::leaked("acme", i, unix_now())).collect();
    traffic::append(&home.path().join(name), lines);
}

fn source(home: &Home) -> Option<Value> {
    Some(home.status()?["sources"][0].clone())
}

fn wait_for_lines(home: &Home, daemon: &mut Running, count: u64) -> Value {
    wait_for(&format!("{count} lines are counted"), SOON, || {
        daemon.must_run();
        home.status().filter(|status| status["lines_total"] == count)
    })
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A home that `nobody` may use, with a daemon that runs as nobody.
fn as_nobody(home: &Home) -> Running {
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let mut command = binary(home.path());
    command.args(["run", "--config"]).arg(home.config()).uid(NOBODY).gid(NOBODY);
    Running::start("lapwing", &mut command, home.path())
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn f28_f29_what_may_not_be_read_is_named_with_its_mode_and_nothing_is_lost() {
    if !is_root() {
        println!("did not run: only root can start the daemon as somebody else");
        return;
    }
    let home = Home::new("");
    lines(&home, "access.log", 3);
    mode(&home.log(), 0o644);
    let mut daemon = as_nobody(&home);
    wait_for_lines(&home, &mut daemon, 3);
    // Permission taken away: the open descriptor goes on.
    mode(&home.log(), 0o000);
    lines(&home, "access.log", 2);
    wait_for_lines(&home, &mut daemon, 5);
    // The new file after a rotation is root's alone.
    fs::rename(home.log(), home.path().join("access.log.1")).unwrap();
    lines(&home, "access.log", 4);
    mode(&home.log(), 0o600);
    let trouble = wait_for("status names the file", SOON, || {
        daemon.must_run();
        source(&home)?["troubles"][0].as_str().map(str::to_owned)
    });
    assert!(trouble.contains("access.log") && trouble.contains("mode 0600, owner 0"), "{trouble}");
    let text = String::from_utf8(home.run(&["status"]).stdout).unwrap();
    assert!(text.contains("mode 0600"), "{text}");
    let check = binary(home.path()).args(["check", "--config"]).arg(home.config()).uid(NOBODY).output().unwrap();
    let check = String::from_utf8_lossy(&check.stdout).into_owned() + &String::from_utf8_lossy(&check.stderr);
    assert!(check.contains("chmod g+r") && check.contains("create 0640 root adm"), "{check}");
    // Given back: everything is there.
    mode(&home.log(), 0o644);
    wait_for_lines(&home, &mut daemon, 9);
    wait_for("status names it no more", SOON, || source(&home)?["troubles"].as_array()?.is_empty().then_some(()));
}

#[test]
fn f30_a_directory_that_is_away_for_a_while_is_said_and_costs_nothing() {
    let home = Home::new("");
    let (logs, away) = (home.path().join("logs"), home.path().join("away"));
    fs::create_dir(&logs).unwrap();
    let config = fs::read_to_string(home.config()).unwrap();
    fs::write(home.config(), config.replace("access.log*", "logs/*.log")).unwrap();
    lines(&home, "logs/a.log", 3);
    let mut daemon = home.start();
    wait_for_lines(&home, &mut daemon, 3);
    fs::rename(&logs, &away).unwrap();
    wait_for("status says that it is not there", SOON, || {
        (source(&home)?["files"][0]["note"] == "not at its place any more").then_some(())
    });
    lines(&home, "away/a.log", 2);
    fs::rename(&away, &logs).unwrap();
    wait_for_lines(&home, &mut daemon, 5);
    wait_for("all is as it was", SOON, || source(&home)?["files"][0]["note"].is_null().then_some(()));
}

#[test]
fn f97_an_archive_that_is_a_bomb_is_left_and_named() {
    let home = Home::new("");
    lines(&home, "access.log", 200);
    let mut daemon = home.start();
    wait_for_lines(&home, &mut daemon, 200);
    assert!(daemon.terminate(Duration::from_secs(15)).success());
    // The same log goes on with 400 MB of nothing and is packed, all while nobody looks.
    let packed = home.path().join("access.log.1.gz");
    let script = "(cat \"$0\"; head -c 400000000 /dev/zero) | gzip > \"$1\" && rm \"$0\"";
    let status = Command::new("sh").args(["-c", script]).arg(home.log()).arg(&packed).status().unwrap();
    assert!(status.success());
    lines(&home, "access.log", 5);
    let mut daemon = home.start();
    let note = wait_for("status says that the archive is left", Duration::from_secs(120), || {
        daemon.must_run();
        let files = source(&home)?["files"].as_array()?.clone();
        let file =
            files.into_iter().find(|file| file["path"].as_str().is_some_and(|path| path.contains("access.log.1")))?;
        file["note"].as_str().filter(|note| note.contains("times")).map(str::to_owned)
    });
    println!("{note}");
    assert!(daemon.said().contains("this archive is left unread"), "{}", daemon.said());
    wait_for_lines(&home, &mut daemon, 205);
}

#[test]
fn f34_without_file_events_everything_is_read_by_looking() {
    let possible = Command::new("unshare")
        .args(["-Ur", "sh", "-c", "echo 0 > /proc/sys/user/max_inotify_instances"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !possible {
        println!("did not run: no user namespace can be made here");
        return;
    }
    let home = Home::new("");
    lines(&home, "access.log", 1);
    // The limit of a namespace is what `fs.inotify.max_user_instances` is for the machine.
    let script = "echo 0 > /proc/sys/user/max_inotify_instances; exec \"$0\" run --config \"$1\"";
    let mut command = Command::new("unshare");
    command.args(["-Ur", "sh", "-c", script]).arg(env!("CARGO_BIN_EXE_lapwing")).arg(home.config());
    command.env("NO_COLOR", "1").env_remove("NOTIFY_SOCKET").current_dir(home.path());
    let mut daemon = Running::start("lapwing", &mut command, home.path());
    wait_for_lines(&home, &mut daemon, 1);
    lines(&home, "access.log", 2);
    fs::rename(home.log(), home.path().join("access.log.1")).unwrap();
    lines(&home, "access.log", 3);
    let status = wait_for_lines(&home, &mut daemon, 6);
    assert_eq!(status["following"]["events"], false);
    let said = daemon.said();
    assert_eq!(said.matches("fs.inotify.max_user_instances").count(), 1, "said once, with what to raise:\n{said}");
}

#[test]
fn f36_with_few_descriptors_many_files_are_read_in_turn_and_the_rest_goes_on() {
    let home = Home::new("");
    home.configure(&format!("[channel.told]\nkind = \"file\"\npath = \"{}\"\n", home.told_to().display()));
    let config = fs::read_to_string(home.config()).unwrap();
    fs::write(home.config(), config.replace("access.log*", "*.log*")).unwrap();
    lines(&home, "access.log", 1);
    let mut daemon = start_after(&home, "ulimit -n 64");
    wait_for_lines(&home, &mut daemon, 1);
    for n in 0..300 {
        lines(&home, &format!("{n}.log"), 2);
    }
    wait_for_lines(&home, &mut daemon, 601);
    for n in 0..300 {
        lines(&home, &format!("{n}.log"), 1);
    }
    let status = wait_for_lines(&home, &mut daemon, 901);
    let source = &status["sources"][0];
    assert!(source["open_files"].as_u64().unwrap() <= 8, "{}", source["open_files"]);
    assert_eq!(source["files"].as_array().unwrap().len() as u64 + source["more_files"].as_u64().unwrap(), 301);
    assert!(daemon.said().contains("LimitNOFILE"), "{}", daemon.said());
    // The store still saves and stops cleanly.
    assert!(daemon.terminate(Duration::from_secs(15)).success());
    let mut daemon = start_after(&home, "ulimit -n 64");
    wait_for_lines(&home, &mut daemon, 901);
}

#[test]
fn f14_f16_f26_what_status_and_check_say() {
    let home = Home::new("");
    let mut daemon = home.start();
    assert_eq!(source(&home).unwrap()["waiting"], true);
    assert!(String::from_utf8(home.run(&["status"]).stdout).unwrap().contains("waiting: no file is there yet"));
    lines(&home, "access.log", 3);
    let garbage = "no access log at all, token=sk_live_4eC39HqLyjWDarjtT1zdp7dc\n\n\n";
    fs::OpenOptions::new()
        .append(true)
        .open(home.log())
        .and_then(|mut file| std::io::Write::write_all(&mut file, garbage.as_bytes()))
        .unwrap();
    let status = wait_for_lines(&home, &mut daemon, 6);
    assert_eq!(status["sources"][0]["blank"], 2);
    assert_eq!(status["sources"][0]["rejected"], 1);
    let text = String::from_utf8(home.run(&["status"]).stdout).unwrap();
    assert!(text.contains("25.0 % cannot be read") && text.contains("no access log at all"), "{text}");
    assert!(!text.contains("4eC39HqLyjWDarjtT1zdp7dc"), "{text}");

    fs::hard_link(home.log(), home.path().join("access.log.same")).unwrap();
    let config = fs::read_to_string(home.config()).unwrap();
    let second = format!("{config}[source.second]\npath = [\"{}\"]\n", home.log().display());
    fs::write(home.config(), second).unwrap();
    let check = home.run(&["check"]);
    let said = String::from_utf8_lossy(&check.stdout).into_owned() + &String::from_utf8_lossy(&check.stderr);
    assert!(said.contains("are one file") || said.contains("both name"), "{said}");
}

#[test]
fn f37_f38_what_is_no_log_is_refused_and_a_secret_behind_a_link_is_not_shown() {
    let home = Home::new("");
    let secret = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$tnSYvahCwPBHKZUspmcxMfb0.WiB9W.zEaKlOBL35rC";
    fs::write(home.path().join("shadow"), format!("root:{secret}:19000:0:99999:7:::\n")).unwrap();
    std::os::unix::fs::symlink("shadow", home.log()).unwrap();
    std::os::unix::fs::symlink("/dev/zero", home.path().join("access.log.zero")).unwrap();
    assert!(Command::new("mkfifo").arg(home.path().join("access.log.pipe")).status().unwrap().success());
    let mut daemon = home.start();
    wait_for_lines(&home, &mut daemon, 1);
    let status = home.run(&["status", "--json"]).stdout;
    let text = String::from_utf8(status).unwrap() + &daemon.said();
    assert!(text.contains("found a named pipe") && text.contains("found a device"), "{text}");
    for part in [secret, "tnSYvahCwPBHKZUspmcxMfb0"] {
        assert!(!text.contains(part), "{text}");
    }
}

#[test]
fn f10_f20_f22_what_the_log_and_status_say_of_holes_long_lines_and_rotated_files() {
    let home = Home::new("");
    lines(&home, "access.log", 4);
    let mut daemon = home.start();
    wait_for_lines(&home, &mut daemon, 4);
    assert!(daemon.terminate(Duration::from_secs(15)).success());
    for n in [2, 1] {
        lines(&home, "access.log", 5);
        fs::rename(home.log(), home.path().join(format!("access.log.{n}"))).unwrap();
    }
    lines(&home, "access.log", 1);
    let mut daemon = home.start();
    wait_for_lines(&home, &mut daemon, 15);
    wait_for("it is said what was caught up", SOON, || {
        daemon.said().contains("caught up 10 lines from 2 rotated files").then_some(())
    });
    // A line that does not end, then a hole of 100 GB.
    let file = fs::OpenOptions::new().append(true).open(home.log()).unwrap();
    std::io::Write::write_all(&mut &file, &vec![b'A'; 3 << 20]).unwrap();
    let note = |text: &'static str| {
        move || source(&home)?["files"].as_array()?.iter().any(|f| f["note"] == text).then_some(())
    };
    wait_for("status says that a line does not end", SOON, note("inside a line over the limit"));
}
