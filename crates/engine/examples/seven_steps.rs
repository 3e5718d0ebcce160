//! Runs the workload of the peer comparison on this engine and prints one JSON line.
//!
//!     seven_steps full --dir D --n N --workers C [--events FILE] [--step-ms MS]
//!
//! `N` runs, `C` at a time, in the journal that is or will be in `D`; runs that an earlier process
//! left unfinished there go on where they were. `FILE` gets a line for each thing that happened,
//! in one `write(2)` each so that it outlives a kill: `S wf` (the start was acknowledged),
//! `X wf step` (a step's body ran), `D wf` (the run is known to have ended).

#![allow(clippy::expect_used, clippy::unwrap_used)]

#[path = "../benches/workload/mod.rs"]
mod workload;

use kaizen_engine::shell::Engine;
use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use workload::{Log, meter};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const STEPS: usize = 7;

struct Options {
    mode: String,
    dir: PathBuf,
    n: usize,
    workers: usize,
    events: Option<PathBuf>,
    step_ms: u64,
}

impl Options {
    fn parse() -> Options {
        let args: Vec<String> = std::env::args().skip(1).collect();
        let flag = |name: &str| {
            let at = args.iter().position(|arg| arg == name)?;
            args.get(at + 1).cloned()
        };
        let number = |name: &str, or| flag(name).map_or(or, |text| text.parse().expect(name));
        let mode = args.first().cloned().unwrap_or_default();
        assert_eq!(mode, "full", "full is the only mode: the journal knows no weaker one");
        Options {
            mode,
            dir: flag("--dir").expect("--dir D").into(),
            n: number("--n", 100),
            workers: number("--workers", 1),
            events: flag("--events").map(PathBuf::from),
            step_ms: number("--step-ms", 0) as u64,
        }
    }
}

struct Events(Option<File>);

impl Events {
    fn put(&self, what: std::fmt::Arguments<'_>) {
        if let Some(mut file) = self.0.as_ref() {
            let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
            file.write_all(format!("{at:.4} {what}\n").as_bytes()).expect("--events FILE");
        }
    }
}

impl Log for Events {
    fn created(&self, wf: usize) {
        self.put(format_args!("S {wf}"));
    }
    fn ran(&self, wf: usize, step: usize) {
        self.put(format_args!("X {wf} {step}"));
    }
}

fn main() {
    let options = Options::parse();
    fs::create_dir_all(&options.dir).expect("--dir D");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(measure(&options));
}

async fn measure(options: &Options) {
    let file = options.events.as_ref().map(|path| {
        OpenOptions::new().create(true).append(true).open(path).expect("--events FILE")
    });
    let events = Arc::new(Events(file));
    let engine =
        workload::engine(&options.dir, events.clone(), Duration::from_millis(options.step_ms));
    let left = Arc::new(left_behind(&options.dir));
    let before = database_bytes(&options.dir);
    let next = Arc::new(AtomicUsize::new(0));
    let took = Arc::new(Mutex::new(Vec::with_capacity(options.n)));
    let meter = meter::Meter::start();
    let workers: Vec<_> = (0..options.workers)
        .map(|_| {
            let (engine, events, left) = (engine.clone(), events.clone(), left.clone());
            let (next, took, n) = (next.clone(), took.clone(), options.n);
            tokio::spawn(async move {
                loop {
                    let wf = next.fetch_add(1, Relaxed);
                    if wf >= n {
                        break;
                    }
                    let began = Instant::now();
                    drive(&engine, wf, left.get(&wf), &events).await;
                    took.lock().unwrap().push(began.elapsed());
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    let cost = meter.stop();
    drop(engine);
    checkpoint(&options.dir);
    let grown = database_bytes(&options.dir).saturating_sub(before);
    let mut took = std::mem::take(&mut *took.lock().unwrap());
    report(options, &cost, &mut took, grown);
}

/// Starts run `wf`, or goes on with the one that is there.
async fn drive(engine: &Engine, wf: usize, left: Option<&Left>, events: &Events) {
    match left {
        Some(Left::Finished) => {}
        Some(Left::Unfinished(number)) => {
            events.put(format_args!("S {wf}"));
            let stop = engine.resume(*number, "bench").await.expect("it goes on");
            assert!(stop.run.finished_at.is_some(), "{:?}", stop.due);
        }
        None => {
            let (created, artifacts) = workload::created(wf);
            let stop = engine.start(created, "bench", artifacts).await.expect("it starts");
            assert!(stop.run.finished_at.is_some(), "{:?}", stop.due);
        }
    }
    events.put(format_args!("D {wf}"));
}

enum Left {
    Finished,
    Unfinished(i64),
}

/// The runs that are there already, by their place in the workload.
fn left_behind(dir: &Path) -> HashMap<usize, Left> {
    let db = rusqlite::Connection::open(dir.join("journal.db")).unwrap();
    let mut runs = db.prepare("SELECT id, target, status = 'finished' FROM runs").unwrap();
    let known = runs.query_map([], |row| {
        let (number, target): (i64, String) = (row.get(0)?, row.get(1)?);
        let left = if row.get(2)? { Left::Finished } else { Left::Unfinished(number) };
        Ok((workload::place(&target), left))
    });
    known.unwrap().map(Result::unwrap).collect()
}

fn checkpoint(dir: &Path) {
    let db = rusqlite::Connection::open(dir.join("journal.db")).unwrap();
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
}

fn database_bytes(dir: &Path) -> u64 {
    fs::metadata(dir.join("journal.db")).map_or(0, |file| file.len())
}

#[allow(clippy::cast_precision_loss)]
fn report(options: &Options, cost: &meter::Cost, took: &mut [Duration], grown: u64) {
    took.sort();
    let (runs, steps) = (took.len() as u64, took.len() * STEPS);
    let report = serde_json::json!({
        "system": "kaizen", "mode": options.mode, "concurrency": options.workers,
        "durable": "fsync per commit", "workflows": runs, "steps": steps,
        "seconds": cost.seconds,
        "steps_per_s": steps as f64 / cost.seconds,
        "p50_ms_per_workflow": meter::quantile_ms(took, 0.5),
        "p99_ms_per_workflow": meter::quantile_ms(took, 0.99),
        "cpu_ms_per_workflow": cost.cpu_ms as f64 / runs as f64,
        "written_bytes_per_workflow": cost.written_bytes / runs,
        "db_bytes_per_workflow": grown / runs,
        "peak_rss_mb": cost.peak_rss_kb as f64 / 1024.0,
    });
    println!("{report}");
}
