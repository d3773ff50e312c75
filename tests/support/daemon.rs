//! The real binary, with a folder of its own for configuration, state and logs.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;

use super::machine::{self, Running};

/// The binary, without the proxies and the configuration of whoever runs the tests.
pub(crate) fn binary(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lapwing"));
    for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NOTIFY_SOCKET"] {
        command.env_remove(name);
    }
    command.env_remove("RUNTIME_DIRECTORY").env_remove("JOURNAL_STREAM").env("NO_COLOR", "1").env("TZ", "UTC");
    command.env_remove("LAPWING_CONFIG").env_remove("LAPWING_SOCKET");
    command.current_dir(folder);
    command
}

/// A folder with a configuration that follows `access.log*` and tells a file.
pub(crate) struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    /// With `more` at the end of the configuration.
    pub(crate) fn new(more: &str) -> Home {
        let home = Home { folder: tempfile::tempdir().unwrap() };
        home.configure(&format!("[channel.told]\nkind = \"file\"\npath = \"{}\"\n{more}", home.told_to().display()));
        home
    }

    /// Writes the configuration: the source, and what is given.
    pub(crate) fn configure(&self, rest: &str) {
        let dir = self.path().display();
        let text = format!("state_dir = \"{dir}/state\"\n[source.api]\npath = [\"{dir}/access.log*\"]\n{rest}");
        std::fs::write(self.config(), text).unwrap();
    }

    /// Where everything lies.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.path().join("lapwing.toml")
    }

    /// The log that is followed.
    pub(crate) fn log(&self) -> PathBuf {
        self.path().join("access.log")
    }

    /// The file that is told.
    pub(crate) fn told_to(&self) -> PathBuf {
        self.path().join("told.jsonl")
    }

    /// Starts the daemon and waits until it answers.
    pub(crate) fn start(&self) -> Running {
        self.start_in(&[])
    }

    /// The same with an environment variable.
    pub(crate) fn start_with(&self, variable: &str, value: &str) -> Running {
        self.start_in(&[(variable, value.to_owned())])
    }

    /// The same with several.
    pub(crate) fn start_in(&self, environment: &[(&str, String)]) -> Running {
        let mut daemon = self.spawn_in(environment);
        machine::wait_for("the daemon watches", Duration::from_secs(180), || {
            daemon.must_run();
            self.status().filter(|status| status["state"] == "watching")
        });
        daemon
    }

    /// Starts the daemon with environment variables and waits for nothing.
    pub(crate) fn spawn_in(&self, environment: &[(&str, String)]) -> Running {
        let mut command = binary(self.path());
        command.args(["run", "--config"]).arg(self.config());
        command.envs(environment.iter().map(|(name, value)| (*name, value.as_str())));
        Running::start("lapwing", &mut command, self.path())
    }

    /// Runs another command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        binary(self.path()).args(arguments).arg("--config").arg(self.config()).output().expect("the binary starts")
    }

    /// What the running daemon says of itself, if it answers.
    pub(crate) fn status(&self) -> Option<Value> {
        let output = self.run(&["status", "--json"]);
        output.status.success().then(|| serde_json::from_slice(&output.stdout).expect("JSON"))
    }

    /// Lines that the daemon has counted.
    pub(crate) fn counted(&self) -> Option<u64> {
        self.status()?["sources"][0]["lines"].as_u64()
    }

    /// Whether every message has been acknowledged: between sending and noting that, a kill may cost one repetition.
    pub(crate) fn is_all_delivered(&self) -> bool {
        self.status().is_some_and(|status| nothing_waits(&status))
    }

    /// The notices in the file.
    pub(crate) fn told(&self) -> Vec<Value> {
        notices(&std::fs::read(self.told_to()).unwrap_or_default())
    }
}

/// Whether no channel has a message waiting, by what `status --json` says.
pub(crate) fn nothing_waits(status: &Value) -> bool {
    let channels = status["channels"].as_array().expect("channels");
    !channels.is_empty() && channels.iter().all(|channel| channel["queued"] == 0)
}

/// Notices, one a line.
pub(crate) fn notices(bytes: &[u8]) -> Vec<Value> {
    String::from_utf8_lossy(bytes).lines().map(|line| serde_json::from_str(line).expect("a notice")).collect()
}
