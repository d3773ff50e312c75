//! The formats that are known: the files of `parsers/`, and those of a directory on disk that replace or join them.

use std::path::Path;
use std::sync::Arc;

use super::fields::Context;
use super::file::{Compiled, File, FileError, Sample, Wrong};
use super::template::Template;
use super::{Format, Record};
use crate::assets::{self, Asset, Folder};
use crate::time::{Timestamp, Zone};

/// Every known format, by name.
#[derive(Debug, Default)]
pub struct Registry {
    entries: Vec<Entry>,
}

/// One format file, compiled.
#[derive(Debug)]
pub struct Entry {
    /// The name in `format = "..."`.
    pub name: String,
    /// Other names that `format = "..."` may give it: servers whose default it is.
    pub aliases: Vec<String>,
    /// One sentence for `lapwing formats`.
    pub description: String,
    /// Where it comes from: `built-in:parsers/combined.toml` or a path.
    pub origin: String,
    /// The format file as it was written, for `lapwing formats show`.
    pub text: String,
    /// Lines that the format must take, with what they say.
    pub samples: Vec<Sample>,
    compiled: Compiled,
    /// The format states its own zone, which the source's does not replace.
    own_zone: Option<Zone>,
}

impl Registry {
    /// The formats inside the binary.
    ///
    /// # Errors
    /// None in a binary whose tests passed: every built-in file is compiled there.
    pub fn built_in() -> Result<Registry, FileError> {
        Registry::load(None)
    }

    /// The formats inside the binary, replaced and joined by the `*.toml` files of a directory.
    ///
    /// # Errors
    /// [`FileError`] with the place in the file that cannot be used.
    pub fn with_dir(directory: &Path) -> Result<Registry, FileError> {
        Registry::load(Some(directory))
    }

    fn load(directory: Option<&Path>) -> Result<Registry, FileError> {
        let files = assets::load(Folder::Parsers, directory).map_err(|e| FileError {
            origin: directory.map(|d| d.display().to_string()).unwrap_or_default(),
            text: String::new(),
            message: e.to_string(),
            span: None,
        })?;
        let mut entries: Vec<Entry> = Vec::with_capacity(files.len());
        for file in files {
            let entry = Entry::compile(&file)?;
            // A file on disk may take the name of a built-in format under another file name: it wins as well.
            entries.retain(|old| old.name != entry.name);
            entries.push(entry);
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Registry { entries })
    }

    /// A format by its name, or by another name for it.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        let by_alias = || self.entries.iter().find(|entry| entry.aliases.iter().any(|alias| alias == name));
        self.entries.iter().find(|entry| entry.name == name).or_else(by_alias)
    }

    /// All formats, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Takes a format away.
    #[cfg(test)]
    pub(super) fn remove(&mut self, name: &str) {
        self.entries.retain(|entry| entry.name != name);
    }

    /// The known name that looks most like one that is not known.
    pub fn suggest(&self, name: &str) -> Option<&str> {
        let wanted = name.to_lowercase();
        let distance = |entry: &&Entry| distance(&wanted, &entry.name);
        let contained = self
            .entries
            .iter()
            .find(|entry| !wanted.is_empty() && (entry.name.contains(&wanted) || wanted.contains(&entry.name)));
        let nearest = self.entries.iter().min_by_key(distance).filter(|entry| distance(entry) <= 1 + wanted.len() / 3);
        nearest.or(contained).map(|entry| entry.name.as_str())
    }
}

impl Entry {
    /// Compiles a format file.
    ///
    /// # Errors
    /// [`FileError`] with the place in the file.
    pub fn compile(asset: &Asset) -> Result<Entry, FileError> {
        let failed = |(message, span): Wrong| FileError {
            origin: asset.origin.clone(),
            text: asset.text.clone(),
            message,
            span,
        };
        let file = File::parse(asset).map_err(failed)?;
        let name = file.name.as_ref().map_or_else(|| asset.stem().to_owned(), |name| name.get_ref().clone());
        let own_zone = file.zone().map_err(failed)?;
        let compiled = file.compile(&name, own_zone.unwrap_or(Zone::Local), asset).map_err(failed)?;
        Ok(Entry {
            name,
            aliases: file.aliases,
            description: file.description,
            origin: asset.origin.clone(),
            text: asset.text.clone(),
            samples: file.samples,
            compiled,
            own_zone,
        })
    }

    /// The format, compiled. Times without zone are read in the format's own, or in the system's.
    pub fn format(&self) -> Arc<dyn Format> {
        self.compiled.format()
    }

    /// The format for one source; a zone that the format states goes before the source's.
    pub fn format_within(&self, context: &Context) -> Arc<dyn Format> {
        self.compiled.format_within(&self.own(context))
    }

    fn own(&self, context: &Context) -> Context {
        self.own_zone.map_or_else(|| context.clone(), |zone| context.in_zone(zone))
    }

    /// How much a line must look like this format to fit it: of two formats that fit, the higher one says more. Of a
    /// format in several variants that of the one which takes `line`, of one that listens to its log that of `format`.
    pub(super) fn specificity(&self, format: &dyn Format, line: &[u8]) -> u32 {
        match &self.compiled {
            Compiled::Template(template) => template.specificity(),
            Compiled::Family(family) => family.specificity_of(line),
            Compiled::Json(json) => json.specificity(),
            Compiled::W3c(_) => format.weight(),
        }
    }

    /// What is not wrong but will make lines ambiguous or forgeable.
    pub fn warnings(&self) -> &[String] {
        self.templates().first().map_or(&[], Template::warnings)
    }

    /// The same for one source, with fields that its configuration maps and that the format does not have.
    pub fn warnings_within(&self, context: &Context) -> Vec<String> {
        let unmapped: Vec<Vec<(&str, String)>> =
            self.templates().iter().map(|template| template.unmapped(&context.fields)).collect();
        let mut warnings = self.warnings().to_vec();
        if let Some((first, others)) = unmapped.split_first() {
            // What one variant has is no reason to warn.
            let everywhere = |target: &str| others.iter().all(|other| other.iter().any(|(name, _)| *name == target));
            warnings.extend(first.iter().filter(|(target, _)| everywhere(target)).map(|(_, text)| text.clone()));
        }
        warnings
    }

    /// The compiled templates, one for each variant, the most exact first; none of a JSON or W3C format.
    pub fn templates(&self) -> &[Template] {
        match &self.compiled {
            Compiled::Template(template) => std::slice::from_ref(template),
            Compiled::Family(family) => family.variants(),
            Compiled::Json(_) | Compiled::W3c(_) => &[],
        }
    }

    /// Reads every sample and compares: what differs, in words.
    pub fn check_samples(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.samples.is_empty() {
            wrong.push(format!("{}: no [[samples]]: a format without a line that proves it is refused", self.origin));
        }
        for sample in &self.samples {
            let place = format!("{}: {}", self.origin, sample.line);
            let format = self.format();
            for line in &sample.before {
                drop(format.parse(line.as_bytes()));
            }
            match (format.parse(sample.line.as_bytes()), &sample.rejected) {
                (Err(reject), Some(reason)) if reject.reason.as_str() == reason => {}
                (Err(reject), _) => wrong.push(format!("{place}: column {}: {}", reject.column, reject.reason)),
                (Ok(_), Some(reason)) => wrong.push(format!("{place}: expected {reason}, found a request")),
                (Ok(record), None) => {
                    wrong.extend(sample.differences(&record).into_iter().map(|d| format!("{place}: {d}")));
                    if sample.expect.is_empty() {
                        wrong.push(format!("{place}: a sample without expect proves little"));
                    }
                }
            }
        }
        wrong
    }
}

impl Sample {
    /// What a record says otherwise than the sample expects, in words.
    pub(super) fn differences(&self, record: &Record<'_>) -> Vec<String> {
        let found = |field: &str| {
            record.field(field).map_or_else(|| "-".to_owned(), |v| String::from_utf8_lossy(&v).into_owned())
        };
        let different = self.expect.iter().filter(|(field, expected)| !same(field, &found(field), expected));
        different.map(|(field, expected)| format!("{field}: expected {expected}, found {}", found(field))).collect()
    }
}

/// Compares what a record says with what a format file expects.
fn same(field: &str, found: &str, expected: &toml::Value) -> bool {
    match expected {
        toml::Value::Integer(n) => found == n.to_string(),
        toml::Value::Float(n) => found.parse::<f64>().is_ok_and(|f| (f - n).abs() < 1e-9),
        toml::Value::String(text) if field == "time" => {
            Timestamp::parse(text).is_some_and(|t| t.to_rfc3339_millis() == found)
        }
        toml::Value::String(text) => found == text,
        _ => false,
    }
}

/// How many letters must be changed, added or taken away: Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().take(64).enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, cb) in b.iter().enumerate() {
            let change = corner + usize::from(ca != *cb);
            corner = row[j + 1];
            row[j + 1] = change.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

impl Record<'_> {
    /// A field by its name as events and format files have it (`client`, `status`, ...), or an extra field by its own;
    /// numbers as decimals, the time as RFC 3339.
    pub fn field(&self, name: &str) -> Option<std::borrow::Cow<'_, [u8]>> {
        use std::borrow::Cow;
        fn text<'a>(value: Option<&'a super::Value<'_>>) -> Option<Cow<'a, [u8]>> {
            value.map(|v| Cow::Borrowed(&**v))
        }
        fn number<'a, N: ToString>(value: Option<N>) -> Option<Cow<'a, [u8]>> {
            value.map(|n| Cow::Owned(n.to_string().into_bytes()))
        }
        match name {
            "time" => Some(Cow::Owned(self.time.to_rfc3339_millis().into_bytes())),
            "client" => text(self.client.as_ref()),
            "forwarded_for" => text(self.forwarded_for.as_ref()),
            "user" => text(self.user.as_ref()),
            "consumer" => text(self.consumer.as_ref()),
            "api_key" => text(self.api_key.as_ref()),
            "method" => text(self.method.as_ref()),
            "target" => text(self.target.as_ref()),
            "protocol" => text(self.protocol.as_ref()),
            "odd_request" => text(self.odd_request.as_ref()),
            "referer" => text(self.referer.as_ref()),
            "user_agent" => text(self.user_agent.as_ref()),
            "host" => text(self.host.as_ref()),
            "request_id" => text(self.request_id.as_ref()),
            "body_digest" => text(self.body_digest.as_ref()),
            "model" => text(self.model.as_ref()),
            "country" => text(self.country.as_ref()),
            "status" => number(self.status),
            "bytes_out" => number(self.bytes_out),
            "bytes_in" => number(self.bytes_in),
            "tokens_in" => number(self.tokens_in),
            "tokens_out" => number(self.tokens_out),
            "duration" => number(self.duration),
            "cost" => number(self.cost),
            other => text(self.extra.iter().find(|(extra, _)| *extra == other).map(|(_, value)| value)),
        }
    }
}
