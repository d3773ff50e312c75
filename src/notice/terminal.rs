//! The terminal: what `watch` and `replay` print.

use serde::Serialize;

use super::layout::Layout;

/// How a message is laid out on the terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Style {
    /// Whether escape sequences for colour may be written.
    pub colour: bool,
    /// Columns; taken as between 40 and 120.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Style { colour: false, width: 100 }
    }
}

impl Style {
    pub(super) fn columns(self) -> usize {
        self.width.clamp(40, 120)
    }
}

/// Escape sequences by what they are for, all empty without colour.
#[derive(Serialize)]
pub(super) struct Ink {
    state: &'static str,
    bold: &'static str,
    dim: &'static str,
    off: &'static str,
}

pub(super) fn ink(style: Style, layout: Option<&Layout>) -> Ink {
    if !style.colour {
        return Ink { state: "", bold: "", dim: "", off: "" };
    }
    let state = match layout.map(|l| (l.state, l.severity)) {
        Some(("Resolved", _)) => "\x1b[1;32m",
        Some((_, "critical")) => "\x1b[1;31m",
        Some((_, "warning")) => "\x1b[1;33m",
        _ => "\x1b[1;34m",
    };
    Ink { state, bold: "\x1b[1m", dim: "\x1b[2m", off: "\x1b[0m" }
}
