//! SHA-256 digests: the names of artifacts, change sets and hash-chain links.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use std::{borrow::Cow, fmt, str::FromStr};

/// 32 raw bytes of SHA-256, written as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Digest(pub [u8; 32]);

/// The text was not 64 hex digits.
#[derive(Debug, thiserror::Error)]
#[error("a digest is 64 hexadecimal digits, and this is not: {0:?}")]
pub struct ParseDigestError(String);

impl Digest {
    /// The genesis link of every hash chain: 32 zero bytes.
    pub const ZERO: Digest = Digest([0; 32]);

    /// The digest of the concatenation of `parts`.
    pub fn of(parts: &[&[u8]]) -> Digest {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        Digest(hasher.finalize().into())
    }

    /// The digest of a value's compact JSON. Maps must be ordered (`BTreeMap`) to be stable.
    ///
    /// # Errors
    /// Where the value cannot be written as JSON (a map with keys that are no strings).
    pub fn of_json<T: Serialize + ?Sized>(value: &T) -> Result<Digest, serde_json::Error> {
        Ok(Digest::of(&[&serde_json::to_vec(value)?]))
    }

    /// Its text, without an allocation: every event holds some.
    fn with_text<T>(&self, work: impl FnOnce(&str) -> T) -> T {
        let mut text = [0; 64];
        // Twice as many digits as bytes is what there is room for, and digits are ASCII.
        let _ = hex::encode_to_slice(self.0, &mut text);
        work(std::str::from_utf8(&text).unwrap_or_default())
    }

    /// The first 12 digits, for people.
    pub fn short(&self) -> String {
        hex::encode(&self.0[..6])
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_text(|text| f.write_str(text))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Digest, ParseDigestError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| ParseDigestError(text.to_owned()))?;
        Ok(Digest(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.with_text(|text| serializer.serialize_str(text))
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let text = Cow::<'_, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
