//! Errors as people see them, the order of merging, and secrets.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use crate::detect::scene::Sensitivity;
use crate::format::{Choice, Syntax};
use secrecy::ExposeSecret;

fn write(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
}

fn load(dir: &Path) -> Result<Loaded, Invalid> {
    Config::load_in(
        &dir.join("lapwing.toml"),
        Environment::new(&|name| match name {
            "SLACK" => Some("https://hooks.slack.example/MARKED".to_owned()),
            "LAPWING_HOOK_AUTHORIZATION" => Some("Bearer MARKED".to_owned()),
            "CREDENTIALS_DIRECTORY" => Some(dir.join("credentials").to_string_lossy().into_owned()),
            _ => None,
        }),
    )
}

/// What `lapwing check` would print, with the directory left out.
fn errors(dir: &Path) -> String {
    let list = load(dir).expect_err("there is something wrong").0;
    let text = list.iter().map(|d| d.render(false)).collect::<Vec<_>>().join("\n");
    text.replace(&format!("{}/", dir.display()), "")
}

fn errors_of(text: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "lapwing.toml", text);
    errors(dir.path())
}

fn config_of(text: &str) -> Config {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "lapwing.toml", text);
    load(dir.path()).unwrap_or_else(|e| panic!("{e}")).config
}

/// Users get what the rule files say, the scenario suite judges what is built in.
#[test]
fn the_rule_files_say_what_is_built_in() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "lapwing.toml", "");
    let of_files = load(dir.path()).unwrap().config.engine_settings(Vec::new(), crate::event::Hasher::new(1));
    let built_in = crate::engine::Settings::default();
    assert_eq!(of_files.harvesting, built_in.harvesting);
    assert_eq!(of_files.burst, built_in.burst);
    assert_eq!(of_files.error_spike, built_in.error_spike);
    assert_eq!(of_files.leaked_key, built_in.leaked_key);
    assert_eq!(of_files.retry_loop, built_in.retry_loop);
    assert_eq!(of_files.traffic_drop, built_in.traffic_drop);
    assert_eq!(of_files.enumeration, built_in.enumeration);
    assert_eq!(of_files.credential_stuffing, built_in.credential_stuffing);
    assert_eq!(of_files.scope_creep, built_in.scope_creep);
    assert_eq!(of_files.payload_size, built_in.payload_size);
    assert_eq!(of_files.slow_response, built_in.slow_response);
}

#[test]
fn the_keys_of_the_contract_are_read() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "smtp.secret", "s3cret\n");
    write(
        dir.path(),
        "lapwing.toml",
        r#"
state_dir = "/var/lib/lapwing"
timezone = "Europe/Zurich"
currency = "EUR"
[source.api]
path = ["/var/log/nginx/access.log*"]
format = "auto"
start = "end"
key = ["user", "query:api_key", "json:consumer"]
trusted_proxies = ["10.0.0.0/8", "192.0.2.1"]
[channel.ops]
kind = "slack"
url_env = "SLACK"
[channel.mail]
kind = "email"
server = "smtp.example.com"
username = "lapwing"
password_file = "smtp.secret"
from = "Lapwing <lapwing@example.com>"
to = ["oncall@example.com"]
[route]
critical = ["ops", "mail"]
warning = ["ops"]
[alerts]
cooldown = "45m"
[rule.burst]
sensitivity = "high"
floor = 50
[rule.retry-loop]
severity = "critical"
slow = "30s"
[cost."/v1/documents/process"]
per_request = 1.58
[consumers.acme]
keys = ["acme", "fp:7c41e0"]
tier = "gold"
owner = "payments team"
"#,
    );
    let Loaded { config, warnings } = load(dir.path()).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(config.zone, Zone::parse("Europe/Zurich").unwrap());
    assert_eq!(config.cooldown, Span::from_mins(45));
    let source = &config.sources[0];
    assert_eq!((source.files.name.as_str(), source.files.start), ("api", reading::Start::End));
    assert_eq!(source.trusted_proxies.len(), 2);
    let ChannelKind::Email { host, port, password, .. } = &config.channels[1].kind else { panic!("mail") };
    assert_eq!((host.as_str(), *port), ("smtp.example.com", 587));
    assert_eq!(password.as_ref().unwrap().expose_secret(), "s3cret");
    let names = |s| config.channels_for(s).iter().map(|c| c.name.as_str()).collect::<Vec<_>>();
    assert_eq!(names(Severity::Critical), ["ops", "mail"]);
    assert_eq!(names(Severity::Warning), ["ops"]);
    assert_eq!(names(Severity::Info), ["ops", "mail"], "what is not routed goes to all");
    let rule = |name: &str| config.rules.iter().find(|r| r.name == name).unwrap();
    assert_eq!(rule("burst").sensitivity, Sensitivity::High);
    assert_eq!(rule("burst").number("floor", 0.0), 50.0);
    assert_eq!(rule("burst").number("floor_site", 0.0), 200.0, "the other defaults stay");
    assert_eq!(config.severity_of("retry-loop"), Some(Severity::Critical));
    let engine = config.engine_settings(vec!["api".to_owned()], crate::event::Hasher::new(1));
    assert_eq!((engine.burst.floor, engine.burst.site_floor), (50.0, 200.0));
    assert_eq!((engine.retry_loop.slow, engine.retry_loop.failing_calls), (Span::from_secs(30), 20));
    assert_eq!(engine.book.cooldown, Span::from_mins(45));
    let (given, own) = (
        Config::default().engine_settings(Vec::new(), crate::event::Hasher::new(1)),
        crate::engine::Settings::default(),
    );
    assert_eq!((given.burst, given.error_spike, given.traffic_drop), (own.burst, own.error_spike, own.traffic_drop));
    assert_eq!(
        (given.leaked_key, given.retry_loop),
        (own.leaked_key, own.retry_loop),
        "rules/ says what the code does"
    );
    assert_eq!(config.rules.len(), crate::detect::DETECTORS.len());
    assert_eq!(config.consumers[0].known.owner.as_deref(), Some("payments team"));
    assert_eq!(config.costs[0].per_request, Some(1.58));
    assert!(!format!("{config:?}").contains("MARKED") && !format!("{config:?}").contains("s3cret"));
}

#[test]
fn errors_point_at_line_and_column_and_all_at_once() {
    insta::assert_snapshot!(errors_of(r#"[source.api]
paht = ["/var/log/nginx/access.log"]
trusted_proxies = ["10.0.0.0/8", "10.0.0.0/33"]
start = "begining"
key = ["cookie"]

[channel.ops]
kind = "slak"

[route]
critical = ["opps"]

[rule.burst]
flor = 5
[rule.brust]
enabled = false
[rule.mine]
detector = "retry-lop"

[alerts]
cooldown = "5 parsecs"
"#), @r##"
error: a source needs "path"
 --> lapwing.toml:1:9
  |
1 | [source.api]
  |         ^^^ missing here
  |
  = help: for example path = ["/var/log/nginx/access.log*"]
error: unknown key "paht"
 --> lapwing.toml:2:1
  |
2 | paht = ["/var/log/nginx/access.log"]
  | ^^^^ not a key of a source
  |
  = help: did you mean "path"?
error: in "trusted_proxies": expected a network such as "10.0.0.0/8" or one address, found "10.0.0.0/33"
 --> lapwing.toml:3:34
  |
3 | trusted_proxies = ["10.0.0.0/8", "10.0.0.0/33"]
  |                                  ^^^^^^^^^^^^^
error: "begining" is not a "start" of a source
 --> lapwing.toml:4:9
  |
4 | start = "begining"
  |         ^^^^^^^^^^
  |
  = help: did you mean "beginning"?
error: in "key": expected "user", "query:NAME", "json:NAME", "field:NAME", "header:NAME", "cookie:NAME", "tenant", "subject" or "session", found "cookie"
 --> lapwing.toml:5:8
  |
5 | key = ["cookie"]
  |        ^^^^^^^^
error: "slak" is not a "kind" of a channel
 --> lapwing.toml:8:8
  |
8 | kind = "slak"
  |        ^^^^^^
  |
  = help: did you mean "slack"?
error: no channel is called "opps"
  --> lapwing.toml:11:13
   |
11 | critical = ["opps"]
   |             ^^^^^^
   |
   = help: did you mean "ops"?
error: unknown key "flor"
  --> lapwing.toml:14:1
   |
14 | flor = 5
   | ^^^^ not a key of the rule "burst"
   |
   = help: did you mean "floor"?
error: no built-in rule is called "brust", so it needs "detector"
  --> lapwing.toml:16:1
   |
16 | enabled = false
   | ^^^^^^^
   |
   = help: did you mean "burst"?
error: no detector is called "retry-lop"
  --> lapwing.toml:18:12
   |
18 | detector = "retry-lop"
   |            ^^^^^^^^^^^
   |
   = help: did you mean "retry-loop"?
error: "cooldown" cannot be read: expected a duration such as "30s", "5m", "1h30m" or "7d", found "5 parsecs"
  --> lapwing.toml:21:12
   |
21 | cooldown = "5 parsecs"
   |            ^^^^^^^^^^^
"##);
}

#[test]
fn a_source_and_a_channel_need_little_but_that() {
    insta::assert_snapshot!(errors_of(r#"colour = true
[source.api]
format = "nginx"
log_format = "$remote_addr"
[source.shop]
path = ["/var/log/[a.log", ""]
[channel.mail]
kind = "email"
server = "smtp.example.com:none"
from = "nobody"
tls = "none"
[channel.hook]
kind = "webhook"
url = "http://example.com/MARKED"
[consumers.acme]
keys = ["fp:xyz"]
[cost."v1"]
per_request = -1
"#), @r##"
error: unknown key "colour"
 --> lapwing.toml:1:1
  |
1 | colour = true
  | ^^^^^^ not a key of the configuration
  |
  = help: known are "parsers_dir", "rules_dir", "templates_dir", "state_dir", "socket", "timezone", "currency", "backfill", "limits", "source", "channel", "route", "alerts", "rule", "consumers_file", "consumers", "cost", "maintenance", "geoip", "routes"
error: a source needs "path"
 --> lapwing.toml:2:9
  |
2 | [source.api]
  |         ^^^ missing here
  |
  = help: for example path = ["/var/log/nginx/access.log*"]
error: "format" and "log_format" are both given
 --> lapwing.toml:4:14
  |
4 | log_format = "$remote_addr"
  |              ^^^^^^^^^^^^^^ one of them is enough
error: in "path": "/var/log/[a.log" is not a path or glob: unclosed character class; missing ']'
 --> lapwing.toml:6:9
  |
6 | path = ["/var/log/[a.log", ""]
  |         ^^^^^^^^^^^^^^^^^
error: in "path": a path is empty
 --> lapwing.toml:6:28
  |
6 | path = ["/var/log/[a.log", ""]
  |                            ^^
error: a channel needs "to"
 --> lapwing.toml:7:10
  |
7 | [channel.mail]
  |          ^^^^ missing here
  |
  = help: for example to = ["oncall@example.com"]
error: "server" cannot be read: expected "host:port", found "smtp.example.com:none"
 --> lapwing.toml:9:10
  |
9 | server = "smtp.example.com:none"
  |          ^^^^^^^^^^^^^^^^^^^^^^^
error: "from" cannot be read: expected an address such as "oncall@example.com", found "nobody"
  --> lapwing.toml:10:8
   |
10 | from = "nobody"
   |        ^^^^^^^^
error: plain http is only for receivers on this machine
  --> lapwing.toml:14:7
   |
14 | url = "*************************"
   |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^
   |
   = help: use https: alerts name keys and addresses, and a webhook's address is a secret
error: expected "fp:" and six hexadecimal digits, found "fp:xyz"
  --> lapwing.toml:16:9
   |
16 | keys = ["fp:xyz"]
   |         ^^^^^^^^
   |
   = help: alerts show it behind the masked key
error: expected a route such as "/v1/users/{id}", found "v1"
  --> lapwing.toml:17:7
   |
17 | [cost."v1"]
   |       ^^^^
error: "per_request" should be a number from 0 to 1000000000
  --> lapwing.toml:18:15
   |
18 | per_request = -1
   |               ^^ out of range
"##);
}

#[test]
fn broken_toml_shows_every_broken_place() {
    let shown = errors_of("[source.api]\npath = \nstart = end\n");
    assert!(shown.contains("lapwing.toml:2:") && shown.contains("lapwing.toml:3:"), "{shown}");
}

#[test]
fn a_missing_file_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(errors(dir.path()), @r##"
    error: cannot read lapwing.toml: there is no such file
     |
     = help: name the file with --config
    "##);
}

#[test]
fn drop_ins_override_key_by_key_in_the_order_of_their_names() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "lapwing.toml", "[source.api]\npath = [\"/a\"]\nstart = \"end\"\n[alerts]\ncooldown = \"1h\"\n");
    write(dir.path(), "conf.d/20-b.toml", "[alerts]\ncooldown = \"3h\"\n");
    write(dir.path(), "conf.d/10-a.toml", "[alerts]\ncooldown = \"2h\"\n[source.api]\npath = [\"/b\"]\n");
    write(dir.path(), "conf.d/README", "not read");
    write(dir.path(), "conf.d/.hidden.toml", "not read");
    let config = load(dir.path()).unwrap().config;
    assert_eq!(config.cooldown, Span::from_hours(3));
    assert_eq!(config.sources[0].files.path, ["/b"]);
    assert_eq!(config.sources[0].files.start, reading::Start::End, "a drop-in changes one key");
    assert_eq!(config.files.len(), 3);

    write(dir.path(), "conf.d/30-c.toml", "[source.api]\nstrat = \"end\"\n");
    assert!(errors(dir.path()).contains("conf.d/30-c.toml:2:1"), "{}", errors(dir.path()));
}

#[test]
fn rules_on_disk_lie_between_the_built_in_ones_and_the_configuration() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "lapwing.toml", "[rule.burst]\nfloor_site = 9\n");
    write(dir.path(), "rules/burst.toml", "floor_site = 7\nfloor = 7\n");
    let config = load(dir.path()).unwrap().config;
    let burst = config.rules.iter().find(|r| r.name == "burst").unwrap();
    assert_eq!(burst.number("floor_site", 0.0), 9.0);
    assert_eq!(burst.number("floor", 0.0), 7.0);
    assert_eq!(burst.number("tolerance", 0.0), 1.3);
}

#[test]
fn secret_files_that_others_may_read_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "lapwing.toml", "[channel.ops]\nkind = \"slack\"\nurl_file = \"slack.url\"\n");
    write(dir.path(), "slack.url", "https://hooks.slack.example/MARKED\n");
    assert!(load(dir.path()).is_ok());
    fs::set_permissions(dir.path().join("slack.url"), fs::Permissions::from_mode(0o644)).unwrap();
    let shown = errors(dir.path());
    insta::assert_snapshot!(shown, @r##"
    error: slack.url can be read by everybody on this machine (mode 644)
     --> lapwing.toml:3:12
      |
    3 | url_file = "slack.url"
      |            ^^^^^^^^^^^
      |
      = help: run: chmod o= slack.url
    "##);
    assert!(!shown.contains("MARKED"));
}

#[test]
fn a_secret_in_an_open_configuration_is_told() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        "lapwing.toml",
        "[channel.ops]\nkind = \"slack\"\nurl = \"https://hooks.slack.example/MARKED\"\n",
    );
    assert_eq!(load(dir.path()).unwrap().warnings, []);
    fs::set_permissions(dir.path().join("lapwing.toml"), fs::Permissions::from_mode(0o644)).unwrap();
    let warnings = load(dir.path()).unwrap().warnings;
    let shown = warnings[0].render(false);
    assert!(shown.contains("everybody") && shown.contains("lapwing.toml:3:1") && !shown.contains("MARKED"), "{shown}");
}

#[test]
fn secrets_come_from_the_environment_and_from_systemd() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "credentials/slack_url", "https://hooks.slack.example/MARKED");
    let channel = |key: &str| format!("[channel.ops]\nkind = \"slack\"\n{key}\n");
    for good in ["url_env = \"SLACK\"", "url_credential = \"slack_url\""] {
        write(dir.path(), "lapwing.toml", &channel(good));
        assert!(load(dir.path()).is_ok(), "{good}");
    }
    for (bad, words) in [
        ("url_env = \"NONE\"", "no variable"),
        ("url_credential = \"../slack_url\"", "not the name of a credential"),
        ("url_credential = \"other\"", "LoadCredential=other:"),
        ("url_env = \"SLACK\"\nurl_file = \"x\"", "both given"),
        ("url = \"\"", "empty"),
    ] {
        write(dir.path(), "lapwing.toml", &channel(bad));
        assert!(errors(dir.path()).contains(words), "{bad}: {}", errors(dir.path()));
    }
}

#[test]
fn log_formats_are_taken_from_nginx_itself() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "nginx.conf", "http { log_format a '$remote_addr'; log_format b '[$time_local] $status'; }\n");
    let source = |from: &str| format!("[source.api]\npath = [\"/x\"]\nlog_format_from = \"{from}\"\n");
    write(dir.path(), "lapwing.toml", &source("nginx.conf#b"));
    let config = load(dir.path()).unwrap().config;
    let b = Choice::TemplateOf(Syntax::Nginx, "log_format b '[$time_local] $status';".to_owned());
    assert_eq!(config.sources[0].format, b);
    let named = format!("{}log_format_name = \"b\"\n", source("nginx.conf"));
    write(dir.path(), "lapwing.toml", &named);
    assert_eq!(load(dir.path()).unwrap().config.sources[0].format, b);
    write(dir.path(), "lapwing.toml", &source("nginx.conf#a"));
    assert!(errors(dir.path()).contains("has no time"), "{}", errors(dir.path()));
    write(dir.path(), "lapwing.toml", &source("nginx.conf"));
    assert!(errors(dir.path()).contains("2 log formats"), "{}", errors(dir.path()));
    write(dir.path(), "lapwing.toml", &source("other.conf"));
    assert!(errors(dir.path()).contains("there is no such file"));
}

#[test]
fn a_source_may_be_written_in_several_formats_one_after_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let source = |formats: &str| format!("[source.api]\npath = [\"/x\"]\nlog_format = {formats}\n");
    let load = |formats: &str| {
        write(dir.path(), "lapwing.toml", &source(formats));
        load(dir.path()).map(|loaded| loaded.config.sources[0].format.clone()).map_err(|_| errors(dir.path()))
    };
    let new = Choice::Template("[$time_local] $status".to_owned());
    assert_eq!(load("['[$time_local] $status']"), Ok(new.clone()), "one alone is what it is without the list");
    assert_eq!(
        load("['[$time_local] $status', \"combined\"]"),
        Ok(Choice::AnyOf(vec![new, Choice::Named("combined".to_owned())]))
    );
    for (formats, says, at) in [
        ("['[$time_local] $status', \"combinde\"]", "no format is called \"combinde\"", "lapwing.toml:3:40"),
        ("['[$time_local] $status', '$status $']", "\"log_format\" cannot be read", "lapwing.toml:3:49"),
        ("['[$time_local] $status', ' ']", "\"log_format\" is empty", "lapwing.toml:3:40"),
        ("[]", "holds 0 formats", "lapwing.toml:3:14"),
    ] {
        let report = load(formats).unwrap_err();
        assert!(report.contains(says) && report.contains(at), "{formats}: {report}");
    }
}

#[test]
fn fields_and_log_formats_are_checked_where_they_stand() {
    let dir = tempfile::tempdir().unwrap();
    let source = |keys: &str| format!("[source.api]\npath = [\"/x\"]\n{keys}\n");
    write(
        dir.path(),
        "lapwing.toml",
        &source(
            "key = [\"json:/auth/consumer/id\", \"cookie:sid\", \"tenant\"]\ntokens_in = [\"json:/usage/prompt_tokens\", \"header:x-tokens-in\"]\ntenant = \"$upstream_http_x_tenant\"\nlog_format = '%ci [%tr] %ST'\nlog_format_kind = \"haproxy\"",
        ),
    );
    let config = load(dir.path()).unwrap_or_else(|e| panic!("{e}")).config;
    let source_of = &config.sources[0];
    assert_eq!(source_of.format, Choice::TemplateOf(Syntax::Haproxy, "%ci [%tr] %ST".to_owned()));
    let places: Vec<(&str, Vec<&str>)> =
        source_of.fields.iter().map(|(t, p)| (*t, p.iter().map(crate::format::FieldPlace::name).collect())).collect();
    assert_eq!(
        places,
        [("tokens_in", vec!["usage.prompt_tokens", "x-tokens-in"]), ("tenant", vec!["upstream_http_x_tenant"])]
    );
    for (bad, words) in [
        ("tokens_in = [\"query:x\"]", "expected \"json:/usage/tokens\""),
        ("key = [\"client\"]", "found \"client\""),
        ("log_format_kind = \"nginx\"", "belongs to \"log_format\""),
        ("log_format_name = \"x\"", "belongs to \"log_format_from\""),
        ("log_format = '$status'\nlog_format_kind = \"iis\"", "expected one of \"nginx\""),
        ("log_format = '[$time_local] $ $status'", "lapwing.toml:3:29"),
        ("log_format = '$remote_addr'", "no time"),
    ] {
        write(dir.path(), "lapwing.toml", &source(bad));
        assert!(errors(dir.path()).contains(words), "{bad}: {}", errors(dir.path()));
    }
}

#[test]
fn an_empty_file_is_a_configuration() {
    let config = config_of("");
    assert_eq!(config.sources.len(), 0);
    assert_eq!(config.rules, built_in_rules());
}

/// The shipped configuration, as it is and with every key in force.
#[test]
fn the_sample_configuration_is_sound_commented_and_uncommented() {
    let sample = include_str!("../../systemd/lapwing.toml");
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "lapwing.toml", sample);
    let Loaded { config, warnings } = load(dir.path()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(warnings, []);
    let mut expected = Config { files: config.files.clone(), ..Config::default() };
    for (field, place) in [
        (&mut expected.parsers_dir, "parsers"),
        (&mut expected.rules_dir, "rules"),
        (&mut expected.templates_dir, "alert-templates"),
    ] {
        *field = dir.path().join(place);
    }
    expected.sources.clone_from(&config.sources);
    assert_eq!(format!("{config:?}"), format!("{expected:?}"), "commented out, everything is as without a file");

    write(dir.path(), "credentials/slack_url", "https://hooks.slack.example/services/x");
    write(dir.path(), "credentials/smtp_password", "x");
    let uncommented: String = sample
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(key) if !key.is_empty() && !key.starts_with(' ') => format!("{key}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    write(dir.path(), "lapwing.toml", &uncommented);
    let Loaded { config, .. } = load(dir.path()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((config.channels.len(), config.consumers.len(), config.costs.len()), (5, 1, 1));
    assert_eq!(config.backfill, Config::default().backfill, "a shown default is the default");
    assert_eq!(config.cooldown, Config::default().cooldown);
    assert_eq!(config.limits, Config::default().limits);
}

#[test]
fn budgets_stand_beside_each_other_and_share_what_rule_budget_says() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        "rules/spend.toml",
        "detector = \"budget\"\nper = \"site\"\nperiod = \"1mo\"\nlimit = { cost = 5000 }\n",
    );
    write(
        dir.path(),
        "lapwing.toml",
        r#"
[rule.budget]
most = 500
[rule.partner-quota]
detector = "budget"
limit = { requests = 1000 }
[rule.gold]
detector = "budget"
period = "1h"
limit = { tokens = 50_000 }
tier = "gold"
at = [80, 100, 150]
severity = ["info", "warning", "critical"]
[rule.quiet]
detector = "budget"
limit = { requests = 7 }
at = [90]
severity = "warning"
endpoints = ["/v1/documents/*"]
[rule.off]
detector = "budget"
enabled = false
limit = { requests = 7 }
[consumers.acme]
keys = ["k1", "k2"]
tier = "gold"
"#,
    );
    let config = load(dir.path()).unwrap_or_else(|e| panic!("{e}")).config;
    let names: Vec<&str> = config.budgets.iter().map(|b| b.name.as_str()).collect();
    assert_eq!(names, ["spend", "partner-quota", "gold", "quiet"]);
    let of = |name: &str| config.budgets.iter().find(|b| b.name == name).unwrap();
    let steps = |name: &str| of(name).steps.iter().map(|s| (s.percent, s.severity)).collect::<Vec<_>>();
    let natural = [(50, Severity::Info), (80, Severity::Warning), (100, Severity::Critical)];
    assert_eq!(steps("partner-quota"), natural);
    assert_eq!((steps("spend"), of("spend").limits.nanos), (natural.to_vec(), Some(5_000_000_000_000)));
    assert_eq!(steps("gold"), [(80, Severity::Info), (100, Severity::Warning), (150, Severity::Critical)]);
    assert_eq!((of("gold").keys.clone(), of("gold").most), (vec!["acme".to_owned()], 500));
    assert_eq!(steps("quiet"), [(90, Severity::Warning)]);
    assert_eq!(of("quiet").endpoints, ["/v1/documents/*"]);
    assert_eq!(config.engine_settings(Vec::new(), crate::event::Hasher::new(1)).budgets, config.budgets);
}

#[test]
fn what_is_wrong_with_a_budget_is_shown_where_it_stands() {
    insta::assert_snapshot!(errors_of(
        r#"[rule.a]
detector = "budget"
per = "keys"
period = "24h"
limit = { request = 5 }
[rule.b]
detector = "budget"
at = [80, 50, "x", 0]
severity = "fatal"
[rule.c]
detector = "budget"
limit = { requests = -1, cost = 0 }
tier = "gold"
keys = []
sensitivity = "high"
"#
    ), @r#"
error: "keys" is not a "per" of the rule "a"
 --> lapwing.toml:3:7
  |
3 | per = "keys"
  |       ^^^^^^
  |
  = help: did you mean "key"?
error: "period" cannot be read: expected "1h", "1d", "1w" or "1mo", found "24h"; did you mean "1d"?
 --> lapwing.toml:4:10
  |
4 | period = "24h"
  |          ^^^^^
error: "limit" limits nothing
 --> lapwing.toml:5:9
  |
5 | limit = { request = 5 }
  |         ^^^^^^^^^^^^^^^
  |
  = help: for example limit = { requests = 1000 }
error: unknown key "request"
 --> lapwing.toml:5:11
  |
5 | limit = { request = 5 }
  |           ^^^^^^^ not a key of a limit
  |
  = help: did you mean "requests"?
error: the rule "b" needs "limit"
 --> lapwing.toml:7:1
  |
7 | detector = "budget"
  | ^^^^^^^^ missing here
  |
  = help: for example limit = { requests = 1000 }
error: "at" should be whole numbers of percent such as [50, 80, 100], ascending
 --> lapwing.toml:8:11
  |
8 | at = [80, 50, "x", 0]
  |           ^^ not more than the one before
error: "at" should be whole numbers of percent such as [50, 80, 100], ascending
 --> lapwing.toml:8:15
  |
8 | at = [80, 50, "x", 0]
  |               ^^^ a text
error: "at" should be whole numbers of percent such as [50, 80, 100], ascending
 --> lapwing.toml:8:20
  |
8 | at = [80, 50, "x", 0]
  |                    ^ out of range
error: "fatal" is not a "severity"
 --> lapwing.toml:9:12
  |
9 | severity = "fatal"
  |            ^^^^^^^
  |
  = help: known are "info", "warning", "critical"
error: "requests" should be a whole number from 1 to 4503599627370496
  --> lapwing.toml:12:22
   |
12 | limit = { requests = -1, cost = 0 }
   |                      ^^ out of range
error: "cost" should be a number from 0.000001 to 1000000000
  --> lapwing.toml:12:33
   |
12 | limit = { requests = -1, cost = 0 }
   |                                 ^ out of range
error: no consumer has the tier "gold"
  --> lapwing.toml:13:8
   |
13 | tier = "gold"
   |        ^^^^^^
   |
   = help: tiers are given under [consumers.NAME]
error: "keys" is empty, so nothing would be counted
  --> lapwing.toml:14:8
   |
14 | keys = []
   |        ^^ leave it out for all
error: unknown key "sensitivity"
  --> lapwing.toml:15:1
   |
15 | sensitivity = "high"
   | ^^^^^^^^^^^ not a key of the rule "c"
   |
   = help: known are "detector", "enabled", "per", "period", "most", "at", "severity", "keys", "endpoints", "tier", "limit"
"#);
}

#[test]
fn rule_files_say_what_holds_without_them() {
    let settings = Config::default().engine_settings(Vec::new(), crate::event::Hasher::new(1));
    assert_eq!(settings.front_end_exposure, crate::detect::front_end_exposure::Settings::default());
    assert_eq!(settings.impossible_travel, crate::detect::impossible_travel::Settings::default());
    assert_eq!(settings.shared_key, crate::detect::shared_key::Settings::default());
    assert_eq!(settings.drift, crate::detect::drift::Settings::default());
    assert_eq!(settings.enumeration, crate::detect::enumeration::Settings::default());
    assert_eq!(settings.credential_stuffing, crate::detect::credential_stuffing::Settings::default());
    assert_eq!(settings.scope_creep, crate::detect::scope_creep::Settings::default());
    assert_eq!(settings.payload_size, crate::detect::payload_size::Settings::default());
    assert_eq!(settings.slow_response, crate::detect::slow_response::Settings::default());
}

#[test]
fn what_is_wrong_with_a_failed_log_in_is_shown_where_it_stands() {
    let text = "[rule.credential-stuffing]\nfailed = [\"401\", \"302 size<4\"]\npaths = [\"login\"]\n";
    let shown = errors_of(text);
    assert!(shown.contains("\"302 bytes<400\"") && shown.contains("found \"size<4\""), "{shown}");
    assert!(shown.contains("lapwing.toml:2:18") && shown.contains("lapwing.toml:3:10"), "{shown}");
    assert!(shown.contains("\"GET /private/*\""), "{shown}");
}
