//! The labels of testdata: what must be told about each log, and what must not.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use toml::{Table, Value};

use super::tree;

/// One directory of testdata with its labels.
pub(crate) struct Labelled {
    /// Its name.
    pub(crate) name: String,
    /// Its logs, oldest first.
    pub(crate) files: Vec<PathBuf>,
    /// The name of their format.
    pub(crate) format: String,
    /// What must be told.
    pub(crate) incidents: Vec<Expected>,
    /// When nothing began: from, until.
    pub(crate) quiet: Vec<(DateTime<Utc>, DateTime<Utc>)>,
}

/// An incident that must be told.
pub(crate) struct Expected {
    /// By which detector.
    pub(crate) detector: String,
    /// The kinds of subject that are right; the first is the best.
    pub(crate) kinds: Vec<String>,
    /// The subject's name; empty where the kind says all.
    pub(crate) name: String,
    /// When it began, by the log.
    pub(crate) started_at: DateTime<Utc>,
    /// By when it must have been told, by the log.
    pub(crate) told_by: DateTime<Utc>,
    /// When it ended, where it ends before the log does.
    pub(crate) ended_at: Option<DateTime<Utc>>,
}

/// All directories of testdata that have labels.
pub(crate) fn all() -> Vec<Labelled> {
    let mut found: Vec<Labelled> = tree::files_under(&tree::repository().join("testdata"))
        .into_iter()
        .filter(|path| path.ends_with("incident.toml"))
        .map(|path| {
            let folder = path.parent().expect("a folder");
            let text = std::fs::read_to_string(&path).expect("the labels");
            let labels: Table = text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            Labelled {
                name: folder.file_name().expect("a name").to_string_lossy().into_owned(),
                files: labels["files"].as_array().expect("files").iter().map(|f| folder.join(text_of(f))).collect(),
                format: text_of(&labels["format"]),
                incidents: tables(&labels, "incident").into_iter().map(expected).collect(),
                quiet: tables(&labels, "quiet").into_iter().map(|t| (time(&t["from"]), time(&t["until"]))).collect(),
            }
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn expected(table: &Table) -> Expected {
    let subject = table["subject"].as_table().expect("a subject");
    let also = table.get("also_right").and_then(Value::as_array).into_iter().flatten().map(text_of);
    Expected {
        detector: text_of(&table["detector"]),
        kinds: std::iter::once(text_of(&subject["kind"])).chain(also).collect(),
        name: text_of(&subject["name"]),
        started_at: time(&table["started_at"]),
        told_by: time(&table["told_by"]),
        ended_at: table.get("ended_at").map(time),
    }
}

fn tables<'a>(labels: &'a Table, name: &str) -> Vec<&'a Table> {
    labels.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_table).collect()
}

fn text_of(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn time(value: &Value) -> DateTime<Utc> {
    value.as_datetime().expect("a time").to_string().parse().expect("a time with zone")
}
