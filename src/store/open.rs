//! Opening a state directory in whatever condition it is: believe what can be checked, set the rest aside, say so.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::directory::{self, Lock};
use super::error::StoreError;
use super::journal::{self, Content, Journal, Op, OpenError};
use super::mirror::Mirror;
use super::secret::{self, Secret};
use super::snapshot::{self, Snapshot};
use super::{Settings, Store};
use crate::time::{Clock, Timestamp};

/// What was found, and what was lost.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Recovery {
    /// The engine's state of the cut that is gone on from.
    pub state: Option<Vec<u8>>,
    /// When that cut was taken.
    pub taken_at: Option<Timestamp>,
    /// Nothing was here before.
    pub first_start: bool,
    /// The last run was cut short: by a kill, a crash, a loss of power.
    pub cut_short: bool,
    /// Sentences about what could not be trusted and what that cost; empty on a good start.
    pub lost: Vec<String>,
    /// Where it was put.
    pub quarantined: Vec<PathBuf>,
}

struct Opening<'a> {
    dir: &'a Path,
    settings: &'a Settings,
    now: Timestamp,
    recovery: Recovery,
}

pub(super) fn open(dir: &Path, settings: Settings, clock: Arc<dyn Clock>) -> Result<(Store, Recovery), StoreError> {
    directory::create(dir)?;
    directory::refuse_newer(dir)?;
    let lock = Lock::take(dir)?;
    directory::remove_half_written(dir);
    let mut opening = Opening { dir, settings: &settings, now: clock.now(), recovery: Recovery::default() };
    let (mut journal, mut mirror, mut rebuilt) = opening.journal()?;
    rebuilt |= opening.state(&mut mirror);
    let secret = opening.secret(&mut mirror)?;
    directory::state_version(dir)?;
    if mirror.meta.secret != secret.sealed() {
        mirror.meta.secret = secret.sealed();
        rebuilt = true;
    }
    opening.recovery.cut_short = mirror.meta.generation > 0 && !mirror.meta.closed;
    let was_closed = std::mem::take(&mut mirror.meta.closed);
    if was_closed && !rebuilt {
        // From here on this run is one that has not ended. Where that cannot be written, cuts will say so.
        let _ = journal.commit(&[mirror.meta_op()], false, settings.incidents, &|_| true);
    }
    if rebuilt {
        let open = |id: &[u8]| std::str::from_utf8(id).is_ok_and(|id| mirror.open.contains_key(id));
        journal.commit(&mirror.ops(), true, settings.incidents, &open)?;
    }
    let recovery = opening.recovery;
    Ok((Store::assemble(Some(dir.to_owned()), settings, clock, secret, journal, mirror, Some(lock)), recovery))
}

impl Opening<'_> {
    /// The journal; where it cannot be trusted, a new one with the copy that the newest snapshot carries.
    fn journal(&mut self) -> Result<(Journal, Mirror, bool), StoreError> {
        let file = self.dir.join(journal::FILE);
        let existed = file.exists();
        let copies = snapshot::generations(self.dir);
        let (words, salvaged) = match Journal::open(self.dir, self.settings.open_limit) {
            Ok((journal, content)) if existed || copies.is_empty() => {
                self.recovery.first_start = !existed;
                let (mirror, strange) = Mirror::of(content);
                if strange == 0 {
                    return Ok((journal, mirror, !existed));
                }
                self.recovery.lost.push(format!("{strange} rows of the journal could not be understood"));
                return Ok((journal, mirror, true));
            }
            Ok((journal, _)) => {
                let (mirror, taken_at) = self.copy();
                self.recovery.lost.push(match taken_at {
                    Some(at) => format!("the journal was missing; it was made again as of {at}"),
                    None => "the journal was missing; messages still owed and silences are lost".to_owned(),
                });
                return Ok((journal, mirror.unwrap_or_default(), true));
            }
            Err(OpenError::Refused(e)) => return Err(e),
            Err(OpenError::Damaged(words, salvaged)) => (words, salvaged),
        };
        let aside = directory::set_aside(self.dir, &file, self.now)?;
        let (copy, taken_at) = self.copy();
        let (mirror, meaning) = match (copy, taken_at) {
            (Some(mirror), Some(at)) => (
                mirror,
                format!(
                    "it was made again as of {at}: a message sent since may come twice, and closed incidents are forgotten"
                ),
            ),
            _ => salvage(salvaged),
        };
        self.recovery
            .lost
            .push(format!("the journal was damaged ({words}) and set aside as {}; {meaning}", aside.display()));
        self.recovery.quarantined.push(aside);
        match Journal::open(self.dir, self.settings.open_limit) {
            Ok((journal, _)) => Ok((journal, mirror, true)),
            Err(OpenError::Refused(e)) => Err(e),
            Err(OpenError::Damaged(reason, _)) => Err(StoreError::Journal { doing: "create", path: file, reason }),
        }
    }

    /// The journal's rows as the newest whole snapshot carries them.
    fn copy(&self) -> (Option<Mirror>, Option<Timestamp>) {
        for generation in snapshot::generations(self.dir).into_iter().rev() {
            let Ok(found) = self.read(generation) else { continue };
            let Ok(ops) = postcard::from_bytes::<Vec<Op>>(&found.journal) else { continue };
            let (mut mirror, _) = Mirror::of(Content::of_ops(ops));
            mirror.meta.generation = generation;
            return (Some(mirror), Some(found.taken_at));
        }
        (None, None)
    }

    fn read(&self, generation: u64) -> Result<Snapshot, String> {
        // The copy of the journal has its own limit, far below this one.
        snapshot::read(self.dir, generation, self.settings.state_bytes.saturating_mul(2))
    }

    /// The engine's state of the current generation, or of the newest older one that is whole. Whether the journal
    /// must be told that another generation is the current one.
    fn state(&mut self, mirror: &mut Mirror) -> bool {
        let current = mirror.meta.generation;
        if current == 0 {
            return false;
        }
        let mut candidates = snapshot::generations(self.dir);
        // A newer file is a cut whose commit never came: it is not true, and the next cut takes its place.
        candidates.retain(|generation| *generation <= current);
        if candidates.last() != Some(&current) {
            self.recovery
                .lost
                .push(format!("the saved state {} is missing", snapshot::path(self.dir, current).display()));
        }
        let mut found = None;
        while let Some(generation) = candidates.pop() {
            match self.read(generation) {
                Ok(snapshot) => {
                    found = Some(snapshot);
                    break;
                }
                Err(words) => self.set_state_aside(generation, &words),
            }
        }
        let changed = found.as_ref().is_none_or(|snapshot| snapshot.generation != current);
        if changed {
            self.recovery.lost.push(match &found {
                Some(old) => format!(
                    "going on from the state of {}; lines since then are read again where they still exist",
                    old.taken_at
                ),
                None => "no saved state could be used: what is usual is learnt anew, and logs are read as if met for \
                         the first time"
                    .to_owned(),
            });
        }
        if let Some(snapshot) = found {
            self.recovery.taken_at = Some(snapshot.taken_at);
            self.recovery.state = Some(snapshot.state);
        }
        let hourly = &mut mirror.meta.hourly;
        hourly.retain(|(generation, _)| snapshot::path(self.dir, *generation).exists());
        changed
    }

    fn set_state_aside(&mut self, generation: u64, words: &str) {
        let file = snapshot::path(self.dir, generation);
        match directory::set_aside(self.dir, &file, self.now) {
            Ok(aside) => {
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                self.recovery
                    .lost
                    .push(format!("the saved state {name} was damaged ({words}) and set aside as {}", aside.display()));
                self.recovery.quarantined.push(aside);
            }
            Err(e) => self.recovery.lost.push(e.to_string()),
        }
    }

    /// The secret from its file, else from the journal's copy, else a new one.
    fn secret(&mut self, mirror: &mut Mirror) -> Result<Secret, StoreError> {
        let read = Secret::read(self.dir);
        let kept = Secret::unsealed(&mirror.meta.secret);
        if read.is_err() {
            let aside = directory::set_aside(self.dir, &self.dir.join(secret::FILE), self.now)?;
            self.recovery.quarantined.push(aside);
        }
        if let Ok(Some(secret)) = read {
            return Ok(secret);
        }
        let secret = if let Some(secret) = kept {
            self.recovery.lost.push("the secret file was missing or damaged; its copy was used".to_owned());
            secret
        } else {
            if !self.recovery.first_start {
                // Ids in the saved state were made with the old seed: it means nothing any more.
                self.recovery.state = None;
                self.recovery.taken_at = None;
                self.recovery.lost.push(
                    "the secret file and its copy were lost: fingerprints of keys change, and what is usual is learnt \
                     anew"
                        .to_owned(),
                );
            }
            Secret::create()?
        };
        secret.write(self.dir)?;
        Ok(secret)
    }
}

/// What a damaged journal still gave, where no snapshot has a copy.
fn salvage(content: Content) -> (Mirror, String) {
    let readable = content.rows.len();
    let (mirror, _) = Mirror::of(content);
    let words = match readable {
        0 => "messages still owed, silences and incidents in it are lost".to_owned(),
        _ => format!("{readable} of its rows could be saved, the others are lost"),
    };
    (mirror, words)
}
