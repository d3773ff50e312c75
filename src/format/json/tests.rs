//! What JSON lines promise: names found, hostile objects bounded, secrets apart.

use super::*;
use crate::format::Value;

fn generic() -> Json {
    Json::new("json", Vec::new(), &[], Zone::UTC)
}

fn text(value: Option<&Value<'_>>) -> Option<String> {
    value.map(|v| String::from_utf8_lossy(v).into_owned())
}

#[test]
fn usual_names_are_found_at_any_depth() {
    let format = generic();
    let line = br#"{"@timestamp":"2026-03-02T14:31:07Z","http":{"request":{"method":"GET"},"response":{"status_code":404}},"url":{"path":"/a","query":"b=1"},"source":{"ip":"203.0.113.9"},"user_agent":{"original":"curl/8"},"event":{"duration":31000000},"consumer":"acme","labels":{"zone":"x"}}"#;
    let record = format.parse(line).unwrap();
    assert_eq!(text(record.client.as_ref()).as_deref(), Some("203.0.113.9"));
    assert_eq!(text(record.target.as_ref()).as_deref(), Some("/a?b=1"));
    assert_eq!(text(record.user_agent.as_ref()).as_deref(), Some("curl/8"));
    assert_eq!(text(record.consumer.as_ref()).as_deref(), Some("acme"));
    assert_eq!(record.status, Some(404));
    assert!((record.duration.unwrap() - 0.031).abs() < 1e-9);
    assert!(record.extra.iter().any(|(name, value)| *name == "labels.zone" && **value == *b"x"));
}

#[test]
fn invalid_bytes_control_characters_and_foreign_escapes_hide_no_line() {
    let format = generic();
    let head = br#"{"time":"2026-03-02T14:31:07Z","request":"GET /x HTTP/1.1","status":200,"http_user_agent":""#;
    for agent in [&b"\xff\xfe"[..], b"a\x01b", br"a\x22b", br"a\qb"] {
        let line = [&head[..], agent, b"\"}"].concat();
        let record = format.parse(&line).unwrap_or_else(|e| panic!("{e:?} {}", String::from_utf8_lossy(&line)));
        assert_eq!(record.status, Some(200));
        assert_eq!(text(record.target.as_ref()).as_deref(), Some("/x"));
    }
    let line = [&head[..], b"\xffz\"}"].concat();
    assert_eq!(text(format.parse(&line).unwrap().user_agent.as_ref()).as_deref(), Some("\u{ff}z"));
}

#[test]
fn hostile_objects_cost_bounded_time_and_memory() {
    let format = generic();
    let deep = format!(
        r#"{{"time":1772461867,"method":"GET","path":"/","a":{}1{},"status":200}}"#,
        "[".repeat(100),
        "]".repeat(100)
    );
    assert_eq!(format.parse(deep.as_bytes()).unwrap().status, Some(200));
    let deeper = format!(r#"{{"a":{}"#, r#"{"a":"#.repeat(100_000));
    assert_eq!(format.parse(deeper.as_bytes()).unwrap_err().reason, Reason::Json);
    let many: Vec<String> = (0..10_000).map(|n| format!(r#""f{n}":"v""#)).collect();
    let many = many.join(",");
    let many = format!(r#"{{"time":1772461867,"method":"GET","path":"/","status":200,{many},"z":1e300}}"#);
    assert!(format.parse(many.as_bytes()).unwrap().extra.len() <= 48);
    let twice = br#"{"time":1772461867,"method":"GET","path":"/a","status":200,"status":500,"path":"/b"}"#;
    let record = format.parse(twice).unwrap();
    assert_eq!((record.status, text(record.target.as_ref()).as_deref()), (Some(200), Some("/a")));
    assert_eq!(format.parse(br#"{"time":1e999,"method":"GET"}"#).unwrap_err().reason, Reason::Json);
}

#[test]
fn rejects_say_why_and_where() {
    let format = generic();
    let reason = |line: &[u8]| format.parse(line).map(|_| ()).map_err(|r| (r.column, r.reason));
    assert_eq!(reason(b"not json"), Err((1, Reason::Json)));
    assert_eq!(reason(br#"{"time":"2026-03-02T14:31:07Z" oops}"#), Err((32, Reason::Json)));
    assert_eq!(reason(br#"{"method":"GET","path":"/","status":200}"#), Err((1, Reason::NoTime)));
    assert_eq!(reason(br#"{"time":"2026-03-02T14:31:07Z","msg":"started"}"#), Err((1, Reason::NotAccess)));
}

#[test]
fn keys_go_where_they_are_masked_and_names_where_they_show() {
    let format = generic();
    let line = br#"{"ts":1772461867.5,"method":"GET","uri":"/","status":200,"request":{"headers":{"Authorization":["Bearer abc"],"X-Secret":["s"]}},"client_id":"acme","api_key":"sk_live_1","resp_headers":{"Server":["Caddy"]}}"#;
    let record = format.parse(line).unwrap();
    assert_eq!(text(record.api_key.as_ref()).as_deref(), Some("sk_live_1"));
    assert_eq!(text(record.consumer.as_ref()).as_deref(), Some("acme"));
    assert!(record.extra.is_empty(), "{:?}", record.extra);
}
