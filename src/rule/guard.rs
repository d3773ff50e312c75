//! How a path, an endpoint or a method must begin for a condition to hold: most lines meet few rules, and are told so by
//! eight bytes before anything else is asked of them.

use super::condition::{Condition, Node, TextTest};
use super::field::Field;
use super::spec::{Rule, What};

/// The fields that are looked at, each at its place.
const FIELDS: [Field; 3] = [Field::Path, Field::Endpoint, Field::Method];

/// How a line's path, endpoint and method begin; `None` for what it does not have.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Heads([Option<u64>; FIELDS.len()]);

impl Heads {
    /// Of a line's path, endpoint and method.
    pub fn of(path: Option<&[u8]>, endpoint: Option<&[u8]>, method: Option<&[u8]>) -> Self {
        Heads([path.map(head), endpoint.map(head), method.map(|method| small(head(method)))])
    }
}

/// The first eight bytes, zeros behind what is shorter.
fn head(text: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    match text.first_chunk() {
        Some(first) => bytes = *first,
        None => bytes.iter_mut().zip(text).for_each(|(to, from)| *to = *from),
    }
    u64::from_le_bytes(bytes)
}

/// The same in small letters.
fn small(head: u64) -> u64 {
    let mut bytes = head.to_le_bytes();
    bytes.make_ascii_lowercase();
    u64::from_le_bytes(bytes)
}

/// One field must begin in one of these ways. What passes may still not meet the condition; what does not pass cannot.
#[derive(Clone, PartialEq, Debug)]
pub struct Guard {
    place: usize,
    /// Which bytes are compared, and with what.
    starts: Vec<(u64, u64)>,
}

impl Guard {
    /// Whether a line passes.
    pub fn passes(&self, heads: &Heads) -> bool {
        let head = heads.0.get(self.place).copied().flatten();
        head.is_some_and(|head| self.starts.iter().any(|(mask, bytes)| head & mask == *bytes))
    }

    fn of(node: &Node) -> Option<Guard> {
        match node {
            Node::Text { field, test } => {
                let place = FIELDS.iter().position(|known| known == field)?;
                let (texts, whole) = match test {
                    TextTest::Equals(texts) => (texts, true),
                    TextTest::StartsWith(texts) => (texts, false),
                    _ => return None,
                };
                let start = |text: &[u8]| {
                    let bytes = if field.folds() { small(head(text)) } else { head(text) };
                    // Of a shorter whole the end is compared as well: zeros.
                    let mask = if whole || text.len() >= 8 { u64::MAX } else { (1 << (8 * text.len())) - 1 };
                    (mask, bytes)
                };
                Some(Guard { place, starts: texts.iter().map(|text| start(text)).collect() })
            }
            Node::All(parts) => parts.iter().find_map(Guard::of),
            Node::Any(parts) => {
                let mut guards = parts.iter().map(Guard::of);
                let first = guards.next().flatten()?;
                guards.try_fold(first, |mut all, next| {
                    let next = next.filter(|next| next.place == all.place)?;
                    all.starts.extend(next.starts);
                    Some(all)
                })
            }
            _ => None,
        }
    }
}

impl Condition {
    /// What lines that meet it must begin with, where it says so.
    pub fn guard(&self) -> Option<Guard> {
        Guard::of(&self.0)
    }
}

impl Rule {
    /// A line that passes none of these is nothing to the rule; `None` where it has to be asked of each line.
    pub fn guards(&self) -> Option<Vec<Guard>> {
        match &self.what {
            What::Measured(measured) => measured.when.as_ref()?.guard().map(|guard| vec![guard]),
            What::Sequence(sequence) => sequence.events.iter().map(|(_, condition)| condition.guard()).collect(),
        }
    }
}
