//! Two streams: results, and everything else. Colour on terminals only; a reader that left is not an error.

use std::io::{self, BufWriter, IsTerminal, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use super::{Common, When};
use crate::app::Failure;

/// Where results go, and whether either stream may have colour.
pub(super) struct Output {
    results: BufWriter<io::Stdout>,
    quiet: bool,
    /// Standard output is a terminal.
    pub terminal: bool,
    /// Colour in results.
    pub colour: bool,
    /// Colour in everything else.
    pub colour_on_stderr: bool,
}

/// JSON as it is always written, but for the controls that it lets stand as they are: DEL and those from U+0080 to U+009F,
/// which terminals obey.
struct Visible;

impl serde_json::ser::Formatter for Visible {
    fn write_string_fragment<W: Write + ?Sized>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, control)) = rest.char_indices().find(|(_, c)| matches!(c, '\u{7f}'..='\u{9f}')) {
            writer.write_all(&rest.as_bytes()[..at])?;
            write!(writer, "\\u{:04x}", u32::from(control))?;
            rest = &rest[at + control.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

impl Output {
    pub(super) fn new(when: When, quiet: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        Output {
            results: BufWriter::new(io::stdout()),
            quiet,
            terminal,
            colour: colour(when, terminal),
            colour_on_stderr: colour(when, io::stderr().is_terminal()),
        }
    }

    /// One line (or several) of results.
    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        self.results.write_all(text.as_bytes())?;
        self.results.write_all(b"\n")
    }

    /// One JSON value a line.
    pub(super) fn json(&mut self, value: &impl serde::Serialize) -> io::Result<()> {
        let mut serializer = serde_json::Serializer::with_formatter(&mut self.results, Visible);
        value.serialize(&mut serializer)?;
        self.results.write_all(b"\n")
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.results.flush()
    }

    /// An error, on standard error.
    #[allow(clippy::unused_self)]
    pub(super) fn tell(&self, text: &str) {
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// Something worth knowing, on standard error unless it shall be quiet.
    pub(super) fn note(&self, text: &str) {
        if !self.quiet {
            self.tell(text);
        }
    }

    /// Whether progress may be drawn.
    pub(super) fn shows_progress(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }

    /// The width of the terminal, or of a page.
    pub(super) fn width(&self) -> usize {
        if self.terminal { usize::from(console_width().unwrap_or(100)).clamp(40, 120) } else { 100 }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.results.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.results.flush()
    }
}

fn console_width() -> Option<u16> {
    std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok())
}

/// `--color` wins, then `NO_COLOR`, then `CLICOLOR_FORCE`, then whether it is a terminal (no-color.org).
fn colour(when: When, terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty() && v != "0");
    match when {
        When::Always => true,
        When::Never => false,
        When::Auto => {
            !set("NO_COLOR")
                && (set("CLICOLOR_FORCE") || (terminal && std::env::var_os("TERM").is_none_or(|t| t != "dumb")))
        }
    }
}

/// Whether it ended because nobody reads on: `lapwing replay … | head` ends quietly.
pub(super) fn is_closed_pipe(failure: &Failure) -> bool {
    let Failure::Running(error) = failure else { return false };
    error.chain().any(|cause| {
        let direct = cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe);
        direct
            || cause
                .downcast_ref::<serde_json::Error>()
                .is_some_and(|e| e.io_error_kind() == Some(io::ErrorKind::BrokenPipe))
    })
}

/// The daemon's own log, on standard error. Under systemd without time (the journal has it) and without colour.
pub(super) fn start_log(common: &Common, daemon: bool) {
    let level = match (common.quiet, common.verbose, daemon) {
        (true, _, _) => "error",
        (_, 0, false) => "warn",
        (_, 0, true) | (_, 1, false) => "info",
        (_, 1, true) | (_, 2, false) => "debug",
        _ => "trace",
    };
    // Other crates speak of their own affairs; some of them (HTTP clients) would print addresses that are secrets.
    let ours = format!("warn,lapwing={level}");
    let mut filter = match std::env::var("LAPWING_LOG") {
        Ok(text) if !text.is_empty() => EnvFilter::try_new(text).unwrap_or_else(|_| EnvFilter::new(ours)),
        _ => EnvFilter::new(ours),
    };
    // Whatever is asked for: nobody who debugs Lapwing wants its secrets in the journal.
    for silent in ["hyper=off", "hyper_util=off", "reqwest=off", "lettre=off", "rustls=off", "h2=off", "tower=off"] {
        if let Ok(directive) = silent.parse() {
            filter = filter.add_directive(directive);
        }
    }
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_span_events(FmtSpan::NONE)
        .with_target(false)
        .with_ansi(colour(common.color, io::stderr().is_terminal()));
    // Set at most once a process; tests may have set another.
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let _ = if journal { builder.without_time().try_init() } else { builder.try_init() };
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    #[test]
    fn json_holds_no_control_that_a_terminal_obeys() {
        let mut bytes = Vec::new();
        let text = "a\u{7f}b\u{9b}31m\u{85}\u{a0}\u{1b}\"é";
        text.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, Visible)).unwrap();
        let json = String::from_utf8(bytes).unwrap();
        assert_eq!(json, "\"a\\u007fb\\u009b31m\\u0085\u{a0}\\u001b\\\"é\"");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
