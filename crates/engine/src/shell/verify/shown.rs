//! What the tables beside the events must show: every column of a run's row that its events decide,
//! history, models, leases of targets, and the schema itself.

use super::{Difference, Folded, Verifier};
use crate::{
    journal::{Event, Fact, Facts, Outcome, Phase, Run},
    shell::{error::Error, head::Shown},
};
use rusqlite::{Connection, OptionalExtension, params};

mod migrations {
    refinery::embed_migrations!("../../sql/journal");
}

/// The columns of a run's row that its fold decides, in the order of the query.
const COLUMNS: [&str; 10] = [
    "uuid",
    "workflow",
    "target",
    "dry_run",
    "created_at",
    "status",
    "outcome",
    "finished_at",
    "due_at",
    "compacted_at",
];

/// A run's row.
struct Shows {
    seq: u64,
    last: Option<u64>,
    head: Vec<u8>,
    columns: [Option<String>; COLUMNS.len()],
}

impl Shows {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Shows> {
        let mut columns = [const { None }; COLUMNS.len()];
        for (at, column) in columns.iter_mut().enumerate() {
            *column = row.get(at + 3)?;
        }
        Ok(Shows {
            seq: row.get::<_, i64>(0)?.unsigned_abs(),
            last: row.get::<_, Option<i64>>(1)?.map(i64::unsigned_abs),
            head: row.get(2)?,
            columns,
        })
    }
}

/// What the columns must be by the fold.
fn says(run: &Run) -> [Option<String>; COLUMNS.len()] {
    let (created, shown) = (&run.created, Shown::of(run, None));
    [
        Some(run.id.to_string()),
        Some(created.workflow.clone()),
        Some(created.target.clone()),
        Some(i64::from(created.dry_run).to_string()),
        Some(run.created_at.to_string()),
        Some(shown.status.to_owned()),
        shown.outcome.map(str::to_owned),
        shown.finished_at.map(|at| at.to_string()),
        shown.due_at.map(|at| at.to_string()),
        run.compacted.is_some().then(|| run.updated_at.to_string()),
    ]
}

impl Verifier<'_> {
    /// Compares a run's row with what its events came to.
    pub(super) fn end(&mut self, number: i64, folded: &Folded) -> Result<(), Error> {
        self.report.runs += 1;
        let row = self
            .reader
            .db
            .prepare_cached(include_str!("../sql/shown_of_run.sql"))?
            .query_row([number], Shows::read)
            .optional()?;
        let Some(Shows { seq, last, head, columns }) = row else {
            let detail = "its events are there and its row is gone".to_owned();
            self.differs("missing", format!("the row of r{number}"), detail, number);
            return Ok(());
        };
        if last.is_some_and(|last| last > self.until) && self.is_there(last)? {
            // Appended meanwhile.
            return Ok(());
        }
        let have = folded.run_seq;
        if have < seq {
            let at = format!("r{number} events {} to {seq}", have + 1);
            self.differs("truncated", at, "the run's last events are gone".to_owned(), number);
        } else if have > seq {
            let at = format!("r{number} events {} to {have}", seq + 1);
            self.differs("extra", at, "events that no transition wrote".to_owned(), number);
        } else if head != folded.head.0 || last != folded.last {
            let detail = "its last event is not the recorded one".to_owned();
            self.differs("edited", format!("r{number}"), detail, number);
        }
        let Some(run) = folded.run.as_ref().filter(|_| !folded.broken && have == seq) else {
            return Ok(());
        };
        for (column, (shows, says)) in COLUMNS.iter().zip(columns.iter().zip(&says(run))) {
            if shows != says {
                let detail = format!("{column} is {shows:?}, its events say {says:?}");
                self.differs("edited", format!("the row of r{number}"), detail, number);
                break;
            }
        }
        self.lease(run, last)
    }

    fn is_there(&self, seq: Option<u64>) -> Result<bool, Error> {
        let sql = "SELECT EXISTS (SELECT 1 FROM events WHERE seq = ?1)";
        let seq = seq.map(u64::cast_signed);
        Ok(self.reader.db.prepare_cached(sql)?.query_row([seq], |row| row.get(0))?)
    }

    /// A run that holds its target by its events has the lease of it.
    fn lease(&mut self, run: &Run, last: Option<u64>) -> Result<(), Error> {
        let Some(epoch) = run.target_epoch else { return Ok(()) };
        self.leases += 1;
        let (number, target) = (run.created.number, &run.created.target);
        let sql =
            "SELECT count(*) FROM target_leases WHERE target = ?1 AND run = ?2 AND epoch = ?3";
        let params = params![target, number, i64::try_from(epoch).unwrap_or(i64::MAX)];
        let found: i64 = self.reader.db.prepare_cached(sql)?.query_row(params, |row| row.get(0))?;
        let sql = "SELECT last FROM runs WHERE id = ?1";
        let now: Option<i64> =
            self.reader.db.prepare_cached(sql)?.query_row([number], |row| row.get(0))?;
        // A run that has moved on meanwhile may have given it back.
        if found != 1 && now.map(i64::unsigned_abs) == last {
            let detail = format!("r{number} holds it by its events, and its lease says otherwise");
            self.differs("edited", format!("the lease of {target}"), detail, number);
        }
        Ok(())
    }

    /// The history row of a run that the event records.
    pub(super) fn history_of(
        &mut self,
        number: i64,
        run: &Run,
        fact: &Fact,
        seq: u64,
    ) -> Result<(), Error> {
        if !matches!(fact, Fact::PhaseCompleted { phase: Phase::RecordProvenance, .. }) {
            return Ok(());
        }
        let sql = "SELECT outcome, event FROM history WHERE run = ?1 AND revision = ?2";
        let found: Option<(String, i64)> = self
            .reader
            .db
            .prepare_cached(sql)?
            .query_row(params![number, run.revision], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let outcome = run.outcome.map_or("", Outcome::word);
        self.history += 1;
        if found.is_none_or(|(shown, event)| shown != outcome || event.unsigned_abs() != seq) {
            let detail = "it is not what the run's events say".to_owned();
            let at = format!("the history row of r{number} revision {}", run.revision);
            self.differs("edited", at, detail, number);
        }
        Ok(())
    }

    /// The versions of models that the event says were learnt. In the order of the journal: that
    /// is what counts them.
    pub(super) fn models_of(
        &mut self,
        number: i64,
        revision: u32,
        event: &Event,
    ) -> Result<(), Error> {
        let Fact::PhaseCompleted { facts: Facts::Learned(models), .. } = &event.fact else {
            return Ok(());
        };
        for model in models {
            let version = self.models.entry(model.name.clone()).or_default();
            *version += 1;
            // Of a single run nobody knows how many versions came before.
            let version = self.only.is_none().then_some(*version);
            let (name, at) = (&model.name, event.at.to_string());
            let params =
                params![number, revision, name, model.digest.0, model.promoted, at, version];
            let sql = include_str!("../sql/is_model.sql");
            let found: i64 =
                self.reader.db.prepare_cached(sql)?.query_row(params, |row| row.get(0))?;
            if found != 1 {
                let detail = "it is not what the run's events say".to_owned();
                let at = format!("the model {name} of r{number} revision {revision}");
                self.differs("edited", at, detail, number);
            }
        }
        Ok(())
    }

    /// Rows of those tables that no event wrote. Told only of a whole journal that folds.
    pub(super) fn extra(&mut self) {
        if self.only.is_some() || !self.report.differences.is_empty() {
            return;
        }
        let tables = [
            ("history", self.history),
            ("models", self.models.values().sum()),
            ("target_leases WHERE run IS NOT NULL", self.leases),
        ];
        for (table, known) in tables {
            let found = self.count(&format!("SELECT count(*) FROM {table}")).unwrap_or(-1);
            if self.reader.events().ok() != Some(self.until) {
                // Appended meanwhile.
                return;
            }
            let table = table.split(' ').next().unwrap_or(table);
            if found != known {
                let detail = format!("it has {found} rows where the events wrote {known}");
                self.differs("extra", format!("the table {table}"), detail, 0);
            }
        }
    }

    /// The schema is the one that the migrations make: a trigger that is gone admits anything.
    pub(super) fn schema(&self) -> Result<Vec<Difference>, Error> {
        let mut differences = Vec::new();
        if self.only.is_some() {
            return Ok(differences);
        }
        let mut differs = |kind, name: String, detail: &str| {
            let (at, detail) = (format!("the schema of {name}"), detail.to_owned());
            differences.push(Difference { store: "journal", kind, at, detail });
        };
        let mut found = schema_of(&self.reader.db)?;
        for (name, sql) in schema_of(&pattern()?)? {
            let there = found.iter().position(|(there, _)| *there == name);
            let there = there.map(|at| found.swap_remove(at).1);
            if there.as_ref() != Some(&sql) {
                differs("edited", name, "it is not as Kaizen's migrations make it");
            }
        }
        for (name, _) in found {
            differs("extra", name, "Kaizen's migrations make nothing of that name");
        }
        Ok(differences)
    }
}

/// A journal in memory that nothing was ever written to.
fn pattern() -> Result<Connection, Error> {
    let mut db = Connection::open_in_memory()?;
    let made = migrations::migrations::runner().run(&mut db);
    made.map_err(|e| Error::Migration(e.to_string()))?;
    Ok(db)
}

/// Names of what the schema holds, with what made them.
fn schema_of(db: &Connection) -> Result<Vec<(String, String)>, Error> {
    let objects = db
        .prepare(include_str!("../sql/schema.sql"))?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    Ok(objects)
}
