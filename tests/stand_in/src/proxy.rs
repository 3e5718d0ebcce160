//! A TCP proxy that breaks connections below the protocol: after so many bytes, late, or never an
//! answer. It knows nothing of TDS.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// How often the listener looks whether it should still listen.
const POLL: Duration = Duration::from_millis(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    ToServer,
    ToClient,
}

#[derive(Default)]
struct State {
    stopping: AtomicBool,
    refusing: AtomicBool,
    /// What the listener does, which follows `refusing` a moment later.
    refuses: AtomicBool,
    black_hole: AtomicBool,
    accepted: AtomicUsize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    delay: Duration,
    /// For the next connection.
    cut: Option<(Direction, usize)>,
    streams: Vec<TcpStream>,
}

impl State {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is(flag: &AtomicBool) -> bool {
        flag.load(Ordering::SeqCst)
    }
}

/// A proxy in front of a port of this machine.
pub struct Proxy {
    port: u16,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[allow(clippy::expect_used, reason = "a test that has no proxy cannot go on")]
impl Proxy {
    /// # Panics
    ///
    /// If there is no port.
    pub fn start(upstream_port: u16) -> Self {
        let listener = listen(0).expect("a port for the proxy");
        let port = listener.local_addr().expect("the proxy's address").port();
        let state = Arc::new(State::default());
        let theirs = state.clone();
        let thread = std::thread::spawn(move || accept(listener, port, upstream_port, &theirs));
        Self { port, state, thread: Some(thread) }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The next connection closes, both ways, after `bytes` went in `direction`.
    pub fn cut_after_bytes(&self, direction: Direction, bytes: usize) {
        self.state.inner().cut = Some((direction, bytes));
    }

    /// Everything from now on is passed on this much later; zero ends it.
    pub fn delay(&self, delay: Duration) {
        self.state.inner().delay = delay;
    }

    /// Refuses connections, or takes them again; those there are go on.
    pub fn refuse(&self, refuse: bool) {
        self.state.refusing.store(refuse, Ordering::SeqCst);
        while State::is(&self.state.refuses) != refuse {
            std::thread::sleep(POLL);
        }
    }

    /// Takes connections and swallows what they send, both ways and in those there are too.
    pub fn black_hole(&self, swallow: bool) {
        self.state.black_hole.store(swallow, Ordering::SeqCst);
    }

    /// Closes every connection.
    pub fn cut_now(&self) {
        for stream in self.state.inner().streams.drain(..) {
            // Closed by the other side already: that is what was wanted.
            stream.shutdown(Shutdown::Both).ok();
        }
    }

    /// Connections taken so far.
    pub fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.stopping.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
        self.cut_now();
    }
}

fn listen(port: u16) -> io::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn accept(listener: TcpListener, port: u16, upstream: u16, state: &Arc<State>) {
    let mut listener = Some(listener);
    while !State::is(&state.stopping) {
        if State::is(&state.refusing) {
            listener = None;
        } else if listener.is_none() {
            listener = listen(port).ok();
        }
        state.refuses.store(listener.is_none(), Ordering::SeqCst);
        match listener.as_ref().map(TcpListener::accept) {
            Some(Ok((client, _))) => {
                state.accepted.fetch_add(1, Ordering::SeqCst);
                // A server that is down: the client sees its connection close.
                join(client, upstream, state).ok();
            }
            Some(Err(_)) | None => std::thread::sleep(POLL),
        }
    }
}

fn join(client: TcpStream, upstream: u16, state: &Arc<State>) -> io::Result<()> {
    client.set_nonblocking(false)?;
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream))?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let cut = {
        let mut inner = state.inner();
        inner.streams.extend([client.try_clone()?, server.try_clone()?]);
        inner.cut.take()
    };
    for direction in [Direction::ToServer, Direction::ToClient] {
        let (from, to) = match direction {
            Direction::ToServer => (client.try_clone()?, server.try_clone()?),
            Direction::ToClient => (server.try_clone()?, client.try_clone()?),
        };
        let left = cut.filter(|(of, _)| *of == direction).map(|(_, bytes)| bytes);
        let state = state.clone();
        std::thread::spawn(move || {
            // Whatever ended one way ends the other.
            pump(&from, &to, left, &state).ok();
            from.shutdown(Shutdown::Both).ok();
            to.shutdown(Shutdown::Both).ok();
        });
    }
    Ok(())
}

fn pump(
    mut from: &TcpStream,
    mut to: &TcpStream,
    mut left: Option<usize>,
    state: &State,
) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let room = left.unwrap_or(buffer.len()).min(buffer.len());
        let read = from.read(&mut buffer[..room])?;
        if read == 0 {
            return Ok(());
        }
        let delay = state.inner().delay;
        if !delay.is_zero() {
            std::thread::sleep(delay);
        }
        if !State::is(&state.black_hole) {
            to.write_all(&buffer[..read])?;
        }
        left = left.map(|left| left - read);
        if left == Some(0) {
            return Ok(());
        }
    }
}
