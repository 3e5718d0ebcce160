//! What can go wrong between Kaizen and a SQL Server: who must act is decided by the kind of the
//! error and the server's number, never by its text. No message holds a connection string, a
//! password or a token.
//!
//! What to do about each is in `mend.rs`.

use super::numbers;
use kaizen_engine::error::{Class, Classified};
use std::io::ErrorKind;

/// Why SQL Server could not be reached or did not do what it was asked.
///
/// `place` is [`super::Connector::place`]: where, without secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("{source_name}: {keyword} {why}")]
    Setting { source_name: String, keyword: String, why: String },
    #[error("{source_name}: no access token: {why}")]
    Token { source_name: String, why: String },
    #[error("{place}: no Kerberos login: {why}")]
    Ticket { place: String, why: String },
    #[error("the host of {place} is not known: {why}")]
    Unresolvable { place: String, why: String },
    #[error("{place} cannot be reached: {why}")]
    Unreachable { place: String, why: String },
    #[error("no trusted encryption with {place}: {why}")]
    Tls { place: String, why: String },
    #[error("{place} refused the login (error {number}): {message}")]
    Login { place: String, number: u32, message: String },
    /// `class` is SQL Server's severity; the line counts from the start of the batch or procedure.
    #[error("SQL Server error {number}, level {class}, state {state}, {}line {line}: {message}", within(.procedure))]
    Server { number: u32, state: u8, class: u8, message: String, line: u32, procedure: String },
    #[error("the connection to {place} broke: {why}")]
    Lost { place: String, why: String },
    #[error("{place} did not answer in time")]
    TimedOut { place: String },
    /// Nothing was sent: the driver does not take the value for the column.
    #[error("a value for {place} does not fit its column: {why}")]
    Value { place: String, why: String },
    #[error("{place} and Kaizen do not understand each other: {why}")]
    Protocol { place: String, why: String },
}

impl Error {
    pub(super) fn setting(
        source_name: impl Into<String>,
        keyword: impl Into<String>,
        why: impl Into<String>,
    ) -> Error {
        Error::Setting { source_name: source_name.into(), keyword: keyword.into(), why: why.into() }
    }

    /// The server's error number, where the server gave one.
    pub fn number(&self) -> Option<u32> {
        match self {
            Error::Login { number, .. } | Error::Server { number, .. } => Some(*number),
            Error::Setting { .. }
            | Error::Token { .. }
            | Error::Ticket { .. }
            | Error::Unresolvable { .. }
            | Error::Unreachable { .. }
            | Error::Tls { .. }
            | Error::Lost { .. }
            | Error::TimedOut { .. }
            | Error::Value { .. }
            | Error::Protocol { .. } => None,
        }
    }
}

/// What tiberius reports, in Kaizen's terms. `place` is [`super::Connector::place`].
pub fn from_tiberius(place: &str, error: tiberius::error::Error) -> Error {
    use tiberius::error::Error as Driver;
    let place = place.to_owned();
    match error {
        Driver::Server(token) if numbers::is_login(token.code()) => {
            Error::Login { place, number: token.code(), message: token.message().to_owned() }
        }
        Driver::Server(token) => Error::Server {
            number: token.code(),
            state: token.state(),
            class: token.class(),
            message: token.message().to_owned(),
            line: token.line(),
            procedure: token.procedure().to_owned(),
        },
        Driver::Tls(why) => Error::Tls { place, why },
        Driver::BulkInput(why) => Error::Value { place, why: why.into_owned() },
        Driver::Protocol(why) => Error::Protocol { place, why: why.into_owned() },
        #[cfg(all(unix, feature = "kerberos"))]
        Driver::Gssapi(why) => Error::Ticket { place, why },
        Driver::Io { kind: ErrorKind::TimedOut, .. } => Error::TimedOut { place },
        // What the connection carried, not the connection.
        Driver::Io { kind: ErrorKind::InvalidData | ErrorKind::InvalidInput, message } => {
            Error::Protocol { place, why: message }
        }
        Driver::Io { message, .. } => Error::Lost { place, why: message },
        other => Error::Protocol { place, why: other.to_string() },
    }
}

impl Classified for Error {
    fn class(&self) -> Class {
        match self {
            Error::Unresolvable { .. }
            | Error::Unreachable { .. }
            | Error::Lost { .. }
            | Error::TimedOut { .. } => Class::Retry,
            Error::Server { number, .. } if numbers::is_transient(*number) => Class::Retry,
            Error::Server { .. }
            | Error::Setting { .. }
            | Error::Token { .. }
            | Error::Ticket { .. }
            | Error::Tls { .. }
            | Error::Login { .. }
            | Error::Value { .. }
            | Error::Protocol { .. } => Class::Operator,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Setting { .. } => "sqlserver_setting",
            Error::Value { .. } => "sqlserver_value",
            Error::Token { .. } => "sqlserver_token",
            Error::Ticket { .. } => "sqlserver_ticket",
            Error::Unresolvable { .. } | Error::Unreachable { .. } => "sqlserver_unreachable",
            Error::Tls { .. } => "sqlserver_certificate",
            Error::Login { number, .. } if numbers::is_database(*number) => "sqlserver_database",
            Error::Login { .. } => "sqlserver_login",
            Error::Server { number, .. } => match *number {
                1205 => "sqlserver_deadlock",
                1222 => "sqlserver_timeout",
                number if numbers::is_database(number) => "sqlserver_database",
                number if numbers::is_denied(number) => "sqlserver_denied",
                number if numbers::is_full(number) => "sqlserver_full",
                _ => "sqlserver_error",
            },
            Error::Lost { .. } => "sqlserver_lost",
            Error::TimedOut { .. } => "sqlserver_timeout",
            Error::Protocol { .. } => "sqlserver_protocol",
        }
    }
}

fn within(procedure: &str) -> String {
    if procedure.is_empty() { String::new() } else { format!("{procedure} ") }
}
