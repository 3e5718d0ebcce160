//! The two hash chains. A published test vector stands in ARCHITECTURE.md and below.
//!
//! What is hashed is the stored bytes, never a re-serialisation.

use crate::digest::Digest;

/// `SHA-256(32 raw bytes of the run's previous event hash ‖ the stored UTF-8 bytes of the event)`.
/// The first event of a run follows 32 zero bytes.
#[must_use]
pub fn event_hash(previous: &Digest, stored: &[u8]) -> Digest {
    Digest::of(&[&previous.0, stored])
}

/// `SHA-256(previous journal hash ‖ event hash)`; the first follows 32 zero bytes.
#[must_use]
pub fn journal_hash(previous: &Digest, event: &Digest) -> Digest {
    Digest::of(&[&previous.0, &event.0])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of ARCHITECTURE.md, which other implementations are checked against.
    #[test]
    fn the_published_vector_holds() {
        let first = event_hash(&Digest::ZERO, br#"{"v":1,"example":"first"}"#);
        let second = event_hash(&first, "{\"v\":1,\"example\":\"zw\u{f6}lf\"}".as_bytes());
        let journal = journal_hash(&journal_hash(&Digest::ZERO, &first), &second);
        assert_eq!(
            [first.to_string(), second.to_string(), journal.to_string()],
            VECTOR.map(str::to_owned)
        );
    }

    const VECTOR: [&str; 3] = [
        "80f9ceb3684366cb0160a9bd654ac94180fe6ef458e505cbf4ce9449d23c4585",
        "b41b3d80df528a26163de0a81e7087016db4b8010216cdbad9d2749fee4d7ef7",
        "663d5f9dbde6379314f984958e81a79982a5eda5e419efc2e42bfb46f67cced2",
    ];
}
