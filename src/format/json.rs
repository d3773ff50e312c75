//! JSON lines. Usual names are found by themselves, at any depth; a format file says which path means what where they
//! are not. Strings are borrowed from the line; nothing is built that the record does not need.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::draft::Draft;
use super::field::Unit;
use super::fields::{FieldPlace, Fields, dotted};
use super::instant;
use super::names::Names;
use super::own::own;
use super::repair::repair;
use super::role::{self, Known, ROLES, Role};
use super::wall::Wall;
use super::{Format, Reason, Record, Reject, Value};
use crate::time::Zone;

mod source;

/// Objects and lists inside each other that are looked into; deeper ones are read over.
const DEPTH: u32 = 12;
/// Fields of one line that are looked at; further ones are read over.
const FIELDS: u32 = 512;
/// The longest dotted path of a field.
const PATH_BYTES: usize = 160;
/// Text before the object (a syslog or container header) may be this long.
const PREFIX_BYTES: usize = 256;

/// A compiled JSON format.
#[derive(Debug)]
pub struct Json {
    name: String,
    /// Dotted path to meaning, beyond what names tell by themselves.
    mapping: HashMap<String, Known>,
    /// Paths that every line of this format has: at most 32.
    required: Vec<String>,
    /// Statuses that are written as words.
    statuses: HashMap<String, u16>,
    wall: Wall,
    names: Names,
    /// What the source's configuration says of fields, before everything else.
    mapped: Vec<(FieldPlace, Known)>,
    fields: std::sync::Arc<Fields>,
}

impl Json {
    /// A format from its mapping; both may be empty. Paths are `request.remote_ip` or `/request/remote_ip`.
    pub(super) fn new(name: &str, mapping: Vec<(String, Known)>, required: &[String], zone: Zone) -> Json {
        let mapping = mapping.into_iter().map(|(path, known)| (dotted(&path), known)).collect();
        let mut required: Vec<String> = required.iter().map(|path| dotted(path)).collect();
        required.truncate(32);
        Json {
            name: name.to_owned(),
            mapping,
            required,
            statuses: HashMap::new(),
            wall: Wall::new(zone),
            names: Names::default(),
            mapped: Vec::new(),
            fields: std::sync::Arc::default(),
        }
    }

    /// The same format with words for statuses.
    pub(super) fn with_statuses(self, words: &BTreeMap<String, u16>) -> Json {
        Json { statuses: words.iter().map(|(word, status)| (word.clone(), *status)).collect(), ..self }
    }

    /// See [`super::Template`]: what is required and mapped makes a format special.
    pub(super) fn specificity(&self) -> u32 {
        20 + 30 * self.required.len() as u32 + 5 * self.mapping.len() as u32
    }

    fn read<'a>(&'a self, text: &'a str) -> Result<Record<'a>, Problem> {
        let mut reader = Reader {
            format: self,
            draft: Draft::default(),
            ranks: [u8::MAX; ROLES],
            found: 0,
            path: String::new(),
            last: 0,
            depth: 0,
            fields: 0,
            day: None,
            clock: None,
        };
        let mut json = serde_json::Deserializer::from_str(text);
        json.deserialize_map(AnyVisitor(&mut reader))
            .and_then(|()| json.end())
            .map_err(|e| Problem::Syntax(e.column()))?;
        reader.finish().map_err(Problem::Meaning)
    }
}

impl Format for Json {
    fn name(&self) -> &str {
        &self.name
    }

    /// There is nothing to put up with in JSON that the first reading did not repair.
    fn parse_loosely<'a>(&'a self, _: &'a [u8]) -> Result<Record<'a>, Reject> {
        Err(Reject { column: 1, reason: Reason::Json })
    }

    fn parse<'a>(&'a self, line: &'a [u8]) -> Result<Record<'a>, Reject> {
        let reject =
            |at: usize, reason| Reject { column: u32::try_from(at).unwrap_or(u32::MAX).saturating_add(1), reason };
        let head = &line[..line.len().min(PREFIX_BYTES)];
        let Some(start) = memchr::memchr(b'{', head) else {
            return Err(reject(0, Reason::Json));
        };
        let body = line[start..].trim_ascii_end();
        let problem = match std::str::from_utf8(body) {
            Ok(text) => match self.read(text) {
                Ok(record) => return Ok(record),
                Err(problem) => problem,
            },
            Err(e) => Problem::Syntax(e.valid_up_to() + 1),
        };
        let problem = match (problem, repair(body)) {
            (Problem::Syntax(column), Some(repaired)) => match self.read(&repaired) {
                Ok(record) => return Ok(own(record, &self.name, &self.names)),
                // Columns of the repaired text mean nothing to a reader of the log.
                Err(Problem::Syntax(_)) => Problem::Syntax(column),
                Err(meaning @ Problem::Meaning(_)) => meaning,
            },
            (problem, _) => problem,
        };
        Err(match problem {
            Problem::Syntax(column) => reject(start + column.saturating_sub(1).min(body.len()), Reason::Json),
            Problem::Meaning(reason) => reject(start, reason),
        })
    }
}

/// What a format file maps goes before what names tell by themselves.
fn by_itself(known: Known) -> Known {
    Known { rank: known.rank.saturating_add(super::file::MAPPED_RANKS), ..known }
}

enum Problem {
    /// Not JSON, from this column (counted from 1).
    Syntax(usize),
    /// JSON, but no line of an access log.
    Meaning(Reason),
}

/// One line being read.
struct Reader<'a> {
    format: &'a Json,
    draft: Draft<'a>,
    /// The rank of what each role was filled with.
    ranks: [u8; ROLES],
    /// Which required paths were met, one bit each.
    found: u32,
    /// Where in the object we are, dotted.
    path: String,
    /// Where the last name of the path begins.
    last: usize,
    depth: u32,
    fields: u32,
    /// Day and time of day of logs that write them apart.
    day: Option<chrono::NaiveDate>,
    clock: Option<i64>,
}

impl<'a> Reader<'a> {
    /// What the field at the current path means.
    fn known(&self) -> Known {
        if let Some(known) = self.format.mapping.get(&self.path) {
            return *known;
        }
        let last = &self.path.as_bytes()[self.last..];
        let parents = &self.path[..self.last];
        if parents.is_empty() {
            return role::by_name(last).map_or(Known::EXTRA, by_itself);
        }
        if has_part(parents, "header") {
            // Clients choose the names of request headers and servers those of responses: only the usual ones count.
            let response = has_part(parents, "resp");
            let known = role::by_header(last).filter(|known| known.role.is_header() && !response);
            let other = || {
                let asked = self.format.fields.asks_for(&self.path);
                Known::new(if asked { Role::Extra } else { Role::Ignored }, 0)
            };
            return known.map_or_else(other, |known| by_itself(Known { rank: known.rank + 1, ..known }));
        }
        let nested = || {
            let depth = parents.bytes().filter(|b| *b == b'.').count() as u8;
            role::by_name(last).map(|known| Known { rank: known.rank.saturating_add(depth.saturating_mul(4)), ..known })
        };
        role::by_name(self.path.as_bytes()).or_else(nested).map_or(Known::EXTRA, by_itself)
    }

    fn text(&mut self, value: Value<'a>) {
        if !self.format.mapped.is_empty() && self.take_mapped(&value) {
            return;
        }
        let mut known = self.known();
        let nothing = &*value == b"-" || (value.is_empty() && !matches!(known.role, Role::Referer | Role::UserAgent));
        if nothing && known.role != Role::Request {
            return;
        }
        if known.role == Role::Request && value.starts_with(b"/") {
            known.role = Role::Target;
        }
        if self.is_better(known) {
            let taken = match known.role {
                Role::Time => match instant::by_look(&value, &self.format.wall) {
                    Some(time) => {
                        self.draft.time(time);
                        true
                    }
                    None => self.half_a_time(&value),
                },
                Role::Status if !self.format.statuses.is_empty() => self.status(&value),
                role => self.draft.put(role, known.unit, value.clone()).is_ok(),
            };
            if taken {
                self.ranks[known.role as usize] = known.rank;
                self.also(&value);
                return;
            }
        }
        self.extra(known, value);
    }

    /// A status in digits, or as a word that the format knows.
    fn status(&mut self, value: &[u8]) -> bool {
        let word = std::str::from_utf8(value).ok().and_then(|word| self.format.statuses.get(word));
        match word {
            Some(status) => self.draft.record.status = Some(*status),
            None => return self.draft.put(Role::Status, Unit::Guess, Cow::Owned(value.to_vec())).is_ok(),
        }
        true
    }

    fn number(&mut self, number: f64, whole: Option<u64>) {
        let written = || whole.map_or_else(|| number.to_string(), |n| n.to_string());
        if !self.format.mapped.is_empty() && self.take_mapped(&Cow::Owned(written().into_bytes())) {
            return;
        }
        let known = self.known();
        if known.role == Role::Extra && !self.format.fields.keeps(&self.path) {
            return;
        }
        if self.is_better(known) && self.put_number(known, number, whole) {
            self.ranks[known.role as usize] = known.rank;
            if self.format.fields.asks() {
                self.also(&Cow::Owned(written().into_bytes()));
            }
            return;
        }
        let text = written();
        // A user id or key may well be a number.
        if self.is_better(known)
            && !matches!(known.role, Role::Time | Role::Request)
            && self.draft.put(known.role, known.unit, Cow::Owned(text.clone().into_bytes())).is_ok()
        {
            self.ranks[known.role as usize] = known.rank;
            self.also(&Cow::Owned(text.into_bytes()));
            return;
        }
        self.extra(known, Cow::Owned(text.into_bytes()));
    }

    fn put_number(&mut self, known: Known, number: f64, whole: Option<u64>) -> bool {
        let count = whole.or((number >= 0.0).then_some(number as u64));
        let record = &mut self.draft.record;
        match known.role {
            Role::Time => {
                let Some(time) = whole.map_or_else(|| instant::epoch_number(number), instant::epoch_whole) else {
                    return false;
                };
                self.draft.time(time);
            }
            Role::Status if (0.0..1000.0).contains(&number) => record.status = Some(number as u16),
            Role::BytesOut => record.bytes_out = count,
            Role::BytesIn => record.bytes_in = count,
            Role::TokensIn => record.tokens_in = count,
            Role::TokensOut => record.tokens_out = count,
            Role::Cost if number >= 0.0 => record.cost = Some(number),
            Role::Duration if number >= 0.0 => record.duration = Some(known.unit.seconds(number, whole.is_some())),
            _ => return false,
        }
        true
    }

    fn is_better(&self, known: Known) -> bool {
        !matches!(known.role, Role::Extra | Role::Ignored) && known.rank < self.ranks[known.role as usize]
    }

    fn extra(&mut self, known: Known, value: Value<'a>) {
        // Secrets are kept only where they will be masked.
        let fields = &self.format.fields;
        let asked = fields.asks() && fields.asks_for(&self.path);
        let plain = !matches!(known.role, Role::Ignored | Role::ApiKey) && fields.keeps(&self.path);
        if (asked || plain)
            && let Some(name) = self.format.names.get(&self.path)
        {
            self.draft.extra(name, value);
        }
    }

    fn finish(mut self) -> Result<Record<'a>, Reason> {
        self.join_halves();
        let has_time = self.draft.has_time;
        let mut record = self.draft.finish();
        record.format = &self.format.name;
        let request = record.target.is_some() || record.odd_request.is_some();
        let required = self.format.required.len() as u32;
        if !request || (record.status.is_none() && record.method.is_none()) || self.found.count_ones() < required {
            return Err(Reason::NotAccess);
        }
        if has_time { Ok(record) } else { Err(Reason::NoTime) }
    }
}

/// Whether a name of the dotted path holds a word, in any case.
fn has_part(path: &str, word: &str) -> bool {
    path.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}

/// Any value at the reader's path.
struct AnyVisitor<'r, 'a>(&'r mut Reader<'a>);

impl<'a> DeserializeSeed<'a> for AnyVisitor<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for AnyVisitor<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<(), E> {
        self.0.text(Cow::Borrowed(text.as_bytes()));
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.text(Cow::Owned(text.as_bytes().to_vec()));
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.0.number(number as f64, Some(number));
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.0.number(number as f64, u64::try_from(number).ok());
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.0.number(number, None);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        let text: &'static [u8] = if value { b"true" } else { b"false" };
        self.0.extra(Known::EXTRA, Cow::Borrowed(text));
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    /// Of a list (a header sent twice, a list of upstreams) the first value counts.
    fn visit_seq<S: SeqAccess<'a>>(self, mut list: S) -> Result<(), S::Error> {
        self.0.depth += 1;
        if self.0.depth <= DEPTH {
            list.next_element_seed(AnyVisitor(self.0))?;
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        self.0.depth -= 1;
        Ok(())
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<(), M::Error> {
        let reader = self.0;
        reader.depth += 1;
        let (length, last) = (reader.path.len(), reader.last);
        while let Some(usable) = map.next_key_seed(KeySeed(reader))? {
            reader.fields += 1;
            if usable && reader.fields <= FIELDS && reader.depth <= DEPTH {
                if let Some(at) = reader.format.required.iter().position(|path| *path == reader.path) {
                    reader.found |= 1 << at;
                }
                map.next_value_seed(AnyVisitor(reader))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
            reader.path.truncate(length);
            reader.last = last;
        }
        reader.depth -= 1;
        Ok(())
    }
}

/// Appends a key to the reader's path; false where the path would become too long.
struct KeySeed<'r, 'a>(&'r mut Reader<'a>);

impl<'a> DeserializeSeed<'a> for KeySeed<'_, 'a> {
    type Value = bool;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_, '_> {
    type Value = bool;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        let reader = self.0;
        if reader.path.len() + key.len() >= PATH_BYTES {
            return Ok(false);
        }
        if !reader.path.is_empty() {
            reader.path.push('.');
        }
        reader.last = reader.path.len();
        reader.path.push_str(key);
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
