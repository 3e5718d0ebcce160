//! JSON kept as the text that it was written in: nothing is parsed that nobody asks about, and what
//! is hashed is what was written.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use serde_json::value::{RawValue, to_raw_value};
use std::{fmt, sync::Arc};

/// A JSON value as text. Cheap to clone; equal where the text is.
#[derive(Clone)]
pub struct Json(Arc<RawValue>);

impl Json {
    /// A value's compact JSON.
    ///
    /// # Errors
    /// Where the value cannot be written as JSON (a map with keys that are no strings).
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Json, serde_json::Error> {
        Ok(Json(to_raw_value(value)?.into()))
    }

    /// The value, as the type that it was written from.
    ///
    /// # Errors
    /// Where it is of another shape.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.text())
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Json) -> bool {
        self.text() == other.text()
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Json, D::Error> {
        Ok(Json(Box::<RawValue>::deserialize(deserializer)?.into()))
    }
}
