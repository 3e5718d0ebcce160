//! How long something took, without the time that this thread stood in line for a CPU.
//!
//! On a machine that others use, too, a query's wall time has the waiting for a CPU in it, which
//! is no property of the query and swamps small differences. Linux counts that wait exactly
//! (`run_delay`, the second field of `/proc/thread-self/schedstat`); it is taken off. Waiting for
//! the disk stays in. Elsewhere it is wall time.

use std::time::{Duration, Instant};

/// Below this the count's own reading would matter more than what it corrects; repetitions and
/// medians take care of short queries.
const WORTH_CORRECTING: Duration = Duration::from_millis(1);

/// A running measurement of this thread.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch {
    waited: Option<Duration>,
    started: Instant,
}

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Stopwatch {
        Stopwatch { waited: waited_for_a_cpu(), started: Instant::now() }
    }

    /// The time since the start that was not spent in line.
    pub fn elapsed(&self) -> Duration {
        let wall = self.started.elapsed();
        if wall < WORTH_CORRECTING {
            return wall;
        }
        let waited =
            waited_for_a_cpu().zip(self.waited).map(|(now, then)| now.saturating_sub(then));
        wall.saturating_sub(waited.unwrap_or_default())
    }
}

fn waited_for_a_cpu() -> Option<Duration> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let counts = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    run_delay(&counts)
}

fn run_delay(counts: &str) -> Option<Duration> {
    counts.split_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_count_is_the_wait() {
        assert_eq!(run_delay("134120 7055557 2\n"), Some(Duration::from_nanos(7_055_557)));
        assert_eq!(run_delay(""), None);
    }

    #[test]
    fn what_is_measured_never_exceeds_the_wall() {
        let (wall, watch) = (Instant::now(), Stopwatch::start());
        let mut sum = 0_u64;
        while wall.elapsed() < Duration::from_millis(3) {
            sum = sum.wrapping_add(1);
        }
        let (measured, wall) = (watch.elapsed(), wall.elapsed());
        assert!(sum > 0 && measured <= wall, "{measured:?} of {wall:?}");
    }
}
