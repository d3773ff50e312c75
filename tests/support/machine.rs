//! The machine the tests run on: ports, processes, and waiting for something to become so.

#![allow(clippy::disallowed_methods)] // the tests' own real clock is here and nowhere else

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Waits until `look` gives something. Fails with `what` and the length of the wait when it does not in time.
pub(crate) fn wait_for<T>(what: &str, at_most: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < at_most, "not within {} s: {what}", at_most.as_secs());
        std::thread::sleep(LOOK);
    }
}

/// Does `step` every `period` until it says that it is done, or time is over. Returns how long it took.
pub(crate) fn every(what: &str, period: Duration, at_most: Duration, mut step: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !step() {
        assert!(began.elapsed() < at_most, "not within {} s: {what}", at_most.as_secs());
        std::thread::sleep(period);
    }
    began.elapsed()
}

/// Seconds since the epoch, by the machine's clock.
pub(crate) fn unix_now() -> i64 {
    chrono::Utc::now().timestamp()
}

/// A port of the loopback interface that nobody listens on just now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).and_then(|l| l.local_addr()).expect("a free port").port()
}

/// Waits until somebody listens on a port.
pub(crate) fn wait_for_port(name: &str, port: u16) {
    wait_for(&format!("{name} listens on port {port}"), Duration::from_secs(20), || {
        TcpStream::connect(("127.0.0.1", port)).ok()
    });
}

/// A started program; it ends when this is dropped, whatever the test did.
pub(crate) struct Running {
    name: String,
    child: Child,
    output: PathBuf,
}

impl Running {
    /// Starts a program; what it says goes to a file in `folder`.
    pub(crate) fn start(name: &str, command: &mut Command, folder: &Path) -> Running {
        let output = folder.join(format!("{name}.output"));
        let file = File::options().create(true).append(true).open(&output).expect("a file for the output");
        let errors = file.try_clone().expect("the same file for the errors");
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Running { name: name.to_owned(), child, output }
    }

    /// Everything it said, since the first start under this name.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.output).unwrap_or_default()).into_owned()
    }

    /// Whether it still runs. Fails, with its last words, when it has ended by itself.
    pub(crate) fn must_run(&mut self) {
        if let Ok(Some(status)) = self.child.try_wait() {
            panic!("{} ended by itself ({status}):\n{}", self.name, self.said());
        }
    }

    /// How it has ended, if it has.
    pub(crate) fn has_ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it without a word of warning (SIGKILL).
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn ask_to_end(&self) {
        self.signal(Signal::TERM);
    }

    /// Tells it to read its configuration again (SIGHUP).
    pub(crate) fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    fn signal(&self, signal: Signal) {
        if let Some(id) = Pid::from_raw(self.child.id().cast_signed()) {
            let _ = kill_process(id, signal);
        }
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    pub(crate) fn terminate(&mut self, at_most: Duration) -> std::process::ExitStatus {
        self.ask_to_end();
        wait_for(&format!("{} ends", self.name), at_most, || self.child.try_wait().ok().flatten())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // nginx has workers that outlive a killed master, so it is asked first.
        self.ask_to_end();
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(3) && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(LOOK);
        }
        self.kill();
    }
}

/// The most memory that a process ever had in use (its high-water mark), in MiB; 0 if there is no such process.
pub(crate) fn most_resident(id: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0).div_ceil(1024)
}

/// Where a program is, if it is installed; servers lie where users' paths do not lead.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':').chain(["/usr/sbin", "/sbin"]).map(|folder| Path::new(folder).join(name)).find(|p| p.is_file())
}

/// Whether the servers a test needs are there. Where they are not: fails if `scripts/test` installed them, else prints
/// which test does not run and why.
pub(crate) fn have_servers(test: &str, programs: &[&str]) -> bool {
    let missing: Vec<_> = programs.iter().filter(|name| program(name).is_none()).collect();
    if missing.is_empty() {
        return true;
    }
    let required = std::env::var("LAPWING_TEST_SERVERS").is_ok_and(|v| v == "required");
    assert!(!required, "{test}: {missing:?} must be installed (scripts/install-test-servers)");
    println!("{test}: did not run, since {missing:?} is not installed; scripts/install-test-servers does that");
    false
}
