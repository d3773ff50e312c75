//! The whole evaluation: `scripts/evaluate`. Not run by `cargo test`; see `tests/evaluation.rs` for the short form.

#[allow(unreachable_pub, dead_code)]
mod suite;

use std::sync::Mutex;

use suite::bars;
use suite::mix::Plan;
use suite::people::Size;
use suite::report;
use suite::score::Run;
use suite::story::{self, History, Story, Town};
use suite::write::{self, Form};

/// Seeds with which settings may be tuned, and those of which the figures are reported. Whoever mends what held-out seeds
/// show has seen them: others take their place.
const TUNING: [u64; 3] = [1, 2, 3];
const HELD_OUT: [u64; 3] = [891, 892, 893];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--test")).collect();
    let has = |name: &str| arguments.iter().any(|a| a == name);
    let value = |name: &str| arguments.iter().position(|a| a == name).and_then(|i| arguments.get(i + 1)).cloned();
    let seeds: Vec<u64> = match value("--seeds").as_deref() {
        None | Some("held-out") => HELD_OUT.to_vec(),
        Some("tuning") => TUNING.to_vec(),
        Some(list) => {
            list.split(',').map(|s| s.parse().expect("--seeds: numbers, or `tuning` or `held-out`")).collect()
        }
    };
    let wanted = value("--scenario");
    let (stories, mixes) = (!has("--mixes"), !has("--stories") && wanted.is_none());
    let mut jobs: Vec<Job> = Vec::new();
    if stories {
        jobs.extend(seeds.iter().map(|seed| Job::Stories(*seed, wanted.clone())));
    }
    if mixes {
        for seed in &seeds {
            for (wild, incidents) in [(0, false), (30, false), (30, true)] {
                let plan = Plan { seed: *seed, keys: 500, wild, days: 28, incidents };
                if value("--mix").is_none_or(|part| plan.name().contains(&part)) {
                    jobs.push(Job::Mix(plan));
                }
            }
        }
    }
    if let Some(folder) = value("--write") {
        let name = wanted.expect("--write DIR --scenario NAME");
        write_logs(seeds[0], &name, has("--combined"), std::path::Path::new(&folder));
        return;
    }
    let whole = mixes && stories && value("--seeds").is_none_or(|s| s == "held-out");
    let threads = value("--threads").map_or(2, |n| n.parse().expect("--threads: a number"));
    let runs = work(jobs, threads);
    let (mixes, stories): (Vec<Run>, Vec<Run>) = runs.into_iter().partition(|r| r.scenario.contains(" keys, "));
    let text = evaluation(&stories, &mixes, &seeds);
    println!("{text}");
    if whole {
        std::fs::write("EVALUATION.md", text).expect("EVALUATION.md can be written");
    }
}

/// The page.
fn evaluation(stories: &[Run], mixes: &[Run], seeds: &[u64]) -> String {
    let known: Vec<&str> = lapwing::detect::DETECTORS.iter().map(|d| d.name).collect();
    let both: Vec<Run> = stories.iter().chain(mixes).cloned().collect();
    let not_yet: Vec<&str> = report::KINDS.into_iter().filter(|kind| !known.contains(kind)).collect();
    let not_yet = if not_yet.is_empty() {
        String::new()
    } else {
        format!("Not yet there, and so not counted against the bars: {}.\n\n", not_yet.join(", "))
    };
    let complaints: Vec<String> =
        report::complaints(&both, &known).into_iter().map(|complaint| format!("- {complaint}\n")).collect();
    include_str!("suite/evaluation.md")
        .replace("{{seeds}}", &format!("{seeds:?}"))
        .replace("{{tuning}}", &format!("{TUNING:?}"))
        .replace("{{held_out}}", &format!("{HELD_OUT:?}"))
        .replace("{{stories}}", &story::all().len().to_string())
        .replace("{{bars}}", &bars::table(&bars::hold(&bars::PROMISED, stories, mixes, &known)))
        .replace("{{not_yet}}", &not_yet)
        .replace("{{found}}", &report::found(&both))
        .replace("{{curves}}", &report::curves(&both))
        .replace("{{falses}}", &report::falses(mixes, stories))
        .replace("{{comparison}}", &report::comparison(&both))
        .replace("{{complaints}}", &complaints.concat())
}

/// Writes a story's traffic, its history first, for a replay.
fn write_logs(seed: u64, name: &str, combined: bool, folder: &std::path::Path) {
    let story = story::all().into_iter().find(|s| s.name.contains(name)).expect("a story with this in its name");
    let form = if combined { Form::Combined } else { Form::Json };
    let (lines, labels) = story::write(story, seed, Size::Full, form, folder).expect("logs can be written");
    std::fs::write(folder.join("lapwing.toml"), write::configuration()).expect("the configuration can be written");
    std::fs::write(folder.join("truth.tsv"), write::truth(&labels)).expect("the truth can be written");
    println!("{lines} lines of \"{}\" in {}", story.name, folder.display());
}

enum Job {
    Mix(Plan),
    Stories(u64, Option<String>),
}

/// Does all jobs on so many threads; the results in the order of the jobs.
fn work(jobs: Vec<Job>, threads: usize) -> Vec<Run> {
    let count = jobs.len();
    let queue = Mutex::new(jobs.into_iter().enumerate());
    let done: Mutex<Vec<(usize, Vec<Run>)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.min(count) {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().expect("no thread panics").next();
                    let Some((index, job)) = next else { break };
                    let runs = match job {
                        Job::Mix(plan) => vec![plan.run()],
                        Job::Stories(seed, wanted) => {
                            // Several parts of names stand with bars between.
                            let wanted = |name: &str| {
                                wanted.as_deref().is_none_or(|w| w.split('|').any(|part| name.contains(part)))
                            };
                            let stories: Vec<&Story> = story::all().into_iter().filter(|s| wanted(s.name)).collect();
                            let last = stories.iter().map(|s| s.history).max().unwrap_or(History::Long);
                            let town = Town::raise_to(seed, Size::Full, last);
                            let told = stories.into_iter().map(|story| town.tell(story));
                            let mut runs: Vec<Run> = told.collect();
                            runs.push(town.raised);
                            runs
                        }
                    };
                    for run in &runs {
                        eprintln!("{}, seed {}: {} k requests", run.scenario, run.seed, run.events / 1000);
                    }
                    done.lock().expect("no thread panics").push((index, runs));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no thread panics");
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().flat_map(|(_, runs)| runs).collect()
}
