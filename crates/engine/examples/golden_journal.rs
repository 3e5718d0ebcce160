//! Makes the golden journal of this version: one journal whose runs were stopped at each place
//! where a process can die, and in each state that waits. `tests/golden.rs` opens it for ever.
//!
//!     cargo run -p kaizen-engine --example golden_journal -- crates/engine/tests/golden/v2

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../tests/common/mod.rs"]
mod common;

use common::{
    HOUR, Place, START, created, decision,
    golden::Stopped,
    texts,
    world::{Trouble, World, approve, pre_approved},
};
use kaizen_engine::{
    journal::{Command, Created, Effect, Phase},
    shell::retention::compact,
};
use std::{fs, path::PathBuf};

struct Maker {
    place: Place,
    stopped: Vec<Stopped>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let to: PathBuf = std::env::args().nth(1).expect("where to: a folder").into();
    fs::create_dir_all(&to).unwrap();
    let mut maker = Maker { place: Place::new(), stopped: Vec::new() };
    for (keep, ends) in [(true, "kept"), (false, "rolled_back")] {
        let mut at = 0;
        while maker.dies_at(at, keep, ends).await {
            at += 1;
        }
    }
    maker.waits().await;
    // Those that have ended, a kept one and one that was rolled back among them.
    maker.place.clock.advance(HOUR);
    let store = maker.place.store();
    let before = START.plus(std::time::Duration::from_secs(60));
    let taken = compact(&store, before, "ada").await.unwrap();
    drop(store);
    let db = maker.place.raw();
    db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE;").unwrap();
    drop(db);
    fs::copy(maker.place.journal(), to.join("journal.db")).unwrap();
    let stopped = serde_json::to_string_pretty(&maker.stopped).unwrap();
    fs::write(to.join("stopped.json"), stopped + "\n").unwrap();
    println!(
        "{} runs, of which {} are compacted: {}",
        maker.stopped.len(),
        taken.runs.count(),
        taken.runs
    );
}

impl Maker {
    fn target(&self, created: Created) -> Created {
        Created { target: format!("t{}", self.stopped.len() + 1), ..created }
    }

    fn note(&mut self, world: &World, what: String, ends: &str) {
        let state = world.state();
        let there = state.there.iter().copied().collect();
        let run = i64::try_from(self.stopped.len()).unwrap() + 1;
        let (keep, ends) = (state.keep, ends.to_owned());
        self.stopped.push(Stopped { run, what, keep, there, ends });
    }

    /// A run whose process dies at the n-th place; false where it never came so far.
    async fn dies_at(&mut self, nth: usize, keep: bool, ends: &str) -> bool {
        let world = World::new();
        {
            let mut state = world.state();
            (state.keep, state.dies_after) = (keep, Some(nth));
        }
        let engine = world.engine(&self.place);
        let driving = engine.start(self.target(pre_approved()), "ada", texts());
        let died = world.until_death(driving).await.is_none();
        drop(engine);
        self.note(&world, format!("{ends}: died at place {nth}"), ends);
        died
    }

    /// Runs that wait for something, or were told something that nobody has acted on yet.
    async fn waits(&mut self) {
        let cancel = || Command::Cancel { reason: "enough".to_owned() };
        let pause = || Command::Pause { reason: "later".to_owned() };
        let reject = || Command::Reject { decision: decision("grace", "b0") };
        let asked: [(&str, Option<Command>, &str); 5] = [
            ("waits for approval", None, "kept"),
            ("approved, not gone on with", Some(approve("grace", "b0")), "kept"),
            ("rejected, not recorded", Some(reject()), "rejected"),
            ("cancelled, not recorded", Some(cancel()), "cancelled"),
            ("paused at the gate", Some(pause()), "kept"),
        ];
        for (what, command, ends) in asked {
            self.stops(created(0), None, command, what, ends).await;
        }
        let troubles = [
            ("sleeps after a failed phase", Trouble::Retry(Phase::Design), "kept"),
            ("sleeps, the place is away", Trouble::Unreachable(Effect::Push), "kept"),
            ("nobody can tell of a commit", Trouble::Unknown(Effect::Commit), "kept"),
        ];
        for (what, trouble, ends) in troubles {
            self.stops(pre_approved(), Some(trouble), None, what, ends).await;
        }
        let unknown = Some(Trouble::Unknown(Effect::Up));
        let what = "cancelled while nobody can tell";
        self.stops(pre_approved(), unknown, Some(cancel()), what, "cancelled").await;
        let dry = Created { dry_run: true, ..created(0) };
        self.stops(dry, None, None, "a dry run that has ended", "dry_run").await;
    }

    async fn stops(
        &mut self,
        created: Created,
        trouble: Option<Trouble>,
        command: Option<Command>,
        what: &str,
        ends: &str,
    ) {
        let world = World::new().with(trouble.as_slice());
        let engine = world.engine(&self.place);
        let mut artifacts = texts();
        artifacts.push(b"an artifact".to_vec());
        let stop = engine.start(self.target(created), "ada", artifacts);
        let number = stop.await.unwrap().run.created.number;
        if let Some(command) = command {
            engine.operate(number, "grace", command).await.unwrap();
        }
        drop(engine);
        self.note(&world, what.to_owned(), ends);
    }
}
