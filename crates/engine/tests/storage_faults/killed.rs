//! A writer that is killed, again and again, over the same journal.

use crate::{
    life::Seeded,
    writer::{self, Writer},
};
use std::{fs, time::Duration};

const KILLS: u64 = 40;
const TEST: &str = "killed::what_was_answered_outlives_every_kill";

#[test]
fn what_was_answered_outlives_every_kill() {
    if writer::is_child() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (journal, answers) = (folder.path().join("journal.db"), folder.path().join("answered"));
    fs::write(&answers, "").unwrap();
    let (mut events, mut opening) = (0, 0);
    for kill in 0..KILLS {
        let mut seeded = Seeded::new(kill);
        let length = fs::metadata(&answers).unwrap().len();
        let mut child = Writer::begin(TEST, &journal, &answers);
        // Every fourth is killed around its opening, before it has written much.
        let lines = if kill % 4 == 0 { 0 } else { 1 + seeded.below(60) };
        let more = if lines == 0 { seeded.below(30_000) } else { seeded.below(3_000) };
        child.reaches(length, lines, Duration::from_micros(more));
        child.kill();
        let said = fs::read_to_string(&answers).unwrap();
        opening += u32::from(said.len() as u64 == length);
        let now = writer::holds(&journal, &said);
        assert!(now >= events, "events are gone");
        events = now;
    }
    let said = fs::read_to_string(&answers).unwrap().lines().count();
    assert!(said > 500, "{said} transitions are too few to say anything");
    println!(
        "{KILLS} kills ({opening} before anything was answered): {said} answered transitions and \
         {events} events, none lost"
    );
}
