//! Forcing a plan of Query Store, as a script that names hashes: which query and plan these are is looked
//! up when it runs, and a person can run it by hand. No other script that runs what it has put together
//! is understood.

use super::lexer::{Shape, Token, tokens};
use kaizen_engine::journal::Timestamp;

/// A query and its plan by their hashes in Query Store, and when the forcing is to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forcing {
    /// `0x` and 16 hexadecimal digits.
    pub query: String,
    pub plan: String,
    pub until: Timestamp,
}

/// Which of the two scripts it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Force,
    Unforce,
}

const FORCE: &str = include_str!("../../../../sql/server/deploy/force_plan.sql");
const UNFORCE: &str = include_str!("../../../../sql/server/deploy/unforce_plan.sql");

/// Where the three values stand in the scripts.
const HOLES: [&str; 3] = ["{{query_hash}}", "{{plan_hash}}", "{{until}}"];

impl Forcing {
    /// The script, one statement without a semicolon.
    #[must_use]
    pub fn script(&self, way: Way) -> String {
        let text = match way {
            Way::Force => FORCE,
            Way::Unforce => UNFORCE,
        };
        text.trim_end()
            .replace(HOLES[0], &self.query)
            .replace(HOLES[1], &self.plan)
            .replace(HOLES[2], &seconds(self.until))
    }

    /// Reads either script back; `None` where it is another in any token.
    #[must_use]
    pub fn read(statement: &str) -> Option<(Forcing, Way)> {
        let found = tokens(statement).ok()?;
        [(FORCE, Way::Force), (UNFORCE, Way::Unforce)].into_iter().find_map(|(text, way)| {
            let (mut query, mut plan, mut until) = (None, None, None);
            let script = HOLES.iter().zip(["0x0A", "0x0B", "UNTIL"]);
            let script =
                script.fold(text.to_owned(), |text, (hole, word)| text.replace(hole, word));
            let wanted = tokens(&script).ok()?;
            if wanted.len() != found.len() {
                return None;
            }
            for (wanted, found) in wanted.iter().zip(&found) {
                match wanted.text {
                    "0x0A" => query = Some(hash(found)?),
                    "0x0B" => plan = Some(hash(found)?),
                    "'UNTIL'" => until = Some(time(found)?),
                    same if same.eq_ignore_ascii_case(found.text) => {}
                    _ => return None,
                }
            }
            // The way back names no time.
            let until = until.or_else(|| (way == Way::Unforce).then_some(Timestamp(0)))?;
            Some((Forcing { query: query?, plan: plan?, until }, way))
        })
    }
}

fn hash(token: &Token<'_>) -> Option<String> {
    let digits = token.text.strip_prefix("0x").or_else(|| token.text.strip_prefix("0X"))?;
    let fine = digits.len() == 16 && digits.bytes().all(|c| c.is_ascii_hexdigit());
    (token.shape == Shape::Number && fine).then(|| format!("0x{}", digits.to_uppercase()))
}

fn time(token: &Token<'_>) -> Option<Timestamp> {
    let text = token.text.trim_matches('\'');
    (token.shape == Shape::Text && text.len() == 19)
        .then(|| Timestamp::parse(&format!("{text}Z")))?
}

/// `2026-12-26T00:00:00`, as a literal of datetime2 in any language of a session.
fn seconds(at: Timestamp) -> String {
    at.to_string().chars().take(19).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn forcing() -> Forcing {
        Forcing {
            query: "0x00112233445566AA".to_owned(),
            plan: "0xFFEEDDCCBBAA9988".to_owned(),
            until: Timestamp::parse("2026-12-26T08:00:00Z").unwrap(),
        }
    }

    #[test]
    fn a_script_is_read_back_as_what_it_was_made_from() {
        let (read, way) = Forcing::read(&forcing().script(Way::Force)).unwrap();
        assert_eq!((read, way), (forcing(), Way::Force));
        let (read, way) = Forcing::read(&forcing().script(Way::Unforce).to_lowercase()).unwrap();
        assert_eq!(way, Way::Unforce);
        assert_eq!((read.query, read.plan), (forcing().query, forcing().plan));
    }

    #[test]
    fn nothing_else_is_taken_for_one() {
        let script = forcing().script(Way::Force);
        for other in [
            script.replace("sp_query_store_force_plan", "sp_addrolemember"),
            script.replace("0x00112233445566AA", "0x00"),
            script.replace("0x00112233445566AA", "0x00112233445566AA OR 1 = 1"),
            script.replace("2026-12-26T08:00:00", "2026-12-26T08:00:00'; DROP TABLE x --"),
            format!("{script} DROP TABLE x"),
            script.replace("16, 1", "16, 2"),
        ] {
            assert_ne!(other, script);
            assert_eq!(Forcing::read(&other), None, "{other}");
        }
    }
}
