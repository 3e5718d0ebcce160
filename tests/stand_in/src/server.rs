//! The listener, its threads, and what all connections share. Each connection has a thread and a
//! SQLite connection of its own; the database is one file.

use crate::{
    catalogue, engine::Engine, fault::Faults, functions, permissions::Permissions, session,
};
use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// What the connections and the test share.
pub(crate) struct Shared {
    path: PathBuf,
    pub faults: Faults,
    pub permissions: Arc<Permissions>,
    pub stopping: Arc<AtomicBool>,
    /// Seconds that the server's clock is ahead.
    pub clock: Arc<AtomicI64>,
    taught: Mutex<Vec<(String, Vec<String>)>>,
    transactions: AtomicU64,
    logins: AtomicUsize,
    statements: Mutex<Vec<String>>,
    connections: Mutex<HashMap<u64, TcpStream>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub fn new(path: &Path) -> rusqlite::Result<Self> {
        let db = rusqlite::Connection::open(path)?;
        db.busy_timeout(Duration::from_secs(10))?;
        db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;")?;
        functions::install_pure(&db)?;
        catalogue::install(&db)?;
        Ok(Self {
            path: path.to_owned(),
            faults: Faults::default(),
            permissions: Arc::new(Permissions::default()),
            stopping: Arc::new(AtomicBool::new(false)),
            clock: Arc::default(),
            taught: Mutex::new(Vec::new()),
            transactions: AtomicU64::new(0),
            logins: AtomicUsize::new(0),
            statements: Mutex::new(Vec::new()),
            connections: Mutex::new(HashMap::new()),
        })
    }

    pub fn open(&self, user: &str, database: &str) -> rusqlite::Result<Engine> {
        let permissions = self.permissions.clone();
        let engine = Engine::open(&self.path, user, database, permissions, self.stopping.clone())?;
        functions::set_clock(&engine.db, self.clock.clone())?;
        Ok(engine)
    }

    /// What a batch with such a text answers from here on, line by line.
    pub fn teach(&self, when: &str, lines: Vec<String>) {
        let mut taught = locked(&self.taught);
        taught.retain(|(known, _)| known != when);
        taught.push((when.to_owned(), lines));
    }

    pub fn taught(&self, sql: &str) -> Option<Vec<String>> {
        let taught = locked(&self.taught);
        taught.iter().find(|(when, _)| sql.contains(when)).map(|(_, lines)| lines.clone())
    }

    pub fn received(&self, sql: &str) {
        let mut statements = locked(&self.statements);
        if !statements.iter().any(|known| known == sql) {
            statements.push(sql.to_owned());
        }
    }

    pub fn statements(&self) -> Vec<String> {
        locked(&self.statements).clone()
    }

    pub fn logged_in(&self) {
        self.logins.fetch_add(1, Ordering::SeqCst);
    }

    pub fn logins(&self) -> usize {
        self.logins.load(Ordering::SeqCst)
    }

    pub fn next_transaction(&self) -> u64 {
        self.transactions.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub fn connections(&self) -> usize {
        locked(&self.connections).len()
    }

    pub fn cut_all(&self) {
        for stream in locked(&self.connections).values() {
            // Closed by the client already: that is what was wanted.
            stream.shutdown(Shutdown::Both).ok();
        }
    }
}

/// A listener that runs.
pub(crate) struct Listening {
    pub port: u16,
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
}

impl Listening {
    /// Listens on `port`, or on any if it is zero.
    pub fn start(port: u16, shared: Arc<Shared>) -> io::Result<Self> {
        let listener = bind(port)?;
        let port = listener.local_addr()?.port();
        shared.stopping.store(false, Ordering::SeqCst);
        let theirs = shared.clone();
        let thread = std::thread::spawn(move || accept(&listener, &theirs));
        Ok(Self { port, thread: Some(thread), shared })
    }
}

impl Drop for Listening {
    /// Every connection is cut, and its transaction rolled back, before this returns.
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Wakes the listener; if nobody listens any more, it has ended already.
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

/// The same port again may take a moment to be free.
fn bind(port: u16) -> io::Result<TcpListener> {
    let mut tries = 0;
    loop {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Err(_) if port != 0 && tries < 200 => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(10));
            }
            other => return other,
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    for number in 0.. {
        let Ok((stream, _)) = listener.accept() else { continue };
        if shared.stopping.load(Ordering::SeqCst) {
            break;
        }
        let Ok(kept) = stream.try_clone() else { continue };
        locked(&shared.connections).insert(number, kept);
        let theirs = shared.clone();
        threads.push(std::thread::spawn(move || {
            // A connection that breaks is the client's matter, as on a server.
            session::serve(stream, theirs.clone()).ok();
            locked(&theirs.connections).remove(&number);
        }));
        threads.retain(|thread| !thread.is_finished());
    }
    shared.cut_all();
    for thread in threads {
        thread.join().ok();
    }
}
