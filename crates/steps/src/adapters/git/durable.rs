//! How what git2 writes survives a power cut: the commit must be on disk before the journal says
//! that it was seen.
//!
//! libgit2 syncs objects and refs (file and directory) when `core.fsyncObjectFiles` is true at the
//! moment it opens its two stores. Writing that into the user's configuration is not ours to do,
//! and the library's own switch is behind an unsafe call; so a second configuration file is laid
//! over the repository's while the stores open, and taken away again.

use super::Error;
use std::{fs::File, io, path::Path};

const OVERLAY: &str = "[core]\n\tfsyncObjectFiles = true\n";

/// Opens the repository at `git_dir` with stores that sync what they write.
pub(super) fn open(git_dir: &Path) -> Result<git2::Repository, Error> {
    let repo = git2::Repository::open(git_dir)?;
    let untouched = git2::Repository::open(git_dir)?.config()?;
    let overlay = tempfile::NamedTempFile::new().map_err(Error::io(std::env::temp_dir()))?;
    std::fs::write(overlay.path(), OVERLAY).map_err(Error::io(overlay.path()))?;

    let mut config = repo.config()?;
    config.add_file(overlay.path(), git2::ConfigLevel::App, false)?;
    repo.set_config(&config)?;
    // Both stores read the setting once, when they are first asked for.
    repo.odb()?;
    drop(repo.find_reference("HEAD"));
    repo.set_config(&untouched)?;
    Ok(repo)
}

/// Syncs one file, or one directory's list of names. A directory that cannot be opened for that
/// (not every system allows it) is passed over.
pub(super) fn sync(path: &Path) -> Result<(), Error> {
    match File::open(path).and_then(|file| file.sync_all()) {
        Err(error) if path.is_dir() && error.kind() != io::ErrorKind::NotFound && cfg!(windows) => {
            Ok(())
        }
        other => other.map_err(Error::io(path)),
    }
}
