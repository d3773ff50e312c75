//! Single stages of a line's way, each on the same generated log: `cargo bench`. Counts of allocations stand beside the
//! times; instructions are counted by `scripts/instructions`, whole processes are measured by `scripts/bench`.

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher};
use lapwing::engine::{Engine, Settings};
use lapwing::event::{Batch, Hasher, SourceId};
use lapwing::format::{Choice, Registry, SourceParser};
use lapwing::intake::{self, FingerprintKey, Intake};
use lapwing::measure::rows::Limits;
use lapwing::source::lines;
use lapwing::time::{Span, Timestamp, Zone};

mod support;

use support::log::{Plan, write};

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

/// Lines of a generated log that most stages are measured on.
const LINES: usize = 20_000;

fn main() {
    divan::main();
}

fn log(lines: usize, keys: usize, json: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing into memory does not fail.
    let _ = write(&Plan { lines, keys, json, ..Plan::default() }, &mut bytes);
    bytes
}

fn registry() -> std::sync::Arc<Registry> {
    std::sync::Arc::new(Registry::built_in().expect("built-in formats compile"))
}

fn parser(choice: Choice) -> SourceParser {
    SourceParser::new(choice, registry(), Zone::UTC).expect("a known format")
}

fn fresh_intake() -> Intake {
    Intake::new(intake::Settings::default(), FingerprintKey::for_replay(), Hasher::new(1))
}

fn events(lines_wanted: usize, keys: usize) -> Batch {
    let bytes = log(lines_wanted, keys, false);
    let (parser, mut intake, mut batch) =
        (parser(Choice::Named("combined".to_owned())), fresh_intake(), Batch::default());
    for line in lines(&bytes) {
        if let Ok(record) = parser.parse(line) {
            intake.event(&record, SourceId(0), &mut batch);
        }
    }
    batch
}

fn engine(keys: usize) -> Engine {
    let many = Limits { rows: keys.max(50_000), full: keys.max(20_000) };
    Engine::new(Settings {
        zone: Zone::UTC,
        keys: many,
        clients: many,
        sources: vec!["log".to_owned()],
        ..Settings::default()
    })
}

/// An engine that has met this many keys.
fn fed(keys: usize) -> (Engine, Batch) {
    let batch = events((2 * keys).max(100_000), keys);
    let (mut engine, mut changes) = (engine(keys), Vec::new());
    engine.absorb(&batch, &mut changes);
    (engine, batch)
}

#[divan::bench]
fn line_splitting(bencher: Bencher) {
    let bytes = log(LINES, 1000, false);
    bencher.counter(ItemsCount::new(LINES)).bench(|| lines(divan::black_box(&bytes)).count());
}

/// Every shipped format on the lines of its own samples.
#[divan::bench(args = names())]
fn format(bencher: Bencher, name: &str) {
    let registry = registry();
    let samples: Vec<Vec<u8>> =
        registry.get(name).into_iter().flat_map(|e| &e.samples).map(|s| s.line.clone().into_bytes()).collect();
    let parser = parser(Choice::Named(name.to_owned()));
    bencher
        .counter(ItemsCount::new(samples.len()))
        .bench(|| samples.iter().filter(|line| parser.parse(divan::black_box(line)).is_ok()).count());
}

fn names() -> Vec<String> {
    registry().iter().map(|entry| entry.name.clone()).collect()
}

#[divan::bench]
fn combined(bencher: Bencher) {
    read(bencher, &log(LINES, 1000, false), Choice::Named("combined".to_owned()));
}

#[divan::bench]
fn json(bencher: Bencher) {
    read(bencher, &log(LINES, 1000, true), Choice::Named("nginx-json".to_owned()));
}

/// A pasted `log_format`, which runs through the same steps as the shipped ones.
#[divan::bench]
fn format_string(bencher: Bencher) {
    let pasted = r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent""#;
    read(bencher, &log(LINES, 1000, false), Choice::Template(pasted.to_owned()));
}

fn read(bencher: Bencher, bytes: &[u8], choice: Choice) {
    let parser = parser(choice);
    bencher
        .counter(ItemsCount::new(LINES))
        .bench(|| lines(bytes).filter(|line| parser.parse(divan::black_box(line)).is_ok()).count());
}

/// Key, route, client: what a line means.
#[divan::bench]
fn intake(bencher: Bencher) {
    let bytes = log(LINES, 1000, false);
    let parser = parser(Choice::Named("combined".to_owned()));
    let records: Vec<_> = lines(&bytes).filter_map(|line| parser.parse(line).ok()).collect();
    let (mut intake, mut batch) = (fresh_intake(), Batch::default());
    bencher.counter(ItemsCount::new(records.len())).bench_local(|| {
        batch.clear();
        for record in &records {
            intake.event(record, SourceId(0), &mut batch);
        }
        batch.events.len()
    });
}

#[divan::bench(args = [1_000, 10_000, 100_000, 1_000_000], sample_count = 3)]
fn absorb(bencher: Bencher, keys: usize) {
    let batch = events((2 * keys).max(100_000), keys);
    bencher.counter(ItemsCount::new(batch.events.len())).with_inputs(|| engine(keys)).bench_values(|mut engine| {
        let mut changes = Vec::new();
        engine.absorb(&batch, &mut changes);
        engine
    });
}

/// A minute of ticks in which nothing came, with this many keys remembered.
#[divan::bench(args = [1_000, 100_000, 1_000_000], sample_count = 10)]
fn idle_minute(bencher: Bencher, keys: usize) {
    let (mut engine, _) = fed(keys);
    let mut now = engine.judged_until().unwrap_or_default() + Span::HOUR;
    let mut changes = Vec::new();
    engine.advance(now, &mut changes);
    bencher.bench_local(|| {
        now += Span::MINUTE;
        engine.advance(now, &mut changes);
    });
}

#[divan::bench(args = [1_000, 100_000, 1_000_000], sample_count = 3)]
fn snapshot(bencher: Bencher, keys: usize) {
    let (engine, _) = fed(keys);
    bencher.bench_local(|| engine.save().len());
}

#[divan::bench(args = [1_000, 100_000, 1_000_000], sample_count = 3)]
fn restart(bencher: Bencher, keys: usize) {
    let (engine, _) = fed(keys);
    let bytes = engine.save();
    let settings = Settings { keys: Limits { rows: keys, full: keys }, ..Settings::default() };
    bencher.bench_local(|| Engine::load(settings.clone(), &bytes).map(|e| e.judged_until()).ok());
}

/// Instants as people read them: a guard against formatting on the line's way.
#[divan::bench]
fn instant_as_text() -> String {
    divan::black_box(Timestamp::from_secs(1_767_225_600)).to_rfc3339()
}
