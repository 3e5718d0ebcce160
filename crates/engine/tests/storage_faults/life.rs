//! The life of a run, transition by transition: every kind of row that a journal holds comes of it.

use crate::common::{binding, complete, created, decision, note, put_texts};
use kaizen_engine::{
    digest::Digest,
    journal::{
        Command, Created, Effect, Facts, Phase, Run,
        event::{How, ModelVersion},
    },
    shell::{Error, Reader, Store},
};
use serde_json::Value;
use std::{ops::RangeInclusive, sync::Arc};
use uuid::Uuid;

/// How many events a run has after each of its transitions, resumptions not counted. A run that
/// has another number was left half way through one.
pub const ENDS: [u64; 10] = [1, 5, 7, 9, 10, 12, 14, 16, 18, 22];

/// Pseudo-random numbers (xorshift64*): each seed is a series of its own, the same every time.
pub struct Seeded(u64);

impl Seeded {
    pub fn new(seed: u64) -> Seeded {
        Seeded(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// From 0 to `below - 1`.
    pub fn below(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % below
    }

    pub fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }
}

/// Begins a run on a target of its own, so that none has to wait for another.
pub async fn begin(store: &Store) -> Result<Arc<Run>, Error> {
    let me = store.me().to_owned();
    let made = store.write(move |tx| {
        let number = tx.next_number()?;
        let created = Created { target: format!("t{number}"), ..created(number) };
        put_texts(tx)?;
        tx.create(Uuid::now_v7(), created, "ada", &me)
    });
    made.await
}

/// The next transition of a run that has come so far; `None`: it is over.
pub async fn next(
    store: &Store,
    number: i64,
    epoch: u64,
    come: usize,
) -> Option<Result<Arc<Run>, Error>> {
    let commands = commands(number, come)?;
    let artifacts = if come == 2 { vec![artifact(number)] } else { Vec::new() };
    let me = store.me().to_owned();
    let done = store.write(move |tx| tx.transition(number, epoch, &me, commands, &artifacts));
    Some(done.await)
}

/// Long enough for several pages.
pub fn artifact(number: i64) -> Vec<u8> {
    format!("artifact of r{number}; ").repeat(500).into_bytes()
}

fn announce(effect: Effect) -> Command {
    let plan = serde_json::json!({ "plan": effect });
    Command::Announce { effect, plan, now: Some(binding("b0")) }
}

fn settled(effect: Effect) -> Command {
    Command::Settled { effect, how: How::Performed, receipt: Value::Null }
}

fn commands(number: i64, come: usize) -> Option<Vec<Command>> {
    Some(match come {
        0 => [Phase::Analyze, Phase::Design, Phase::Generate].map(complete).to_vec(),
        1 => vec![Command::Approve { decision: decision("grace", "b0") }],
        2 => vec![note("one"), note("two")],
        3 => vec![announce(Effect::Commit)],
        4 => vec![settled(Effect::Commit), announce(Effect::Worktree)],
        5 => vec![settled(Effect::Worktree), announce(Effect::Push)],
        6 => vec![settled(Effect::Push), announce(Effect::Up)],
        7 => vec![settled(Effect::Up), complete(Phase::Deploy)],
        8 => {
            let learned = Facts::Learned(vec![ModelVersion {
                name: "predictor".to_owned(),
                digest: Digest::of(&[&artifact(number)]),
                promoted: number % 2 == 0,
            }]);
            let Command::Complete { phase, attempt, spent_ms, output, .. } =
                complete(Phase::UpdateWeights)
            else {
                return None;
            };
            let learn = Command::Complete { phase, attempt, spent_ms, output, facts: learned };
            vec![complete(Phase::Evaluate), learn, complete(Phase::RecordProvenance)]
        }
        _ => return None,
    })
}

/// How many transitions of its life a run has behind it, by its rows: resumptions come on top.
pub fn come(reader: &Reader, number: i64) -> Option<usize> {
    let rows = reader.rows(Some(number), 0, 1_000).unwrap();
    let resumed = rows.iter().filter(|row| row.event.contains(r#""kind":"run_resumed""#)).count();
    ENDS.iter().position(|end| *end == (rows.len() - resumed) as u64)
}

/// Lives the lives of these new runs one after the other, each so far as `stops` says.
pub async fn live(store: &Store, runs: RangeInclusive<i64>, stops: impl Fn(i64) -> usize) {
    for number in runs {
        assert_eq!(begin(store).await.unwrap().created.number, number);
        for come in 0..stops(number) {
            next(store, number, 1, come).await.unwrap().unwrap();
        }
    }
}
