//! What a T-SQL script says: the statements that Kaizen understands whole, and nothing more.
//!
//! Statements need no semicolon between them in T-SQL, so that a statement counts as understood only
//! where its grammar takes it to its last token: whatever follows an index would be another statement.
//! What is not understood is `unclassified`, which always needs a human.

use super::{
    classify::{Classification, Declared, least_risk},
    error::{Error, Refusal, Script, excerpt},
    lexer::{Shape, Token, tokens},
    split::{Statement, split},
};
use crate::payload::{Kind, Risk};
use std::collections::BTreeSet;

/// What a statement does.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Action {
    CreateIndex { name: String, unique: bool, clustered: bool },
    DropIndex { name: String },
    UpdateStatistics,
    Unknown,
}

struct Understood {
    action: Action,
    /// `schema.table`, lower case.
    table: Option<String>,
}

/// The kind and the risk of a change by its scripts. An `up` of blanks only is a change of files.
///
/// # Errors
/// A script that cannot be read, a statement that nobody may send, a statement beyond the declared
/// kind, a down script without an up script.
pub fn classify(
    up: &str,
    down: Option<&str>,
    declared: Declared,
) -> Result<Classification, Refusal> {
    let up = if up.trim().is_empty() { Vec::new() } else { read(Script::Up, up)? };
    let down = match read(Script::Down, down.unwrap_or_default()) {
        Err(Refusal::Unreadable { source: Error::Empty, .. }) => Vec::new(),
        other => other?,
    };
    if up.is_empty() && !down.is_empty() {
        return Err(Refusal::DownWithoutUp);
    }
    let mut kind = declared.kind.unwrap_or(Kind::Statistics);
    if up.is_empty() {
        kind = kind.max(Kind::Code);
    }
    let (mut risk, mut needs_human) = (declared.risk.unwrap_or(Risk::Low), Vec::new());
    let mut tables = BTreeSet::new();
    for (number, (statement, understood)) in (1..).zip(&up) {
        let its = understood.action.kind();
        admit(declared, its, Script::Up, number, statement)?;
        kind = kind.max(its);
        risk = risk.max(understood.action.risk());
        let why = understood
            .action
            .human()
            .map(|why| format!("statement {number} of the up script {why}"));
        needs_human.extend(why);
        tables.extend(understood.table.clone());
    }
    for (number, (statement, understood)) in (1..).zip(&down) {
        tables.extend(understood.table.clone());
        if takes_back(&understood.action, &up) {
            continue;
        }
        admit(declared, understood.action.kind(), Script::Down, number, statement)?;
        kind = kind.max(understood.action.kind());
        risk = risk.max(understood.action.risk());
        let why = understood
            .action
            .human()
            .map(|why| format!("statement {number} of the down script {why}"));
        needs_human.extend(why);
    }
    if !up.is_empty() && down.is_empty() {
        needs_human.push("there is no down script, so it could not be taken back".to_owned());
        risk = risk.max(Risk::High);
    }
    if kind == Kind::Unclassified && needs_human.is_empty() {
        needs_human.push("changes of kind unclassified always need a human".to_owned());
    }
    let texts = |script: &[(Statement, Understood)]| {
        script.iter().map(|(statement, _)| statement.text.clone()).collect()
    };
    Ok(Classification {
        kind,
        risk: risk.max(least_risk(kind)),
        needs_human,
        tables: tables.into_iter().collect(),
        statements_up: texts(&up),
        statements_down: texts(&down),
    })
}

fn read(script: Script, text: &str) -> Result<Vec<(Statement, Understood)>, Refusal> {
    let statements = split(text).map_err(|source| Refusal::Unreadable { script, source })?;
    let mut read = Vec::new();
    for (number, statement) in (1..).zip(statements) {
        match understand(&statement) {
            Ok(understood) => read.push((statement, understood)),
            Err(why) => {
                return Err(Refusal::Forbidden {
                    script,
                    number,
                    line: statement.line,
                    text: excerpt(&statement),
                    why,
                });
            }
        }
    }
    Ok(read)
}

fn admit(
    declared: Declared,
    found: Kind,
    script: Script,
    number: usize,
    statement: &Statement,
) -> Result<(), Refusal> {
    match declared.kind {
        Some(kind) if found > kind || kind == Kind::Code => Err(Refusal::OutsideKind {
            script,
            number,
            line: statement.line,
            text: excerpt(statement),
            declared: kind,
            found: format!("of kind {found}"),
        }),
        Some(_) | None => Ok(()),
    }
}

/// Whether a statement of the down script does no more than take back one of the up script.
fn takes_back(down: &Action, up: &[(Statement, Understood)]) -> bool {
    let Action::DropIndex { name } = down else { return false };
    up.iter().any(
        |(_, made)| matches!(&made.action, Action::CreateIndex { name: made, .. } if made == name),
    )
}

impl Action {
    const fn kind(&self) -> Kind {
        match self {
            Action::UpdateStatistics => Kind::Statistics,
            Action::CreateIndex { clustered: true, .. } => Kind::Schema,
            Action::CreateIndex { .. } => Kind::Index,
            Action::DropIndex { .. } => Kind::DropIndex,
            Action::Unknown => Kind::Unclassified,
        }
    }

    const fn risk(&self) -> Risk {
        match self {
            Action::UpdateStatistics
            | Action::CreateIndex { unique: false, clustered: false, .. } => Risk::Low,
            Action::CreateIndex { clustered: true, .. } => Risk::High,
            Action::CreateIndex { .. } | Action::DropIndex { .. } => Risk::Medium,
            Action::Unknown => Risk::Critical,
        }
    }

    fn human(&self) -> Option<String> {
        match self {
            Action::CreateIndex { clustered: true, name, .. } => {
                Some(format!("stores the table anew in the order of `{name}`"))
            }
            Action::CreateIndex { unique: true, name, .. } => {
                Some(format!("makes a constraint of the index `{name}`"))
            }
            Action::Unknown => Some("could not be parsed".to_owned()),
            Action::CreateIndex { .. } | Action::DropIndex { .. } | Action::UpdateStatistics => {
                None
            }
        }
    }
}

/// Words that nobody may send, wherever they stand as words.
const FORBIDDEN: [(&[&str], &str); 5] = [
    (
        &["BEGIN", "COMMIT", "ROLLBACK", "SAVE", "TRAN", "TRANSACTION"],
        "transaction control belongs to Kaizen",
    ),
    (&["USE", "GO"], "a change may not switch databases or batches"),
    (&["GRANT", "REVOKE", "DENY"], "permissions are not changed by a change"),
    (
        &["EXEC", "EXECUTE", "OPENROWSET", "OPENDATASOURCE", "OPENQUERY", "BULK"],
        "what is run by name or elsewhere cannot be judged before it runs",
    ),
    (
        &["BACKUP", "RESTORE", "SHUTDOWN", "KILL", "RECONFIGURE", "DBCC", "SETUSER", "REVERT"],
        "it is about the server, not about the database that is being improved",
    ),
];

/// The schema that is Kaizen's own.
const RESERVED: &str = "kaizen";

fn understand(statement: &Statement) -> Result<Understood, String> {
    let unknown = Understood { action: Action::Unknown, table: None };
    // `split` has read them before.
    let Ok(tokens) = tokens(&statement.text) else { return Ok(unknown) };
    for (words, why) in FORBIDDEN {
        if let Some(word) = tokens.iter().find(|token| words.iter().any(|word| token.is(word))) {
            return Err(format!("{}: {why}", word.text.to_uppercase()));
        }
    }
    let is_own = |token: &Token<'_>| token.name().is_some_and(|name| name == RESERVED);
    if tokens.windows(2).any(|pair| is_own(&pair[0]) && pair[1].is_punct('.')) {
        return Err("the schema `kaizen` is Kaizen's own".to_owned());
    }
    let mut cursor = Cursor { tokens: &tokens, at: 0 };
    let read = cursor.statement();
    Ok(read.filter(|_| cursor.at == tokens.len()).unwrap_or(unknown))
}

/// A walk over tokens: each part answers `None` where the text is something else.
struct Cursor<'a> {
    tokens: &'a [Token<'a>],
    at: usize,
}

impl Cursor<'_> {
    fn statement(&mut self) -> Option<Understood> {
        if self.word("CREATE") {
            let unique = self.word("UNIQUE");
            let clustered = self.word("CLUSTERED");
            let _ = self.word("NONCLUSTERED");
            self.word("INDEX").then_some(())?;
            let name = self.name()?;
            self.word("ON").then_some(())?;
            let table = self.object()?;
            self.list(true)?;
            if self.word("INCLUDE") {
                self.list(false)?;
            }
            self.options()?;
            let action = Action::CreateIndex { name, unique, clustered };
            return Some(Understood { action, table: Some(table) });
        }
        if self.word("DROP") {
            self.word("INDEX").then_some(())?;
            let name = self.name()?;
            self.word("ON").then_some(())?;
            let table = self.object()?;
            self.options()?;
            return Some(Understood { action: Action::DropIndex { name }, table: Some(table) });
        }
        if self.word("UPDATE") && self.word("STATISTICS") {
            let table = self.object()?;
            if self.at < self.tokens.len() {
                self.name()?;
            }
            return Some(Understood { action: Action::UpdateStatistics, table: Some(table) });
        }
        None
    }

    fn word(&mut self, word: &str) -> bool {
        let found = self.tokens.get(self.at).is_some_and(|token| token.is(word));
        self.at += usize::from(found);
        found
    }

    fn punct(&mut self, c: char) -> bool {
        let found = self.tokens.get(self.at).is_some_and(|token| token.is_punct(c));
        self.at += usize::from(found);
        found
    }

    fn name(&mut self) -> Option<String> {
        let token = self.tokens.get(self.at)?;
        let name = matches!(token.shape, Shape::Word | Shape::Quoted).then(|| token.name())??;
        self.at += 1;
        Some(name)
    }

    /// `table` or `schema.table`; another database's is none.
    fn object(&mut self) -> Option<String> {
        let first = self.name()?;
        if !self.punct('.') {
            return Some(format!("dbo.{first}"));
        }
        let second = self.name()?;
        (!self.punct('.')).then(|| format!("{first}.{second}"))
    }

    /// Names in parentheses, with their direction where that may be said.
    fn list(&mut self, ordered: bool) -> Option<()> {
        self.punct('(').then_some(())?;
        loop {
            self.name()?;
            if ordered && !self.word("ASC") {
                let _ = self.word("DESC");
            }
            if !self.punct(',') {
                return self.punct(')').then_some(());
            }
        }
    }

    /// `WITH (ONLINE = ON, MAXDOP = 2)`, of options that change how and not what.
    fn options(&mut self) -> Option<()> {
        const KNOWN: [&str; 8] = [
            "ONLINE",
            "MAXDOP",
            "RESUMABLE",
            "MAX_DURATION",
            "SORT_IN_TEMPDB",
            "DATA_COMPRESSION",
            "FILLFACTOR",
            "PAD_INDEX",
        ];
        if !self.word("WITH") {
            return Some(());
        }
        self.punct('(').then_some(())?;
        loop {
            KNOWN.iter().any(|option| self.word(option)).then_some(())?;
            self.punct('=').then_some(())?;
            let value = self.tokens.get(self.at)?;
            matches!(value.shape, Shape::Word | Shape::Number).then_some(())?;
            self.at += 1;
            let _ = self.word("MINUTES");
            if !self.punct(',') {
                return self.punct(')').then_some(());
            }
        }
    }
}

/// The text without comments, which nest in T-SQL: people write values into them.
#[must_use]
pub fn without_comments(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    let (mut rest, mut depth) = (sql, 0_u32);
    while let Some(first) = rest.chars().next() {
        let taken = if rest.starts_with("/*") {
            depth += 1;
            2
        } else if depth > 0 && rest.starts_with("*/") {
            depth -= 1;
            // What it stood between stays apart.
            out.extend((depth == 0).then_some(' '));
            2
        } else if depth > 0 {
            first.len_utf8()
        } else if rest.starts_with("--") {
            rest.find('\n').unwrap_or(rest.len())
        } else {
            let end = match first {
                '\'' => Some('\''),
                '"' => Some('"'),
                '[' => Some(']'),
                _ => None,
            };
            // A doubled end stands for one: the next round begins with it and goes on.
            let length = match end {
                Some(end) => rest[1..].find(end).map_or(rest.len(), |at| at + 2),
                None => first.len_utf8(),
            };
            out.push_str(&rest[..length]);
            length
        };
        rest = &rest[taken..];
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn kind(up: &str, down: &str) -> (Kind, Risk, usize) {
        let found = classify(up, Some(down), Declared::default()).unwrap();
        (found.kind, found.risk, found.needs_human.len())
    }

    #[test]
    fn an_index_is_understood_whole() {
        let up = "CREATE NONCLUSTERED INDEX [kz_Orders_CustomerId] ON [dbo].[Orders] ([CustomerId], [Placed] DESC) \
                  INCLUDE ([Total]) WITH (ONLINE = ON, MAXDOP = 2);";
        let down = "DROP INDEX [kz_Orders_CustomerId] ON [dbo].[Orders];";
        assert_eq!(kind(up, down), (Kind::Index, Risk::Low, 0));
        let found = classify(up, Some(down), Declared::default()).unwrap();
        assert_eq!(found.tables, ["dbo.orders"]);
        assert_eq!(kind(down, up), (Kind::DropIndex, Risk::Medium, 0));
        assert_eq!(kind("UPDATE STATISTICS dbo.Orders", "").0, Kind::Statistics);
    }

    #[test]
    fn what_always_needs_a_human_gets_one() {
        let down = "DROP INDEX x ON t";
        assert_eq!(kind("CREATE CLUSTERED INDEX x ON t (a)", down), (Kind::Schema, Risk::High, 1));
        assert_eq!(kind("CREATE UNIQUE INDEX x ON t (a)", down), (Kind::Index, Risk::Medium, 1));
        assert_eq!(kind("CREATE INDEX x ON t (a)", ""), (Kind::Index, Risk::High, 1));
    }

    #[test]
    fn a_second_statement_without_a_semicolon_does_not_hide_behind_the_first() {
        for up in [
            "CREATE INDEX x ON t (a) DROP TABLE t",
            "CREATE INDEX x ON t (a) WITH (ONLINE = ON) DELETE FROM t",
            "DROP INDEX x ON t UPDATE t SET a = 1",
            "CREATE INDEX x ON t (a) WHERE a > 1",
            "CREATE INDEX x ON other.dbo.t (a)",
            "UPDATE STATISTICS t s DROP TABLE t",
        ] {
            assert_eq!(kind(up, "DROP INDEX x ON t").0, Kind::Unclassified, "{up}");
        }
    }

    #[test]
    fn what_nobody_may_send_is_refused_wherever_it_stands() {
        for up in [
            "EXEC sp_who",
            "CREATE INDEX x ON t (a) EXEC ('DROP TABLE t')",
            "USE master",
            "GRANT SELECT ON t TO public",
            "CREATE INDEX x ON kaizen.events (seq)",
            "DROP INDEX x ON [kaizen].[events]",
            "BACKUP DATABASE a TO DISK = 'x'",
            "COMMIT TRANSACTION",
        ] {
            let refused = classify(up, None, Declared::default());
            assert!(matches!(refused, Err(Refusal::Forbidden { .. })), "{up}: {refused:?}");
        }
        let index = Declared { kind: Some(Kind::Index), risk: None };
        let beyond = classify("DROP INDEX x ON t", Some("CREATE INDEX x ON t (a)"), index);
        assert!(matches!(beyond, Err(Refusal::OutsideKind { .. })), "{beyond:?}");
    }

    #[test]
    fn comments_go_however_deep_they_nest() {
        let text =
            "SELECT /* a /* 'secret' */ b */ 1 -- 'more'\nFROM [a--b] WHERE x = 'it''s -- not'";
        let plain = without_comments(text);
        assert_eq!(plain, "SELECT   1 \nFROM [a--b] WHERE x = 'it''s -- not'");
        assert_eq!(without_comments("a /* open"), "a ");
    }
}
