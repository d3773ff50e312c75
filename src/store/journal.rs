//! The journal: what is owed and what goes on, in one redb file. A commit here is the moment a cut becomes true.

use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::{fs, io};

use redb::backends::InMemoryBackend;
use redb::{
    Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, ReadableTableMetadata, StorageError,
    TableDefinition, TableError,
};
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::seal;
use crate::time::Span;

/// The file's name in the state directory.
pub(super) const FILE: &str = "journal.redb";
/// The database's own default is 1 GiB; the journal is small.
const CACHE_BYTES: usize = 4 << 20;

type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// The tables, all of bytes to sealed bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub(super) enum Table {
    Meta,
    Outbox,
    Dead,
    Silences,
    Channels,
    Told,
    Incidents,
}

impl Table {
    const ALL: [Table; 7] =
        [Table::Meta, Table::Outbox, Table::Dead, Table::Silences, Table::Channels, Table::Told, Table::Incidents];

    fn definition(self) -> Definition {
        TableDefinition::new(match self {
            Table::Meta => "meta",
            Table::Outbox => "outbox",
            Table::Dead => "dead",
            Table::Silences => "silences",
            Table::Channels => "channels",
            Table::Told => "told",
            Table::Incidents => "incidents",
        })
    }
}

/// One change: a value to keep (sealed), or a key to forget.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Op {
    pub(super) table: Table,
    pub(super) key: Vec<u8>,
    pub(super) value: Option<Vec<u8>>,
}

impl Op {
    pub(super) fn put(table: Table, key: impl Into<Vec<u8>>, value: &impl Serialize) -> Op {
        let key = key.into();
        // Rows are plain structs of numbers and texts: these always serialise.
        let payload = serde_json::to_vec(value).unwrap_or_default();
        let value = Some(seal::seal(&key, &payload));
        Op { table, key, value }
    }

    pub(super) fn remove(table: Table, key: impl Into<Vec<u8>>) -> Op {
        Op { table, key: key.into(), value: None }
    }
}

/// What a journal holds, unsealed.
#[derive(Default)]
pub(super) struct Content {
    pub(super) rows: Vec<(Table, Vec<u8>, Vec<u8>)>,
    /// Rows whose checksum did not hold.
    pub(super) damaged: usize,
}

impl Content {
    /// From changes, as a snapshot carries them.
    pub(super) fn of_ops(ops: Vec<Op>) -> Content {
        let mut content = Content::default();
        for op in ops {
            content.take(op.table, op.key, op.value.as_deref().unwrap_or_default());
        }
        content
    }

    fn take(&mut self, table: Table, key: Vec<u8>, sealed: &[u8]) {
        match seal::unseal(&key, sealed).map(<[u8]>::to_vec) {
            Some(payload) => self.rows.push((table, key, payload)),
            None => self.damaged += 1,
        }
    }
}

/// Why a journal could not be opened.
pub(super) enum OpenError {
    /// Its content cannot be trusted, in words; what could still be read is given.
    Damaged(String, Content),
    /// The system refused; the content may be fine.
    Refused(StoreError),
}

/// The open file.
pub(super) struct Journal {
    path: Option<PathBuf>,
    database: Option<Database>,
    identity: Option<(u64, u64)>,
}

impl Journal {
    /// One that is forgotten with the process.
    pub(super) fn in_memory() -> Result<Journal, StoreError> {
        Journal::on_backend(InMemoryBackend::new())
    }

    /// One on any storage: tests give one that fails.
    pub(super) fn on_backend(backend: impl redb::StorageBackend) -> Result<Journal, StoreError> {
        let database = builder().create_with_backend(backend);
        let database = database.map_err(|e| journal_error("create", Path::new("in memory"), e))?;
        Ok(Journal { path: None, database: Some(database), identity: None })
    }

    /// Opens the file of a directory, or creates it, checks it whole, and reads it once.
    ///
    /// Opening and the first walk run on a thread of their own: a database that panics or never ends on damaged bytes
    /// takes only that thread with it.
    pub(super) fn open(dir: &Path, time_limit: Span) -> Result<(Journal, Content), OpenError> {
        let path = dir.join(FILE);
        if fs::metadata(&path).is_ok_and(|m| m.len() == 0) {
            return Err(OpenError::Damaged("it is empty".to_owned(), Content::default()));
        }
        let (sender, receiver) = mpsc::sync_channel(1);
        let opened = path.clone();
        let spawned = thread::Builder::new().name("journal-open".to_owned()).spawn(move || {
            // Nobody waits any more once the time limit has passed.
            let _ = sender.send(open_and_walk(&opened));
        });
        if let Err(e) = spawned {
            return Err(OpenError::Refused(StoreError::io("start a thread to open", &path, e)));
        }
        match receiver.recv_timeout(time_limit.to_std()) {
            Ok(Ok((database, content))) => {
                let identity = identity(&path);
                Ok((Journal { path: Some(path), database: Some(database), identity }, content))
            }
            Ok(Err(e)) => Err(e),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                Err(OpenError::Damaged("the database gave up on it".to_owned(), Content::default()))
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                Err(OpenError::Damaged(format!("it could not be read within {time_limit}"), Content::default()))
            }
        }
    }

    /// Whether the file was removed or replaced behind our back: commits would go nowhere.
    pub(super) fn is_gone(&self) -> bool {
        self.path.as_ref().is_some_and(|path| self.database.is_none() || identity(path) != self.identity)
    }

    /// Opens the file anew after an error or after it was removed; one that cannot be used is moved out of the way by
    /// `set_aside`. The caller then writes everything again.
    pub(super) fn reopen(
        &mut self,
        time_limit: Span,
        set_aside: impl Fn(&Path) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let Some(path) = self.path.clone() else { return Ok(()) };
        self.database = None;
        let dir = path.parent().unwrap_or(Path::new("."));
        let opened = match Journal::open(dir, time_limit) {
            Err(OpenError::Damaged(..)) => {
                set_aside(&path)?;
                Journal::open(dir, time_limit)
            }
            opened => opened,
        };
        match opened {
            Ok((journal, _)) => {
                *self = journal;
                Ok(())
            }
            Err(OpenError::Refused(e)) => Err(e),
            Err(OpenError::Damaged(reason, _)) => Err(StoreError::Journal { doing: "open", path, reason }),
        }
    }

    /// Makes changes, all or none; with `replace`, first forgets everything but incidents. Keeps at most
    /// `incident_limit` incidents: the oldest that are not `open` go first.
    pub(super) fn commit(
        &mut self,
        ops: &[Op],
        replace: bool,
        incident_limit: usize,
        open: &dyn Fn(&[u8]) -> bool,
    ) -> Result<(), StoreError> {
        let path = self.path.clone().unwrap_or_else(|| PathBuf::from("in memory"));
        let Some(database) = self.database.as_ref() else {
            return Err(journal_error("write", &path, "it is not open"));
        };
        let written = catch_unwind(AssertUnwindSafe(|| transact(database, ops, replace, incident_limit, open)));
        let outcome = written.unwrap_or_else(|_| Err("the database gave up".to_owned()));
        if outcome.is_err() && self.path.is_some() {
            // After an input or output error the database answers nothing any more until it is opened again.
            self.database = None;
        }
        outcome.map_err(|reason| journal_error("write", &path, reason))
    }

    /// Payloads of a table, last key first, at most `limit`; damaged ones are left out.
    pub(super) fn newest(&self, table: Table, limit: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let Some(database) = self.database.as_ref() else { return Ok(Vec::new()) };
        let read = catch_unwind(AssertUnwindSafe(|| -> Result<Vec<Vec<u8>>, redb::Error> {
            let read = database.begin_read()?;
            let table = match read.open_table(table.definition()) {
                Ok(table) => table,
                Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
                Err(e) => return Err(e.into()),
            };
            let mut found = Vec::new();
            for row in table.range::<&[u8]>(..)?.rev() {
                if found.len() == limit {
                    break;
                }
                let (key, value) = row?;
                found.extend(seal::unseal(key.value(), value.value()).map(<[u8]>::to_vec));
            }
            Ok(found)
        }));
        let path = self.path.as_deref().unwrap_or(Path::new("in memory"));
        match read {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(e)) => Err(journal_error("read", path, e)),
            Err(_) => Err(journal_error("read", path, "the database gave up")),
        }
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

fn journal_error(doing: &'static str, path: &Path, reason: impl std::fmt::Display) -> StoreError {
    StoreError::Journal { doing, path: path.to_owned(), reason: reason.to_string() }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|m| (m.dev(), m.ino()))
}

fn open_and_walk(path: &Path) -> Result<(Database, Content), OpenError> {
    let mut database = match builder().create(path) {
        Ok(database) => database,
        Err(DatabaseError::Storage(StorageError::Io(e))) if is_refusal(&e) => {
            return Err(OpenError::Refused(StoreError::io("open", path, e)));
        }
        Err(DatabaseError::DatabaseAlreadyOpen) => {
            return Err(OpenError::Refused(journal_error("open", path, "another process has it open")));
        }
        Err(e) => return Err(OpenError::Damaged(e.to_string(), Content::default())),
    };
    restrict(path);
    let sound = database.check_integrity();
    let content = walk(&database).map_err(|e| OpenError::Damaged(e.to_string(), Content::default()))?;
    match sound {
        Ok(true) if content.damaged == 0 => Ok((database, content)),
        Ok(true) => Err(OpenError::Damaged(format!("{} of its rows are damaged", content.damaged), content)),
        Ok(false) => Err(OpenError::Damaged("its own check found it damaged".to_owned(), content)),
        Err(e) => Err(OpenError::Damaged(e.to_string(), content)),
    }
}

/// Errors of the place, not of the content.
fn is_refusal(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::PermissionDenied
            | Kind::ReadOnlyFilesystem
            | Kind::StorageFull
            | Kind::QuotaExceeded
            | Kind::NotFound
            | Kind::NotADirectory
            | Kind::IsADirectory
    )
}

/// Readable by its owner only, also where the directory was made by somebody else.
fn restrict(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    // The directory is private already; this is a second wall.
    let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o600));
}

fn walk(database: &Database) -> Result<Content, redb::Error> {
    let read = database.begin_read()?;
    let mut content = Content::default();
    for table in Table::ALL {
        let rows = match read.open_table(table.definition()) {
            Ok(rows) => rows,
            Err(TableError::TableDoesNotExist(_)) => continue,
            Err(e) => return Err(e.into()),
        };
        for row in rows.range::<&[u8]>(..)? {
            let (key, value) = row?;
            content.take(table, key.value().to_vec(), value.value());
        }
    }
    Ok(content)
}

fn transact(
    database: &Database,
    ops: &[Op],
    replace: bool,
    incident_limit: usize,
    open: &dyn Fn(&[u8]) -> bool,
) -> Result<(), String> {
    let run = || -> Result<(), redb::Error> {
        let write = database.begin_write()?;
        if replace {
            for table in Table::ALL.into_iter().filter(|table| *table != Table::Incidents) {
                write.delete_table(table.definition())?;
            }
        }
        for table in Table::ALL {
            let mut rows = write.open_table(table.definition())?;
            for op in ops.iter().filter(|op| op.table == table) {
                match &op.value {
                    Some(value) => drop(rows.insert(op.key.as_slice(), value.as_slice())?),
                    None => drop(rows.remove(op.key.as_slice())?),
                }
            }
            let excess = rows.len()?.saturating_sub(incident_limit as u64) as usize;
            if table == Table::Incidents && excess > 0 {
                let mut old = Vec::with_capacity(excess);
                for row in rows.range::<&[u8]>(..)? {
                    let (key, _) = row?;
                    if old.len() == excess {
                        break;
                    }
                    if !open(key.value()) {
                        old.push(key.value().to_vec());
                    }
                }
                for key in old {
                    rows.remove(key.as_slice())?;
                }
            }
        }
        write.commit()?;
        Ok(())
    };
    run().map_err(|e| e.to_string())
}
