//! Secrets in text, found by their shape.
//!
//! Deliberately not here: digests and encoded data, which look random and are no secrets: a value
//! counts only with a prefix that an issuer gave it, or behind a name that says what it is.

/// What kind of secret the text holds; `None`: none that has a known shape.
pub fn looks_like_secret(text: &str) -> Option<String> {
    let found = if has_private_key(text) {
        "a private key"
    } else if let Some(issuer) = words(text).find_map(issued) {
        issuer
    } else if words(text).any(is_json_web_token) {
        "a JSON web token"
    } else if has_password_in_url(text) {
        "a password in a URL"
    } else if text.lines().any(has_password_in_connection_string) {
        "a password in a connection string"
    } else if text.lines().any(has_named_secret) {
        "a value under the name of a secret"
    } else {
        return None;
    };
    Some(found.to_owned())
}

/// The text without the lines that hold what looks like a secret; nothing of it where one spans lines.
#[must_use]
pub fn without_secrets(text: &str) -> String {
    if looks_like_secret(text).is_none() {
        return text.to_owned();
    }
    let shown = |line: &str| match looks_like_secret(line) {
        None => line.to_owned(),
        Some(shape) => format!("[withheld: what looks like a secret ({shape})]"),
    };
    let lines: Vec<String> = text.lines().map(shown).collect();
    let left = lines.join("\n");
    match looks_like_secret(&left) {
        None => left,
        Some(shape) => format!("[withheld: what looks like a secret ({shape})]"),
    }
}

fn has_private_key(text: &str) -> bool {
    text.match_indices("-----BEGIN ").any(|(at, opening)| {
        let label = text[at + opening.len()..].split("-----").next().unwrap_or_default();
        label.ends_with("PRIVATE KEY") || label.ends_with("PRIVATE KEY BLOCK")
    })
}

/// Runs of the characters that tokens are made of.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')))
}

/// Who issued a token, by its documented prefix, alphabet and least length after the prefix.
fn issued(word: &str) -> Option<&'static str> {
    const PREFIXES: [(&str, usize, &str); 19] = [
        ("AKIA", 16, "an AWS access key"),
        ("ASIA", 16, "an AWS access key"),
        ("ghp_", 36, "a GitHub token"),
        ("gho_", 36, "a GitHub token"),
        ("ghu_", 36, "a GitHub token"),
        ("ghs_", 36, "a GitHub token"),
        ("ghr_", 36, "a GitHub token"),
        ("github_pat_", 40, "a GitHub token"),
        ("glpat-", 20, "a GitLab token"),
        ("xoxb-", 20, "a Slack token"),
        ("xoxp-", 20, "a Slack token"),
        ("xoxa-", 20, "a Slack token"),
        ("sk_live_", 20, "a Stripe key"),
        ("rk_live_", 20, "a Stripe key"),
        ("AIza", 35, "a Google API key"),
        ("sk-ant-", 30, "an Anthropic API key"),
        ("sk-proj-", 30, "an OpenAI API key"),
        ("npm_", 36, "an npm token"),
        ("hf_", 30, "a Hugging Face token"),
    ];
    let word = word.trim_matches(['.', '-']);
    PREFIXES.iter().find_map(|(prefix, least, issuer)| {
        let rest = word.strip_prefix(prefix)?;
        let aws = issuer.contains("AWS");
        let shaped = if aws {
            rest.len() == *least
                && rest.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
        } else {
            rest.len() >= *least && !rest.contains('.') && entropy(rest) > 3.0
        };
        shaped.then_some(*issuer)
    })
}

fn is_json_web_token(word: &str) -> bool {
    let parts: Vec<&str> = word.split('.').collect();
    // `eyJ` is `{"` in base64: header and claims are JSON objects.
    matches!(parts.as_slice(), [header, claims, signature]
        if header.starts_with("eyJ") && claims.starts_with("eyJ")
            && header.len() >= 16 && claims.len() >= 16 && signature.len() >= 16)
}

fn has_password_in_url(text: &str) -> bool {
    text.match_indices("://").any(|(at, mark)| {
        let rest = &text[at + mark.len()..];
        let authority =
            rest.split(['/', '?', '#', ' ', '\n', '"', '\'']).next().unwrap_or_default();
        let Some((userinfo, _)) = authority.rsplit_once('@') else { return false };
        userinfo.split_once(':').is_some_and(|(_, password)| is_value(password, 1))
    })
}

/// `Server=…;User Id=…;Password=…` and `host=… password=…`: several keys, one of them a password.
fn has_password_in_connection_string(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    let place = ["server=", "data source=", "host=", "user id=", "uid=", "database=", "dbname="];
    let connects = place.iter().any(|key| lower.contains(key));
    let password = ["password=", "pwd="].iter().find_map(|key| {
        let at = lower.find(key)?;
        line[at + key.len()..].split([';', ' ', '"', '\'']).find(|part| !part.is_empty())
    });
    connects && password.is_some_and(|value| is_value(value, 1))
}

/// `api_key = "…"`, `"client_secret": "…"`: a name that says it, and a value that is not one a
/// person would make up as an example.
fn has_named_secret(line: &str) -> bool {
    const NAMES: [&str; 10] = [
        "api_key",
        "apikey",
        "api-key",
        "access_key",
        "access_token",
        "auth_token",
        "secret",
        "password",
        "passwd",
        "private_key",
    ];
    let lower = line.to_ascii_lowercase();
    NAMES.iter().flat_map(|name| lower.match_indices(name)).any(|(at, name)| {
        // What may follow: the rest of the name (`secret_key`), a closing quote, `=` or `:`.
        let rest = line[at + name.len()..]
            .trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
            .trim_start_matches(['"', '\''])
            .trim_start();
        let Some(rest) = rest.strip_prefix(['=', ':']) else { return false };
        let rest = rest.trim_start_matches(['=', '>']).trim_start();
        let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'' | '`')) else {
            return false;
        };
        let value = rest[1..].split(quote).next().unwrap_or_default();
        is_value(value, 12) && !value.contains(' ') && entropy(value) > 3.0
    })
}

/// Whether something stands there that is no placeholder.
fn is_value(value: &str, least: usize) -> bool {
    let placeholder =
        ["${", "{{", "<", "%(", "$(", "env(", "***", "xxx", "?", "changeme", "example"];
    let lower = value.to_ascii_lowercase();
    value.len() >= least
        && !placeholder.iter().any(|mark| lower.contains(mark))
        && !value.starts_with(['$', '{', ':', '@'])
}

/// Shannon entropy in bits per character: English words are below 3, random tokens of 16 and more
/// characters above 3.3.
fn entropy(value: &str) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in value.bytes() {
        counts[usize::from(byte)] += 1;
    }
    let total = f64::from(counts.iter().sum::<u32>());
    let bits = |count: u32| {
        let share = f64::from(count) / total;
        -share * share.log2()
    };
    counts.iter().filter(|count| **count > 0).map(|count| bits(*count)).sum()
}
