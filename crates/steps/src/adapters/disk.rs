//! What the file system says: how much room there is, and whether a file is still the same.

use std::{io, path::Path};

/// Bytes that this user can still write where `path` is.
///
/// # Errors
/// Where the file system cannot be asked.
#[cfg(unix)]
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(path)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// What tells this very file from another one under its name: device and inode.
///
/// # Errors
/// Where the file cannot be looked at.
#[cfg(unix)]
pub fn file_id(path: &Path) -> io::Result<String> {
    use std::os::unix::fs::MetadataExt as _;
    let found = std::fs::metadata(path)?;
    Ok(format!("{}:{}", found.dev(), found.ino()))
}

/// Not told apart on this platform: the path stands for the file.
///
/// # Errors
/// Where the file cannot be looked at.
#[cfg(not(unix))]
pub fn file_id(path: &Path) -> io::Result<String> {
    std::fs::metadata(path).map(|_| String::new())
}

/// Not asked on this platform.
///
/// # Errors
/// Always.
#[cfg(not(unix))]
pub fn free_bytes(_path: &Path) -> io::Result<u64> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}
