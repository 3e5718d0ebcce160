//! Which known word a misspelt one was probably meant to be.
//!
//! It proposes; nothing is ever corrected silently.

/// The known word nearest to `word`, if it is near enough to be a slip of the keyboard: at most
/// two edits, or a third of a long word. Case and `-` for `_` do not count.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let word = plain(word);
    let limit = (word.chars().count() / 3).max(2);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, &plain(candidate)), candidate))
        .filter(|(edits, candidate)| *edits <= limit && *edits < candidate.chars().count())
        .min()
        .map(|(_, candidate)| candidate)
}

/// `did you mean …?` where a word is near, else the list of all that is known.
pub(super) fn hint(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word() {
        let known = ["min_improvement_pct", "max_regression_pct", "tests"];
        assert_eq!(nearest("min_improvment_pct", known), Some("min_improvement_pct"));
        assert_eq!(nearest("Max-Regression-Pct", known), Some("max_regression_pct"));
        assert_eq!(nearest("test", known), Some("tests"));
    }

    #[test]
    fn an_unrelated_word_finds_none() {
        assert_eq!(nearest("colour", ["tests", "push"]), None);
        assert_eq!(nearest("", ["on"]), None);
    }

    #[test]
    fn the_nearest_wins_and_ties_go_to_the_alphabet() {
        assert_eq!(nearest("branc", ["branch", "brand"]), Some("branch"));
        assert_eq!(nearest("xa", ["xbc", "xac"]), Some("xac"));
    }
}
