//! Times: by their looks, by patterns of strftime and Java, as numbers; zones and spans as the configuration writes them.
#![cfg_attr(fuzzing, no_main)]

use std::sync::OnceLock;

use lapwing::format::{Format, Syntax, Template};
use lapwing::time::{Span, Timestamp, Zone};

/// Formats that hold a time of each kind and a status.
fn formats() -> &'static [Template] {
    static FORMATS: OnceLock<Vec<Template>> = OnceLock::new();
    FORMATS.get_or_init(|| {
        let zurich = Zone::parse("Europe/Zurich").expect("a zone");
        let of = |name: &str, text: &str| Template::with_syntax("x", Syntax::parse(name), text, zurich).expect("a format");
        vec![
            of("nginx", "\"$time_local\" $status"),
            of("nginx", "\"$time_iso8601\" $status"),
            of("nginx", "$msec| $status"),
            of("apache", "%{%Y-%m-%d %H:%M:%S %z}t| %>s"),
            of("apache", "%{%a, %d %b %y %I:%M:%S %p}t| %>s"),
            of("apache", "%{%s}t.%{usec_frac}t| %>s"),
            of("tomcat", "%{dd/MMM/yyyy:HH:mm:ss.SSS Z}t| %s"),
            of("haproxy", "%tr| %ST"),
            of("squid", "%ts.%03tu| %>Hs"),
        ]
    })
}

/// One input: a time, or what a client would like to be taken for one.
pub fn run(data: &[u8]) {
    let mut lines = vec![[b"\"", data, b"\" 200"].concat(), [data, b"| 200"].concat(), [b"[", data, b"]| 200"].concat()];
    lines.push(data.to_vec());
    for format in formats() {
        for line in &lines {
            let Ok(record) = format.parse(line) else { continue };
            assert_written(record.time);
            let again = format.parse(line).map(|record| record.time);
            assert!(again.is_ok_and(|time| time == record.time), "read twice, read alike");
        }
    }
    let text = String::from_utf8_lossy(data);
    if let Some(time) = Timestamp::parse(&text) {
        assert_written(time);
    }
    let _ = Span::parse(&text);
    if let (Ok(zone), Some(time)) = (Zone::parse(&text), Timestamp::parse("2026-03-29T01:30:00Z")) {
        assert!(!zone.abbreviation(time).is_empty());
        assert_written(zone.instant(zone.wall(time)));
    }
}

/// What was read can be written, and read again where years have four digits.
fn assert_written(time: Timestamp) {
    let text = time.to_rfc3339_millis();
    if (0..10_000).contains(&chrono_year(&text)) {
        assert_eq!(Timestamp::parse(&text), Some(time), "{text}");
    }
}

fn chrono_year(text: &str) -> i64 {
    let end = text.get(1..).and_then(|rest| rest.find('-')).map_or(text.len(), |at| at + 1);
    text.get(..end).and_then(|year| year.parse().ok()).unwrap_or(i64::MAX)
}

/// Where inputs begin: one of each usual form.
#[allow(dead_code)]
pub fn seeds() -> Vec<Vec<u8>> {
    let forms = [
        "02/Mar/2026:14:31:07 +0000",
        "02/Mar/2026:14:31:07.250 -0130",
        "2026-03-02T14:31:07.123456789+05:45",
        "2026-03-02 14:31",
        "20260302T143107Z",
        "20260302143107",
        "1772461867",
        "1772461867.031",
        "1772461867031",
        "1772461867031000",
        "1772461867031000000",
        "Mon, 02 Mar 2026 14:31:07 GMT",
        "Monday, 02-Mar-26 14:31:07 GMT",
        "Mon Mar  2 14:31:07 2026",
        "Mar  2 14:31:07",
        "2026-03-29 02:30:00",
        "2026-10-25 02:30:00",
        "2026-03-02 14:31:07 +0100",
        "Mon, 02 Mar 26 02:31:07 PM",
        "2026-06-30T23:59:60Z",
        "0000-00-00T00:00:00Z",
        "9999-12-31T23:59:59.999+23:59",
        "Europe/Zurich",
        "90m",
    ];
    forms.map(|form| form.as_bytes().to_vec()).to_vec()
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));
