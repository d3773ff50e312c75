//! Pieces of a format that are one field together: path and query, date and time of day, `HTTP/` and the version.

use super::instant::TimeShape;
use super::role::{Known, Role};
use super::strftime;
use super::template::{FormatError, Piece, TimePart};

/// Joins what belongs together.
///
/// # Errors
/// A time that does not say its day, with its place.
pub(super) fn join(pieces: Vec<Piece>) -> Result<Vec<Piece>, FormatError> {
    let pieces = join_days(join_protocols(join_literals(join_targets(pieces))));
    let mut pieces = join_times(pieces);
    settle_fractions(&mut pieces);
    // Several times may be written; one that says no day is no use as the line's.
    let has_day = |piece: &Piece| is_time(piece) && pattern_of(piece).is_none_or(|(p, _)| strftime::says_the_day(p));
    let days = pieces.iter().filter(|piece| has_day(piece)).count();
    for piece in &mut pieces {
        if let Some((pattern, span)) = pattern_of(piece)
            && !strftime::says_the_day(pattern)
        {
            if days == 0 {
                let message = format!("the time format \"{pattern}\" does not say the day and the year: use %t");
                return Err(FormatError::at(message, span.clone()));
            }
            demote(piece);
        }
    }
    Ok(join_literals(pieces))
}

fn is_time(piece: &Piece) -> bool {
    matches!(piece, Piece::Field { time: Some(_), .. })
}

fn pattern_of(piece: &Piece) -> Option<(&str, &std::ops::Range<usize>)> {
    match piece {
        Piece::Field { time: Some(TimePart::Pattern { pattern, .. }), span, .. } => Some((pattern, span)),
        _ => None,
    }
}

/// A time that is none of the line's is kept under its name.
fn demote(piece: &mut Piece) {
    if let Piece::Field { known, time, .. } = piece {
        *known = Known::EXTRA;
        *time = None;
    }
}

/// `$uri$is_args$args` and `%U%q` are one target.
fn join_targets(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut out: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let is_path =
            |p: &Piece| matches!(p, Piece::Field { known, .. } if matches!(known.role, Role::Path | Role::Target));
        let joins = match &piece {
            Piece::Field { name, known, .. } => name == "is_args" || known.role == Role::Query,
            Piece::Literal(_) => false,
        };
        match out.last_mut() {
            Some(Piece::Field { known, .. }) if joins && known.role == Role::Path => {
                *known = Known::new(Role::Target, 0);
            }
            Some(last) if joins && is_path(last) => {}
            _ => out.push(piece),
        }
    }
    out
}

fn join_literals(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut out: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match (out.last_mut(), piece) {
            (Some(Piece::Literal(before)), Piece::Literal(text)) => before.extend_from_slice(&text),
            (_, piece) => out.push(piece),
        }
    }
    out
}

/// The version behind `HTTP/` (Squid's `HTTP/%rv`) is the protocol with it.
fn join_protocols(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut out: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let is_protocol = matches!(&piece, Piece::Field { known, .. } if known.role == Role::Protocol);
        if is_protocol && let Some(Piece::Literal(before)) = out.last_mut() {
            if let Some(kept) = before.strip_suffix(b"HTTP/") {
                let kept = kept.len();
                before.truncate(kept);
            }
            if before.is_empty() {
                out.pop();
            }
        }
        out.push(piece);
    }
    out
}

/// `$date $time` of logs that write the day and the time of day apart (IIS, CloudFront) are one time.
fn join_days(pieces: Vec<Piece>) -> Vec<Piece> {
    let named = |piece: &Piece, wanted: &str| matches!(piece, Piece::Field { name, time: Some(TimePart::Whole(_)), .. } if name.eq_ignore_ascii_case(wanted));
    let mut out: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let apart = matches!(out.as_slice(), [.., day, Piece::Literal(between)]
            if named(day, "date") && matches!(between.as_slice(), b" " | b"\t" | b"T"));
        if apart && named(&piece, "time") {
            out.pop();
            if let (Some(Piece::Field { time, span, .. }), Piece::Field { span: end, .. }) = (out.last_mut(), &piece) {
                *time = Some(TimePart::Whole(TimeShape::Any));
                span.end = end.end;
            }
            continue;
        }
        out.push(piece);
    }
    out
}

/// `%{%d/%b/%Y %T}t.%{msec_frac}t %{%z}t` is one time: the patterns with the text between them. So is a count of seconds
/// with its fraction, `%ts.%03tu`.
fn join_times(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut out: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let Piece::Field { time: Some(part), span: end, .. } = &piece else {
            out.push(piece);
            continue;
        };
        let between = match out.as_slice() {
            [.., before, Piece::Literal(text)] if is_time(before) => Some(text.clone()),
            [.., before] if is_time(before) => Some(Vec::new()),
            _ => None,
        };
        let (Some(between), Some(added)) = (between, as_pattern(part)) else {
            out.push(piece);
            continue;
        };
        let at = out.len() - 1 - usize::from(matches!(out.last(), Some(Piece::Literal(_))));
        let Some(Piece::Field { time: Some(before), span, .. }) = out.get_mut(at) else {
            out.push(piece);
            continue;
        };
        let joined = match before {
            // Two whole times (the beginning and the end of a request) stay two.
            TimePart::Pattern { pattern, .. } if strftime::says_the_day(pattern) && strftime::says_the_day(added) => {
                false
            }
            TimePart::Pattern { pattern, .. } => {
                pattern.push_str(&String::from_utf8_lossy(&between).replace('%', "%%"));
                pattern.push_str(added);
                true
            }
            // Seconds since the epoch are read with whatever fraction they have.
            TimePart::Whole(TimeShape::Any) => {
                matches!(part, TimePart::Fraction(_)) && matches!(between.as_slice(), b"." | b"")
            }
            _ => false,
        };
        if joined {
            span.end = end.end;
            out.truncate(at + 1);
        } else {
            out.push(piece);
        }
    }
    out
}

fn as_pattern(part: &TimePart) -> Option<&str> {
    match part {
        TimePart::Pattern { pattern, .. } => Some(pattern),
        TimePart::Fraction(pattern) => Some(pattern),
        TimePart::Whole(_) => None,
    }
}

/// A fraction without a time before it is a number like others.
fn settle_fractions(pieces: &mut [Piece]) {
    for piece in pieces {
        if matches!(piece, Piece::Field { time: Some(TimePart::Fraction(_)), .. }) {
            demote(piece);
        }
    }
}
