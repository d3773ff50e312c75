//! Lines: every shipped format, and what becomes of the record: an event, a description, a sample without its secrets.
#![cfg_attr(fuzzing, no_main)]

use std::sync::{Arc, OnceLock};

use lapwing::event::{Batch, Hasher, SourceId};
use lapwing::format::{Choice, Format, Record, Registry, SourceParser};
use lapwing::intake::{self, FingerprintKey, Intake};
use lapwing::sanitize;
use lapwing::time::Zone;

fn formats() -> &'static [(String, Arc<dyn Format>)] {
    static FORMATS: OnceLock<Vec<(String, Arc<dyn Format>)>> = OnceLock::new();
    FORMATS.get_or_init(|| registry().iter().map(|entry| (entry.name.clone(), entry.format())).collect())
}

fn registry() -> &'static Arc<Registry> {
    static REGISTRY: OnceLock<Arc<Registry>> = OnceLock::new();
    REGISTRY.get_or_init(|| Arc::new(Registry::built_in().expect("the shipped formats compile")))
}

fn take(intake: &mut Intake, record: &Record<'_>) {
    let mut batch = Batch::default();
    intake.event(record, SourceId(0), &mut batch);
    let view = intake.describe(record, SourceId(0));
    let json = serde_json::to_string(&view).expect("an event is JSON");
    assert!(!json.contains(|c| c < ' '), "{json}");
    assert!(record.duration.is_none_or(|d| d.is_finite() && d >= 0.0), "{:?}", record.duration);
    assert!(record.cost.is_none_or(|c| c.is_finite() && c >= 0.0), "{:?}", record.cost);
}

/// One input: one line.
pub fn run(data: &[u8]) {
    let mut intake = Intake::new(intake::Settings::default(), FingerprintKey::for_replay(), Hasher::new(1));
    let mut reads = Vec::new();
    for (name, format) in formats() {
        for outcome in [format.parse(data), format.parse_loosely(data)] {
            match outcome {
                Ok(record) => {
                    assert_eq!(record.format, name);
                    take(&mut intake, &record);
                    reads.push(name.as_str());
                }
                Err(reject) => assert!((1..=data.len() + 1).contains(&(reject.column as usize)), "{name}: {reject:?}"),
            }
        }
    }
    // What a vote decides on reads the line that it was decided by, where any format does.
    let mut parser = SourceParser::new(Choice::Auto, Arc::clone(registry()), Zone::UTC).expect("no format is named");
    let guess = parser.offer(&[data]);
    if let Some(format) = &guess.format {
        // The line may be in an envelope: then no format reads it as it stands.
        assert!(reads.is_empty() || !guess.envelopes.is_empty() || reads.contains(&format.as_str()), "{format}: {reads:?}");
        // Some formats know lines that are about no request, and say so.
        match parser.parse(data) {
            Ok(record) => take(&mut intake, &record),
            Err(reject) => assert!((1..=data.len() + 1).contains(&(reject.column as usize)), "{reject:?}"),
        }
    }
    let shown = sanitize::terminal(&sanitize::redact_line(data));
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
}

/// Where inputs begin: the samples of the shipped formats, and one behind a syslog header.
#[allow(dead_code)]
pub fn seeds() -> Vec<Vec<u8>> {
    let samples = registry().iter().flat_map(|entry| entry.samples.iter().map(|s| s.line.clone().into_bytes()));
    let more: [&[u8]; 3] = [
        br#""203.0.113.9 - - [02/Mar/2026:14:31:07 +0000] ""GET /a HTTP/1.1"" 200 5 ""-"" ""curl""""#,
        br#"{"time":"2026-03-02T14:31:07Z","method":"GET","path":"/","status":200,"a":[[{"b":"\x16"}]]}"#,
        br#"203.0.113.9 - - [02/Mar/2026:14:31:07 +0000] "\x16\x03\x01" 400 5 "x" y" "\\\"""#,
    ];
    samples.chain(more.map(<[u8]>::to_vec)).collect()
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));
