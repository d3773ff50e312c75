//! `[consumers.NAME]` and consumers files: who the keys belong to, and what is expected of them.
//!
//! A file is TOML with the same tables, or CSV with a line of column names. What `lapwing.toml` and its drop-ins say of
//! a consumer wins over the file, key by key.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::load::{Environment, read_file};
use super::{Consumer, source};
use crate::diag::{Diagnostic, Origin, Place, Report, suggest};
use crate::intake::consumer;
use crate::options::{Entry, Kind, Options, Table, Value};
use crate::rule::schedule::Schedule;

/// What a consumer may say; the columns of a CSV file, beside `name`.
const FACTS: [&str; 8] = ["keys", "tier", "owner", "contact", "environment", "networks", "methods", "quiet_hours"];
/// Those of which there may be several.
const LISTS: [&str; 4] = ["keys", "networks", "methods", "quiet_hours"];
/// Methods that a consumer may be said to use.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"];
/// The longest text that is shown of a consumer, in characters.
const LONGEST: usize = 200;
/// The most consumers.
const MOST: usize = 20_000;

/// All consumers, and the files that they were read from beside the configuration.
pub(super) fn read(
    options: &Options<'_>,
    environment: &Environment<'_>,
    report: &Report,
) -> (Vec<Consumer>, Vec<PathBuf>) {
    let mut all = Table::default();
    let mut files = Vec::new();
    for (name, place) in options.texts("consumers_file").unwrap_or_default() {
        let path = environment.resolve(&name);
        match read_file(&path) {
            Ok(text) if all.entries.is_empty() => all = table_of(&path, text, report),
            Ok(text) => all.merge(table_of(&path, text, report)),
            Err(problem) => report.push(if problem.place.is_some() { problem } else { problem.at(&place, "") }),
        }
        files.push(path);
    }
    if let Some(Entry { value: Value { kind: Kind::Table(own), .. }, .. }) = options.entry("consumers") {
        all.merge(own.clone());
    } else if options.has("consumers") {
        // Says what is wrong.
        options.named("consumers", "a consumer");
    }
    let mut owners: HashMap<String, String> = HashMap::new();
    let mut consumers = Vec::with_capacity(all.entries.len());
    if let Some(beyond) = all.entries.get(MOST) {
        report
            .push(Diagnostic::error(format!("there are more than {MOST} consumers")).at(&beyond.place, "from here on"));
    }
    for entry in all.entries.iter().take(MOST) {
        let Kind::Table(table) = &entry.value.kind else {
            report.push(
                Diagnostic::error(format!("\"{}\" should be a consumer", entry.key))
                    .at(&entry.place, entry.value.kind.name())
                    .help("for example [consumers.acme] with keys = [\"acme\"]"),
            );
            continue;
        };
        let what = format!("the consumer \"{}\"", entry.key);
        consumers.push(one(entry, Options::new(table, Some(entry.place.clone()), what, report), &mut owners, report));
    }
    (consumers, files)
}

fn one(entry: &Entry, options: Options<'_>, owners: &mut HashMap<String, String>, report: &Report) -> Consumer {
    let mut known = consumer::Consumer::default();
    if !options.has("keys") {
        options.missing("keys", "keys = [\"acme\", \"fp:7c41e0\"]");
    }
    for (key, place) in options.texts("keys").unwrap_or_default() {
        if let Some(fingerprint) = key.strip_prefix("fp:")
            && (fingerprint.len() != 6 || !fingerprint.chars().all(|c| c.is_ascii_hexdigit()))
        {
            let message = format!("expected \"fp:\" and six hexadecimal digits, found \"{key}\"");
            report.push(Diagnostic::error(message).at(&place, "").help("alerts show it behind the masked key"));
        }
        if let Some(other) = owners.insert(key.clone(), entry.key.clone()).filter(|other| *other != entry.key) {
            let message = format!("the key \"{key}\" belongs to \"{other}\" already");
            report.push(Diagnostic::error(message).at(&place, ""));
        }
        known.keys.push(key);
    }
    let text = |key: &str| options.parsed(key, shown);
    known.tier = text("tier");
    known.owner = text("owner");
    known.contact = text("contact");
    known.environment = text("environment");
    known.networks = options.parsed_list("networks", source::network).unwrap_or_default();
    known.methods = options.parsed_list("methods", method).unwrap_or_default();
    known.quiet_hours = quiet_hours(&options);
    options.finish();
    Consumer { name: entry.key.clone(), known }
}

/// A text that alerts show: one line of bounded length.
pub(super) fn shown(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > LONGEST || text.chars().any(char::is_control) {
        return Err(format!("expected one line of 1 to {LONGEST} characters"));
    }
    Ok(text.to_owned())
}

fn method(text: &str) -> Result<String, String> {
    let upper = text.trim().to_ascii_uppercase();
    if METHODS.contains(&upper.as_str()) {
        return Ok(upper);
    }
    let help = suggest(&upper, METHODS).map(|help| format!(": {help}")).unwrap_or_default();
    Err(format!("expected a method such as \"GET\", found \"{text}\"{help}"))
}

fn quiet_hours(options: &Options<'_>) -> Option<Schedule> {
    let mut schedule = Schedule::default();
    for (text, place) in options.texts("quiet_hours")? {
        if let Err(sentence) = schedule.add(&text) {
            options.report().push(Diagnostic::error(format!("in \"quiet_hours\": {sentence}")).at(&place, ""));
        }
    }
    (!schedule.is_always()).then_some(schedule)
}

/// What a file holds, by the consumers' names.
fn table_of(path: &Path, text: String, report: &Report) -> Table {
    let origin = Origin::new(path.to_string_lossy(), text);
    let csv = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    if csv {
        return csv_table(&origin, report);
    }
    let table = Table::parse(&origin, report);
    // Written as in lapwing.toml, or with the names alone.
    match table.entries.as_slice() {
        [Entry { key, value: Value { kind: Kind::Table(inner), .. }, .. }] if key == "consumers" => inner.clone(),
        _ => table,
    }
}

/// One value of a CSV file, and which bytes of it.
struct Cell {
    text: String,
    place: Place,
}

fn csv_table(origin: &std::sync::Arc<Origin>, report: &Report) -> Table {
    let mut rows = Rows { origin, at: if origin.text.starts_with('\u{feff}') { 3 } else { 0 }, separator: b',' };
    let head_end = origin.text[rows.at..].find('\n').map_or(origin.text.len(), |end| rows.at + end);
    let head = &origin.text[rows.at..head_end];
    rows.separator =
        [b',', b';', b'\t'].into_iter().max_by_key(|s| head.bytes().filter(|b| b == s).count()).unwrap_or(b',');
    let (mut table, mut met) = (Table::default(), HashSet::new());
    let Some(columns) = rows.next_row(report) else { return table };
    let mut names = Vec::with_capacity(columns.len());
    for cell in &columns {
        let name = cell.text.trim().to_ascii_lowercase().replace([' ', '-'], "_");
        if name != "name" && !FACTS.contains(&name.as_str()) {
            let known = FACTS.iter().copied().chain(["name"]);
            let mut problem = Diagnostic::error(format!("no column is called \"{}\"", cell.text.trim()))
                .at(&cell.place, "")
                .maybe_help(suggest(&name, known));
            if problem.help.is_none() {
                problem = problem.help(format!("the columns are name, {}", FACTS.join(", ")));
            }
            report.push(problem);
        }
        names.push(name);
    }
    let Some(name_at) = names.iter().position(|name| name == "name") else {
        let mut problem = Diagnostic::error("a consumers file needs a first line with the column \"name\"")
            .help("for example name,keys,owner,contact");
        if let Some(first) = columns.first() {
            problem = problem.at(&first.place, "");
        }
        report.push(problem);
        return table;
    };
    while let Some(row) = rows.next_row(report) {
        if row.iter().all(|cell| cell.text.trim().is_empty()) {
            continue;
        }
        if row.len() > names.len()
            && let Some(beyond) = row.get(names.len())
        {
            let message = format!("this line has {} values, the first line names {}", row.len(), names.len());
            report.push(
                Diagnostic::error(message).at(&beyond.place, "one too many; texts with separators stand in \"…\""),
            );
            continue;
        }
        let Some(name) = row.get(name_at).filter(|cell| !cell.text.trim().is_empty()) else {
            if let Some(first) = row.first() {
                report.push(Diagnostic::error("this line has no name").at(&first.place, ""));
            }
            continue;
        };
        let mut entries = Vec::new();
        for (key, cell) in names.iter().zip(&row).filter(|(key, cell)| *key != "name" && !cell.text.trim().is_empty()) {
            let text = |text: &str| Value { kind: Kind::Text(text.trim().to_owned()), place: cell.place.clone() };
            let value = if LISTS.contains(&key.as_str()) {
                // Hours have blanks in them; all else may be parted by blanks.
                let parts = |c: char| {
                    c == '|' || c == ';' || c == ',' && key != "quiet_hours" || c == ' ' && key != "quiet_hours"
                };
                let items = cell.text.split(parts).filter(|part| !part.trim().is_empty()).map(text).collect();
                Value { kind: Kind::List(items), place: cell.place.clone() }
            } else {
                text(&cell.text)
            };
            entries.push(Entry { key: key.clone(), place: cell.place.clone(), value });
        }
        let key = name.text.trim().to_owned();
        if !met.insert(key.clone()) {
            report.push(Diagnostic::error(format!("\"{key}\" stands there twice")).at(&name.place, ""));
            continue;
        }
        let value = Value { kind: Kind::Table(Table { entries }), place: name.place.clone() };
        table.entries.push(Entry { key, place: name.place.clone(), value });
    }
    table
}

/// The rows of a CSV file (RFC 4180), one after the other.
struct Rows<'a> {
    origin: &'a std::sync::Arc<Origin>,
    at: usize,
    separator: u8,
}

impl Rows<'_> {
    fn next_row(&mut self, report: &Report) -> Option<Vec<Cell>> {
        let bytes = self.origin.text.as_bytes();
        if self.at >= bytes.len() {
            return None;
        }
        let mut row = Vec::new();
        loop {
            let start = self.at;
            let mut text = Vec::new();
            if bytes.get(self.at) == Some(&b'"') {
                self.at += 1;
                loop {
                    match bytes.get(self.at) {
                        None => {
                            let place = Place { origin: self.origin.clone(), span: start..start + 1 };
                            report.push(Diagnostic::error("this quote is not closed").at(&place, "opened here"));
                            break;
                        }
                        Some(b'"') if bytes.get(self.at + 1) == Some(&b'"') => {
                            text.push(b'"');
                            self.at += 2;
                        }
                        Some(b'"') => {
                            self.at += 1;
                            break;
                        }
                        Some(b) => {
                            text.push(*b);
                            self.at += 1;
                        }
                    }
                }
            }
            while let Some(b) = bytes.get(self.at).filter(|b| **b != self.separator && **b != b'\n') {
                text.push(*b);
                self.at += 1;
            }
            let place = Place { origin: self.origin.clone(), span: start..self.at };
            let text = String::from_utf8_lossy(&text).trim_end_matches('\r').to_owned();
            row.push(Cell { text, place });
            let end = bytes.get(self.at).is_none_or(|b| *b == b'\n');
            self.at += 1;
            if end {
                return Some(row);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, text: &str) -> (Vec<Consumer>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(name), text).unwrap();
        let config = folder.path().join("lapwing.toml");
        std::fs::write(&config, format!("consumers_file = \"{name}\"\n[consumers.acme]\ntier = \"platinum\"\n"))
            .unwrap();
        match super::super::Config::load(&config) {
            Ok(loaded) => (loaded.config.consumers, Vec::new()),
            Err(invalid) => {
                let shown = |d: &Diagnostic| d.render(false).replace(&*folder.path().to_string_lossy(), "");
                (Vec::new(), invalid.0.iter().map(shown).collect())
            }
        }
    }

    #[test]
    fn a_csv_file_says_the_same_as_a_toml_file_and_the_configuration_wins() {
        let csv = "\u{feff}Name;Keys;Tier;Owner;Contact;Environment;Networks;Methods;Quiet Hours\r\n\
                   acme;acme|fp:7c41e0;gold;\"Payments; \"\"the\"\" team\";pay@example.com;production;10.0.0.0/8 192.0.2.1;get, head;sat,sun|22:00-06:00\r\n\
                   \r\n\
                   globex;globex;;;;;;;\r\n";
        let toml = "[consumers.acme]\nkeys = [\"acme\", \"fp:7c41e0\"]\ntier = \"gold\"\nowner = 'Payments; \"the\" team'\n\
                    contact = \"pay@example.com\"\nenvironment = \"production\"\nnetworks = [\"10.0.0.0/8\", \"192.0.2.1\"]\n\
                    methods = [\"GET\", \"HEAD\"]\nquiet_hours = [\"sat,sun\", \"22:00-06:00\"]\n[consumers.globex]\nkeys = \"globex\"\n";
        let (from_csv, errors) = of("all.csv", csv);
        assert_eq!(errors, Vec::<String>::new());
        let (from_toml, errors) = of("all.toml", toml);
        assert_eq!(errors, Vec::<String>::new());
        assert_eq!(from_csv, from_toml);
        let acme = &from_csv[0].known;
        assert_eq!(acme.tier.as_deref(), Some("platinum"), "lapwing.toml has the last word, key by key");
        assert_eq!(acme.owner.as_deref(), Some("Payments; \"the\" team"));
        assert_eq!((acme.networks.len(), acme.methods.as_slice()), (2, &["GET".to_owned(), "HEAD".to_owned()][..]));
        let quiet = acme.quiet_hours.as_ref().unwrap();
        assert!(quiet.covers(5, 12 * 60) && quiet.covers(0, 23 * 60) && !quiet.covers(0, 12 * 60));
    }

    #[test]
    fn what_is_wrong_in_a_file_is_shown_at_its_place() {
        let cases = [
            ("a.csv", "name,keys,onwer\nacme,acme,x\n", "a.csv:1:11", "did you mean \"owner\"?"),
            ("a.csv", "keys,owner\nacme,x\n", "a.csv:1:1", "column \"name\""),
            ("a.csv", "name,keys\nacme,acme\nacme,b\n", "a.csv:3:1", "stands there twice"),
            ("a.csv", "name,keys\nacme,acme\nglobex,acme\n", "a.csv:3:8", "belongs to \"acme\" already"),
            ("a.csv", "name,keys,owner\nacme,acme,a,b\n", "a.csv:2:13", "one too many"),
            ("a.csv", "name,keys,owner\nacme,acme,\"open\n", "a.csv:2:11", "not closed"),
            ("a.csv", "name,keys,networks\nacme,acme,10.0.0.0/99\n", "a.csv:2:11", "expected a network"),
            ("a.csv", "name,keys,methods\nacme,acme,PSOT\n", "a.csv:2:11", "did you mean \"POST\"?"),
            ("a.csv", "name,keys,quiet_hours\nacme,acme,mon-fry\n", "a.csv:2:11", "did you mean \"fri\"?"),
            ("a.toml", "[acme]\nkyes = \"acme\"\n", "a.toml:2:1", "did you mean \"keys\"?"),
        ];
        for (name, text, place, said) in cases {
            let errors = of(name, text).1.join("\n");
            assert!(errors.contains(place) && errors.contains(said), "{text}\n{place} {said}\n{errors}");
        }
    }
}
