//! W3C logs say their own columns, and say them anew.

use super::*;

fn text(value: Option<&super::super::Value<'_>>) -> String {
    value.map_or_else(|| "-".to_owned(), |v| String::from_utf8_lossy(v).into_owned())
}

fn iis() -> W3c {
    let usual = "date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) sc-status sc-substatus sc-win32-status time-taken";
    W3c::new("w3c", &[usual.to_owned()], Vec::new(), &[], Zone::UTC)
}

#[test]
fn columns_are_those_of_the_last_fields_line() {
    let format = iis();
    let usual = b"2026-03-02 14:31:07 192.0.2.1 GET /a - 443 - 203.0.113.9 curl/8.5.0 200 0 0 15";
    assert_eq!(text(format.parse(usual).unwrap().client.as_ref()), "203.0.113.9");
    let directive = |line: &str| format.parse(line.as_bytes()).map(|_| ()).unwrap_err().reason;
    assert_eq!(directive("#Software: Microsoft Internet Information Services 10.0"), Reason::Directive);
    assert_eq!(directive("#Fields: date time c-ip cs-method cs-uri-stem sc-status"), Reason::Directive);
    let line = b"2026-03-02 14:31:08 203.0.113.7 GET /b 404";
    let record = format.parse(line).unwrap();
    assert_eq!((text(record.client.as_ref()), record.status), ("203.0.113.7".to_owned(), Some(404)));
    assert_eq!(format.parse(usual).unwrap_err().reason, Reason::Trailing);
    assert_eq!(directive("#Fields: time c-ip cs-method cs-uri sc-status cs(X-Forwarded-For)"), Reason::Directive);
    assert_eq!(format.parse(b"14:31:08 203.0.113.7 GET /b 404 -").unwrap_err().reason, Reason::Time);
    assert_eq!(directive("#Date: 2026-03-02 00:00:00"), Reason::Directive);
    let record = format.parse(b"14:31:08 203.0.113.7 GET /b?c=d 404 198.51.100.4").unwrap();
    assert_eq!(record.time.to_rfc3339_millis(), "2026-03-02T14:31:08.000Z");
    assert_eq!(text(record.forwarded_for.as_ref()), "198.51.100.4");
    // What the log said is to be had, and can be said to another parser.
    let again = iis();
    again.set_layout(&format.layout().unwrap());
    assert_eq!(again.parse(b"14:31:08 203.0.113.7 GET /b 404 -").unwrap_err().reason, Reason::Time);
    assert!(format.anew().layout().is_none());
}

#[test]
fn a_source_may_map_columns_and_ask_for_them() {
    let place = |text: &str| super::super::FieldPlace::parse(text).unwrap();
    let mut fields = Fields::default();
    fields.map("tenant", vec![place("header:X-Tenant"), place("x-tenant-name")]);
    fields.map("tokens_out", vec![place("x-tokens")]);
    fields.ask(place("header:User-Agent"));
    let format = iis().within(&Context::new(Zone::UTC, fields.only_asked()));
    let columns = "#Fields: date time c-ip cs-method cs-uri-stem sc-status x-tenant-name cs(X-Tenant) x-tokens cs(User-Agent) x-other";
    assert_eq!(format.parse(columns.as_bytes()).map(|_| ()).unwrap_err().reason, Reason::Directive);
    let extra = |record: &Record<'_>| -> Vec<String> {
        record.extra.iter().map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value))).collect()
    };
    let record = format.parse(b"2026-03-02 14:31:08 203.0.113.7 GET /b 404 acme beta 12 curl x").unwrap();
    assert_eq!(extra(&record), ["cs(User-Agent)=curl", "tenant=beta"]);
    assert_eq!((record.tokens_out, text(record.user_agent.as_ref())), (Some(12), "curl".to_owned()));
    let record = format.parse(b"2026-03-02 14:31:08 203.0.113.7 GET /b 404 acme - many - x").unwrap();
    assert_eq!(extra(&record), ["tenant=acme"]);
    assert_eq!(record.tokens_out, None);
}

#[test]
fn rejects_point_into_the_line() {
    let format = iis();
    drop(format.parse(b"#Fields: date time c-ip cs-method cs-uri-stem sc-status"));
    let reject = |line: &str| format.parse(line.as_bytes()).map(|_| ()).map_err(|r| (r.column, r.reason));
    assert_eq!(reject("2026-03-02 14:31:08 203.0.113.7 GET"), Err((36, Reason::TooShort)));
    assert_eq!(reject("2026-03-02 14:31:08 203.0.113.7 GET / 200 more"), Err((43, Reason::Trailing)));
    assert_eq!(reject("2026-03-02 14:31:08 203.0.113.7 GET / ok"), Err((39, Reason::Status)));
    assert_eq!(reject("yesterday 14:31:08 203.0.113.7 GET / 200"), Err((1, Reason::Time)));
    assert_eq!(reject("2026-03-02 noon 203.0.113.7 GET / 200"), Err((12, Reason::Time)));
    assert_eq!(reject("2026-03-02 14:31:08 203.0.113.7 [2]USER anonymous 331"), Err((33, Reason::NotHttp)));
    assert_eq!(reject("# a remark of nobody"), Err((1, Reason::NotAccess)));
    assert_eq!(reject("#Fields: what nobody knows"), Err((1, Reason::NotAccess)));
    assert_eq!(reject("2026-03-02 14:31:08 203.0.113.7 GET / 200"), Err((1, Reason::NotAccess)));
}

#[test]
fn values_may_be_quoted_padded_or_empty() {
    let format = iis();
    drop(format.parse(b"#Fields: date time c-ip cs-method cs-uri-stem sc-status cs(User-Agent) x-note"));
    let record = format.parse(br#"2026-03-02 14:31:08  203.0.113.7 GET / 200 "a ""b"" c" "-""#).unwrap();
    assert_eq!(text(record.user_agent.as_ref()), "a \"b\" c");
    assert!(record.extra.is_empty());
    let record = format.parse(b"2026-03-02\t14:31:08\t203.0.113.7\tGET\t/a b\t200\tx%20%41%zz\t").unwrap();
    assert_eq!(
        (text(record.target.as_ref()), text(record.user_agent.as_ref())),
        ("/a b".to_owned(), "x A%zz".to_owned())
    );
    let record = format.parse(br#"2026-03-02 14:31:08 203.0.113.7 GET / 200 "open -"#).unwrap();
    assert_eq!(text(record.user_agent.as_ref()), "\"open");
}

#[test]
fn hostile_lines_cost_linear_time() {
    let format = iis();
    let fields = format!("#Fields: date time c-ip cs-method cs-uri-stem sc-status {}", "x ".repeat(100_000));
    assert!(format.parse(fields.as_bytes()).is_err());
    for filler in ["\" ", "\"\"", "\t", " ", "a ", "%2", "+"] {
        let line = format!("2026-03-02 14:31:08 203.0.113.7 GET / 200 {}", filler.repeat((1 << 20) / filler.len()));
        drop(format.parse(line.as_bytes()));
    }
}
