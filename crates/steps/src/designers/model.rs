//! A model behind an HTTP endpoint: what is sent, and what comes back, in the two shapes that are spoken.
//!
//! The bytes of a request are made here rather than by a client library, since they are evidence: they
//! are stored, and their digest is announced, before any of them leaves. Deliberately not here: when to
//! ask again, budgets, and what an answer must be.

use crate::adapters::http;
use kaizen_engine::workflow::{Api, Model};
use serde_json::{Value, json};
use std::time::Duration;

/// The key's variable of the environment; it is nowhere else.
pub const KEY: &str = "KAIZEN_MODEL_KEY";
/// The base URL's, where the workflow names none.
pub const URL: &str = "KAIZEN_MODEL_URL";
/// The model's, where the workflow names none.
pub const NAME: &str = "KAIZEN_MODEL";

/// Largest answer that is read, bytes.
const ANSWER_CAP: u64 = 1 << 20;

/// The version of Anthropic's API that is spoken.
const ANTHROPIC_VERSION: &str = "2023-06-01";

/// The tool by which a model of that API answers.
const TOOL: &str = "propose_change";

/// An endpoint, as the workflow and the environment name it.
#[derive(Clone)]
pub struct Endpoint {
    url: String,
    pub name: String,
    key: Option<String>,
    settings: Model,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The same may work later: not before this time, where the endpoint says so.
    Again(String, Option<Duration>),
    /// It will not.
    No(String),
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The answer itself.
    pub text: String,
    /// The whole body.
    pub raw: String,
    /// As the endpoint counts; 0 where it does not.
    pub input_tokens: u64,
    pub output_tokens: u64,
}

impl Endpoint {
    /// The endpoint that the workflow names, or the environment.
    ///
    /// # Errors
    /// For people: what is missing, or must not be.
    pub fn of(settings: &Model) -> Result<Endpoint, String> {
        let said = |set: &str, variable: &str| {
            let set = (!set.is_empty()).then(|| set.to_owned());
            set.or_else(|| std::env::var(variable).ok().filter(|value| !value.trim().is_empty()))
        };
        let url = said(&settings.url, URL)
            .ok_or_else(|| format!("no model endpoint: set {URL}, or `url` under [model]"))?;
        let name = said(&settings.name, NAME)
            .ok_or_else(|| format!("no model is named: set {NAME}, or `name` under [model]"))?;
        let key = std::env::var(KEY).ok().filter(|key| !key.trim().is_empty());
        let url = url.trim().trim_end_matches('/').to_owned();
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(format!("{URL} (or `url` under [model]) is no URL: https://HOST/v1"));
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(format!("the model's URL holds a login: the key belongs into {KEY}"));
        }
        if rest.contains(['?', '#']) {
            return Err(format!("the model's URL ends at its path: the key belongs into {KEY}"));
        }
        match scheme {
            "https" => {}
            "http" if is_loopback(authority) || key.is_none() => {}
            "http" => {
                return Err(format!("{KEY} would go to {authority} in the clear: use https"));
            }
            other => return Err(format!("the model's URL begins with {other}://, not https://")),
        }
        Ok(Endpoint { url, name, key, settings: settings.clone() })
    }

    /// Where requests go.
    #[must_use]
    pub fn destination(&self) -> String {
        let path = match self.settings.api {
            Api::Openai => "chat/completions",
            Api::Anthropic => "messages",
        };
        format!("{}/{path}", self.url)
    }

    /// The body of a request: what the model is, and what it is told.
    #[must_use]
    pub fn request(&self, system: &str, user: &str, schema: &Value) -> Vec<u8> {
        let Model { temperature, max_tokens, .. } = &self.settings;
        let user = json!({ "role": "user", "content": user });
        let body = match self.settings.api {
            Api::Openai => json!({
                "model": self.name,
                "messages": [{ "role": "system", "content": system }, user],
                "temperature": temperature,
                "max_tokens": max_tokens,
                "response_format": {
                    "type": "json_schema",
                    "json_schema": { "name": "change", "schema": schema },
                },
            }),
            Api::Anthropic => json!({
                "model": self.name,
                "system": system,
                "messages": [user],
                "temperature": temperature,
                "max_tokens": max_tokens,
                "tools": [{
                    "name": TOOL,
                    "description": "Propose one change, or say that there is none.",
                    "input_schema": schema,
                }],
                "tool_choice": { "type": "tool", "name": TOOL },
            }),
        };
        body.to_string().into_bytes()
    }

    /// The most that an answer may cost beyond its request: tokens.
    #[must_use]
    pub fn most_tokens(&self) -> u64 {
        u64::from(self.settings.max_tokens)
    }

    /// What so many tokens cost, by the workflow's prices.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "tokens of one run are few")]
    pub fn cost(&self, input: u64, output: u64) -> f64 {
        let Model { input_price, output_price, .. } = &self.settings;
        (input as f64 * input_price + output as f64 * output_price) / 1e6
    }

    /// Sends a request. Blocks.
    ///
    /// # Errors
    /// Where there is no answer to read.
    pub fn send(&self, body: &[u8]) -> Result<Answered, Error> {
        let bearer = self.key.as_ref().map(|key| format!("Bearer {key}"));
        let mut headers: Vec<(&str, &str)> = Vec::new();
        match (self.settings.api, &self.key, &bearer) {
            (Api::Openai, _, Some(bearer)) => headers.push(("authorization", bearer)),
            (Api::Anthropic, Some(key), _) => headers.push(("x-api-key", key)),
            _ => {}
        }
        if self.settings.api == Api::Anthropic {
            headers.push(("anthropic-version", ANTHROPIC_VERSION));
        }
        let to = self.destination();
        let answer = http::post(&to, &headers, body, self.settings.timeout, ANSWER_CAP);
        let answer = answer.map_err(|error| match error {
            http::Error::TooLarge(_) => Error::No(error.to_string()),
            http::Error::TimedOut(_) | http::Error::Unreachable(_) => {
                Error::Again(error.to_string(), None)
            }
        })?;
        let mut raw = String::from_utf8_lossy(&answer.body).into_owned();
        if let Some(key) = &self.key {
            // Some endpoints quote what they refuse.
            raw = raw.replace(key.trim(), "[key]");
        }
        let said: String = raw.chars().take(300).collect();
        let status = format!("status {}: {}", answer.status, said.trim());
        match answer.status {
            200 => self.read(raw),
            // Too many requests, and what servers say when they are busy or broken.
            408 | 429 | 500 | 502 | 503 | 504 | 529 => {
                Err(Error::Again(status, answer.retry_after))
            }
            _ => Err(Error::No(status)),
        }
    }

    fn read(&self, raw: String) -> Result<Answered, Error> {
        let body: Value = serde_json::from_str(&raw)
            .map_err(|e| Error::Again(format!("it answered no JSON: {e}"), None))?;
        let count = |key: &str| body["usage"][key].as_u64().unwrap_or(0);
        let (text, input_tokens, output_tokens) = match self.settings.api {
            Api::Openai => (
                body["choices"][0]["message"]["content"].as_str().map(str::to_owned),
                count("prompt_tokens"),
                count("completion_tokens"),
            ),
            Api::Anthropic => (content(&body), count("input_tokens"), count("output_tokens")),
        };
        let text = text.ok_or_else(|| Error::No("its answer holds no content".to_owned()))?;
        Ok(Answered { text, raw, input_tokens, output_tokens })
    }
}

/// The tool's input, or the text where no tool was used.
fn content(body: &Value) -> Option<String> {
    let blocks = body["content"].as_array()?;
    let of = |kind: &str| blocks.iter().find(|block| block["type"] == kind);
    let tool = of("tool_use").map(|block| block["input"].to_string());
    tool.or_else(|| of("text")?["text"].as_str().map(str::to_owned))
}

fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let address: Option<std::net::IpAddr> = host.parse().ok();
    host == "localhost" || address.is_some_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    fn endpoint(api: Api) -> Endpoint {
        let settings = Model { api, input_price: 2.0, output_price: 10.0, ..Model::default() };
        Endpoint { url: "https://models.test/v1".into(), name: "m".into(), key: None, settings }
    }

    #[test]
    fn both_shapes_are_written_and_read() {
        let openai = endpoint(Api::Openai);
        assert_eq!(openai.destination(), "https://models.test/v1/chat/completions");
        let body: Value = serde_json::from_slice(&openai.request("s", "u", &json!({}))).unwrap();
        assert_eq!(body["messages"][1]["content"], "u");
        assert_eq!(body["response_format"]["type"], "json_schema");
        let said = json!({
            "choices": [{ "message": { "content": "{}" } }],
            "usage": { "prompt_tokens": 7, "completion_tokens": 3 }
        });
        let read = openai.read(said.to_string()).unwrap();
        assert_eq!((read.text.as_str(), read.input_tokens, read.output_tokens), ("{}", 7, 3));
        assert!((openai.cost(1_000_000, 100_000) - 3.0).abs() < 1e-12);

        let anthropic = endpoint(Api::Anthropic);
        assert_eq!(anthropic.destination(), "https://models.test/v1/messages");
        let body: Value = serde_json::from_slice(&anthropic.request("s", "u", &json!({}))).unwrap();
        assert_eq!((&body["system"], &body["tool_choice"]["name"]), (&json!("s"), &json!(TOOL)));
        let said = json!({
            "content": [{ "type": "text", "text": "so" }, { "type": "tool_use", "input": { "title": "a" } }],
            "usage": { "input_tokens": 5, "output_tokens": 2 }
        });
        let read = anthropic.read(said.to_string()).unwrap();
        assert_eq!((read.text.as_str(), read.input_tokens), (r#"{"title":"a"}"#, 5));
        assert!(matches!(openai.read("{}".into()), Err(Error::No(_))));
        assert!(matches!(openai.read("<html>".into()), Err(Error::Again(..))));
    }

    #[test]
    fn a_url_is_checked_before_anything_leaves() {
        let of = |url: &str| {
            let settings = Model { url: url.into(), name: "m".into(), ..Model::default() };
            Endpoint::of(&settings).map(|endpoint| endpoint.destination())
        };
        assert_eq!(
            of("http://localhost:11434/v1/").unwrap(),
            "http://localhost:11434/v1/chat/completions"
        );
        for (url, said) in [
            ("models.test", "no URL"),
            ("ftp://models.test", "not https"),
            ("https://me:secret@models.test", "holds a login"),
            ("me:secret@models.test", "no URL"),
            ("https://models.test/v1?key=secret", "ends at its path"),
        ] {
            let why = of(url).unwrap_err();
            assert!(why.contains(said) && !why.contains("secret"), "{url}: {why}");
        }
        for (authority, loopback) in [
            ("localhost:80", true),
            ("127.0.0.1:80", true),
            ("[::1]:80", true),
            ("127.0.0.1.evil.test", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(authority), loopback, "{authority}");
        }
    }
}
