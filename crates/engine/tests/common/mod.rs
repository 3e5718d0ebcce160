//! What the tests of the store and of the driver share: a clock that is set by hand, a journal
//! in a temporary folder, and runs brought as far as a test needs them.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

pub mod golden;
pub mod world;

use kaizen_engine::{
    digest::Digest,
    journal::{
        ApprovalPolicy, Binding, Command, Created, Decision, Effect, Facts, Method, Payload, Phase,
        Run, Timestamp,
        event::{Generated, Judged},
    },
    json::Json,
    shell::{Clock, Error, Reader, Store, Tx, verify},
};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};
use uuid::Uuid;

pub const START: Timestamp = Timestamp(1_800_000_000_000_000);
pub const HOUR: i64 = 3_600_000_000;

/// Stands still until it is set.
#[derive(Debug)]
pub struct FakeClock(AtomicI64);

impl FakeClock {
    pub fn new() -> Arc<FakeClock> {
        Arc::new(FakeClock(AtomicI64::new(START.0)))
    }

    /// Microseconds after the start; may be negative.
    pub fn set(&self, micros: i64) {
        self.0.store(START.0 + micros, Ordering::SeqCst);
    }

    pub fn advance(&self, micros: i64) {
        self.0.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// A journal in a folder of its own, gone with this value.
pub struct Place {
    folder: tempfile::TempDir,
    pub clock: Arc<FakeClock>,
}

impl Place {
    pub fn new() -> Place {
        Place { folder: tempfile::tempdir().unwrap(), clock: FakeClock::new() }
    }

    pub fn journal(&self) -> PathBuf {
        self.folder.path().join("journal.db")
    }

    pub fn store(&self) -> Store {
        Store::open(&self.journal(), self.clock.clone()).unwrap()
    }

    pub fn raw(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.journal()).unwrap()
    }

    /// The differences, as `kind at`.
    /// Does what the triggers would refuse, and leaves no traces that are easy to see.
    pub fn forge(&self, sql: &str) {
        let raw = self.raw();
        let triggers: Vec<(String, String)> = raw
            .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        for (trigger, _) in &triggers {
            raw.execute_batch(&format!("DROP TRIGGER {trigger}")).unwrap();
        }
        raw.execute_batch(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
        for (_, sql) in &triggers {
            raw.execute_batch(sql).unwrap();
        }
    }

    pub fn verify(&self) -> Vec<String> {
        let reader = Reader::open(&self.journal()).unwrap();
        let report = verify::verify(&reader, None).unwrap();
        report.differences.into_iter().map(|d| format!("{} {}", d.kind, d.at)).collect()
    }
}

/// The texts that [`created`] names.
pub fn texts() -> Vec<Vec<u8>> {
    [b"definition".to_vec(), b"policy".to_vec()].into()
}

/// Keeps them.
pub fn put_texts(tx: &mut Tx<'_>) -> Result<(), Error> {
    for text in texts() {
        tx.put_artifact(&text)?;
    }
    Ok(())
}

pub fn created(number: i64) -> Created {
    Created {
        number,
        workflow: "index-tuning".to_owned(),
        workflow_path: "workflows/index-tuning.toml".to_owned(),
        definition: Digest::of(&[b"definition"]),
        policy: Digest::of(&[b"policy"]),
        engine: 1,
        kaizen: "0.1.0".to_owned(),
        dry_run: false,
        target: "app.db#main".to_owned(),
        from_run: None,
        change: None,
        export: None,
        designer: None,
        started_by: "ada".to_owned(),
        approval: ApprovalPolicy::default(),
        pre_approved: None,
        budget_ms: 300_000,
        max_attempts: 3,
    }
}

pub fn binding(base: &str) -> Binding {
    Binding([("base_commit".to_owned(), base.to_owned())].into())
}

pub fn generated(base: &str) -> Generated {
    Generated {
        title: "index orders by customer".to_owned(),
        kind: "index".to_owned(),
        risk: "low".to_owned(),
        digest: Digest::of(&[b"change"]),
        effects: vec![Effect::Commit, Effect::Worktree, Effect::Push, Effect::Up],
        needs_human: Vec::new(),
        preflight_improved: true,
        probability: 0.97,
        binding: binding(base),
    }
}

pub fn decision(who: &str, base: &str) -> Decision {
    Decision {
        who: who.to_owned(),
        reason: "looks right".to_owned(),
        method: Method::Cli,
        os_user: who.to_owned(),
        host: "host".to_owned(),
        digest: binding(base).digest(),
        rating: None,
    }
}

pub fn complete(phase: Phase) -> Command {
    let facts = match phase {
        Phase::Analyze | Phase::Design | Phase::Deploy | Phase::RecordProvenance => Facts::Plain,
        Phase::Generate => Facts::Generated(Arc::new(generated("b0"))),
        Phase::Evaluate => Facts::Judged(Judged { keep: true, reasons: Vec::new() }),
        Phase::UpdateWeights => Facts::Learned(Vec::new()),
    };
    let output = Payload::Inline(Json::of(&serde_json::json!({ "of": phase })).unwrap());
    Command::Complete { phase, attempt: 1, spent_ms: 1, output, facts }
}

pub fn note(topic: &str) -> Command {
    let body = Payload::Inline(Json::of(&serde_json::json!({ "n": 1 })).unwrap());
    Command::Note { topic: topic.to_owned(), body }
}

/// Creates a run that `store` drives under epoch 1.
pub async fn create(store: &Store) -> Arc<Run> {
    let me = store.me().to_owned();
    let made = store.write(move |tx| {
        let number = tx.next_number()?;
        put_texts(tx)?;
        tx.create(Uuid::now_v7(), created(number), "ada", &me)
    });
    made.await.unwrap()
}

pub async fn transition(
    store: &Store,
    number: i64,
    epoch: u64,
    commands: Vec<Command>,
) -> Result<Arc<Run>, Error> {
    let me = store.me().to_owned();
    store.write(move |tx| tx.transition(number, epoch, &me, commands, &[])).await
}

/// Creates a run and brings it past its gate.
pub async fn approved(store: &Store) -> Arc<Run> {
    let run = create(store).await;
    let number = run.created.number;
    let to_gate = [Phase::Analyze, Phase::Design, Phase::Generate].map(complete).to_vec();
    transition(store, number, 1, to_gate).await.unwrap();
    let approve = Command::Approve { decision: decision("grace", "b0") };
    transition(store, number, 1, vec![approve]).await.unwrap()
}
