//! Lines inside envelopes, in pieces, with columns of their own, and logs that turn to another format.

use std::sync::Arc;

use super::{registry, text};
use crate::format::{Choice, Envelope, Reason, Reject, SourceParser, Turn, guess};
use crate::time::Zone;

/// Puts a line into an envelope.
type Wrap = Box<dyn Fn(&str) -> String>;

/// Every shipped format inside every envelope, and three of them inside each other.
#[test]
fn envelopes_hide_no_format_and_change_no_field() {
    let registry = Arc::new(registry());
    let json = |text: &str| serde_json::to_string(text).unwrap();
    let time = "2026-03-02T14:31:07.250Z";
    let wrap: Vec<(Envelope, Wrap)> = vec![
        (Envelope::Syslog, Box::new(|line| format!("<190>Mar  2 14:31:07 web1 app[31]: {line}"))),
        (Envelope::Syslog, Box::new(move |line| format!("{time} web1 app[31]: {line}"))),
        (Envelope::Syslog5424, Box::new(move |line| format!("<190>1 {time} web1 app 31 - [a@1 b=\"c\"] {line}"))),
        (Envelope::Cri, Box::new(move |line| format!("{time} stdout F {line}"))),
        (
            Envelope::Docker,
            Box::new(move |line| {
                format!(r#"{{"log":{},"stream":"stdout","time":"{time}"}}"#, json(&format!("{line}\n")))
            }),
        ),
        (
            Envelope::Journald,
            Box::new(move |line| {
                format!(r#"{{"_PID":"1","__REALTIME_TIMESTAMP":"1772461867250000","MESSAGE":{}}}"#, json(line))
            }),
        ),
        (
            Envelope::Journald,
            Box::new(move |line| {
                let bytes: Vec<String> = line.bytes().map(|b| b.to_string()).collect();
                format!(r#"{{"_PID":"1","__REALTIME_TIMESTAMP":"1772461867250000","MESSAGE":[{}]}}"#, bytes.join(","))
            }),
        ),
        (Envelope::Message, Box::new(move |line| format!(r#"{{"@timestamp":"{time}","message":{}}}"#, json(line)))),
        (
            Envelope::Docker,
            Box::new(move |line| {
                // A header behind a header could be read as a part of the line by some format; what is quoted cannot.
                let message = format!(r#"{{"@timestamp":"{time}","message":{}}}"#, json(line));
                let inner = format!("<190>1 {time} web1 app 31 - - {message}");
                format!(r#"{{"log":{},"stream":"stdout","time":"{time}"}}"#, json(&inner))
            }),
        ),
    ];
    let mut wrong = Vec::new();
    for entry in registry.iter() {
        for sample in &entry.samples {
            for (kind, wrap) in &wrap {
                // Raw text behind a header is read as it is: two texts are one line only where neither holds the other.
                let lines: Vec<String> = sample.before.iter().chain([&sample.line]).map(|line| wrap(line)).collect();
                let mut parser =
                    SourceParser::new(Choice::Named(entry.name.clone()), registry.clone(), Zone::UTC).unwrap();
                let (last, before) = lines.split_last().unwrap();
                for line in before {
                    drop(parser.parse(line.as_bytes()));
                }
                let bytes: Vec<&[u8]> = lines.iter().map(String::as_bytes).collect();
                let told = guess(&bytes, &registry);
                let in_envelope = told.envelopes.iter().any(|(k, _)| k == kind);
                if told.format.as_deref() != Some(entry.name.as_str()) || !in_envelope {
                    wrong.push(format!("{} in {kind:?}: {last}: {}", entry.name, told.reason));
                }
                match (parser.parse(last.as_bytes()), &sample.rejected) {
                    (Ok(record), None) => {
                        assert_eq!(sample.differences(&record), Vec::<String>::new(), "{last}");
                        assert_eq!(record.format, entry.name);
                    }
                    (Err(reject), Some(reason)) => assert_eq!(reject.reason.as_str(), reason, "{last}"),
                    // Syslog's time has no year, so lines without a time stay without one.
                    (Err(reject), None) => {
                        let timeless = (reject.reason, entry.name.as_str()) == (Reason::NoTime, "uvicorn");
                        if !timeless || !last.starts_with("<190>Mar") {
                            wrong.push(format!("{} in {kind:?}: {last}: {reject:?}", entry.name));
                        }
                    }
                    (Ok(_), Some(reason)) => panic!("{last}: expected {reason}"),
                }
                parser.set_arrival(None);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A client may log in under any name; its line must not vanish for that.
#[test]
fn no_user_name_hides_a_line() {
    let registry = Arc::new(registry());
    let parser = SourceParser::new(Choice::Named("combined".to_owned()), registry, Zone::UTC).unwrap();
    for user in ["a - b", "a -", "app[31]: 192.0.2.1 -", "a b"] {
        let line = format!(r#"203.0.113.9 - {user} [02/Mar/2026:14:31:07 +0000] "GET / HTTP/1.1" 401 5 "-" "curl""#);
        let record = parser.parse(line.as_bytes()).unwrap();
        assert_eq!(
            (text(record.client.as_ref()), text(record.user.as_ref())),
            ("203.0.113.9".to_owned(), user.to_owned())
        );
    }
}

#[test]
fn rejects_inside_envelopes_point_into_the_line_as_it_stands() {
    let registry = Arc::new(registry());
    let parser = SourceParser::new(Choice::Named("combined".to_owned()), registry, Zone::UTC).unwrap();
    let good = r#"203.0.113.9 - - [02/Mar/2026:14:31:07 +0000] "GET / HTTP/1.1" 200 5 "-" "curl""#;
    let bad = r#"203.0.113.9 - - [02/Mar/2026:14:31:07 +0000] "GET / HTTP/1.1" two 5 "-" "curl""#;
    let column = bad.find("two").unwrap() as u32 + 1;
    let docker = |line: &str| {
        let text = serde_json::to_string(&format!("{line}\n")).unwrap();
        format!(r#"{{"log":{text},"stream":"stdout","time":"2026-03-02T14:31:07Z"}}"#)
    };
    let nested = |line: &str| docker(&format!("2026-03-02T14:31:07Z stdout F {}", docker(line)));
    for wrap in [&|line: &str| line.to_owned() as String, &docker as &dyn Fn(&str) -> String, &nested] {
        let reject = parser.parse(wrap(bad).as_bytes()).map(|_| ()).unwrap_err();
        assert_eq!(reject.reason, Reason::Status);
        let line = wrap(bad);
        assert!(line[reject.column as usize - 1..].starts_with("two"), "{line}: column {}", reject.column);
        assert!(parser.parse(wrap(good).as_bytes()).is_ok());
        // After a good line the envelope is expected: the same must hold.
        let reject = parser.parse(line.as_bytes()).map(|_| ()).unwrap_err();
        assert!(line[reject.column as usize - 1..].starts_with("two"), "{line}: column {}", reject.column);
    }
    assert_eq!(parser.parse(bad.as_bytes()).map(|_| ()).unwrap_err(), Reject { column, reason: Reason::Status });
    let four = docker(&docker(&docker(&docker(good))));
    assert!(parser.parse(four.as_bytes()).is_err());
    assert!(parser.parse(docker(&docker(&docker(good))).as_bytes()).is_ok());
}

#[test]
fn pieces_of_a_line_are_read_with_its_last_one() {
    let registry = Arc::new(registry());
    let parser = SourceParser::new(Choice::Named("combined".to_owned()), registry, Zone::UTC).unwrap();
    let piece = |tag: &str, text: &str| format!("2026-03-02T14:31:07.1Z stdout {tag} {text}");
    let first = piece("P", r#"203.0.113.9 - - [02/Mar/2026:14:31:07 +0000] "GET /a"#);
    assert_eq!(parser.parse(first.as_bytes()).map(|_| ()).unwrap_err().reason, Reason::Piece);
    // A line of the other stream comes between, and what could pass for a line of its own is but the rest.
    let error = "2026-03-02T14:31:07.2Z stderr F something went wrong";
    assert!(parser.parse(error.as_bytes()).is_err());
    let rest = piece("F", r#"198.51.100.4 - - [02/Mar/2026:14:31:07 +0000] HTTP/1.1" 200 5 "-" "curl""#);
    let rest = parser.parse(rest.as_bytes());
    let record = rest.unwrap();
    assert_eq!(text(record.client.as_ref()), "203.0.113.9");
    assert_eq!(text(record.target.as_ref()), "/a198.51.100.4 - - [02/Mar/2026:14:31:07 +0000]");
    let whole = piece("F", r#"203.0.113.9 - - [02/Mar/2026:14:31:07 +0000] "GET /b HTTP/1.1" 200 5 "-" "curl""#);
    assert_eq!(text(parser.parse(whole.as_bytes()).unwrap().target.as_ref()), "/b");
}

#[test]
fn a_turn_to_another_format_is_said_with_its_line() {
    let registry = Arc::new(registry());
    let old = r#"192.0.2.1 - - [02/Mar/2026:14:31:07 +0000] "GET / HTTP/1.1" 200 5 "-" "curl" 0.031"#;
    let new = r#"192.0.2.1 - - [02/Mar/2026:14:31:07 +0000] "GET / HTTP/1.1" 200 5 "-" "curl""#;
    let mut parser = SourceParser::new(Choice::Auto, registry, Zone::UTC).unwrap();
    parser.offer(&[old.as_bytes(), new.as_bytes()]);
    assert!((0..1203).all(|_| parser.parse(old.as_bytes()).is_ok()));
    assert!((0..100).all(|_| parser.parse(new.as_bytes()).is_ok()));
    let turn = Turn { from: "combined-time".to_owned(), to: "combined".to_owned(), line: 1204 };
    assert_eq!(parser.turns(), vec![turn]);
}

#[test]
fn what_a_log_said_about_its_columns_survives_a_restart() {
    let registry = Arc::new(registry());
    let fields = "#Fields: date time c-ip cs-method cs-uri-stem sc-status x-odd";
    let line = "2026-03-02 14:31:08 203.0.113.7 GET /b 404 -";
    for choice in [Choice::Auto, Choice::Named("iis".to_owned())] {
        let mut parser = SourceParser::new(choice.clone(), registry.clone(), Zone::UTC).unwrap();
        parser.offer(&[fields.as_bytes(), line.as_bytes()]);
        assert_eq!(parser.parse(fields.as_bytes()).map(|_| ()).unwrap_err().reason, Reason::Directive);
        assert_eq!(parser.parse(line.as_bytes()).unwrap().status, Some(404));
        let decision = parser.decision().unwrap();
        let mut again = SourceParser::new(choice, registry.clone(), Zone::UTC).unwrap();
        again.restore(&decision);
        assert_eq!(again.parse(line.as_bytes()).unwrap().status, Some(404));
        assert_eq!(decision.format, "w3c");
    }
}
