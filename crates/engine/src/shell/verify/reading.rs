//! Reading and decoding the journal ahead of whoever verifies it: half of the work, on a thread of
//! its own.

use super::{Error, Reader};
use crate::journal::{Event, event::DecodeError, replay::Row};
use std::{sync::mpsc, thread};

const CHUNK: u32 = 1_000;

/// Chunks that are read ahead: what is kept in memory does not grow with the journal.
const AHEAD: usize = 4;

/// What a row's bytes say.
pub(super) type Decoded = Result<Event, DecodeError>;

type Chunk = Result<Vec<(Row, Decoded)>, Error>;

/// Hands every row up to `until` to `take`, in order.
///
/// # Errors
/// Where the journal cannot be read, and what `take` ends with.
pub(super) fn ahead(
    reader: Reader,
    until: u64,
    mut take: impl FnMut(&Row, Decoded) -> Result<(), Error>,
) -> Result<(), Error> {
    let (sender, chunks) = mpsc::sync_channel::<Chunk>(AHEAD);
    thread::scope(|scope| {
        scope.spawn(move || read(&reader, until, &sender));
        // Dropped where `take` fails, which ends the reading.
        for chunk in chunks {
            for (row, event) in chunk? {
                take(&row, event)?;
            }
        }
        Ok(())
    })
}

fn read(reader: &Reader, until: u64, sender: &mpsc::SyncSender<Chunk>) {
    let mut seq = 0;
    loop {
        let rows = match reader.rows(None, seq, CHUNK) {
            Ok(rows) => rows,
            Err(error) => {
                let _ = sender.send(Err(error));
                return;
            }
        };
        let before = seq;
        // In a damaged tree the rows after the last one may be rows before it.
        seq = rows.iter().map(|row| row.seq).fold(seq, u64::max);
        let rows = rows.into_iter().take_while(|row| row.seq <= until);
        let decoded: Vec<_> = rows
            .map(|row| {
                let event = Event::decode(&row.event);
                (row, event)
            })
            .collect();
        if sender.send(Ok(decoded)).is_err() || seq == before {
            return;
        }
    }
}
