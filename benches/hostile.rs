//! Lines that are meant to be slow: `cargo bench --bench hostile`. What is reported is bytes a second at growing lengths
//! of a line: where time grows with the length alone, the figures of one row of lengths are alike.

use std::sync::Arc;

use divan::Bencher;
use divan::counter::BytesCount;
use lapwing::event::{Batch, Hasher, SourceId};
use lapwing::format::{Choice, Registry, SourceParser, Template};
use lapwing::intake::{self, FingerprintKey, Intake, route};
use lapwing::sanitize;
use lapwing::time::Zone;

/// Lengths of a line, in bytes; the last one is far above what a source takes unless it is told to.
const LENGTHS: [usize; 3] = [16 << 10, 128 << 10, 1 << 20];

/// What a client repeats.
const FILLERS: [(&str, &str); 12] = [
    ("quotes", "\""),
    ("quotes and blanks", "\" \""),
    ("separators", "\" \"-\" \""),
    ("backslashes", "\\"),
    ("escaped quotes", "\\\""),
    ("brackets", "["),
    ("time's edges", "] \""),
    ("blanks", " "),
    ("digits", "7"),
    ("percents", "%25"),
    ("segments", "/a"),
    ("nested JSON", "{\"a\":"),
];

fn main() {
    divan::main();
}

/// A filler by its name.
#[derive(Clone, Copy)]
struct Filler(&'static str, &'static str);

impl std::fmt::Display for Filler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

fn fillers() -> impl Iterator<Item = Filler> {
    FILLERS.into_iter().map(|(name, text)| Filler(name, text))
}

fn run<const LENGTH: usize>(filler: Filler) -> String {
    filler.1.repeat(LENGTH / filler.1.len())
}

fn bench_lines(bencher: Bencher<'_, '_>, format: &str, line: &str) {
    let registry = Arc::new(Registry::built_in().expect("the shipped formats compile"));
    let choice = Choice::Named(format.to_owned());
    let parser = SourceParser::new(choice, registry, Zone::UTC).expect("a shipped format");
    let mut intake = Intake::new(intake::Settings::default(), FingerprintKey::for_replay(), Hasher::new(1));
    let mut batch = Batch::default();
    bencher.counter(BytesCount::new(line.len())).bench_local(|| match parser.parse(line.as_bytes()) {
        Ok(record) => {
            intake.event(&record, SourceId(0), &mut batch);
            batch = Batch::default();
        }
        Err(_) => drop(divan::black_box(sanitize::redact_line(line.as_bytes()))),
    });
}

/// In a request that does not end: every place is tried, none fits.
#[divan::bench(args = fillers(), consts = LENGTHS, max_time = 1)]
fn unfinished_request<const LENGTH: usize>(bencher: Bencher<'_, '_>, filler: Filler) {
    let line = format!("203.0.113.9 - - [02/Mar/2026:14:31:07 +0000] \"GET /{}", run::<LENGTH>(filler));
    bench_lines(bencher, "nginx-main", &line);
}

/// In a request of a line that is whole: what is read goes on to the event and its route template.
#[divan::bench(args = fillers(), consts = LENGTHS, max_time = 1)]
fn whole_request<const LENGTH: usize>(bencher: Bencher<'_, '_>, filler: Filler) {
    let run = run::<LENGTH>(filler);
    let line =
        format!("203.0.113.9 - - [02/Mar/2026:14:31:07 +0000] \"GET /{run} HTTP/1.1\" 200 5 \"-\" \"curl\" \"-\"");
    bench_lines(bencher, "nginx-main", &line);
}

/// In a value of a JSON line.
#[divan::bench(args = fillers(), consts = LENGTHS, max_time = 1)]
fn json_value<const LENGTH: usize>(bencher: Bencher<'_, '_>, filler: Filler) {
    let run = run::<LENGTH>(filler);
    let line = format!("{{\"time\":\"2026-03-02T14:31:07Z\",\"method\":\"GET\",\"a\":{run},\"path\":\"/{run}\"}}");
    bench_lines(bencher, "json", &line);
}

/// The compiler of formats, at the longest text it takes and beyond.
#[divan::bench(args = ["$remote_addr ", "%h ", "'", "\"", "\\", "%{", "${", "[", "%%"], consts = [2 << 10, 16 << 10], max_time = 1)]
fn format_text<const LENGTH: usize>(bencher: Bencher<'_, '_>, piece: &str) {
    let text = piece.repeat(LENGTH / piece.len());
    bencher
        .counter(BytesCount::new(text.len()))
        .bench_local(|| Template::new("x", divan::black_box(&text), Zone::UTC).is_ok());
}

/// Route templates of long targets.
#[divan::bench(args = fillers(), consts = LENGTHS, max_time = 1)]
fn route_template<const LENGTH: usize>(bencher: Bencher<'_, '_>, filler: Filler) {
    let target = format!("/v1/{}", run::<LENGTH>(filler));
    let mut out = String::new();
    bencher.counter(BytesCount::new(target.len())).bench_local(|| {
        out.clear();
        route::template(target.as_bytes(), &mut out);
    });
}
