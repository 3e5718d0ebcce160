//! Named places where a test may end the process at once, as a crash would.
//!
//! Without the cargo feature `crash-points` these are nothing at all. With it,
//! `KAIZEN_CRASH_AT=name` or `name#n` (the n-th time it is reached) ends the process, and
//! `KAIZEN_CRASH_TRACE=FILE` appends each point's name to a file as it is reached, so that a test
//! learns from an undisturbed run where it can kill.

/// Ends the process here, without any clean-up, where this point is armed.
#[cfg(feature = "crash-points")]
pub fn reach(name: &str) {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static REACHED: AtomicUsize = AtomicUsize::new(0);
    if let Ok(path) = std::env::var("KAIZEN_CRASH_TRACE") {
        trace(&path, name);
    }
    let Ok(armed) = std::env::var("KAIZEN_CRASH_AT") else { return };
    let (point, nth) = armed.split_once('#').unwrap_or((&armed, "1"));
    if point != name {
        return;
    }
    let nth: usize = nth.parse().unwrap_or(1);
    if REACHED.fetch_add(1, Ordering::SeqCst) + 1 == nth {
        std::process::abort();
    }
}

/// One line a point, in one write: several threads reach points.
#[cfg(feature = "crash-points")]
fn trace(path: &str, name: &str) {
    use std::io::Write;
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    if let Err(error) = file.and_then(|mut file| file.write_all(format!("{name}\n").as_bytes())) {
        eprintln!("KAIZEN_CRASH_TRACE={path}: {error}");
    }
}

/// Nothing: crash points are a matter of tests.
#[cfg(not(feature = "crash-points"))]
pub fn reach(_name: &str) {}
