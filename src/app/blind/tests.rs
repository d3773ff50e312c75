//! What a source's lines do not say, by its lines.

use super::paste::of_server;
use super::*;
use crate::time::Timestamp;

fn source(text: &str) -> (Config, Source) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lapwing.toml");
    let text = format!("[source.api]\npath = [\"/nowhere/access.log\"]\n{text}");
    std::fs::write(&path, text).unwrap();
    let config = Config::load(&path).map(|loaded| loaded.config).unwrap();
    let source = config.sources[0].clone();
    (config, source)
}

fn blind(text: &str, lines: &[String]) -> Blind {
    let (config, source) = source(text);
    let registry = Arc::new(Registry::built_in().unwrap());
    let bytes = lines.join("\n") + "\n";
    let near = Timestamp::parse("2026-03-02T15:00:00Z").unwrap();
    let sight = Sight::of_lines(&config, &source, &registry, bytes.as_bytes(), near).expect("lines enough");
    Blind::found(&config, &source, &registry, &sight)
}

fn combined(n: usize, client: &str, user: &str) -> String {
    format!(
        "{client} - {user} [02/Mar/2026:14:{:02}:{:02} +0000] \"GET /v1/orders/{n} HTTP/1.1\" 200 1412 \"-\" \"okhttp/4.12.0\"",
        n / 60 % 60,
        n % 60
    )
}

/// Both databases: whether they can be read is not asked here.
const PLACES: &str = "[geoip]\npath = \"/nowhere/city.mmdb\"\nasn = \"/nowhere/asn.mmdb\"";

fn what(blind: &Blind) -> Vec<&str> {
    blind.spots.iter().map(|spot| spot.what.as_str()).collect()
}

#[test]
fn combined_lines_lack_key_time_and_length_and_the_lines_to_paste_add_them_for_nginx_and_apache() {
    let lines: Vec<String> = (0..200).map(|n| combined(n, &format!("203.0.113.{}", n % 50), "-")).collect();
    let blind = blind("", &lines);
    assert_eq!((blind.lines, what(&blind)), (200, vec!["no key", "no request time", "no request length", "no host"]));
    let key = &blind.spots[0];
    assert!(key.detectors.contains(&"leaked-key".to_owned()) && key.covered == 0.0, "{key:?}");
    assert!(
        key.sentence().starts_with("no key in any line: callers are told apart by their addresses alone"),
        "{key:?}"
    );
    let texts: Vec<&str> = blind.paste.iter().map(|paste| paste.text.as_str()).collect();
    assert_eq!(
        texts[0],
        "log_format lapwing '$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \
         \"$http_referer\" \"$http_user_agent\" \"$http_x_api_key\" $request_time $request_length $host';"
    );
    assert!(texts[1].starts_with("log_format = ['''log_format lapwing '$remote_addr"), "{}", texts[1]);
    assert!(texts[1].ends_with("$host';''', \"combined\"]"), "{}", texts[1]);
    assert!(blind.paste[1].into.ends_with("[source.api]"));
    assert!(
        texts[2].starts_with("LogFormat \"%h %l %u %t")
            && texts[2].contains("\\\"%{X-Api-Key}i\\\" %D %I %V\" lapwing")
    );
    // What is to be pasted into Lapwing's own configuration is taken there, and nothing is hidden any more.
    let more: Vec<String> =
        lines.iter().map(|line| format!("{line} \"k{}\" 0.031 512 api.example.com", line.len())).collect();
    let after = super::tests::blind(&format!("{}\n{PLACES}", texts[1]), &more);
    assert_eq!(what(&after), Vec::<&str>::new(), "{after:?}");
    assert!(after.paste.is_empty());
    // The lines of before stand in the same file: they are read, and what they lack is no news.
    let both: Vec<String> = lines.iter().chain(&more[..30]).cloned().collect();
    let after = super::tests::blind(&format!("{}\n{PLACES}", texts[1]), &both);
    assert_eq!((what(&after), after.lines, &after.paste[..]), (vec![], 30, &[][..]));
    // Where nothing is said of the format, both are found.
    let both: Vec<String> = std::iter::repeat_n(&lines, 10).flatten().chain(&more[..30]).cloned().collect();
    let found = super::tests::blind(PLACES, &both);
    assert_eq!((what(&found), found.lines, &found.paste[..]), (vec![], 30, &[][..]));
    let both: Vec<String> = lines.iter().chain(&more[..30]).cloned().collect();
    // Had they been left out, that would be said, with the line that reads them.
    let alone = texts[1].replace(", \"combined\"]", "]");
    let after = super::tests::blind(&format!("{alone}\n{PLACES}"), &both);
    assert_eq!(what(&after), ["200 of the newest 230 lines are not read"]);
    assert!(after.spots[0].because.contains("look like \"combined\""), "{after:?}");
    assert_eq!(after.paste.iter().map(|paste| &paste.text).collect::<Vec<_>>(), [texts[1]]);
    // While the new ones are still few, nothing is to be pasted again.
    let few: Vec<String> = lines.iter().chain(&more[..5]).cloned().collect();
    let after = super::tests::blind(&format!("{}\n{PLACES}", texts[1]), &few);
    assert!(what(&after).contains(&"no key") && after.paste.is_empty(), "{after:?}");
}

#[test]
fn to_the_format_that_was_pasted_once_what_it_lacks_is_added() {
    let lines = |client: fn(usize) -> String, key: &str| {
        let line = |n| format!("{}{key} 0.031 512 api.example.com", combined(n, &client(n), "-"));
        (0..200).map(line).collect::<Vec<_>>()
    };
    let keyless = blind(PLACES, &lines(|n| format!("203.0.113.{}", n % 50), ""));
    assert_eq!(what(&keyless), ["no key"], "{keyless:?}");
    assert!(keyless.paste[0].text.contains("$request_time $request_length $host \"$http_x_api_key\""), "{keyless:?}");
    assert_eq!(keyless.paste.len(), 2, "one line for nginx and one for Lapwing: {keyless:?}");
    // All come from one address of a network of one's own: who stands before it is asked for.
    let behind = blind(PLACES, &lines(|_| "10.0.0.5".to_owned(), " \"k1\""));
    assert!(behind.paste[0].text.contains("\"$http_x_forwarded_for\""), "{behind:?}");
    assert!(behind.paste[1].text.ends_with(", \"nginx-lapwing\"]"), "{behind:?}");
}

#[test]
fn a_key_can_only_be_seen_to_travel_with_a_database_of_places() {
    let lines: Vec<String> = (0..200).map(|n| combined(n, &format!("203.0.113.{}", n % 50), "acme")).collect();
    let blind = super::tests::blind("", &lines);
    let spot = blind.spots.iter().find(|spot| spot.what == "no database of places").expect("said");
    assert_eq!(spot.detectors, ["impossible-travel"]);
    assert_eq!(
        spot.sentence(),
        "no database of places: a key that is used in two places at once is told only if the new place makes many \
         requests, by leaked-key, and else is a line of the daily summary at most (blind, or see less: impossible-travel)"
    );
    let paste = blind.paste.last().unwrap();
    assert!(paste.text.starts_with("[geoip]\npath = \"/var/lib/GeoIP/"), "{paste:?}");
    // What is pasted is taken, and nothing more is said; of half of it, what the other half is for.
    assert!(!what(&super::tests::blind(&paste.text, &lines)).iter().any(|what| what.contains("database")));
    let half = super::tests::blind("[geoip]\npath = \"/nowhere/city.mmdb\"", &lines);
    let spot = half.spots.iter().find(|spot| spot.what == "no database of networks").expect("said");
    assert!(spot.because.contains("VPNs") && half.paste.last().unwrap().text.starts_with("asn = "), "{half:?}");
    // Without keys nothing travels.
    let lines: Vec<String> = (0..200).map(|n| combined(n, &format!("203.0.113.{}", n % 50), "-")).collect();
    assert!(!what(&super::tests::blind("", &lines)).contains(&"no database of places"));
}

#[test]
fn what_the_configuration_lacks_is_said_once_for_all_sources() {
    let lines = |user: &str| (0..200).map(|n| combined(n, &format!("203.0.113.{}", n % 50), user)).collect::<Vec<_>>();
    let mut sources = [blind("", &lines("-")), blind("", &lines("acme")), blind("", &lines("acme"))];
    let third = sources[2].clone();
    assert!(Blind::say_once(&mut sources));
    let says = |blind: &Blind| what(blind).contains(&"no database of places");
    let pastes = |blind: &Blind| blind.paste.iter().any(|paste| paste.text.starts_with("[geoip]"));
    assert_eq!(
        sources.each_ref().map(|blind| (says(blind), pastes(blind))),
        [(false, false), (true, true), (false, false)]
    );
    // What their own lines do not say is said of each.
    assert_eq!((sources[2].spots.len(), sources[2].paste.len()), (third.spots.len() - 1, third.paste.len() - 1));
    assert!(what(&sources[2]).contains(&"no request time"), "{sources:?}");
    assert!(!Blind::say_once(&mut [blind(PLACES, &lines("acme"))]));
}

#[test]
fn what_sizes_slowness_and_browsers_are_judged_by_is_named_with_who_is_blind_and_what_to_paste() {
    let own = "log_format = '''log_format main '$remote_addr $remote_user [$time_local] \"$request\" $status';'''";
    let line = |n: usize| {
        format!("203.0.113.{} acme [02/Mar/2026:14:10:{:02} +0000] \"GET /v1/a HTTP/1.1\" 200", n % 50, n % 60)
    };
    let blind = super::tests::blind(&format!("{own}\n{PLACES}"), &(0..100).map(line).collect::<Vec<_>>());
    for (lacking, detectors) in [
        ("no request time", &["slow-response", "retry-loop"][..]),
        ("no request length", &["retry-loop", "payload-size"]),
        ("no response length", &["payload-size", "enumeration", "credential-stuffing"]),
        ("no user agent", &["front-end-exposure", "leaked-key", "impossible-travel", "drift", "harvesting"]),
        ("no referer", &["front-end-exposure"]),
    ] {
        let spot =
            blind.spots.iter().find(|spot| spot.what == lacking).unwrap_or_else(|| panic!("{lacking}: {blind:?}"));
        assert_eq!(spot.detectors, detectors, "{lacking}");
    }
    assert_eq!(
        blind.paste[0].text,
        "log_format main '$remote_addr $remote_user [$time_local] \"$request\" $status $request_time $request_length \
         $body_bytes_sent \"$http_user_agent\" \"$http_referer\" $host';"
    );
    // Programs send no Referer: a format with a place for it lacks nothing.
    let lines: Vec<String> = (0..200).map(|n| combined(n, &format!("203.0.113.{}", n % 50), "acme")).collect();
    assert!(lines[0].contains("\"-\"") && !what(&super::tests::blind("", &lines)).contains(&"no referer"));
    // Of objects it is their fields that say so.
    let objects = |field: &str| {
        let object = |n: usize| {
            let (second, client) = (n % 60, n % 50);
            format!(
                r#"{{"time":"2026-03-02T14:10:{second:02}Z","ip":"203.0.113.{client}","method":"GET","path":"/v1/a","status":200{field}}}"#
            )
        };
        (0..100).map(object).collect::<Vec<_>>()
    };
    let without = super::tests::blind("format = \"json\"", &objects(""));
    assert!(what(&without).contains(&"no referer"), "{without:?}");
    assert!(without.paste.iter().any(|paste| paste.text.starts_with("\"referer\"")), "{without:?}");
    let with = super::tests::blind("format = \"json\"", &objects(r#","referer":"-""#));
    assert!(!what(&with).contains(&"no referer"), "{with:?}");
}

#[test]
fn the_format_in_use_is_kept_and_what_half_of_the_lines_say_is_no_blind_spot() {
    let own = "log_format = '''log_format main '$remote_addr $remote_user [$time_local] \"$request\" $status $request_time';'''";
    let line = |n: usize| {
        let user = if n % 10 < 6 { "acme" } else { "-" };
        format!("203.0.113.{} {user} [02/Mar/2026:14:10:{:02} +0000] \"GET /v1/a HTTP/1.1\" 200 0.002", n % 50, n % 60)
    };
    let blind = blind(own, &(0..100).map(line).collect::<Vec<_>>());
    assert_eq!(
        what(&blind),
        ["no request length", "no response length", "no user agent", "no referer", "no host", "no database of places"]
    );
    assert_eq!(
        blind.paste[0].text,
        "log_format main '$remote_addr $remote_user [$time_local] \"$request\" $status $request_time $request_length \
         $body_bytes_sent \"$http_user_agent\" \"$http_referer\" $host';"
    );
}

#[test]
fn one_proxy_for_everybody_is_named_with_what_to_trust() {
    let lines: Vec<String> = (0..200).map(|n| combined(n, "10.0.0.5", "acme")).collect();
    let blind = blind("", &lines);
    let spot = &blind.spots[0];
    assert!(spot.what.starts_with("100 % of the lines come from 10.0.0.5"), "{spot:?}");
    assert!(spot.detectors.contains(&"burst".to_owned()));
    assert!(blind.paste.iter().any(|paste| paste.text == "trusted_proxies = [\"10.0.0.5\"]"), "{:?}", blind.paste);
    assert!(blind.paste[0].text.contains("\"$http_x_forwarded_for\""), "{}", blind.paste[0].text);
    // One customer whose address is his own is no proxy.
    let lines: Vec<String> = (0..200).map(|n| combined(n, "203.0.113.9", "acme")).collect();
    assert!(!what(&super::tests::blind("", &lines)).iter().any(|what| what.contains("come from")));
}

#[test]
fn a_short_history_says_what_is_judged_from_when_on() {
    let (config, source) = source("");
    let registry = Registry::built_in().unwrap();
    let now = Timestamp::parse("2026-03-02T15:00:00Z").unwrap();
    for (hours, word) in
        [(1, "from two hours on"), (5, "after a day"), (30, "36 hours"), (100, "until a week is known")]
    {
        let oldest = Some(now - Span::from_hours(hours));
        let sight = Sight { lines: 100, said: [100; 8], newest: Some(now), oldest, ..Sight::default() };
        let blind = Blind::found(&config, &source, &registry, &sight);
        let young = blind.spots.last().unwrap();
        assert!(young.what.starts_with("only ") && young.because.contains(word), "{hours} h: {young:?}");
    }
    let sight = Sight { lines: 100, newest: Some(now), oldest: Some(now - Span::from_days(9)), ..Sight::default() };
    assert!(!what(&Blind::found(&config, &source, &registry, &sight)).iter().any(|what| what.starts_with("only")));
}

#[test]
fn servers_with_a_format_of_their_own_say_what_to_set() {
    for (format, lacking, text) in [
        ("caddy", Lacking::Key, "log_credentials"),
        ("traefik-json", Lacking::Key, "X-Api-Key: keep"),
        ("w3c", Lacking::Duration, "time-taken"),
        ("haproxy", Lacking::Key, "http-request capture"),
        ("json", Lacking::Duration, "\"duration_ms\": 31"),
        ("nginx-json", Lacking::BytesIn, ",\"request_length\":\"$request_length\""),
    ] {
        let paste = of_server(format, lacking).unwrap_or_else(|| panic!("{format}"));
        assert!(paste.text.contains(text), "{format}: {}", paste.text);
    }
    assert!(of_server("alb", Lacking::Key).is_none(), "its fields are what they are");
}
