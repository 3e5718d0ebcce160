//! What a T-SQL script says: the statements that Kaizen understands whole, and nothing more.
//!
//! Statements need no semicolon between them in T-SQL, so that a statement counts as understood only
//! where its grammar takes it to its last token: whatever follows an index would be another statement.
//! What is not understood is `unclassified`, which always needs a human.

use super::{
    classify::{Classification, Declared, least_risk},
    error::{Error, Refusal, Script, excerpt},
    forcing::{Forcing, Way},
    lexer::{Shape, Token, tokens},
    split::{Statement, split},
};
use crate::payload::{Kind, Risk};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// An index as a statement defines it, and as the catalogue must show it afterwards. Names are as they
/// were written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexDefinition {
    pub schema: String,
    pub table: String,
    pub name: String,
    pub unique: bool,
    pub clustered: bool,
    /// Key columns, `true`: descending.
    pub keys: Vec<(String, bool)>,
    pub included: Vec<String>,
}

/// How an index is built.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct How {
    /// Others may use the table meanwhile.
    pub online: bool,
    /// It can be paused, and goes on where it was.
    pub resumable: bool,
}

/// What a statement does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    CreateIndex {
        index: IndexDefinition,
        how: How,
    },
    DropIndex {
        schema: String,
        table: String,
        name: String,
    },
    /// Forces a plan of Query Store, or takes that back.
    Plan {
        forcing: Forcing,
        way: Way,
    },
    UpdateStatistics {
        schema: String,
        table: String,
    },
    Unknown,
}

/// What a statement does, as far as Kaizen understands it whole.
#[must_use]
pub fn action(statement: &str) -> Action {
    if let Some((forcing, way)) = Forcing::read(statement) {
        return Action::Plan { forcing, way };
    }
    let Ok(tokens) = tokens(statement) else { return Action::Unknown };
    parsed(&tokens).map_or(Action::Unknown, |understood| understood.action)
}

/// The tables that statements are on, as they are written: `schema.table`.
#[must_use]
pub fn tables(statements: &[String]) -> Vec<String> {
    let named = |statement: &String| match action(statement) {
        Action::CreateIndex { index, .. } => Some(format!("{}.{}", index.schema, index.table)),
        Action::DropIndex { schema, table, .. } | Action::UpdateStatistics { schema, table } => {
            Some(format!("{schema}.{table}"))
        }
        Action::Plan { .. } | Action::Unknown => None,
    };
    let mut tables: Vec<String> = statements.iter().filter_map(named).collect();
    tables.sort();
    tables.dedup();
    tables
}

/// What statements force.
#[must_use]
pub fn forced(statements: &[String]) -> Vec<Forcing> {
    let forced = statements.iter().filter_map(|statement| Forcing::read(statement));
    forced.filter(|(_, way)| *way == Way::Force).map(|(forcing, _)| forcing).collect()
}

/// Whether a script cannot be one transaction: an index is built online or resumably, a plan is forced.
#[must_use]
pub fn is_probed(statements: &[String]) -> bool {
    statements.iter().any(|statement| action(statement).is_probed())
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

/// What is understood, and that what cannot be one transaction holds nothing that needs one.
fn read(script: Script, text: &str) -> Result<Vec<(Statement, Understood)>, Refusal> {
    let read = understood(script, text)?;
    if !read.iter().any(|(_, understood)| understood.action.is_probed()) {
        return Ok(read);
    }
    let told_by_catalogue = |action: &Action| match action {
        Action::CreateIndex { .. } | Action::DropIndex { .. } | Action::Plan { .. } => true,
        Action::UpdateStatistics { .. } | Action::Unknown => false,
    };
    let name = |action: &Action| match action {
        Action::CreateIndex { index: IndexDefinition { name, .. }, .. }
        | Action::DropIndex { name, .. } => name.to_lowercase(),
        Action::Plan { forcing, .. } => format!("{} {}", forcing.query, forcing.plan),
        Action::UpdateStatistics { .. } | Action::Unknown => String::new(),
    };
    let mut names = BTreeSet::new();
    for (number, (statement, understood)) in (1..).zip(&read) {
        let why = if !told_by_catalogue(&understood.action) {
            "a script that builds an index ONLINE or RESUMABLE, or forces a plan, is no transaction, and \
             holds nothing but these and DROP INDEX: put this into a change of its own"
        } else if !names.insert(name(&understood.action)) {
            "a script that builds an index ONLINE or RESUMABLE, or forces a plan, is no transaction, and \
             how far it came is told by the catalogue: it names each once"
        } else {
            continue;
        };
        let (line, text, why) = (statement.line, excerpt(statement), why.to_owned());
        return Err(Refusal::Forbidden { script, number, line, text, why });
    }
    Ok(read)
}

fn understood(script: Script, text: &str) -> Result<Vec<(Statement, Understood)>, Refusal> {
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
    if let Action::Plan { forcing, way: Way::Unforce } = down {
        let same = |made: &Forcing| (&made.query, &made.plan) == (&forcing.query, &forcing.plan);
        return up.iter().any(|(_, made)| {
            matches!(&made.action, Action::Plan { forcing, way: Way::Force } if same(forcing))
        });
    }
    let Action::DropIndex { name, .. } = down else { return false };
    up.iter().any(|(_, made)| {
        matches!(&made.action, Action::CreateIndex { index, .. } if index.name.eq_ignore_ascii_case(name))
    })
}

impl Action {
    const fn is_probed(&self) -> bool {
        match self {
            Action::CreateIndex { how, .. } => how.online || how.resumable,
            Action::Plan { .. } => true,
            Action::DropIndex { .. } | Action::UpdateStatistics { .. } | Action::Unknown => false,
        }
    }

    const fn kind(&self) -> Kind {
        match self {
            Action::UpdateStatistics { .. } => Kind::Statistics,
            Action::Plan { .. } => Kind::Plan,
            Action::CreateIndex { index, .. } if index.clustered => Kind::Schema,
            Action::CreateIndex { .. } => Kind::Index,
            Action::DropIndex { .. } => Kind::DropIndex,
            Action::Unknown => Kind::Unclassified,
        }
    }

    const fn risk(&self) -> Risk {
        match self {
            Action::CreateIndex { index, .. } if index.clustered => Risk::High,
            Action::CreateIndex { index, .. } if index.unique => Risk::Medium,
            Action::UpdateStatistics { .. } | Action::CreateIndex { .. } => Risk::Low,
            Action::DropIndex { .. } | Action::Plan { .. } => Risk::Medium,
            Action::Unknown => Risk::Critical,
        }
    }

    fn human(&self) -> Option<String> {
        match self {
            Action::CreateIndex { index, .. } if index.clustered => {
                Some(format!("stores the table anew in the order of `{}`", index.name))
            }
            Action::CreateIndex { index, .. } if index.unique => {
                Some(format!("makes a constraint of the index `{}`", index.name))
            }
            Action::Unknown => Some("could not be parsed".to_owned()),
            Action::CreateIndex { .. }
            | Action::DropIndex { .. }
            | Action::Plan { .. }
            | Action::UpdateStatistics { .. } => None,
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

/// Words that begin a statement of T-SQL; whatever else does is the name of a procedure.
const BEGINNINGS: [&str; 26] = [
    "ALTER",
    "CREATE",
    "DECLARE",
    "DELETE",
    "DISABLE",
    "DROP",
    "ENABLE",
    "FETCH",
    "IF",
    "INSERT",
    "MERGE",
    "OPEN",
    "CLOSE",
    "DEALLOCATE",
    "PRINT",
    "RAISERROR",
    "RETURN",
    "SELECT",
    "SET",
    "THROW",
    "TRUNCATE",
    "UPDATE",
    "WAITFOR",
    "WHILE",
    "WITH",
    "GOTO",
];

/// The schema that is Kaizen's own.
const RESERVED: &str = "kaizen";

fn understand(statement: &Statement) -> Result<Understood, String> {
    let unknown = Understood { action: Action::Unknown, table: None };
    if let Some((forcing, way)) = Forcing::read(&statement.text) {
        return Ok(Understood { action: Action::Plan { forcing, way }, table: None });
    }
    // `split` has read them before.
    let Ok(tokens) = tokens(&statement.text) else { return Ok(unknown) };
    for (words, why) in FORBIDDEN {
        if let Some(word) = tokens.iter().find(|token| words.iter().any(|word| token.is(word))) {
            return Err(format!("{}: {why}", word.text.to_uppercase()));
        }
    }
    // A batch may begin with the name of a procedure: that runs it, without a word for it.
    let known = tokens.first().is_none_or(|first| BEGINNINGS.iter().any(|word| first.is(word)));
    if !known {
        let name = tokens.first().map_or("", |first| first.text);
        return Err(format!("{name}: what is run by name cannot be judged before it runs"));
    }
    let is_own = |token: &Token<'_>| token.name().is_some_and(|name| name == RESERVED);
    if tokens.windows(2).any(|pair| is_own(&pair[0]) && pair[1].is_punct('.')) {
        return Err("the schema `kaizen` is Kaizen's own".to_owned());
    }
    Ok(parsed(&tokens).unwrap_or(unknown))
}

fn parsed(tokens: &[Token<'_>]) -> Option<Understood> {
    let mut cursor = Cursor { tokens, at: 0 };
    let read = cursor.statement();
    read.filter(|_| cursor.at == tokens.len())
}

/// A name as it was written, without its quotes.
fn spelled(token: &Token<'_>) -> Option<String> {
    match token.shape {
        Shape::Word => Some(token.text.to_owned()),
        Shape::Quoted => {
            let inner = &token.text[1..token.text.len() - 1];
            Some(inner.replace("]]", "]").replace("\"\"", "\""))
        }
        Shape::Text | Shape::Number | Shape::Variable | Shape::Punct(_) => None,
    }
}

/// A walk over tokens: each part answers `None` where the text is something else.
struct Cursor<'a> {
    tokens: &'a [Token<'a>],
    at: usize,
}

impl Cursor<'_> {
    fn statement(&mut self) -> Option<Understood> {
        let on = |schema: &str, table: &str| Some(format!("{schema}.{table}").to_lowercase());
        if self.word("CREATE") {
            let unique = self.word("UNIQUE");
            let clustered = self.word("CLUSTERED");
            let _ = self.word("NONCLUSTERED");
            self.word("INDEX").then_some(())?;
            let name = self.name()?;
            self.word("ON").then_some(())?;
            let (schema, table) = self.object()?;
            let keys = self.list(true)?;
            let included = if self.word("INCLUDE") { self.list(false)? } else { Vec::new() };
            let included = included.into_iter().map(|(name, _)| name).collect();
            let how = self.options()?;
            let tables = on(&schema, &table);
            let index = IndexDefinition { schema, table, name, unique, clustered, keys, included };
            return Some(Understood { action: Action::CreateIndex { index, how }, table: tables });
        }
        if self.word("DROP") {
            self.word("INDEX").then_some(())?;
            let name = self.name()?;
            self.word("ON").then_some(())?;
            let (schema, table) = self.object()?;
            self.options()?;
            let tables = on(&schema, &table);
            return Some(Understood {
                action: Action::DropIndex { schema, table, name },
                table: tables,
            });
        }
        if self.word("UPDATE") && self.word("STATISTICS") {
            let (schema, table) = self.object()?;
            if self.at < self.tokens.len() {
                self.name()?;
            }
            let on = on(&schema, &table);
            let action = Action::UpdateStatistics { schema, table };
            return Some(Understood { action, table: on });
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
        let name = spelled(self.tokens.get(self.at)?)?;
        self.at += 1;
        Some(name)
    }

    /// `table` or `schema.table`; another database's is none.
    fn object(&mut self) -> Option<(String, String)> {
        let first = self.name()?;
        if !self.punct('.') {
            return Some(("dbo".to_owned(), first));
        }
        let second = self.name()?;
        (!self.punct('.')).then_some((first, second))
    }

    /// Names in parentheses, with their direction where that may be said; `true`: descending.
    fn list(&mut self, ordered: bool) -> Option<Vec<(String, bool)>> {
        self.punct('(').then_some(())?;
        let mut names = Vec::new();
        loop {
            let name = self.name()?;
            let descending = ordered && !self.word("ASC") && self.word("DESC");
            names.push((name, descending));
            if !self.punct(',') {
                return self.punct(')').then_some(names);
            }
        }
    }

    /// `WITH (ONLINE = ON, MAXDOP = 2)`, of options that change how and not what.
    fn options(&mut self) -> Option<How> {
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
        let mut how = How::default();
        if !self.word("WITH") {
            return Some(how);
        }
        self.punct('(').then_some(())?;
        loop {
            let option = KNOWN.into_iter().find(|option| self.word(option))?;
            self.punct('=').then_some(())?;
            let value = self.tokens.get(self.at)?;
            matches!(value.shape, Shape::Word | Shape::Number).then_some(())?;
            let on = value.is("ON");
            self.at += 1;
            let _ = self.word("MINUTES");
            match option {
                "ONLINE" => {
                    how.online = on;
                    self.low_priority()?;
                }
                "RESUMABLE" => how.resumable = on,
                _ => {}
            }
            if !self.punct(',') {
                return self.punct(')').then_some(how);
            }
        }
    }

    /// `(WAIT_AT_LOW_PRIORITY (MAX_DURATION = 5 MINUTES, ABORT_AFTER_WAIT = SELF))`. To end those who
    /// stand in the way (BLOCKERS) is not a change of an index.
    fn low_priority(&mut self) -> Option<()> {
        if !self.punct('(') {
            return Some(());
        }
        self.word("WAIT_AT_LOW_PRIORITY").then_some(())?;
        self.punct('(').then_some(())?;
        self.word("MAX_DURATION").then_some(())?;
        self.punct('=').then_some(())?;
        (self.tokens.get(self.at)?.shape == Shape::Number).then_some(())?;
        self.at += 1;
        let _ = self.word("MINUTES");
        self.punct(',').then_some(())?;
        self.word("ABORT_AFTER_WAIT").then_some(())?;
        self.punct('=').then_some(())?;
        (self.word("SELF") || self.word("NONE")).then_some(())?;
        (self.punct(')') && self.punct(')')).then_some(())
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
    fn how_an_index_is_built_is_understood_too() {
        let low =
            "ONLINE = ON (WAIT_AT_LOW_PRIORITY (MAX_DURATION = 5 MINUTES, ABORT_AFTER_WAIT = ";
        let up =
            format!("CREATE INDEX X ON T (a DESC) WITH ({low}SELF)), RESUMABLE = ON, MAXDOP = 2)");
        let Action::CreateIndex { index, how } = action(&up) else { panic!("{up}") };
        assert_eq!((how.online, how.resumable), (true, true));
        assert_eq!(
            (index.schema.as_str(), index.table.as_str(), index.name.as_str()),
            ("dbo", "T", "X")
        );
        assert_eq!(index.keys, [("a".to_owned(), true)]);
        // Who waits is Kaizen, and nobody else is ended for it.
        let killing = format!("CREATE INDEX X ON T (a) WITH ({low}BLOCKERS)))");
        assert_eq!(action(&killing), Action::Unknown);
        assert!(is_probed(std::slice::from_ref(&up)));
        assert!(!is_probed(&["CREATE INDEX X ON T (a) WITH (ONLINE = OFF)".to_owned()]));
        let mixed = format!("{up}; UPDATE STATISTICS T");
        let refused = classify(&mixed, None, Declared::default());
        assert!(matches!(refused, Err(Refusal::Forbidden { number: 2, .. })), "{refused:?}");
        let anew = classify(&format!("DROP INDEX x ON T; {up}"), None, Declared::default());
        assert!(matches!(anew, Err(Refusal::Forbidden { number: 2, .. })), "{anew:?}");
        assert_eq!(
            tables(&[up, "DROP INDEX y ON Sales.[Order Lines]".to_owned()]),
            ["Sales.Order Lines", "dbo.T"]
        );
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
            "sp_executesql N'DROP TABLE t'",
            "[sys].[sp_executesql] N'DROP TABLE t'",
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
