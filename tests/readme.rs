//! What the README shows is run: its first command, with the output it shows; its configuration; the files it names.
//!
//! After a change of words, `LAPWING_UPDATE=1 cargo test --test readme` writes the new output into the README.

mod support;

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use support::tree;

/// How the README starts Lapwing from the repository; the test runs the binary that is built already.
const RUN: &str = "cargo run --release -- ";

/// A fenced block: its language and its lines.
struct Block {
    language: String,
    text: String,
}

fn readme() -> String {
    std::fs::read_to_string(tree::repository().join("README.md")).expect("README.md")
}

fn blocks(readme: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for line in readme.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => open = Some(Block { language: language.to_owned(), text: String::new() }),
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "README.md: a block does not end");
    found
}

/// Runs a command line of the README and gives what it prints on standard output.
fn run(command: &str) -> String {
    let line = command.replacen(RUN, &format!("{} ", env!("CARGO_BIN_EXE_lapwing")), 1);
    let done = Command::new("sh")
        .args(["-c", &line])
        .current_dir(tree::repository())
        .env("NO_COLOR", "1")
        .env("TZ", "UTC")
        .env_remove("COLUMNS")
        .output()
        .expect("sh starts");
    assert!(done.status.success(), "{command}: {}\n{}", done.status, String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).expect("the output is text")
}

#[test]
fn the_first_command_prints_what_is_shown() {
    let readme = readme();
    let found = blocks(&readme);
    let at = found.iter().position(|b| b.language == "sh").expect("a block of shell commands");
    let command = found[at].text.trim_end();
    assert!(command.starts_with(RUN) && command.lines().count() == 1, "the first command is `{RUN}…`: {command}");
    let shown = found.get(at + 1).filter(|b| b.language == "text").expect("a block ```text with its output comes next");

    let printed = run(command);
    let comparable = |text: &str| -> String {
        // How long it took differs from machine to machine; the README shows `…` there.
        text.lines().map(str::trim_end).filter(|line| !line.contains("lines/s")).collect::<Vec<_>>().join("\n")
    };
    if std::env::var_os("LAPWING_UPDATE").is_some() {
        std::fs::write(tree::repository().join("README.md"), readme.replacen(&shown.text, &printed, 1)).unwrap();
        return;
    }
    assert!(!printed.trim().is_empty(), "{command} prints nothing");
    assert_eq!(comparable(&shown.text), comparable(&printed), "the README shows other output than `{command}` prints");
}

#[test]
fn the_second_command_runs_the_tests() {
    let readme = readme();
    let found = blocks(&readme);
    let command = found.iter().filter(|b| b.language == "sh").nth(1).expect("a second block of shell commands");
    assert_eq!(command.text, "scripts/test\n");
}

#[test]
fn the_configuration_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("smtp.secret");
    std::fs::write(&secret, "secret").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let found = blocks(&readme());
    let mut samples = 0;
    for block in found.iter().filter(|b| b.language == "toml") {
        samples += 1;
        let text = block
            .text
            .replace(
                "/var/log/nginx/access.log",
                &tree::repository().join("testdata/nginx/access.log").display().to_string(),
            )
            .replace("/etc/lapwing/smtp.secret", &secret.display().to_string());
        let config = folder.path().join("lapwing.toml");
        std::fs::write(&config, format!("state_dir = \"{}\"\n{text}", folder.path().join("state").display())).unwrap();
        let done =
            Command::new(env!("CARGO_BIN_EXE_lapwing")).args(["check", "--config"]).arg(&config).output().unwrap();
        assert!(
            done.status.success(),
            "{}\n{}\n{}",
            block.text,
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr)
        );
    }
    assert!(samples > 0, "the README shows no configuration");
}

#[test]
fn files_that_are_named_exist() {
    let readme = readme();
    let words = readme.split(|c: char| c.is_whitespace() || "`()\"".contains(c));
    let mut named = 0;
    for word in words {
        let word = word.trim_end_matches(['.', ',', ':', ';']).trim_end_matches('*');
        let first = word.split('/').next().unwrap_or("");
        if word.contains('/')
            && ["scripts", "systemd", "testdata", "tests", ".ci", "src", "rules", "parsers"].contains(&first)
        {
            named += 1;
            let (file, heading) = word.split_once('#').unwrap_or((word, ""));
            let path = tree::repository().join(file);
            assert!(path.exists(), "README.md names {word}, which is not there");
            // As GitHub makes anchors: small letters, blanks as dashes, no other signs.
            let anchor = |line: &str| -> String {
                let small = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
                small.chars().filter(|c| c.is_alphanumeric() || *c == '-').collect()
            };
            if !heading.is_empty() {
                let text = std::fs::read_to_string(path).unwrap();
                let mut headings = text.lines().filter(|line| line.starts_with('#')).map(anchor);
                assert!(headings.any(|known| known == heading), "README.md names {word}: there is no such heading");
            }
        }
    }
    assert!(named > 3, "the README names no files: has its form changed?");
}
