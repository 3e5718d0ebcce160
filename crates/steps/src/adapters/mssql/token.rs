//! Access tokens of Microsoft Entra, from a command of the user's choice.
//!
//! Kaizen speaks to no identity service itself: the tools that do (`az account get-access-token`,
//! a workload's own) are there already, and each knows its own sign-in. The command runs for each
//! connection, so a token never outlives its hour here. Nothing that it prints is shown or kept.

use super::{error::Error, secret::Secret};
use crate::adapters::process::{self, Exit};
use std::{path::PathBuf, time::Duration};

/// How long a sign-in may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Tokens measure 2 to 4 KiB; group claims can make them much longer.
const OUTPUT_CAP: usize = 64 * 1024;
/// What identity tools look at beyond the variables that any child may see.
const ENV: &[&str] = &[
    "AZURE_*",
    "IDENTITY_*",
    "IMDS_*",
    "MSI_*",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
];

/// The command that prints a token. Its arguments stay out of `Debug`: they may hold secrets.
#[derive(Clone)]
pub(super) struct TokenCommand {
    variable: String,
    argv: Vec<String>,
}

impl TokenCommand {
    /// From the JSON array in an environment variable.
    pub(super) fn parse(variable: &str, json: &str) -> Result<TokenCommand, Error> {
        let argv: Vec<String> = serde_json::from_str(json).unwrap_or_default();
        if argv.first().is_none_or(String::is_empty) {
            let why = "is not a JSON array of a program and its arguments, as in \
                       [\"az\", \"account\", \"get-access-token\", \"--resource\", \
                       \"https://database.windows.net/\", \"--query\", \"accessToken\", \"-o\", \"tsv\"]";
            return Err(Error::setting(variable, "the command", why));
        }
        Ok(TokenCommand { variable: variable.to_owned(), argv })
    }

    /// The variable that it came from.
    pub(super) fn variable(&self) -> &str {
        &self.variable
    }

    /// Runs the command for a token.
    pub(super) async fn token(&self) -> Result<Secret, Error> {
        let failed = |why: String| Error::Token { source_name: self.variable.clone(), why };
        let mut command = process::Command::new(self.argv.clone(), PathBuf::from("."), TIMEOUT);
        command.env_allow = ENV.iter().map(ToString::to_string).collect();
        command.output_cap = OUTPUT_CAP;
        let output = tokio::task::spawn_blocking(move || command.run())
            .await
            .map_err(|_| failed("its task was ended".to_owned()))?
            .map_err(|error| failed(error.to_string()))?;
        match output.status {
            Exit::Code(0) => {}
            Exit::Code(code) => return Err(failed(format!("it ended with exit code {code}"))),
            Exit::Signal(signal) => return Err(failed(format!("signal {signal} ended it"))),
            Exit::TimedOut => return Err(failed(format!("it took longer than {TIMEOUT:?}"))),
        }
        let text = output.stdout_text();
        let token = text.trim();
        // A token is one word of base64url and dots; anything else is a message or a JSON document.
        let is_token = |c: char| c.is_ascii_alphanumeric() || "-_.~+/=".contains(c);
        if output.truncated || token.is_empty() || !token.chars().all(is_token) {
            return Err(failed("it printed something other than one access token".to_owned()));
        }
        Ok(Secret::new(token.to_owned()))
    }
}

impl std::fmt::Debug for TokenCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenCommand").field("variable", &self.variable).finish_non_exhaustive()
    }
}
