//! Many runs that wait for a person: they are rows, and hold neither a task nor a thread.

use super::{drive, engine, ms, row, status};
use crate::workload;
use kaizen_engine::{
    journal::Created,
    shell::{Reader, reader::Filter},
};

const WORKERS: usize = 64;

pub async fn measure(runs: usize) {
    println!("\nwaiting for approval: {runs} runs");
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    // What an engine holds that has worked: connections, caches, the allocator's pages.
    let warm = runs.min(WORKERS);
    drive(&engine, (0, warm), WORKERS, asking).await;
    let (rss, threads) = (status("VmRSS:"), status("Threads:"));
    let (_, all) = drive(&engine, (warm, runs), WORKERS, asking).await;
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert_eq!(tasks, 0, "a waiting run is no task");
    let list = || {
        let status = Some("waiting_approval".to_owned());
        let filter = Filter { status, ..Filter::default() };
        Reader::open(&engine.journal).unwrap().list(&filter).unwrap()
    };
    assert_eq!(list().len(), runs, "all of them wait");
    let listed = super::median((0..21).map(|_| ms(list)).collect());
    row("brought there, s", format!("{:.1}", all.as_secs_f64()));
    row("RSS with 64 waiting, MB", format!("{:.1}", rss / 1024.0));
    row("RSS with all waiting, MB", format!("{:.1}", status("VmRSS:") / 1024.0));
    row("threads with 64 waiting", threads);
    row("threads with all waiting", status("Threads:"));
    row("tasks left", tasks);
    row("open and list them, p50, ms", format!("{listed:.3}"));
}

/// The workload's run, with a policy that asks a person about every change.
fn asking(wf: usize) -> (Created, Vec<Vec<u8>>) {
    let (mut created, artifacts) = workload::created(wf);
    created.approval.auto_kinds.clear();
    (created, artifacts)
}
