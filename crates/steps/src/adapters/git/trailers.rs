//! Trailers: the `Key: value` lines that end a commit message.

/// `message` with one more trailer at its end, in its trailer block if it has one.
pub(super) fn append(message: &str, key: &str, value: &str) -> String {
    let message = message.trim_end();
    let gap = if ends_in_trailers(message) { "\n" } else { "\n\n" };
    format!("{message}{gap}{key}: {value}\n")
}

/// The value of the last trailer of that name (upper and lower case alike).
pub(super) fn find(message: &str, key: &str) -> Option<String> {
    let trailers = git2::message_trailers_strs(message).ok()?;
    let found = trailers.iter().rfind(|(name, _)| name.eq_ignore_ascii_case(key));
    found.map(|(_, value)| value.to_owned())
}

/// Whether the last paragraph (never the first: that is the subject) is all trailers.
fn ends_in_trailers(message: &str) -> bool {
    let Some((_, last)) = message.rsplit_once("\n\n") else { return false };
    last.lines().all(|line| {
        line.split_once(": ").is_some_and(|(key, _)| {
            !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trailer_joins_the_block_that_is_there() {
        let message = append("Add index\n\nWhy.\n\nKaizen-Run: r1\n", "Kaizen-Head", "ab");
        assert_eq!(message, "Add index\n\nWhy.\n\nKaizen-Run: r1\nKaizen-Head: ab\n");
        assert_eq!(find(&message, "kaizen-run").as_deref(), Some("r1"));
        assert_eq!(find(&message, "Kaizen-Head").as_deref(), Some("ab"));
    }

    #[test]
    fn a_subject_that_looks_like_a_trailer_is_left_alone() {
        assert_eq!(append("fix: index", "K", "v"), "fix: index\n\nK: v\n");
        assert_eq!(append("Fix\n\nnot one\nKey: v", "K", "v"), "Fix\n\nnot one\nKey: v\n\nK: v\n");
    }

    #[test]
    fn a_mention_in_the_text_is_no_trailer() {
        assert_eq!(find("Subject\n\nKaizen-Run: r1\nis what we write\n\nmore", "Kaizen-Run"), None);
    }
}
