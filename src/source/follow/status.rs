//! What can be said of each source and its files at this moment.

use std::path::PathBuf;

use super::{Follower, HOLE_TOLD, Trouble};
use crate::event::SourceId;
use crate::source::file::OpenFile;
use crate::source::generation::{Packed, State};

/// One source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceStatus {
    /// Which.
    pub source: SourceId,
    /// Its name in the configuration.
    pub name: String,
    /// Nothing that it names exists yet.
    pub waiting: bool,
    /// Bytes that wait to be read.
    pub behind: u64,
    /// Files held open.
    pub open_files: usize,
    /// Its files, those gone left out.
    pub files: Vec<FileStatus>,
    /// What of it cannot be read though it should be.
    pub troubles: Vec<Trouble>,
}

/// One file of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStatus {
    /// Where it is or was last seen.
    pub path: PathBuf,
    /// Just after the last line taken in.
    pub offset: u64,
    /// Its size when last looked at.
    pub size: u64,
    /// Bytes that wait to be read.
    pub behind: u64,
    /// Lines taken in.
    pub lines: u64,
    /// What is done with it, in words: `reading`, `finishing`, `deleted but still written` …
    pub mode: &'static str,
    /// Why it could not be read, if so.
    pub last_error: Option<String>,
}

impl Follower {
    /// The state of all sources, in the order of the configuration.
    pub fn status(&self) -> Vec<SourceStatus> {
        self.sources.iter().map(|source| self.status_of(source.id, &source.settings.name)).collect()
    }

    fn status_of(&self, source: SourceId, name: &str) -> SourceStatus {
        let own = || self.generations.values().filter(move |g| g.source == source);
        let mut files: Vec<FileStatus> = own()
            .filter(|g| !matches!(g.state, State::Gone { .. }))
            .map(|g| {
                let deleted = g.open.as_ref().is_some_and(|open| open.facts.links == 0);
                let mode = match &g.state {
                    State::Reading if deleted => "deleted but still written",
                    State::Reading if g.open.as_ref().is_some_and(OpenFile::passing) => "inside a line over the limit",
                    State::Reading
                        if g.open.as_ref().is_some_and(|o| o.at_end() && o.hole() >= HOLE_TOLD && g.behind() > 0) =>
                    {
                        "at a hole without data"
                    }
                    State::Reading if g.superseded && g.open.is_some() => "finishing",
                    State::Reading if g.superseded => "finished",
                    State::Reading if g.nameless_since.is_some() => "not at its place any more",
                    State::Reading if g.open.is_none() => "idle",
                    State::Reading => "reading",
                    State::Undecided { .. } => "waiting to see whether it is a copy",
                    State::CopyOf(_) => "a copy",
                    State::Packed(Packed::Waiting { .. }) => "waiting until it is packed",
                    State::Packed(_) => "unpacking",
                    State::Done => "left alone",
                    State::Gone { .. } => "gone",
                };
                FileStatus {
                    path: g.path().clone(),
                    offset: g.position.offset,
                    size: g.size(),
                    behind: g.behind(),
                    lines: g.position.lines,
                    mode,
                    last_error: g.error.clone(),
                }
            })
            .collect();
        files.extend(self.refused.iter().filter(|(_, refused)| refused.source == source).map(|(path, refused)| {
            FileStatus {
                path: path.clone(),
                offset: 0,
                size: 0,
                behind: 0,
                lines: 0,
                mode: "refused",
                last_error: Some(refused.error.clone()),
            }
        }));
        files.sort_by(|a, b| a.path.cmp(&b.path));
        SourceStatus {
            source,
            name: name.to_owned(),
            waiting: files.is_empty(),
            behind: own().map(super::Generation::behind).sum(),
            open_files: own().filter(|g| g.open.is_some()).count(),
            files,
            troubles: self.troubles(source),
        }
    }
}
