//! The language: what it means, what it refuses and how, and that no text makes it fall over.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use proptest::prelude::*;

use super::bound::{self, Against, Unit};
use super::condition::Line;
use super::field::{FIELDS, Field, Kind};
use super::guard::Heads;
use super::schedule::Schedule;
use super::spec::{Step, parse_step};
use super::words::{self, Piece};
use super::{Problem, compile};

/// A line given by its fields.
#[derive(Default)]
struct Given {
    texts: BTreeMap<&'static str, &'static str>,
    numbers: BTreeMap<&'static str, f64>,
    flags: Vec<&'static str>,
}

impl Line for Given {
    fn text(&self, field: &Field) -> Option<Cow<'_, [u8]>> {
        self.texts.get(field.name().as_str()).map(|text| Cow::Borrowed(text.as_bytes()))
    }
    fn number(&self, field: &Field) -> Option<f64> {
        self.numbers.get(field.name().as_str()).copied()
    }
    fn address(&self) -> Option<IpAddr> {
        self.texts.get("client")?.parse().ok()
    }
    fn flag(&self, field: &Field) -> bool {
        self.flags.contains(&field.name().as_str())
    }
}

fn line() -> Given {
    Given {
        texts: [
            ("path", "/v1/exports/7"),
            ("endpoint", "/v1/exports/{id}"),
            ("method", "POST"),
            ("client", "10.1.2.3"),
            ("user_agent", "Mozilla/5.0 (X11) CURL/8.5"),
            ("key", "acme"),
            ("weekday", "sunday"),
            ("query.page", "17"),
            ("field.pool", "blue"),
        ]
        .into(),
        numbers: [("status", 503.0), ("duration", 2.5), ("bytes_out", 10e6), ("cost", 0.7), ("query.page", 17.0)]
            .into(),
        flags: vec!["static"],
    }
}

fn holds(text: &str) -> bool {
    compile(text).unwrap_or_else(|problems| panic!("{text}: {problems:?}")).holds(&line())
}

fn wrong(text: &str) -> Vec<Problem> {
    compile(text).err().unwrap_or_else(|| panic!("{text} is taken"))
}

#[test]
fn conditions_mean_what_they_say() {
    for (text, expected) in [
        ("status >= 500", true),
        ("status < 500 or status == 503", true),
        ("status in [500, 502, 503] and method == \"post\"", true),
        ("status not in [500, 503]", false),
        ("path startswith '/v1/' and not path endswith \"/8\"", true),
        ("path startswith [\"/v2\", \"/v1/exports\"]", true),
        ("path like \"/v1/*/7\"", true),
        ("path like \"/v1/*/7*8\"", false),
        ("path like \"*exports*\" && !(status == 200)", true),
        ("path not contains \"exports\"", false),
        ("user_agent contains \"curl\"", true),
        ("path contains \"EXPORTS\"", false),
        ("client cidr [\"192.0.2.0/24\", \"10.0.0.0/8\"]", true),
        ("client cidr \"10.1.2.3\"", true),
        ("client == \"10.1.2.3\"", true),
        ("client not cidr \"10.0.0.0/8\"", false),
        ("duration > 2s and duration < 3000ms", true),
        ("bytes_out >= 10MB and bytes_out < 10MiB", true),
        ("cost >= 0.7", true),
        ("static", true),
        ("not crawler and static", true),
        ("weekday in [\"Saturday\", \"Sunday\"]", true),
        ("query.page == \"17\" and query.page > 9", true),
        ("field.pool == \"blue\" and field.other == \"x\"", false),
        ("key exists and tier not exists", true),
        // Not and before and before or.
        ("status == 200 or status == 503 and key == \"acme\"", true),
        ("(status == 503 or status == 200) and key == \"x\"", false),
        ("not status == 200 and key == \"x\"", false),
    ] {
        assert_eq!(holds(text), expected, "{text}");
    }
}

#[test]
fn what_a_line_lacks_is_equal_to_nothing() {
    for (text, expected) in [
        ("tier == \"gold\"", false),
        ("tier != \"gold\"", true),
        ("not tier == \"gold\"", true),
        ("tier not in [\"gold\"]", true),
        ("tokens_out > 10", false),
        ("tokens_out <= 10", false),
        ("not tokens_out > 10", true),
        ("referer contains \"x\"", false),
        ("referer exists", false),
    ] {
        assert_eq!(holds(text), expected, "{text}");
    }
}

#[test]
fn errors_point_and_say_what_was_meant() {
    let first = |text: &str| {
        let problem = wrong(text).remove(0);
        (text[problem.span.clone()].to_owned(), problem.message, problem.help.unwrap_or_default())
    };
    for (text, marked, message, help) in [
        ("statsu >= 500", "statsu", "no field is called \"statsu\"", "did you mean \"status\"?"),
        ("ip == \"10.0.0.1\"", "ip", "no field is called \"ip\"", "did you mean \"client\"?"),
        ("lower(path) == \"x\"", "(", "expected an operator, found (", "there are no functions"),
        ("status = 500", "=", "expected an operator, found =", "equality is written =="),
        ("status == \"500\"", "\"500\"", "\"status\" is a number; it cannot be compared with a text", "status >= 500"),
        ("path > 5", ">", "\">\" does not fit \"path\", which is a text", "startswith"),
        ("duration > 2", "2", "\"duration\" is a length of time; it cannot be compared with 2", "duration > 2s"),
        ("duration > 2MB", "2MB", "cannot be compared with 2MB", "duration > 2s"),
        ("status cidr \"10.0.0.0/8\"", "cidr", "\"cidr\" does not fit \"status\"", "status >= 500"),
        ("client == \"10.0.0.0/8\"", "\"10.0.0.0/8\"", "is a network, not one address", "client cidr"),
        ("client cidr \"10.0.0.0/99\"", "\"10.0.0.0/99\"", "is not a network", "10.0.0.0/8"),
        (
            "path startwith \"/v1\"",
            "startwith",
            "expected an operator, found \"startwith\"",
            "did you mean \"startswith\"?",
        ),
        ("status >= 500 AND static", "AND", "found \"AND\"", "written small"),
        ("status", "status", "\"status\" is a number, not a condition", "status >= 500"),
        ("static == true", "static", "it stands alone", "write: static"),
        ("path == /v1", "/", "'/' is not a sign of this language", "texts stand in quotes"),
        ("key == acme", "acme", "expected a value, found \"acme\"", "\"acme\""),
        ("(status >= 500", "", "expected \")\", found the end", ""),
        ("status in []", "[", "this list is empty", ""),
        ("status in 500", "500", "expected a list", ""),
        ("status >= [500]", "[", "compares with one value", ""),
        ("key == \"acme", "\"acme", "this text does not end", ""),
        ("weekday == \"sundy\"", "\"sundy\"", "\"weekday\" is never \"sundy\"", "did you mean \"sunday\"?"),
        ("hour == 24", "24", "\"hour\" is never 24", "0 to 23"),
        ("status >= 5000", "5000", "never 5000", "three digits"),
        ("", "", "this condition is empty", "status >= 500"),
        ("field. == 1", "field.", "needs a name", ""),
    ] {
        let (at, said, offered) = first(text);
        assert_eq!(at, marked, "{text}");
        assert!(said.contains(message), "{text}: {said}");
        assert!(offered.contains(help), "{text}: {offered}");
    }
    assert_eq!(wrong("statsu == 1 and pth == \"x\" or status == \"x\"").len(), 3, "all errors of names and types");
}

#[test]
fn nesting_and_length_are_bounded() {
    let deep = |n: usize| format!("{}static{}", "(".repeat(n), ")".repeat(n));
    assert!(compile(&deep(32)).is_ok());
    assert!(wrong(&deep(33))[0].message.contains("deeper than 32"));
    assert!(wrong(&format!("{}static", "not ".repeat(5000)))[0].message.contains("longer"));
    assert!(wrong(&format!("{}static", "!".repeat(2000)))[0].message.contains("deeper"));
    assert!(compile(&vec!["static"; 500].join(" or ")).is_ok(), "a long row is not deep");
}

#[test]
fn every_field_is_known_by_its_name_and_can_be_asked_for() {
    for (name, field, kind, about) in FIELDS {
        assert_eq!(Field::parse(name).as_ref(), Ok(field));
        assert_eq!((field.name().as_str(), field.kind()), (*name, *kind));
        assert!(!about.is_empty() && !about.ends_with('.'));
        let text = match kind {
            Kind::Text | Kind::Loose if *field == Field::Weekday => format!("{name} == \"monday\""),
            Kind::Text | Kind::Loose => format!("{name} == \"x\""),
            Kind::Number => format!("{name} > 5"),
            Kind::Span => format!("{name} > 5s"),
            Kind::Size => format!("{name} > 5kB"),
            Kind::Address => format!("{name} cidr \"10.0.0.0/8\""),
            Kind::Flag => (*name).to_owned(),
        };
        assert_eq!(compile(&text).unwrap().fields(), std::slice::from_ref(field), "{text}");
    }
    assert_eq!(Field::parse("query.a-b"), Ok(Field::Parameter("a-b".to_owned())));
    assert_eq!(compile("field.\"x cache\" == \"HIT\"").unwrap().fields(), [Field::Extra("x cache".to_owned())]);
}

#[test]
fn bounds_have_units_and_baselines() {
    let span = Unit::Of(Kind::Span);
    for (text, unit, against) in [
        ("100", Unit::Count, Against::Number(100.0)),
        ("10k", Unit::Count, Against::Number(10_000.0)),
        ("2s", span, Against::Number(2.0)),
        ("1.5m", span, Against::Number(90.0)),
        ("10 MB", Unit::Of(Kind::Size), Against::Number(1e7)),
        ("5%", Unit::Share, Against::Number(0.05)),
        ("5 x usual", Unit::Count, Against::Usual(5.0)),
        ("2.5 × before", span, Against::Before(2.5)),
        ("3 times usual", Unit::Share, Against::Usual(3.0)),
    ] {
        assert_eq!(bound::parse(text, unit), Ok(against), "{text}");
    }
    for (text, unit, said) in [
        ("5", Unit::Share, "\"5%\""),
        ("500%", Unit::Share, "\"5%\""),
        ("2", span, "\"2s\""),
        ("much", Unit::Count, "a number"),
        ("5 x usal", Unit::Count, "did you mean \"usual\"?"),
        ("0 x usual", Unit::Count, "a factor between"),
        ("-3", Unit::Count, "a number"),
    ] {
        let error = bound::parse(text, unit).unwrap_err();
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn steps_have_names_and_numbers() {
    let names = ["fail".to_owned(), "success".to_owned()];
    let step = |event, times, absent| Step { event, times, absent };
    assert_eq!(parse_step("fail", &names), Ok(step(0, 1, false)));
    assert_eq!(parse_step(" 10 x fail ", &names), Ok(step(0, 10, false)));
    assert_eq!(parse_step("not success", &names), Ok(step(1, 1, true)));
    for (text, said) in [
        ("fial", "did you mean \"fail\"?"),
        ("0 x fail", "from 1 to 1000"),
        ("ten x fail", "a number"),
        ("not 3 x fail", "before a name alone"),
    ] {
        let error = parse_step(text, &names).unwrap_err();
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn schedules_cover_hours_of_days() {
    let covers = |texts: &[&str], day: usize, hour: u16| {
        let mut schedule = Schedule::default();
        for text in texts {
            schedule.add(text).unwrap();
        }
        schedule.covers(day, hour * 60)
    };
    assert!(covers(&[], 6, 3));
    assert!(covers(&["mon-fri 08:00-18:00"], 0, 8) && !covers(&["mon-fri 08:00-18:00"], 0, 18));
    assert!(!covers(&["mon-fri 08:00-18:00"], 5, 12) && covers(&["not mon-fri 08:00-18:00"], 5, 12));
    assert!(covers(&["22:00-06:00"], 3, 23) && covers(&["22:00-06:00"], 3, 5) && !covers(&["22:00-06:00"], 3, 12));
    // Friday's night ends on Saturday morning, Thursday's on Friday.
    assert!(covers(&["fri 22:00-06:00"], 5, 3) && !covers(&["fri 22:00-06:00"], 4, 3));
    assert!(covers(&["sat,sun", "12:00-13:00"], 6, 4) && covers(&["sat,sun", "12:00-13:00"], 2, 12));
    assert!(covers(&["fri-mon"], 6, 1) && !covers(&["fri-mon"], 2, 1));
    assert!(covers(&["Monday 00:00-24:00"], 0, 23));
    for (text, said) in [
        ("mon-fry 08:00-18:00", "did you mean \"fri\"?"),
        ("mon-fri 8-18", "08:00-18:00"),
        ("08:00-25:00", "08:00-18:00"),
        ("08:00-08:00", "08:00-18:00"),
        ("mon 08:00-18:00 please", "mon-fri 08:00-18:00"),
    ] {
        let error = Schedule::default().add(text).unwrap_err();
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn words_name_what_there_is() {
    let text = words::parse("{who} made {observed}, {{really}}").unwrap();
    let plain = |text: &str| Piece::Plain(text.to_owned());
    assert_eq!(text, [Piece::Name("who"), plain(" made "), Piece::Name("observed"), plain(", {really}")]);
    for (text, marked, said) in [
        ("{whom} called", "whom", "no name is called \"whom\""),
        ("{who called", "{who called", "not closed"),
        ("who} called", "}", "closes nothing"),
        ("  ", "  ", "empty"),
    ] {
        let problem = words::parse(text).unwrap_err();
        assert_eq!(&text[problem.span.clone()], marked);
        assert!(problem.message.contains(said), "{}", problem.message);
    }
    assert!(words::parse("{whom}").unwrap_err().help.unwrap().contains("\"who\""));
}

#[test]
fn a_guard_says_how_lines_begin_that_can_meet_a_condition() {
    let passes = |text: &str, path: &str, method: &str| {
        let guard = compile(text).unwrap().guard();
        let heads = Heads::of(Some(path.as_bytes()), None, Some(method.as_bytes()));
        guard.map(|guard| guard.passes(&heads))
    };
    for (text, expected) in [
        ("path == \"/login\"", Some(true)),
        ("path == \"/log\"", Some(false)),
        ("path == \"/login/7\"", Some(false)),
        ("path startswith \"/log\"", Some(true)),
        ("path startswith \"/login\"", Some(true)),
        ("path startswith \"/login/\"", Some(false)),
        ("path startswith [\"/v1\", \"/l\"]", Some(true)),
        ("status == 500 and method == \"GET\" and path contains \"x\"", Some(false)),
        ("method in [\"GET\", \"post\"] and status == 500", Some(true)),
        ("path == \"/a\" or path startswith \"/b\"", Some(false)),
        ("path == \"/a\" or path startswith \"/lo\"", Some(true)),
        ("endpoint == \"/login\"", Some(false)),
        // Nothing can be said by these.
        ("path != \"/a\"", None),
        ("path == \"/a\" or method == \"GET\"", None),
        ("path == \"/a\" or status == 500", None),
        ("not path startswith \"/a\"", None),
        ("status == 500", None),
    ] {
        assert_eq!(passes(text, "/login", "POST"), expected, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_does_not_pass_a_guard_cannot_meet_its_condition(
        text in guarded(),
        path in "/[ab]{0,9}",
        endpoint in proptest::option::of("/[ab]{0,9}"),
        method in "[aA][bB]{0,9}",
    ) {
        let condition = compile(&text).unwrap();
        let leak = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
        let mut given = Given::default();
        given.texts.extend([("path", leak(&path)), ("method", leak(&method))]);
        given.texts.extend(endpoint.as_deref().map(|endpoint| ("endpoint", leak(endpoint))));
        let heads = Heads::of(Some(path.as_bytes()), endpoint.as_deref().map(str::as_bytes), Some(method.as_bytes()));
        if condition.guard().is_some_and(|guard| !guard.passes(&heads)) {
            prop_assert!(!condition.holds(&given), "{text}: {path} {endpoint:?} {method}");
        }
    }

    /// Whatever stands there: an answer, and problems that lie within the text.
    #[test]
    fn any_text_is_read_or_refused(text in texts()) {
        match compile(&text) {
            Ok(condition) => { condition.holds(&line()); }
            Err(problems) => {
                prop_assert!(!problems.is_empty());
                for problem in problems {
                    prop_assert!(problem.span.end <= text.len() && problem.span.start <= problem.span.end);
                    prop_assert!(text.get(problem.span.clone()).is_some(), "{text:?} {:?}", problem.span);
                    prop_assert!(!problem.message.is_empty());
                }
            }
        }
        if let Err(problem) = words::parse(&text) {
            prop_assert!(text.get(problem.span).is_some());
        }
        let _ = Schedule::default().add(&text);
        let _ = parse_step(&text, &["a".to_owned()]);
        let _ = bound::parse(&text, Unit::Share);
    }

    /// A pattern of stars holds for exactly the texts that it describes.
    #[test]
    fn like_is_what_a_plain_search_finds(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
        let condition = compile(&format!("path like \"{pattern}\""));
        if let Ok(condition) = condition {
            let given = Given { texts: [("path", &*text.clone().leak())].into(), ..Given::default() };
            prop_assert_eq!(condition.holds(&given), slowly(pattern.as_bytes(), text.as_bytes()), "{} {}", pattern, text);
        }
    }
}

fn slowly(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=text.len()).any(|at| slowly(rest, &text[at..])),
        (Some((p, rest)), Some((t, texts))) => p == t && slowly(rest, texts),
        _ => false,
    }
}

/// Conditions about what guards look at, and beside it.
fn guarded() -> impl Strategy<Value = String> {
    let tests = prop_oneof![
        ("(path|endpoint)", "(==|!=|startswith|endswith|contains)", "/[ab]{0,9}")
            .prop_map(|(f, o, v)| format!("{f} {o} \"{v}\"")),
        ("(path|endpoint)", "/[ab]{0,9}", "/[ab]{0,9}").prop_map(|(f, a, b)| format!("{f} in [\"{a}\", \"{b}\"]")),
        ("(==|startswith)", "[aA][bB]{0,9}").prop_map(|(o, v)| format!("method {o} \"{v}\"")),
        Just("status exists".to_owned()),
    ];
    tests.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), "(and|or)", inner.clone()).prop_map(|(a, o, b)| format!("({a} {o} {b})")),
            inner.prop_map(|a| format!("not ({a})")),
        ]
    })
}

fn texts() -> impl Strategy<Value = String> {
    let words = vec![
        "status",
        "path",
        "client",
        "duration",
        "static",
        "query.a",
        "field.\"x y\"",
        "and",
        "or",
        "not",
        "in",
        "==",
        "!=",
        "<=",
        ">",
        "(",
        ")",
        "[",
        "]",
        ",",
        "\"x\"",
        "'",
        "\"",
        "\\",
        "500",
        "2s",
        "5%",
        "1e9",
        "cidr",
        "\"10.0.0.0/8\"",
        "like",
        "\"*a*\"",
        "exists",
        "&&",
        "||",
        "!",
        "=",
        "é",
        "{who}",
        "{",
        "}}",
        "mon-fri",
        "08:00-18:00",
        "3 x a",
    ];
    let word = prop_oneof![12 => proptest::sample::select(words).prop_map(str::to_owned), 1 => "\\PC{0,4}"];
    proptest::collection::vec(word, 0..14).prop_map(|words| words.join(" "))
}
