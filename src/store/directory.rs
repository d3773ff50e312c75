//! The state directory itself: made private, held by one daemon, and the place where damaged files are put aside.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::StoreError;
use super::{SCHEMA, snapshot};
use crate::time::Timestamp;

const LOCK: &str = "lock";
const VERSION: &str = "VERSION";
/// Where files go that cannot be trusted. Nothing is ever deleted there.
pub(super) const QUARANTINE: &str = "quarantine";

/// Creates the directory, readable by its owner only; one that is there keeps its mode.
pub(super) fn create(dir: &Path) -> Result<(), StoreError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|e| StoreError::io("create the state directory", dir, e))
}

/// Makes renames and new files in the directory survive a loss of power.
pub(super) fn sync(dir: &Path) -> Result<(), StoreError> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(|e| StoreError::io("sync", dir, e))
}

/// Bytes of all files directly in the directory.
pub(super) fn bytes(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    entries.flatten().filter_map(|e| e.metadata().ok()).filter(fs::Metadata::is_file).map(|m| m.len()).sum()
}

/// Refuses a directory that a newer version has written, before anything in it is touched.
pub(super) fn refuse_newer(dir: &Path) -> Result<(), StoreError> {
    let stated = fs::read_to_string(dir.join(VERSION))
        .ok()
        .and_then(|text| text.trim().strip_prefix("lapwing state ")?.parse::<u32>().ok());
    let files = snapshot::generations(dir);
    let newest = files.iter().filter_map(|g| snapshot::schema(&snapshot::path(dir, *g))).max();
    match stated.max(newest) {
        Some(found) if found > SCHEMA => Err(StoreError::Newer { dir: dir.to_owned(), found, known: SCHEMA }),
        _ => Ok(()),
    }
}

/// States the version, for older programs to come.
pub(super) fn state_version(dir: &Path) -> Result<(), StoreError> {
    let text = format!("lapwing state {SCHEMA}\n");
    if fs::read_to_string(dir.join(VERSION)).is_ok_and(|found| found == text) {
        return Ok(());
    }
    write_private(&dir.join(VERSION), text.as_bytes())
}

/// Writes a small file whole: aside, synced, renamed; readable by its owner only.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let failed = |e| StoreError::io("write", path, e);
    let aside = path.with_extension("tmp");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&aside, path).map_err(failed)?;
    path.parent().map_or(Ok(()), sync)
}

/// Files that a crash left half written.
pub(super) fn remove_half_written(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "tmp") {
            // A directory or a file of somebody else by that name stays; writing will say so.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Moves a file that cannot be trusted to `quarantine/<time>-<name>`.
pub(super) fn set_aside(dir: &Path, file: &Path, now: Timestamp) -> Result<PathBuf, StoreError> {
    let room = dir.join(QUARANTINE);
    create(&room)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stamp = now.to_rfc3339().replace(':', "-");
    let mut target = room.join(format!("{stamp}-{name}"));
    let mut number = 1;
    while target.exists() {
        number += 1;
        target = room.join(format!("{stamp}-{number}-{name}"));
    }
    fs::rename(file, &target).map_err(|e| StoreError::io("set aside", file, e))?;
    sync(&room)?;
    sync(dir)?;
    Ok(target)
}

/// Holds the directory for one process. Freed by the system when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Whether the file still stands in the directory.
    pub(super) fn is_there(dir: &Path) -> bool {
        dir.join(LOCK).exists()
    }

    /// Takes it, or says who has it.
    pub(super) fn take(dir: &Path) -> Result<Lock, StoreError> {
        let path = dir.join(LOCK);
        let failed = |e| StoreError::io("open", &path, e);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let _ = (&mut file).take(32).read_to_string(&mut text);
                return Err(StoreError::Locked { dir: dir.to_owned(), holder: text.trim().parse().ok() });
            }
            Err(TryLockError::Error(e)) => return Err(StoreError::io("lock", &path, e)),
        }
        // Who holds it is a courtesy for the other's message; a full disk must not forbid the start.
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Lock { _file: file })
    }
}
