//! The command line as scripts and people meet it: exit codes of the contract, clear words, no panic on any input.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;

const COMBINED: &str = r#"203.0.113.9 - acme [02/Mar/2026:14:31:07 +0000] "GET /v1/orders/1234?expand=items HTTP/1.1" 200 1412 "-" "okhttp/4.12.0""#;

fn lapwing(arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("lapwing").expect("the binary is built for tests");
    command.env_clear().args(arguments);
    command
}

/// Runs it and sees to it that it neither panicked nor was killed.
fn run(arguments: &[&str], input: &[u8]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = lapwing(arguments).write_stdin(input).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&stdout).into_owned(), String::from_utf8_lossy(&stderr).into_owned());
    let code = status.code().unwrap_or_else(|| panic!("{arguments:?} was killed: {err}"));
    assert!(!err.contains("panicked") && !out.contains("panicked"), "{arguments:?}: {err}");
    (code, out, err)
}

fn file(dir: &Path, name: &str, bytes: &[u8]) -> String {
    let path = dir.join(name);
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

fn lines(n: usize) -> String {
    (0..n).map(|i| COMBINED.replace("14:31:07", &format!("14:{:02}:{:02}", i / 60 % 60, i % 60)) + "\n").collect()
}

#[test]
fn every_command_has_help_with_examples() {
    let commands = [
        "run",
        "watch",
        "replay",
        "parse",
        "formats",
        "check",
        "drill",
        "incidents",
        "silence",
        "mark",
        "status",
        "outbox",
        "completions",
        "man",
    ];
    for command in commands {
        let (code, out, _) = run(&[command, "--help"], b"");
        assert_eq!(code, 0, "{command}");
        assert!(out.contains("Examples:") && out.contains("lapwing "), "{command}: {out}");
        assert!(!out.contains('\u{1b}'), "no colour in a pipe: {command}");
    }
    let (code, out, _) = run(&["--help"], b"");
    assert!(code == 0 && commands.iter().all(|c| out.contains(&format!("  {c}"))), "{out}");
    assert!(run(&["--version"], b"").1.starts_with("lapwing 0."));
}

#[test]
fn wrong_usage_is_2_and_goes_to_standard_error() {
    for wrong in [
        &["nonsense"][..],
        &["replay"],
        &["replay", "--since", "yesterday", "x"],
        &["replay", "--since", "2026-03-03", "--until", "2026-03-02", "-"],
        &["parse", "--format", "combind", "-"],
        &["parse", "--log-format", "$remote_addr$remote_user$request", "--format", "combined", "-"],
        &["formats", "show", "combind"],
        &["drill", "--show", "retry-lop"],
        &["silence", "add", "--for", "2h"],
        &["watch", "-"],
    ] {
        let (code, out, err) = run(wrong, b"");
        assert_eq!(code, 2, "{wrong:?}: {err}");
        assert!(out.is_empty() && !err.is_empty(), "{wrong:?}: {out}");
    }
    assert!(run(&["parse", "--format", "combind", "-"], b"").2.contains("combined"), "a suggestion is made");
    assert!(run(&["drill", "--show", "retry-lop"], b"").2.contains("did you mean \"retry-loop\"?"));
}

#[test]
fn a_missing_file_is_1_and_is_named() {
    for command in [&["replay"][..], &["parse"], &["formats", "detect"], &["watch"]] {
        let arguments = [command, &["/nonexistent/access.log"]].concat();
        let (code, out, err) = run(&arguments, b"");
        assert_eq!(code, 1, "{arguments:?}: {err}");
        assert!(out.is_empty() && err.contains("/nonexistent/access.log") && err.contains("no such file"), "{err}");
    }
}

#[test]
fn a_missing_configuration_is_2() {
    for arguments in [&["check", "--config", "/nonexistent.toml"][..], &["run", "--config", "/nonexistent.toml"]] {
        let (code, out, err) = run(arguments, b"");
        assert_eq!(code, 2, "{err}");
        assert!(format!("{out}{err}").contains("cannot read /nonexistent.toml: there is no such file"), "{out}{err}");
    }
}

#[test]
fn check_shows_file_line_column_and_a_suggestion() {
    let dir = tempfile::tempdir().unwrap();
    let log = file(dir.path(), "access.log", lines(3).as_bytes());
    let config = file(
        dir.path(),
        "lapwing.toml",
        format!("[source.api]\npath = [\"{log}\"]\nfromat = \"combined\"\n").as_bytes(),
    );
    let (code, out, err) = run(&["check", "--config", &config], b"");
    assert_eq!(code, 2);
    assert!(
        out.contains("lapwing.toml:3:1")
            && out.contains("fromat = \"combined\"")
            && out.contains("did you mean \"format\"?"),
        "{out}{err}"
    );
    let (_, out, _) = run(&["check", "--json", "--config", &config], b"");
    let finding: serde_json::Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    assert_eq!(
        (finding["line"].as_u64(), finding["column"].as_u64(), finding["severity"].as_str()),
        (Some(3), Some(1), Some("error"))
    );

    let config = file(
        dir.path(),
        "lapwing.toml",
        format!("[source.api]\npath = [\"{log}\"]\nformat = \"combind\"\n").as_bytes(),
    );
    let (code, out, _) = run(&["check", "--config", &config], b"");
    assert!(code == 2 && out.contains("lapwing.toml:3:10") && out.contains("did you mean \"combined\"?"), "{out}");

    let config = file(
        dir.path(),
        "lapwing.toml",
        format!("[source.api]\npath = [\"{log}\"]\nlog_format = '$remote_addr - \"$request'\nstart = \"end\"\n")
            .as_bytes(),
    );
    let (code, out, err) = run(&["check", "--config", &config], b"");
    assert!(code == 2 && out.contains("lapwing.toml:3:15") && out.contains("no time"), "{code} {out}{err}");

    let config = file(
        dir.path(),
        "lapwing.toml",
        format!("[source.api]\npath = [\"{log}\"]\n[channel.out]\nkind = \"terminal\"\n").as_bytes(),
    );
    let (code, out, err) = run(&["check", "--config", &config], b"");
    assert_eq!((code, out.as_str()), (0, ""), "{err}");
    assert!(err.contains("all is well (sources: 1, channels: 1"), "{err}");
}

#[test]
fn parse_gives_the_events_of_the_contract_in_order() {
    let input = format!("{COMBINED}\nrubbish\n{COMBINED}\n");
    let (code, out, err) = run(&["parse", "--format", "combined", "--json", "-"], input.as_bytes());
    assert_eq!(code, 0, "{err}");
    let rows: Vec<serde_json::Value> = out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(rows.len(), 3);
    assert_eq!(
        rows[0],
        serde_json::json!({
            "line": 1, "time": "2026-03-02T14:31:07.000Z", "client": "203.0.113.9", "key": "acme", "key_source": "user",
            "method": "GET", "target": "/v1/orders/1234?expand=items", "endpoint": "/v1/orders/{id}",
            "protocol": "HTTP/1.1", "status": 200, "bytes_out": 1412, "bytes_in": null, "duration": null, "referer": null,
            "user_agent": "okhttp/4.12.0", "host": null, "tokens_in": null, "tokens_out": null, "cost": null,
            "format": "combined"
        })
    );
    assert_eq!(rows[1]["line"], 2);
    assert!(rows[1]["rejected"].is_string() && rows[1]["column"].is_u64(), "{}", rows[1]);
    assert!(rows[1].as_object().unwrap().len() == 3);
    assert_eq!(rows[2]["line"], 3);
    assert!(err.contains("2 lines read, 1 not"), "{err}");
}

#[test]
fn parse_sums_up_what_it_could_not_read_for_people_and_beside_the_events_of_scripts() {
    let late = COMBINED.replace("HTTP/1.1\"", "HTTP/1.1");
    let secret =
        COMBINED.replace("02/Mar/2026", "yesterday").replace("expand=items", "api_key=sk_live_51H8xJ2eZvKYlo2C9f3a");
    let long = "x".repeat(9 << 20);
    let input = format!("{COMBINED}\n{secret}\nrubbish\n{secret}\n\n{late}\n{COMBINED}\n{long}\n");
    let expected = [
        "-: 2 lines read, 5 not",
        "  2 not a time, column 21, first in line 2:",
        "  1 line too short, column 8, first in line 3:",
        "    rubbish",
        "  1 unquoted request, column 50, first in line 6:",
        "  1 line too long, first in line 8",
    ];
    for (arguments, named) in [
        (&["parse", "--format", "combined", "-"][..], true),
        (&["parse", "--format", "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\"", "-"], false),
        (&["parse", "--format", "combined", "--json", "-"], true),
        (&["parse", "--format", "combined", "--json", "--quiet", "-"], true),
    ] {
        let (code, out, err) = run(arguments, input.as_bytes());
        assert_eq!(code, 0, "{err}");
        let is_json = arguments.contains(&"--json");
        let summary = if is_json { &err } else { &out };
        for line in expected.iter().filter(|_| !arguments.contains(&"--quiet")) {
            assert!(summary.lines().any(|found| found == *line), "{line}: {summary}");
        }
        assert!(!out.contains("51H8xJ2eZvKYlo2C") && !err.contains("51H8xJ2eZvKYlo2C"), "{out}{err}");
        if is_json {
            let rows: Vec<serde_json::Value> = out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
            let numbers: Vec<u64> = rows.iter().filter_map(|row| row["line"].as_u64()).collect();
            assert_eq!(numbers, [1, 2, 3, 4, 6, 7, 8], "{out}");
            assert!(rows.iter().all(|row| row["rejected"].is_string() || row["format"] == "combined"), "{out}");
        } else {
            assert!(named || !err.contains("combined"), "a literal format is none of the named ones: {err}");
            assert!(out.lines().position(|l| l.starts_with("-: ")) > out.lines().position(|l| l.starts_with("7: ")));
        }
    }
}

#[test]
fn further_fields_are_shown_under_their_names_and_tokens_never() {
    let format = "%ci [%tr] %ST %[var(txn.pool)] %{+Q}[req.hdr(Authorization)] %{+Q}r";
    // {"sub":"acme"}
    let token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhY21lIn0.c2lnbmF0dXJl";
    let input = format!("203.0.113.9 [02/Mar/2026:14:31:07.000] 200 blue \"Bearer {token}\" \"GET /v1/a HTTP/1.1\"\n");
    let (code, out, err) = run(&["parse", "--format", format, "--timezone", "UTC", "--json", "-"], input.as_bytes());
    assert_eq!(code, 0, "{err}");
    let row: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(row["extra"], serde_json::json!({"pool": "blue"}));
    assert_eq!((&row["key"], &row["key_source"]), (&"acme".into(), &"json:api_key".into()));
    assert!(!out.contains("eyJzdWIi"), "{out}");
    let (_, out, _) = run(&["parse", "--format", format, "-"], input.as_bytes());
    assert!(out.contains(" pool=blue") && !out.contains("eyJzdWIi"), "{out}");

    let (code, out, err) = run(&["formats", "explain", "%h%u %t \"%r\" %>s %{X-Pool}i"], b"");
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("written as apache writes it\n  remote_host"), "{out}");
    assert!(out.contains("X-Pool       kept under its name"), "{out}");
    assert!(err.contains("nothing stands between remote_host and remote_user") && err.contains("as in %h %u"), "{err}");
    let (code, _, err) = run(&["formats", "explain", "%h %t %{X"], b"");
    assert!(code == 2 && err.contains("not closed") && err.contains("column 7"), "{err}");
}

#[test]
fn check_names_fields_that_nothing_separates_and_columns_of_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("a.log");
    std::fs::write(&log, "").unwrap();
    let config = dir.path().join("lapwing.toml");
    let check = |format: &str| {
        let text = format!(
            "state_dir = \"{0}\"\n[source.a]\npath = [\"{1}\"]\nlog_format = '{format}'\n[channel.t]\nkind = \"terminal\"\n",
            dir.path().display(),
            log.display()
        );
        std::fs::write(&config, text).unwrap();
        run(&["check", "--config", config.to_str().unwrap()], b"")
    };
    let (code, out, err) = check("[$time_local] $remote_addr$remote_user \"$request\"");
    assert_eq!(code, 0, "{out} {err}");
    assert!(out.contains("between remote_addr and remote_user") && out.contains("$remote_addr $remote_user"), "{out}");
    let (code, out, _) = check("[$time_local] $ \"$request\"");
    assert!(code == 2 && out.contains("lapwing.toml:4:29"), "{out}");
}

#[test]
fn formats_are_listed_detected_and_shown() {
    let (code, out, _) = run(&["formats"], b"");
    assert!(code == 0 && out.contains("combined") && out.contains("caddy"), "{out}");
    let (code, out, _) = run(&["formats", "detect", "-"], lines(20).as_bytes());
    assert_eq!((code, out.lines().next()), (0, Some("combined")), "{out}");
    let (code, out, _) = run(&["formats", "detect", "--json", "-"], b"\x00\x01\x02rubbish\n\xff\xfe\n");
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &answer["format"]), (1, &serde_json::Value::Null), "{out}");
    assert!(run(&["formats", "show", "combined"], b"").1.contains("log_format"));
}

#[test]
fn detect_tells_formats_turns_envelopes_and_lacks() {
    let json = |n| {
        format!(
            "{{\"time\":\"2026-03-02T14:31:07Z\",\"client_ip\":\"192.0.2.1\",\"method\":\"GET\",\"path\":\"/{n}\",\"status\":200}}\n"
        )
    };
    let turned =
        format!("{}\nrubbish token=s3cr3t-t0ken-of-somebody\n{}", lines(1202), (0..300).map(json).collect::<String>());
    let (code, out, err) = run(&["formats", "detect", "--json", "-"], turned.as_bytes());
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"));
    assert_eq!((code, &answer["format"], &answer["all_lines"]), (0, &"combined".into(), &1503.into()), "{out}");
    assert_eq!(answer["formats"][0]["lines"], 1202, "{out}");
    assert_eq!(answer["formats"][1]["format"], "json", "{out}");
    assert_eq!((&answer["turns"][0]["to"], &answer["turns"][0]["from"]), (&"json".into(), &"combined".into()), "{out}");
    let line = answer["turns"][0]["line"].as_u64().unwrap();
    assert_eq!(turned.lines().nth(line as usize - 1).unwrap().get(..7), Some("{\"time\""), "{out}");
    assert!(!out.contains("s3cr3t"), "{out}");
    assert!(answer["votes"].as_array().unwrap().iter().any(|v| v["format"] == "lighttpd"), "{out}");
    assert!(answer["misses"][0]["lack"]["reason"].is_string(), "{out}");
    let (_, out, _) = run(&["formats", "detect", "-"], turned.as_bytes());
    assert!(out.starts_with("combined\n") && out.contains("json (before: combined)"), "{out}");
    assert!(out.contains("What other formats lack:"), "{out}");

    let wrapped = lines(30).replace("203.0.113.9 - ", "2026-03-02T14:31:07.1Z stdout F 203.0.113.9 - ");
    let (code, out, _) = run(&["formats", "detect", "--json", "-"], wrapped.as_bytes());
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &answer["format"]), (0, &"combined".into()), "{out}");
    assert_eq!(
        (&answer["envelopes"][0]["envelope"], &answer["envelopes"][0]["lines"]),
        (&"CRI".into(), &30.into()),
        "{out}"
    );
}

#[test]
fn odd_logs_are_told_in_clear_words() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    let noise: Vec<u8> = (0..200_000).map(|_| random()).collect();
    let mut long = lines(5).into_bytes();
    long.extend(std::iter::repeat_n(b'A', 10 << 20));
    long.push(b'\n');
    long.extend(lines(5).into_bytes());
    let future = lines(50) + &COMBINED.replace("2026", "2126") + "\n" + &lines(50);
    let ahead = lines(50).replace("2026", "2126");
    let mut lone = vec![b'A'; 10 << 20];
    lone.push(b'\n');
    for (name, bytes, words, expected) in [
        ("noise.log", noise, "could not be read", 1),
        ("empty.log", Vec::new(), "there is nothing in it", 0),
        ("long.log", long, "over the length limit", 0),
        ("lone.log", lone, "1 over the length limit", 1),
        ("future.log", future.into_bytes(), "Read 101 lines", 0),
        ("ahead.log", ahead.into_bytes(), "ahead of this machine's clock", 0),
        ("nul.log", vec![0; 5_000_000], "Read ", 0),
    ] {
        let path = file(dir.path(), name, &bytes);
        let (code, out, err) = run(&["replay", &path], b"");
        assert_eq!(code, expected, "{name}: {out}{err}");
        assert!(out.contains(words), "{name}: {out}{err}");
        assert!(!out.contains('\u{1b}') && out.len() < 4000, "{name}: one screen");
        let (code, json, err) = run(&["replay", "--json", &path], b"");
        assert!(code <= 1 && json.is_empty() && err.contains("Read "), "{name}: {json}{err}");
        let (code, ..) = run(&["parse", "--json", &path], b"");
        assert_eq!(code, 0, "{name}");
        run(&["formats", "detect", &path], b"");
    }
}

#[test]
fn a_replay_twice_gives_the_same_bytes() {
    let logs = ["testdata/caddy/access.log.1.gz", "testdata/caddy/access.log.gz"];
    let replayed = || run(&["replay", "--json", logs[0], logs[1]], b"");
    let (code, out, _) = replayed();
    assert_eq!((code, out.lines().count()), (0, 2), "{out}");
    assert_eq!(out, replayed().1);
}

#[test]
fn replay_reads_rotated_and_packed_copies_once() {
    let dir = tempfile::tempdir().unwrap();
    let log = file(dir.path(), "access.log", lines(100).as_bytes());
    let one = file(dir.path(), "access.log.1", lines(100).replace("02/Mar", "01/Mar").as_bytes());
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(lines(100).replace("02/Mar", "28/Feb").as_bytes()).unwrap();
    let two = file(dir.path(), "access.log.2.gz", &packed.finish().unwrap());
    for files in [vec![log.as_str()], vec![log.as_str(), one.as_str(), two.as_str()]] {
        let (code, out, err) = run(&[&["replay"], files.as_slice()].concat(), b"");
        assert_eq!(code, 0, "{err}");
        assert!(out.contains("Read 300 lines in 3 files: 2026-02-28T14:00:00Z to 2026-03-02T14:01:39Z"), "{out}");
    }
    let (_, out, _) = run(&["replay", "--until", "2026-03-01", &log], b"");
    assert!(out.contains("Read 100 lines"), "{out}");
    let (_, out, _) = run(&["replay", "-"], lines(40).as_bytes());
    assert!(out.contains("Read 40 lines"), "{out}");
}

#[test]
fn without_a_daemon_the_asking_commands_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("lapwing.sock");
    let socket = socket.to_str().unwrap();
    for command in [&["status"][..], &["incidents"], &["outbox"]] {
        let (code, _, err) = run(&[command, &["--socket", socket]].concat(), b"");
        assert!(code == 1 && err.contains("no running Lapwing answers"), "{command:?}: {err}");
    }
    let (code, _, err) = run(&["silence", "--socket", socket, "add", "--subject", "acme", "--for", "2h"], b"");
    assert!(code == 1 && err.contains("no running Lapwing answers"), "{err}");
}

#[test]
fn drills_are_shown_for_every_detector_and_marked() {
    let (code, out, err) = run(&["drill", "--show", "--json"], b"");
    assert_eq!(code, 0, "{err}");
    let names: Vec<String> = out
        .lines()
        .map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap())
        .inspect(|notice| assert_eq!(notice["drill"], true))
        .map(|notice| notice["detector"].as_str().unwrap().to_owned())
        .collect();
    for detector in ["burst", "error-spike", "leaked-key", "retry-loop", "traffic-drop"] {
        assert!(names.iter().any(|n| n == detector), "{names:?}");
    }
}

#[test]
fn packagers_get_completions_and_manual_pages() {
    for shell in ["bash", "zsh", "fish"] {
        let (code, out, _) = run(&["completions", shell], b"");
        assert!(code == 0 && out.contains("lapwing"), "{shell}");
    }
    assert!(run(&["man"], b"").1.contains(".TH lapwing 1"));
    let dir = tempfile::tempdir().unwrap();
    let (code, _, err) = run(&["man", "--dir", dir.path().to_str().unwrap()], b"");
    assert_eq!(code, 0, "{err}");
    assert!(dir.path().join("lapwing.1").exists() && dir.path().join("lapwing-replay.1").exists());
}

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    let dir = tempfile::tempdir().unwrap();
    let log = file(dir.path(), "access.log", lines(50_000).as_bytes());
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("lapwing"))
        .args(["parse", "--json", &log])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && !err.contains("panicked") && !err.contains("error:"),
        "{:?} {err}",
        output.status
    );
}

#[test]
fn check_says_what_the_lines_do_not_show_and_what_to_paste() {
    let dir = tempfile::tempdir().unwrap();
    let log = file(dir.path(), "access.log", lines(120).replace("- acme [", "- - [").as_bytes());
    let state = dir.path().join("state");
    let text = format!("state_dir = \"{}\"\n[source.api]\npath = [\"{log}\"]\n", state.display());
    let config = file(dir.path(), "lapwing.toml", text.as_bytes());
    let (code, out, err) = run(&["check", "--config", &config], b"");
    assert_eq!(code, 0, "it is no error: {out}{err}");
    assert!(
        out.contains("note: source \"api\": no key in any line: callers are told apart by their addresses alone"),
        "{out}"
    );
    assert!(out.contains("no request time in any line") && out.contains("only 2 min of history"), "{out}");
    let line = "    log_format lapwing '$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \
                \"$http_referer\" \"$http_user_agent\" \"$http_x_api_key\" $request_time $request_length $host';";
    assert!(out.contains(line), "{out}");
    assert!(!out.contains("[geoip]"), "without keys nothing travels: {out}");
    let keyed = file(dir.path(), "keyed.log", lines(120).as_bytes());
    let text = format!("state_dir = \"{}\"\n[source.api]\npath = [\"{keyed}\"]\n", state.display());
    let (_, out, _) = run(&["check", "--config", &file(dir.path(), "keyed.toml", text.as_bytes())], b"");
    let places = "    [geoip]\n    path = \"/var/lib/GeoIP/GeoLite2-City.mmdb\"\n    asn = \"/var/lib/GeoIP/GeoLite2-ASN.mmdb\"\n";
    assert!(out.contains("no database of places: ") && out.contains(places), "{out}");
    // Of two sources it is said once, since it is the configuration that lacks it.
    let text = format!("{text}[source.web]\npath = [\"{keyed}\"]\n");
    let (_, out, _) = run(&["check", "--config", &file(dir.path(), "two.toml", text.as_bytes())], b"");
    assert_eq!((out.matches("no database of places").count(), out.matches("[geoip]").count()), (1, 1), "{out}");
    assert_eq!(out.matches("no request time in any line").count(), 2, "{out}");
    let (_, out, _) = run(&["check", "--json", "--config", &config], b"");
    let unseen = out.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let unseen: Vec<_> = unseen.filter(|value| value["unseen"].is_array()).collect();
    assert_eq!((unseen.len(), unseen[0]["lines"].as_u64()), (1, Some(120)), "{out}");
    assert!(unseen[0]["paste"][0]["text"].as_str().unwrap().starts_with("log_format lapwing"), "{out}");
}
