//! A TOML table that remembers where everything was written and which keys were asked for.
//!
//! Settings are read through [`Options`]: a getter that finds the wrong type or value notes a [`Diagnostic`] at that
//! place and goes on, and [`Options::finish`] notes every key that nobody asked for. So one run shows all errors of a
//! file, semantic ones too, each with line and column.

use std::cell::RefCell;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use crate::diag::{Diagnostic, Origin, Place, Report, nearest, suggest};
use crate::time::Span;

/// A value and where it was written.
#[derive(Clone, Debug)]
pub struct Value {
    /// What it is.
    pub kind: Kind,
    /// Where it stands.
    pub place: Place,
}

/// What a value is.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Kind {
    Text(String),
    Integer(i64),
    Number(f64),
    Flag(bool),
    Time(String),
    List(Vec<Value>),
    Table(Table),
}

impl Kind {
    /// What people call it, with an article.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Text(_) => "a text",
            Kind::Integer(_) => "a whole number",
            Kind::Number(_) => "a number",
            Kind::Flag(_) => "true or false",
            Kind::Time(_) => "a date or time",
            Kind::List(_) => "a list",
            Kind::Table(_) => "a table",
        }
    }
}

/// A key, where it stands, and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub place: Place,
    /// Its value.
    pub value: Value,
}

/// A table in the order of its file.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Its entries.
    pub entries: Vec<Entry>,
}

impl Table {
    /// Reads a TOML text; everything that is wrong with it is noted, and the rest is still there to be checked.
    pub fn parse(origin: &Arc<Origin>, report: &Report) -> Table {
        let (table, errors) = DeTable::parse_recoverable(&origin.text);
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            let place = Place { origin: origin.clone(), span };
            report.push(Diagnostic::error(error.message().replace('\n', " ")).at(&place, ""));
        }
        convert_table(table.into_inner(), origin, report)
    }

    /// The entry of a key.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|e| e.key == key)
    }

    /// Lays another table over this one, key by key: tables are merged, everything else is replaced.
    pub fn merge(&mut self, over: Table) {
        for entry in over.entries {
            match self.entries.iter_mut().find(|e| e.key == entry.key) {
                None => self.entries.push(entry),
                Some(mine) => match (&mut mine.value.kind, entry.value.kind) {
                    (Kind::Table(mine), Kind::Table(over)) => mine.merge(over),
                    (_, kind) => {
                        mine.value = Value { kind, place: entry.value.place };
                        mine.place = entry.place;
                    }
                },
            }
        }
    }
}

fn convert_table(table: DeTable<'_>, origin: &Arc<Origin>, report: &Report) -> Table {
    let mut entries = Vec::with_capacity(table.len());
    for (key, value) in table {
        let key_place = Place { origin: origin.clone(), span: key.span() };
        let place = Place { origin: origin.clone(), span: value.span() };
        let kind = match value.into_inner() {
            DeValue::Table(inner) => Kind::Table(convert_table(inner, origin, report)),
            other => convert(other, &place, report),
        };
        entries.push(Entry { key: key.into_inner().into_owned(), place: key_place, value: Value { kind, place } });
    }
    Table { entries }
}

fn convert(value: DeValue<'_>, place: &Place, report: &Report) -> Kind {
    match value {
        DeValue::String(text) => Kind::Text(text.into_owned()),
        DeValue::Integer(n) => {
            let text: String = n.as_str().chars().filter(|&c| c != '_').collect();
            Kind::Integer(i64::from_str_radix(&text, n.radix()).unwrap_or_else(|_| {
                report.push(Diagnostic::error("this number is too large").at(place, ""));
                0
            }))
        }
        DeValue::Float(n) => {
            Kind::Number(n.as_str().chars().filter(|&c| c != '_').collect::<String>().parse().unwrap_or(f64::NAN))
        }
        DeValue::Boolean(flag) => Kind::Flag(flag),
        DeValue::Datetime(time) => Kind::Time(time.to_string()),
        DeValue::Array(list) => Kind::List(
            list.iter()
                .map(|item| {
                    let place = Place { origin: place.origin.clone(), span: item.span() };
                    Value { kind: convert(item.get_ref().clone(), &place, report), place }
                })
                .collect(),
        ),
        DeValue::Table(inner) => Kind::Table(convert_table(inner, &place.origin, report)),
    }
}

/// Reads one table: typed getters by key; what is wrong goes to the report.
#[derive(Debug)]
pub struct Options<'a> {
    table: &'a Table,
    report: &'a Report,
    /// Where the table begins, for keys that are missing. `None` for a whole file.
    place: Option<Place>,
    /// What the table is, for messages: `source`, `channel of kind "slack"`.
    what: String,
    asked: RefCell<Vec<&'a str>>,
    known: RefCell<Vec<String>>,
}

impl<'a> Options<'a> {
    /// Reads a table; `what` names it in messages: `the configuration`, `a source`.
    pub fn new(table: &'a Table, place: Option<Place>, what: impl Into<String>, report: &'a Report) -> Self {
        Options {
            table,
            report,
            place,
            what: what.into(),
            asked: RefCell::new(Vec::new()),
            known: RefCell::new(Vec::new()),
        }
    }

    /// Where errors go.
    pub fn report(&self) -> &'a Report {
        self.report
    }

    /// The entry of a key, as it is; counts as asked for.
    pub fn entry(&self, key: &str) -> Option<&'a Entry> {
        let mut known = self.known.borrow_mut();
        if !known.iter().any(|k| k == key) {
            known.push(key.to_owned());
        }
        let entry = self.table.get(key)?;
        self.asked.borrow_mut().push(&entry.key);
        Some(entry)
    }

    /// Whether a key stands there.
    pub fn has(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// Whether a key stands there that is none of these but looks like one.
    pub fn is_mistyped(&self, keys: &[&str]) -> bool {
        let like = |key: &str| !keys.contains(&key) && nearest(key, keys.iter().copied()).is_some();
        self.table.entries.iter().any(|entry| like(&entry.key))
    }

    /// Where a key's value stands, or the table if it does not.
    pub fn place(&self, key: &str) -> Option<Place> {
        self.table.get(key).map(|e| e.value.place.clone()).or_else(|| self.place.clone())
    }

    /// Notes an error at a key's value.
    pub fn error(&self, key: &str, message: impl Into<String>, label: &str, help: Option<String>) {
        let mut d = Diagnostic::error(message).maybe_help(help);
        if let Some(place) = self.place(key) {
            d = d.at(&place, label);
        }
        self.report.push(d);
    }

    /// Which of some keys is given, where they exclude each other: two of them are an error, and then none counts.
    pub fn only<'k>(&self, keys: &[&'k str]) -> Option<&'k str> {
        let mut given = keys.iter().copied().filter(|key| self.has(key));
        let first = given.next()?;
        let Some(second) = given.next() else { return Some(first) };
        let both = format!("\"{first}\" and \"{second}\" are both given");
        self.error(second, both, "one of them is enough", None);
        None
    }

    /// Notes that a key is missing.
    pub fn missing(&self, key: &str, example: &str) {
        let mut d = Diagnostic::error(format!("{} needs \"{key}\"", self.what)).help(format!("for example {example}"));
        if let Some(place) = &self.place {
            d = d.at(place, "missing here");
        }
        self.report.push(d);
    }

    fn wrong(&self, value: &Value, key: &str, expected: &str) {
        self.report.push(
            Diagnostic::error(format!("\"{key}\" should be {expected}"))
                .at(&value.place, format!("this is {}", value.kind.name())),
        );
    }

    /// A text.
    pub fn text(&self, key: &str) -> Option<String> {
        let entry = self.entry(key)?;
        if let Kind::Text(text) = &entry.value.kind {
            return Some(text.clone());
        }
        self.wrong(&entry.value, key, "a text in quotes");
        None
    }

    /// A text that is read by `read`; its error is a sentence that says what was expected and found.
    pub fn parsed<T>(&self, key: &str, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let entry = self.entry(key)?;
        let Kind::Text(text) = &entry.value.kind else {
            self.wrong(&entry.value, key, "a text in quotes");
            return None;
        };
        match read(text) {
            Ok(value) => Some(value),
            Err(sentence) => {
                self.report.push(
                    Diagnostic::error(format!("\"{key}\" cannot be read: {sentence}")).at(&entry.value.place, ""),
                );
                None
            }
        }
    }

    /// A duration: `"30s"`, `"1h30m"`.
    pub fn span(&self, key: &str) -> Option<Span> {
        self.parsed(key, Span::parse)
    }

    /// A number of bytes: `65536`, `"64 KiB"`, `"10 MB"`.
    pub fn size(&self, key: &str) -> Option<u64> {
        let entry = self.entry(key)?;
        if let Kind::Integer(n) = entry.value.kind
            && n >= 0
        {
            return Some(n as u64);
        }
        self.parsed(key, parse_size)
    }

    /// True or false.
    pub fn flag(&self, key: &str) -> Option<bool> {
        let entry = self.entry(key)?;
        if let Kind::Flag(flag) = entry.value.kind {
            return Some(flag);
        }
        self.wrong(&entry.value, key, "true or false");
        None
    }

    /// A whole number within a range.
    pub fn integer(&self, key: &str, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let entry = self.entry(key)?;
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        let Kind::Integer(n) = entry.value.kind else {
            self.wrong(&entry.value, key, &expected);
            return None;
        };
        self.in_range(key, n, &range, &expected)
    }

    /// A number within a range.
    pub fn number(&self, key: &str, range: std::ops::RangeInclusive<f64>) -> Option<f64> {
        let entry = self.entry(key)?;
        let expected = format!("a number from {} to {}", range.start(), range.end());
        let n = match entry.value.kind {
            Kind::Number(n) => n,
            Kind::Integer(n) => n as f64,
            _ => {
                self.wrong(&entry.value, key, &expected);
                return None;
            }
        };
        self.in_range(key, n, &range, &expected)
    }

    fn in_range<T: Copy + PartialOrd>(
        &self,
        key: &str,
        n: T,
        range: &std::ops::RangeInclusive<T>,
        expected: &str,
    ) -> Option<T> {
        if range.contains(&n) {
            return Some(n);
        }
        self.error(key, format!("\"{key}\" should be {expected}"), "out of range", None);
        None
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let entry = self.entry(key)?;
        let Kind::Text(text) = &entry.value.kind else {
            let words: Vec<String> = choices.iter().map(|(w, _)| format!("\"{w}\"")).collect();
            self.wrong(&entry.value, key, &format!("one of {}", words.join(", ")));
            return None;
        };
        if let Some((_, value)) = choices.iter().find(|(word, _)| word == text) {
            return Some(*value);
        }
        let help = suggest(text, choices.iter().map(|(w, _)| *w));
        self.error(key, format!("\"{text}\" is not a \"{key}\" of {}", self.what), "", help);
        None
    }

    /// Several texts, each with its place; a single text counts as a list of one.
    pub fn texts(&self, key: &str) -> Option<Vec<(String, Place)>> {
        let entry = self.entry(key)?;
        let items = match &entry.value.kind {
            Kind::Text(text) => return Some(vec![(text.clone(), entry.value.place.clone())]),
            Kind::List(items) => items,
            _ => {
                self.wrong(&entry.value, key, "a list of texts");
                return None;
            }
        };
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            match &item.kind {
                Kind::Text(text) => texts.push((text.clone(), item.place.clone())),
                _ => self.wrong(item, key, "a list of texts"),
            }
        }
        Some(texts)
    }

    /// Several texts, each read by `read`; every one that cannot be read is noted at its own place.
    pub fn parsed_list<T>(&self, key: &str, read: impl Fn(&str) -> Result<T, String>) -> Option<Vec<T>> {
        let texts = self.texts(key)?;
        let mut list = Vec::with_capacity(texts.len());
        for (text, place) in texts {
            match read(&text) {
                Ok(value) => list.push(value),
                Err(sentence) => {
                    self.report.push(Diagnostic::error(format!("in \"{key}\": {sentence}")).at(&place, ""));
                }
            }
        }
        Some(list)
    }

    /// A table inside this one.
    pub fn table(&self, key: &str, what: impl Into<String>) -> Option<Options<'a>> {
        let entry = self.entry(key)?;
        if let Kind::Table(table) = &entry.value.kind {
            return Some(Options::new(table, Some(entry.place.clone()), what, self.report));
        }
        self.wrong(&entry.value, key, "a table");
        None
    }

    /// The tables inside a table by name: `[source.api]`, `[source.shop]`.
    pub fn named(&self, key: &str, what: &str) -> Vec<(&'a Entry, Options<'a>)> {
        let Some(entry) = self.entry(key) else { return Vec::new() };
        let Kind::Table(table) = &entry.value.kind else {
            self.wrong(&entry.value, key, &format!("tables by name, such as [{key}.name]"));
            return Vec::new();
        };
        let mut list = Vec::with_capacity(table.entries.len());
        for entry in &table.entries {
            match &entry.value.kind {
                Kind::Table(inner) => {
                    list.push((entry, Options::new(inner, Some(entry.place.clone()), what, self.report)));
                }
                _ => self.report.push(
                    Diagnostic::error(format!(
                        "\"{key}\" holds tables by name, \"{}\" is {}",
                        entry.key,
                        entry.value.kind.name()
                    ))
                    .at(&entry.place, "")
                    .help(format!("write [{key}.NAME] above the keys of {what}")),
                ),
            }
        }
        list
    }

    /// Everything in the table counts as asked for: the rest was noted elsewhere.
    pub fn accept_rest(&self) {
        self.asked.borrow_mut().extend(self.table.entries.iter().map(|e| e.key.as_str()));
    }

    /// Notes every key that nobody asked for, with the nearest one that is known.
    pub fn finish(self) {
        let asked = self.asked.borrow();
        let known = self.known.borrow();
        for entry in &self.table.entries {
            if !asked.contains(&entry.key.as_str()) {
                self.report.push(
                    Diagnostic::error(format!("unknown key \"{}\"", entry.key))
                        .at(&entry.place, format!("not a key of {}", self.what))
                        .maybe_help(suggest(&entry.key, known.iter().map(String::as_str))),
                );
            }
        }
    }
}

/// `512`, `"64 KiB"`, `"10 MB"` in bytes.
fn parse_size(text: &str) -> Result<u64, String> {
    let expected = || format!("expected a size such as \"512 KiB\" or \"10 MB\", found \"{text}\"");
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().map_err(|_| expected())?;
    let factor: u64 = match text[digits..].trim() {
        "" | "B" => 1,
        "kB" | "KB" => 1000,
        "KiB" | "K" | "k" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" | "M" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" | "G" => 1 << 30,
        _ => return Err(expected()),
    };
    number.checked_mul(factor).ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, f: impl FnOnce(&Options<'_>)) -> String {
        let origin = Origin::new("t.toml", text);
        let report = Report::new();
        let table = Table::parse(&origin, &report);
        let options = Options::new(&table, None, "the test", &report);
        f(&options);
        options.finish();
        report.into_list().iter().map(|d| d.render(false)).collect::<Vec<_>>().join("\n")
    }

    fn all(options: &Options<'_>) {
        options.accept_rest();
    }

    #[test]
    fn all_errors_of_a_file_are_shown_with_their_places() {
        let shown = read("a = 5\nb = \"5 parsecs\"\ncolor = true\nlist = [\"x\", 7]\nsize = \"3 PB\"\n", |o| {
            assert_eq!(o.text("a"), None);
            assert_eq!(o.span("b"), None);
            assert_eq!(o.flag("colour"), None);
            assert_eq!(o.texts("list").unwrap().len(), 1);
            assert_eq!(o.size("size"), None);
        });
        insta::assert_snapshot!(shown, @r#"
        error: "a" should be a text in quotes
         --> t.toml:1:5
          |
        1 | a = 5
          |     ^ this is a whole number
        error: "b" cannot be read: expected a duration such as "30s", "5m", "1h30m" or "7d", found "5 parsecs"
         --> t.toml:2:5
          |
        2 | b = "5 parsecs"
          |     ^^^^^^^^^^^
        error: unknown key "color"
         --> t.toml:3:1
          |
        3 | color = true
          | ^^^^^ not a key of the test
          |
          = help: did you mean "colour"?
        error: "list" should be a list of texts
         --> t.toml:4:14
          |
        4 | list = ["x", 7]
          |              ^ this is a whole number
        error: "size" cannot be read: expected a size such as "512 KiB" or "10 MB", found "3 PB"
         --> t.toml:5:8
          |
        5 | size = "3 PB"
          |        ^^^^^^
        "#);
    }

    #[test]
    fn syntax_errors_do_not_hide_each_other() {
        let shown = read("a = \nb = [1, 2\nc = 1\nc = 2\n", all);
        assert!(shown.matches("error:").count() >= 2, "{shown}");
        assert!(shown.contains("t.toml:1:"), "{shown}");
    }

    #[test]
    fn tables_merge_key_by_key_and_remember_their_file() {
        let report = Report::new();
        let mut base = Table::parse(&Origin::new("a.toml", "[s.x]\np = 1\nq = [1]\n[r]\nz = 1\n"), &report);
        base.merge(Table::parse(&Origin::new("b.toml", "[s.x]\nq = [2, 3]\n[s.y]\np = 9\n"), &report));
        let options = Options::new(&base, None, "the test", &report);
        let named = options.named("s", "a thing");
        let names: Vec<&str> = named.iter().map(|(e, _)| e.key.as_str()).collect();
        assert_eq!(names, ["x", "y"]);
        assert_eq!(named[0].1.integer("p", 0..=9), Some(1));
        assert_eq!(named[0].1.place("q").unwrap().to_string(), "b.toml:2:5");
        assert!(matches!(&named[0].1.entry("q").unwrap().value.kind, Kind::List(l) if l.len() == 2));
    }

    #[test]
    fn values_of_every_type_are_read() {
        let shown =
            read("a = \"x\"\nn = 0x10\nf = 1_0.5\nd = \"90s\"\ns = \"64 KiB\"\nc = \"low\"\np = \"one\"\n", |o| {
                assert_eq!(o.text("a").as_deref(), Some("x"));
                assert_eq!(o.integer("n", 0..=100), Some(16));
                assert_eq!(o.number("f", 0.0..=100.0), Some(10.5));
                assert_eq!(o.span("d"), Some(Span::from_secs(90)));
                assert_eq!(o.size("s"), Some(65536));
                assert_eq!(o.choice("c", &[("low", 1), ("high", 2)]), Some(1));
                assert_eq!(o.texts("p").unwrap()[0].0, "one");
            });
        assert_eq!(shown, "");
    }

    #[test]
    fn hostile_toml_is_an_error_not_a_crash() {
        for text in [
            "[".repeat(10_000),
            "a = ".to_owned() + &"[".repeat(100_000),
            "\u{0}".to_owned(),
            "a.".repeat(5000) + "b = 1",
        ] {
            read(&text, all);
        }
        assert!(read("n = 99999999999999999999\n", all).contains("too large"));
    }
}
