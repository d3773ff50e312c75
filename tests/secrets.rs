//! Secrets stay secret: the daemon is given marked ones, every path that can fail is walked at the most talkative level,
//! and the marks are looked for in all that it says, keeps and shows.

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use support::daemon::{Home, binary};
use support::machine::{unix_now, wait_for};
use support::receivers::Slow;
use support::traffic::{self, DAY};
use support::tree;

const SOON: Duration = Duration::from_secs(60);

/// The marks: in URLs, passwords, headers, and keys in the log.
const MARKS: [&str; 6] = [
    "S3CRETSLACKxyzzy",
    "S3CRETHOOKxyzzy",
    "S3CRETMAILxyzzy",
    "S3CRETAUTHxyzzy",
    "S3CRETKEYxyzzy4242",
    "S3CRETENVxyzzy",
];

fn must_not_hold(what: &str, bytes: &[u8]) {
    for mark in MARKS {
        // Also without case and in base64, as a password goes over the wire.
        let text = String::from_utf8_lossy(bytes).to_lowercase();
        assert!(!text.contains(&mark.to_lowercase()), "{what} holds {mark}:\n{}", around(&text, &mark.to_lowercase()));
        let coded = support::servers::base64(format!("\0lapwing\0{mark}").as_bytes());
        assert!(!String::from_utf8_lossy(bytes).contains(coded.trim_end_matches('=')), "{what} holds {mark} in base64");
    }
}

fn around(text: &str, mark: &str) -> String {
    let at = text.find(mark).unwrap_or(0);
    text.chars().skip(text[..at].chars().count().saturating_sub(200)).take(500).collect()
}

fn look_everywhere(home: &Home, id: u32) {
    for name in ["cmdline", "environ", "status", "comm"] {
        let bytes = std::fs::read(format!("/proc/{id}/{name}")).unwrap_or_default();
        must_not_hold(name, &bytes);
    }
    for path in tree::files_under(&home.path().join("state")) {
        must_not_hold(&path.display().to_string(), &std::fs::read(&path).unwrap_or_default());
    }
}

fn configure(home: &Home, dead: u16, slow: u16) {
    let dir = home.path();
    let secret = |name: &str, text: &str| {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    };
    let slack = secret("slack.url", &format!("http://127.0.0.1:{dead}/services/T0/B0/{}", MARKS[0]));
    let mail = secret("mail.secret", MARKS[2]);
    let told = home.told_to();
    home.configure(&format!(
        r#"key = ["query:api_key", "user"]
[channel.told]
kind = "file"
path = "{told}"
[channel.ops]
kind = "slack"
url_file = "{slack}"
[channel.hook]
kind = "webhook"
url = "http://127.0.0.1:{slow}/{hook}?token={hook}"
authorization_file = "{authorization}"
[channel.mail]
kind = "email"
server = "127.0.0.1:{dead}"
tls = "none"
username = "lapwing"
password_file = "{mail}"
from = "lapwing@example.com"
to = ["oncall@example.com"]
"#,
        told = told.display(),
        hook = MARKS[1],
        authorization = secret("authorization.secret", &format!("Bearer {}", MARKS[3])),
    ));
}

/// A line whose key is a secret in the query.
fn keyed(at: i64, n: usize) -> traffic::Timed {
    let client = format!("198.18.{}.{}", n % 37 * 5 + 3, n % 37 + 20);
    traffic::call(at, &client, "-", &format!("/v1/orders?api_key=sk_live_{}&page={n}", MARKS[4]), 200)
}

#[test]
fn no_secret_is_said_kept_or_shown_whatever_goes_wrong() {
    let receiver = Slow::start();
    let home = Home::new("");
    configure(&home, support::machine::free_port(), receiver.port);
    let now = unix_now();
    let mut lines: Vec<_> = (0..2000)
        .map(|n| {
            traffic::call(
                now - 9 * DAY + n * 380,
                "203.0.113.9",
                "-",
                &format!("/v1/orders?api_key=sk_live_{}", MARKS[4]),
                200,
            )
        })
        .collect();
    lines.extend(traffic::usual(now - 9 * DAY, now));
    traffic::append(&home.log(), lines);
    let environment =
        [("LAPWING_LOG", "trace".to_owned()), ("RUST_LOG", "trace".to_owned()), ("RUST_BACKTRACE", "1".to_owned())];
    let mut daemon = home.start_in(&environment);

    // A leak of the secret key, a line that cannot be read with a secret in it, channels of which two refuse.
    traffic::append(&home.log(), (0..60).map(|n| keyed(unix_now(), n)).collect());
    let broken = format!("garbage password={} \"GET /?api_key={} HTTP/1.1\n", MARKS[4], MARKS[4]);
    append(&home.log(), broken.as_bytes());
    wait_for("the leak is told", SOON, || {
        daemon.must_run();
        (!home.told().is_empty() && !receiver.got().is_empty()).then_some(())
    });
    wait_for("the others fail", SOON, || {
        let status = home.status()?;
        let waiting = status["channels"].as_array()?.iter().filter(|c| c["state"] != "ok").count();
        (waiting >= 2).then_some(())
    });
    look_everywhere(&home, daemon.id());

    // Questions, a reload that fails in the very lines that hold secrets, one that works, a kill, damage.
    for arguments in [
        &["status"][..],
        &["status", "--json"],
        &["incidents", "list", "--all", "--json"],
        &["outbox"],
        &["outbox", "--json"],
        &["check"],
        &["check", "--json"],
        &["check", "--send"],
        &["drill", "burst"],
        &["replay", "access.log", "--json"],
        &["parse", "access.log", "--json"],
    ] {
        let output = binary(home.path())
            .args(arguments)
            .arg("--config")
            .arg(home.config())
            .envs(environment.iter().map(|(name, value)| (*name, value.as_str())))
            .output()
            .unwrap();
        must_not_hold(&format!("{arguments:?}"), &[output.stdout, output.stderr].concat());
    }
    let good = std::fs::read_to_string(home.config()).unwrap();
    std::fs::write(home.config(), good.replace("http://127.0.0.1", "http://198.51.100.1")).unwrap();
    daemon.hang_up();
    wait_for("it is refused", SOON, || daemon.said().contains("stays as it was").then_some(()));
    let checked = home.run(&["check"]);
    must_not_hold("check of the broken file", &[checked.stdout, checked.stderr].concat());
    std::fs::write(home.config(), good).unwrap();
    daemon.hang_up();
    wait_for("it is read again", SOON, || daemon.said().contains("was read again").then_some(()));
    daemon.kill();
    let journal = home.path().join("state/journal.redb");
    let mut bytes = std::fs::read(&journal).unwrap();
    bytes[..512].fill(7);
    std::fs::write(&journal, bytes).unwrap();
    let mut daemon = home.start_in(&environment);
    traffic::append(&home.log(), (0..60).map(|n| keyed(unix_now(), n + 100)).collect());
    look_everywhere(&home, daemon.id());
    let _ = Command::new("kill").args(["-ABRT", &daemon.id().to_string()]).status();
    wait_for("it dies", SOON, || daemon.has_ended());
    for path in tree::files_under(home.path()).into_iter().filter(|p| is_a_core(p)) {
        must_not_hold("a core file", &std::fs::read(path).unwrap());
    }
    must_not_hold("what it said", daemon.said().as_bytes());
    let told = std::fs::read(home.told_to()).unwrap();
    must_not_hold("what it told", &told);
    assert!(String::from_utf8_lossy(&told).contains("sk_l"), "a mask stands for the key");
    let bodies = receiver.got().iter().map(ToString::to_string).collect::<String>();
    must_not_hold("what the webhook got", bodies.as_bytes());
}

fn is_a_core(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("core"))
}

fn append(path: &Path, bytes: &[u8]) {
    use std::io::Write;
    std::fs::OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
}
