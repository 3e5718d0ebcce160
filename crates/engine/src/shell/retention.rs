//! Retention: taking bodies out of runs that ended long ago, and artifacts that nothing names any
//! more. What stays says so, and is proven to fold to the same run before anything is committed.

use super::{
    connection,
    error::Error,
    reader::{self, Reader},
    store::Store,
    transition::{Tx, signed},
};
use crate::{
    digest::Digest,
    journal::{Command, Event, Run, Timestamp, retention, state::Status},
};
use rusqlite::{OptionalExtension, params};
use serde::Serialize;
use std::{
    collections::{BTreeSet, HashSet},
    fmt,
    path::Path,
    time::Duration,
};
use tokio::task::JoinSet;

/// Transitions in one commit, and artifacts in one transition: other writers wait no longer than
/// that takes.
const SLICE: usize = 64;

/// Events of the runs in one commit, for the same reason.
const EVENTS: u64 = 2_000;

/// Artifacts looked for in one walk through the journal.
const SOUGHT: u32 = 500_000;

/// Events read at a time.
const CHUNK: u32 = 1_000;

/// What retention took.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Taken {
    pub runs: Runs,
    /// Events of theirs that are but hashes now.
    pub events: u64,
    /// Bytes of those bodies.
    pub event_bytes: u64,
    pub artifacts: u64,
    pub artifact_bytes: u64,
    /// Runs that were left alone because they cannot be read: the number, and why.
    pub damaged: Vec<(i64, String)>,
    /// Why no artifact went: an event that cannot be read might name it.
    pub unswept: Option<String>,
}

/// Numbers of runs: first and last of each row of them without a gap, ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Runs(Vec<(i64, i64)>);

impl Runs {
    /// Adds a number that is not there yet.
    pub fn add(&mut self, run: i64) {
        let at = self.0.partition_point(|(first, _)| *first <= run);
        let joins_before = at > 0 && self.0[at - 1].1 + 1 == run;
        let joins_after = self.0.get(at).is_some_and(|(first, _)| *first == run + 1);
        match (joins_before, joins_after) {
            (true, true) => self.0[at - 1].1 = self.0.remove(at).1,
            (true, false) => self.0[at - 1].1 = run,
            (false, true) => self.0[at].0 = run,
            (false, false) => self.0.insert(at, (run, run)),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> i64 {
        self.0.iter().map(|(first, last)| last - first + 1).sum()
    }
}

impl FromIterator<i64> for Runs {
    fn from_iter<I: IntoIterator<Item = i64>>(numbers: I) -> Runs {
        let mut runs = Runs::default();
        numbers.into_iter().for_each(|run| runs.add(run));
        runs
    }
}

/// `r1 to r3, r5`.
impl fmt::Display for Runs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (first, last)) in self.0.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            match last - first {
                0 => write!(f, "{comma}r{first}")?,
                1 => write!(f, "{comma}r{first}, r{last}")?,
                _ => write!(f, "{comma}r{first} to r{last}")?,
            }
        }
        Ok(())
    }
}

impl Reader {
    /// Runs that ended before `before` and are whole, oldest first. Left out: the last one kept of
    /// each target, which later runs compare with, and one whose change set a run under way
    /// takes over.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn compactable(&self, before: Timestamp) -> Result<Vec<i64>, Error> {
        Ok(self.due(before)?.into_iter().map(|(number, _)| number).collect())
    }

    /// The same with how many events each has.
    fn due(&self, before: Timestamp) -> Result<Vec<(i64, u64)>, Error> {
        let mut numbers = self
            .db
            .prepare_cached(include_str!("sql/compactable.sql"))?
            .query_map([before.to_string()], |row| {
                Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()))
            })?
            .collect::<Result<Vec<_>, _>>()?;
        if !numbers.is_empty() {
            let mut taken_over = HashSet::new();
            for number in self.unfinished()? {
                // One that cannot be read takes nothing over any more.
                taken_over.extend(self.run(number).ok().and_then(|run| run.created.from_run));
            }
            numbers.retain(|(number, _)| !taken_over.contains(number));
        }
        Ok(numbers)
    }
}

/// Takes the bodies of all that [`Reader::compactable`] names, and then the artifacts that nothing
/// names any more, those of an earlier time that was cut off among them.
///
/// Other processes may go on writing.
///
/// # Errors
/// Where the journal cannot be read or written. What was taken by then stays taken.
pub async fn compact(store: &Store, before: Timestamp, actor: &str) -> Result<Taken, Error> {
    let reader = store.reader()?;
    let mut taken = Taken::default();
    let mut due = reader.due(before)?.into_iter().peekable();
    while due.peek().is_some() {
        let (mut slice, mut events) = (JoinSet::new(), 0);
        while let Some((number, more)) = due.next_if(|_| slice.len() < SLICE && events < EVENTS) {
            events += more;
            let (store, actor) = (store.clone(), actor.to_owned());
            // One transition each, so that a damaged run stays alone; committed together.
            slice.spawn(async move {
                let done = store.write(move |tx| tx.compact(number, before, &actor)).await;
                (number, done)
            });
        }
        while let Some(done) = slice.join_next().await {
            let (number, done) = done.map_err(|e| Error::Stopped(e.to_string()))?;
            match done {
                Ok(Some((events, bytes))) => {
                    taken.runs.add(number);
                    taken.events += events;
                    taken.event_bytes += bytes;
                }
                Ok(None) => {}
                Err(error @ (Error::Broken(_) | Error::Corrupt(_) | Error::Decode(_))) => {
                    taken.damaged.push((number, error.to_string()));
                }
                Err(error) => return Err(error),
            }
        }
    }
    taken.damaged.sort_unstable();
    loop {
        let Sought { mut unnamed, mut named, seen } = match Sought::some(&reader) {
            Ok(Some(sought)) => sought,
            Ok(None) => break,
            Err(error @ Error::Decode(_)) => {
                taken.unswept = Some(error.to_string());
                break;
            }
            Err(error) => return Err(error),
        };
        while !(unnamed.is_empty() && named.is_empty()) {
            let slice = unnamed.split_off(unnamed.len().saturating_sub(SLICE));
            let off = named.split_off(named.len().saturating_sub(SLICE));
            let (gone, bytes) = store.write(move |tx| tx.sweep(slice, &off, seen)).await?;
            taken.artifacts += gone;
            taken.artifact_bytes += bytes;
        }
    }
    Ok(taken)
}

/// Artifacts that may have to go, as far as events tell that were there when this was read.
struct Sought {
    /// Those that no event names.
    unnamed: Vec<Digest>,
    /// Those that one does.
    named: Vec<Digest>,
    /// The journal's end then.
    seen: u64,
}

impl Sought {
    /// Some of those on the list; `None`: it is empty.
    fn some(reader: &Reader) -> Result<Option<Sought>, Error> {
        let listed: Vec<Digest> = reader
            .db
            .prepare_cached("SELECT digest FROM unneeded LIMIT ?1")?
            .query_map([SOUGHT], |row| row.get(0).map(Digest))?
            .collect::<Result<_, _>>()?;
        if listed.is_empty() {
            return Ok(None);
        }
        let mut unnamed: HashSet<Digest> = listed.iter().copied().collect();
        let mut seen = 0;
        loop {
            let rows = reader.rows(None, seen, CHUNK)?;
            let Some(last) = rows.last() else { break };
            seen = last.seq;
            for row in rows.iter().filter(|row| !row.is_pruned()) {
                keep_named(&row.event, &mut unnamed)?;
            }
        }
        let named = listed.into_iter().filter(|digest| !unnamed.contains(digest)).collect();
        Ok(Some(Sought { unnamed: unnamed.into_iter().collect(), named, seen }))
    }
}

/// Takes what the event names out of `unnamed`.
fn keep_named(event: &str, unnamed: &mut HashSet<Digest>) -> Result<(), Error> {
    let mut named = BTreeSet::new();
    retention::artifacts(&Event::decode(event)?.fact, &mut named);
    for digest in named {
        unnamed.remove(&digest);
    }
    Ok(())
}

impl Tx<'_> {
    /// Takes the bodies of a run: how many, and their bytes. `None`: it is not (or no longer) one of
    /// those to be compacted.
    fn compact(
        &mut self,
        number: i64,
        before: Timestamp,
        actor: &str,
    ) -> Result<Option<(u64, u64)>, Error> {
        let mut held = self.held(number)?;
        let run = &held.run;
        let over = matches!(run.status, Status::Finished { .. }) && run.sealed;
        let due = over && run.finished_at.is_some_and(|at| at < before);
        if !due || run.compacted.is_some() || held.owner.is_some() {
            return Ok(None);
        }
        let (mut pruned, mut bytes, mut unneeded) = (Vec::new(), 0, BTreeSet::new());
        for row in reader::rows_of(self.db, number)?.0 {
            let fact = Event::decode(&row.event)?.fact;
            if retention::is_prunable(&fact) {
                retention::artifacts(&fact, &mut unneeded);
                bytes += row.event.len() as u64;
                pruned.push((row.seq, row.run_seq));
            }
        }
        let outcomes = self
            .db
            .prepare_cached(include_str!("sql/outcomes.sql"))?
            .query_map([number], |row| row.get::<_, String>(0))?
            .map(|outcome| outcome?.parse().map_err(Error::Corrupt))
            .collect::<Result<_, _>>()?;
        self.take_lease(&mut held, None)?;
        let places = pruned.iter().map(|(_, run_seq)| *run_seq).collect();
        self.decide_and_append(&mut held, actor, Command::Compact { pruned: places, outcomes })?;
        for (seq, _) in &pruned {
            let sql = "UPDATE events SET event = '' WHERE seq = ?1";
            self.db.prepare_cached(sql)?.execute([signed(*seq)])?;
        }
        for digest in unneeded {
            self.put_unneeded(&digest)?;
        }
        self.mark_compacted(&held.run)?;
        // What is left says the same, or nothing is taken.
        if reader::fold(self.db, number)? != *held.run {
            let what = format!("r{number} would not be the same without its bodies");
            return Err(Error::Corrupt(what));
        }
        self.settle(held, None)?;
        Ok(Some((pruned.len() as u64, bytes)))
    }

    /// Puts an artifact on the list of those that go where nothing names them.
    pub(super) fn put_unneeded(&self, digest: &Digest) -> Result<(), Error> {
        let sql = "INSERT INTO unneeded (digest, since) VALUES (?1, ?2)
             ON CONFLICT (digest) DO UPDATE SET since = excluded.since";
        self.db.prepare_cached(sql)?.execute(params![digest.0, signed(self.known.head.seq)])?;
        Ok(())
    }

    /// The run's row shows that it was compacted, where it was.
    pub(super) fn mark_compacted(&self, run: &Run) -> Result<(), Error> {
        let at = run.compacted.is_some().then(|| run.updated_at.to_string());
        let sql = "UPDATE runs SET compacted_at = ?2 WHERE id = ?1";
        self.db.prepare_cached(sql)?.execute(params![run.created.number, at])?;
        Ok(())
    }

    /// Deletes those of `unnamed` that no event after `seen` names either, and takes them and `off`
    /// from the list, but for what was put there since. Answers how many went, and their bytes.
    fn sweep(
        &mut self,
        unnamed: Vec<Digest>,
        off: &[Digest],
        seen: u64,
    ) -> Result<(u64, u64), Error> {
        self.wrote = true;
        let listed = unnamed.iter().chain(off).copied().collect::<Vec<_>>();
        let mut unnamed: HashSet<Digest> = unnamed.into_iter().collect();
        let late = self
            .db
            .prepare_cached("SELECT event FROM events WHERE seq > ?1 AND event <> ''")?
            .query_map([signed(seen)], |row| row.get::<_, String>(0))?
            .collect::<Result<Vec<_>, _>>()?;
        for event in late {
            keep_named(&event, &mut unnamed)?;
        }
        let (mut gone, mut bytes) = (0, 0);
        for digest in unnamed {
            let sql = "DELETE FROM artifacts WHERE digest = ?1 RETURNING length(bytes)";
            let length: Option<i64> =
                self.db.prepare_cached(sql)?.query_row([digest.0], |row| row.get(0)).optional()?;
            if let Some(length) = length {
                gone += 1;
                bytes += length.unsigned_abs();
            }
        }
        for digest in listed {
            // Beyond the journal's end is nonsense, and must not be looked for for ever.
            let sql = "DELETE FROM unneeded WHERE digest = ?1 AND (since <= ?2 OR since > ?3)";
            let end = signed(self.known.head.seq);
            self.db.prepare_cached(sql)?.execute(params![digest.0, signed(seen), end])?;
        }
        Ok((gone, bytes))
    }
}

/// Gives the room that was freed back to the disk. Writes the whole journal anew: it needs up to
/// twice its size for a while, and who writes meanwhile may be told that the journal is busy. False:
/// a reader holds on to the old pages; the file shrinks once the last process closes it.
///
/// # Errors
/// Where the disk is full, or another process does not let go of the journal.
pub fn vacuum(path: &Path) -> Result<bool, Error> {
    let (db, turnstile) = connection::open_writer(path)?;
    let turn = turnstile.enter()?;
    let done = db.execute_batch("VACUUM");
    drop(turn);
    done.map_err(|e| connection::explain(path, e))?;
    // Nobody waits for a reader that stays.
    db.busy_timeout(Duration::from_millis(250))?;
    let busy: i64 = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    Ok(busy == 0)
}
