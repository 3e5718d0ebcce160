//! What each phase hands to the next, as it stands in the journal.
//!
//! `Target -> Analysis -> Proposal -> ChangeSet -> Deployment -> Evaluation -> WeightsUpdate ->
//! ProvenanceRecord`. Percentages are positive when things got better.

mod analysis;
mod change_set;
mod deployment;
mod evaluation;
mod learning;
mod proposal;
mod record;
pub mod server;

pub use analysis::{
    Analysis, Baseline, CommandAnalysis, Counters, KindSuccess, QueryProfile, QueryStatus,
    Regression, SourceAbsent,
};
pub(crate) use change_set::staged;
pub use change_set::{Change, ChangeSet, Kind, Risk};
pub use deployment::Deployment;
pub use evaluation::{
    Check, CheckResult, Estimate, Evaluation, Evidence, QueryEvidence, SizeEvidence, Verdict,
};
pub use learning::{Asked, WeightsUpdate};
pub use proposal::{Candidate, ChangeFile, Edit, Proposal, Source};
pub use record::ProvenanceRecord;
