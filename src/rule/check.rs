//! Names and types of a condition, checked before any line comes; what is left is the tree that is held against lines.

use std::net::IpAddr;
use std::ops::Range;

use ipnet::IpNet;

use super::condition::{Condition, Node, NumberTest, TextTest};
use super::field::{Field, Kind};
use super::parse::{Expression, Literal, Operator};
use super::{Problem, bound};
use crate::diag::suggest;

/// Checks and compiles an expression.
///
/// # Errors
/// Everything that is wrong with its names and types.
pub(super) fn compile(expression: &Expression) -> Result<Condition, Vec<Problem>> {
    let mut problems = Vec::new();
    match node(expression, &mut problems) {
        Some(node) if problems.is_empty() => Ok(Condition(node)),
        _ => Err(problems),
    }
}

fn node(expression: &Expression, problems: &mut Vec<Problem>) -> Option<Node> {
    match expression {
        Expression::All(parts) => several(parts, problems).map(Node::All),
        Expression::Any(parts) => several(parts, problems).map(Node::Any),
        Expression::Not(inner) => node(inner, problems).map(|inner| Node::Not(Box::new(inner))),
        Expression::Exists(name) => field(name, problems).map(Node::Exists),
        Expression::Flag(name) => {
            let field = field(name, problems)?;
            if field.kind() == Kind::Flag {
                return Some(Node::Flag(field));
            }
            problems.push(
                Problem::new(name.1.clone(), format!("\"{}\" is {}, not a condition", name.0, field.kind().name()))
                    .label("what should it be?")
                    .help(format!("compare it: {}; or write: {} exists", example(&field), name.0)),
            );
            None
        }
        Expression::Compare { field: name, operator, values } => {
            // A name that does not exist says nothing of its values.
            compare(&field(name, problems)?, name, operator, values, problems)
        }
    }
}

/// All parts, so that all their problems are found.
fn several(parts: &[Expression], problems: &mut Vec<Problem>) -> Option<Vec<Node>> {
    let nodes: Vec<Option<Node>> = parts.iter().map(|part| node(part, problems)).collect();
    nodes.into_iter().collect()
}

fn field((name, span): &(String, Range<usize>), problems: &mut Vec<Problem>) -> Option<Field> {
    Field::parse(name)
        .map_err(|(message, help)| problems.push(Problem::new(span.clone(), message).maybe_help(help)))
        .ok()
}

/// A comparison as it would be right, for those who wrote another.
fn example(field: &Field) -> String {
    let name = field.name();
    match field.kind() {
        Kind::Text | Kind::Loose => match field {
            Field::Path | Field::Target => format!("{name} startswith \"/v1/\""),
            Field::Weekday => format!("{name} == \"sunday\""),
            Field::Method => format!("{name} == \"POST\""),
            _ => format!("{name} == \"…\""),
        },
        Kind::Number => match field {
            Field::Status => format!("{name} >= 500"),
            Field::Hour => format!("{name} >= 22"),
            _ => format!("{name} > 1000"),
        },
        Kind::Span => format!("{name} > 2s"),
        Kind::Size => format!("{name} > 10MB"),
        Kind::Address => format!("{name} cidr \"10.0.0.0/8\""),
        Kind::Flag => format!("{name} and method == \"GET\""),
    }
}

fn compare(
    field: &Field,
    (name, span): &(String, Range<usize>),
    (operator, at): &(Operator, Range<usize>),
    values: &[(Literal, Range<usize>)],
    problems: &mut Vec<Problem>,
) -> Option<Node> {
    let kind = field.kind();
    let numbers = values.iter().all(|(value, _)| matches!(value, Literal::Number { .. }));
    let fits = match (operator, kind) {
        (_, Kind::Flag) => {
            let message = format!("\"{name}\" is either true or false: it stands alone");
            problems.push(Problem::new(span.clone(), message).help(format!("write: {name}, or: not {name}")));
            return None;
        }
        (Operator::Cidr, kind) => kind == Kind::Address,
        (Operator::Less | Operator::AtMost | Operator::More | Operator::AtLeast, kind) => kind.is_number(),
        (Operator::Contains | Operator::StartsWith | Operator::EndsWith | Operator::Like, kind) => {
            matches!(kind, Kind::Text | Kind::Loose | Kind::Address)
        }
        (Operator::Equals | Operator::In, _) => true,
    };
    if !fits {
        let message = format!("\"{}\" does not fit \"{name}\", which is {}", operator.as_str(), kind.name());
        problems.push(Problem::new(at.clone(), message).help(format!("for example: {}", example(field))));
        return None;
    }
    let before = problems.len();
    let made = match (operator, kind) {
        (Operator::Cidr, _) => Node::Networks(values.iter().filter_map(|v| network(v, problems)).collect()),
        (Operator::Equals | Operator::In, Kind::Address) => addresses(field, values, problems),
        (Operator::Contains | Operator::StartsWith | Operator::EndsWith | Operator::Like, _) => {
            texts(field, *operator, values, problems)
        }
        (Operator::Equals | Operator::In, Kind::Text) => texts(field, *operator, values, problems),
        (Operator::Equals | Operator::In, Kind::Loose) if !numbers => texts(field, *operator, values, problems),
        _ => {
            let found: Vec<f64> = values.iter().filter_map(|v| number(field, name, v, problems)).collect();
            let first = found.first().copied().unwrap_or(f64::NAN);
            let test = match operator {
                Operator::Less => NumberTest::Less(first),
                Operator::AtMost => NumberTest::AtMost(first),
                Operator::More => NumberTest::More(first),
                Operator::AtLeast => NumberTest::AtLeast(first),
                _ => NumberTest::Equals(found),
            };
            Node::Number { field: field.clone(), test }
        }
    };
    (problems.len() == before).then_some(made)
}

fn mismatch(field: &Field, value: &Literal, at: &Range<usize>) -> Problem {
    let found = match value {
        Literal::Text(_) => "a text",
        Literal::Number { .. } => "a number",
        Literal::Flag(_) => "true or false",
    };
    let message = format!("\"{}\" is {}; it cannot be compared with {found}", field.name(), field.kind().name());
    Problem::new(at.clone(), message).label(format!("this is {found}")).help(format!("for example: {}", example(field)))
}

fn texts(field: &Field, operator: Operator, values: &[(Literal, Range<usize>)], problems: &mut Vec<Problem>) -> Node {
    let mut found: Vec<Box<[u8]>> = Vec::with_capacity(values.len());
    for (value, at) in values {
        let Literal::Text(text) = value else {
            problems.push(mismatch(field, value, at));
            continue;
        };
        if let Some(known) = field.values().filter(|_| matches!(operator, Operator::Equals | Operator::In))
            && !known.iter().any(|k| k.eq_ignore_ascii_case(text))
        {
            let message = format!("\"{}\" is never \"{text}\"", field.name());
            problems.push(Problem::new(at.clone(), message).maybe_help(suggest(text, known.iter().copied())));
        }
        if text.is_empty() && !matches!(operator, Operator::Equals | Operator::In) {
            let message = format!("every text does \"{}\" an empty one", operator.as_str());
            problems.push(Problem::new(at.clone(), message));
        }
        found.push(text.as_bytes().into());
    }
    found.sort();
    let test = match operator {
        Operator::Contains => TextTest::Contains(found),
        Operator::StartsWith => TextTest::StartsWith(found),
        Operator::EndsWith => TextTest::EndsWith(found),
        Operator::Like => TextTest::Like(found),
        _ => TextTest::Equals(found),
    };
    Node::Text { field: field.clone(), test }
}

/// A client that is an address is compared as one, however it is written; one that is a host name by its characters.
fn addresses(field: &Field, values: &[(Literal, Range<usize>)], problems: &mut Vec<Problem>) -> Node {
    let (mut nets, mut hosts) = (Vec::new(), Vec::new());
    for (value, at) in values {
        match value {
            Literal::Text(text) => match text.parse::<IpAddr>() {
                Ok(ip) => nets.push(IpNet::from(ip)),
                Err(_) if text.contains('/') => problems.push(
                    Problem::new(at.clone(), format!("\"{text}\" is a network, not one address"))
                        .help(format!("write: client cidr \"{text}\"")),
                ),
                Err(_) => hosts.push(text.as_bytes().into()),
            },
            other => problems.push(mismatch(field, other, at)),
        }
    }
    hosts.sort();
    let by_name = Node::Text { field: field.clone(), test: TextTest::Equals(hosts.clone()) };
    match (nets.is_empty(), hosts.is_empty()) {
        (true, _) => by_name,
        (false, true) => Node::Networks(nets),
        (false, false) => Node::Any(vec![Node::Networks(nets), by_name]),
    }
}

fn network((value, at): &(Literal, Range<usize>), problems: &mut Vec<Problem>) -> Option<IpNet> {
    let Literal::Text(text) = value else {
        problems.push(mismatch(&Field::Client, value, at));
        return None;
    };
    let parsed = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    if parsed.is_none() {
        problems
            .push(Problem::new(at.clone(), format!("\"{text}\" is not a network")).help("for example \"10.0.0.0/8\""));
    }
    parsed
}

fn number(
    field: &Field,
    name: &str,
    (value, at): &(Literal, Range<usize>),
    problems: &mut Vec<Problem>,
) -> Option<f64> {
    let Literal::Number { digits, unit } = value else {
        problems.push(mismatch(field, value, at));
        return None;
    };
    let number: f64 = digits.parse().ok().filter(|n: &f64| n.is_finite())?;
    match bound::in_units(number, unit, field.kind()) {
        Ok(number) => {
            if *field == Field::Hour && number > 23.0 || *field == Field::Status && number > 999.0 {
                let message = format!("\"{name}\" is never {number}");
                let range = if *field == Field::Hour { "hours are 0 to 23" } else { "a status has three digits" };
                problems.push(Problem::new(at.clone(), message).help(range));
            }
            Some(number)
        }
        Err(expected) => {
            let message = format!("\"{name}\" is {}; it cannot be compared with {digits}{unit}", field.kind().name());
            problems.push(
                Problem::new(at.clone(), message).label(expected).help(format!("for example: {}", example(field))),
            );
            None
        }
    }
}
