//! What a journal may be after its files were damaged: refused, named, cut to a prefix, or the
//! same. Anything else is read wrong without a word, and fails the test.

use crate::{common::START, writer::Still};
use kaizen_engine::{
    digest::Digest,
    error::{Class, Classified},
    journal::{
        Event, Fact, Facts, Live, Outcome, Payload, Phase, Run, Status, Timestamp,
        replay::{Row, replay},
    },
    shell::{Error, Reader, Store, reader::Filter, salvage::salvage, verify},
};
use std::{collections::BTreeMap, fs, path::Path, sync::Arc};
use uuid::Uuid;

/// What was seen of a damaged journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seen {
    /// It could not be read, and the error is one for an operator.
    Refused,
    /// The verification found a difference.
    Named,
    /// Everything up to some event is there and verifies; so many events are left.
    Prefix(usize),
    /// Everything that was there is there.
    Same,
}

/// The journal before any damage.
pub struct Original {
    rows: Vec<Row>,
    runs: i64,
    artifacts: Vec<(Digest, Vec<u8>)>,
}

impl Original {
    pub fn read(journal: &Path) -> Original {
        let reader = Reader::open(journal).unwrap();
        assert_eq!(verify::verify(&reader, None).unwrap().differences, []);
        let raw = rusqlite::Connection::open(journal).unwrap();
        let artifacts = raw
            .prepare("SELECT digest, bytes FROM artifacts")
            .unwrap()
            .query_map([], |row| Ok((Digest(row.get(0)?), row.get(1)?)))
            .unwrap()
            .collect::<Result<Vec<_>, _>>()
            .unwrap();
        let rows = reader.rows(None, 0, u32::MAX).unwrap();
        let runs = rows.iter().map(|row| row.run).max().unwrap();
        Original { rows, runs, artifacts }
    }

    pub fn events(&self) -> usize {
        self.rows.len()
    }

    /// The run after the journal's first `events`; `None`: it had not begun.
    fn run(&self, number: i64, events: usize) -> Option<Run> {
        replay(self.rows[..events].iter().filter(|row| row.run == number)).unwrap()
    }

    /// Reads everything that the damaged journal says, and compares what it does not refuse.
    pub fn judge(&self, journal: &Path, what: &str) -> Seen {
        let reader = match Reader::open(journal) {
            Ok(reader) => reader,
            Err(error) => return refused(&error, what),
        };
        self.single_reads(&reader, what);
        let seen = match verify::verify(&reader, None) {
            Err(error) => refused(&error, what),
            Ok(report) if !report.differences.is_empty() => Seen::Named,
            Ok(_) => {
                let rows = reader.rows(None, 0, u32::MAX).unwrap();
                assert!(rows.len() <= self.rows.len(), "{what}: it has grown");
                assert!(rows == self.rows[..rows.len()], "{what}: other rows, and no difference");
                let (shown, expected) = (shown(&reader, journal), self.expected(rows.len()));
                for (is, should) in shown.iter().zip(&expected) {
                    assert_eq!(is, should, "{what}: no difference was named");
                }
                assert_eq!(shown.len(), expected.len(), "{what}: no difference was named");
                if rows.len() == self.rows.len() { Seen::Same } else { Seen::Prefix(rows.len()) }
            }
        };
        drop(reader);
        writes(journal, seen, what);
        seen
    }

    /// What is got back of it verifies and is a beginning of what there was; so many events, of so
    /// many that could be read.
    pub fn salvaged(&self, journal: &Path, what: &str) -> Option<(usize, usize)> {
        let to = journal.with_file_name("salvaged.db");
        let _ = fs::remove_file(&to);
        let before = fs::read(journal).unwrap();
        let salvaged = salvage(journal, &to);
        assert!(before == fs::read(journal).unwrap(), "{what}: it was written to");
        match salvaged {
            Ok(report) => {
                let reader = Reader::open(&to).unwrap();
                // Nothing differs but that what it counted as lost is missing.
                let mut differs = verify::verify(&reader, None).unwrap().differences;
                differs.sort_by(|one, other| one.at.cmp(&other.at));
                differs.dedup_by(|one, other| one.kind == "missing" && one.at == other.at);
                let lost = differs.iter().filter(|one| one.at.starts_with("artifact")).count();
                assert_eq!(lost as u64, report.artifacts_missing, "{what}: {differs:?}");
                assert_eq!(lost, differs.len(), "{what}: {differs:?}");
                let rows = reader.rows(None, 0, u32::MAX >> 1).unwrap();
                assert!(rows == self.rows[..rows.len()], "{what}: other rows");
                assert_eq!(rows.len() as u64, report.events, "{what}");
                let all = rows.len() == self.rows.len();
                assert!(all || report.stopped_at.is_some(), "{what}: {report:?}");
                drop(reader);
                writes(&to, Seen::Same, what);
                Some((rows.len(), usize::try_from(report.seen).unwrap()))
            }
            Err(error) => {
                refused(&error, what);
                assert!(!to.exists(), "{what}");
                None
            }
        }
    }

    /// Whatever else is damaged: a run that can be read is as it was at that event, and an
    /// artifact has the bytes of its digest.
    fn single_reads(&self, reader: &Reader, what: &str) {
        for number in 1..=self.runs {
            match reader.run(number) {
                Ok(run) => {
                    let rows = self.rows.iter().filter(|row| row.run == number);
                    let upto = rows.take(usize::try_from(run.seq).unwrap());
                    assert_eq!(Some(run), replay(upto).unwrap(), "{what}: r{number}");
                }
                Err(error) => {
                    refused(&error, what);
                }
            }
        }
        for (digest, bytes) in &self.artifacts {
            match reader.artifact(digest) {
                Ok(read) => assert!(read == *bytes, "{what}: artifact {digest}"),
                Err(Error::NoArtifact(_)) => (),
                Err(error) => {
                    refused(&error, what);
                }
            }
        }
    }

    /// The rows of models and history that the first `events` wrote; one of each a run here.
    fn followed(&self, events: usize) -> Vec<String> {
        let (mut models, mut history) = (Vec::new(), Vec::new());
        for row in &self.rows[..events] {
            let event = Event::decode(&row.event).unwrap();
            let Fact::PhaseCompleted { phase, facts, output, .. } = event.fact else { continue };
            if let Facts::Learned(learned) = facts {
                let (model, version) = (&learned[0], models.len() + 1);
                let (name, digest, promoted) = (&model.name, &model.digest, model.promoted);
                models.push(format!("{name} {version} {digest} {promoted} r{}", row.run));
            }
            if phase == Phase::RecordProvenance {
                let Payload::Inline(record) = output else { panic!("a record is small") };
                history.push((row.run, format!("r{} 1 kept {record:?} {}", row.run, event.at)));
            }
        }
        history.sort();
        models.into_iter().chain(history.into_iter().map(|(_, text)| text)).collect()
    }

    /// What everything beside the events must show after the first `events` of them.
    fn expected(&self, events: usize) -> Vec<String> {
        let runs: BTreeMap<_, _> =
            (1..=self.runs).filter_map(|n| Some((n, self.run(n, events)?))).collect();
        let finished = |run: &&Run| matches!(run.status, Status::Finished { .. });
        let numbers = |runs: Vec<&Run>| {
            format!("{:?}", runs.iter().map(|run| run.created.number).collect::<Vec<_>>())
        };
        let mut all = vec![
            format!("unfinished {}", numbers(runs.values().filter(|r| !finished(r)).collect())),
            format!("listed {}", numbers(runs.values().rev().collect())),
            format!("kept {}", numbers(runs.values().rev().filter(finished).collect())),
        ];
        all.extend(runs.values().map(row_of));
        all.extend(
            runs.values()
                .filter(|run| run.target_epoch.is_some())
                .map(|run| format!("{} is held by r{}", run.created.target, run.created.number)),
        );
        all.extend(self.followed(events));
        all
    }
}

/// The run's row as its fold wants it.
fn row_of(run: &Run) -> String {
    let due_at = match &run.status {
        Status::Live(Live::WaitingApproval { gate, .. }) => Some(gate.expires_at),
        _ => None,
    };
    format!(
        "r{} {} {} {} dry={} {} {:?} {} {:?} {:?} {}",
        run.created.number,
        run.id,
        run.created.workflow,
        run.created.target,
        run.created.dry_run,
        run.status.word(),
        run.outcome.map(Outcome::word),
        run.created_at,
        run.finished_at.map(|at| at.to_string()),
        due_at.map(|at: Timestamp| at.to_string()),
        run.head,
    )
}

fn shown(reader: &Reader, journal: &Path) -> Vec<String> {
    let raw = rusqlite::Connection::open(journal).unwrap();
    let kept = Filter { status: Some("kept".to_owned()), workflow: None, limit: 0 };
    let workflow = Filter { workflow: Some("index-tuning".to_owned()), ..Filter::default() };
    let mut all = vec![
        format!("unfinished {:?}", reader.unfinished().unwrap()),
        format!("listed {:?}", reader.list(&workflow).unwrap()),
        format!("kept {:?}", reader.list(&kept).unwrap()),
    ];
    let sql = "SELECT id, uuid, workflow, target, dry_run, status, outcome, created_at, \
               finished_at, due_at, head FROM runs ORDER BY id";
    let rows = raw
        .prepare(sql)
        .unwrap()
        .query_map([], |row| {
            let text = |at| row.get::<_, Option<String>>(at);
            Ok(format!(
                "r{} {} {} {} dry={} {} {:?} {} {:?} {:?} {}",
                row.get::<_, i64>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, String>(2)?,
                row.get::<_, String>(3)?,
                row.get::<_, i64>(4)? != 0,
                row.get::<_, String>(5)?,
                text(6)?,
                row.get::<_, String>(7)?,
                text(8)?,
                text(9)?,
                Digest(row.get(10)?),
            ))
        })
        .unwrap()
        .collect::<Result<Vec<_>, _>>()
        .unwrap();
    all.extend(rows);
    let sql = "SELECT target, run FROM target_leases WHERE run IS NOT NULL ORDER BY run";
    let held = raw
        .prepare(sql)
        .unwrap()
        .query_map([], |row| {
            Ok(format!("{} is held by r{}", row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
        })
        .unwrap()
        .collect::<Result<Vec<_>, _>>()
        .unwrap();
    all.extend(held);
    all.extend(reader.models("predictor").unwrap().into_iter().map(|model| {
        let (name, version, digest) = (model.name, model.version, model.digest);
        format!("{name} {version} {digest} {} r{}", model.promoted, model.run)
    }));
    all.extend(reader.history().unwrap().into_iter().map(|row| {
        format!("r{} {} {} {:?} {}", row.run, row.revision, row.outcome, row.record, row.at)
    }));
    all
}

fn refused(error: &Error, what: &str) -> Seen {
    assert_eq!(error.class(), Class::Operator, "{what}: {error:?}");
    Seen::Refused
}

/// More is written on top of it, or refused: never a panic, and where the journal verifies never
/// as a fault of Kaizen's own.
fn writes(journal: &Path, seen: Seen, what: &str) {
    let store = match Store::open(journal, Arc::new(Still)) {
        Ok(store) => store,
        Err(error) => {
            refused(&error, what);
            return;
        }
    };
    let me = store.me().to_owned();
    let written = store.write(move |tx| {
        let number = tx.next_number()?;
        crate::common::put_texts(tx)?;
        tx.create(Uuid::from_u128(7), crate::common::created(number), "ada", &me)
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    match runtime.block_on(written) {
        Ok(run) => assert_eq!(run.created_at, START, "{what}"),
        Err(error) => {
            assert!(!error.to_string().contains("thread has ended"), "{what}: {error}");
            if seen >= Seen::Prefix(0) {
                refused(&error, what);
            }
        }
    }
}
