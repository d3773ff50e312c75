//! Short forms of the scripts that try the follower with the real binary: `scripts/follow-table` (nineteen situations,
//! here with kills in between) and `scripts/follow-ledger` (a random story, with budgets that end at their edge).
//! `scripts/long-tests` runs the long forms.

mod support;

use std::process::Command;

use support::machine;
use support::tree;

/// Runs a script with the binary under test; what it prints is the test's output.
fn run(script: &str, arguments: &[&str]) {
    if !machine::have_servers(script, &["python3"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = tree::repository().join("scripts").join(script);
    let mut command = Command::new("python3");
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("TZ", "UTC").env_remove("NOTIFY_SOCKET");
    command.arg(path).args(["--binary", env!("CARGO_BIN_EXE_lapwing")]).args(arguments);
    let output = command.arg("--folder").arg(folder.path()).output().expect("python3 starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    println!("{said}");
    // What is to be looked at stays.
    let kept = if output.status.success() { None } else { Some(folder.keep()) };
    assert!(kept.is_none(), "{script} {arguments:?}: {}\n{said}\nkept: {kept:?}", output.status);
}

#[test]
fn nineteen_situations_lose_repeat_and_mangle_nothing_through_restarts_and_kills() {
    run("follow-table", &["--size", "1", "--jobs", "19", "--kills"]);
}

#[test]
fn a_random_story_counts_each_line_once_and_tells_a_budget_of_n_at_request_n() {
    let plan = ["--seed", "7", "--rotations", "5", "--copytruncates", "3", "--kills", "8"];
    run("follow-ledger", &[&plan[..], &["--edge", "80", "--keys", "16"]].concat());
}
