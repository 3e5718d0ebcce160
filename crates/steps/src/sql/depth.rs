//! How deep a statement may be nested at most, told from its tokens before anybody builds its tree.
//!
//! `sqlparser` limits its own recursion, yet reads `1 + 1 + 1 …` in a loop into a tree as deep as
//! the chain is long; walking or dropping that one ends the whole process where it outgrows the
//! thread's stack. Deliberately not here: what the statement means.

use super::lexer::{Shape, Token};

/// SQLite refuses expressions deeper than 1,000 (`SQLITE_MAX_EXPR_DEPTH`): as many operators, and
/// as many operands.
const MOST: usize = 2_000;

/// What stands between two parentheses.
#[derive(Default)]
struct Level {
    /// No element before this one, between commas, is deeper.
    deepest: usize,
    /// The current element is no deeper.
    element: usize,
    /// Each UNION puts all that was before it one deeper, commas or not.
    compounds: usize,
}

impl Level {
    fn next_element(&mut self) {
        self.deepest = self.deepest.max(self.element);
        self.element = 0;
    }

    fn depth(&self) -> usize {
        self.deepest.max(self.element) + self.compounds
    }
}

/// Whether the tree of these tokens might be deeper than SQLite would take.
pub fn is_too_deep(tokens: &[Token<'_>]) -> bool {
    let (mut outer, mut level) = (Vec::new(), Level::default());
    for token in tokens {
        match token.shape {
            Shape::Punct('(') => outer.push(std::mem::take(&mut level)),
            Shape::Punct(')') => {
                let inner = level.depth();
                level = outer.pop().unwrap_or_default();
                level.element += inner + 1;
            }
            // The statements of a trigger stand side by side, as elements do.
            Shape::Punct(',' | ';') => level.next_element(),
            Shape::Word if ["UNION", "INTERSECT", "EXCEPT"].iter().any(|word| token.is(word)) => {
                level.compounds += 1;
            }
            Shape::Word
            | Shape::Quoted
            | Shape::Text
            | Shape::Number
            | Shape::Variable
            | Shape::Punct(_) => level.element += 1,
        }
        if level.depth() > MOST {
            return true;
        }
    }
    false
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{super::lexer::tokens, is_too_deep};

    fn too_deep(sql: &str) -> bool {
        is_too_deep(&tokens(sql).unwrap())
    }

    #[test]
    fn long_lists_are_not_deep() {
        let rows = "(1, 'a', f(2, 3)), ".repeat(20_000);
        assert!(!too_deep(&format!("INSERT INTO t VALUES {rows} (1, 'a', 4)")));
        let columns = "c INTEGER DEFAULT (1 + 1) CHECK (c > 0), ".repeat(1_000);
        assert!(!too_deep(&format!("CREATE TABLE t ({columns} d)")));
        let body = "UPDATE t SET a = a + 1 WHERE b IN (1, 2);".repeat(1_000);
        assert!(!too_deep(&format!("CREATE TRIGGER g AFTER INSERT ON t BEGIN {body} END")));
        assert!(!too_deep(&format!("DELETE FROM t WHERE {} b", "a = 1 OR ".repeat(400))));
    }

    #[test]
    fn chains_are_deep_however_they_are_hidden() {
        for link in ["1 + ", "'x' || ", "f(1, 2) AND ", "a IN (1, 2) IS "] {
            let deep = format!("UPDATE t SET a = {} 1", link.repeat(2_000));
            assert!(too_deep(&deep), "{link}");
        }
        let compound = "SELECT a, b UNION ".repeat(2_001);
        assert!(too_deep(&format!("CREATE VIEW v AS {compound} SELECT a, b")));
        let level = "1 + ".repeat(100);
        let nested = format!("{}{level} 1{}", "(".repeat(30), format!(") + {level} 1").repeat(30));
        assert!(too_deep(&format!("UPDATE t SET a = {nested}")));
    }
}
