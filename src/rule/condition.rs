//! A condition that was checked: a small tree, held against one line after the other.

use std::borrow::Cow;
use std::net::IpAddr;

use ipnet::IpNet;

use super::field::Field;

/// A line as conditions see it. A field that it does not have is `None`.
pub trait Line {
    /// A field's characters; of numbers, none.
    fn text(&self, field: &Field) -> Option<Cow<'_, [u8]>>;
    /// A field's number: seconds, bytes, or what it counts.
    fn number(&self, field: &Field) -> Option<f64>;
    /// The client's address.
    fn address(&self) -> Option<IpAddr>;
    /// Whether something holds.
    fn flag(&self, field: &Field) -> bool;
}

/// A compiled condition. Whatever a line lacks is equal to nothing, contains nothing and is neither more nor less than
/// anything; `!=` and `not` say the opposite, so they hold for it.
#[derive(Clone, PartialEq, Debug)]
pub struct Condition(pub(super) Node);

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Flag(Field),
    Exists(Field),
    Text { field: Field, test: TextTest },
    Number { field: Field, test: NumberTest },
    Networks(Vec<IpNet>),
}

#[derive(Clone, PartialEq, Debug)]
pub(super) enum TextTest {
    /// Sorted, so that a long list is searched by halves. Small letters where the field folds.
    Equals(Vec<Box<[u8]>>),
    Contains(Vec<Box<[u8]>>),
    StartsWith(Vec<Box<[u8]>>),
    EndsWith(Vec<Box<[u8]>>),
    /// `*` stands for any characters.
    Like(Vec<Box<[u8]>>),
}

#[derive(Clone, PartialEq, Debug)]
pub(super) enum NumberTest {
    Equals(Vec<f64>),
    Less(f64),
    AtMost(f64),
    More(f64),
    AtLeast(f64),
}

impl Condition {
    /// Whether a line meets it.
    pub fn holds(&self, line: &impl Line) -> bool {
        self.0.holds(line)
    }

    /// Every field that it asks for, once each.
    pub fn fields(&self) -> Vec<Field> {
        let mut found = Vec::new();
        self.0.fields(&mut found);
        found.sort();
        found.dedup();
        found
    }
}

impl Node {
    fn holds(&self, line: &impl Line) -> bool {
        match self {
            Node::All(parts) => parts.iter().all(|part| part.holds(line)),
            Node::Any(parts) => parts.iter().any(|part| part.holds(line)),
            Node::Not(inner) => !inner.holds(line),
            Node::Flag(field) => line.flag(field),
            Node::Exists(field) => match field {
                Field::Client => line.address().is_some() || line.text(field).is_some(),
                other => line.text(other).is_some() || line.number(other).is_some(),
            },
            Node::Text { field, test } => line.text(field).is_some_and(|text| test.holds(&text, field.folds())),
            Node::Number { field, test } => line.number(field).is_some_and(|n| test.holds(n)),
            Node::Networks(nets) => line.address().is_some_and(|ip| nets.iter().any(|net| net.contains(&ip))),
        }
    }

    fn fields(&self, found: &mut Vec<Field>) {
        match self {
            Node::All(parts) | Node::Any(parts) => parts.iter().for_each(|part| part.fields(found)),
            Node::Not(inner) => inner.fields(found),
            Node::Flag(field) | Node::Exists(field) | Node::Text { field, .. } | Node::Number { field, .. } => {
                found.push(field.clone());
            }
            Node::Networks(_) => found.push(Field::Client),
        }
    }
}

impl TextTest {
    fn holds(&self, text: &[u8], folds: bool) -> bool {
        match self {
            TextTest::Equals(values) if folds => values.iter().any(|v| text.eq_ignore_ascii_case(v)),
            TextTest::Equals(values) => values.binary_search_by(|v| v.as_ref().cmp(text)).is_ok(),
            TextTest::Contains(values) => values.iter().any(|v| contains(text, v, folds)),
            TextTest::StartsWith(values) => {
                values.iter().any(|v| text.get(..v.len()).is_some_and(|head| same(head, v, folds)))
            }
            TextTest::EndsWith(values) => values.iter().any(|v| {
                text.len().checked_sub(v.len()).and_then(|at| text.get(at..)).is_some_and(|tail| same(tail, v, folds))
            }),
            TextTest::Like(patterns) => patterns.iter().any(|pattern| like(pattern, text, folds)),
        }
    }
}

impl NumberTest {
    fn holds(&self, n: f64) -> bool {
        match self {
            NumberTest::Equals(values) => values.contains(&n),
            NumberTest::Less(limit) => n < *limit,
            NumberTest::AtMost(limit) => n <= *limit,
            NumberTest::More(limit) => n > *limit,
            NumberTest::AtLeast(limit) => n >= *limit,
        }
    }
}

fn same(a: &[u8], b: &[u8], folds: bool) -> bool {
    if folds { a.eq_ignore_ascii_case(b) } else { a == b }
}

/// Linear but for texts that nearly hold the searched one again and again; lines have a longest length.
fn contains(text: &[u8], part: &[u8], folds: bool) -> bool {
    if !folds {
        return memchr::memmem::find(text, part).is_some();
    }
    part.is_empty() || text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

/// The parts between the stars, each found as far left as possible after the one before: no step is taken back.
fn like(pattern: &[u8], text: &[u8], folds: bool) -> bool {
    let mut parts = pattern.split(|b| *b == b'*');
    let head = parts.next().unwrap_or_default();
    if !text.get(..head.len()).is_some_and(|start| same(start, head, folds)) {
        return false;
    }
    let mut rest = &text[head.len()..];
    let Some(tail) = parts.next_back() else { return rest.is_empty() };
    for part in parts.filter(|part| !part.is_empty()) {
        let at = if folds {
            rest.windows(part.len()).position(|window| window.eq_ignore_ascii_case(part))
        } else {
            memchr::memmem::find(rest, part)
        };
        let Some(at) = at else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.len().checked_sub(tail.len()).and_then(|at| rest.get(at..)).is_some_and(|end| same(end, tail, folds))
}
