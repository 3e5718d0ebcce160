//! Connecting, tested against Microsoft's mock of a TDS server and against listeners that misbehave.
//!
//! Ports are the system's choice, and each server ends with its test. Where a time-out is the
//! subject it is short, and the server never answers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[cfg(unix)]
mod envelopes;
mod errors;
mod login;
mod peers;
mod settings;
#[cfg(unix)]
mod tls;
#[cfg(unix)]
mod tokens;
