//! How things are measured: runs at a time, pairs in turn, medians, what the kernel says of this
//! process. The table is printed line by line, as it is measured.

pub mod busy;
pub mod large;
pub mod waiting;

use crate::workload;
use kaizen_engine::{journal::Created, shell::Engine};
use std::{
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// The head of a table: what is measured, and what it is measured against.
pub fn head(title: &str, left: &str, right: &str) {
    println!("\n{title:<52} {left:>14} {right:>14} {:>8}", "ratio");
}

/// A row with both figures and `right / left`, the median of the pairs' ratios.
pub fn pair(what: &str, left: f64, right: f64, ratio: f64) {
    println!("  {what:<50} {left:>14.3} {right:>14.3} {ratio:>8.3}");
}

/// A row with one figure.
pub fn row(what: &str, figure: impl std::fmt::Display) {
    println!("  {what:<50} {figure:>14}");
}

/// The middle one.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Pairs of measurements made in turn.
#[derive(Default)]
pub struct Pairs {
    left: Vec<f64>,
    right: Vec<f64>,
}

impl Pairs {
    pub fn add(&mut self, left: f64, right: f64) {
        self.left.push(left);
        self.right.push(right);
    }

    pub fn print(self, what: &str) {
        let ratios = self.left.iter().zip(&self.right).map(|(left, right)| right / left);
        let ratio = median(ratios.collect());
        pair(what, median(self.left), median(self.right), ratio);
    }
}

/// How long `work` takes, in milliseconds.
pub fn ms<T>(work: impl FnOnce() -> T) -> f64 {
    let began = Instant::now();
    drop(std::hint::black_box(work()));
    began.elapsed().as_secs_f64() * 1e3
}

/// Runs `from..to` of the workload, `at_once` at a time: how long each took, sorted, and all.
pub async fn drive(
    engine: &Engine,
    (from, to): (usize, usize),
    at_once: usize,
    created: fn(usize) -> (Created, Vec<Vec<u8>>),
) -> (Vec<Duration>, Duration) {
    let next = Arc::new(AtomicUsize::new(from));
    let took = Arc::new(Mutex::new(Vec::with_capacity(to - from)));
    let began = Instant::now();
    let workers = (0..at_once).map(|_| {
        let (engine, next, took) = (engine.clone(), next.clone(), took.clone());
        tokio::spawn(async move {
            loop {
                let wf = next.fetch_add(1, Relaxed);
                if wf >= to {
                    break;
                }
                let (created, artifacts) = created(wf);
                let began = Instant::now();
                engine.start(created, "bench", artifacts).await.expect("it starts");
                took.lock().unwrap().push(began.elapsed());
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.expect("a worker ends");
    }
    let all = began.elapsed();
    let mut took = std::mem::take(&mut *took.lock().unwrap());
    took.sort();
    (took, all)
}

/// An engine over the journal in `dir`, whose phases take no time.
pub fn engine(dir: &std::path::Path) -> Engine {
    workload::engine(dir, Arc::new(workload::NoLog), Duration::ZERO)
}

/// A number of `/proc/self/status`: `VmRSS:` (KiB), `VmHWM:` (KiB), `Threads:`. Linux only.
#[allow(clippy::cast_precision_loss)]
pub fn status(key: &str) -> f64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(f64::NAN)
}

/// Lets the peak of this process's memory begin anew at what it holds now.
pub fn forget_peak() {
    fs::write("/proc/self/clear_refs", "5").expect("Linux forgets the peak");
}
