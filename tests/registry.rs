//! House rules as code: what every detector must bring along, and what no file may hold.

mod support;

use std::path::{Path, PathBuf};

use support::tree;

/// The detectors of the contract, and those that came since. A file of `src/detect/` that bears one of these names is that detector.
const CONTRACT: [&str; 17] = [
    "burst",
    "error-spike",
    "leaked-key",
    "retry-loop",
    "harvesting",
    "enumeration",
    "credential-stuffing",
    "scope-creep",
    "workflow",
    "impossible-travel",
    "payload-size",
    "drift",
    "budget",
    "slow-response",
    "traffic-drop",
    "front-end-exposure",
    "shared-key",
];

/// The most lines a file may have before its tests, blank ones not counted.
const MOST_LINES: usize = 450;

/// The detectors that have a file (or a folder) in `src/detect/`.
fn detectors() -> Vec<&'static str> {
    CONTRACT
        .into_iter()
        .filter(|name| {
            let path = tree::repository().join("src/detect").join(name.replace('-', "_"));
            path.is_dir() || path.with_extension("rs").is_file()
        })
        .collect()
}

#[test]
fn every_detector_is_listed() {
    let text = std::fs::read_to_string(tree::repository().join("src/detect/mod.rs")).unwrap();
    let list = text.split_once("DETECTORS:").and_then(|(_, rest)| rest.split_once("];")).map_or("", |(list, _)| list);
    let listed =
        |name: &&str| list.contains(&format!("{}::", name.replace('-', "_"))) || list.contains(&format!("\"{name}\""));
    let missing: Vec<_> = detectors().into_iter().filter(|name| !listed(name)).collect();
    assert!(missing.is_empty(), "not in DETECTORS of src/detect/mod.rs: {missing:?}");
}

#[test]
fn every_detector_has_its_rule_its_words_and_its_page() {
    let mut missing = Vec::new();
    for name in detectors() {
        let rule = PathBuf::from(format!("rules/{name}.toml"));
        if !tree::repository().join(&rule).is_file() {
            missing.push(rule.display().to_string());
        }
        if !tree::files_under(&tree::repository().join("alert-templates/words")).iter().any(|path| stem(path) == name) {
            missing.push(format!("alert-templates/words/{name}.*"));
        }
        // The page names the detector and leads to its rule.
        let page = format!("docs/detectors/{name}.md");
        let text = std::fs::read_to_string(tree::repository().join(&page)).unwrap_or_default();
        if !text.starts_with(&format!("# `{name}`: ")) || !text.contains(&format!("(../../rules/{name}.toml)")) {
            missing.push(page);
        }
    }
    assert!(missing.is_empty(), "a detector needs all its files; missing: {missing:#?}");
}

#[test]
fn every_rule_belongs_to_a_detector() {
    let present = detectors();
    let rules = tree::files_under(&tree::repository().join("rules"));
    for path in rules.into_iter().filter(|path| path.extension().is_some_and(|e| e == "toml")) {
        let text = std::fs::read_to_string(&path).unwrap();
        let rule: toml::Table = text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let detector = rule.get("detector").and_then(toml::Value::as_str).map_or_else(|| stem(&path), str::to_owned);
        assert!(present.contains(&detector.as_str()), "{}: there is no detector {detector}", path.display());
    }
}

#[test]
fn no_file_is_too_long_to_read() {
    let long: Vec<String> = tree::rust_files("src")
        .into_iter()
        .filter(|path| !is_tests(path))
        .filter_map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let lines = tree::lines_before_tests(&text).filter(|l| !l.trim().is_empty()).count();
            (lines > MOST_LINES).then(|| format!("{}: {lines} lines", path.display()))
        })
        .collect();
    assert!(long.is_empty(), "one thing a file, at most {MOST_LINES} lines before its tests:\n{}", long.join("\n"));
}

#[test]
fn nothing_is_left_undone_or_switched_off() {
    // Written so that this file does not find itself.
    let forbidden =
        [concat!("to", "do!("), concat!("unimpl", "emented!("), concat!("db", "g!("), concat!("#[ig", "nore")];
    let mut found = Vec::new();
    for path in tree::rust_files("src").into_iter().chain(tree::rust_files("tests")) {
        let text = std::fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            for word in forbidden {
                if line.contains(word) {
                    found.push(format!("{}:{}: {word}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn no_test_sleeps() {
    // Real time belongs to tests/support alone, which waits for conditions. A paused tokio clock does not really sleep.
    let (real, tokio_s) = (concat!("thread::", "sleep"), concat!("time::", "sleep("));
    let mut found = Vec::new();
    for path in tree::rust_files("src").into_iter().chain(tree::rust_files("tests")) {
        if path.starts_with(tree::repository().join("tests/support")) {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let all_tests = path.starts_with(tree::repository().join("tests")) || is_tests(&path);
        let before = if all_tests { 0 } else { tree::lines_before_tests(&text).count() };
        let paused = text.contains("start_paused") || text.contains("time::pause");
        for (number, line) in text.lines().enumerate().skip(before) {
            if line.contains(real) || (line.contains(tokio_s) && !paused) {
                found.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "tests are given a clock, they do not sleep:\n{}", found.join("\n"));
}

#[test]
fn every_source_file_says_what_it_is() {
    let silent: Vec<_> = tree::rust_files("src")
        .into_iter()
        .filter(|path| !std::fs::read_to_string(path).unwrap().starts_with("//! "))
        .filter(|path| !is_tests(path))
        .collect();
    assert!(silent.is_empty(), "files without a first line `//! …`: {silent:?}");
}

/// Whether a file of `src/` holds tests only.
fn is_tests(path: &Path) -> bool {
    stem(path) == "tests" || stem(path).ends_with("_tests")
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The numbers of the faults that must be survived: files and time, process and state, web and mail, hostile input.
const FAULTS: [std::ops::RangeInclusive<u32>; 5] = [1..=46, 50..=62, 70..=77, 80..=90, 91..=104];

#[test]
fn every_fault_has_its_row_and_every_test_that_is_named_there_exists() {
    let text = std::fs::read_to_string(tree::repository().join("tests/FAULTS.md")).unwrap();
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| F")).collect();
    let has = |number: u32| {
        let name = format!("F{number:02}");
        rows.iter().any(|row| row.split('|').nth(1).is_some_and(|cell| cell.split([',', ' ']).any(|word| word == name)))
    };
    let missing: Vec<u32> = FAULTS.into_iter().flatten().filter(|number| !has(*number)).collect();
    assert!(missing.is_empty(), "faults without a row in tests/FAULTS.md: {missing:?}");
    let code: String = ["src", "tests"]
        .into_iter()
        .flat_map(tree::rust_files)
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let tests: Vec<&str> = code.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next()).collect();
    let mut unknown = Vec::new();
    for word in rows.iter().flat_map(|row| row.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))) {
        // A test's name, or the number with which it begins.
        let short = word.starts_with('f') && word[1..].starts_with(|c: char| c.is_ascii_digit());
        let known = tests.iter().any(|test| if short { test.contains(word) } else { test.starts_with(word) });
        if (short || word.matches('_').count() >= 3) && !known {
            unknown.push(word);
        }
    }
    assert!(unknown.is_empty(), "tests/FAULTS.md names tests that do not exist: {unknown:?}");
}
