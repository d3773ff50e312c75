//! What formats promise together: the shipped ones take their samples, pasted ones compile as their servers mean them,
//! rejects point into the line, and no bytes make anything panic.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::time::Zone;

mod shipped;

mod wrapped;

fn registry() -> Registry {
    Registry::built_in().unwrap_or_else(|e| panic!("{e} at {:?}", e.span))
}

fn text(value: Option<&Value<'_>>) -> String {
    value.map_or_else(|| "-".to_owned(), |v| String::from_utf8_lossy(v).into_owned())
}

/// Fields of a line by a pasted format: client, user, method, target, protocol, status, duration.
fn read(format: &str, line: &str) -> Result<String, String> {
    let template = Template::new("log_format", format, Zone::UTC).map_err(|e| format!("{e} at {:?}", e.span))?;
    let record = template.parse(line.as_bytes()).map_err(|r| format!("column {}: {}", r.column, r.reason))?;
    Ok(format!(
        "{} {} {} {} {} {} {}",
        text(record.client.as_ref()),
        text(record.user.as_ref()),
        text(record.method.as_ref()),
        text(record.target.as_ref()),
        text(record.protocol.as_ref()),
        record.status.map_or_else(|| "-".to_owned(), |s| s.to_string()),
        record.duration.map_or_else(|| "-".to_owned(), |d| d.to_string()),
    ))
}

const COMBINED: &str = r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent""#;

#[test]
fn a_sample_that_does_not_fit_and_a_format_without_sample_are_found() {
    let compile = |samples: &str| {
        let text =
            format!("kind = \"nginx\"\nlog_format = '$remote_addr [$time_local] \"$request\" $status'\n{samples}");
        Entry::compile(&crate::assets::Asset { file: "x.toml".to_owned(), origin: "x.toml".to_owned(), text }).unwrap()
    };
    assert!(compile("").check_samples()[0].contains("no [[samples]]"));
    let misfit = compile("[[samples]]\nline = 'nonsense'\nexpect = { status = 1 }");
    assert!(misfit.check_samples()[0].contains("column"), "{:?}", misfit.check_samples());
    let wrong = compile(
        "[[samples]]\nline = '192.0.2.1 [02/Mar/2026:14:31:07 +0000] \"GET / HTTP/1.1\" 200'\nexpect = { status = 404 }",
    );
    assert!(wrong.check_samples()[0].contains("expected 404, found 200"));
}

#[test]
fn the_origin_of_a_request_is_read_wherever_formats_have_it() {
    let line = |origin: &str| {
        format!(r#"192.0.2.1 - acme [02/Mar/2026:14:31:07 +0000] "GET /a HTTP/1.1" 200 5 "-" "-" "{origin}""#)
    };
    let origin = |record: &Record<'_>| {
        record
            .extra
            .iter()
            .find(|(name, _)| *name == "origin")
            .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    };
    for format in [
        format!("{COMBINED} \"$http_origin\""),
        r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" "%{Origin}i""#.to_owned(),
    ] {
        let template = Template::new("log_format", &format, Zone::UTC).unwrap();
        let said = template.parse(line("https://shop.example").as_bytes()).map(|record| origin(&record));
        assert_eq!(said.unwrap().as_deref(), Some("https://shop.example"), "{format}");
        assert_eq!(template.parse(line("-").as_bytes()).map(|record| origin(&record)).unwrap(), None);
    }
    let json = json::Json::new("json", Vec::new(), &[], Zone::UTC);
    for name in ["origin", "http_origin", "Origin"] {
        let line = format!(
            r#"{{"time":"2026-03-02T14:31:07Z","client":"203.0.113.9","method":"GET","path":"/a","status":200,"{name}":"https://shop.example"}}"#
        );
        let record = json.parse(line.as_bytes()).unwrap();
        assert_eq!(origin(&record).as_deref(), Some("https://shop.example"), "{name}");
    }
    let iis = w3c::W3c::new(
        "w3c",
        &["date time c-ip cs-method cs-uri-stem sc-status cs(Origin)".to_owned()],
        Vec::new(),
        &[],
        Zone::UTC,
    );
    let record = iis.parse(b"2026-03-02 14:31:07 203.0.113.9 GET /a 200 https://shop.example").unwrap();
    assert_eq!(origin(&record).as_deref(), Some("https://shop.example"));
}

#[test]
fn pasted_nginx_formats_read_as_nginx_means_them() {
    let line = r#"192.0.2.1 - acme [02/Mar/2026:14:31:07 +0000] "GET /a HTTP/1.1" 200 5 "-" "-" 0.031"#;
    let expected = Ok("192.0.2.1 acme GET /a HTTP/1.1 200 0.031".to_owned());
    let directive = "log_format timed '$remote_addr - $remote_user [$time_local] '\n  '\"$request\" $status $body_bytes_sent '  # sizes\n  '\"$http_referer\" \"$http_user_agent\" $request_time';\n";
    assert_eq!(read(directive, line), expected);
    assert_eq!(read(&format!("{COMBINED} $request_time"), line), expected);
    assert_eq!(read(&format!("'{COMBINED} ${{request_time}}'"), line), expected);
    assert_eq!(
        read(
            r#"$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \"$http_referer\" \"$http_user_agent\" $request_time"#,
            line
        ),
        expected
    );

    let json = r#"log_format j escape=json '{"t":"$time_iso8601","ip":"$remote_addr","user":"$remote_user","m":"$request_method","u":"$request_uri","s":$status,"rt":$request_time}';"#;
    let line =
        r#"{"t":"2026-03-02T14:31:07+00:00","ip":"192.0.2.1","user":"","m":"GET","u":"/a?b=\"c\"","s":200,"rt":0.031}"#;
    assert_eq!(read(json, line), Ok("192.0.2.1 - GET /a?b=\"c\" - 200 0.031".to_owned()));

    let upstreams = "$remote_addr $time_local $upstream_addr $upstream_response_time $status $request";
    let line = "192.0.2.1 02/Mar/2026:14:31:07 +0000 10.0.0.1:80, 10.0.0.2:80 : 10.0.0.3:80 0.1, 0.2 : 0.3 200 GET /a b 200 c HTTP/1.1";
    assert_eq!(
        read(upstreams, line).map(|r| r.split(' ').next_back().unwrap().chars().take(3).collect::<String>()),
        Ok("0.6".to_owned())
    );

    let parts = r"$msec $scheme://$host$uri$is_args$args $request_method $status [$remote_addr]:$remote_port";
    let line = "1772461867.031 https://api.example.com/a/b?c=d POST 201 [2001:db8::7]:50123";
    assert_eq!(read(parts, line), Ok("2001:db8::7 - POST /a/b?c=d - 201 -".to_owned()));
}

#[test]
fn pasted_apache_formats_read_as_apache_means_them() {
    let line = r#"192.0.2.1 - acme [02/Mar/2026:14:31:07 +0000] "GET /a HTTP/1.1" 200 5 "-" "-" 31000"#;
    let expected = Ok("192.0.2.1 acme GET /a HTTP/1.1 200 0.031".to_owned());
    assert_eq!(
        read(r#"LogFormat "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\" %D" timed"#, line),
        expected
    );
    assert_eq!(read(r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" %D"#, line), expected);
    let split = r"%{%Y-%m-%d %H:%M:%S}t.%{msec_frac}t %{%z}t %a %m %U%q %H %s %{ms}T %{X-Client-Id}i";
    let line = "2026-03-02 14:31:07.250 +0100 192.0.2.1 GET /a?b=c HTTP/1.1 200 31 acme";
    assert_eq!(read(split, line), Ok("192.0.2.1 - GET /a?b=c HTTP/1.1 200 0.031".to_owned()));
    let template = Template::new("log_format", split, Zone::UTC).unwrap();
    let record = template.parse(line.as_bytes()).unwrap();
    assert_eq!(record.time.to_rfc3339_millis(), "2026-03-02T13:31:07.250Z");
    assert_eq!(text(record.consumer.as_ref()), "acme");
    let proxied = r#"%{X-Forwarded-For}i %l %u %t "%r" %>s %b"#;
    let line = r#"203.0.113.9, 10.0.0.7 - acme [02/Mar/2026:14:31:07 +0000] "GET /a HTTP/1.1" 200 5"#;
    assert_eq!(read(proxied, line), Ok("10.0.0.7 acme GET /a HTTP/1.1 200 -".to_owned()));
    assert_eq!(
        read(
            "%t %400,501{User-agent}i|100%% %!200{Referer}i %>s %U",
            "[02/Mar/2026:14:31:07 +0000] curl|100% - 200 /x"
        ),
        Ok("- - - /x - 200 -".to_owned())
    );
}

#[test]
fn formats_that_cannot_work_say_where_and_what_instead() {
    let error = |format: &str| Template::new("x", format, Zone::UTC).map(|_| ()).unwrap_err();
    for (format, words, at) in [
        ("$remote_addr $ $status", "name of a variable after $", Some("$ ")),
        ("$remote_addr \"$request\" $status", "no time", None),
        ("[$time_local] $remote_addr", "nothing about the request", None),
        ("log_format main '$remote_addr [$time_local] \"$request\"", "not closed", Some("'")),
        ("log_format main escape=xml '$remote_addr'", "escape=default, escape=json or escape=none", Some("escape=xml")),
        ("%h %t %{Referer", "brace is not closed", None),
        ("%h %t %", "directive after %", None),
        ("%{%Q%!}t %r", "not a time format", Some("%{%Q%!}t")),
        ("", "empty", None),
    ] {
        let e = error(format);
        assert!(e.message.contains(words), "{format}: {}", e.message);
        if let Some(at) = at {
            assert!(format[e.span.clone().unwrap()].starts_with(at.trim()), "{format}: {:?}", e.span);
        }
    }
}

/// Found by the fuzz target `format_compiler`: the place ended inside a character.
#[test]
fn places_of_errors_are_whole_characters() {
    for format in ["%ts.%03tu %>a %é %rm", "logformat squid %ts %[un %\u{fffd}\u{7f}Sh", "%h %t %é", "%ci %ñ", "$é"]
    {
        for syntax in Syntax::names().filter_map(Syntax::parse) {
            if let Err(error) = Template::with_syntax("x", Some(syntax), format, Zone::UTC)
                && let Some(span) = &error.span
            {
                assert!(format.get(span.clone()).is_some(), "{format}: {span:?}");
                assert!(error.position(format).is_some(), "{format}: {span:?}");
            }
        }
    }
}

#[test]
fn fields_with_nothing_between_and_formats_without_escaping_are_warned_about() {
    let warnings = |format: &str| Template::new("x", format, Zone::UTC).unwrap().warnings().join("\n");
    let glued = warnings("[$time_local] $remote_addr$remote_user \"$request\" $status");
    assert!(glued.contains("remote_addr") && glued.contains("remote_user"), "{glued}");
    assert!(warnings("log_format x escape=none '[$time_local] $remote_addr \"$request\"';").contains("forge"));
    assert_eq!(warnings(COMBINED), "");
}

#[test]
fn requests_of_every_kind_are_read() {
    let line = |request: &str| format!(r#"192.0.2.1 - - [02/Mar/2026:14:31:07 +0000] "{request}" 400 5 "-" "-""#);
    let get = |request: &str| read(COMBINED, &line(request)).unwrap();
    assert_eq!(get("GET /a b HTTP/1.1"), "192.0.2.1 - GET /a b HTTP/1.1 400 -");
    assert_eq!(get("GET /"), "192.0.2.1 - GET / - 400 -");
    assert_eq!(get(r"GET /\x22a\x22 HTTP/1.1"), "192.0.2.1 - GET /\"a\" HTTP/1.1 400 -");
    assert_eq!(get(r#"GET /?a="b c" HTTP/1.1"#), "192.0.2.1 - GET /?a=\"b c\" HTTP/1.1 400 -");
    for odd in ["", "-", r"\x16\x03\x01\x00t", "SSH-2.0-PUTTY", "HELP"] {
        assert_eq!(get(odd), "192.0.2.1 - - - - 400 -", "{odd}");
    }
    let template = Template::new("x", COMBINED, Zone::UTC).unwrap();
    let line = line(r"\x16\x03\x01");
    assert_eq!(template.parse(line.as_bytes()).unwrap().odd_request.as_deref(), Some(&b"\x16\x03\x01"[..]));
    let quoted = format!("\"{line}\"");
    assert_eq!(template.parse(quoted.as_bytes()).unwrap().status, Some(400));
    let padded = format!("  {line} \r");
    assert_eq!(template.parse(padded.as_bytes()).unwrap().status, Some(400));
}

#[test]
fn stray_quotes_hide_no_line_but_do_not_pass_for_a_format() {
    let registry = Arc::new(registry());
    let parser = SourceParser::new(Choice::Named("nginx-main".to_owned()), registry.clone(), Zone::UTC).unwrap();
    let line = br#"192.0.2.1 - - [02/Mar/2026:14:31:07 +0000] "GET /a" b HTTP/1.1" 400 5 "-" "x" "y" "198.51.100.4""#;
    let record = parser.parse(line).unwrap();
    assert_eq!(text(record.target.as_ref()), "/a\" b");
    assert_eq!(text(record.user_agent.as_ref()), "x\" \"y");
    assert_eq!(text(record.forwarded_for.as_ref()), "198.51.100.4");
    assert!(registry.get("combined").unwrap().format().parse(line).is_err());
    let line = br#"192.0.2.1 - - [02/Mar/2026:14:31:07 +0000] "quit \" 400 5 "-" "x\" "-""#;
    assert_eq!(text(parser.parse(line).unwrap().odd_request.as_ref()), "quit \\");
}

#[test]
fn rejects_point_at_the_place_and_name_the_reason() {
    let registry = registry();
    let format = registry.get("combined").unwrap().format();
    let reject = |line: &str| format.parse(line.as_bytes()).map(|_| ()).map_err(|r| (r.column, r.reason));
    let head = "203.0.113.9 - acme [02/Mar/2026:14:31:07 +0000] ";
    assert_eq!(
        reject(&format!("{head}GET / HTTP/1.1 200 5 \"-\" \"-\"")),
        Err((head.len() as u32 + 1, Reason::Unquoted))
    );
    assert_eq!(reject(&format!("{head}\"GET / HTTP/1.1 200 5")), Err((head.len() as u32 + 2, Reason::Unquoted)));
    assert_eq!(reject("203.0.113.9 - acme [yesterday] \"GET / HTTP/1.1\" 200 5 \"-\" \"-\""), Err((21, Reason::Time)));
    assert_eq!(reject(&format!("{head}\"GET / HTTP/1.1\" ok 5 \"-\" \"-\"")).unwrap_err().1, Reason::Status);
    assert_eq!(reject(&format!("{head}\"GET / HTTP/1.1\" 200 many \"-\" \"-\"")).unwrap_err().1, Reason::Number);
    assert_eq!(reject(&format!("{head}\"GET / HTTP/1.1\" 200 5 \"-\" \"-\" more")).unwrap_err().1, Reason::Trailing);
    assert_eq!(reject("203.0.113.9 -").unwrap_err().1, Reason::TooShort);
    assert_eq!(reject("").unwrap_err(), (1, Reason::TooShort));
}

#[test]
fn rejects_are_written_with_fixed_words() {
    let reject = Reject { column: 41, reason: Reason::Unquoted };
    assert_eq!(serde_json::to_string(&reject).unwrap(), r#"{"column":41,"reason":"unquoted request"}"#);
    assert_eq!(Reason::Literal(b'"').to_string(), "expected '\\\"'");
    assert_eq!(Reason::NoFormat.to_string(), "no format fits");
}

#[test]
fn a_long_hostile_line_costs_linear_time() {
    let format = Template::new("x", COMBINED, Zone::UTC).unwrap();
    for filler in ["\" ", "\\\"", "\" \"", " - [", "] \"", "\\"] {
        let line = format!("192.0.2.1 - - [02/Mar/2026:14:31:07 +0000] \"{}", filler.repeat((1 << 20) / filler.len()));
        assert!(format.parse(line.as_bytes()).is_err());
    }
}

#[test]
fn a_log_in_two_formats_is_read_by_both_and_garbage_by_none() {
    let registry = Arc::new(registry());
    let mut lines: Vec<String> = (0..50)
        .map(|n| format!(r#"192.0.2.{n} - - [02/Mar/2026:14:31:07 +0000] "GET /{n} HTTP/1.1" 200 5 "-" "curl""#))
        .collect();
    lines.extend((0..9).map(|n| {
        format!(
            r#"{{"time":"2026-03-02T14:31:07Z","client_ip":"192.0.2.1","method":"GET","path":"/{n}","status":200}}"#
        )
    }));
    lines.push("2021/12/01 13:53:33 [error] 31#31: *46 not found".to_owned());
    let sample: Vec<&[u8]> = lines.iter().map(String::as_bytes).collect();
    let mut parser = SourceParser::new(Choice::Auto, registry.clone(), Zone::UTC).unwrap();
    assert!(parser.wants_sample() && !parser.is_decided());
    assert_eq!(parser.parse(sample[0]).unwrap_err().reason, Reason::NoFormat);
    let guess = parser.offer(&sample);
    assert_eq!(guess.format.as_deref(), Some("combined"), "{}", guess.reason);
    assert!(guess.reason.starts_with("combined reads 50 of 60 lines"), "{}", guess.reason);
    assert_eq!(parser.parse(sample[0]).unwrap().format, "combined");
    assert_eq!(parser.parse(sample[55]).unwrap().format, "json");
    assert!(parser.parse(sample[59]).is_err());

    let decision = parser.decision().unwrap();
    let stored: Decision = serde_json::from_str(&serde_json::to_string(&decision).unwrap()).unwrap();
    let mut again = SourceParser::new(Choice::Auto, registry.clone(), Zone::UTC).unwrap();
    again.restore(&stored);
    assert!(!again.wants_sample());
    assert_eq!(again.parse(sample[55]).unwrap().format, "json");

    let garbage: Vec<Vec<u8>> = (0..200u32)
        .map(|n| (0..80).map(|i| (n.wrapping_mul(2_654_435_761).wrapping_add(i * 97) >> 3) as u8).collect())
        .collect();
    let garbage: Vec<&[u8]> = garbage.iter().map(Vec::as_slice).collect();
    let none = super::guess(&garbage, &registry);
    assert_eq!((none.format.clone(), none.lines), (None, 200), "{}", none.reason);
    assert_eq!(super::guess(&garbage, &registry), none);
    assert_eq!(super::guess(&[], &registry).format, None);
}

#[test]
fn a_log_that_changes_its_format_is_decided_anew() {
    let registry = Arc::new(registry());
    let old = r#"192.0.2.1 - - [02/Mar/2026:14:31:07 +0000] "GET / HTTP/1.1" 200 5 "-" "curl""#;
    let new = r#"{"time":"2026-03-02T14:31:07Z","client_ip":"192.0.2.1","method":"GET","path":"/","status":200}"#;
    let mut parser = SourceParser::new(Choice::Auto, registry, Zone::UTC).unwrap();
    parser.offer(&[old.as_bytes()]);
    assert!((0..1000).all(|_| parser.parse(old.as_bytes()).is_ok()) && !parser.wants_sample());
    assert!((0..1000).all(|_| parser.parse(new.as_bytes()).is_err()) && parser.wants_sample());
    parser.offer(&[new.as_bytes()]);
    assert_eq!(parser.parse(new.as_bytes()).unwrap().format, "json");
    assert_eq!(parser.parse(old.as_bytes()).unwrap().format, "combined");
    assert!(!parser.wants_sample());
}

#[test]
fn files_on_disk_replace_and_join_the_shipped_formats() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("mine.toml", "kind = 'nginx'\nlog_format = '$remote_addr|$msec|$status|$request'");
    write("common.toml", "description = 'another'\nkind = 'apache'\nlog_format = '%h %t %r %s'");
    let registry = Registry::with_dir(directory.path()).unwrap();
    assert_eq!(registry.get("common").unwrap().description, "another");
    let record_of = registry.get("mine").unwrap().format();
    let record = record_of.parse(b"192.0.2.1|1772461867.5|200|GET /a b HTTP/1.1").unwrap();
    assert_eq!((record.format, record.status, text(record.target.as_ref())), ("mine", Some(200), "/a b".to_owned()));
    assert!(registry.get("combined").is_some());

    write("broken.toml", "kind = 'nginx'\nlog_format = '$status'");
    let error = Registry::with_dir(directory.path()).map(|_| ()).unwrap_err();
    assert!(error.origin.ends_with("broken.toml") && error.message.contains("no time"), "{error}");
    assert_eq!(&error.text[error.span.unwrap()], "$status");
}

#[test]
fn names_that_are_not_known_are_answered_with_the_nearest() {
    let registry = Arc::new(registry());
    let error =
        SourceParser::new(Choice::Named("combind".to_owned()), registry.clone(), Zone::UTC).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("did you mean \"combined\"?"), "{error}");
    let named = SourceParser::new(Choice::Named("common".to_owned()), registry, Zone::UTC).unwrap();
    assert!(named.is_decided() && !named.wants_sample() && named.decision().is_none());
}

#[test]
fn times_without_zone_are_read_in_the_zone_of_the_source() {
    let registry = Arc::new(registry());
    let zurich = Zone::parse("Europe/Zurich").unwrap();
    let parser = SourceParser::new(Choice::Named("haproxy".to_owned()), registry.clone(), zurich).unwrap();
    let line = &registry.get("haproxy").unwrap().samples[0].line;
    assert_eq!(parser.parse(line.as_bytes()).unwrap().time.to_rfc3339_millis(), "2015-01-14T11:48:57.127Z");
}

#[test]
fn the_format_file_that_the_readme_shows_works() {
    let readme = include_str!("../../parsers/README.md");
    let text = readme.split("```toml\n").nth(1).unwrap().split("```").next().unwrap().to_owned();
    let asset = crate::assets::Asset { file: "api.toml".to_owned(), origin: "README".to_owned(), text };
    let entry = Entry::compile(&asset).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(entry.check_samples(), Vec::<String>::new());
    for name in role::Role::names() {
        assert!(readme.contains(name), "parsers/README.md does not name the field {name}");
    }
}

#[test]
fn broken_format_files_are_pointed_at() {
    let check = |text: &str, words: &str, at: &str| {
        let asset =
            crate::assets::Asset { file: "x.toml".to_owned(), origin: "/etc/x.toml".to_owned(), text: text.to_owned() };
        let error = Entry::compile(&asset).map(|_| ()).unwrap_err();
        assert!(error.message.contains(words), "{text}: {}", error.message);
        assert!(text[error.span.clone().unwrap()].contains(at), "{text}: {:?}", error.span.map(|s| &text[s]));
    };
    check("kind = \"xml\"", "w3c", "xml");
    check("kind = \"nginx\"\nlog_format = ['[$time_local] \"$request\"', '$status']", "no time", "$status");
    check("kind = \"nginx\"\nlog_format = ['[$time_local] \"$request\"', '[$time_local] $']", "after $", "$");
    check(
        "kind = \"nginx\"\nlog_format = ['[$time_local] \"$request\"', '[$time_local] $uri']\n[fields]\nhost = \"h\"",
        "no variable \"h\"",
        "$request",
    );
    check("kind = \"nginx\"", "expected log_format", "nginx");
    check("kind = \"json\"\nlog_format = '$x'", "[fields]", "$x");
    check("kind = \"nginx\"\nlog_format = '[$time_local] $ \"$request\"'", "after $", "$");
    check("kind = \"json\"\n[fields]\nstatos = \"s\"", "status", "statos");
    check("kind = \"json\"\n[fields]\nduration = \"d\"\n[units]\nduration = \"h\"", "\"ms\"", "h");
    check("kind = \"json\"\nzone = \"Mars\"", "Europe/Zurich", "Mars");
    check("kind = \"json\"\nfeilds = 1", "feilds", "feilds");
}

/// A line of a shipped sample with some bytes changed, or any bytes.
fn hostile_line() -> impl Strategy<Value = Vec<u8>> {
    let samples: Vec<String> = registry().iter().flat_map(|e| e.samples.iter().map(|s| s.line.clone())).collect();
    let changed = (
        proptest::sample::select(samples),
        proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        any::<prop::sample::Index>(),
    )
        .prop_map(|(line, changes, cut)| {
            let mut line = line.into_bytes();
            for (at, byte) in changes {
                let at = at.index(line.len());
                line[at] = byte;
            }
            let end = line.len() - cut.index(line.len() * 4).min(line.len() / 2);
            line.truncate(end.max(1));
            line
        });
    prop_oneof![changed, proptest::collection::vec(any::<u8>(), 0..300)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_line_makes_a_shipped_format_panic_and_rejects_stay_inside_it(line in hostile_line()) {
        static REGISTRY: std::sync::OnceLock<Registry> = std::sync::OnceLock::new();
        for entry in REGISTRY.get_or_init(registry).iter() {
            match entry.format().parse(&line) {
                Ok(record) => prop_assert_eq!(record.format, entry.name.as_str()),
                Err(reject) => prop_assert!(reject.column >= 1 && reject.column as usize <= line.len() + 1, "{} {:?}", entry.name, reject),
            }
        }
    }

    #[test]
    fn no_text_makes_the_compilers_panic(
        pieces in proptest::collection::vec(prop_oneof![
            proptest::sample::select(vec!["$remote_addr", "$time_local", "\"$request\"", "$status", "${uri}", "$", "%", "%h", "%t", "%{", "}t", "%{%Y}t", "%{msec_frac}t", "%r", "%>s", "log_format x ", "escape=json ", "'", "\"", "\\", ";", " ", "LogFormat \"", "é", "[", "]"]).prop_map(str::to_owned),
            "\\PC{0,3}",
        ], 0..14),
        line in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        if let Ok(template) = Template::new("x", &pieces.concat(), Zone::UTC) {
            let _ = template.parse(&line);
        }
    }
}
