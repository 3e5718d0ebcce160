//! Colours, taken away by `anstream` where they do not belong (pipes, `NO_COLOR`).

use anstyle::{AnsiColor, Style};

pub const BOLD: Style = Style::new().bold();
pub const DIM: Style = Style::new().dimmed();
pub const GOOD: Style = AnsiColor::Green.on_default();
pub const BAD: Style = AnsiColor::Red.on_default();
pub const WARN: Style = AnsiColor::Yellow.on_default();

/// The text in a style.
pub fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// A text as a terminal shows it and nothing else: what would move its cursor, erase, or turn the order of
/// letters around is written out. Whoever approves must see what is there.
pub fn visible(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\t' => c.to_string(),
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            c.escape_unicode().to_string()
        }
        c if c.is_control() => c.escape_default().to_string(),
        c => c.to_string(),
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::visible;

    #[test]
    fn nothing_is_hidden_from_whoever_approves() {
        assert_eq!(visible("a\tb\nc \u{e9}\u{4e2d}"), "a\tb\nc \u{e9}\u{4e2d}");
        assert_eq!(visible("evil()\rinnocent"), "evil()\\rinnocent");
        assert_eq!(visible("\u{1b}[2K\u{202e}x"), "\\u{1b}[2K\\u{202e}x");
    }
}
