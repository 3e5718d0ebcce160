//! A repository that is improved by what commands say of it: a benchmark, tests, a build before both.
//!
//! Each runs in a scratch worktree, confined as the workflow asks. Deliberately not here: what a change
//! may be (`phases::vet`) and when it is kept (`evidence`).

pub mod benchmark;
pub mod compare;
pub mod worktree;

pub use benchmark::{Better, Metric};
pub use worktree::{Error, Settings, Worktree};
