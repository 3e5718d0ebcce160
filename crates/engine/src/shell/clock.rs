//! Where the shell takes the time from. The core is handed it.

use crate::journal::Timestamp;
use std::time::{SystemTime, UNIX_EPOCH};

/// A source of the present.
pub trait Clock: Send + Sync {
    /// The present as this clock sees it; it may jump back.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}
