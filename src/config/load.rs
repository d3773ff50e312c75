//! From files to [`Config`]: reading, merging, checking.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::{Config, Cost, GeoIp, Invalid, Loaded, channel, consumers, expectations, maintenance, rules, source};
use crate::diag::{Diagnostic, Origin, Place, Report, SECRET_KEYS, suggest};
use crate::event::Severity;
use crate::incident::allowance::Allowance;
use crate::options::{Entry, Kind, Options, Table};
use crate::time::{Span, Zone};

/// The table of models under `[cost]`; routes begin with a slash.
const MODELS: &str = "models";
/// The largest configuration file, in bytes.
const MAX_BYTES: u64 = 4 << 20;

/// What the configuration may ask of its surroundings: given, so that tests can give another.
pub struct Environment<'a> {
    variable: &'a dyn Fn(&str) -> Option<String>,
    dir: PathBuf,
    formats: Vec<String>,
}

impl std::fmt::Debug for Environment<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl<'a> Environment<'a> {
    /// The process's environment variables, or a test's.
    pub fn new(variable: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Environment { variable, dir: PathBuf::new(), formats: Vec::new() }
    }

    pub(super) fn variable(&self, name: &str) -> Option<String> {
        (self.variable)(name)
    }

    /// Relative paths lie beside the configuration file.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.dir.join(path)
    }
}

impl Config {
    /// Reads a configuration file and its drop-ins, with this process's environment.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load(path: &Path) -> Result<Loaded, Invalid> {
        Config::load_in(path, Environment::new(&|name| std::env::var(name).ok()))
    }

    /// As [`Config::load`], in a given environment.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load_in(path: &Path, mut environment: Environment<'_>) -> Result<Loaded, Invalid> {
        let report = Report::new();
        let dir = path.parent().unwrap_or(Path::new(""));
        environment.dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_path_buf());
        let mut files = vec![path.to_path_buf()];
        let mut whole = match read_file(path) {
            Ok(text) => {
                let origin = Origin::new(path.to_string_lossy(), text);
                let table = Table::parse(&origin, &report);
                warn_of_open_secrets(path, &table, &report);
                table
            }
            Err(diagnostic) => return Err(Invalid(vec![diagnostic])),
        };
        for (file, table) in drop_ins(&environment.dir.join("conf.d"), &report) {
            warn_of_open_secrets(&file, &table, &report);
            whole.merge(table);
            files.push(file);
        }
        if report.has_errors() {
            // What a broken file means is a guess; its errors of syntax are enough for now.
            return Err(Invalid(report.into_list()));
        }
        let mut config = read(&whole, &mut environment, &report);
        files.append(&mut config.files);
        config.files = files;
        let failed = report.has_errors();
        let list = report.into_list();
        if failed { Err(Invalid(list)) } else { Ok(Loaded { config, warnings: list }) }
    }
}

fn read(table: &Table, environment: &mut Environment<'_>, report: &Report) -> Config {
    let mut config = Config::default();
    let options = Options::new(table, None, "the configuration", report);
    let place =
        |key: &str, default: &str| environment.resolve(&options.text(key).unwrap_or_else(|| default.to_owned()));
    config.parsers_dir = place("parsers_dir", "parsers");
    config.rules_dir = place("rules_dir", "rules");
    config.templates_dir = place("templates_dir", "alert-templates");
    if let Some(dir) = options.text("state_dir") {
        config.state_dir = environment.resolve(&dir);
    }
    config.socket = options.text("socket").map(|path| environment.resolve(&path));
    config.zone = options.parsed("timezone", Zone::parse).unwrap_or_default();
    if let Some(currency) = options.parsed("currency", currency) {
        config.currency = currency;
    }
    if let Some(span) = options.span("backfill") {
        config.backfill = span;
    }
    if let Some(limits) = options.table("limits", "limits") {
        if let Some(bytes) = limits.size("line") {
            config.limits.line_bytes = bytes.clamp(1024, 8 << 20) as usize;
        }
        if let Some(bytes) = limits.size("memory") {
            let (least, most) = (64u64 << 20, 2u64 << 30);
            if bytes < least || bytes > most {
                limits.error(
                    "memory",
                    "\"memory\" is out of range",
                    "expected between 64 MiB and 2 GiB: what the whole process may take",
                    None,
                );
            }
            config.memory = bytes.clamp(least, most) as usize;
        }
        if let Some(files) = limits.integer("open_files", 8..=65_536) {
            config.limits.open_files = files as usize;
        }
        limits.finish();
    }
    environment.formats = super::source::known_formats(&config.parsers_dir, report);
    for (entry, inner) in options.named("source", "a source") {
        config.sources.push(source::read(entry, inner, environment, &environment.formats));
    }
    source::warn_of_twins(&config.sources, report);
    let mut names: BTreeSet<String> = BTreeSet::new();
    for (entry, inner) in options.named("channel", "a channel") {
        names.insert(entry.key.clone());
        config.channels.extend(channel::read(entry, inner, environment));
    }
    if let Some(route) = options.table("route", "the route") {
        config.route = read_route(&route, &names, report);
        route.finish();
    }
    if let Some(alerts) = options.table("alerts", "alerts") {
        if let Some(span) = alerts.span("cooldown") {
            if span < Span::MINUTE {
                alerts.error(
                    "cooldown",
                    "\"cooldown\" is under a minute",
                    "this would repeat itself without end",
                    None,
                );
            }
            config.cooldown = span;
        }
        read_budget(&alerts, &mut config);
        alerts.finish();
    }
    let own = options.named("rule", "a rule");
    (config.consumers, config.files) = consumers::read(&options, environment, report);
    let expected = expectations::tables(&config.consumers, &config.sources);
    let read = rules::read(&config.rules_dir, own, &config.consumers, &expected, &names, report);
    (config.rules, config.budgets, config.rule_tests) = (read.rules, read.budgets, read.tests);
    config.user_rules = read.own.into();
    for (entry, inner) in options.named("cost", "a cost") {
        if entry.key == MODELS {
            inner.accept_rest();
            config.models = read_models(entry, report);
        } else {
            config.costs.push(read_cost(entry, inner, route_template));
        }
    }
    for (entry, inner) in options.named("maintenance", "a maintenance") {
        config.maintenance.push(maintenance::read(entry, inner, config.zone));
    }
    if let Some(geoip) = options.table("geoip", "the databases of places") {
        config.geoip = read_geoip(&geoip, environment);
        geoip.finish();
    }
    config.routes = options.parsed_list("routes", route_template).unwrap_or_default();
    options.finish();
    config
}

fn read_route(route: &Options<'_>, names: &BTreeSet<String>, report: &Report) -> Vec<(Severity, Vec<String>)> {
    let mut list = Vec::new();
    for severity in [Severity::Critical, Severity::Warning, Severity::Info] {
        let Some(texts) = route.texts(severity.as_str()) else { continue };
        let mut to = Vec::with_capacity(texts.len());
        for (name, place) in texts {
            if names.contains(&name) {
                to.push(name);
            } else {
                report.push(
                    Diagnostic::error(format!("no channel is called \"{name}\""))
                        .at(&place, "")
                        .maybe_help(suggest(&name, names.iter().map(String::as_str)))
                        .maybe_help(names.is_empty().then(|| format!("add a table [channel.{name}]"))),
                );
            }
        }
        list.push((severity, to));
    }
    list
}

/// `[cost.models."NAME"]`.
fn read_models(entry: &Entry, report: &Report) -> Vec<Cost> {
    let Kind::Table(models) = &entry.value.kind else { return Vec::new() };
    let one = |entry: &Entry| match &entry.value.kind {
        Kind::Table(table) => {
            let what = format!("the model \"{}\"", entry.key);
            Some(read_cost(entry, Options::new(table, Some(entry.place.clone()), what, report), model_name))
        }
        other => {
            let message = format!("\"{}\" should be a model", entry.key);
            let help = "for example [cost.models.\"gpt-4o*\"] with per_1k_tokens_in = 0.005";
            report.push(Diagnostic::error(message).at(&entry.place, other.name()).help(help));
            None
        }
    };
    models.entries.iter().filter_map(one).collect()
}

fn read_geoip(geoip: &Options<'_>, environment: &Environment<'_>) -> Option<GeoIp> {
    if !geoip.has("path") {
        geoip.missing("path", "path = \"/var/lib/GeoIP/GeoLite2-City.mmdb\"");
    }
    let asn = geoip.text("asn").map(|path| environment.resolve(&path));
    Some(GeoIp {
        path: environment.resolve(&geoip.text("path")?),
        asn,
        path_place: geoip.place("path"),
        asn_place: geoip.place("asn"),
    })
}

/// A model's name, or the beginning of it and `*`.
fn model_name(text: &str) -> Result<String, String> {
    let name = text.strip_suffix('*').unwrap_or(text);
    if !text.is_empty() && text.len() <= 128 && !name.contains(['*', ' ']) {
        return Ok(text.to_owned());
    }
    Err(format!("expected a model such as \"gpt-4o\" or \"gpt-4o*\", found \"{text}\""))
}

fn read_cost(entry: &Entry, options: Options<'_>, valid: impl Fn(&str) -> Result<String, String>) -> Cost {
    if let Err(sentence) = valid(&entry.key) {
        options.report().push(Diagnostic::error(sentence).at(&entry.place, ""));
    }
    let amount = |key: &str| options.number(key, 0.0..=1e9);
    let cost = Cost {
        endpoint: entry.key.clone(),
        per_request: amount("per_request"),
        per_1k_tokens_in: amount("per_1k_tokens_in"),
        per_1k_tokens_out: amount("per_1k_tokens_out"),
        per_mb: amount("per_mb"),
    };
    options.finish();
    cost
}

fn route_template(text: &str) -> Result<String, String> {
    if text.starts_with('/') && !text.contains(char::is_whitespace) && text.len() <= 1024 {
        return Ok(text.to_owned());
    }
    Err(format!("expected a route such as \"/v1/users/{{id}}\", found \"{text}\""))
}

fn currency(text: &str) -> Result<String, String> {
    if text.len() == 3 && text.chars().all(|c| c.is_ascii_uppercase()) {
        return Ok(text.to_owned());
    }
    Err(format!("expected a currency code such as \"USD\" or \"EUR\", found \"{text}\""))
}

/// Names go into file names, metrics and messages: letters, digits, `-`, `_` and `.`.
pub(super) fn check_name(entry: &Entry, report: &Report) {
    let name = &entry.key;
    let valid =
        !name.is_empty() && name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if !valid {
        report.push(
            Diagnostic::error(format!("\"{name}\" is not a name"))
                .at(&entry.place, "")
                .help("names have letters, digits, \"-\", \"_\" and \".\", at most 64 of them"),
        );
    }
}

/// The drop-ins in the order of their names.
fn drop_ins(dir: &Path, report: &Report) -> Vec<(PathBuf, Table)> {
    listing(dir, report)
        .into_iter()
        .filter_map(|path| match read_file(&path) {
            Ok(text) => {
                let table = Table::parse(&Origin::new(path.to_string_lossy(), text), report);
                Some((path, table))
            }
            Err(diagnostic) => {
                report.push(diagnostic);
                None
            }
        })
        .collect()
}

/// The TOML files of a directory by their names without ending; a directory that is not there has none.
pub(super) fn toml_files(dir: &Path, report: &Report) -> Vec<(String, Table)> {
    drop_ins(dir, report)
        .into_iter()
        .map(|(path, table)| (path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), table))
        .collect()
}

fn listing(dir: &Path, report: &Report) -> Vec<PathBuf> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(e) => {
            report.push(Diagnostic::error(format!("cannot list {}: {}", dir.display(), plain(&e))));
            return Vec::new();
        }
    };
    let hidden = |p: &Path| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
    let mut paths: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == "toml") && !hidden(p))
        .collect();
    paths.sort();
    paths
}

/// A file's text, if it can be read and is no larger than a configuration should be.
pub(super) fn read_file(path: &Path) -> Result<String, Diagnostic> {
    let cannot = |why: &str| Diagnostic::error(format!("cannot read {}: {why}", path.display()));
    let metadata = std::fs::metadata(path).map_err(|e| {
        let missing = e.kind() == io::ErrorKind::NotFound;
        cannot(&plain(&e)).maybe_help(missing.then(|| "name the file with --config".to_owned()))
    })?;
    if !metadata.is_file() {
        return Err(cannot("it is not a file"));
    }
    if metadata.len() > MAX_BYTES {
        return Err(cannot("it is larger than 4 MiB"));
    }
    let bytes = std::fs::read(path).map_err(|e| cannot(&plain(&e)))?;
    String::from_utf8(bytes).map_err(|e| {
        let good = String::from_utf8_lossy(&e.as_bytes()[..e.utf8_error().valid_up_to()]).into_owned();
        let end = good.len();
        let place = Place { origin: Origin::new(path.to_string_lossy(), good), span: end..end };
        cannot("it is not UTF-8 text").at(&place, "up to here it is")
    })
}

/// An input error in plain words, without the number.
pub(super) fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

/// A secret written in place, in a file that everybody may read.
fn warn_of_open_secrets(path: &Path, table: &Table, report: &Report) {
    use std::os::unix::fs::MetadataExt;
    let open = std::fs::metadata(path).is_ok_and(|m| m.mode() & 0o007 != 0);
    if !open {
        return;
    }
    let Some(Entry { value, .. }) = table.get("channel") else { return };
    let Kind::Table(channels) = &value.kind else { return };
    for entry in &channels.entries {
        let Kind::Table(channel) = &entry.value.kind else { continue };
        if let Some(secret) = channel.entries.iter().find(|e| SECRET_KEYS.contains(&e.key.as_str())) {
            report.push(
                Diagnostic::warning(format!("everybody on this machine can read the secret \"{}\"", secret.key))
                    .at(&secret.place, "")
                    .help(format!("use {}_file, or run: chmod o= {}", secret.key, path.display())),
            );
        }
    }
}

/// How much people want to hear, and when they read the rest.
fn read_budget(alerts: &Options<'_>, config: &mut Config) {
    if let Some(budget) = alerts.parsed("budget", Allowance::parse) {
        config.budget = budget;
    }
    if let Some(summary) = alerts.parsed("summary", time_of_day) {
        config.summary = summary;
    }
    if let Some(cost) = alerts.number("critical_cost", 0.01..=1e9) {
        config.critical_cost = cost;
    }
}

/// `09:00` as time since midnight, or `off`.
fn time_of_day(text: &str) -> Result<Option<Span>, String> {
    if text == "off" {
        return Ok(None);
    }
    let wrong = || format!("expected a time of day such as \"09:00\", or \"off\", found \"{text}\"");
    let (hours, minutes) = text.split_once(':').ok_or_else(wrong)?;
    let hours: i64 = hours.parse().ok().filter(|h| (0..24).contains(h)).ok_or_else(wrong)?;
    let minutes: i64 = minutes.parse().ok().filter(|m| (0..60).contains(m)).ok_or_else(wrong)?;
    Ok(Some(Span::from_mins(60 * hours + minutes)))
}
