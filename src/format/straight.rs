//! The straight way over a line, which nearly all lines of a log go: each field ends at the first place where it may end,
//! nothing is escaped, nothing has to be thought over, and the record at hand is filled in place.
//!
//! Where anything else is found the whole line is left to [`super::steps`], whose first attempt this is; so both ways
//! come to the same record wherever this one comes to any.

use std::borrow::Cow;

use super::Record;
use super::field::{self, Escape, Unit};
use super::instant::{TimeShape, same_minute};
use super::near::find;
use super::role::Role;
use super::steps::{Shape, Step, Steps};
use super::wall::Wall;

/// A format whose lines can be read straight on.
#[derive(Clone, Debug)]
pub(super) struct Straight {
    first: Box<[u8]>,
    lanes: Box<[Lane]>,
    escapes: bool,
}

/// One field, as far as reading it straight on needs to know it.
#[derive(Clone, Debug)]
struct Lane {
    way: Way,
    role: Role,
    unit: Unit,
    /// The literal after it; empty for what takes the rest.
    until: Box<[u8]>,
}

/// How a field is cut out and looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    /// An address, by its letters.
    Address,
    /// A lone dash.
    Dash,
    /// No blank within.
    Name,
    /// The common log's stamp with its zone.
    Stamp,
    /// Digits, or a lone dash.
    Digits,
    /// Three digits.
    Status,
    /// Between quotes, none within.
    Quoted,
    /// Digits with a point among them, or a lone dash.
    Decimal,
}

impl Straight {
    /// The straight way of a format; `None` where fields of it need another look.
    pub(super) fn of(steps: &Steps) -> Option<Straight> {
        if !steps.mapped.is_empty() || !steps.also.is_empty() {
            return None;
        }
        let lanes: Option<Box<[Lane]>> = steps.fields.iter().map(lane).collect();
        let first = steps.first.clone().into_boxed_slice();
        Some(Straight { first, lanes: lanes?, escapes: steps.escape != Escape::None })
    }

    /// Fills the record from a line; whether it could. If not, what the record holds means nothing.
    pub(super) fn read<'a>(&'a self, name: &'a str, line: &'a [u8], wall: &Wall, record: &mut Record<'a>) -> bool {
        // What may stand around a line has to be taken off first: blanks, a byte order mark, quotes at both ends.
        let odd = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n' | 0xef);
        if line.first().is_none_or(|b| odd(b) || *b == b'"') || line.last().is_none_or(odd) {
            return false;
        }
        if self.escapes && memchr::memchr(b'\\', line).is_some() {
            return false;
        }
        record.clear();
        record.format = name;
        self.fill(line, wall, record).is_some()
    }

    fn fill<'a>(&'a self, line: &'a [u8], wall: &Wall, record: &mut Record<'a>) -> Option<()> {
        let mut rest = line.strip_prefix(&*self.first)?;
        for lane in &self.lanes {
            // Blanks that columns are padded with.
            if lane.way != Way::Quoted && rest.first() == Some(&b' ') {
                return None;
            }
            let (value, behind) = lane.cut(rest)?;
            lane.put(value, wall, record)?;
            rest = behind;
        }
        rest.is_empty().then_some(())
    }
}

fn lane(step: &Step) -> Option<Lane> {
    use Role::{
        BytesIn, BytesOut, Client, Duration, Host, Ignored, Origin, Referer, Request, RequestId, Status, Time, User,
        UserAgent,
    };
    let way = match (&step.shape, step.known.role) {
        (Shape::Address, Client | Ignored) => Way::Address,
        (Shape::Ident, Ignored) => Way::Dash,
        (Shape::User, User | Ignored) => Way::Name,
        (Shape::Time(TimeShape::Zoned), Time) => Way::Stamp,
        (Shape::Number | Shape::Whole, BytesIn | BytesOut | Ignored) => Way::Digits,
        (Shape::Status, Status | Ignored) => Way::Status,
        (Shape::Seconds, Duration | Ignored) => Way::Decimal,
        (Shape::Any, Request | Referer | Origin | UserAgent | Host | RequestId | Ignored) if step.quoted => Way::Quoted,
        _ => return None,
    };
    // Without a literal between two fields, and in quotes that only look like some, there is more to be thought over.
    if step.stop.is_some() || (step.quoted != (way == Way::Quoted)) {
        return None;
    }
    let until = step.until.clone().into_boxed_slice();
    Some(Lane { way, role: step.known.role, unit: step.known.unit, until })
}

impl Lane {
    /// The value at the beginning of `rest`, and what comes behind the literal after it.
    fn cut<'a>(&self, rest: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let Some(&end) = self.until.first() else {
            return Some((rest, &[]));
        };
        let at = match self.way {
            Way::Status => 3,
            // A stamp that is as long as it should be ends there; one that is not is found.
            Way::Stamp if rest.get(26) == Some(&end) => 26,
            Way::Dash => 1,
            _ => find(end, rest)?,
        };
        let (value, behind) = rest.split_at_checked(at)?;
        let behind = match *self.until {
            [_] => behind.get(1..).filter(|_| behind[0] == end)?,
            [one, two] => behind.strip_prefix(&[one, two])?,
            [one, two, three] => behind.strip_prefix(&[one, two, three])?,
            _ => behind.strip_prefix(&*self.until)?,
        };
        Some((value, behind))
    }

    /// Puts a value where its role belongs; `None` if it is not as it usually is.
    fn put<'a>(&self, value: &'a [u8], wall: &Wall, record: &mut Record<'a>) -> Option<()> {
        match self.way {
            Way::Address => {
                if value.is_empty() || value.len() > 45 || !value.iter().all(|b| IN_ADDRESS[usize::from(*b)]) {
                    return None;
                }
                if self.role == Role::Client && value != b"-" {
                    record.client = Some(Cow::Borrowed(value));
                }
            }
            Way::Dash => return (value == b"-").then_some(()),
            Way::Name => {
                if value.is_empty() || value == b"\"\"" {
                    return None;
                }
                if self.role == Role::User && value != b"-" {
                    record.user = Some(Cow::Borrowed(value));
                }
            }
            Way::Stamp => {
                // Where the literal behind it occurs inside a stamp there is more to be thought over.
                record.time = match same_minute(value) {
                    Some(time) if value.len() == 26 => time,
                    _ => TimeShape::Zoned.read(value, wall)?,
                };
            }
            Way::Status => {
                let [a, b, c] = *value else { return None };
                if !(a.is_ascii_digit() && b.is_ascii_digit() && c.is_ascii_digit()) {
                    return None;
                }
                if self.role == Role::Status {
                    let digit = |b: u8| u16::from(b - b'0');
                    record.status = Some(digit(a) * 100 + digit(b) * 10 + digit(c));
                }
            }
            Way::Digits => {
                if value == b"-" {
                    return Some(());
                }
                let number = digits(value)?;
                match self.role {
                    Role::BytesOut => record.bytes_out = Some(number),
                    Role::BytesIn => record.bytes_in = Some(number),
                    _ => {}
                }
            }
            Way::Decimal => {
                let good = value.contains(&b'.') && value.iter().all(|b| b.is_ascii_digit() || *b == b'.');
                if value == b"-" {
                    return Some(());
                }
                if !good {
                    return None;
                }
                if self.role == Role::Duration {
                    record.duration = field::duration(value, self.unit).ok()?;
                }
            }
            Way::Quoted => self.put_text(value, record),
        }
        Some(())
    }

    fn put_text<'a>(&self, value: &'a [u8], record: &mut Record<'a>) {
        if self.role == Role::Request {
            match field::request_line(value) {
                Some(line) => {
                    record.method = Some(Cow::Borrowed(line.method));
                    record.target = Some(Cow::Borrowed(line.target));
                    record.protocol = line.protocol.map(Cow::Borrowed);
                }
                None => record.odd_request = Some(Cow::Borrowed(value)),
            }
            return;
        }
        if value == b"-" {
            return;
        }
        let borrowed = Some(Cow::Borrowed(value));
        match self.role {
            // An empty referer is a fact.
            Role::Referer => record.referer = borrowed,
            Role::UserAgent => record.user_agent = borrowed,
            Role::Origin if !value.is_empty() => record.extra.push(("origin", Cow::Borrowed(value))),
            Role::Host if !value.is_empty() => record.host = borrowed,
            Role::RequestId if !value.is_empty() => record.request_id = borrowed,
            _ => {}
        }
    }
}

/// What plain addresses and host names are made of.
const IN_ADDRESS: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0;
    while b < 128 {
        let byte = b as u8;
        table[b] = byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b':' | b'-');
        b += 1;
    }
    table
};

/// A number of at most 18 digits.
fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    let mut number = 0u64;
    for b in text {
        let digit = b.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + u64::from(digit);
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::steps::Reading;
    use crate::format::template::Template;
    use crate::format::{Format, Reject};
    use crate::time::Zone;
    use proptest::prelude::*;

    fn formats() -> Vec<Template> {
        [
            r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i""#,
            r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_time"#,
            r#"%h %l %u %t "%r" %>s %b"#,
        ]
        .map(|text| Template::new("it", text, Zone::UTC).unwrap())
        .to_vec()
    }

    /// Both ways over a line: what they come to, and whether the straight one came through.
    fn both(format: &Template, line: &[u8]) -> (Result<String, Reject>, Result<String, Reject>, bool) {
        let slow = format.read_with_care(line, Reading::Strict).map(|record| format!("{record:?}"));
        // What a record held before must not show.
        let mut record = Record { referer: Some(Cow::Owned(b"old".to_vec())), status: Some(1), ..Record::default() };
        record.extra.push(("old", Cow::Borrowed(b"old")));
        let way = format.straight.as_ref();
        let came = way.is_some_and(|way| way.read("it", line, &Wall::new(Zone::UTC), &mut Record::default()));
        let fast = format.parse_into(line, &mut record).map(|()| format!("{record:?}"));
        (slow, fast, came)
    }

    #[test]
    fn usual_lines_go_straight_and_odd_ones_come_to_the_same() {
        let mut straight = 0;
        for format in &formats() {
            for client in ["203.0.113.9", "2001:db8::1", "-", "unix:", "host.example", "a,b", "", "é"] {
                for user in ["-", "acme", "joe doe", "\"\"", "a\\b"] {
                    for request in ["GET /a?b=c HTTP/1.1", "-", "", "\\x16\\x03", "GET /\"a\" HTTP/1.1", "POST /x"] {
                        for tail in [
                            "200 17 \"-\" \"curl/8\"",
                            "200 - \"\" \"say \"hello\" x\"",
                            "404 1 \"-\" \"a\" 0.031",
                            "200 17",
                            "- 0",
                            "-1 +12 \"-\" \"-\" 1",
                            "200 12345678901234567890 \"-\" \"-\" -",
                        ] {
                            let stamp = "02/Mar/2026:14:31:07 +0100";
                            let line = format!("{client} - {user} [{stamp}] \"{request}\" {tail}");
                            let (slow, fast, came) = both(format, line.as_bytes());
                            assert_eq!(slow, fast, "{line}");
                            straight += u32::from(came);
                        }
                    }
                }
            }
        }
        assert!(straight > 100, "only {straight} lines went straight");
    }

    proptest! {
        #[test]
        fn no_line_is_read_in_two_ways(line in r#"[-a1. ":\[\]]{0,6}203.0.113.9 - [-a" ]{1,4} \[02/Mar/2026:1[0-9]:31:[0-6][0-9] [+-]0[0-9]00\] "(GET )?/[a-z?\\" ]{0,5}( HTTP/1.[01])?" [-0-9]{1,4} [-0-9]{1,20}( "[-a\\" ]{0,4}")?( "[-a\\" ]{0,4}")?( [0-9.]{1,5})?"#) {
            for format in &formats() {
                let (slow, fast, _) = both(format, line.as_bytes());
                prop_assert_eq!(slow, fast);
            }
        }
    }
}
