//! Numbers, times and lists as people say them.
//!
//! Everything here is a pure function of its arguments. Values that make no sense (not a number, negative) still give
//! readable words, since templates call these with whatever a detector found.

use chrono::{Datelike, NaiveDateTime};

use crate::time::{Span, Timestamp, Zone};

/// A count with thousands separated: `7`, `1,240`, `2.3 million`.
pub fn count(n: f64) -> String {
    let n = tidy(n);
    if n >= 1e15 {
        return "more than a million billion".to_owned();
    }
    for (unit, size) in [("billion", 1e9), ("million", 1e6)] {
        if n >= size {
            return format!("{} {unit}", one_decimal(n / size));
        }
    }
    grouped(n.round() as u64)
}

/// A measured number, rounded to what people take in: `about 1,200`, `about 58`, `about 2.6`.
pub fn about(n: f64) -> String {
    format!("about {}", rough(n))
}

/// How often, from a rate per minute: `about 12 a minute`, `about 20 an hour`, `about 3 a day`.
pub fn rate(per_minute: f64) -> String {
    rate_of("", per_minute)
}

/// How often something happens: `about 12 requests a minute`.
pub fn rate_of(things: &str, per_minute: f64) -> String {
    let per_minute = tidy(per_minute);
    let things = if things.is_empty() { String::new() } else { format!(" {things}") };
    if per_minute <= 0.0 {
        return format!("no{}", if things.is_empty() { "ne" } else { &things });
    }
    let (n, each) = [(per_minute, "a minute"), (per_minute * 60.0, "an hour"), (per_minute * 1440.0, "a day")]
        .into_iter()
        .find(|(n, _)| *n >= 0.95)
        .unwrap_or((0.0, "a day"));
    if n == 0.0 {
        return format!("less than one{} a day", things.strip_suffix('s').unwrap_or(&things));
    }
    let n = rough(if n < 10.0 { n.round() } else { n });
    if n == "1" {
        return format!("about one{} {each}", things.strip_suffix('s').unwrap_or(&things));
    }
    format!("about {n}{things} {each}")
}

/// How many times as much: `twice`, `2.6 times`, `about 200 times`.
pub fn times(factor: f64) -> String {
    let factor = tidy(factor);
    match factor {
        f if f >= 100_000.0 => "more than 100,000 times".to_owned(),
        f if (1.95..2.05).contains(&f) => "twice".to_owned(),
        f if (2.95..3.05).contains(&f) => "three times".to_owned(),
        f if f < 9.95 => format!("{} times", one_decimal(f)),
        f => format!("about {} times", rough(f)),
    }
}

/// A share between 0 and 1: `38 %`, `0.4 %`, `less than 0.1 %`. Only the whole is `100 %`.
pub fn percent(share: f64) -> String {
    let percent = tidy(share) * 100.0;
    match percent {
        p if p <= 0.0 => "0 %".to_owned(),
        p if p < 0.095 => "less than 0.1 %".to_owned(),
        p if p < 9.95 => format!("{} %", one_decimal(p)),
        p if p > 99.0 && p < 100.0 => "over 99 %".to_owned(),
        p => format!("{} %", grouped(p.round() as u64)),
    }
}

/// A length of time: `40 s`, `3 min`, `2 h 10 min`, `3 days 4 h`.
pub fn duration(span: Span) -> String {
    let seconds = (tidy(span.secs_f64())).round() as u64;
    let two = |a: u64, unit_a: &str, b: u64, unit_b: &str| {
        if b == 0 { format!("{a} {unit_a}") } else { format!("{a} {unit_a} {b} {unit_b}") }
    };
    let minutes = (seconds + 30) / 60;
    let hours = (seconds + 1800) / 3600;
    match seconds {
        0 => "less than a second".to_owned(),
        60 => "1 min".to_owned(),
        1..90 => format!("{seconds} s"),
        90..3570 => format!("{minutes} min"),
        3570..172_770 => two(minutes / 60, "h", minutes % 60, "min"),
        172_770..863_000 => two(hours / 24, "days", hours % 24, "h"),
        _ => format!("{} days", grouped((hours + 12) / 24)),
    }
}

/// How long an answer takes: `240 ms`, `1.8 s`, `2 min`.
pub fn latency(span: Span) -> String {
    match tidy(span.secs_f64()) {
        s if s < 0.9995 => format!("{} ms", (s * 1000.0).round()),
        s if s < 9.95 => format!("{} s", one_decimal(s)),
        _ => duration(span),
    }
}

/// A length of time to its largest unit, for titles: `6 h`, `3 days`.
pub fn roughly(span: Span) -> String {
    let unit = match span {
        s if s < Span::HOUR => return duration(s),
        s if s < Span::DAY.times(2) => Span::HOUR,
        _ => Span::DAY,
    };
    duration(unit.times(span.millis() / unit.millis()))
}

/// How often something repeats: `about every 3 minutes`, `several times a second`.
pub fn every(gap: Span) -> String {
    let seconds = tidy(gap.secs_f64());
    if seconds < 0.75 {
        return "several times a second".to_owned();
    }
    let (n, unit) = match seconds {
        s if s < 99.5 => (s, "second"),
        s if s < 5_970.0 => (s / 60.0, "minute"),
        s if s < 172_000.0 => (s / 3600.0, "hour"),
        s => (s / 86_400.0, "day"),
    };
    match n.round() as u64 {
        0 | 1 => format!("about every {unit}"),
        n => format!("about every {} {unit}s", grouped(n)),
    }
}

/// An instant as people near `at` say it, with its zone: `14:02 UTC`, on another day `9 March 14:02 UTC`, in the week to
/// come `Monday 14:02 UTC`.
pub fn clock(t: Timestamp, at: Timestamp, zone: Zone) -> String {
    format!("{} {}", wall(t, at, zone), zone.abbreviation(t))
}

/// Two instants: `14:02 to 14:44 UTC`.
pub fn from_to(start: Timestamp, end: Timestamp, at: Timestamp, zone: Zone) -> String {
    let (from, to) = (zone.abbreviation(start), zone.abbreviation(end));
    let from = if from == to { String::new() } else { format!(" {from}") };
    let same_day = zone.wall(start).date() == zone.wall(end).date();
    let end = if same_day { zone.wall(end).format("%H:%M").to_string() } else { wall(end, at, zone) };
    format!("{}{from} to {end} {to}", wall(start, at, zone))
}

fn wall(t: Timestamp, at: Timestamp, zone: Zone) -> String {
    let (t, at): (NaiveDateTime, NaiveDateTime) = (zone.wall(t), zone.wall(at));
    let ahead = (t.date() - at.date()).num_days();
    let form = match (t.date() == at.date(), t.year() == at.year()) {
        (true, _) => "%H:%M",
        _ if (1..7).contains(&ahead) => "%A %H:%M",
        (false, true) => "%-d %B %H:%M",
        (false, false) => "%-d %B %Y %H:%M",
    };
    t.format(form).to_string()
}

/// An amount of money: `$412`, `$1.58`, `CHF 12,400`.
pub fn money(amount: f64, currency: &str) -> String {
    let amount = tidy(amount);
    let sign = match currency {
        "USD" | "" => "$".to_owned(),
        "EUR" => "€".to_owned(),
        "GBP" => "£".to_owned(),
        "JPY" => "¥".to_owned(),
        other => format!("{other} "),
    };
    if amount > 0.0 && amount < 0.005 {
        return format!("less than {sign}0.01");
    }
    if amount >= 99.995 || currency == "JPY" || amount == 0.0 {
        return format!("{sign}{}", count(amount));
    }
    format!("{sign}{amount:.2}")
}

/// Names in a row, at most `shown` of them: `a, b and 3 more`.
pub fn list<S: AsRef<str>>(names: &[S], shown: usize) -> String {
    row(names, shown, true)
}

/// The same of names that are themselves only the first of many: `a, b and others`.
pub fn list_of_many<S: AsRef<str>>(names: &[S], shown: usize) -> String {
    row(names, shown, false)
}

fn row<S: AsRef<str>>(names: &[S], shown: usize, all: bool) -> String {
    let shown = shown.max(1);
    // Naming one more takes no more room than "and 1 more".
    let shown = if all && names.len() == shown + 1 { shown + 1 } else { shown };
    let mut words: Vec<String> = names.iter().take(shown).map(|n| n.as_ref().to_owned()).collect();
    if !all {
        words.push("others".to_owned());
    } else if names.len() > shown {
        words.push(format!("{} more", names.len() - shown));
    }
    match words.pop() {
        None => String::new(),
        Some(only) if words.is_empty() => only,
        Some(last) => format!("{} and {last}", words.join(", ")),
    }
}

/// So many things: `one address`, `37 addresses`.
pub fn plural(n: f64, one: &str, many: &str) -> String {
    if tidy(n).round() == 1.0 { format!("one {one}") } else { format!("{} {many}", count(n)) }
}

/// Requests and how many of them failed: `12 requests, 3 of them failed`, `one request, which failed`.
pub fn requests(requests: f64, failed: f64) -> String {
    let all = plural(requests, "request", "requests");
    match (tidy(requests).round() as u64, tidy(failed).round() as u64) {
        (_, 0) => all,
        (1, _) => format!("{all}, which failed"),
        (n, f) if f >= n => format!("{all}, all of which failed"),
        (_, f) => format!("{all}, {} of them failed", count(f as f64)),
    }
}

/// A part of a number of requests: `11 of 21 requests`, `all 21 requests`, `one request`.
pub fn of_requests(part: f64, requests: f64) -> String {
    match (tidy(part).round() as u64, tidy(requests).round() as u64) {
        (p, n) if p < n => format!("{} of {} requests", count(p as f64), count(n as f64)),
        (p, _) if p > 1 => format!("all {} requests", count(p as f64)),
        (p, _) => plural(p as f64, "request", "requests"),
    }
}

/// A value of a notice in its unit: `about 58 requests a minute`, `38 % of requests`, `37 new addresses`.
pub fn measured(value: f64, unit: &str) -> String {
    if let Some(things) = unit.strip_suffix("/min") {
        return rate_of(things, value);
    }
    if let Some(of) = unit.strip_prefix("share") {
        return format!("{}{of}", percent(value));
    }
    let value = tidy(value);
    let number = if value.fract() == 0.0 || value >= 10.0 { count(value) } else { one_decimal(value) };
    match unit {
        "" => number,
        things if number == "1" => format!("one {}", things.strip_suffix('s').unwrap_or(things)),
        things => format!("{number} {things}"),
    }
}

/// What is usual in a unit that was just named: `about 2 a minute`, `0.4 %`, `none`.
pub fn usual(value: f64, unit: &str) -> String {
    match unit {
        u if u.ends_with("/min") => rate(value),
        u if u.starts_with("share") && value > 0.0 => percent(value),
        _ if tidy(value) < 0.5 => "none".to_owned(),
        _ => measured(value, ""),
    }
}

/// What another finding means, from a detector's name: `errors`, `more traffic`.
pub fn harm(detector: &str) -> String {
    match detector {
        "burst" => "more traffic",
        "error-spike" => "more errors",
        "leaked-key" => "use from new addresses",
        "retry-loop" => "a repeated call",
        "traffic-drop" => "missing traffic",
        "budget" => "use of a budget",
        "harvesting" => "collecting of data",
        "enumeration" => "probing",
        "credential-stuffing" => "password guessing",
        "scope-creep" => "new kinds of use",
        "workflow" => "skipped steps",
        "impossible-travel" => "use in two places at once",
        "payload-size" => "unusual sizes",
        "drift" => "a changed mix of requests",
        "slow-response" => "slow responses",
        other => return other.replace('-', " "),
    }
    .to_owned()
}

/// The text with its first letter large.
pub fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// Two significant digits, grouped: enough to judge by.
fn rough(n: f64) -> String {
    let n = tidy(n);
    if n < 9.95 {
        return one_decimal(n);
    }
    let step = 10f64.powf(n.log10().floor() - 1.0);
    count((n / step).round() * step)
}

/// One decimal, or none where it is zero.
fn one_decimal(n: f64) -> String {
    let text = format!("{n:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Zero for what is not a number or negative; the largest number for infinity.
fn tidy(n: f64) -> f64 {
    if n.is_nan() { 0.0 } else { n.clamp(0.0, 1e18) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_said_as_people_say_them() {
        let counts = [(0.0, "0"), (7.0, "7"), (1240.0, "1,240"), (1_234_567.0, "1.2 million"), (f64::NAN, "0")];
        for (n, words) in counts {
            assert_eq!(count(n), words);
        }
        let rates = [
            (1234.0, "about 1,200 a minute"),
            (58.0, "about 58 a minute"),
            (1.9, "about 2 a minute"),
            (1.0, "about one a minute"),
            (0.33, "about 20 an hour"),
            (0.002, "about 3 a day"),
            (0.00001, "less than one a day"),
            (0.0, "none"),
        ];
        for (n, words) in rates {
            assert_eq!(rate(n), words);
        }
        assert_eq!(rate_of("requests", 1.0), "about one request a minute");
        assert_eq!(rate_of("requests", 0.0), "no requests");
        let factors = [
            (1.3, "1.3 times"),
            (2.0, "twice"),
            (2.6, "2.6 times"),
            (3.01, "three times"),
            (41.3, "about 41 times"),
            (203.0, "about 200 times"),
            (f64::INFINITY, "more than 100,000 times"),
        ];
        for (n, words) in factors {
            assert_eq!(times(n), words);
        }
        let shares = [
            (0.0, "0 %"),
            (0.0001, "less than 0.1 %"),
            (0.004, "0.4 %"),
            (0.02, "2 %"),
            (0.382, "38 %"),
            (0.999, "over 99 %"),
            (1.0, "100 %"),
        ];
        for (n, words) in shares {
            assert_eq!(percent(n), words);
        }
        for (n, unit, words) in [
            (58.0, "requests/min", "about 58 requests a minute"),
            (0.38, "share of requests", "38 % of requests"),
            (37.0, "new addresses", "37 new addresses"),
            (1.0, "calls", "one call"),
        ] {
            assert_eq!(measured(n, unit), words);
        }
    }

    #[test]
    fn failures_agree_with_their_number() {
        for (n, failed, words) in [
            (12.0, 0.0, "12 requests"),
            (12.0, 3.0, "12 requests, 3 of them failed"),
            (12.0, 12.0, "12 requests, all of which failed"),
            (1.0, 1.0, "one request, which failed"),
        ] {
            assert_eq!(requests(n, failed), words);
        }
        for (part, n, words) in [
            (1.0, 3.0, "1 of 3 requests"),
            (1100.0, 2100.0, "1,100 of 2,100 requests"),
            (21.0, 21.0, "all 21 requests"),
            (1.0, 1.0, "one request"),
        ] {
            assert_eq!(of_requests(part, n), words);
        }
    }

    #[test]
    fn lengths_of_time_read_well() {
        for (seconds, words) in [
            (0, "less than a second"),
            (40, "40 s"),
            (60, "1 min"),
            (173, "3 min"),
            (3600, "1 h"),
            (7800, "2 h 10 min"),
            (86_400 * 3 + 14_400, "3 days 4 h"),
            (86_400 * 12, "12 days"),
        ] {
            assert_eq!(duration(Span::from_secs(seconds)), words);
        }
        assert_eq!(roughly(Span::from_mins(365)), "6 h");
        assert_eq!(roughly(Span::from_hours(80)), "3 days");
        for (ms, words) in [
            (100, "several times a second"),
            (1_000, "about every second"),
            (30_000, "about every 30 seconds"),
            (173_000, "about every 3 minutes"),
            (7_200_000, "about every 2 hours"),
        ] {
            assert_eq!(every(Span::from_millis(ms)), words);
        }
    }

    #[test]
    fn instants_show_their_date_only_when_it_is_not_today_and_always_their_zone() {
        let t = |text| Timestamp::parse(text).unwrap();
        let at = t("2026-03-10T14:10:00Z");
        assert_eq!(clock(t("2026-03-10T14:02:00Z"), at, Zone::UTC), "14:02 UTC");
        assert_eq!(clock(t("2026-03-09T23:10:00Z"), at, Zone::UTC), "9 March 23:10 UTC");
        assert_eq!(clock(t("2026-03-16T09:00:00Z"), at, Zone::UTC), "Monday 09:00 UTC");
        assert_eq!(clock(t("2026-03-17T09:00:00Z"), at, Zone::UTC), "17 March 09:00 UTC");
        assert_eq!(clock(t("2025-12-31T23:10:00Z"), at, Zone::UTC), "31 December 2025 23:10 UTC");
        let zurich = Zone::parse("Europe/Zurich").unwrap();
        assert_eq!(clock(t("2026-03-09T23:10:00Z"), at, zurich), "00:10 CET");
        assert_eq!(from_to(t("2026-03-10T13:00:00Z"), at, at, Zone::UTC), "13:00 to 14:10 UTC");
        assert_eq!(from_to(t("2026-03-09T23:00:00Z"), at, at, Zone::UTC), "9 March 23:00 to 14:10 UTC");
        // Yesterday's incident told today: the date once.
        let night = from_to(t("2026-03-09T21:00:00Z"), t("2026-03-09T23:00:00Z"), at, Zone::UTC);
        assert_eq!(night, "9 March 21:00 to 23:00 UTC");
        // Far outside the calendar: words all the same.
        assert!(clock(Timestamp::MAX, Timestamp::MIN, zurich).contains(':'));
    }

    #[test]
    fn money_and_lists() {
        for (amount, words) in [(1.58, "$1.58"), (412.3, "$412"), (12_400.0, "$12,400"), (0.001, "less than $0.01")] {
            assert_eq!(money(amount, "USD"), words);
        }
        assert_eq!(money(412.0, "CHF"), "CHF 412");
        let names = ["/a", "/b", "/c", "/d", "/e"];
        assert_eq!(list(&names, 2), "/a, /b and 3 more");
        assert_eq!(list(&names[..3], 2), "/a, /b and /c");
        assert_eq!(list(&names[..2], 2), "/a and /b");
        assert_eq!(list(&names[..1], 2), "/a");
        assert_eq!(list::<&str>(&[], 2), "");
        assert_eq!(list_of_many(&names, 2), "/a, /b and others");
        assert_eq!(plural(1.0, "address", "addresses"), "one address");
        assert_eq!(plural(37.0, "address", "addresses"), "37 addresses");
    }
}
