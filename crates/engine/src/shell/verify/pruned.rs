//! Runs that retention took bodies out of: accepted where an event of theirs accounts for it.

use super::{Error, Folded, Verifier, place, reading::Decoded};
use crate::journal::{
    Event, Fact,
    replay::{Broken, Row, left},
};

impl Verifier<'_> {
    /// An event of a run with bodies gone. Once it has ended it is forgotten, so that memory does
    /// not grow with what retention took.
    pub(super) fn between(
        &mut self,
        row: &Row,
        event: &Event,
        mut folded: Folded,
    ) -> Result<(), Error> {
        let fact = &event.fact;
        if matches!(fact, Fact::RunCompacted(_)) {
            return self.compacted(row, folded.broken);
        }
        folded.revision += u32::from(matches!(fact, Fact::RollbackRequested { .. }));
        self.models_of(row.run, folded.revision, event)?;
        // The one event that may follow then is the one that accounts for them.
        let ended = matches!(fact, Fact::RunSealed { .. }) && !folded.broken;
        if ended && self.row_seq(row.run)? == Some(folded.run_seq + 1) {
            self.unaccounted += 1;
        } else {
            self.open.insert(row.run, folded);
        }
        Ok(())
    }

    /// Whether this row accounts for what is gone of a run that was forgotten.
    pub(super) fn accounts(&mut self, row: &Row, event: &Decoded) -> Result<bool, Error> {
        if !event.as_ref().is_ok_and(|event| matches!(event.fact, Fact::RunCompacted(_))) {
            return Ok(false);
        }
        self.unaccounted -= 1;
        self.compacted(row, false)?;
        Ok(true)
    }

    /// A run is whole again: folded from what is left of it, up to the row that says what is gone.
    pub(super) fn compacted(&mut self, row: &Row, broken: bool) -> Result<(), Error> {
        let mut rows = self.reader.rows(Some(row.run), 0, u32::MAX)?;
        rows.retain(|other| other.seq <= row.seq);
        let pruned = rows.iter().filter(|row| row.is_pruned()).count() as u64;
        let mut folded = Folded {
            run: None,
            run_seq: row.run_seq,
            last: Some(row.seq),
            head: row.event_hash,
            broken,
            gone: false,
            revision: 0,
        };
        match left(&rows) {
            Ok(Some(left)) => {
                for (run, event, seq) in &left.phases {
                    self.history_of(row.run, run, &event.fact, *seq)?;
                }
                self.report.pruned.events += pruned;
                self.report.pruned.runs.add(row.run);
                folded.run = Some(left.run);
            }
            // What is wrong with its rows has been told where they stand, but for this.
            Ok(None) => folded.broken = true,
            Err(broken) => {
                let kind = match broken {
                    Broken::Hash { .. } | Broken::Decode { .. } | Broken::Illegal { .. } => {
                        "edited"
                    }
                    Broken::Gap { .. } | Broken::Unannounced { .. } => "missing",
                };
                self.differs(kind, place(row), broken.to_string(), row.run);
                folded.broken = true;
            }
        }
        self.sealed(row.run, folded)
    }

    /// Runs that were forgotten with bodies gone, and no event ever accounted for them.
    pub(super) fn forgotten(&mut self) -> Result<(), Error> {
        let numbers: Vec<i64> = self
            .reader
            .db
            .prepare(include_str!("../sql/gone.sql"))?
            .query_map([self.until.cast_signed()], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for number in numbers {
            self.unannounced(number);
        }
        Ok(())
    }

    pub(super) fn unannounced(&mut self, number: i64) {
        let Err(Error::Broken(Broken::Unannounced { .. })) = self.reader.run(number) else {
            // Compacted meanwhile.
            return;
        };
        let detail = "bodies of its events are gone, and no event says that retention took them";
        self.differs("missing", format!("events of r{number}"), detail.to_owned(), number);
    }
}
