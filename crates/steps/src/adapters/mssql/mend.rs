//! What a person can do about each error, in the order to try it.
//!
//! Advice only: nothing here decides whether something is tried again.

use super::{error::Error, numbers};

impl Error {
    /// What to do about it: one concrete step each, or nothing where the error says it all.
    pub fn mend(&self) -> Vec<String> {
        match self {
            Error::Setting { source_name, .. } => vec![format!(
                "correct {source_name}; its form is \
                 Server=tcp:host,1433;Database=name;User Id=login;Password='...'"
            )],
            Error::Token { source_name, .. } => steps(&[
                &format!("run the command of {source_name} by hand: it is to print one token"),
                "sign in first, for example with `az login`",
            ]),
            Error::Ticket { .. } => steps(&[
                "get a ticket with `kinit` and look at it with `klist`",
                "name the host as its service principal does, MSSQLSvc/host:port",
            ]),
            Error::Unresolvable { .. } => {
                steps(&["check the host in Server=, and that this machine's DNS knows it"])
            }
            Error::Unreachable { place, .. } => steps(&[
                &format!("check that SQL Server runs and listens for TCP at {place}"),
                "check the firewalls between; a named instance has a port of its own",
                "where it is slow rather than away, raise Connect Timeout",
            ]),
            Error::Tls { .. } => steps(&[
                "where its authority is your own: TrustServerCertificateCA=/path/ca.pem",
                "where the certificate has another name: HostNameInCertificate=that.name",
                "where the server is too old for today's TLS, update it",
                "TrustServerCertificate=true would connect, and give up knowing whose server it is: \
                 anyone between could read the password and change what is run",
                "a server without any TLS needs Encrypt=DANGER_PLAINTEXT, which sends the password \
                 readable",
            ]),
            Error::Login { number, .. } => login(*number),
            Error::Server { number, .. } => server(*number),
            Error::Lost { .. } => steps(&[
                "look at the server's log for a restart, a fail-over or a killed session",
                "where the place is no SQL Server, or one without TLS, correct Server= or Encrypt=",
            ]),
            Error::Value { .. } => Vec::new(),
            Error::TimedOut { .. } => steps(&[
                "see what the session waits for: sys.dm_exec_requests, wait_type and \
                 blocking_session_id",
                "raise Command Timeout where the work simply takes longer",
            ]),
            Error::Protocol { .. } => steps(&[
                "check that a SQL Server (2012 or later) answers at that place",
                "where the server has no TLS, Encrypt=DANGER_PLAINTEXT connects, with the password \
                 readable on the way",
            ]),
        }
    }
}

fn login(number: u32) -> Vec<String> {
    match number {
        18456 => steps(&[
            "check User Id and Password; a `;` or a quote in a password needs quotes around it",
            "the server's error log gives the true reason: error 18456 and its state (5 no such \
             login, 7 disabled, 8 wrong password, 38 no such database, 58 SQL logins are off)",
        ]),
        18452 => steps(&[
            "the login is of a Windows domain that the server does not trust: use a SQL login, or \
             Integrated Security",
        ]),
        18470 => steps(&["ALTER LOGIN [...] ENABLE"]),
        18486 => steps(&["ALTER LOGIN [...] WITH PASSWORD = '...' UNLOCK"]),
        18487 | 18488 => {
            steps(&["the password has expired or must be changed: ALTER LOGIN [...] \
             WITH PASSWORD = '...' OLD_PASSWORD = '...'"])
        }
        40532 | 40615 | 40914 => {
            steps(&["allow this machine's address in the server's firewall rules"])
        }
        number if numbers::is_database(number) => steps(&[
            "check Database= against SELECT name FROM sys.databases",
            "give the login a user there: CREATE USER [...] FOR LOGIN [...]",
        ]),
        _ => steps(&["look up the number in the server's error log"]),
    }
}

fn server(number: u32) -> Vec<String> {
    match number {
        number if numbers::is_denied(number) => {
            steps(&["`kaizen sql grants` prints what each login needs, and no more"])
        }
        9002 => steps(&[
            "see why the log cannot be cut: SELECT name, log_reuse_wait_desc FROM sys.databases",
            "back the log up, or let it grow",
        ]),
        1105 => steps(&["give the filegroup room: grow its files or free disk space"]),
        911 => steps(&["check the name against SELECT name FROM sys.databases"]),
        1222 => steps(&["see who holds the lock: sys.dm_tran_locks, blocking_session_id"]),
        number if numbers::is_transient(number) => steps(&["try again"]),
        _ => Vec::new(),
    }
}

fn steps(steps: &[&str]) -> Vec<String> {
    steps.iter().map(ToString::to_string).collect()
}
