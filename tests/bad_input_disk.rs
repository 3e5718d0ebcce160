//! Bad input: disks that are full or read-only, on small file systems of their own. Nothing is half
//! written, and once there is room again everything goes on.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;
use common::{HELPFUL, Project, WORKFLOW};
use insta::assert_snapshot;
use std::path::{Path, PathBuf};

const START: &[&str] = &["start", WORKFLOW];

/// A small file system of its own; needs the right to mount.
struct Mounted(PathBuf);

impl Mounted {
    fn at(path: &Path, options: &str) -> Option<Mounted> {
        std::fs::create_dir_all(path).unwrap();
        let mounted = mount(&["-t", "tmpfs", "-o", options, "tmpfs"], path);
        if !mounted {
            eprintln!("NOT RUN: a tmpfs cannot be mounted here (that takes root on Linux)");
        }
        mounted.then(|| Mounted(path.to_owned()))
    }

    fn remount(&self, options: &str) {
        assert!(mount(&["-o", &format!("remount,{options}")], &self.0));
    }

    /// Takes all the room but so many KiB.
    fn fill(&self, leave_kib: usize) -> PathBuf {
        use std::io::Write as _;
        let path = self.0.join("filler");
        let mut file = std::fs::File::create(&path).unwrap();
        let block = [7_u8; 1024];
        let mut written = 0_usize;
        while file.write_all(&block).is_ok() {
            written += 1;
        }
        file.set_len(written.saturating_sub(leave_kib) as u64 * 1024).unwrap();
        path
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn mount(args: &[&str], path: &Path) -> bool {
    let output = std::process::Command::new("mount").args(args).arg(path).output();
    output.is_ok_and(|output| output.status.success())
}

#[test]
fn a_read_only_journal() {
    let project = Project::new();
    let Some(mounted) = Mounted::at(&project.file(".kaizen"), "size=16m") else { return };
    let file = project.change("helpful.toml", HELPFUL);
    project.kaizen(&["start", WORKFLOW, "--apply", "--change", &file]).exits(3);
    mounted.remount("ro");
    let standing = project.standing();
    assert_snapshot!(project.complains(START, 1, "read_only"), @r#"
    error: the journal [dir]/.kaizen/journal.db cannot be written: Read-only file system (os error 30)
    next:  df -h . && ls -ld .kaizen
    "#);
    project.complains(&["approve", "r1", "--reason", "clear"], 1, "read_only");
    mounted.remount("rw");
    assert_eq!(project.standing(), standing);
    assert_eq!(project.runs(), ["r1 waiting_approval -"]);
    project.verifies();
    project.kaizen(&["approve", "r1", "--reason", "clear"]).exits(0);
}

#[test]
fn a_read_only_project() {
    let project = Project::bare();
    let outside = tempfile::TempDir::new().unwrap();
    let Some(mounted) = Mounted::at(outside.path(), "size=16m") else { return };
    let from = format!("{}/.", project.path().display());
    let copied = std::process::Command::new("cp").args(["-a", &from]).arg(outside.path()).status();
    assert!(copied.unwrap().success());
    mounted.remount("ro");
    let at = outside.path().display().to_string();
    let init = ["-C", &at, "init", "--sqlite", "app.db", "--workload", "workload/*.sql"];
    let read = project.complains(&init, 1, "read_only");
    assert_snapshot!(read.replace(&at, "[project]"), @r#"
    error: [project]/kaizen.toml: Read-only file system (os error 30)
    next:  ls -ld .
    "#);
    assert!(!outside.path().join("kaizen.toml").exists());
}

#[test]
fn a_disk_without_room_for_the_copies() {
    let project = Project::new();
    let Some(mounted) = Mounted::at(&project.file(".kaizen"), "size=768k") else { return };
    let read = project.fails(START, 1, "snapshot_failed");
    assert_snapshot!(read, @r#"
    error: the copy of [dir]/app.db could not be written to [dir]/.kaizen/scratch/r1/snapshot.db: database or disk is full
    next:  df -h .   # a run copies the database several times; then: kaizen start workflows/sqlite-index-tuning.toml
    "#);
    mounted.remount("size=16m");
    project.kaizen(START).exits(0);
    project.verifies();
}

#[test]
fn a_disk_without_room_for_the_journal() {
    let project = Project::new();
    let Some(mounted) = Mounted::at(&project.file(".kaizen"), "size=16m") else { return };
    let file = project.change("helpful.toml", HELPFUL);
    project.kaizen(&["start", WORKFLOW, "--apply", "--change", &file]).exits(3);
    let (standing, runs) = (project.standing(), project.runs());
    let filler = mounted.fill(0);
    assert_snapshot!(project.complains(&["approve", "r1", "--reason", "clear"], 1, "disk_full"), @r#"
    error: the disk is full: [dir]/.kaizen/journal.locks/[id] could not be written; nothing of this step was recorded
    next:  df -h . && ls -ld .kaizen
    "#);
    std::fs::remove_file(filler).unwrap();
    // Room enough to begin, and at some point not for the commit.
    let mut full = 0;
    for room in [4, 12, 24, 40] {
        let filler = mounted.fill(room);
        let ran =
            project.kaizen(&["reject", "r1", "--reason", "x", "--digest", "00000000", "--json"]);
        assert_ne!(ran.code, 0, "{room}");
        let tried = project.kaizen(&["start", WORKFLOW, "--detach", "--json"]);
        if tried.code != 0 {
            assert_eq!(tried.json()["error"]["code"], "disk_full", "{room}: {}", tried.stdout);
            assert_eq!(tried.code, 1);
            full += 1;
        }
        std::fs::remove_file(filler).unwrap();
        project.verifies();
    }
    assert!(full > 0, "there was room for every start");
    let now = project.runs();
    assert_eq!(project.standing(), standing);
    assert_eq!(now[now.len() - runs.len()..], runs[..]);
    project.verifies();
    project.kaizen(&["approve", "r1", "--reason", "clear"]).exits(0);
}

/// A project whose database lies in `data/`, with r1 waiting for approval. Returns its bytes.
fn database_in_data(project: &Project) -> Vec<u8> {
    std::fs::copy(project.file("app.db"), project.file("data/app.db")).unwrap();
    project.write(".gitignore", "app.db*\ndata\n");
    project.kaizen(&["init", "--sqlite", "data/app.db", "--workload", "workload/*.sql"]).exits(0);
    project.git(&["add", "-A"]);
    project.git(&["commit", "-qm", "Set up Kaizen"]);
    let file = project.change("helpful.toml", HELPFUL);
    project.kaizen(&["start", WORKFLOW, "--apply", "--change", &file]).exits(3);
    std::fs::read(project.file("data/app.db")).unwrap()
}

/// The script did not happen: the database has its old bytes, the commit is taken back by a
/// revert, the run has failed, and the trail verifies.
fn nothing_was_applied(project: &Project, before: &[u8]) {
    assert!(before == std::fs::read(project.file("data/app.db")).unwrap());
    let log = project.git(&["log", "--format=%s", "-2"]);
    assert_eq!(log, "Revert \"Find items by owner\"\nFind items by owner\n");
    assert_eq!(project.runs(), ["r1 finished failed"]);
    project.verifies();
}

#[test]
fn a_disk_without_room_for_the_script() {
    let project = Project::bare();
    let Some(mounted) = Mounted::at(&project.file("data"), "size=16m") else { return };
    let before = database_in_data(&project);
    let filler = mounted.fill(16);
    let ended = project.kaizen(&["approve", "r1", "--reason", "clear", "--resume"]).exits(1);
    let error = &ended.stderr[ended.stderr.find("error:").unwrap()..];
    assert_snapshot!(project.tidy(error), @r#"
    error: [dir]/data/app.db was left as it was: the disk is full: database or disk is full
    next:  df -h .   # a run copies the database several times; then: kaizen start workflows/sqlite-index-tuning.toml
    "#);
    std::fs::remove_file(filler).unwrap();
    nothing_was_applied(&project, &before);
}

#[test]
fn a_read_only_database() {
    let project = Project::bare();
    let Some(mounted) = Mounted::at(&project.file("data"), "size=16m") else { return };
    let before = database_in_data(&project);
    mounted.remount("ro");
    let ended = project.kaizen(&["approve", "r1", "--reason", "clear", "--resume"]).exits(1);
    let error = &ended.stderr[ended.stderr.find("error:").unwrap()..];
    assert_snapshot!(project.tidy(error), @r#"
    error: [dir]/data/app.db was left as it was: SQLite says: attempt to write a readonly database
    next:  kaizen why r1
    "#);
    nothing_was_applied(&project, &before);
}
