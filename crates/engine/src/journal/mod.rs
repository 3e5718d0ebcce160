//! The pure core: what is true (`apply`), what may happen (`decide`), what must be done (`due`).
//!
//! Architecture invariant: no I/O, no clock, no `async`, no database type in here. Time, ids and
//! everything observed come in as arguments, so that a restart takes the same road as a live run.

pub mod apply;
pub mod chain;
pub mod command;
pub mod decide;
pub mod due;
pub mod event;
pub mod gate;
pub mod phase;
pub mod replay;
pub mod retention;
pub mod state;
pub mod time;

pub use apply::{IllegalEvent, apply};
pub use command::{Command, Refusal};
pub use decide::decide;
pub use due::{Due, due};
pub use event::{Created, Event, Fact, Facts, Payload};
pub use gate::{ApprovalPolicy, Binding, Decision, Gate, Method};
pub use phase::{Effect, Outcome, Phase};
pub use retention::Compacted;
pub use state::{Cause, EffectState, Live, Run, Status};
pub use time::Timestamp;

#[cfg(test)]
mod tests;
