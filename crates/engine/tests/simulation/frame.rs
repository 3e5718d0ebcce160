//! What the simulated disk holds: one frame a transaction, each sealed by a chain of its own (what
//! SQLite's checksums are to its log), and the ways in which a crash leaves the last one torn.

use super::rng::Rng;
use kaizen_engine::{
    digest::Digest,
    journal::{chain, replay::Row},
};
use serde::{Deserialize, Serialize};

/// One line of a transaction: the tables of the journal, in small.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Change {
    Event(StoredEvent),
    Lease { run: i64, owner: Option<String>, epoch: u64 },
    Target { target: String, run: Option<i64>, epoch: u64 },
    Asked { id: usize, run: i64, actor: String, command: String },
    Answered { id: usize, answer: String },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredEvent {
    pub seq: u64,
    pub run: i64,
    pub run_seq: u64,
    pub prev: Option<u64>,
    pub epoch: u64,
    pub event: String,
    pub event_hash: Digest,
    pub journal_hash: Digest,
}

impl StoredEvent {
    pub fn row(&self) -> Row {
        Row {
            seq: self.seq,
            run: self.run,
            run_seq: self.run_seq,
            prev: self.prev,
            event: self.event.clone(),
            event_hash: self.event_hash,
            journal_hash: self.journal_hash,
        }
    }
}

/// How the last frame looks after a crash in the middle of writing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tear {
    /// Its end is missing.
    Cut,
    /// A byte of it is another one.
    Garbled,
    /// A byte of an event is another one and the seal fits all the same: only the journal's own
    /// chains can tell.
    Unsealed,
}

const LENGTH: usize = 8;
const SEAL: usize = 32;

/// The bytes of a frame, and the seal that the next one follows.
pub fn encode(previous: &Digest, changes: &[Change]) -> (Vec<u8>, Digest) {
    let body = serde_json::to_vec(changes).unwrap();
    let seal = chain::journal_hash(previous, &Digest::of(&[&body]));
    let mut bytes = format!("{:08x}", body.len()).into_bytes();
    bytes.extend_from_slice(&body);
    bytes.extend_from_slice(&seal.0);
    (bytes, seal)
}

/// A frame that was read.
pub struct Frame {
    pub changes: Vec<Change>,
    pub end: usize,
    pub seal: Digest,
}

/// The frame that begins at `at`; `None` at the end.
pub fn decode(bytes: &[u8], at: usize, previous: &Digest) -> Result<Option<Frame>, String> {
    let rest = bytes.get(at..).ok_or("it was there before, and is gone")?;
    if rest.is_empty() {
        return Ok(None);
    }
    let text = rest.get(..LENGTH).and_then(|text| std::str::from_utf8(text).ok());
    let length = text.and_then(|text| usize::from_str_radix(text, 16).ok());
    // Exactly as it is written: `A` for `a` is a garbled length too.
    let length = length.filter(|length| text == Some(&*format!("{length:08x}")));
    let length = length.ok_or("its length cannot be read")?;
    let body = rest.get(LENGTH..LENGTH.saturating_add(length)).ok_or("it is cut")?;
    let seal = rest.get(LENGTH + length..LENGTH + length + SEAL).ok_or("its seal is cut")?;
    let expected = chain::journal_hash(previous, &Digest::of(&[body]));
    if seal != expected.0 {
        return Err("its seal does not fit".to_owned());
    }
    let changes = serde_json::from_slice(body).map_err(|e| format!("it cannot be read: {e}"))?;
    Ok(Some(Frame { changes, end: at + LENGTH + length + SEAL, seal: expected }))
}

/// What a crash left of a frame; the kind of tear that it became.
pub fn tear(previous: &Digest, changes: &[Change], tear: Tear, rng: &mut Rng) -> (Vec<u8>, Tear) {
    let (mut whole, _) = encode(previous, changes);
    match tear {
        Tear::Cut => {
            whole.truncate(1 + rng.index(whole.len() - 1));
            (whole, Tear::Cut)
        }
        Tear::Garbled => {
            let at = rng.index(whole.len());
            whole[at] ^= 1 << rng.below(8);
            (whole, Tear::Garbled)
        }
        Tear::Unsealed => {
            let mut changes = changes.to_vec();
            let events = changes.iter_mut().filter_map(|change| match change {
                Change::Event(event) => Some(event),
                Change::Lease { .. }
                | Change::Target { .. }
                | Change::Asked { .. }
                | Change::Answered { .. } => None,
            });
            let Some(event) = events.last() else {
                return self::tear(previous, &changes, Tear::Garbled, rng);
            };
            garble(&mut event.event, rng);
            (encode(previous, &changes).0, Tear::Unsealed)
        }
    }
}

/// One character of the text becomes another one.
fn garble(text: &mut String, rng: &mut Rng) {
    let ascii: Vec<usize> =
        text.char_indices().filter(|(_, c)| c.is_ascii()).map(|c| c.0).collect();
    let at = rng.pick(&ascii);
    let new = if &text[at..=at] == "x" { "y" } else { "x" };
    text.replace_range(at..=at, new);
}
