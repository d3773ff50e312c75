//! The files inside the binary: `parsers/`, `rules/` and `alert-templates/`. A file of the same name in a directory on
//! disk wins over the built-in one; every file knows its origin, so that messages can name it.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use rust_embed::RustEmbed;

/// One of the three folders of built-in files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Folder {
    /// Line formats.
    Parsers,
    /// Detection rules.
    Rules,
    /// Templates of alerts.
    AlertTemplates,
}

/// A text file, built in or from disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asset {
    /// The file's name in its folder: `combined.toml`, `words/burst.txt`.
    pub file: String,
    /// Where it comes from, for messages: `built-in:parsers/combined.toml` or a path.
    pub origin: String,
    /// Its content.
    pub text: String,
}

/// A file or directory on disk that should override built-in files but cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AssetError {
    /// The operating system refused.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which file or directory.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// It bears the name of a file but is none.
    #[error("cannot read {path}: expected a regular file")]
    NotFile {
        /// What it is.
        path: PathBuf,
    },
    /// The file is larger than anything that belongs here.
    #[error("cannot read {path}: expected at most {} KiB", MAX_BYTES / 1024)]
    TooLarge {
        /// Which file.
        path: PathBuf,
    },
    /// The file is not text.
    #[error("{path} is not UTF-8 text")]
    NotText {
        /// Which file.
        path: PathBuf,
    },
}

/// The largest file that is read from disk.
const MAX_BYTES: u64 = 256 * 1024;

impl Folder {
    /// The folder's name in the repository, and the suggested one under `/etc/lapwing`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Folder::Parsers => "parsers",
            Folder::Rules => "rules",
            Folder::AlertTemplates => "alert-templates",
        }
    }

    /// Where its files lie: in it, and in these folders below it.
    const fn parts(self) -> &'static [&'static str] {
        match self {
            Folder::Parsers | Folder::Rules => &[""],
            Folder::AlertTemplates => &["", "words/"],
        }
    }

    /// Whether a file of this name belongs to it. Editors leave `.combined.toml.swp` and `combined.toml~` behind, and
    /// a folder may explain itself.
    fn holds(self, file: &str) -> bool {
        let endings: &[&str] = match self {
            Folder::Parsers | Folder::Rules => &[".toml"],
            Folder::AlertTemplates => &[".txt", ".j2"],
        };
        !file.starts_with('.') && endings.iter().any(|ending| file.ends_with(ending))
    }
}

impl Asset {
    /// The file's name without its ending: `combined`.
    pub fn stem(&self) -> &str {
        self.file.rsplit_once('.').map_or(self.file.as_str(), |(stem, _)| stem)
    }
}

/// The names of the built-in files of a folder, sorted.
pub fn names(folder: Folder) -> Vec<String> {
    let mut names: Vec<String> = match folder {
        Folder::Parsers => Parsers::iter().map(Into::into).collect(),
        Folder::Rules => Rules::iter().map(Into::into).collect(),
        Folder::AlertTemplates => AlertTemplates::iter().map(Into::into).collect(),
    };
    names.retain(|name| folder.holds(name));
    names.sort();
    names
}

/// One built-in file by its name.
pub fn built_in(folder: Folder, file: &str) -> Option<Asset> {
    let embedded = match folder {
        Folder::Parsers => Parsers::get(file),
        Folder::Rules => Rules::get(file),
        Folder::AlertTemplates => AlertTemplates::get(file),
    }?;
    Some(Asset {
        file: file.to_owned(),
        origin: format!("built-in:{}/{file}", folder.as_str()),
        text: String::from_utf8_lossy(&embedded.data).into_owned(),
    })
}

/// All files of a folder sorted by name: the built-in ones, replaced and joined by those of `directory` whose names end
/// the same way as a built-in file's. A directory that does not exist holds nothing.
///
/// # Errors
/// [`AssetError`] where the directory or one of its files cannot be read.
pub fn load(folder: Folder, directory: Option<&Path>) -> Result<Vec<Asset>, AssetError> {
    let mut files: BTreeMap<String, Asset> =
        names(folder).into_iter().filter_map(|name| Some((name.clone(), built_in(folder, &name)?))).collect();
    if let Some(directory) = directory {
        for part in folder.parts() {
            for asset in on_disk(folder, directory, part)? {
                files.insert(asset.file.clone(), asset);
            }
        }
    }
    Ok(files.into_values().collect())
}

fn on_disk(folder: Folder, directory: &Path, part: &str) -> Result<Vec<Asset>, AssetError> {
    let directory = directory.join(part);
    let failed = |path: &Path, source| AssetError::Read { path: path.to_owned(), source };
    let entries = match std::fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(failed(&directory, e)),
    };
    let mut assets = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| failed(&directory, e))?.path();
        let Some(file) = path.file_name().and_then(|name| name.to_str()).filter(|file| folder.holds(file)) else {
            continue;
        };
        let text = read(&path)?;
        assets.push(Asset { file: format!("{part}{file}"), origin: path.display().to_string(), text });
    }
    Ok(assets)
}

fn read(path: &Path) -> Result<String, AssetError> {
    let failed = |source| AssetError::Read { path: path.to_owned(), source };
    // Asked before it is opened: opening a pipe would wait for its other end.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(AssetError::NotFile { path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path).map_err(failed)?.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(AssetError::TooLarge { path: path.to_owned() });
    }
    String::from_utf8(bytes).map_err(|_| AssetError::NotText { path: path.to_owned() })
}

#[derive(RustEmbed)]
#[folder = "parsers/"]
#[allow_missing = true]
struct Parsers;

#[derive(RustEmbed)]
#[folder = "rules/"]
#[allow_missing = true]
struct Rules;

#[derive(RustEmbed)]
#[folder = "alert-templates/"]
#[allow_missing = true]
struct AlertTemplates;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_on_disk_replaces_the_built_in_one_and_says_so() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("combined.toml"), "mine").unwrap();
        std::fs::write(directory.path().join("extra.toml"), "more").unwrap();
        std::fs::write(directory.path().join("combined.toml~"), "old").unwrap();
        let files = load(Folder::Parsers, Some(directory.path())).unwrap();
        let get = |name: &str| files.iter().find(|asset| asset.file == name);
        assert_eq!(get("combined.toml").unwrap().text, "mine");
        assert!(get("combined.toml").unwrap().origin.contains(&directory.path().display().to_string()));
        assert_eq!(get("extra.toml").unwrap().stem(), "extra");
        assert_eq!(get("common.toml").unwrap().origin, "built-in:parsers/common.toml");
        assert!(get("combined.toml~").is_none());
    }

    #[test]
    fn templates_lie_one_folder_deep() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("words")).unwrap();
        std::fs::write(directory.path().join("words/burst.txt"), "mine").unwrap();
        std::fs::write(directory.path().join("README.md"), "about these").unwrap();
        let files = load(Folder::AlertTemplates, Some(directory.path())).unwrap();
        let get = |name: &str| files.iter().find(|asset| asset.file == name);
        assert_eq!(get("words/burst.txt").unwrap().text, "mine");
        assert_eq!(get("words/base.txt").unwrap().origin, "built-in:alert-templates/words/base.txt");
        assert!(get("README.md").is_none());
    }

    #[test]
    fn what_is_no_small_text_file_is_refused_in_words() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mine.toml");
        let refused = || load(Folder::Rules, Some(directory.path())).unwrap_err().to_string();
        std::fs::write(&path, "x".repeat(300 * 1024)).unwrap();
        assert!(refused().ends_with("expected at most 256 KiB"), "{}", refused());
        std::fs::write(&path, b"\xff").unwrap();
        assert!(refused().ends_with("is not UTF-8 text"), "{}", refused());
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(refused().ends_with("expected a regular file"), "{}", refused());
    }

    #[test]
    fn a_directory_that_is_not_there_changes_nothing() {
        let files = load(Folder::Parsers, Some(Path::new("/nonexistent/lapwing"))).unwrap();
        assert_eq!(files.len(), names(Folder::Parsers).len());
    }
}
