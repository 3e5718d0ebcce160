//! Replay: from stored rows back to a run, refusing whatever does not fit, by name.

use super::{
    apply::{IllegalEvent, apply, compact_pruned, remain, skip},
    chain,
    event::{DecodeError, Event, Fact},
    state::Run,
};
use crate::digest::Digest;

/// One stored row, as the journal holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Place in the journal, from 1, without gaps.
    pub seq: u64,
    pub run: i64,
    pub run_seq: u64,
    /// Where the run's event before it stands in the journal.
    pub prev: Option<u64>,
    /// The stored UTF-8 bytes of the event; empty where retention took them.
    pub event: String,
    pub event_hash: Digest,
    pub journal_hash: Digest,
}

/// The journal does not add up. Every variant names the row.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    #[error("row {seq} (r{run} event {run_seq}): {source}")]
    Decode { seq: u64, run: i64, run_seq: u64, source: DecodeError },
    #[error("row {seq} (r{run} event {run_seq}): its bytes do not match their hash: it was edited")]
    Hash { seq: u64, run: i64, run_seq: u64 },
    #[error(
        "row {seq} (r{run}): event {found} where event {expected} belongs: one is missing or out of order"
    )]
    Gap { seq: u64, run: i64, expected: u64, found: u64 },
    #[error(
        "row {seq} (r{run} event {run_seq}): its body is gone, and no event of the run says that \
         retention took just that"
    )]
    Unannounced { seq: u64, run: i64, run_seq: u64 },
    #[error("row {seq} (r{run}): {source}")]
    Illegal { seq: u64, run: i64, source: IllegalEvent },
}

impl Row {
    /// Whether only its hash is left.
    #[must_use]
    pub const fn is_pruned(&self) -> bool {
        self.event.is_empty()
    }

    /// Decodes it and checks it against the run's hash chain.
    ///
    /// # Errors
    /// A gap, a broken hash, an unknown version or malformed bytes.
    pub fn check(&self, run_seq: u64, head: &Digest) -> Result<Event, Broken> {
        let Row { seq, run, .. } = *self;
        self.follows(run_seq)?;
        let run_seq = self.run_seq;
        if chain::event_hash(head, self.event.as_bytes()) != self.event_hash {
            return Err(Broken::Hash { seq, run, run_seq });
        }
        Event::decode(&self.event).map_err(|source| Broken::Decode { seq, run, run_seq, source })
    }

    /// Whether it is the run's next.
    ///
    /// # Errors
    /// Where it is another.
    pub fn follows(&self, run_seq: u64) -> Result<(), Broken> {
        let Row { seq, run, run_seq: found, .. } = *self;
        let expected = run_seq + 1;
        if found == expected { Ok(()) } else { Err(Broken::Gap { seq, run, expected, found }) }
    }
}

/// A run as far as its rows have been folded, some of which may have lost their bodies.
#[derive(Debug, Clone, Default)]
pub struct Fold {
    run: Option<Run>,
    /// Events without a body that no event has accounted for yet: place in the journal and in the
    /// run.
    gone: Vec<(u64, u64)>,
}

impl From<Run> for Fold {
    fn from(run: Run) -> Fold {
        Fold { run: Some(run), gone: Vec::new() }
    }
}

impl Fold {
    /// Takes up the run's next row. Answers its event; `None`: only its hash is left.
    ///
    /// # Errors
    /// A gap, a broken hash, an unknown version, malformed bytes, or an event that cannot happen.
    pub fn row(&mut self, row: &Row) -> Result<Option<Event>, Broken> {
        let (seq, head) = self.run.as_ref().map_or((0, Digest::ZERO), |run| (run.seq, run.head));
        if let (true, Some(run)) = (row.is_pruned(), &mut self.run) {
            row.follows(seq)?;
            skip(run, row.event_hash);
            self.gone.push((row.seq, row.run_seq));
            return Ok(None);
        }
        let event = row.check(seq, &head)?;
        self.event(&event, row)?;
        Ok(Some(event))
    }

    /// Takes up the event of a row that was found to be the run's next.
    ///
    /// # Errors
    /// Where it cannot happen.
    pub fn event(&mut self, event: &Event, row: &Row) -> Result<(), Broken> {
        let hash = row.event_hash;
        match (&mut self.run, &event.fact) {
            (Some(run), Fact::RunCompacted(compacted)) if !self.gone.is_empty() => {
                let gone: Vec<u64> = self.gone.iter().map(|(_, run_seq)| *run_seq).collect();
                if !compact_pruned(run, event, hash, compacted, &gone) {
                    return Err(self.unannounced(row.run));
                }
                self.gone.clear();
            }
            (Some(run), _) if !self.gone.is_empty() => {
                let (seq, status) = (run.seq + 1, "compacted");
                if !remain(run, event, hash) {
                    let source = IllegalEvent { seq, kind: event.fact.kind(), status };
                    return Err(Broken::Illegal { seq: row.seq, run: row.run, source });
                }
            }
            (run, _) => {
                let illegal = |source| Broken::Illegal { seq: row.seq, run: row.run, source };
                *run = Some(apply(run.take(), event, hash).map_err(illegal)?);
            }
        }
        Ok(())
    }

    /// The run so far. Where bodies are gone, and the event that accounts for them is yet to come,
    /// it tells neither status nor outcome.
    #[must_use]
    pub const fn run(&self) -> Option<&Run> {
        self.run.as_ref()
    }

    /// Whether bodies are gone that no event has accounted for yet.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        !self.gone.is_empty()
    }

    /// The run; `None` where there were no rows.
    ///
    /// # Errors
    /// Where bodies are gone and no event accounts for them.
    pub fn end(self, run: i64) -> Result<Option<Run>, Broken> {
        if self.is_open() { Err(self.unannounced(run)) } else { Ok(self.run) }
    }

    fn unannounced(&self, run: i64) -> Broken {
        let (seq, run_seq) = self.gone.first().copied().unwrap_or_default();
        Broken::Unannounced { seq, run, run_seq }
    }
}

/// Folds a run's rows, in order. `None` where there are none.
///
/// # Errors
/// The first row that does not fit.
pub fn replay<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Result<Option<Run>, Broken> {
    let (mut fold, mut number) = (Fold::default(), 0);
    for row in rows {
        fold.row(row)?;
        number = row.run;
    }
    fold.end(number)
}

/// What is left of a compacted run.
#[derive(Debug)]
pub struct Left {
    pub run: Run,
    /// The completed phases that are left: the run as each left it, the event, its place in the
    /// journal.
    pub phases: Vec<(Run, Event, u64)>,
}

/// Folds a compacted run's rows, in order, the one that says so the last.
///
/// # Errors
/// The first row that does not fit.
pub fn left<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Result<Option<Left>, Broken> {
    let (mut fold, mut number, mut phases) = (Fold::default(), 0, Vec::new());
    for row in rows {
        number = row.run;
        if let (Some(event), Some(run)) = (fold.row(row)?, fold.run())
            && matches!(event.fact, Fact::PhaseCompleted { .. })
        {
            phases.push((run.clone(), event, row.seq));
        }
    }
    let Some(run) = fold.end(number)? else { return Ok(None) };
    if let Some(compacted) = &run.compacted {
        for (then, _, _) in &mut phases {
            // Between events that are gone nothing tells it but the end.
            let revision = then.revision.saturating_sub(1) as usize;
            then.outcome = compacted.outcomes.get(revision).copied();
        }
    }
    Ok(Some(Left { run, phases }))
}
