//! The engine: a pure state machine over journaled events, and the shell that makes it durable.
//!
//! It knows no SQL Server, no git and no model: what a phase does and how an effect is performed
//! comes in through [`step`]. Only `shell/` touches the outside world.

pub mod digest;
pub mod error;
pub mod journal;
pub mod json;
pub mod shell;
pub mod step;
pub mod workflow;

/// The version of the engine's behaviour that new runs are pinned to. A run keeps its own to its
/// end; a change in what `decide` or `due` do to a run under way needs a new number.
pub const BEHAVIOUR: u32 = 1;
