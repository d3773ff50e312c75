use std::borrow::Cow;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::time::Timestamp;

const SECRET: &str = "sk_live_4eC39HqLyjWDarjtT1zd9f3a";

#[allow(clippy::unnecessary_wraps)] // a field of a record is optional
fn value(text: &str) -> Option<Value<'_>> {
    Some(Cow::Borrowed(text.as_bytes()))
}

fn get(target: &str) -> Record<'_> {
    Record {
        time: Timestamp::parse("2026-03-02T14:31:07Z").unwrap(),
        client: value("203.0.113.9"),
        method: value("GET"),
        target: value(target),
        status: Some(200),
        ..Record::default()
    }
}

fn intake(settings: Settings) -> Intake {
    Intake::new(settings, FingerprintKey::for_replay(), Hasher::new(1))
}

fn key_of(intake: &mut Intake, record: &Record<'_>) -> (String, String) {
    let view = intake.describe(record, SourceId(0));
    (view.key.unwrap_or_default(), view.key_source.unwrap_or_default())
}

#[test]
fn what_called_and_how_the_key_came_is_noted_in_bits() {
    let flags = |record: Record<'_>| {
        let mut batch = Batch::default();
        intake(Settings::default()).event(&record, SourceId(0), &mut batch);
        let flags = batch.events[0].flags;
        [Flags::BROWSER, Flags::SERVER, Flags::PAGE, Flags::KEY_IN_URL].map(|flag| flags.has(flag))
    };
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:126.0) Gecko/20100101 Firefox/126.0";
    let by = |agent, referer| Record { user_agent: value(agent), referer: value(referer), ..get("/a") };
    assert_eq!(flags(by(firefox, "https://shop.example/cart")), [true, false, true, false]);
    assert_eq!(flags(by("python-requests/2.32.3", "-")), [false, true, false, false]);
    assert_eq!(flags(by("acme/1", "HTTP://x")), [false, false, true, false]);
    let mut cross = by("acme/1", "");
    for (origin, page) in [("https://shop.example", true), ("null", false), ("10.0.0.7:8080", false)] {
        cross.extra = [("origin", value(origin).unwrap())].into_iter().collect();
        assert_eq!(flags(cross.clone())[2], page, "{origin}");
    }
    assert_eq!(flags(get(&format!("/a?api_key={SECRET}"))), [false, false, false, true]);
    assert_eq!(flags(Record { api_key: value(SECRET), ..get("/a") }), [false; 4], "in a header");
}

#[test]
fn an_event_is_shown_as_the_contract_says() {
    let record = Record {
        user: value("acme"),
        protocol: value("HTTP/1.1"),
        bytes_out: Some(1412),
        duration: Some(0.031),
        user_agent: value("okhttp/4.12.0"),
        ..get("/v1/orders/1234?expand=items")
    };
    let view = EventView {
        line: 1,
        format: "combined".to_owned(),
        ..intake(Settings::default()).describe(&record, SourceId(0))
    };
    assert_eq!(
        serde_json::to_string(&view).unwrap(),
        concat!(
            r#"{"line":1,"time":"2026-03-02T14:31:07.000Z","client":"203.0.113.9","key":"acme","key_source":"user","method":"GET","#,
            r#""target":"/v1/orders/1234?expand=items","endpoint":"/v1/orders/{id}","protocol":"HTTP/1.1","status":200,"#,
            r#""bytes_out":1412,"bytes_in":null,"duration":0.031,"referer":null,"user_agent":"okhttp/4.12.0","host":null,"#,
            r#""tokens_in":null,"tokens_out":null,"cost":null,"format":"combined"}"#
        )
    );
}

#[test]
fn keys_are_found_in_the_order_of_the_contract() {
    let mut intake = intake(Settings::default());
    let query = format!("/v1/a?client_id=web&API_KEY={SECRET}");
    let all = Record { consumer: value("wayne"), user: value("acme"), ..get(&query) };
    assert_eq!(key_of(&mut intake, &all), ("wayne".into(), "json:consumer".into()));
    let user = Record { consumer: None, ..all.clone() };
    assert_eq!(key_of(&mut intake, &user), ("acme".into(), "user".into()));
    let parameter = Record { user: value("-"), ..user.clone() };
    let (key, source) = key_of(&mut intake, &parameter);
    assert!(key.starts_with("sk_live_…9f3a·") && key.chars().count() == 20, "{key}");
    assert_eq!(source, "query:API_KEY");
    assert_eq!(key_of(&mut intake, &get("/v1/a?client_id=web&key=")), ("web".into(), "query:client_id".into()));
    assert_eq!(key_of(&mut intake, &get("/v1/a?expand=key")), (String::new(), String::new()));
}

#[test]
fn one_secret_is_one_key_wherever_it_stands() {
    let mut intake = intake(Settings::default());
    let header = format!("Bearer {SECRET}");
    let query = format!("/a?access_token={SECRET}");
    let records = [
        Record { api_key: value(&header), ..get("/a") },
        Record { api_key: value(SECRET), ..get("/a") },
        // Some services take the key as the user of Basic.
        Record { user: value(SECRET), ..get("/a") },
    ];
    let mut batch = Batch::default();
    for record in records.iter().chain([&get(&query)]) {
        intake.event(record, SourceId(0), &mut batch);
    }
    let first = batch.events[0].key;
    assert!(batch.events.iter().all(|e| e.key.id == first.id && batch.text(e.key) == batch.text(first)));
    let other = Record { api_key: value("sk_live_4eC39HqLyjWDarjtT1zd9f3b"), ..get("/a") };
    intake.event(&other, SourceId(0), &mut batch);
    assert_ne!(batch.events[4].key.id, first.id);
}

#[test]
fn each_source_has_its_own_places() {
    let source = |places: &[&str]| SourceSettings {
        key: places.iter().map(|p| KeyPlace::parse(p).unwrap()).collect(),
        ..SourceSettings::default()
    };
    let sources = vec![source(&["query:partner", "header:X-Api-Key"]), source(&["json:request.org"])];
    let mut intake = intake(Settings { sources, ..Settings::default() });
    let mut record = Record { user: value("acme"), ..get("/a?partner=p%201") };
    record.extra.push(("request.org", Cow::Borrowed(b"umbrella")));
    record.extra.push(("http_x_api_key", Cow::Borrowed(SECRET.as_bytes())));
    assert_eq!(key_of(&mut intake, &record), ("p 1".into(), "query:partner".into()));
    assert_eq!(intake.describe(&record, SourceId(1)).key.as_deref(), Some("umbrella"));
    assert_eq!(intake.describe(&record, SourceId(9)).key.as_deref(), Some("acme"));
    record.target = value("/a");
    let (key, source) = key_of(&mut intake, &record);
    assert!(key.starts_with("sk_live_…9f3a·") && source == "json:X-Api-Key", "{key} {source}");
    for bad in ["", "query:", "cookie:", "user:x"] {
        assert!(KeyPlace::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn tokens_in_any_field_are_their_subject_or_masked() {
    // {"sub":"acme"}
    let jwt = "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhY21lIn0.c2lnbmF0dXJl";
    let opaque = format!("Bearer {SECRET}");
    let place = |text: &str| SourceSettings { key: vec![KeyPlace::parse(text).unwrap()], ..SourceSettings::default() };
    let sources = ["subject", "field:note", "json:/auth/consumer/id", "cookie:sid", "header:authorization"].map(place);
    let mut intake = intake(Settings { sources: sources.to_vec(), ..Settings::default() });
    let mut batch = Batch::default();
    let mut key = |intake: &mut Intake, source: u16, name: &'static str, value: &str| {
        let mut record = get("/a");
        record.extra.push((name, Cow::Owned(value.as_bytes().to_vec())));
        let shown = serde_json::to_string(&intake.describe(&record, SourceId(source))).unwrap();
        assert!(!shown.contains("4eC39HqLyj") && !shown.contains("eyJzdWIi"), "{shown}");
        batch.clear();
        intake.event(&record, SourceId(source), &mut batch);
        batch.text(batch.events[0].key).to_owned()
    };
    assert_eq!(key(&mut intake, 0, "subject", jwt), "acme");
    assert_eq!(key(&mut intake, 1, "note", jwt), "acme");
    assert!(key(&mut intake, 1, "note", &opaque).starts_with("sk_live_…9f3a·"));
    assert!(key(&mut intake, 1, "note", "Bearer abcdefghijkl").contains('…'), "a scheme makes it a secret");
    assert_eq!(key(&mut intake, 2, "auth.consumer.id", "acme"), "acme");
    assert!(key(&mut intake, 3, "cookie_sid", "0123456789abcdef").contains('·'), "cookies are secrets");
    assert_eq!(key(&mut intake, 4, "request.headers.Authorization", jwt), "acme");
    assert!(!format!("{intake:?}").contains("4eC39HqLyj"));
}

#[test]
fn consumers_have_the_name_that_the_configuration_gives() {
    let fingerprint = FingerprintKey::for_replay().short(SECRET.as_bytes());
    let acme =
        Consumer { keys: vec!["acme-eu".into(), format!("FP:{fingerprint}").to_lowercase()], ..Consumer::default() };
    let mut intake = intake(Settings { consumers: BTreeMap::from([("acme".to_owned(), acme)]), ..Settings::default() });
    let mut batch = Batch::default();
    for record in [
        Record { user: value("acme-eu"), ..get("/") },
        Record { api_key: value(SECRET), ..get("/") },
        Record { user: value("acme"), ..get("/") },
    ] {
        intake.event(&record, SourceId(0), &mut batch);
    }
    for event in &batch.events {
        assert_eq!((batch.text(event.key), event.key.id), ("acme", Hasher::new(1).id(b"acme")));
    }
}

#[test]
fn what_an_event_says_of_a_request() {
    let settings = Settings {
        sources: vec![SourceSettings {
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            environment: None,
            ..SourceSettings::default()
        }],
        routes: vec!["GET /v1/users/{user}/files/*".to_owned()],
        cost: BTreeMap::from([("/v1/users/*".to_owned(), Price { per_request: Some(0.5), ..Price::default() })]),
        ..Settings::default()
    };
    let mut intake = intake(settings);
    let mut batch = Batch::default();
    let record = Record {
        client: value("10.0.0.1"),
        forwarded_for: value("203.0.113.9, 10.0.0.7"),
        user_agent: value("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"),
        duration: Some(0.0314),
        bytes_out: Some(u64::MAX),
        ..get("/v1/users/bob/files/a/b.css")
    };
    intake.event(&record, SourceId(0), &mut batch);
    let e = batch.events[0];
    assert_eq!((batch.text(e.client), batch.text(e.network)), ("203.0.113.9", "203.0.113.0/24"));
    assert_eq!((batch.text(e.endpoint), batch.text(e.agent)), ("/v1/users/{user}/files/*", "Googlebot"));
    assert!([Flags::HTTP, Flags::STRONG, Flags::STATIC, Flags::CRAWLER].iter().all(|f| e.flags.has(*f)));
    assert_eq!((e.duration_ms, e.bytes_out, e.tokens_in, e.cost), (31, u32::MAX - 1, Event::UNKNOWN, 0.5));
    assert_eq!((e.method, e.status, e.key), (Method::Get, 200, Text::NONE));
}

#[test]
fn a_line_that_is_no_request_has_no_fingerprint() {
    let mut batch = Batch::default();
    let record =
        Record { odd_request: value("\x16\x03\x01"), method: None, target: None, duration: Some(-1.0), ..get("") };
    intake(Settings::default()).event(&record, SourceId(0), &mut batch);
    let e = batch.events[0];
    assert!(!e.flags.has(Flags::HTTP) && !e.request.is_some() && !e.resource.is_some() && !e.endpoint.is_some());
    assert!(e.cost.is_nan() && e.duration_ms == Event::UNKNOWN);
}

#[test]
fn long_and_broken_names_are_clipped_and_still_told_apart() {
    let mut intake = intake(Settings::default());
    let mut batch = Batch::default();
    let (a, b) = ([&b"x"[..]; 500].concat(), [&b"x"[..]; 501].concat());
    for user in [&a[..], &b, b"caf\xe9", b"caf\xe8", "é".repeat(300).as_bytes()] {
        intake.event(&Record { user: Some(Cow::Borrowed(user)), ..get("/") }, SourceId(0), &mut batch);
    }
    let keys: Vec<_> = batch.events.iter().map(|e| e.key).collect();
    assert!(keys.iter().all(|k| batch.text(*k).len() <= MAX_NAME_BYTES));
    assert_eq!((batch.text(keys[2]), batch.text(keys[3])), ("caf\u{fffd}", "caf\u{fffd}"));
    assert!(keys[0].id != keys[1].id && keys[2].id != keys[3].id);
}

#[test]
fn real_lines_make_few_endpoints() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus/parsers/lnav_shop_access.log");
    let Ok(bytes) = std::fs::read(path) else {
        println!("no corpus here, nothing to test");
        return;
    };
    let mut intake = intake(Settings::default());
    let mut routes = routes::Routes::default();
    let mut batch = Batch::default();
    for line in bytes.split(|b| *b == b'\n').filter_map(|l| l.split(|b| *b == b'"').nth(1)) {
        let mut words = line.split(|b| *b == b' ');
        let (method, target) = (words.next().map(Cow::Borrowed), words.next().map(Cow::Borrowed));
        intake.event(&Record { method, target, ..Record::default() }, SourceId(0), &mut batch);
    }
    let endpoints: std::collections::BTreeSet<_> = batch
        .events
        .iter()
        .filter(|e| !e.flags.has(Flags::STATIC))
        .map(|e| routes.resolve(batch.text(e.endpoint)).into_owned())
        .collect();
    let things: std::collections::BTreeSet<_> = batch.events.iter().map(|e| e.resource).collect();
    assert!(
        batch.events.len() > 900 && endpoints.len() < 100,
        "{} of {}: {endpoints:#?}",
        endpoints.len(),
        things.len()
    );
}

fn field() -> impl Strategy<Value = Option<Vec<u8>>> {
    option::of(prop_oneof![vec(any::<u8>(), 0..80), "[ -~é]{0,80}".prop_map(String::into_bytes)])
}

fn held(bytes: Option<&Vec<u8>>) -> Option<Value<'_>> {
    bytes.map(|b| Cow::Borrowed(b.as_slice()))
}

proptest! {
    #[test]
    fn any_record_makes_an_event(
        texts in vec(field(), 14), numbers in vec(option::of(any::<u64>()), 4), reals in vec(option::of(any::<f64>()), 2),
    ) {
        let mut record = Record {
            client: held(texts[0].as_ref()), forwarded_for: held(texts[1].as_ref()), user: held(texts[2].as_ref()),
            consumer: held(texts[3].as_ref()), api_key: held(texts[4].as_ref()), method: held(texts[5].as_ref()),
            target: held(texts[6].as_ref()), protocol: held(texts[7].as_ref()), odd_request: held(texts[8].as_ref()),
            referer: held(texts[9].as_ref()), user_agent: held(texts[10].as_ref()), host: held(texts[11].as_ref()),
            body_digest: held(texts[12].as_ref()), bytes_out: numbers[0], bytes_in: numbers[1], tokens_in: numbers[2],
            tokens_out: numbers[3], duration: reals[0], cost: reals[1], ..Record::default()
        };
        record.extra.push(("x", held(texts[13].as_ref()).unwrap_or_default()));
        let source = SourceSettings { key: vec![KeyPlace::parse("field:X").unwrap(), KeyPlace::AnyParameter], trusted_proxies: vec!["0.0.0.0/0".parse().unwrap()], environment: None };
        let cost = BTreeMap::from([("/*".to_owned(), Price { per_mb: Some(1.0), per_request: Some(1.0), ..Price::default() })]);
        let mut intake = intake(Settings { sources: vec![source], cost, ..Settings::default() });
        let mut batch = Batch::default();
        for source in [SourceId(0), SourceId(1)] {
            intake.event(&record, source, &mut batch);
            let view = intake.describe(&record, source);
            prop_assert!(serde_json::to_string(&view).is_ok());
        }
        for event in &batch.events {
            for text in [event.key, event.client, event.network, event.endpoint, event.agent] {
                prop_assert!(batch.text(text).len() <= MAX_NAME_BYTES + 60);
            }
        }
    }

    #[test]
    fn a_secret_never_leaves(body in "[A-Za-z0-9]{16,40}", prefix in "(sk_live_|ghp_|)", name in "(api_key|apikey|key|token|access_token|X-Api-Key|api%5Fkey|password)") {
        let secret = format!("{prefix}{body}");
        let query = format!("/v1/a/{prefix}x?b=1&{name}={secret}&c=2");
        let next = format!("https://u:{secret}@h.example/cb?next=%2Fx%3F{name}%3D{secret}");
        let bearer = format!("Bearer {secret}");
        let mut intake = intake(Settings::default());
        let mut batch = Batch::default();
        for record in [
            Record { referer: value(&next), ..get(&query) },
            Record { api_key: value(&bearer), ..get(&next) },
            Record { api_key: value(&secret), ..get(&query) },
        ] {
            intake.event(&record, SourceId(0), &mut batch);
            let shown = serde_json::to_string(&intake.describe(&record, SourceId(0))).unwrap();
            prop_assert!(!shown.contains(&body[3..13]), "{}", shown);
        }
        let carried = format!("{batch:?}");
        prop_assert!(!carried.contains(&body[3..13]), "{}", carried);
        // Nor does it stay in memory that a dump or a debug line would show.
        let remembered = format!("{intake:?}");
        prop_assert!(!remembered.contains(&secret));
    }
}
