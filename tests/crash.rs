//! A run killed at every crash point, and at random times by SIGKILL, ends as an undisturbed one.
//!
//! Needs the feature `crash-points`. An undisturbed run tells which points it passes; then, from
//! the very same beginning, a process is killed at each of them, each time that it is passed, and
//! whatever is left is carried on to its end. Deliberately thinned out: `start` is killed only on
//! the way to the kept change, because all three scenarios take the same road up to the gate.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;
#[path = "../crates/engine/tests/storage_faults/disk.rs"]
mod disk;
mod live;
#[path = "crash/stage.rs"]
mod stage;

use common::ran;
use disk::Disk;
use kaizen_engine::journal::{Effect, Phase};
use stage::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

#[test]
fn a_run_that_is_kept_survives_every_crash_point() {
    let stage = Stage::set(&KEPT);
    assert_eq!(stage.undisturbed.commits, ["deploy"]);
    assert_eq!(stage.undisturbed.markers, [("up".to_owned(), "up".to_owned())]);
    assert_eq!(stage.undisturbed.left, Vec::<String>::new());
    assert!(stage.undisturbed.pushed.1, "the deployment was pushed");
    let killed = stage.kill_everywhere(0) + stage.kill_everywhere(1);
    println!("kept: {killed} kills");
    assert!(killed > 70, "only {killed} points: where are the others?");
}

#[test]
fn a_run_that_is_rolled_back_survives_every_crash_point() {
    let stage = Stage::set(&ROLLED_BACK);
    assert_eq!(stage.undisturbed.commits, ["evaluate", "deploy"]);
    assert_eq!(stage.undisturbed.markers.len(), 2);
    every_effect_has_its_points(&stage.points[1]);
    let killed = stage.kill_everywhere(1);
    println!("rolled back: {killed} kills");
    assert!(killed > 100, "only {killed} points: where are the others?");
}

/// Each effect passes a point before it is announced, before it is done and after it; each phase
/// one before its work and one before its checkpoint; each journal write one on both sides.
fn every_effect_has_its_points(points: &[String]) {
    let passed: BTreeSet<_> =
        points.iter().filter_map(|point| Some(point.split_once('#')?.0)).collect();
    let effects = Effect::ALL.iter().flat_map(|effect| {
        ["before_announce", "announced", "before", "after"]
            .map(|at| format!("effect.{effect}.{at}"))
    });
    // The phases up to the gate are passed by `start`.
    let phases = Phase::ALL.iter().filter(|phase| **phase >= Phase::Deploy);
    let phases =
        phases.flat_map(|phase| ["before", "after"].map(|at| format!("phase.{phase}.{at}")));
    let journal = ["before_commit", "after_commit"].map(|at| format!("journal.{at}"));
    for point in effects.chain(phases).chain(journal) {
        assert!(passed.contains(&*point), "{point} was not passed: {passed:?}");
    }
}

#[test]
fn a_run_that_waits_for_approval_survives_every_crash_point() {
    let stage = Stage::set(&WAITING);
    assert_eq!(stage.undisturbed.history, Vec::<String>::new());
    let killed = stage.kill_everywhere(0);
    println!("waiting: {killed} kills");
    assert!(killed > 15, "only {killed} points: where are the others?");
}

#[test]
fn a_run_that_is_rejected_survives_every_crash_point() {
    let stage = Stage::set(&REJECTED);
    assert_eq!(stage.undisturbed.commits, Vec::<String>::new());
    assert_eq!(stage.undisturbed.models, BTreeMap::new());
    let killed = stage.kill_everywhere(1);
    println!("rejected: {killed} kills");
    assert!(killed >= 8, "only {killed} points: where are the others?");
}

/// On a server too, with a script that is one transaction (edition 2) and one that is none (3): the
/// process dies at each point on the way there, and at the same point on the way back.
#[test]
fn a_script_on_a_server_runs_once_wherever_the_process_dies() {
    let around = ["effect.{}.before_announce", "effect.{}.announced", "effect.{}.before"];
    let (whole, single) = (
        ["script.{}.before_commit", "script.{}.after_commit"],
        ["script.{}.before_statement", "script.{}.after_statement"],
    );
    let after = ["effect.{}.after"];
    for (edition, within) in [(2, whole), (3, single)] {
        for point in around.iter().chain(&within).chain(&after) {
            let target = live::Target::new(edition);
            target.waiting(&[]);
            target.kaizen(&["approve", "r1", "--reason", "tested"]).exits(0);
            let dies = |args: &[&str], effect: &str| {
                let point = point.replace("{}", effect);
                let died = target.command(args).env("KAIZEN_CRASH_AT", &point).output().unwrap();
                assert_eq!(died.status.code(), None, "{point} was not passed: {died:?}");
            };
            dies(&["resume", "r1"], "up");
            let watched = target.resumed();
            assert_eq!(watched["phase"], "evaluate", "{edition} {point}: {watched}");
            assert_eq!(target.indexes(), [live::INDEX], "{edition} {point}");
            dies(&["cancel", "r1", "--reason", "enough"], "down");
            let end = target.kaizen(&["resume", "r1", "--json"]).json();
            assert_eq!(end["outcome"], "cancelled", "{edition} {point}: {end}");
            assert_eq!(target.indexes(), [] as [&str; 0], "{edition} {point}");
            for mark in ["up done", "down done"] {
                let marks = target.marks().iter().filter(|one| *one == mark).count();
                assert!(
                    marks <= 1 && (edition == 3 || marks == 1),
                    "{point}: {:?}",
                    target.marks()
                );
            }
            target.kaizen(&["audit", "verify"]).exits(0);
        }
    }
}

/// Every third point first, then one that comes a little later.
#[test]
fn a_second_crash_while_carrying_on_changes_nothing() {
    let stage = Stage::set(&ROLLED_BACK);
    let points = &stage.points[1];
    let mut twice = 0;
    for (nth, first) in points.iter().enumerate().step_by(3) {
        let own_name = |point: &&String| !point.starts_with("journal.");
        let ahead = points.iter().skip(nth + 1 + nth / 3 % 7).find(own_name);
        stage.back_to(1);
        assert!(stage.killed_at(stage.command(1), first), "{first} was not passed again");
        let (Some(command), Some(second)) = (stage.next(), ahead) else { continue };
        twice += usize::from(stage.killed_at(command, second));
        stage.carries_on(&format!("{first}, then {second}"));
    }
    println!("killed twice: {twice}");
    assert!(twice >= 20, "only {twice} runs were killed twice");
}

/// SIGKILL whenever it comes, up to three times a run; the times are drawn from a fixed seed.
#[test]
fn sigkill_at_random_times_changes_nothing() {
    let stage = Stage::set(&ROLLED_BACK);
    let (mut seed, mut killed) = (0x5eed_u64, 0);
    for attempt in 0..10 {
        stage.back_to(1);
        stage.project.kaizen(&["approve", "r1", "--reason", "tested"]).exits(0);
        for _ in 0..3 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let mut child = stage.project.command(&["resume", "r1"]);
            let child = child.stdout(std::process::Stdio::null());
            let mut child = child.stderr(std::process::Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis((seed >> 33) % 350));
            child.kill().unwrap();
            killed += u32::from(child.wait().unwrap().code().is_none());
        }
        stage.carries_on(&format!("SIGKILL, attempt {attempt}"));
    }
    println!("SIGKILL: {killed} of 30 hit a living process");
    assert!(killed >= 10, "only {killed} were killed in time");
}

/// Cancelled instead of carried on; and killed once more while that is being undone.
#[test]
fn a_run_cancelled_after_a_crash_is_undone() {
    let stage = Stage::set(&KEPT);
    let (mut cancelled, mut twice) = (0, 0);
    for point in &stage.points[1] {
        let telling = ["effect.", "git.", "script."].iter().any(|kind| point.starts_with(kind));
        if !telling || point.ends_with("before_announce#1") {
            continue;
        }
        stage.back_to(1);
        let before = picture(&stage.project);
        assert!(stage.killed_at(stage.command(1), point), "{point} was not passed");
        let again = ["script.down.after_commit", "git.commit.written", "git.index.locked"];
        let cancel = ["cancel", "r1", "--reason", "enough"];
        if stage.killed_at(&cancel, again[cancelled % again.len()]) {
            twice += 1;
            stage.project.kaizen(&["resume", "r1"]).exits(1);
        }
        cancelled += 1;
        let after = picture(&stage.project);
        let told = || stage.project.kaizen(&["why", "r1"]).stdout;
        assert_eq!(after.outcome, "cancelled", "killed at {point}: {}", told());
        assert_eq!(after.contents, before.contents, "killed at {point}");
        assert_eq!((&after.files, &after.status), (&before.files, &before.status), "{point}");
        assert_eq!(after.left, Vec::<String>::new(), "killed at {point}");
        assert_eq!(after.commits.len() % 2, 0, "killed at {point}: {:?}", after.commits);
        assert_eq!(stage.project.kaizen(&["audit", "verify"]).code, 0, "killed at {point}");
    }
    println!("cancelled after a crash: {cancelled}, of these killed once more: {twice}");
    assert!(cancelled >= 15 && twice >= 5, "{cancelled}, {twice}");
}

/// Retention killed at every point: what it has not taken by then, it takes when asked again.
#[test]
fn retention_survives_every_crash_point() {
    let stage = Stage::set(&REJECTED);
    let project = &stage.project;
    save(project, &stage.saved, 2);
    let compact: &[&str] = &["journal", "compact", "--older-than", "0s"];
    let trace = stage.saved.path().join("trace2");
    let mut command = project.command(compact);
    ran(&command.env("KAIZEN_CRASH_TRACE", &trace).output().unwrap()).exits(0);
    let seen = || {
        let sql = "SELECT (SELECT count(*) FROM artifacts), (SELECT count(*) FROM unneeded),
                          count(*) FILTER (WHERE event = ''), count(*) FROM events";
        let told =
            |row: &rusqlite::Row<'_>| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]);
        let seen: [i64; 4] = project.journal().query_row(sql, [], told).unwrap();
        seen
    };
    let undisturbed = seen();
    assert_eq!(undisturbed[1], 0, "nothing is left to look for");
    let points = numbered(&std::fs::read_to_string(&trace).unwrap());
    for point in &points {
        stage.back_to(2);
        assert!(stage.killed_at(compact, point), "{point} was not passed");
        project.kaizen(&["audit", "verify"]).exits(0);
        project.kaizen(compact).exits(0);
        assert_eq!(seen(), undisturbed, "killed at {point}");
        project.kaizen(&["audit", "verify"]).exits(0);
    }
    println!("retention: {} kills", points.len());
    assert!(points.len() >= 6, "only {points:?}");
}

/// The power goes at a point: the process dies, and of the journal, the repository, the worktree
/// and the target, all on one disk, what was never synced is gone with it.
#[test]
fn a_power_cut_at_every_second_point_changes_nothing() {
    let Some(mut disk) = Disk::image(128) else { return };
    let stage = Stage::set_in(&ROLLED_BACK, &disk.path());
    let points: Vec<_> = stage.points[1].iter().step_by(2).collect();
    for point in &points {
        let ended = (0..TRIES).any(|_| {
            stage.back_to(1);
            disk.syncs();
            assert!(stage.killed_at(stage.command(1), point), "{point} was not passed");
            let copy = disk.copied();
            disk.comes_back(copy);
            stage.carries_on(&format!("a power cut at {point}"))
        });
        assert!(ended, "{point}: too noisy, {TRIES} times over");
    }
    println!("{} power cuts", points.len());
    assert!(points.len() > 30, "only {points:?}");
}
