//! Small file systems of the tests' own. They need the right to mount.

#![allow(dead_code)]

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};
use tempfile::TempDir;

/// A file system that is there as long as this value.
pub struct Disk {
    folder: TempDir,
    /// The file that holds an ext4; `None`: a tmpfs.
    image: Option<PathBuf>,
    copies: AtomicU32,
}

impl Disk {
    /// In memory. `None`, and said so, where it cannot be had.
    pub fn in_memory(options: &str) -> Option<Disk> {
        let disk = Disk::nowhere(None);
        let mounted = run("mount", &["-t", "tmpfs", "-o", options, "tmpfs"], &[&disk.path()]);
        told(mounted, "a tmpfs cannot be mounted here").then_some(disk)
    }

    /// An ext4 in a file, which turns read-only at its first error, as most are set up. Blocks as
    /// large as a page: SQLite takes the room for its shared memory by writing a byte to each page,
    /// and with smaller blocks a full disk ends the process by SIGBUS.
    pub fn image(mib: u64) -> Option<Disk> {
        let mut disk = Disk::nowhere(None);
        let image = disk.folder.path().join("image");
        File::create(&image).unwrap().set_len(mib << 20).unwrap();
        let mounted = run("mkfs.ext4", &["-q", "-F", "-b", "4096"], &[&image])
            && run("mount", &["-o", "loop,errors=remount-ro"], &[&image, &disk.path()]);
        disk.image = Some(image);
        told(mounted, "an ext4 image cannot be mounted here").then_some(disk)
    }

    fn nowhere(image: Option<PathBuf>) -> Disk {
        let disk = Disk { folder: TempDir::new().unwrap(), image, copies: AtomicU32::new(0) };
        fs::create_dir(disk.path()).unwrap();
        disk
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    pub fn journal(&self) -> PathBuf {
        self.path().join("journal.db")
    }

    /// Whatever was written so far is on the disk.
    pub fn syncs(&self) {
        assert!(run("sync", &["-f"], &[&self.path()]));
    }

    /// What the disk holds at this moment: what was never synced, nor written back by chance, is
    /// not in it.
    pub fn copied(&self) -> PathBuf {
        let number = self.copies.fetch_add(1, Ordering::SeqCst);
        let copy = self.folder.path().join(format!("copy{number}"));
        let image = self.image.as_deref().unwrap();
        assert!(run("cp", &["--sparse=always"], &[image, &copy]));
        copy
    }

    /// The disk as `copy` has it, after the power has come back.
    pub fn comes_back(&mut self, copy: PathBuf) {
        assert!(run("umount", &[], &[&self.path()]));
        fs::remove_file(self.image.replace(copy).unwrap()).unwrap();
        let image = self.image.as_deref().unwrap();
        assert!(run("mount", &["-o", "loop,errors=remount-ro"], &[image, &self.path()]));
    }

    /// The disk reports an error, whereupon Linux lets nobody write to it any more.
    pub fn breaks(&self) {
        let path = self.path();
        let output = Command::new("findmnt").args(["-n", "-o", "SOURCE"]).arg(&path).output();
        let device = String::from_utf8(output.unwrap().stdout).unwrap();
        let name = device.trim().trim_start_matches("/dev/");
        fs::write(format!("/sys/fs/ext4/{name}/trigger_fs_error"), "1").unwrap();
        assert!(fs::write(path.join("probe"), "x").is_err(), "it can still be written to");
    }

    /// Takes all the room but so many KiB.
    pub fn fill(&self, leave_kib: u64) -> PathBuf {
        let path = self.path().join("filler");
        let mut file = File::create(&path).unwrap();
        let block = [7_u8; 1024];
        let mut written: u64 = 0;
        while file.write_all(&block).is_ok() {
            written += 1;
        }
        file.set_len(written.saturating_sub(leave_kib) * 1024).unwrap();
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).output();
    }
}

fn told(mounted: bool, why: &str) -> bool {
    if !mounted {
        eprintln!("NOT RUN: {why} (that takes root on Linux)");
    }
    mounted
}

fn run(program: &str, args: &[&str], paths: &[&Path]) -> bool {
    let output = Command::new(program).args(args).args(paths).output();
    output.is_ok_and(|output| output.status.success())
}
