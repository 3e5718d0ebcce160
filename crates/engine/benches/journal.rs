//! What the journal costs when it is busy, when it is large, and when many runs wait: a table.
//!
//!     cargo bench -p kaizen-engine -- [--runs N] [--dir D] [--rounds R] [--waiting W] [--only PART]
//!
//! Two things are compared by doing them in turn and taking the median of their ratios, so that a
//! machine which is busy for a while weighs on both. `D` keeps the large journal for the next
//! call. `PART` is `busy`, `large` or `waiting`. No CLI, no git and no target in here.

#![allow(clippy::expect_used, clippy::unwrap_used)]

mod measure;
mod workload;

use measure::{busy, large, waiting};
use std::path::PathBuf;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What was asked for on the command line.
struct Options {
    /// Finished runs in the large journal.
    runs: usize,
    /// Where the large journal is kept; `None`: it is made anew and thrown away.
    dir: Option<PathBuf>,
    /// How often each pair is measured.
    rounds: usize,
    /// Runs that wait for approval.
    waiting: usize,
    only: Option<String>,
}

impl Options {
    fn parse() -> Options {
        let args: Vec<String> = std::env::args().skip(1).collect();
        let flag = |name: &str| {
            let at = args.iter().position(|arg| arg == name)?;
            args.get(at + 1).cloned()
        };
        let number = |name: &str, or| flag(name).map_or(or, |text| text.parse().expect(name));
        Options {
            runs: number("--runs", 20_000),
            dir: flag("--dir").map(PathBuf::from),
            rounds: number("--rounds", 5),
            waiting: number("--waiting", 10_000),
            only: flag("--only"),
        }
    }

    fn wants(&self, part: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == part)
    }
}

fn main() {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        if options.wants("busy") {
            busy::measure(options.rounds).await;
        }
        if options.wants("large") {
            large::measure(options.runs, options.dir.as_deref(), options.rounds).await;
        }
        if options.wants("waiting") {
            waiting::measure(options.waiting).await;
        }
    });
}
