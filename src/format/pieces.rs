//! Lines that a container runtime has cut into pieces: what came so far of each stream.

use crate::time::{Span, Timestamp};

/// The longest line that is put together, in bytes.
const JOINED_BYTES: usize = 1 << 20;
/// Runtimes write the pieces of a line one right after the other. What comes later belongs to another log.
const APART: Span = Span::from_secs(5);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Pieces([Pending; 2]);

#[derive(Debug, Default)]
struct Pending {
    text: Vec<u8>,
    time: Option<Timestamp>,
    /// There is something, if only that it was too long.
    begun: bool,
    too_long: bool,
}

/// What a last piece makes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Joined {
    /// It was the whole line.
    Alone,
    /// The line, put together.
    Line(Vec<u8>),
    /// More than is put together.
    TooLong,
}

impl Pieces {
    /// Keeps a piece that is not the last.
    pub(super) fn keep(&mut self, stream: usize, text: &[u8], time: Option<Timestamp>) {
        let Some(pending) = self.0.get_mut(stream) else { return };
        pending.forget_unless_near(time);
        pending.begun = true;
        pending.time = time;
        if pending.text.len() + text.len() > JOINED_BYTES {
            pending.too_long = true;
            pending.text = Vec::new();
        } else if !pending.too_long {
            pending.text.extend_from_slice(text);
        }
    }

    /// Takes the last piece of a line.
    pub(super) fn join(&mut self, stream: usize, text: &[u8], time: Option<Timestamp>) -> Joined {
        let Some(pending) = self.0.get_mut(stream) else { return Joined::Alone };
        pending.forget_unless_near(time);
        let Pending { text: mut line, begun, too_long, .. } = std::mem::take(pending);
        if !begun {
            return Joined::Alone;
        }
        if too_long || line.len() + text.len() > JOINED_BYTES {
            return Joined::TooLong;
        }
        line.extend_from_slice(text);
        Joined::Line(line)
    }

    /// Whether any line has begun and is not over.
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|pending| !pending.begun)
    }
}

impl Pending {
    fn forget_unless_near(&mut self, time: Option<Timestamp>) {
        let near = match (self.time, time) {
            (Some(before), Some(now)) => now >= before && now - before <= APART,
            _ => true,
        };
        if !near {
            *self = Pending::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    #[test]
    fn pieces_are_joined_stream_by_stream() {
        let mut pieces = Pieces::default();
        assert_eq!(pieces.join(0, b"whole", Some(at(1))), Joined::Alone);
        pieces.keep(0, b"GET /a", Some(at(1)));
        pieces.keep(0, b"bc", Some(at(1)));
        assert_eq!(pieces.join(1, b"error", Some(at(1))), Joined::Alone);
        assert!(!pieces.is_empty());
        assert_eq!(pieces.join(0, b"d HTTP/1.1", Some(at(2))), Joined::Line(b"GET /abcd HTTP/1.1".to_vec()));
        assert!(pieces.is_empty());
    }

    #[test]
    fn what_is_too_long_or_of_another_time_is_not_joined() {
        let mut pieces = Pieces::default();
        for _ in 0..1000 {
            pieces.keep(0, &[b'x'; 16 << 10], Some(at(1)));
        }
        assert!(pieces.0[0].text.capacity() <= JOINED_BYTES);
        assert_eq!(pieces.join(0, b"end", Some(at(1))), Joined::TooLong);
        assert_eq!(pieces.join(0, b"next", Some(at(1))), Joined::Alone);
        pieces.keep(0, b"begun", Some(at(1)));
        assert_eq!(pieces.join(0, b"an hour later", Some(at(3600))), Joined::Alone);
    }
}
