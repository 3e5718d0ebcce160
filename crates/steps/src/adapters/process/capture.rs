//! Reads one stream of a child in a thread of its own, keeps at most so many bytes, and goes on
//! reading after that, so that the child never blocks on a full pipe.

use std::{
    io::Read,
    mem,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver},
    },
    thread,
    time::Instant,
};

/// A stream being read.
#[derive(Debug)]
pub(super) struct Capture {
    kept: Arc<Mutex<Kept>>,
    /// Disconnects when the reader has seen the end of the stream.
    ended: Receiver<()>,
}

#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    cut: bool,
}

impl Capture {
    /// Starts reading `stream`; a missing stream counts as empty.
    pub(super) fn start(stream: Option<impl Read + Send + 'static>, cap: usize) -> Capture {
        let kept = Arc::new(Mutex::new(Kept::default()));
        let (alive, ended) = mpsc::channel();
        if let Some(mut stream) = stream {
            let kept = Arc::clone(&kept);
            thread::spawn(move || {
                let _alive: mpsc::Sender<()> = alive;
                let mut chunk = [0; 16 * 1024];
                while let Ok(n @ 1..) = stream.read(&mut chunk) {
                    keep(&kept, &chunk[..n], cap);
                }
            });
        }
        Capture { kept, ended }
    }

    /// What was kept, and whether there was more. Waits for the end of the stream until `deadline`:
    /// a descendant that left the process group may hold it open for ever.
    pub(super) fn finish(&self, deadline: Instant) -> (Vec<u8>, bool) {
        let left = deadline.saturating_duration_since(Instant::now());
        let still_open =
            matches!(self.ended.recv_timeout(left), Err(mpsc::RecvTimeoutError::Timeout));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        (mem::take(&mut kept.bytes), kept.cut || still_open)
    }
}

fn keep(kept: &Mutex<Kept>, chunk: &[u8], cap: usize) {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    let room = cap.saturating_sub(kept.bytes.len());
    kept.bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
    kept.cut |= chunk.len() > room;
}
