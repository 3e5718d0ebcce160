//! What a model or an agent answers: one JSON object, a change as `--change` takes it, or that there is
//! nothing to change.

use crate::payload::ChangeFile;
use serde_json::{Value, json};

/// An answer that can be read.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    Change {
        change: Box<ChangeFile>,
        /// The earlier attempts that it drew on, as it says: `r12`.
        drew_on: Vec<String>,
    },
    /// Why there is nothing to change.
    NoChange(String),
}

/// The JSON schema of an answer.
#[must_use]
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(ChangeFile).to_value();
    if let Some(properties) = schema["properties"].as_object_mut() {
        properties.insert(
            "no_change".to_owned(),
            json!({ "type": "string", "description": "Why nothing should be changed; then nothing else." }),
        );
        properties.insert(
            "drew_on".to_owned(),
            json!({
                "type": "array", "items": { "type": "string" },
                "description": "Earlier attempts that this change draws on, such as r12."
            }),
        );
    }
    if let Some(object) = schema.as_object_mut() {
        // Nothing to change has no title.
        object.remove("required");
    }
    schema
}

/// Reads an answer. Around the object there may be prose, or a fence; two different objects are none.
///
/// # Errors
/// For whoever answered: what is wrong with it.
pub fn read(text: &str) -> Result<Answer, String> {
    let mut object = object(text)?;
    let mut taken = |key: &str| object.as_object_mut().and_then(|object| object.remove(key));
    let no_change = taken("no_change").filter(|value| !value.is_null());
    let drew_on = taken("drew_on").filter(|value| !value.is_null());
    if let Some(why) = no_change {
        let left = object.as_object().map_or(0, |rest| rest.values().filter(|v| !empty(v)).count());
        return match (why.as_str(), left) {
            (Some(why), 0) if !why.trim().is_empty() => Ok(Answer::NoChange(why.to_owned())),
            (Some(_), 0) => Err("`no_change` says no reason".to_owned()),
            _ => Err("it says `no_change` and a change at once".to_owned()),
        };
    }
    if let Some(object) = object.as_object_mut() {
        // Models fill in what they leave out.
        object.retain(|_, value| !value.is_null());
    }
    let change: ChangeFile =
        serde_json::from_value(object).map_err(|e| format!("the answer does not fit: {e}"))?;
    if change.title.trim().is_empty() {
        return Err("the answer does not fit: the title is empty".to_owned());
    }
    let drew_on = match drew_on {
        None => Vec::new(),
        Some(list) => serde_json::from_value(list)
            .map_err(|e| format!("the answer does not fit: drew_on: {e}"))?,
    };
    Ok(Answer::Change { change: Box::new(change), drew_on })
}

fn empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The only JSON object in the text, or the last of several that are the same.
fn object(text: &str) -> Result<Value, String> {
    if let Ok(whole @ Value::Object(_)) = serde_json::from_str(text.trim()) {
        return Ok(whole);
    }
    let mut found: Vec<Value> = Vec::new();
    let mut at = 0;
    while let Some(begin) = text[at..].find('{').map(|offset| at + offset) {
        let mut values = serde_json::Deserializer::from_str(&text[begin..]).into_iter::<Value>();
        match values.next() {
            Some(Ok(object)) => {
                at = begin + values.byte_offset();
                // What is quoted in the prose as an example of something else has no such key.
                let ours = ["title", "no_change"].iter().any(|key| object.get(key).is_some());
                if ours && !found.contains(&object) {
                    found.push(object);
                }
            }
            _ => at = begin + 1,
        }
    }
    match found.as_slice() {
        [] => Err("there is no JSON object with a `title` in the answer".to_owned()),
        [_] => Ok(found.remove(0)),
        several => Err(format!("the answer holds {} different objects", several.len())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn one_object_wherever_it_stands() {
        let change = r#"{"title": "Index it", "up": "CREATE INDEX a ON b (c);", "risk": null}"#;
        for text in [
            change.to_owned(),
            format!("Sure! {{braces}} first.\n```json\n{change}\n```\nDone."),
            format!("{change}\nOnce more: {change}"),
            format!("Looking at {{\"rows\": 1}} I propose {change}"),
        ] {
            let Ok(Answer::Change { change, drew_on }) = read(&text) else { panic!("{text}") };
            assert_eq!((change.title.as_str(), drew_on.len()), ("Index it", 0), "{text}");
        }
        assert_eq!(
            read(r#"{"no_change": "all is well"}"#),
            Ok(Answer::NoChange("all is well".into()))
        );
    }

    #[test]
    fn what_does_not_fit_is_said() {
        for (text, said) in [
            ("I cannot help with that.", "no JSON object"),
            (r#"{"title": "a", "kind": "magic"}"#, "unknown variant `magic`"),
            (r#"{"title": "a", "shell": "rm"}"#, "unknown field `shell`"),
            (r#"{"title": " "}"#, "title is empty"),
            (r#"{"title": "a"} {"title": "b"}"#, "2 different objects"),
            (r#"{"title": "a", "no_change": "b"}"#, "at once"),
            (r#"{"no_change": ""}"#, "no reason"),
            (r#"{"title": "a", "drew_on": 3}"#, "drew_on"),
        ] {
            let why = read(text).unwrap_err();
            assert!(why.contains(said), "{text}: {why}");
        }
        let deep = "{".repeat(100_000);
        assert!(read(&deep).is_err());
    }

    #[test]
    fn the_schema_names_every_key() {
        let schema = schema();
        for key in ["title", "kind", "up", "down", "files", "diff", "edits", "delete", "no_change"]
        {
            assert!(schema["properties"].get(key).is_some(), "{key} in {schema}");
        }
        assert_eq!(schema["additionalProperties"], false);
    }
}
