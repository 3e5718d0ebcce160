//! Faults that a test orders for the n-th statement with some text. Each fires once.

use crate::error::SqlError;
use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The server answers with this instead, and rolls an open transaction back.
    Error { number: u32, severity: u8, message: String },
    /// The connection closes; the statement was not run.
    CutBefore,
    /// The statement was run, and a COMMIT has committed; the connection closes before the answer.
    /// For a bulk load: after its data, not after INSERT BULK.
    CutAfter,
    /// The statement waits first.
    Delay(Duration),
    /// The connection closes in the middle of a bulk load's data.
    CutInBulk,
}

impl Fault {
    pub(crate) fn error(&self) -> Option<SqlError> {
        match self {
            Self::Error { number, severity, message } => {
                Some(SqlError::new(*number, *severity, message.clone()))
            }
            Self::CutBefore | Self::CutAfter | Self::Delay(_) | Self::CutInBulk => None,
        }
    }
}

#[derive(Debug)]
struct Ordered {
    when: String,
    /// Matches to go before it fires; one is the next.
    left: usize,
    what: Fault,
}

#[derive(Debug, Default)]
pub(crate) struct Faults {
    ordered: Mutex<Vec<Ordered>>,
}

impl Faults {
    fn ordered(&self) -> MutexGuard<'_, Vec<Ordered>> {
        self.ordered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn order(&self, when: &str, nth: usize, what: Fault) {
        self.ordered().push(Ordered { when: when.to_owned(), left: nth.max(1), what });
    }

    /// The fault for this text, if one is due; every order that matches counts it.
    pub fn due(&self, text: &str) -> Option<Fault> {
        let mut ordered = self.ordered();
        let mut due = None;
        for order in ordered.iter_mut().filter(|order| text.contains(&order.when)) {
            order.left -= 1;
            if order.left == 0 && due.is_none() {
                due = Some(order.what.clone());
            } else {
                // Two at once: the second waits for the next match.
                order.left = order.left.max(1);
            }
        }
        ordered.retain(|order| order.left > 0);
        due
    }

    pub fn waiting(&self) -> usize {
        self.ordered().len()
    }
}

/// Sleeps, but not past the end of the stand-in.
pub(crate) fn pause(time: Duration, stopping: &AtomicBool) {
    let start = Instant::now();
    while let Some(left) = time.checked_sub(start.elapsed())
        && !stopping.load(Ordering::SeqCst)
    {
        std::thread::sleep(left.min(Duration::from_millis(5)));
    }
}
