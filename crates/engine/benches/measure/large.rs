//! A journal of many finished runs against a small one: what grows with it, and what does not.

use super::{Pairs, drive, engine, forget_peak, head, ms, row, status};
use crate::workload::{self, meter};
use kaizen_engine::shell::{Engine, Reader, Store, SystemClock, reader::Filter, verify};
use std::{path::Path, sync::Arc, time::Instant};

const WORKERS: usize = 64;
/// Runs, and questions, of each round.
const PER_ROUND: usize = 20;

pub async fn measure(runs: usize, keep: Option<&Path>, rounds: usize) {
    let (made, empty) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let large = keep.unwrap_or(made.path());
    let has = grow(large, runs).await;
    head(&format!("large: {has} finished runs, {rounds} rounds"), "empty", "large");
    row("database, MB", format!("{:.1}", meter::bytes_in(large) as f64 / 1e6));
    verified(large);
    opening(empty.path(), large, rounds);
    let (mut run, mut list) = (Pairs::default(), Pairs::default());
    let (mut show, mut pending) = (Pairs::default(), Pairs::default());
    let engines = (engine(empty.path()), engine(large));
    for round in 0..rounds * PER_ROUND {
        let few = one(&engines.0, round).await;
        let many = one(&engines.1, has + round).await;
        run.add(few, many);
        let journals = (&*engines.0.journal, &*engines.1.journal);
        list.add(ms(|| newest(journals.0)), ms(|| newest(journals.1)));
        pending.add(ms(|| waiting(journals.0)), ms(|| waiting(journals.1)));
        let readers = (Reader::open(journals.0).unwrap(), Reader::open(journals.1).unwrap());
        // Spread over the journal, so that it is not always the same pages.
        let old = (1 + round / 2, 1 + (round * 7919) % has);
        show.add(ms(|| shown(&readers.0, old.0)), ms(|| shown(&readers.1, old.1)));
    }
    run.print("a run, 1 at a time, p50, ms");
    list.print("open and list 20 runs, ms");
    show.print("show of one run, ms");
    pending.print("open and list those that wait for approval, ms");
}

/// Makes runs at full speed until the journal has `runs`; how many it has.
async fn grow(dir: &Path, runs: usize) -> usize {
    let engine = engine(dir);
    let filter = Filter { limit: 1, ..Filter::default() };
    let newest = engine.reader().unwrap().list(&filter).unwrap();
    // The engine numbers runs from 1, without a gap.
    let has = newest.first().map_or(0, |number| usize::try_from(*number).unwrap());
    if has < runs {
        let began = Instant::now();
        drive(&engine, (has, runs), WORKERS, workload::created).await;
        println!("\nmade {} runs in {:.1} s", runs - has, began.elapsed().as_secs_f64());
    }
    has.max(runs)
}

/// How fast everything is verified, and how much memory that takes.
fn verified(dir: &Path) {
    let reader = Reader::open(&dir.join("journal.db")).unwrap();
    forget_peak();
    let (before, began) = (status("VmHWM:"), Instant::now());
    let report = verify::verify(&reader, None).unwrap();
    let (seconds, peak) = (began.elapsed().as_secs_f64(), status("VmHWM:"));
    assert_eq!(report.differences, [], "the journal adds up");
    row("verify, events", report.events);
    row("verify, events/s", format!("{:.0}", report.events as f64 / seconds));
    row("verify, growth of the peak, MB", format!("{:.1}", (peak - before) / 1024.0));
}

/// Opening and closing the store, which is what every command that writes does.
fn opening(empty: &Path, large: &Path, rounds: usize) {
    let open = |dir: &Path| {
        let path = dir.join("journal.db");
        ms(|| Store::open(&path, Arc::new(SystemClock)).unwrap())
    };
    // Made and migrated once.
    open(empty);
    let mut pairs = Pairs::default();
    for _ in 0..rounds * PER_ROUND {
        pairs.add(open(empty), open(large));
    }
    pairs.print("Store::open and close, ms");
}

async fn one(engine: &Engine, wf: usize) -> f64 {
    let (created, artifacts) = workload::created(wf);
    let began = Instant::now();
    let stop = engine.start(created, "bench", artifacts).await.unwrap();
    assert!(stop.run.finished_at.is_some(), "{:?}", stop.due);
    began.elapsed().as_secs_f64() * 1e3
}

fn newest(journal: &Path) -> Vec<i64> {
    let filter = Filter { limit: 20, ..Filter::default() };
    Reader::open(journal).unwrap().list(&filter).unwrap()
}

fn waiting(journal: &Path) -> Vec<i64> {
    let status = Some("waiting_approval".to_owned());
    Reader::open(journal).unwrap().list(&Filter { status, ..Filter::default() }).unwrap()
}

fn shown(reader: &Reader, number: usize) {
    let run = reader.run(i64::try_from(number).unwrap()).unwrap();
    assert!(run.finished_at.is_some());
}
