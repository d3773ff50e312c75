//! End to end: a real nginx writes the log, a real logrotate rotates it, the real binary tails it, and the messages
//! arrive at a receiver that behaves like Slack, at a real SMTP server and at a webhook: each once, through a kill.

mod support;

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use support::daemon::{binary, nothing_waits};
use support::machine::{self, Running};
use support::receivers::Receiver;
use support::servers::{MailServer, Nginx};
use support::traffic::{self, USUAL};

/// A message must have arrived this long after the first odd request.
const IN_TIME: Duration = Duration::from_secs(120);

/// Days of history found in the rotated log at the first start.
const HISTORY_DAYS: i64 = 9;

#[test]
fn a_leaked_key_is_told_once_everywhere_through_kill_and_rotation() {
    let name = "a_leaked_key_is_told_once_everywhere_through_kill_and_rotation";
    let python = if MailServer::installed() { "sh" } else { "python3-aiosmtpd" };
    if !machine::have_servers(name, &["nginx", "logrotate", "openssl", python]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut nginx = Nginx::start(folder);
    let mail = MailServer::start(folder);
    let receiver = Receiver::start();
    let now = machine::unix_now();
    let history = traffic::usual(now - HISTORY_DAYS * traffic::DAY, now);
    traffic::append(&folder.join("logs/access.log.1"), history);
    write_config(folder, &mail, &receiver);

    let mut lapwing = start(folder, &mail);
    let mut usual = Usual::default();
    // Ordinary life first: until the daemon says that it reads.
    machine::every("lapwing answers `status`", Duration::from_millis(500), Duration::from_secs(90), || {
        lapwing.must_run();
        usual.step(&mut nginx);
        status(folder)
    });
    assert_eq!(
        told(&receiver, &mail, "wayne"),
        [0, 0, 0],
        "history and ordinary life are no news:\n{}",
        lapwing.said()
    );

    // The key leaks, while its owner goes on.
    let mut leak = Leak::new("wayne", 18);
    let took = machine::every(
        "wayne's leak is told on Slack, by mail and to the webhook",
        Duration::from_millis(400),
        IN_TIME,
        || {
            lapwing.must_run();
            usual.step(&mut nginx);
            leak.step(&mut nginx);
            told(&receiver, &mail, "wayne").iter().all(|count| *count > 0)
        },
    );
    println!("told everywhere {:.1} s after the first odd request", took.as_secs_f64());
    leaked_key_is_told_well(&receiver, &mail);

    // Between sending and noting that it was sent, a kill may cost one repetition: not what is tried here.
    machine::wait_for("all is acknowledged", Duration::from_secs(30), || is_all_delivered(folder).then_some(()));

    // A kill without warning; life, the leak and the rotation of logs go on meanwhile.
    lapwing.kill();
    for _ in 0..10 {
        usual.step(&mut nginx);
        leak.step(&mut nginx);
    }
    nginx.rotate();
    for _ in 0..10 {
        usual.step(&mut nginx);
        leak.step(&mut nginx);
    }
    let mut lapwing = start(folder, &mail);

    // Another key leaks. Once that is told, all that came before it has been read and judged.
    let mut second = Leak::new("acme", 19);
    machine::every("acme's leak is told after the restart", Duration::from_millis(400), IN_TIME, || {
        lapwing.must_run();
        usual.step(&mut nginx);
        second.step(&mut nginx);
        told(&receiver, &mail, "acme").iter().all(|count| *count > 0)
    });

    machine::wait_for("every channel has what the others have", Duration::from_secs(30), || {
        let equal = |key| told(&receiver, &mail, key).windows(2).all(|w| w[0] == w[1]);
        (equal("wayne") && equal("acme")).then_some(())
    });
    let stopped = lapwing.terminate(Duration::from_secs(15));
    assert!(stopped.success(), "SIGTERM ends with {stopped}:\n{}", lapwing.said());
    each_notice_came_once(&receiver, &mail);
    let said = lapwing.said();
    assert!(!said.contains("T0000/B0000"), "the webhook's address was said:\n{said}");
    assert!(!said.contains(MailServer::PASSWORD), "the mail password was said");
}

/// How many messages about the leak of `key` came to [Slack, mail, webhook].
fn told(receiver: &Receiver, mail: &MailServer, key: &str) -> [usize; 3] {
    [
        receiver.slack().iter().filter(|body| text(body).contains(key)).count(),
        mail.mails().iter().filter(|mail| header(mail, "Subject").contains(key)).count(),
        receiver.webhook().iter().filter(|notice| notice["subject"]["name"] == key).count(),
    ]
}

fn text(slack: &Value) -> &str {
    slack["text"].as_str().unwrap_or("")
}

/// A header of a mail, unfolded.
fn header(mail: &str, name: &str) -> String {
    let head = mail.replace("\r\n", "\n");
    let head = head.split("\n\n").next().unwrap_or("").replace("\n ", " ").replace("\n\t", " ");
    let wanted = format!("{}:", name.to_lowercase());
    head.lines()
        .find(|line| line.to_lowercase().starts_with(&wanted))
        .map_or(String::new(), |line| line[wanted.len()..].trim().to_owned())
}

/// What the messages about the first leak must say, and how.
fn leaked_key_is_told_well(receiver: &Receiver, mail: &MailServer) {
    let notices = receiver.webhook();
    let notice = notices.iter().find(|n| n["subject"]["name"] == "wayne").expect("the notice");
    assert_eq!(notice["type"], "opened", "{notice:#}");
    assert_eq!(notice["detector"], "leaked-key", "{notice:#}");
    assert_eq!(notice["subject"]["kind"], "key", "{notice:#}");
    assert_eq!(notice["schema"], 1, "{notice:#}");
    assert!(notice["actions"].as_array().is_some_and(|a| !a.is_empty()), "{notice:#}");

    let slack = receiver.slack();
    let body = slack.iter().find(|body| text(body).contains("wayne")).expect("the Slack message");
    assert!(body["blocks"].as_array().is_some_and(|b| !b.is_empty() && b.len() <= 10), "{body:#}");
    assert!(body.to_string().len() < 10_000, "{body:#}");

    let mails = mail.mails();
    let letter = mails.iter().find(|mail| header(mail, "Subject").contains("wayne")).expect("the mail");
    assert_eq!(header(letter, "X-Login"), MailServer::USER);
    assert_eq!(header(letter, "X-Envelope-From"), "lapwing@example.com");
    assert_eq!(header(letter, "X-Envelope-To"), "oncall@example.com");
    assert_eq!(header(letter, "Auto-Submitted"), "auto-generated");
    assert!(header(letter, "Message-ID").contains('@'), "{letter}");
    assert!(header(letter, "Content-Type").starts_with("multipart/alternative"), "{letter}");
    assert!(!header(letter, "Date").is_empty() && !header(letter, "List-Id").is_empty(), "{letter}");
}

/// At the end: every notice is one message in each channel, and every incident was opened once.
fn each_notice_came_once(receiver: &Receiver, mail: &MailServer) {
    let notices = receiver.webhook();
    for key in ["wayne", "acme"] {
        let about: Vec<&Value> = notices.iter().filter(|n| n["subject"]["name"] == key).collect();
        let opened: Vec<_> = about.iter().filter(|n| n["type"] == "opened" && n["detector"] == "leaked-key").collect();
        assert_eq!(opened.len(), 1, "{key}: opened more than once: {opened:#?}");
        let incidents: std::collections::BTreeSet<_> = about.iter().map(|n| n["incident"].to_string()).collect();
        assert_eq!(incidents.len(), 1, "{key}: one cause is one incident: {about:#?}");
        let mut distinct: Vec<String> = about.iter().map(ToString::to_string).collect();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), about.len(), "{key}: a notice came twice");
        let [slack, mails, hook] = told(receiver, mail, key);
        assert_eq!([slack, mails], [hook, hook], "{key}: [Slack, mail] against the webhook");
    }
    let others: Vec<_> =
        notices.iter().filter(|n| n["subject"]["name"] != "wayne" && n["subject"]["name"] != "acme").collect();
    assert!(others.is_empty(), "nothing else was odd: {others:#?}");
}

/// Ordinary life: each key's requests as they fall due by the machine's clock, at the pace of the history.
#[derive(Default)]
struct Usual {
    next: [Option<i64>; USUAL.len()],
    count: u64,
}

impl Usual {
    fn step(&mut self, nginx: &mut Nginx) {
        let now = machine::unix_now();
        for (next, (key, client, period)) in self.next.iter_mut().zip(USUAL) {
            if next.is_none_or(|at| now >= at) {
                *next = Some(now + period);
                self.count += 1;
                nginx.request(key, client, &format!("/v1/orders/{}", 1000 + self.count), "okhttp/4.12.0");
            }
        }
    }
}

/// A leak: the key is used from 37 new networks, a few requests a step.
struct Leak {
    key: &'static str,
    block: u8,
    count: u32,
}

impl Leak {
    fn new(key: &'static str, block: u8) -> Leak {
        Leak { key, block, count: 0 }
    }

    fn step(&mut self, nginx: &mut Nginx) {
        for _ in 0..2 {
            let network = self.count % 37;
            self.count += 1;
            let client = format!("198.{}.{}.{}", self.block, network * 5 + 3, network + 20);
            nginx.request(self.key, &client, &format!("/v1/orders/{}", 40_000 + self.count), "python-requests/2.32.3");
        }
    }
}

fn write_config(folder: &Path, mail: &MailServer, receiver: &Receiver) {
    let secret = folder.join("smtp.secret");
    std::fs::write(&secret, MailServer::PASSWORD).unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut text = String::new();
    let _ = write!(
        text,
        r#"state_dir = "{dir}/state"

[source.api]
path = ["{dir}/logs/access.log*"]
format = "combined"
key = ["user"]

[channel.ops]
kind = "slack"
url = "http://127.0.0.1:{http}/services/T0000/B0000/secret"

[channel.mail]
kind = "email"
server = "localhost:{smtp}"
tls = "starttls"
username = "{user}"
password_file = "{dir}/smtp.secret"
from = "lapwing@example.com"
to = ["oncall@example.com"]

[channel.hook]
kind = "webhook"
url = "http://127.0.0.1:{http}/hook"
"#,
        dir = folder.display(),
        http = receiver.port,
        smtp = mail.port,
        user = MailServer::USER,
    );
    std::fs::write(folder.join("lapwing.toml"), text).unwrap();
}

fn start(folder: &Path, mail: &MailServer) -> Running {
    let mut command = binary(folder);
    command.args(["run", "--config"]).arg(folder.join("lapwing.toml")).env("SSL_CERT_FILE", &mail.authority);
    Running::start("lapwing", &mut command, folder)
}

/// Whether the running daemon answers.
fn is_all_delivered(folder: &Path) -> bool {
    let config = folder.join("lapwing.toml");
    let output = binary(folder).args(["status", "--json", "--config"]).arg(config).output().expect("the binary starts");
    output.status.success() && nothing_waits(&serde_json::from_slice(&output.stdout).expect("JSON"))
}

fn status(folder: &Path) -> bool {
    let config = folder.join("lapwing.toml");
    binary(folder)
        .args(["status", "--config"])
        .arg(config)
        .output()
        .is_ok_and(|o| o.status.success() && !o.stdout.is_empty())
}
