//! What pasted formats promise together: every server's string compiles or says where it is wrong, fields go where the
//! source's configuration says, and times without zone follow their neighbours.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::time::Zone;

const CLF: &str = "02/Mar/2026:14:31:07 +0000";

fn parser(choice: Choice, fields: Fields) -> SourceParser {
    SourceParser::with_fields(choice, Arc::new(Registry::built_in().unwrap()), Zone::UTC, fields)
        .unwrap_or_else(|e| panic!("{e}"))
}

fn pasted(format: &str, fields: Fields) -> SourceParser {
    parser(Choice::Template(format.to_owned()), fields)
}

fn places(list: &[&str]) -> Vec<FieldPlace> {
    list.iter().map(|text| FieldPlace::parse(text).unwrap()).collect()
}

fn field(record: &Record<'_>, name: &str) -> String {
    record.field(name).map_or_else(|| "-".to_owned(), |v| String::from_utf8_lossy(&v).into_owned())
}

fn names(record: &Record<'_>) -> Vec<String> {
    record.extra.iter().map(|(name, _)| (*name).to_owned()).collect()
}

#[test]
fn fields_of_a_pasted_format_go_where_the_source_says() {
    let format = "$remote_addr [$time_local] \"$request\" $status $upstream_http_x_usage_in $sent_http_x_in \"$my_tenant\" $cookie_sid $upstream_addr";
    let mut fields = Fields::default();
    fields.map("tokens_in", places(&["header:x-usage-in", "header:x-in"]));
    fields.map("tenant", places(&["$my_tenant"]));
    fields.map("session", places(&["cookie:sid"]));
    let parser = pasted(format, fields);
    assert_eq!(parser.warnings(), [] as [String; 0]);
    let read = |usage: &str| {
        let line = format!("192.0.2.1 [{CLF}] \"GET / HTTP/1.1\" 200 {usage} \"acme x\" s-1 10.0.0.1:80");
        let record = parser.parse(line.as_bytes()).unwrap();
        ["tokens_in", "tenant", "session", "upstream_addr"].map(|name| field(&record, name)).join("|")
    };
    assert_eq!(read("12 7"), "12|acme x|s-1|10.0.0.1:80", "the first place leads");
    assert_eq!(read("- 7"), "7|acme x|s-1|10.0.0.1:80", "the second stands in");
    assert_eq!(read("many 7"), "7|acme x|s-1|10.0.0.1:80", "a word costs the field, not the line");
    assert_eq!(read("- -"), "-|acme x|s-1|10.0.0.1:80");
}

#[test]
fn a_mapped_field_that_the_format_has_not_is_said_with_those_it_has() {
    let mut fields = Fields::default();
    fields.map("cost", places(&["header:x-cost"]));
    let parser = pasted("$remote_addr [$time_local] $request", fields);
    let warning = parser.warnings().join("\n");
    assert!(
        warning.contains("cost = \"header:x-cost\"") && warning.contains("remote_addr, time_local, request"),
        "{warning}"
    );
}

#[test]
fn fields_of_json_go_where_the_source_says() {
    let mut fields = Fields::default();
    fields.map("tokens_in", places(&["json:/meta/used/in", "header:x-in"]));
    fields.map("model", places(&["json:/body/engine"]));
    fields.map("tenant", places(&["header:x-tenant"]));
    fields.map("upstream_status", places(&["json:up.code"]));
    for place in places(&["json:/auth/user", "header:x-plan"]) {
        fields.ask(place);
    }
    let parser = parser(Choice::Named("json".to_owned()), fields);
    let line = |inner: &str| {
        format!(
            r#"{{"time":"2026-03-02T14:31:07Z","method":"GET","path":"/a","status":200,"model":"wrong","prompt_tokens":99,{inner}}}"#
        )
    };
    let text = line(
        r#""meta":{"used":{"in":12}},"body":{"engine":"large"},"up":{"code":502},"auth":{"user":"bob"},"request":{"headers":{"X-Tenant":["acme"],"X-Plan":"gold","X-Other":"x"}}"#,
    );
    let record = parser.parse(text.as_bytes()).unwrap();
    for (name, expected) in [
        ("tokens_in", "12"),
        ("model", "large"),
        ("tenant", "acme"),
        ("upstream_status", "502"),
        ("auth.user", "bob"),
        ("request.headers.X-Plan", "gold"),
        ("request.headers.X-Other", "-"),
    ] {
        assert_eq!(field(&record, name), expected, "{name}");
    }
    let text = line(r#""headers":{"x-in":"7"}"#);
    assert_eq!(field(&parser.parse(text.as_bytes()).unwrap(), "tokens_in"), "7");
    let mut fields = Fields::default();
    fields.map("subject", places(&["header:authorization"]));
    let both = self::parser(Choice::Named("json".to_owned()), fields);
    let text_of_both = line(r#""headers":{"Authorization":"Bearer x"}"#);
    let record = both.parse(text_of_both.as_bytes()).unwrap();
    assert_eq!((field(&record, "subject"), field(&record, "api_key")), ("Bearer x".to_owned(), "Bearer x".to_owned()));
    let text = line(r#""a":1"#);
    assert_eq!(
        field(&parser.parse(text.as_bytes()).unwrap(), "tokens_in"),
        "99",
        "without any of them usual names count"
    );
}

#[test]
fn usage_of_language_models_is_found_by_itself() {
    let parser = parser(Choice::Named("json".to_owned()), Fields::default());
    for (inner, tokens_in, tokens_out, model, cost) in [
        (
            r#""model":"a","usage":{"prompt_tokens":12,"completion_tokens":3,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":4}}"#,
            "12",
            "3",
            "a",
            "-",
        ),
        (
            r#""response":{"model":"b","usage":{"input_tokens":12,"output_tokens":3,"cache_read_input_tokens":5}}"#,
            "12",
            "3",
            "b",
            "-",
        ),
        (
            r#""model":"c","prompt_tokens":12,"completion_tokens":3,"response_cost":0.25,"metadata":{"user_api_key_alias":"acme"}"#,
            "12",
            "3",
            "c",
            "0.25",
        ),
        (
            r#""gen_ai.request.model":"d","gen_ai.usage.input_tokens":12,"gen_ai.usage.output_tokens":3"#,
            "12",
            "3",
            "d",
            "-",
        ),
        (
            r#""modelId":"e","input":{"inputTokenCount":12},"output":{"outputTokenCount":3},"spend":"0.5""#,
            "12",
            "3",
            "e",
            "0.5",
        ),
        (r#""usageMetadata":{"promptTokenCount":12,"candidatesTokenCount":3}"#, "12", "3", "-", "-"),
    ] {
        let line =
            format!(r#"{{"time":"2026-03-02T14:31:07Z","method":"POST","path":"/v1/chat","status":200,{inner}}}"#);
        let record = parser.parse(line.as_bytes()).unwrap_or_else(|e| panic!("{line}: {e:?}"));
        let found = ["tokens_in", "tokens_out", "model", "cost"].map(|name| field(&record, name));
        assert_eq!(found, [tokens_in, tokens_out, model, cost].map(str::to_owned), "{inner}");
    }
}

#[test]
fn extra_fields_are_dropped_where_nobody_asks() {
    let format = "$remote_addr [$time_local] \"$request\" $status $foo $bar $http_x_plan";
    let line = format!("192.0.2.1 [{CLF}] \"GET / HTTP/1.1\" 200 1 2 gold");
    let all = pasted(format, Fields::default());
    assert_eq!(names(&all.parse(line.as_bytes()).unwrap()), ["foo", "bar", "http_x_plan"]);
    let none = pasted(format, Fields::default().only_asked());
    assert_eq!(names(&none.parse(line.as_bytes()).unwrap()), [] as [&str; 0]);
    let mut fields = Fields::default();
    fields.ask(FieldPlace::parse("header:X-Plan").unwrap());
    fields.ask(FieldPlace::parse("remote_addr").unwrap());
    let some = pasted(format, fields.only_asked());
    let record = some.parse(line.as_bytes()).unwrap();
    assert_eq!(names(&record), ["http_x_plan", "remote_addr"]);
    assert_eq!(field(&record, "client"), "192.0.2.1", "a field that is asked for keeps its role");
    let json = parser(Choice::Named("json".to_owned()), Fields::default().only_asked());
    let line = br#"{"time":1772461867,"method":"GET","path":"/","status":200,"a":1,"b":"x","c":true}"#;
    assert_eq!(names(&json.parse(line).unwrap()), [] as [&str; 0]);
}

#[test]
fn fields_without_a_separator_are_named_with_what_to_write() {
    for (format, first, second, example) in [
        (
            "[$time_local] $remote_addr$remote_user \"$request\"",
            "remote_addr",
            "remote_user",
            "$remote_addr $remote_user",
        ),
        ("%t %h%u \"%r\" %>s", "remote_host", "remote_user", "%h %u"),
        ("%ci%cp [%tr] %ST %{+Q}r", "client_ip", "client_port", "%ci %cp"),
        ("%START_TIME% %RESPONSE_CODE%%BYTES_SENT%", "response_code", "bytes_sent", "%RESPONSE_CODE% %BYTES_SENT%"),
        ("%(t)s %(h)s%(u)s \"%(r)s\"", "remote_addr", "user", "%(h)s %(u)s"),
        ("%tl %>a%>Hs %rm %ru", "client", "status", "%>a %>Hs"),
    ] {
        let warnings = pasted(format, Fields::default()).warnings().join("\n");
        assert!(warnings.contains(&format!("between {first} and {second}")), "{format}: {warnings}");
        assert!(warnings.contains(&format!("as in {example}")), "{format}: {warnings}");
    }
    // These begin or end by themselves.
    for format in
        ["%t %m %U%q %s", "$time_local $request_method $host$request_uri $status", "%t \"%r\"%>s\"%{Referer}i\""]
    {
        assert_eq!(pasted(format, Fields::default()).warnings(), [] as [String; 0], "{format}");
    }
}

#[test]
fn a_name_or_a_format_may_stand_in_the_same_place() {
    assert_eq!(Choice::parse("auto"), Choice::Auto);
    assert_eq!(Choice::parse("combined"), Choice::Named("combined".to_owned()));
    for format in ["$remote_addr [$time_local]", "%h", "log_format x '$a';", "{\"a\":\"$b\"}"] {
        assert_eq!(Choice::parse(format), Choice::Template(format.to_owned()));
    }
    let error = SourceParser::new(Choice::Template("[$time_local]\n $ x".to_owned()), Arc::default(), Zone::UTC);
    assert!(error.map(|_| ()).unwrap_err().to_string().ends_with("(line 2, column 2 of the log format)"));
}

#[test]
fn day_and_time_of_day_in_two_fields_are_one_time() {
    let zurich = Zone::parse("Europe/Zurich").unwrap();
    for (format, line) in [
        ("$date $time $c_ip $cs_method $cs_uri_stem $status", "2026-03-02 14:31:07 192.0.2.1 GET /a 200"),
        ("$date\t$time\t$c_ip\t$cs_method\t$cs_uri_stem\t$status", "2026-03-02\t14:31:07\t192.0.2.1\tGET\t/a\t200"),
        ("%{%Y-%m-%d}t %{%H:%M:%S}t %a %m %U %s", "2026-03-02 14:31:07 192.0.2.1 GET /a 200"),
    ] {
        let parser = SourceParser::new(Choice::Template(format.to_owned()), Arc::default(), zurich).unwrap();
        let record = parser.parse(line.as_bytes()).unwrap_or_else(|e| panic!("{format}: {e:?}"));
        assert_eq!(record.time.to_rfc3339(), "2026-03-02T13:31:07Z", "{format}");
        assert_eq!(field(&record, "target"), "/a");
    }
    let json = parser(Choice::Named("json".to_owned()), Fields::default());
    let line = br#"{"date":"2026-03-02","time":"14:31:07.25","c-ip":"192.0.2.1","cs-method":"GET","cs-uri-stem":"/a","sc-status":200}"#;
    assert_eq!(json.parse(line).unwrap().time.to_rfc3339_millis(), "2026-03-02T14:31:07.250Z");
}

#[test]
fn lines_of_the_hour_that_clocks_repeat_go_on() {
    let zurich = Zone::parse("Europe/Zurich").unwrap();
    let format = "%{%Y-%m-%d %H:%M:%S}t %h \"%r\" %>s";
    let parser = SourceParser::new(Choice::Template(format.to_owned()), Arc::default(), zurich).unwrap();
    let time = |clock: &str| {
        let line = format!("2026-10-25 {clock} 192.0.2.1 \"GET / HTTP/1.1\" 200");
        parser.parse(line.as_bytes()).unwrap().time.to_rfc3339()
    };
    let clocks = ["01:59:59", "02:00:00", "02:59:59", "02:00:00", "02:40:00", "02:59:59", "03:00:00"];
    let times = clocks.map(time);
    assert!(times.is_sorted(), "{times:?}");
    assert_eq!((times[2].as_str(), times[3].as_str()), ("2026-10-25T00:59:59Z", "2026-10-25T01:00:00Z"));
}

/// A format put together of what servers' formats are made of, whole or broken.
fn any_format() -> impl Strategy<Value = String> {
    let words = vec![
        "$remote_addr",
        "$time_local",
        "\"$request\"",
        "$status",
        "${uri}",
        "$",
        "%",
        "%h",
        "%t",
        "%{",
        "}t",
        "%{%Y}t",
        "%{msec_frac}t",
        "%r",
        "%>s",
        "%^",
        "%^FB",
        "%{x}^ti",
        "log_format x ",
        "escape=json ",
        "'",
        "\"",
        "\\",
        ";",
        " ",
        "LogFormat \"",
        "CustomLog /x ",
        "é",
        "[",
        "]",
        "%ci",
        "%[src]",
        "%[",
        "%{+Q}r",
        "%{+Q}o",
        "%tr",
        "%ST",
        "%(",
        ")",
        "%(h)s",
        "%(t)s",
        "%(addr)",
        "%START_TIME%",
        "%REQ(:PATH)%",
        "%REQ(",
        "%RESP(X?Y):9%",
        "%RESPONSE_CODE",
        "%ts",
        ".%03tu",
        "%>a",
        "%[un",
        "%{Referer}>h",
        "%\"{x}>h",
        "%>Hs",
        "%{yyyy-MM-dd}t",
        "%{''}t",
        "&quot;",
        "<Valve pattern=\"",
        "pattern=",
        "varnishncsa -F '",
        "logformat m ",
        "log-format ",
        "log-format = ",
        "access_log_format = r'",
        "format: ",
        "common",
        "\n",
        "%{%s}t",
        "%Ts",
        "%ms",
        "$date",
        "$time",
        "HTTP/",
        "%HV",
        "%{+Q,+E}[",
        "%%",
        "%{Varnish:x}x",
        "%{a|b|c}t",
        "-F",
        "=",
    ];
    let word = prop_oneof![8 => proptest::sample::select(words).prop_map(str::to_owned), 1 => "\\PC{0,3}"];
    proptest::collection::vec(word, 0..14).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn any_string_compiles_or_has_an_error_with_a_column(format in any_format(), said in 0usize..13, line in proptest::collection::vec(any::<u8>(), 0..80)) {
        let syntax = Syntax::names().nth(said).and_then(Syntax::parse);
        match Template::with_syntax("x", syntax, &format, Zone::UTC) {
            Ok(template) => {
                if let Err(reject) = template.parse(&line) {
                    prop_assert!(reject.column >= 1 && reject.column as usize <= line.len() + 1);
                }
                let _ = template.parse_loosely(&line);
            }
            Err(error) => {
                let span = error.span.clone();
                prop_assert!(span.as_ref().is_some_and(|s| s.start <= s.end && s.end <= format.len()), "{:?}: {:?}", format, error);
                prop_assert!(error.position(&format).is_some(), "{:?}: {:?}", format, error);
                prop_assert!(!error.message.is_empty());
            }
        }
    }

    #[test]
    fn no_line_makes_a_format_of_any_server_panic(at in 0usize..12, line in proptest::collection::vec(
        prop_oneof![Just(b' '), Just(b'"'), Just(b'\\'), Just(b'-'), Just(b'['), Just(b':'), b'0'..=b'9', any::<u8>()], 0..120)) {
        const FORMATS: [&str; 12] = [
            "$remote_addr [$time_local] \"$request\" $status $upstream_response_time $request_time",
            "%h %l %u %t \"%r\" %>s %b %{%Y-%m-%d %H:%M:%S}t %D", "%{begin:%s}t.%{usec_frac}t %a %m %U%q",
            "%ci:%cp [%tr] %ft %ST %B %hr %{+Q}r", "%ts.%03tu %6tr %>a %Ss/%03>Hs %<st %rm %ru %[un",
            "[%START_TIME%] \"%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %DURATION%",
            "%(h)s %(t)s \"%(r)s\" %(s)s %(L)s", "%(addr) %(ltime) %(method) %(uri) %(status) %(msecs)",
            "%{yyyy-MM-dd'T'HH:mm:ss.SSSXXX}t %a %r %s %F", "$date $time $c_ip $status", "%{client}a %t \"%r\" %s %O",
            "log_format j escape=json '{\"t\":\"$msec\",\"s\":$status,\"l\":$request_length,\"u\":\"$request_uri\"}';",
        ];
        let template = Template::new("x", FORMATS[at], Zone::Local).unwrap_or_else(|e| panic!("{}: {e}", FORMATS[at]));
        for result in [template.parse(&line), template.parse_loosely(&line)] {
            if let Err(reject) = result {
                prop_assert!(reject.column >= 1 && reject.column as usize <= line.len() + 1);
            }
        }
    }
}
