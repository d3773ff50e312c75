//! One line of JSON per notice, appended to a file and synced.

use std::fs::OpenOptions;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{ChannelKind, Message, Notifier, NotifierKind, Outcome, Sending, mismatch};

pub(super) const KIND: NotifierKind = NotifierKind {
    name: "file",
    tells: "A file, one line of JSON per notice, for other programs to follow.",
    kind: ChannelKind::File,
};

/// A file of JSON lines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileSettings {
    /// Created with mode 0640 if it is not there. May be rotated: it is opened for each line.
    pub path: PathBuf,
}

pub(super) struct JsonLines {
    path: PathBuf,
}

impl JsonLines {
    pub(super) fn new(settings: &FileSettings) -> Self {
        JsonLines { path: settings.path.clone() }
    }
}

impl Notifier for JsonLines {
    fn send<'a>(&'a self, message: &'a Message, _settled: &'a [String]) -> Sending<'a> {
        Box::pin(async move {
            let Message::Line(line) = message else { return mismatch(ChannelKind::File) };
            let (path, line) = (self.path.clone(), line.clone());
            let written = tokio::task::spawn_blocking(move || append(&path, &line)).await;
            match written {
                Ok(Ok(())) => Outcome::Delivered,
                Ok(Err(e)) => {
                    Outcome::Retry { after: None, why: format!("could not write {}: {e}", self.path.display()) }
                }
                Err(_) => Outcome::Retry { after: None, why: format!("could not write {}", self.path.display()) },
            }
        })
    }
}

/// Appends a whole line or nothing.
fn append(path: &Path, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o640).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let before = file.metadata()?.len();
    let mut bytes = Vec::with_capacity(line.len() + 2);
    if before > 0 {
        // A line that a crash cut short must not swallow this one.
        let mut last = [0u8];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            bytes.push(b'\n');
        }
    }
    bytes.extend(line.bytes().map(|b| if b == b'\n' || b == b'\r' { b' ' } else { b }));
    bytes.push(b'\n');
    let written = file.write_all(&bytes).and_then(|()| file.sync_data());
    if written.is_err() {
        // The next try writes it whole.
        let _ = file.set_len(before);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_lines_whatever_was_there_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notices.jsonl");
        append(&path, "{\"a\":1}").unwrap();
        append(&path, "{\"b\":\n2}").unwrap();
        std::fs::write(&path, [std::fs::read(&path).unwrap(), b"{\"half".to_vec()].concat()).unwrap();
        append(&path, "{\"c\":3}").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"a\":1}\n{\"b\": 2}\n{\"half\n{\"c\":3}\n");
        assert!(append(dir.path(), "x").is_err());
    }
}
