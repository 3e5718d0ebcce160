//! Replay: from stored rows back to a run, refusing whatever does not fit, by name.

use super::{
    apply::{IllegalEvent, apply},
    chain,
    event::{DecodeError, Event},
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
    /// The stored UTF-8 bytes of the event.
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
    #[error("row {seq} (r{run}): {source}")]
    Illegal { seq: u64, run: i64, source: IllegalEvent },
}

/// Decodes a row and checks it against the run's hash chain.
///
/// # Errors
/// A gap, a broken hash, an unknown version or malformed bytes.
pub fn check(row: &Row, run_seq: u64, head: &Digest) -> Result<Event, Broken> {
    let Row { seq, run, .. } = *row;
    let expected = run_seq + 1;
    if row.run_seq != expected {
        return Err(Broken::Gap { seq, run, expected, found: row.run_seq });
    }
    if chain::event_hash(head, row.event.as_bytes()) != row.event_hash {
        return Err(Broken::Hash { seq, run, run_seq: row.run_seq });
    }
    let run_seq = row.run_seq;
    Event::decode(&row.event).map_err(|source| Broken::Decode { seq, run, run_seq, source })
}

/// Folds a run's rows, in order. `None` where there are none.
///
/// # Errors
/// The first row that does not fit.
pub fn replay<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Result<Option<Run>, Broken> {
    let mut run: Option<Run> = None;
    for row in rows {
        let (seq, head) = run.as_ref().map_or((0, Digest::ZERO), |run| (run.seq, run.head));
        let event = check(row, seq, &head)?;
        let folded = apply(run, &event, row.event_hash);
        run = Some(folded.map_err(|source| Broken::Illegal {
            seq: row.seq,
            run: row.run,
            source,
        })?);
    }
    Ok(run)
}
