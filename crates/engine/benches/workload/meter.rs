//! What a stretch of work cost this process: time, CPU, bytes written, memory. Linux only.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

/// A measurement under way.
pub struct Meter {
    began: Instant,
    cpu_ms: u64,
    written: u64,
}

/// What it came to.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    pub seconds: f64,
    /// User and system time; the kernel counts it in hundredths of a second.
    pub cpu_ms: u64,
    /// Bytes that this process made the page cache write.
    pub written_bytes: u64,
    pub peak_rss_kb: u64,
}

impl Meter {
    pub fn start() -> Meter {
        Meter { cpu_ms: cpu_ms(), written: number("io", "write_bytes:"), began: Instant::now() }
    }

    pub fn stop(&self) -> Cost {
        Cost {
            seconds: self.began.elapsed().as_secs_f64(),
            cpu_ms: cpu_ms() - self.cpu_ms,
            written_bytes: number("io", "write_bytes:") - self.written,
            peak_rss_kb: number("status", "VmHWM:"),
        }
    }
}

/// The `q`-th quantile of sorted durations, milliseconds.
pub fn quantile_ms(sorted: &[Duration], q: f64) -> f64 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let at = ((sorted.len() - 1) as f64 * q).round() as usize;
    sorted[at].as_secs_f64() * 1e3
}

/// The bytes of the files in a folder.
pub fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|file| file.len()).sum()
}

fn number(file: &str, key: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn cpu_ms() -> u64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = text.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    ticks.filter_map(|text| text.parse::<u64>().ok()).sum::<u64>() * 10
}
