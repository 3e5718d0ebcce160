//! A power cut: the process is stopped, the disk's image copied as it is at that moment, and the
//! copy is what comes back.

use crate::{
    disk::Disk,
    life::Seeded,
    writer::{self, Writer},
};
use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

const CUTS: u64 = 8;
const TEST: &str = "power::what_was_answered_outlives_a_power_cut";

#[test]
fn what_was_answered_outlives_a_power_cut() {
    if writer::is_child() {
        return;
    }
    let Some(mut disk) = Disk::image(64) else { return };
    let outside = tempfile::tempdir().unwrap();
    let answers = outside.path().join("answered");
    fs::write(&answers, "").unwrap();
    let (mut events, mut before) = (0, String::new());
    for cut in 0..CUTS {
        let mut seeded = Seeded::new(1_000 + cut);
        let mut child = Writer::begin(TEST, &disk.journal(), &answers);
        let length = fs::metadata(&answers).unwrap().len();
        let more = Duration::from_micros(seeded.below(3_000));
        child.reaches(length, 20 + seeded.below(150), more);
        stop(&child.pid());
        let said = fs::read_to_string(&answers).unwrap();
        let copy = disk.copied();
        child.kill();
        // What is said after the stop, by whom the kill found still answering, does not count.
        fs::write(&answers, &said).unwrap();
        disk.comes_back(copy);
        assert!(said.len() > before.len() && said.starts_with(&before));
        events = writer::holds(&disk.journal(), &said).max(events);
        before = said;
    }
    let said = before.lines().count();
    println!("{CUTS} power cuts: {said} answered transitions and {events} events, none lost");
}

/// Stops every thread of the process, and waits until each of them stands still.
fn stop(pid: &str) {
    assert!(Command::new("kill").args(["-STOP", pid]).status().unwrap().success());
    let begun = Instant::now();
    let standing = || {
        fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten().all(|thread| {
            let stat = fs::read_to_string(thread.path().join("stat")).unwrap();
            stat.rsplit_once(')').unwrap().1.trim_start().starts_with('T')
        })
    };
    while !standing() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not stop");
        std::thread::yield_now();
    }
}
