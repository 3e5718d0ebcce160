//! A thousand runs at once against sixty-four: what the store does when many wait for it.

use super::{Pairs, drive, engine, head};
use crate::workload::{self, meter::quantile_ms};

const USUAL: usize = 64;
const MANY: usize = 1_000;
/// Each round, so that the thousand are there for two whole runs each.
const RUNS: usize = 2 * MANY;
const STEPS: f64 = 7.0;

pub async fn measure(rounds: usize) {
    let title = format!("busy: {RUNS} runs, {rounds} rounds");
    head(&title, &format!("{USUAL} at once"), &format!("{MANY} at once"));
    let (mut rate, mut p50, mut p99) = (Pairs::default(), Pairs::default(), Pairs::default());
    round(USUAL).await;
    for _ in 0..rounds {
        let (usual, many) = (round(USUAL).await, round(MANY).await);
        rate.add(usual.0, many.0);
        p50.add(usual.1, many.1);
        p99.add(usual.2, many.2);
    }
    rate.print("steps/s");
    p50.print("a run, p50, ms");
    p99.print("a run, p99, ms");
}

/// In a journal of its own: steps/s, p50 and p99 of a run in milliseconds.
#[allow(clippy::cast_precision_loss)]
async fn round(at_once: usize) -> (f64, f64, f64) {
    let dir = tempfile::tempdir().expect("a folder");
    let engine = engine(dir.path());
    let (took, all) = drive(&engine, (0, RUNS), at_once, workload::created).await;
    let rate = took.len() as f64 * STEPS / all.as_secs_f64();
    (rate, quantile_ms(&took, 0.5), quantile_ms(&took, 0.99))
}
