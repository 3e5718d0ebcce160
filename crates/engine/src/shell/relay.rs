//! The relay: ships the journal, event by event in its order, to a trail outside this host.
//!
//! It knows no database but the journal: what keeps the trail is a [`Sink`]. Delivery is a cursor
//! beside the events, not an event. Nothing is skipped, and nothing that was acknowledged is sent
//! again unless somebody says so: a trail that has lost rows is evidence.

use super::{error::Error, reader::Reader, store::Store, turnstile::beside};
use crate::{
    digest::Digest,
    error::{Class, Classified},
    journal::{Event, Timestamp, replay::Row, retention},
    step::StepError,
};
use async_trait::async_trait;
use std::{
    collections::{BTreeSet, HashSet},
    fs::{File, TryLockError},
    path::Path,
    time::Instant,
};
use uuid::Uuid;

/// Events in one batch, which is one transaction of the sink.
const BATCH: u32 = 5_000;

/// The same where somebody waits: each batch that arrives is progress.
const SMALL_BATCH: u32 = 500;

/// Bytes of events and artifacts after which a batch is full.
const BATCH_BYTES: usize = 16 << 20;

/// Artifacts that one relay remembers having shipped.
const REMEMBERED: usize = 100_000;

/// Where a trail is kept.
#[async_trait]
pub trait Sink: Send {
    /// Which trail it is, and how far it holds this journal.
    async fn end(&mut self, journal: Uuid) -> Result<End, SinkError>;
    /// The journal's hash at an event that the trail holds.
    async fn hash_at(&mut self, journal: Uuid, seq: u64) -> Result<Option<Digest>, SinkError>;
    /// Stores the whole batch, durably, or nothing of it. What is there already stays as it is, and
    /// where it is not the same that is [`SinkError::Forged`].
    async fn ship(&mut self, batch: &Batch) -> Result<(), SinkError>;
}

/// How far a trail holds a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// The trail's own identity.
    pub trail: String,
    /// Where it is, for people; no secret.
    pub place: String,
    pub last: Option<(u64, Digest)>,
}

/// What is shipped at once.
#[derive(Debug)]
pub struct Batch {
    pub journal: Uuid,
    /// The event before the first, as the journal has it; `None`: there is none.
    pub after: Option<(u64, Digest)>,
    pub shipments: Vec<Shipment>,
    /// Payloads that they name.
    pub artifacts: Vec<(Digest, Vec<u8>)>,
}

/// An event on its way.
#[derive(Debug)]
pub struct Shipment {
    pub row: Row,
    pub run_id: Uuid,
    /// `None` where retention took its body.
    pub event: Option<Event>,
}

/// Why a sink did not take a batch.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SinkError {
    /// It may work later.
    #[error("{0}")]
    Away(String),
    /// A person must mend something: a login, a permission, a schema.
    #[error("{message}")]
    Refused { code: &'static str, message: String },
    /// Something in the batch cannot be stored: in smaller batches it will be found.
    #[error("a batch cannot be stored: {0}")]
    Rejected(String),
    /// This very event cannot be stored.
    #[error("event {seq} cannot be stored: {why}")]
    Poison { seq: u64, why: String },
    /// The trail holds another event in its place.
    #[error("event {seq} is in the trail with other contents: {why}")]
    Forged { seq: u64, why: String },
    /// It was acknowledged once, and is not there any more.
    #[error("events {from} to {to} were acknowledged and are gone from the trail")]
    Cut { from: u64, to: u64 },
    /// Another trail than the one that acknowledged so much.
    #[error(
        "another trail answers at {place}: the one that was there had acknowledged {acknowledged} \
         events of this journal"
    )]
    Replaced { place: String, acknowledged: u64 },
    /// The trail goes on where the journal ends.
    #[error(
        "the trail holds {trail} events of this journal, which has but {journal}: it was restored \
         from an old backup, or cut off"
    )]
    Ahead { trail: u64, journal: u64 },
}

impl Classified for SinkError {
    fn class(&self) -> Class {
        match self {
            SinkError::Away(_) => Class::Retry,
            SinkError::Refused { .. }
            | SinkError::Rejected(_)
            | SinkError::Poison { .. }
            | SinkError::Forged { .. }
            | SinkError::Cut { .. }
            | SinkError::Replaced { .. }
            | SinkError::Ahead { .. } => Class::Operator,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            SinkError::Away(_) => "sqlserver_away",
            SinkError::Refused { code, .. } => code,
            SinkError::Rejected(_) | SinkError::Poison { .. } => "provenance_poison",
            SinkError::Forged { .. } => "provenance_forged",
            SinkError::Cut { .. } => "provenance_cut",
            SinkError::Replaced { .. } => "provenance_replaced",
            SinkError::Ahead { .. } => "provenance_ahead",
        }
    }
}

/// Why shipping stopped.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    #[error(transparent)]
    Journal(#[from] Error),
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error("another process ships this journal right now")]
    Elsewhere,
}

impl Classified for RelayError {
    fn class(&self) -> Class {
        match self {
            RelayError::Journal(error) => error.class(),
            RelayError::Sink(error) => error.class(),
            RelayError::Elsewhere => Class::Retry,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            RelayError::Journal(error) => error.code(),
            RelayError::Sink(error) => error.code(),
            RelayError::Elsewhere => "provenance_elsewhere",
        }
    }
}

/// How far a trail has been shipped, as the journal remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub trail: String,
    pub place: String,
    /// The last event that was acknowledged; 0: none.
    pub seq: u64,
    pub journal_hash: Digest,
    /// When that was, or when it stopped.
    pub at: Timestamp,
    pub stopped: Option<String>,
}

/// What one shipping came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shipped {
    pub trail: String,
    /// Events that were sent now.
    pub events: u64,
    /// The last event that the trail has acknowledged.
    pub seq: u64,
    /// Events that are yet to be sent.
    pub lag: u64,
}

/// How much to ship.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// No new batch is begun after this.
    pub deadline: Option<Instant>,
    /// Send again what was acknowledged and is gone.
    pub resend: bool,
}

/// What must hold every event before anything outside is done
/// (`provenance.require = "before_effects"`).
#[async_trait]
pub trait Acknowledge: Send + Sync {
    /// Comes back once every event of the journal so far has been acknowledged.
    async fn caught_up(&self) -> Result<(), StepError>;
}

/// Ships one journal to one sink.
pub struct Relay<S> {
    store: Store,
    reader: Reader,
    journal: Uuid,
    sink: S,
    /// Held while it ships: one process at a time.
    lock: File,
    sent: HashSet<Digest>,
}

impl<S: Sink> Relay<S> {
    /// A relay for the journal at `path`, which `store` writes.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn new(store: Store, path: &Path, sink: S) -> Result<Relay<S>, Error> {
        let reader = Reader::open(path)?;
        let journal = reader.journal_id()?;
        let lock = beside(path, "relay")?;
        Ok(Relay { store, reader, journal, sink, lock, sent: HashSet::new() })
    }

    /// Ships what the trail has not got yet.
    ///
    /// # Errors
    /// Where the trail is away, refuses, or is not what was sent to it. What was shipped by then
    /// stays, and the journal remembers why it went no further.
    pub async fn ship(&mut self, limits: Limits) -> Result<Shipped, RelayError> {
        match self.lock.try_lock() {
            Ok(()) => (),
            Err(TryLockError::WouldBlock) => return Err(RelayError::Elsewhere),
            Err(TryLockError::Error(error)) => return Err(Error::Unlockable(error).into()),
        }
        let outcome = self.all(limits).await;
        // A lock that stays is let go with the process.
        let _ = self.lock.unlock();
        outcome
    }

    async fn all(&mut self, limits: Limits) -> Result<Shipped, RelayError> {
        let end = self.sink.end(self.journal).await?;
        let (trail, place) = (end.trail.clone(), end.place.clone());
        let known = self.reader.delivery(&trail)?;
        let others = self.reader.replaced(&trail, &place)?;
        if let Some(before) = others.first()
            && !limits.resend
        {
            let acknowledged = before.seq;
            return Err(SinkError::Replaced { place, acknowledged }.into());
        }
        let mut at = match self.begin(&end, known.as_ref(), limits).await {
            Ok(at) => at,
            Err(error) => return Err(self.stopped(&trail, &place, known.as_ref(), error).await),
        };
        let mut shipped = Shipped { trail: trail.clone(), events: 0, seq: at.0, lag: 0 };
        let news = known.as_ref().is_none_or(|k| k.seq != at.0 || k.stopped.is_some());
        if news && !limits.resend {
            self.delivered(&trail, &place, at, None).await?;
        }
        // What was rejected is looked for in halves; up to here.
        let most = if limits.deadline.is_some() { SMALL_BATCH } else { BATCH };
        let (mut size, mut rejected) = (most, 0);
        loop {
            shipped.lag = self.reader.events()?.saturating_sub(shipped.seq);
            let late = limits.deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if shipped.lag == 0 || late {
                // Whoever asked to send again has accepted that the one before is gone.
                for before in others {
                    self.store.write(move |tx| tx.forget_delivery(&before.trail)).await?;
                }
                return Ok(shipped);
            }
            if at.0 >= rejected {
                size = most;
            }
            let batch = match self.batch(at, size) {
                Ok(batch) => batch,
                Err(error) => {
                    let known = self.reader.delivery(&trail)?;
                    return Err(self.stopped(&trail, &place, known.as_ref(), error).await);
                }
            };
            let Some(last) = batch.shipments.last() else { return Ok(shipped) };
            let (count, to) = (batch.shipments.len(), (last.row.seq, last.row.journal_hash));
            match self.sink.ship(&batch).await {
                Ok(()) => (),
                Err(SinkError::Rejected(_)) if count > 1 => {
                    size = u32::try_from(count / 2).unwrap_or(1);
                    rejected = rejected.max(to.0);
                    continue;
                }
                Err(error) => {
                    let error = match error {
                        SinkError::Rejected(why) => SinkError::Poison { seq: to.0, why },
                        other => other,
                    };
                    let known = self.reader.delivery(&trail)?;
                    return Err(self.stopped(&trail, &place, known.as_ref(), error.into()).await);
                }
            }
            self.remember(&batch);
            self.delivered(&trail, &place, to, None).await?;
            at = to;
            (shipped.seq, shipped.events) = (to.0, shipped.events + count as u64);
        }
    }

    /// Where to go on: the trail's own end, where it is the journal's.
    async fn begin(
        &mut self,
        end: &End,
        known: Option<&Delivery>,
        limits: Limits,
    ) -> Result<(u64, Digest), RelayError> {
        let acknowledged = known.map_or(0, |known| known.seq);
        let (seq, hash) = end.last.unwrap_or((0, Digest::ZERO));
        let events = self.reader.events()?;
        if seq > events {
            return Err(SinkError::Ahead { trail: seq, journal: events }.into());
        }
        if seq > 0 && self.reader.journal_hash(seq)? != Some(hash) {
            let why = self.fork(seq).await?;
            return Err(SinkError::Forged { seq: why, why: FORKED.to_owned() }.into());
        }
        if limits.resend {
            return Ok((0, Digest::ZERO));
        }
        if seq < acknowledged {
            return Err(SinkError::Cut { from: seq + 1, to: acknowledged }.into());
        }
        Ok((seq, hash))
    }

    /// The first event, up to `seq`, at which the trail's chain is not the journal's.
    async fn fork(&mut self, seq: u64) -> Result<u64, RelayError> {
        // Chains that differ at one place differ at every later one.
        let (mut same, mut other) = (0, seq);
        while other - same > 1 {
            let middle = same.midpoint(other);
            let theirs = self.sink.hash_at(self.journal, middle).await?;
            if theirs.is_some() && theirs == self.reader.journal_hash(middle)? {
                same = middle;
            } else {
                other = middle;
            }
        }
        Ok(other)
    }

    fn batch(&self, after: (u64, Digest), size: u32) -> Result<Batch, RelayError> {
        // Retention may take bodies and artifacts meanwhile.
        let _snapshot = self.reader.snapshot()?;
        let (mut shipments, mut artifacts) = (Vec::new(), Vec::new());
        let (mut bytes, mut named) = (0, BTreeSet::new());
        for (row, run_id) in self.reader.shipments(after.0, size)? {
            let expected = shipments.last().map_or(after.0, |last: &Shipment| last.row.seq) + 1;
            if row.seq != expected {
                let why = format!("row {expected} is gone from the journal");
                return Err(Error::Corrupt(why).into());
            }
            let event = match row.is_pruned() {
                true => None,
                false => Some(Event::decode(&row.event).map_err(Error::from)?),
            };
            bytes += row.event.len();
            let mut new = BTreeSet::new();
            if let Some(event) = &event {
                retention::artifacts(&event.fact, &mut new);
            }
            for digest in new {
                if !self.sent.contains(&digest) && named.insert(digest) {
                    let content = self.reader.artifact(&digest)?;
                    bytes += content.len();
                    artifacts.push((digest, content));
                }
            }
            shipments.push(Shipment { row, run_id, event });
            if bytes >= BATCH_BYTES {
                break;
            }
        }
        let after = (after.0 > 0).then_some(after);
        Ok(Batch { journal: self.journal, after, shipments, artifacts })
    }

    fn remember(&mut self, batch: &Batch) {
        if self.sent.len() + batch.artifacts.len() > REMEMBERED {
            self.sent.clear();
        }
        self.sent.extend(batch.artifacts.iter().map(|(digest, _)| *digest));
    }

    /// Remembers why it goes no further, where that is for a person to mend.
    async fn stopped(
        &mut self,
        trail: &str,
        place: &str,
        known: Option<&Delivery>,
        error: RelayError,
    ) -> RelayError {
        if error.class() == Class::Retry {
            return error;
        }
        let at = known.map_or((0, Digest::ZERO), |known| (known.seq, known.journal_hash));
        let why = Some(error.to_string());
        match self.delivered(trail, place, at, why).await {
            Ok(()) => error,
            Err(journal) => journal.into(),
        }
    }

    async fn delivered(
        &mut self,
        trail: &str,
        place: &str,
        (seq, journal_hash): (u64, Digest),
        stopped: Option<String>,
    ) -> Result<(), Error> {
        let (trail, place) = (trail.to_owned(), place.to_owned());
        self.store
            .write(move |tx| {
                let at = tx.now();
                tx.delivered(&Delivery { trail, place, seq, journal_hash, at, stopped })
            })
            .await
    }
}

const FORKED: &str = "its journal hash there is not the journal's";
