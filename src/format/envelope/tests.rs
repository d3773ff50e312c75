//! Every envelope opens, says when, and points back into the line as it stands.

use proptest::prelude::*;

use super::*;

const LINE: &str = r#"203.0.113.9 - - [02/Mar/2026:14:31:07 +0000] "GET / HTTP/1.1" 200 5 "-" "curl""#;

fn opened(line: &str) -> Option<(String, Envelope, Option<String>)> {
    let opened = open(line.as_bytes())?;
    let text = String::from_utf8_lossy(&opened.text).into_owned();
    Some((text, opened.kind, opened.time.map(Timestamp::to_rfc3339_millis)))
}

fn holds(head: &str, kind: Envelope, time: Option<&str>) {
    let line = format!("{head}{LINE}");
    assert_eq!(opened(&line), Some((LINE.to_owned(), kind, time.map(str::to_owned))), "{line}");
    let opened = open(line.as_bytes()).unwrap();
    assert_eq!(opened.place(line.as_bytes(), 0), head.len(), "{line}");
    assert_eq!(opened.place(line.as_bytes(), 7), head.len() + 7, "{line}");
}

#[test]
fn syslog_headers_come_off() {
    use Envelope::{Syslog, Syslog5424};
    for head in [
        "Mar  2 14:31:07 web1 nginx[31]: ",
        "Mar 12 14:31:07 web1.example.com nginx: ",
        "<190>Mar  2 14:31:07 web1 nginx: ",
        "Mar  2 14:31:07 nginx[31]: ",
        "Mar  2 2026 14:31:07 web1 nginx: ",
        "Mar  2 14:31:07.123 web1 nginx: ",
        "Mar  2 14:31:07 2001:db8::1 nginx:  ",
        "  Mar  2 14:31:07 web1 nginx: ",
    ] {
        holds(head, Syslog, None);
    }
    holds("2026-03-02T14:31:07.613304+00:00 web1 nginx[31]: ", Syslog, Some("2026-03-02T14:31:07.613Z"));
    holds("2026-03-02T14:31:07+01:00 app[web.1]: ", Syslog, Some("2026-03-02T13:31:07.000Z"));
    holds("2026-03-02T14:31:07Z ", Syslog, Some("2026-03-02T14:31:07.000Z"));
    holds("<190>1 2026-03-02T14:31:07.003Z web1 nginx 31 - - ", Syslog5424, Some("2026-03-02T14:31:07.003Z"));
    holds("1 2026-03-02T14:31:07Z web1 nginx - ID47 - ", Syslog5424, Some("2026-03-02T14:31:07.000Z"));
    holds("<34>1 - - - - - - \u{feff}", Syslog5424, None);
    holds(
        r#"<165>1 2026-03-02T14:31:07Z web1 nginx 31 ID47 [a@1 k="v \] w" l="]"][b@2] "#,
        Syslog5424,
        Some("2026-03-02T14:31:07.000Z"),
    );
}

#[test]
fn the_runtime_of_containers_says_stream_and_piece() {
    holds("2026-03-02T14:31:07.100000001Z stdout F ", Envelope::Cri, Some("2026-03-02T14:31:07.100Z"));
    holds("2026-03-02T14:31:07.1+01:00 stderr F:tag:more ", Envelope::Cri, Some("2026-03-02T13:31:07.100Z"));
    let piece = open(b"2026-03-02T14:31:07Z stderr P 203.0.113.9 - ").unwrap();
    assert_eq!((piece.piece, piece.stream, &*piece.text), (Piece::More, 1, &b"203.0.113.9 - "[..]));
}

fn in_json(line: &str) -> String {
    serde_json::to_string(line).unwrap()
}

#[test]
fn objects_that_hold_a_line_come_off() {
    let docker =
        format!(r#"{{"log":{},"stream":"stderr","time":"2026-03-02T14:31:07.5Z"}}"#, in_json(&format!("{LINE}\n")));
    let time = Some("2026-03-02T14:31:07.500Z".to_owned());
    assert_eq!(opened(&docker), Some((LINE.to_owned(), Envelope::Docker, time)));
    assert_eq!(open(docker.as_bytes()).unwrap().stream, 1);

    let journal = format!(
        r#"{{"__REALTIME_TIMESTAMP":"1772461867500000","_PID":"31","a":[1,{{"b":"]"}}],"MESSAGE":{}}}"#,
        in_json(LINE)
    );
    let time = Some("2026-03-02T14:31:07.500Z".to_owned());
    assert_eq!(opened(&journal), Some((LINE.to_owned(), Envelope::Journald, time)));
    let bytes: Vec<String> = LINE.bytes().map(|b| b.to_string()).collect();
    let journal = format!(r#"{{"_PID":"31","MESSAGE":[{}]}}"#, bytes.join(", "));
    assert_eq!(opened(&journal), Some((LINE.to_owned(), Envelope::Journald, None)));
    let place = open(journal.as_bytes()).unwrap().place(journal.as_bytes(), 3);
    assert!(journal[place..].trim_start().starts_with("46,"), "{}", &journal[place..place + 8]);

    let beat = format!(r#"{{"@timestamp":"2026-03-02T14:31:07Z","log":{{"offset":1}},"message":{}}}"#, in_json(LINE));
    assert_eq!(opened(&beat).map(|o| o.1), Some(Envelope::Message));
    let fluent = format!(r#"{{"log":{},"kubernetes":{{"pod_name":"a"}}}}"#, in_json(LINE));
    assert_eq!(opened(&fluent).map(|o| o.1), Some(Envelope::Message));
}

#[test]
fn columns_of_decoded_text_are_those_of_the_object() {
    let text = "a \"b\" \\ é \u{1f600} \u{1} z";
    for raw in [
        in_json(text),
        r#""a \u0022b\" \\ \u00e9 \ud83d\ude00 \u0001 z""#.to_owned(),
        r#""a \u0022b\" \\ é \ud83d\ude00 \u0001 z""#.to_owned(),
    ] {
        let line = format!(r#"{{"log": {raw},"stream":"stdout","time":"2026-03-02T14:31:07Z"}}"#);
        let opened = open(line.as_bytes()).unwrap();
        assert_eq!(String::from_utf8_lossy(&opened.text), text, "{line}");
        let z = opened.text.len() - 1;
        assert_eq!(line.as_bytes()[opened.place(line.as_bytes(), z)], b'z', "{line}");
    }
    let broken = br#"{"log":"\q \u12 \ud800 end","stream":"stdout","time":1}"#;
    assert_eq!(String::from_utf8_lossy(&open(broken).unwrap().text), "\\q \\u12 \u{fffd} end");
}

#[test]
fn a_long_piece_of_docker_without_line_end_is_not_the_last() {
    let piece = |length: usize, end: &str| {
        let log = in_json(&format!("{}{end}", "x".repeat(length)));
        let line = format!(r#"{{"log":{log},"stream":"stdout","time":"2026-03-02T14:31:07Z"}}"#);
        open(line.as_bytes()).unwrap().piece
    };
    assert_eq!(piece(16 << 10, ""), Piece::More);
    assert_eq!(piece(16 << 10, "\n"), Piece::Last);
    assert_eq!(piece(100, ""), Piece::Last);
}

#[test]
fn lines_without_an_envelope_have_none() {
    for line in [
        LINE,
        "",
        " ",
        "{",
        "{}",
        r#"{"log":"#,
        r#"{"log":"x"#,
        r#"{"time":"2026-03-02T14:31:07Z","method":"GET","path":"/","status":200}"#,
        r#"{"MESSAGE":"without a field of the journal"}"#,
        "www.example.com 203.0.113.9 - - [02/Mar/2026:14:31:07 +0000]",
        "Mar",
        "March 2 is a day of the year",
        "<190",
        "<1900>1 - - - - - - x",
        "2026/03/02 14:31:07 [error] 31#31: x",
        "10.0.0.1 2 3",
        "1 2 3 4 5 6 7 8",
    ] {
        assert_eq!(opened(line), None, "{line}");
    }
}

fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let parts = proptest::sample::select(vec![
        "{",
        "}",
        "\"",
        "\\",
        "\\u00",
        "\\ud83d",
        "\"log\":",
        "\"MESSAGE\":[",
        "1,",
        "256",
        "]",
        ",",
        ":",
        "\"stream\":\"stdout\"",
        "\"time\":",
        "\"_a\":1",
        "Mar  2 ",
        "14:31:07 ",
        "<190>",
        "1 ",
        "2026-03-02T14:31:07Z ",
        "stdout ",
        "P ",
        "F ",
        "- ",
        "[a b=\"",
        " ",
        "host tag: ",
    ]);
    let parts = proptest::collection::vec(parts, 0..24).prop_map(|parts| parts.concat().into_bytes());
    prop_oneof![parts, proptest::collection::vec(any::<u8>(), 0..120)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_make_it_panic_and_places_stay_inside(line in hostile(), inner in 0usize..200) {
        if let Some(opened) = open(&line) {
            prop_assert!(opened.text.len() <= line.len() + 8);
            prop_assert!(opened.place(&line, inner.min(opened.text.len())) <= line.len());
        }
    }
}
