//! The imperative shell: the only I/O of the engine.
//!
//! Load, fold `apply`, `decide`, append with the lease check in one transaction, run what is
//! `due`, feed the outcome back as a command. No rule about what may happen lives here.

mod append;
pub mod clock;
pub mod connection;
pub mod crash_point;
pub mod error;
mod head;
mod learn;
pub mod process;
pub mod reader;
pub mod relay;
pub mod retention;
pub mod runner;
pub mod salvage;
pub mod store;
mod transition;
mod turnstile;
pub mod verify;
mod writer;

pub use clock::{Clock, SystemClock};
pub use error::Error;
pub use learn::Learnt;
pub use process::Process;
pub use reader::Reader;
pub use runner::{Engine, Stop};
pub use store::Store;
pub use transition::{Operated, Tx};
