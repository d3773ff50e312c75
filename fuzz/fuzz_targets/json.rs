//! JSON lines with the mappings of a user: pointers, names, headers, cookies, and any object.
#![cfg_attr(fuzzing, no_main)]

use std::sync::{Arc, OnceLock};

use lapwing::event::{Batch, Hasher, SourceId};
use lapwing::format::{Choice, FieldPlace, Fields, MAPPABLE, Registry, SourceParser};
use lapwing::intake::{self, FingerprintKey, Intake};
use lapwing::time::Zone;

fn registry() -> &'static Arc<Registry> {
    static REGISTRY: OnceLock<Arc<Registry>> = OnceLock::new();
    REGISTRY.get_or_init(|| Arc::new(Registry::built_in().expect("the shipped formats compile")))
}

/// One input: on the first line what is mapped, `0 json:/usage/prompt_tokens, 3 model`; then lines of a log.
pub fn run(data: &[u8]) {
    let (head, log) = data.iter().position(|b| *b == b'\n').map_or((data, &b""[..]), |at| (&data[..at], &data[at + 1..]));
    let mut fields = Fields::default();
    for (at, word) in String::from_utf8_lossy(head).split(',').take(64).enumerate() {
        let (target, place) = word.trim().split_once(' ').unwrap_or(("", word));
        let Ok(place) = FieldPlace::parse(place) else { continue };
        match target.parse::<usize>().ok().and_then(|target| MAPPABLE.get(target)) {
            Some(target) => fields.map(target, vec![place]),
            None if at % 2 == 0 => fields.ask(place),
            None => fields = fields.only_asked(),
        }
    }
    let mut intake = Intake::new(intake::Settings::default(), FingerprintKey::for_replay(), Hasher::new(1));
    let mut batch = Batch::default();
    for name in ["json", "nginx-json", "caddy", "traefik-json"] {
        let choice = Choice::Named(name.to_owned());
        let parser = SourceParser::with_fields(choice, Arc::clone(registry()), Zone::UTC, fields.clone())
            .expect("a shipped format");
        for line in log.split(|b| *b == b'\n').take(16) {
            match parser.parse(line) {
                Ok(record) => {
                    assert!(record.extra.len() <= 64, "{} extra fields", record.extra.len());
                    intake.event(&record, SourceId(0), &mut batch);
                    let view = intake.describe(&record, SourceId(0));
                    assert!(serde_json::to_string(&view).is_ok_and(|json| !json.contains(|c| c < ' ')));
                }
                Err(reject) => assert!((1..=line.len() + 1).contains(&(reject.column as usize)), "{name}: {reject:?}"),
            }
        }
    }
}

/// Where inputs begin.
#[allow(dead_code)]
pub fn seeds() -> Vec<Vec<u8>> {
    let lines = [
        r#"{"time":"2026-03-02T14:31:07Z","client_ip":"203.0.113.9","method":"POST","path":"/v1/chat","status":200,"usage":{"prompt_tokens":12,"completion_tokens":3,"cost":0.5},"model":"large","headers":{"X-Tenant":["a"]},"auth":{"consumer":{"id":"acme"}}}"#,
        r#"{"ts":1772461867.5,"request":{"remote_ip":"::1","method":"GET","uri":"/a?b=\"c\"","headers":{"Authorization":["Bearer a.b.c"],"Cookie":["sid=1"]}},"status":500,"duration":0.1,"size":17,"level":"info","msg":"handled request"}"#,
        r#"{"@timestamp":"2026-03-02T14:31:07Z","http.request.method":"GET","url.path":"/","http.response.status_code":404,"a~b/c":[[1,2],{"d":null}],"":{"":1e308}}"#,
    ];
    let heads = [
        "0 json:/usage/prompt_tokens, 1 json:usage.completion_tokens, 2 json:/usage/cost, 3 model",
        "10 header:X-Tenant, 9 cookie:sid, 11 json:/auth/consumer/id, x field:level",
        "0 json:/a~0b~1c/0, 4 json:/, y json:a, 6 $status, 2 json:/duration",
        "",
    ];
    heads.iter().map(|head| format!("{head}\n{}", lines.join("\n")).into_bytes()).collect()
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));
