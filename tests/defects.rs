//! Defects inside the daemon: a panic costs the line or the moment it comes from, and is told when it goes on; a thread
//! that hangs is noticed by systemd's watchdog.

mod support;

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use support::daemon::Home;
use support::machine::{unix_now, wait_for};
use support::traffic::{self, DAY};

const SOON: Duration = Duration::from_secs(60);

#[test]
fn panics_in_parsers_and_detectors_cost_single_lines_and_are_told_when_they_go_on() {
    for (fault, spared) in [
        ("pipeline.line=panic@40", 1),
        ("engine.event=panic@40", 1),
        ("engine.tick=panic@2", 0),
        ("pipeline.line=panic@200,pipeline.line=panic@201,pipeline.line=panic@203", 3),
    ] {
        let home = Home::new("");
        traffic::append(&home.log(), Vec::new());
        let mut daemon = home.start_with("LAPWING_FAULT", fault);
        let now = unix_now();
        traffic::append(&home.log(), traffic::usual(now - DAY, now));
        let all = std::fs::read_to_string(home.log()).unwrap().lines().count() as u64;
        wait_for(&format!("every line is counted after {fault}"), SOON, || {
            daemon.must_run();
            let status = home.status()?;
            let source = &status["sources"][0];
            let defects = source["rejected"].as_u64()?;
            (source["lines"] == all && defects >= spared.max(1)).then_some(())
        });
        let status = home.status().unwrap();
        let source = &status["sources"][0];
        assert_eq!(source["rejected_by"][0][0], "internal error", "{fault}: {source:#}");
        assert_eq!(
            source["parsed"].as_u64().unwrap() + source["rejected"].as_u64().unwrap(),
            all,
            "{fault}: {source:#}"
        );
        assert!(home.told().is_empty(), "a few are lines in the log: {:?}", home.told());
    }
    let home = Home::new("");
    traffic::append(&home.log(), Vec::new());
    let mut daemon = home.start_with("LAPWING_FAULT", "pipeline.line=panic@50+");
    let now = unix_now();
    traffic::append(&home.log(), traffic::usual(now - 6 * 3600, now));
    wait_for("it is told", SOON, || {
        daemon.must_run();
        let told = home.told();
        told.iter().any(|n| n["rule"] == "internal-errors" && n["type"] == "opened").then_some(())
    });
    assert_eq!(home.told().len(), 1, "once: {:#?}", home.told());
}

#[test]
fn a_pipeline_that_hangs_is_not_said_to_be_alive() {
    let home = Home::new("");
    traffic::append(&home.log(), Vec::new());
    let path = home.path().join("notify.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // The pipeline turns four times a second; after some thirty turns it never comes back.
    let environment = [
        ("LAPWING_FAULT", "session.turn=stuck@30".to_owned()),
        ("NOTIFY_SOCKET", path.display().to_string()),
        ("WATCHDOG_USEC", "3000000".to_owned()),
    ];
    let mut daemon = home.start_in(&environment);
    let (mut alive, mut buffer) = (0, [0u8; 4096]);
    socket.set_read_timeout(Some(Duration::from_secs(6))).unwrap();
    // Twice the watchdog's patience without a word: systemd would have started it anew.
    while let Ok(length) = socket.recv(&mut buffer) {
        alive += usize::from(String::from_utf8_lossy(&buffer[..length]).contains("WATCHDOG=1"));
        assert!(alive < 60, "it goes on saying that it is alive");
    }
    assert!(alive >= 2, "it was alive before: {alive}");
    daemon.must_run();
    wait_for("a health check sees it too", SOON, || {
        let output = home.run(&["status", "--check"]);
        let words = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code() == Some(1) && words.contains("stuck")).then_some(())
    });
    daemon.kill();
}
