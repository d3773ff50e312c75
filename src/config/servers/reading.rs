//! Files of a server's configuration, followed through includes, within bounds.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use globset::GlobBuilder;

use super::super::load::plain;
use super::Problem;

/// Includes inside of includes.
pub(super) const DEPTH: usize = 16;
/// Files of one configuration.
const FILES: usize = 512;
/// Bytes of one file, and of all.
const FILE_BYTES: u64 = 4 << 20;
const ALL_BYTES: u64 = 32 << 20;
/// Entries of directories that are looked at for one include.
const ENTRIES: usize = 4096;

/// Reads files, each once.
#[derive(Debug, Default)]
pub(super) struct Reader {
    seen: BTreeSet<PathBuf>,
    bytes: u64,
}

impl Reader {
    /// A file that must be there.
    pub(super) fn read(&mut self, path: &Path) -> Result<String, Problem> {
        let cannot = |why: &str| {
            (format!("cannot read {}: {why}", path.display()), "name the file that has the log format".to_owned())
        };
        let real = std::fs::canonicalize(path).map_err(|e| cannot(&plain(&e)))?;
        let metadata = std::fs::metadata(&real).map_err(|e| cannot(&plain(&e)))?;
        if !metadata.is_file() {
            return Err(cannot("it is not a file"));
        }
        if metadata.len() > FILE_BYTES {
            return Err(cannot("it is larger than 4 MiB"));
        }
        if self.seen.len() >= FILES || self.bytes + metadata.len() > ALL_BYTES {
            return Err(cannot("its includes are more than 512 files or 32 MiB"));
        }
        let text = std::fs::read(&real).map_err(|e| cannot(&plain(&e)))?;
        self.bytes += text.len() as u64;
        self.seen.insert(real);
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// An included file; `None` for one that was read before, as a circle would lead to it again.
    pub(super) fn include(&mut self, path: &Path) -> Result<Option<String>, Problem> {
        if std::fs::canonicalize(path).is_ok_and(|real| self.seen.contains(&real)) {
            return Ok(None);
        }
        self.read(path).map(Some)
    }

    /// What was read, for messages.
    pub(super) fn summary(&self) -> String {
        match self.seen.len() {
            1 => "1 file was read".to_owned(),
            more => format!("{more} files were read"),
        }
    }
}

/// The files that a path with wildcards means, by name; without wildcards the path itself.
pub(super) fn expand(pattern: &Path) -> Vec<PathBuf> {
    let has_wildcard = |text: &str| text.contains(['*', '?', '[', '{']);
    let mut found = vec![PathBuf::new()];
    let mut left = ENTRIES;
    for part in pattern.components() {
        let text = part.as_os_str().to_string_lossy().into_owned();
        if !has_wildcard(&text) {
            for path in &mut found {
                path.push(part);
            }
            continue;
        }
        let Ok(glob) = GlobBuilder::new(&text).literal_separator(true).build() else { return Vec::new() };
        let matcher = glob.compile_matcher();
        let mut next = Vec::new();
        for directory in &found {
            let Ok(entries) = std::fs::read_dir(directory) else { continue };
            for entry in entries.take(left).filter_map(Result::ok) {
                left = left.saturating_sub(1);
                let name = entry.file_name();
                // As in the shell, a wildcard is no leading dot.
                if matcher.is_match(&name) && !name.to_string_lossy().starts_with('.') {
                    next.push(directory.join(name));
                }
            }
        }
        next.sort();
        found = next;
    }
    found
}
