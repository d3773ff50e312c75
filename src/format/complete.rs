//! What a compiled format must say, and what the values of its fields look like.

use super::field::Unit;
use super::instant::TimeShape;
use super::role::{Known, Role};
use super::steps::{Shape, Steps};
use super::template::{FormatError, TimePart};

/// The most fields of one format.
const FIELDS: usize = 160;

/// What values of a field look like.
pub(super) fn shape_of(name: &str, known: Known, time: Option<TimePart>, shape: Option<Shape>) -> Shape {
    match (known.role, time, shape) {
        (_, _, Some(shape)) => shape,
        (_, Some(TimePart::Whole(shape)), _) => Shape::Time(shape),
        (_, Some(TimePart::Pattern { pattern, utc }), _) => Shape::Time(TimeShape::Pattern { pattern, utc }),
        (_, Some(TimePart::Fraction(_)), _) => Shape::Number,
        (Role::Client, ..) => Shape::Address,
        (Role::User, ..) => Shape::User,
        (Role::Host | Role::Method | Role::Protocol | Role::RequestId | Role::Country, ..) => Shape::Word,
        (Role::Status, ..) => Shape::Status,
        (Role::Duration, ..) if known.unit == Unit::Seconds && known.rank > 0 => Shape::List,
        (Role::BytesOut | Role::BytesIn | Role::Duration | Role::TokensIn | Role::TokensOut, ..) => Shape::Number,
        (Role::ForwardedFor, ..) => Shape::List,
        _ if name.starts_with("upstream_") => Shape::List,
        _ if name.ends_with("_port") || name.ends_with("_queue") => Shape::Number,
        _ if matches!(name, "pid" | "p" | "bytes_sent" | "request_length") => Shape::Number,
        _ => Shape::Any,
    }
}

/// The byte with which every value of this role begins.
pub(super) fn first_byte(role: Role) -> Option<u8> {
    match role {
        Role::Target | Role::Path => Some(b'/'),
        Role::Query => Some(b'?'),
        _ => None,
    }
}

/// A format must say when and what, or nothing can be learned from it.
pub(super) fn check(steps: &Steps, text: &str) -> Result<(), FormatError> {
    let has = |roles: &[Role]| steps.fields.iter().any(|step| roles.contains(&step.known.role));
    let whole = Some(0..text.len());
    if steps.fields.len() > FIELDS {
        let message = format!("the format has {} fields; at most {FIELDS} are taken", steps.fields.len());
        return Err(FormatError { message, span: whole });
    }
    if !has(&[Role::Time]) {
        let message =
            "the format has no time: add $time_iso8601, $time_local or $msec (nginx), or %t (Apache)".to_owned();
        return Err(FormatError { message, span: whole });
    }
    if !has(&[Role::Request, Role::Target, Role::Path, Role::Status, Role::Method]) {
        let message =
            "the format says nothing about the request: add \"$request\" $status (nginx), or \"%r\" %>s (Apache)"
                .to_owned();
        return Err(FormatError { message, span: whole });
    }
    Ok(())
}
