//! One JSON request to an HTTP endpoint, and its answer: the only user of `ureq`. TLS is the system's.
//!
//! Deliberately not here: what the JSON says, and when to try again.

use kaizen_engine::error::{Class, Classified};
use std::time::Duration;
use ureq::{
    Agent,
    tls::{RootCerts, TlsConfig, TlsProvider},
};

/// What came back, whatever its status.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// `Retry-After` in seconds, where the endpoint said it so.
    pub retry_after: Option<Duration>,
    pub body: Vec<u8>,
}

/// Why nothing came back.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error("no answer within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    #[error("the answer is longer than {0} KiB")]
    TooLarge(u64),
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
}

impl Classified for Error {
    fn class(&self) -> Class {
        match self {
            Error::TooLarge(_) => Class::Operator,
            Error::TimedOut(_) | Error::Unreachable(_) => Class::Retry,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::TimedOut(_) => "http_timed_out",
            Error::TooLarge(_) => "http_too_large",
            Error::Unreachable(_) => "http_unreachable",
        }
    }
}

/// Posts `body`; at most `cap` bytes of an answer are read. Redirects are not followed: they would
/// take a key elsewhere.
///
/// # Errors
/// Where there is no whole answer in time.
pub fn post(
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    timeout: Duration,
    cap: u64,
) -> Result<Answer, Error> {
    let tls = TlsConfig::builder()
        .provider(TlsProvider::NativeTls)
        .root_certs(RootCerts::PlatformVerifier)
        .build();
    let agent: Agent = Agent::config_builder()
        .timeout_global(Some(timeout))
        .http_status_as_error(false)
        .max_redirects(0)
        .tls_config(tls)
        .build()
        .into();
    let told = |error: ureq::Error| match error {
        ureq::Error::Timeout(_) => Error::TimedOut(timeout),
        ureq::Error::BodyExceedsLimit(_) => Error::TooLarge(cap >> 10),
        other => Error::Unreachable(other.to_string()),
    };
    let mut request = agent.post(url).content_type("application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut response = request.send(body).map_err(told)?;
    let retry_after = response.headers().get("retry-after");
    let retry_after = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Ok(Answer {
        status: response.status().as_u16(),
        retry_after: retry_after.map(Duration::from_secs),
        body: response.body_mut().with_config().limit(cap).read_to_vec().map_err(told)?,
    })
}
