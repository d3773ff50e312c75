//! Plain text on standard output or standard error: `watch`, and runs in the foreground.

use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Mutex, PoisonError};

use super::{ChannelKind, Message, Notifier, NotifierKind, Outcome, Sending, mismatch};

pub(super) const KIND: NotifierKind = NotifierKind {
    name: "terminal",
    tells: "Standard output or standard error, as text.",
    kind: ChannelKind::Terminal,
};

/// Which stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TerminalSettings {
    /// Standard error instead of standard output.
    pub to_stderr: bool,
}

type Output = Arc<Mutex<Box<dyn Write + Send>>>;

/// Writes texts, each followed by an empty line.
pub struct Terminal {
    output: Output,
}

impl Terminal {
    /// To one of the process's own streams.
    pub fn new(settings: &TerminalSettings) -> Self {
        if settings.to_stderr { Terminal::to(Box::new(io::stderr())) } else { Terminal::to(Box::new(io::stdout())) }
    }

    /// To any stream.
    pub fn to(output: Box<dyn Write + Send>) -> Self {
        Terminal { output: Arc::new(Mutex::new(output)) }
    }
}

impl Notifier for Terminal {
    fn send<'a>(&'a self, message: &'a Message, _settled: &'a [String]) -> Sending<'a> {
        Box::pin(async move {
            let Message::Text(text) = message else { return mismatch(ChannelKind::Terminal) };
            let (output, text) = (self.output.clone(), text.clone());
            // A terminal that is stopped (Ctrl-S) blocks the writer: not a thread that others need.
            let written = tokio::task::spawn_blocking(move || {
                let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
                writeln!(output, "{}\n", text.trim_end()).and_then(|()| output.flush())
            });
            match written.await {
                Ok(Ok(())) => Outcome::Delivered,
                Ok(Err(e)) if e.kind() == ErrorKind::BrokenPipe => {
                    Outcome::Broken { why: "nobody reads the output any more".to_owned() }
                }
                Ok(Err(e)) => Outcome::Retry { after: None, why: format!("could not write: {e}") },
                Err(_) => Outcome::Retry { after: None, why: "could not write".to_owned() },
            }
        })
    }
}
