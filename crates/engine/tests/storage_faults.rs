//! Storage that stops, fills up, breaks or lies, under the real store: what was acknowledged stays,
//! and what is damaged is refused or named, never read as something else.
//!
//! `cargo test -p kaizen-engine --test storage_faults -- --nocapture` prints what was counted;
//! `KAIZEN_FAULT_CASES` asks for more cases of damage than the usual ones.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;
#[path = "storage_faults/damaged.rs"]
mod damaged;
#[path = "storage_faults/disk.rs"]
mod disk;
#[path = "storage_faults/full.rs"]
mod full;
#[path = "storage_faults/judge.rs"]
mod judge;
#[path = "storage_faults/killed.rs"]
mod killed;
#[path = "storage_faults/life.rs"]
mod life;
#[path = "storage_faults/power.rs"]
mod power;
#[path = "storage_faults/writer.rs"]
mod writer;
