//! Comparing the trail with the journal: every hash recomputed from what the server holds, every
//! difference named.
//!
//! Goes through both in order, a page at a time. What it keeps in memory are the digests of
//! artifacts and the places of records, not the events.

use super::{
    history::HistoryRow,
    read::{HeldEvent, HeldJournal},
};
use crate::adapters::mssql;
use kaizen_engine::{
    digest::Digest,
    error::{Class, Classified},
    journal::{Event, Fact, Phase, Timestamp, chain, replay::Row, retention},
    shell::{self, Reader, verify::Difference},
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

/// Rows of the journal, and runs of the history, looked at together.
const PAGE: u32 = 500;

/// A host may be as much ahead of the server's clock before it is worth a warning.
const SKEW: Duration = Duration::from_secs(60);

/// Why the trail could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Server(#[from] mssql::Error),
    #[error(transparent)]
    Journal(#[from] shell::Error),
}

impl Classified for Error {
    fn class(&self) -> Class {
        match self {
            Error::Server(error) => error.class(),
            Error::Journal(error) => error.class(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Server(error) => error.code(),
            Error::Journal(error) => error.code(),
        }
    }
}

/// What the trail corroborates.
#[derive(Debug, Clone, Default)]
pub struct TrailReport {
    /// Events that it holds of this journal.
    pub events: u64,
    /// It holds the journal up to here, hash by hash.
    pub anchored: u64,
    pub artifacts: u64,
    /// History rows.
    pub history: u64,
    pub differences: Vec<Difference>,
    pub warnings: Vec<String>,
}

struct Comparison<'a> {
    reader: &'a Reader,
    only: Option<i64>,
    /// How far the trail has acknowledged.
    acknowledged: u64,
    /// Where both ended when this began.
    their_end: u64,
    our_end: u64,
    report: TrailReport,
    /// The trail's last journal hash so far, as it follows from its own rows.
    head: Digest,
    /// The last event hash of each run under way, by the journal.
    heads: BTreeMap<i64, Digest>,
    /// Whether each place so far was the same in both.
    same: bool,
    /// Events that something was told of.
    told: BTreeSet<u64>,
    /// Events in which the two differ: the hash in the journal, and in the trail.
    edited: Vec<(u64, i64, String, String, String)>,
    named: BTreeSet<Digest>,
    /// Records that the trail holds the event of: the run and the place.
    records: Vec<(i64, u64)>,
    ahead: Duration,
    /// Events that are in one of the two only, one after the other.
    lone: Option<Lone>,
}

/// A row of events that only one of the two has.
struct Lone {
    store: &'static str,
    kind: &'static str,
    detail: &'static str,
    run: i64,
    /// The first, for people.
    at: String,
    from: u64,
    to: u64,
}

/// Compares everything that `held` has of the journal, or what concerns one run.
///
/// # Errors
/// Where the server or the journal cannot be read at all.
pub async fn verify(
    held: &mut HeldJournal<'_>,
    reader: &Reader,
    only: Option<i64>,
) -> Result<TrailReport, Error> {
    // The trail's end first: what it holds by then the journal has, too. What either gets meanwhile
    // is not looked at.
    let their_end = held.end().await?;
    let mut comparison = Comparison {
        reader,
        only,
        acknowledged: 0,
        their_end,
        our_end: reader.events()?,
        report: TrailReport::default(),
        head: Digest::ZERO,
        heads: BTreeMap::new(),
        same: true,
        told: BTreeSet::new(),
        edited: Vec::new(),
        named: BTreeSet::new(),
        records: Vec::new(),
        ahead: Duration::ZERO,
        lone: None,
    };
    comparison.identity(held).await?;
    comparison.events(held).await?;
    comparison.tell_lone();
    comparison.tell_edited();
    comparison.artifacts(held).await?;
    comparison.history(held).await?;
    if comparison.ahead > SKEW {
        let ahead = comparison.ahead.as_secs();
        comparison.report.warnings.push(format!(
            "this host's clock was up to {ahead} s ahead of SQL Server's: order is by sequence, not \
             by time"
        ));
    }
    Ok(comparison.report)
}

impl Comparison<'_> {
    /// Whether it is the trail that acknowledged, and this journal's alone.
    async fn identity(&mut self, held: &mut HeldJournal<'_>) -> Result<(), Error> {
        let ids = held.identities().await?;
        let place = held.place().to_owned();
        let at = || format!("the trail at {place}");
        let [trail] = ids.as_slice() else {
            let detail = format!("it has {} identities, and must have one", ids.len());
            self.differs("sqlserver", "edited", at(), &detail, 0);
            return Ok(());
        };
        self.acknowledged = self.reader.delivery(trail)?.map_or(0, |known| known.seq);
        for before in self.reader.replaced(trail, &place)? {
            let detail = format!(
                "it is another than the one that acknowledged {} events: that one is gone",
                before.seq
            );
            self.differs("sqlserver", "truncated", at(), &detail, 0);
        }
        for stranger in held.strangers().await? {
            let at = format!("the journal {stranger}");
            self.differs("sqlserver", "extra", at, "it has rows and never announced itself", 0);
        }
        let first = self.reader.rows(None, 0, 1)?.into_iter().next();
        let run_id = first.map(|row| self.reader.run_id(row.run)).transpose()?;
        if let Some(run_id) = run_id.and_then(|id| id.parse().ok()) {
            for twin in held.twins(run_id).await? {
                let detail =
                    "it holds a run of this journal: one of the two was made from the other";
                self.differs("journal", "edited", format!("the journal {twin}"), detail, 0);
            }
        }
        Ok(())
    }

    async fn events(&mut self, held: &mut HeldJournal<'_>) -> Result<(), Error> {
        let (mut theirs, mut ours) = (VecDeque::new(), VecDeque::new());
        let (mut their_last, mut our_last) = (0, 0);
        let (mut they_end, mut we_end) = (false, false);
        loop {
            if theirs.is_empty() && !they_end {
                let mut page = held.events(their_last).await?;
                they_end = page.last().is_none_or(|last| last.seq >= self.their_end);
                page.retain(|event| event.seq <= self.their_end);
                theirs = page.into();
                their_last = theirs.back().map_or(their_last, |last: &HeldEvent| last.seq);
            }
            if ours.is_empty() && !we_end {
                let mut page = self.reader.rows(None, our_last, PAGE)?;
                we_end = page.last().is_none_or(|last| last.seq >= self.our_end);
                page.retain(|row| row.seq <= self.our_end);
                ours = page.into();
                our_last = ours.back().map_or(our_last, |last: &Row| last.seq);
            }
            match (theirs.front(), ours.front()) {
                (None, None) => return Ok(()),
                (Some(their), Some(our)) if their.seq == our.seq => {
                    self.both(their, our);
                    theirs.pop_front();
                    ours.pop_front();
                }
                (Some(their), Some(our)) if their.seq < our.seq => {
                    self.theirs(their, our_last);
                    theirs.pop_front();
                }
                (Some(their), None) => {
                    self.theirs(their, our_last);
                    theirs.pop_front();
                }
                (later, Some(our)) => {
                    let later = later.is_some();
                    self.ours(our, later);
                    ours.pop_front();
                }
            }
        }
    }

    /// The same place in both.
    fn both(&mut self, their: &HeldEvent, our: &Row) {
        self.report.events += 1;
        let before = self.heads.insert(our.run, our.event_hash).unwrap_or(Digest::ZERO);
        let chained = self.follows(their);
        let mut differs = Vec::new();
        if their.event_hash != our.event_hash.to_string() {
            differs.push("event_hash");
        }
        if their.journal_hash != our.journal_hash.to_string() {
            differs.push("journal_hash");
        }
        if (their.run, their.run_seq) != (our.run, our.run_seq) {
            differs.push("run");
        }
        if self.reader.run_id(our.run).is_ok_and(|id| id != their.run_id.to_string()) {
            differs.push("run_id");
        }
        // What retention took here may be there still, or have gone before it was shipped.
        let hashed = chain::event_hash(&before, their.event.as_bytes()) == our.event_hash;
        let bare = [&their.actor, &their.kind, &their.phase].iter().all(|column| column.is_none())
            && their.happened_at.is_none();
        let shipped_bare = our.is_pruned() && their.event.is_empty() && bare;
        if !hashed && !shipped_bare {
            differs.push("event");
        }
        let event = Event::decode(&their.event).ok();
        if let Some(event) = &event {
            differs.extend(columns(their, event));
            retention::artifacts(&event.fact, &mut self.named);
        }
        if let (Some(host), Some(server)) = (their.happened_at, their.received_at) {
            self.ahead = self.ahead.max(host.since(server));
        }
        if differs.is_empty() {
            if is_record(event.as_ref().map(|event| &event.fact)) {
                self.records.push((our.run, our.seq));
            }
            if self.same && chained {
                self.report.anchored = our.seq;
            }
            return;
        }
        self.same = false;
        self.told.insert(our.seq);
        let (ours, theirs) = (our.event_hash.to_string(), their.event_hash.clone());
        self.edited.push((our.seq, our.run, ours, theirs, differs.join(", ")));
    }

    /// Whether the trail's own chain leads to this event.
    fn follows(&mut self, their: &HeldEvent) -> bool {
        let said = their.event_hash.parse().unwrap_or_default();
        let chained = chain::journal_hash(&self.head, &said).to_string() == their.journal_hash;
        self.head = their.journal_hash.parse().unwrap_or_default();
        chained
    }

    /// Only in the trail.
    fn theirs(&mut self, their: &HeldEvent, our_last: u64) {
        self.report.events += 1;
        let chained = self.follows(their);
        self.told.insert(their.seq);
        let at = format!("event {} (r{} event {})", their.seq, their.run, their.run_seq);
        let (store, kind, detail) = if their.seq <= our_last {
            ("journal", "missing", "in the trail, and not in the journal")
        } else if chained && self.same {
            let detail = "the trail goes on where the journal ends: it was cut off, or restored from \
                          an old backup";
            ("journal", "truncated", detail)
        } else {
            ("sqlserver", "extra", "nothing in the journal leads there")
        };
        self.same = self.same && store == "journal";
        self.lone(Lone { store, kind, detail, run: their.run, at, from: their.seq, to: their.seq });
    }

    /// Only in the journal; `later`: the trail has events after it.
    fn ours(&mut self, our: &Row, later: bool) {
        self.heads.insert(our.run, our.event_hash);
        let at = format!("event {} (r{} event {})", our.seq, our.run, our.run_seq);
        let (kind, detail) = if later {
            self.same = false;
            ("missing", "gone from the trail, which goes on after it")
        } else if our.seq <= self.acknowledged {
            ("truncated", "acknowledged once, and the trail ends before it")
        } else {
            // Not shipped yet.
            return;
        };
        let store = "sqlserver";
        self.lone(Lone { store, kind, detail, run: our.run, at, from: our.seq, to: our.seq });
    }

    fn lone(&mut self, lone: Lone) {
        if self.only.is_some_and(|only| only != lone.run) {
            return;
        }
        if let Some(before) = &mut self.lone
            && (before.store, before.kind, before.to + 1) == (lone.store, lone.kind, lone.from)
        {
            before.to = lone.to;
            return;
        }
        self.tell_lone();
        self.lone = Some(lone);
    }

    fn tell_lone(&mut self) {
        let Some(Lone { store, kind, detail, at, from, to, .. }) = self.lone.take() else { return };
        let at = if from == to { at } else { format!("events {from} to {to}") };
        self.differs(store, kind, at, detail, 0);
    }

    /// Tells of places that differ: exchanged for one another, or edited.
    fn tell_edited(&mut self) {
        let edited = std::mem::take(&mut self.edited);
        let homes: BTreeMap<&str, u64> =
            edited.iter().map(|(seq, _, ours, ..)| (ours.as_str(), *seq)).collect();
        let told = edited.iter().map(|(seq, run, ours, theirs, differs)| {
            let home = homes.get(theirs.as_str()).filter(|_| ours != theirs);
            match home {
                Some(home) => {
                    (*seq, *run, "out_of_order", format!("event {home} of the journal stands here"))
                }
                None => (*seq, *run, "edited", format!("it differs from the journal in {differs}")),
            }
        });
        for (seq, run, kind, detail) in told.collect::<Vec<_>>() {
            self.differs("sqlserver", kind, format!("event {seq} (r{run})"), &detail, run);
        }
    }

    async fn artifacts(&mut self, held: &mut HeldJournal<'_>) -> Result<(), Error> {
        let mut after = String::new();
        loop {
            let page = held.artifacts(&after).await?;
            let Some((last, _)) = page.last() else { break };
            after.clone_from(last);
            for (digest, content) in page {
                self.report.artifacts += 1;
                let made = Digest::of(&[&content]);
                let at = format!("artifact {}", digest.get(..12).unwrap_or(&digest));
                if made.to_string() != digest {
                    self.differs(
                        "sqlserver",
                        "edited",
                        at,
                        "its bytes are not those of its digest",
                        0,
                    );
                }
                if let Ok(digest) = digest.parse() {
                    self.named.remove(&digest);
                }
            }
        }
        if self.only.is_none() {
            for digest in std::mem::take(&mut self.named) {
                let at = format!("artifact {}", digest.short());
                self.differs("sqlserver", "missing", at, "events of the trail name it", 0);
            }
        }
        Ok(())
    }

    async fn history(&mut self, held: &mut HeldJournal<'_>) -> Result<(), Error> {
        let records = std::mem::take(&mut self.records);
        let mut expected: BTreeMap<i64, Vec<u64>> = BTreeMap::new();
        for (run, seq) in records {
            expected.entry(run).or_default().push(seq);
        }
        let last = expected.last_key_value().map_or(0, |(run, _)| *run);
        let mut after = i64::MIN;
        while after < i64::MAX {
            // Rows of runs that the journal does not know are looked for, too.
            let until = match after.max(0) + i64::from(PAGE) {
                until if until >= last => i64::MAX,
                until => until,
            };
            let mut found: BTreeMap<(i64, i32), HistoryRow> = BTreeMap::new();
            for row in held.history(after, until).await? {
                self.report.history += 1;
                found.insert((row.run, row.revision), row);
            }
            let from = std::ops::Bound::Excluded(after);
            let to = std::ops::Bound::Included(until);
            for (run, seqs) in expected.range((from, to)) {
                for seq in seqs {
                    self.record(*run, *seq, &mut found);
                }
            }
            for ((run, _), row) in found {
                // What came after both ends, or stands for an event that was told of.
                if row.seq > self.their_end || self.told.contains(&row.seq) {
                    continue;
                }
                let at = format!("the history row of r{run} revision {}", row.revision);
                self.differs("sqlserver", "extra", at, "no record of the trail stands for it", run);
            }
            after = until;
        }
        Ok(())
    }

    fn record(&mut self, run: i64, seq: u64, found: &mut BTreeMap<(i64, i32), HistoryRow>) {
        let made = match self.made(run, seq) {
            Ok(Some(made)) => made,
            Ok(None) => return,
            // The journal's own damage is told by its own verification.
            Err(error) => {
                let warning = format!("the history row of r{run} could not be compared: {error}");
                return self.report.warnings.push(warning);
            }
        };
        let at = format!("the history row of r{run} revision {}", made.revision);
        match found.remove(&(run, made.revision)) {
            None => self.differs("sqlserver", "missing", at, "it is gone from the trail", run),
            Some(found) => {
                let differs = made.differences(&found);
                if !differs.is_empty() {
                    let what = differs.join(", ");
                    let detail = format!("it differs from the run's record in {what}");
                    self.differs("sqlserver", "edited", at, &detail, run);
                }
            }
        }
    }

    fn made(&self, run: i64, seq: u64) -> Result<Option<HistoryRow>, shell::Error> {
        let Some(row) = self.reader.rows(None, seq - 1, 1)?.into_iter().next() else {
            return Ok(None);
        };
        HistoryRow::of(self.reader, run, seq, &Event::decode(&row.event)?)
    }

    fn differs(
        &mut self,
        store: &'static str,
        kind: &'static str,
        at: String,
        detail: &str,
        run: i64,
    ) {
        if self.only.is_none_or(|only| run == 0 || run == only) {
            let detail = detail.to_owned();
            self.report.differences.push(Difference { store, kind, at, detail });
        }
    }
}

/// Columns that do not say what the event says.
fn columns(their: &HeldEvent, event: &Event) -> Vec<&'static str> {
    let phase = event.fact.phase().map(|phase| phase.to_string());
    let year_0 = event.at < YEAR_1;
    let columns = [
        ("happened_at", their.happened_at == Some(event.at).filter(|_| !year_0)),
        ("actor", their.actor.as_deref() == Some(&event.actor)),
        ("kind", their.kind.as_deref() == Some(event.fact.kind())),
        ("phase", their.phase == phase),
    ];
    columns.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
}

/// 0001-01-01, where `datetime2` begins.
const YEAR_1: Timestamp = Timestamp(-62_135_596_800_000_000);

fn is_record(fact: Option<&Fact>) -> bool {
    matches!(fact, Some(Fact::PhaseCompleted { phase: Phase::RecordProvenance, .. }))
}
