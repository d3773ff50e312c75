//! The short form of the evaluation: some dozens of stories and a small mix, judged in a minute. Fails when a figure is
//! worse than recorded here. The whole is `scripts/evaluate`, which writes EVALUATION.md.

#[allow(unreachable_pub, dead_code)]
mod suite;

use std::sync::OnceLock;

use suite::bars::{self, Bars, Held};
use suite::mix::Plan;
use suite::people::Size;
use suite::report;
use suite::score::Run;
use suite::story::{self, Town};
use suite::write::{self, Form};

/// A seed of its own: neither for tuning nor reported.
const SEED: u64 = 7;

/// What the short form reached when this was written. Raise it when it gets better.
const BARS: Bars = Bars {
    loud_found: 0.93,
    loud_in_time: 0.87,
    loud_start: 1.0,
    found: 0.87,
    right_subject: 0.97,
    openings: 1.05,
    false_a_week: 0.1,
    false_a_week_wild: 1.0,
};

/// Stories and mixes, judged once for all tests.
fn judged() -> &'static (Vec<Run>, Vec<Run>) {
    static JUDGED: OnceLock<(Vec<Run>, Vec<Run>)> = OnceLock::new();
    JUDGED.get_or_init(|| {
        std::thread::scope(|scope| {
            let mixes = scope.spawn(|| {
                [(0, false), (6, true)]
                    .map(|(wild, incidents)| Plan { seed: SEED, keys: 120, wild, days: 15, incidents }.run())
                    .to_vec()
            });
            let town = Town::raise(SEED, Size::Small);
            let mut stories: Vec<Run> =
                story::all().into_iter().filter(|story| story.short).map(|story| town.tell(story)).collect();
            stories.push(town.raised);
            (stories, mixes.join().expect("the mixes"))
        })
    })
}

fn known() -> Vec<&'static str> {
    lapwing::detect::DETECTORS.iter().map(|d| d.name).collect()
}

#[test]
fn no_figure_is_worse_than_recorded() {
    let (stories, mixes) = judged();
    let held = bars::hold(&BARS, stories, mixes, &known());
    let worse: Vec<&Held> = held.iter().filter(|h| !h.is_met()).collect();
    let all: Vec<Run> = stories.iter().chain(mixes).cloned().collect();
    assert!(
        worse.is_empty(),
        "{}\n{}\n{}",
        bars::table(&held),
        report::found(&all),
        report::complaints(&all, &known()).join("\n")
    );
}

#[test]
fn the_suite_has_what_it_should() {
    let stories = story::all();
    assert!(stories.len() >= 60, "{} stories", stories.len());
    let mut names: Vec<&str> = stories.iter().map(|s| s.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), stories.len(), "every story has a name of its own");
}

#[test]
fn the_same_seed_makes_the_same_traffic() {
    let lines = |seed: u64| {
        let mut world = suite::people::town(seed, Size::Small, story::MONDAY);
        let (mut all, mut calls) = (Vec::new(), Vec::new());
        for _ in 0..180 {
            world.minute(&mut calls);
            all.extend(calls.iter().copied());
        }
        all
    };
    let (one, again, other) = (lines(3), lines(3), lines(4));
    assert!(one.len() > 1000, "{} lines in three hours", one.len());
    assert!(one == again);
    assert!(one != other);
}

#[test]
fn logs_on_disk_tell_of_the_same_incident() {
    let story = story::all().into_iter().find(|s| s.name == "first hour: a loop that fails every 20 s").expect("it");
    let town = Town::raise_to(SEED, Size::Small, story.history);
    assert!(town.tell(story).verdicts[0].opened.iter().any(|told| told.detector == "retry-loop"));
    for form in [Form::Json, Form::Combined] {
        let folder = tempfile::tempdir().unwrap();
        let (lines, labels) = story::write(story, SEED, Size::Small, form, folder.path()).unwrap();
        assert!(lines > 1000 && labels.len() == 1, "{lines} lines, {} labels", labels.len());
        let config = folder.path().join("lapwing.toml");
        std::fs::write(&config, write::configuration()).unwrap();
        let done = std::process::Command::new(env!("CARGO_BIN_EXE_lapwing"))
            .current_dir(folder.path())
            .args(["replay", "--json", "--config", "lapwing.toml", "api.log", "web.log"])
            .output()
            .expect("lapwing starts");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let opened: Vec<String> = String::from_utf8_lossy(&done.stdout)
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter(|notice| notice["type"] == "opened" && notice["detector"] == "retry-loop")
            .map(|notice| {
                let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
                let (kind, name) = (text(&notice["subject"]["kind"]), text(&notice["subject"]["name"]));
                format!("{} {kind} {name} {}", text(&notice["detector"]), text(&notice["detected_at"]))
            })
            .collect();
        assert_eq!(opened.len(), 1, "{form:?}: {opened:?}");
    }
}
