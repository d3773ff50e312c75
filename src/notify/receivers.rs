//! The senders against receivers that behave as real ones do on their bad days. Table F70 to F86 of the design.

use std::io::Write as _;
use std::net::TcpListener as StdListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::SecretString;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::time::{ManualClock, Timestamp};

/// Stands for the secret in URLs and passwords: it may appear in no text.
const MARK: &str = "S3CRETMARKxyz";

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::at(Timestamp::parse("2026-11-21T06:00:00Z").unwrap()))
}

/// What a receiver does with one request.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Status line and headers, then the body.
    Answer(&'static str, &'static str),
    /// Nothing, until the other side gives up.
    Hang,
    /// Closes after the request was read.
    Cut,
    /// A body that never ends, as fast as it is read.
    Endless(&'static str),
    /// One byte at a time.
    Drip,
}

/// An HTTP receiver that does the same with each request; what it got is in the list.
async fn http(act: Act) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let got = Arc::new(Mutex::new(Vec::new()));
    let seen = got.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let seen = seen.clone();
            // The other side may close at any moment: that is what is tested.
            tokio::spawn(async move { serve(stream, act, &seen).await.ok() });
        }
    });
    (format!("http://{address}/services/{MARK}?token={MARK}"), got)
}

async fn serve(stream: TcpStream, act: Act, seen: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let from = head.len();
        if stream.read_line(&mut head).await? == 0 {
            return Ok(());
        }
        let line = head[from..].to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    seen.lock().unwrap().push(head + &String::from_utf8_lossy(&body));
    match act {
        Act::Answer(head, body) => {
            let answer =
                format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await?;
        }
        Act::Hang => tokio::time::sleep(Duration::from_secs(30)).await,
        Act::Cut => {}
        Act::Endless(status) => {
            stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 10000000000\r\n\r\n").as_bytes()).await?;
            loop {
                stream.write_all(&[b'x'; 8192]).await?;
            }
        }
        Act::Drip => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n").await?;
            loop {
                stream.write_all(b"o").await?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    stream.flush().await
}

fn settings(url: &str) -> HttpSettings {
    HttpSettings { time_limit: Span::from_millis(700), ..HttpSettings::to(url) }
}

fn slack(url: &str) -> Channel {
    ChannelSettings { name: "ops".to_owned(), target: Target::Slack(settings(url)) }.build(clock()).unwrap()
}

fn webhook(url: &str) -> Channel {
    let http = settings(url);
    let authorization = Some(SecretString::from(format!("Bearer {MARK}")));
    let signing_key = Some(SecretString::from(MARK));
    let target = Target::Webhook(WebhookSettings { http, authorization, signing_key });
    ChannelSettings { name: "hook".to_owned(), target }.build(clock()).unwrap()
}

async fn send(channel: &Channel) -> Outcome {
    let message = match channel.kind {
        ChannelKind::Slack => {
            Message::Slack { body: serde_json::json!({"text": "hi"}), plain: serde_json::Value::Null }
        }
        _ => Message::Webhook { body: "{\"schema\":1}".to_owned(), incident: "01KB3".to_owned() },
    };
    let outcome = channel.notifier.send(&message, &[]).await;
    assert!(!format!("{outcome:?}").contains(MARK), "{outcome:?}");
    outcome
}

/// `Retry 30s`, `Broken`, …: what matters of an outcome.
fn kind(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Retry { after: Some(after), .. } => format!("Retry {after}"),
        other => format!("{other:?}").split([' ', '{']).next().unwrap().to_owned(),
    }
}

#[tokio::test]
async fn how_answers_of_slack_and_webhooks_are_read() {
    use Act::Answer;
    let table: &[(Act, &str, &str)] = &[
        (Answer("200 OK", "ok"), "Delivered", "Delivered"),
        (Answer("200 OK", "<html>please log in</html>"), "Doubtful", "Delivered"),
        (Answer("204 No Content", ""), "Doubtful", "Delivered"),
        (Answer("429 Too Many Requests\r\nRetry-After: 30", "rate_limited"), "Retry 30s", "Retry 30s"),
        (Answer("429 Too Many Requests\r\nRetry-After: Sat, 21 Nov 2026 06:01:00 GMT", ""), "Retry 1m", "Retry 1m"),
        (Answer("500 Internal Server Error", "rollup_error"), "Retry", "Retry"),
        (Answer("502 Bad Gateway", ""), "Retry", "Retry"),
        (Answer("503 Service Unavailable\r\nRetry-After: 120", ""), "Retry 2m", "Retry 2m"),
        (Answer("504 Gateway Timeout", ""), "Retry", "Retry"),
        (Answer("408 Request Timeout", ""), "Retry", "Retry"),
        (Answer("400 Bad Request", "invalid_payload"), "ResendPlain", "GiveUp"),
        (Answer("400 Bad Request", "invalid_blocks"), "ResendPlain", "GiveUp"),
        (Answer("400 Bad Request", "no_text"), "ResendPlain", "GiveUp"),
        (Answer("400 Bad Request", "invalid_token"), "Broken", "GiveUp"),
        (Answer("401 Unauthorized", ""), "Broken", "Broken"),
        (Answer("403 Forbidden", "action_prohibited"), "Broken", "Broken"),
        (Answer("404 Not Found", "no_service"), "Broken", "Broken"),
        (Answer("410 Gone", "channel_is_archived"), "Broken", "Broken"),
        (Answer("422 Unprocessable Content", ""), "GiveUp", "GiveUp"),
        (Answer("301 Moved Permanently\r\nLocation: /elsewhere", ""), "Broken", "Broken"),
        (Answer("302 Found\r\nLocation: http://127.0.0.1:1/", ""), "Broken", "Broken"),
        (Answer("307 Temporary Redirect\r\nLocation: /elsewhere", ""), "Broken", "Broken"),
        (Act::Hang, "Retry", "Retry"),
        (Act::Cut, "Retry", "Retry"),
        (Act::Endless("200 OK"), "Doubtful", "Delivered"),
        (Act::Endless("500 Internal Server Error"), "Retry", "Retry"),
        (Act::Drip, "Doubtful", "Delivered"),
    ];
    for (act, of_slack, of_webhook) in table {
        let (url, got) = http(*act).await;
        let (slack, webhook) = (slack(&url), webhook(&url));
        let (one, other) = tokio::join!(send(&slack), send(&webhook));
        assert_eq!(kind(&one), *of_slack, "slack {act:?}: {one:?}");
        assert_eq!(kind(&other), *of_webhook, "webhook {act:?}: {other:?}");
        let got = got.lock().unwrap();
        assert_eq!(got.len(), 2, "each asked once, and no redirect was followed: {act:?}");
        assert!(got.iter().all(|request| request.starts_with(&format!("POST /services/{MARK}?"))));
    }
}

#[tokio::test]
async fn a_receiver_that_is_not_there_is_tried_later() {
    let free = StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let outcome = send(&slack(&format!("http://{free}/{MARK}"))).await;
    assert!(matches!(&outcome, Outcome::Retry { why, .. } if why.contains("could not connect")), "{outcome:?}");
    let outcome = send(&slack(&format!("https://no-such-host.invalid/{MARK}"))).await;
    assert_eq!(kind(&outcome), "Retry", "{outcome:?}");
}

#[tokio::test]
async fn a_webhook_gets_the_notice_with_id_and_signature() {
    let (url, got) = http(Act::Answer("200 OK", "")).await;
    send(&webhook(&url)).await;
    let request = got.lock().unwrap()[0].to_ascii_lowercase();
    assert!(request.ends_with("\r\n\r\n{\"schema\":1}"), "{request}");
    for header in ["content-type: application/json", "x-lapwing-incident: 01kb3", "x-lapwing-signature: sha256="] {
        assert!(request.contains(header), "{header} in {request}");
    }
    assert!(request.contains(&format!("authorization: bearer {}", MARK.to_ascii_lowercase())));
}

#[test]
fn settings_show_no_secret() {
    let target = Target::Webhook(WebhookSettings {
        http: HttpSettings::to(format!("https://example.com/{MARK}")),
        authorization: Some(SecretString::from(MARK)),
        signing_key: Some(SecretString::from(MARK)),
    });
    assert!(!format!("{target:?}").contains(MARK));
    let http = HttpSettings::to("https://example.com/");
    let authorization = Some(SecretString::from(format!("{MARK}\n")));
    let target = Target::Webhook(WebhookSettings { http, authorization, signing_key: None });
    let refused = ChannelSettings { name: "hook".to_owned(), target }.build(clock()).err().unwrap().to_string();
    assert!(refused.starts_with("authorization: ") && !refused.contains(MARK), "{refused}");
}

/// An SMTP server: answers by the first words of a command, else as a friendly one would. `CUT` closes, `TLS` answers
/// and then speaks no TLS.
async fn smtp(
    extensions: &'static str,
    answers: &'static [(&'static str, &'static str)],
) -> (String, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let got = Arc::new(Mutex::new(String::new()));
    let seen = got.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let seen = seen.clone();
            // The other side may close at any moment.
            tokio::spawn(async move { converse(stream, extensions, answers, &seen).await.ok() });
        }
    });
    (address, got)
}

async fn converse(
    stream: TcpStream,
    extensions: &str,
    answers: &[(&str, &str)],
    seen: &Mutex<String>,
) -> std::io::Result<()> {
    let scripted =
        |command: &str| answers.iter().find(|(start, _)| command.starts_with(start)).map(|(_, answer)| *answer);
    let mut stream = BufReader::new(stream);
    let mut in_data = false;
    let mut line = "GREETING\r\n".to_owned();
    loop {
        let command = line.trim_end();
        let usual = if in_data {
            if command == "." { "250 2.0.0 queued" } else { "" }
        } else {
            match command.split(' ').next().unwrap_or_default() {
                "GREETING" => "220 test ESMTP",
                "EHLO" if extensions.is_empty() => "250 test",
                "EHLO" => extensions,
                "DATA" => "354 go on",
                "AUTH" => "235 2.7.0 welcome",
                "QUIT" => "221 2.0.0 bye",
                _ => "250 2.0.0 ok",
            }
        };
        let answer = if in_data && command != "." { "" } else { scripted(command).unwrap_or(usual) };
        if answer == "CUT" {
            return Ok(());
        }
        if in_data && command == "." {
            in_data = false;
        } else if command == "DATA" && answer.starts_with("354") {
            in_data = true;
        }
        if !answer.is_empty() {
            stream.write_all(format!("{}\r\n", answer.trim_start_matches("TLS ")).as_bytes()).await?;
        }
        if answer.starts_with("TLS ") {
            return stream.write_all(b"this is not TLS\r\n").await;
        }
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        seen.lock().unwrap().push_str(&line);
    }
}

fn mail_settings(server: &str, tls: MailSecurity) -> EmailSettings {
    let to = ["ann@example.com", "bob@example.com", "eve@example.com"].map(str::to_owned).to_vec();
    EmailSettings {
        tls,
        username: Some("lapwing".to_owned()),
        password: Some(SecretString::from(MARK)),
        time_limit: Span::from_millis(1500),
        ..EmailSettings::over(server, "Lapwing <lapwing@example.com>", to)
    }
}

fn mail() -> Message {
    Message::Email {
        subject: "Key acme\r\nBcc: everyone@example.com \x1b[31mis 200 times busier".to_owned(),
        text: "First line\r\n.\r\nBcc: no header\n\x1b[0mlast line: zoë".to_owned(),
        html: "<p>First line</p>".to_owned(),
        message_id: "01KB3.opened@lapwing.example.com".to_owned(),
        in_reply_to: Some("<01KB3@lapwing.example.com>".to_owned()),
        references: Some("<01KB3@lapwing.example.com>".to_owned()),
        headers: vec![
            ("X-Lapwing-Incident".to_owned(), "01KB3\r\nX-Evil: yes".to_owned()),
            ("no header name".to_owned(), "x".to_owned()),
        ],
    }
}

async fn post(settings: EmailSettings, settled: &[String]) -> Outcome {
    let settings = ChannelSettings { name: "mail".to_owned(), target: Target::Email(settings) };
    let outcome = settings.build(clock()).unwrap().notifier.send(&mail(), settled).await;
    assert!(!format!("{outcome:?}").contains(MARK), "{outcome:?}");
    outcome
}

const AUTH: &str = "250-test\r\n250 AUTH PLAIN LOGIN";

#[tokio::test]
async fn how_answers_of_a_mail_server_are_read() {
    const TABLE: &[(&[(&str, &str)], &str)] = &[
        (&[], "Delivered"),
        (&[("GREETING", "421 4.3.2 too busy")], "Retry"),
        (&[("GREETING", "554 5.7.1 not you")], "Doubtful"),
        (&[("GREETING", "CUT")], "Retry"),
        (&[("AUTH", "535 5.7.8 wrong AGxhcHdpbmcAUzNDUkVUTUFSS3h5eg== S3CRETMARKxyz")], "Broken"),
        (&[("AUTH", "454 4.7.0 later")], "Retry"),
        (&[("MAIL", "451 4.3.0 later")], "Retry"),
        (&[("MAIL", "550 5.1.8 sender refused")], "Broken"),
        (&[("MAIL", "552 5.3.4 too big")], "GiveUp"),
        (&[("RCPT", "450 4.2.0 greylisted")], "Retry"),
        (&[("RCPT", "421 4.7.0 closing")], "Retry"),
        (&[("RCPT", "550 5.1.1 no such user")], "Broken"),
        (&[("RCPT TO:<bob", "550 5.1.1 no such user")], "Partly"),
        (&[("RCPT TO:<bob", "450 4.2.0 greylisted")], "Partly"),
        (&[("DATA", "451 4.3.0 later")], "Retry"),
        (&[("DATA", "554 5.6.0 refused")], "GiveUp"),
        (&[(".", "452 4.3.1 disk full")], "Retry"),
        (&[(".", "552 5.3.4 too big")], "GiveUp"),
        (&[(".", "CUT")], "Retry"),
        (&[("QUIT", "CUT")], "Delivered"),
        (&[("DATA", "")], "Retry"),
    ];
    for (answers, expected) in TABLE {
        let (server, _) = smtp(AUTH, answers).await;
        let outcome = post(mail_settings(&server, MailSecurity::None), &[]).await;
        assert_eq!(kind(&outcome), *expected, "{answers:?}: {outcome:?}");
    }
    let outcome = post(mail_settings("127.0.0.1:1", MailSecurity::None), &[]).await;
    assert!(matches!(&outcome, Outcome::Retry { why, .. } if why.contains("refused")), "{outcome:?}");
}

#[tokio::test]
async fn one_refused_recipient_does_not_cost_the_others_theirs_and_nobody_gets_it_twice() {
    let (server, got) =
        smtp(AUTH, &[("RCPT TO:<bob", "550 5.1.1 no such user"), ("RCPT TO:<eve", "450 4.2.0 later")]).await;
    let outcome = post(mail_settings(&server, MailSecurity::None), &[]).await;
    let Outcome::Partly { settled, left, why } = outcome else { panic!("{outcome:?}") };
    assert_eq!((settled.clone(), left), (vec!["ann@example.com".to_owned(), "bob@example.com".to_owned()], 1));
    assert!(why.contains("bob@example.com was refused") && why.contains("no such user"), "{why}");
    assert_eq!(got.lock().unwrap().matches("DATA\r\n").count(), 1);
    got.lock().unwrap().clear();
    let outcome = post(mail_settings(&server, MailSecurity::None), &settled).await;
    assert_eq!(kind(&outcome), "Retry");
    assert_eq!(got.lock().unwrap().matches("RCPT").count(), 1, "only eve");
}

#[tokio::test]
async fn what_a_mail_looks_like_on_the_wire() {
    let (server, got) = smtp(AUTH, &[]).await;
    assert_eq!(post(mail_settings(&server, MailSecurity::None), &[]).await, Outcome::Delivered);
    let wire = got.lock().unwrap().clone();
    let (_, mail) = wire.split_once("DATA\r\n").unwrap();
    let (head, body) = mail.split_once("\r\n\r\n").unwrap();
    let head = head.replace("\r\n ", " ");
    for header in [
        "From: Lapwing <lapwing@example.com>",
        "To: ann@example.com, bob@example.com, eve@example.com",
        "Date: Sat, 21 Nov 2026 06:00:00 +0000",
        "Message-ID: <01KB3.opened@lapwing.example.com>",
        "In-Reply-To: <01KB3@lapwing.example.com>",
        "References: <01KB3@lapwing.example.com>",
        "Auto-Submitted: auto-generated",
        "X-Auto-Response-Suppress: All",
        "List-Id: <lapwing.example.com>",
        "X-Lapwing-Incident: 01KB3  X-Evil: yes",
    ] {
        assert!(head.lines().any(|line| line == header), "{header} in\n{head}");
    }
    let names: Vec<&str> = head.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
    assert!(!names.iter().any(|name| ["Bcc", "X-Evil", "no header name"].contains(name)), "{names:?}");
    assert!(head.contains("Subject: Key acme  Bcc: everyone@example.com"), "{head}");
    assert!(!wire.contains('\x1b') && body.contains("multipart") | head.contains("multipart/alternative"), "{wire}");
    assert!(wire.contains("zo=C3=AB"), "{wire}");
    // The line with one dot did not end the mail: what follows is still part of it.
    assert!(body.find("\r\n..\r\n").unwrap() < body.find("last line").unwrap(), "{body}");
}

#[tokio::test]
async fn without_encryption_neither_message_nor_password_leaves() {
    const OFFERED: &str = "250-test\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN";
    for (extensions, answers) in [
        (AUTH, &[] as &[(&str, &str)]),
        (OFFERED, &[("STARTTLS", "502 5.5.1 not here")]),
        (OFFERED, &[("STARTTLS", "TLS 220 go on")]),
    ] {
        let (server, got) = smtp(extensions, answers).await;
        let outcome = post(mail_settings(&server, MailSecurity::StartTls), &[]).await;
        assert_eq!(kind(&outcome), "Broken", "{outcome:?}");
        let wire = got.lock().unwrap().clone();
        assert!(!wire.contains("AUTH") && !wire.contains("MAIL") && !wire.contains("DATA"), "{wire}");
    }
    let (server, _) = smtp(OFFERED, &[("STARTTLS", "454 4.7.0 not now")]).await;
    assert_eq!(kind(&post(mail_settings(&server, MailSecurity::StartTls), &[]).await), "Retry");
    let far = mail_settings("smtp.example.com:25", MailSecurity::None);
    let refused = ChannelSettings { name: "mail".to_owned(), target: Target::Email(far) }.build(clock()).err().unwrap();
    assert!(refused.to_string().starts_with("tls: "), "{refused}");
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_not_believed() {
    install_tls();
    let certificate = CertificateDer::from_pem_slice(include_bytes!("../../testdata/tls/self-signed.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../../testdata/tls/self-signed.key.pem")).unwrap();
    let config =
        rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let config = Arc::new(config);
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut tls) = (stream.unwrap(), rustls::ServerConnection::new(config.clone()).unwrap());
            // The client breaks off: whatever comes of it here is its answer.
            if tls.complete_io(&mut stream).is_ok() {
                let _ = rustls::Stream::new(&mut tls, &mut stream).write_all(b"220 gotcha\r\n");
            }
        }
    });
    let outcome = post(mail_settings(&address.to_string(), MailSecurity::Tls), &[]).await;
    assert!(matches!(&outcome, Outcome::Broken { why } if why.contains("ertificate")), "{outcome:?}");
    let outcome = send(&slack(&format!("https://{address}/{MARK}"))).await;
    assert!(matches!(&outcome, Outcome::Doubtful { why } if why.contains("certificate")), "{outcome:?}");
}

#[tokio::test]
async fn files_and_terminals_take_their_lines() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notices.jsonl");
    let target = Target::File(FileSettings { path: path.clone() });
    let file = ChannelSettings { name: "file".to_owned(), target }.build(clock()).unwrap();
    assert_eq!(file.notifier.send(&Message::Line("{\"schema\":1}".to_owned()), &[]).await, Outcome::Delivered);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"schema\":1}\n");
    let target = Target::File(FileSettings { path: dir.path().join("no/such/place") });
    let file = ChannelSettings { name: "file".to_owned(), target }.build(clock()).unwrap();
    assert_eq!(kind(&file.notifier.send(&Message::Line(String::new()), &[]).await), "Retry");
    assert_eq!(kind(&file.notifier.send(&Message::Text(String::new()), &[]).await), "GiveUp");

    let (reader, writer) = std::io::pipe().unwrap();
    let terminal = Terminal::to(Box::new(writer));
    assert_eq!(terminal.send(&Message::Text("An alert\n".to_owned()), &[]).await, Outcome::Delivered);
    drop(reader);
    assert_eq!(kind(&terminal.send(&Message::Text("x".to_owned()), &[]).await), "Broken");
}
