//! One statement understood: what it does, to which object, touching which tables.
//!
//! `sqlparser` reads the statement with its comments taken out by our own lexer (so that there is
//! one opinion of what a comment is), and its first keywords must say the same. Where either does
//! not hold the action is [`Action::Unknown`]. Deliberately not here: which actions a change may
//! consist of (`classify`).

use super::{
    action::Action,
    depth::is_too_deep,
    forbidden,
    lexer::{Token, tokens},
    split::Statement,
};
use sqlparser::{
    ast::{self, AlterTableOperation, ObjectName, ObjectType, SetExpr, visit_relations},
    dialect::SQLiteDialect,
    parser::Parser,
};
use std::{collections::BTreeSet, ops::ControlFlow};

/// A statement that has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Understood {
    pub action: Action,
    /// The index, table, view or trigger it is about, lower case, without its schema.
    pub object: String,
    /// The column that is added or dropped, lower case.
    pub column: Option<String>,
    /// Tables and views touched, lower case.
    pub tables: BTreeSet<String>,
}

impl Understood {
    /// An action about which nothing else is known.
    pub fn bare(action: Action) -> Understood {
        Understood { action, object: String::new(), column: None, tables: BTreeSet::new() }
    }
}

/// Reads one statement.
///
/// # Errors
/// Why it is refused whatever is declared: a forbidden statement or function, SQLite's or Kaizen's
/// own tables, another schema than `main`.
pub fn read(statement: &Statement) -> Result<Understood, String> {
    // `split` has tokenized the text before, so this cannot fail; should it, nothing is understood.
    let Ok(tokens) = tokens(&statement.text) else { return Ok(Understood::bare(Action::Unknown)) };
    if let Some(why) = forbidden::reason(&tokens) {
        return Err(why);
    }
    let understood = if is_too_deep(&tokens) {
        Understood::bare(Action::Unknown)
    } else {
        let parsed = Parser::parse_sql(&SQLiteDialect {}, &without_comments(&tokens));
        match parsed.as_deref() {
            Ok([parsed]) => understand(parsed)?,
            Ok(_) | Err(_) => Understood::bare(Action::Unknown),
        }
    };
    if understood.action == Action::Unknown || !keywords_agree(understood.action, &tokens) {
        let reserved = tokens.iter().filter_map(Token::name).find_map(|n| forbidden::reserved(&n));
        return reserved.map_or_else(|| Ok(Understood::bare(Action::Unknown)), Err);
    }
    Ok(understood)
}

/// The undoing of ANALYZE: taking its rows away.
pub fn is_statistics_undo(statement: &Statement) -> bool {
    let Ok(tokens) = tokens(&statement.text) else { return false };
    let words: Vec<String> = tokens.iter().map(|token| token.text.to_ascii_lowercase()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    matches!(
        words.as_slice(),
        ["delete", "from", "sqlite_stat1" | "sqlite_stat4"]
            | ["drop", "table", "sqlite_stat1" | "sqlite_stat4"]
            | ["drop", "table", "if", "exists", "sqlite_stat1" | "sqlite_stat4"]
    )
}

fn without_comments(tokens: &[Token<'_>]) -> String {
    let mut text = String::new();
    for (at, token) in tokens.iter().enumerate() {
        if at > 0 && tokens[at - 1].end() < token.start {
            text.push(' ');
        }
        text.push_str(token.text);
    }
    text
}

fn understand(parsed: &ast::Statement) -> Result<Understood, String> {
    let (action, object, column) = action(parsed);
    let mut names: Vec<ObjectName> = object.into_iter().collect();
    let object = names.first().map(last_part).unwrap_or_default();
    if let ast::Statement::CreateTrigger(trigger) = parsed {
        names.push(trigger.table_name.clone());
    }
    if let ast::Statement::AlterTable(alter) = parsed {
        names.extend(alter.operations.iter().filter_map(new_name));
    }
    let mut tables = BTreeSet::new();
    let _: ControlFlow<()> = visit_relations(parsed, |relation| {
        tables.insert(last_part(relation));
        names.push(relation.clone());
        ControlFlow::Continue(())
    });
    for name in &names {
        if let Some(why) = forbidden::reserved(&last_part(name)).or_else(|| other_schema(name)) {
            return Err(why);
        }
    }
    let object_is_table = !matches!(
        action,
        Action::CreateIndex
            | Action::CreateUniqueIndex
            | Action::DropIndex
            | Action::CreateTrigger
            | Action::DropTrigger
            | Action::Analyze
            | Action::Unknown
    );
    if let ast::Statement::CreateTrigger(trigger) = parsed {
        tables.insert(last_part(&trigger.table_name));
    }
    if object_is_table && !object.is_empty() {
        tables.insert(object.clone());
    }
    Ok(Understood { action, object, column, tables })
}

/// The action, the object it is about, and the column where one is added or dropped.
fn action(parsed: &ast::Statement) -> (Action, Option<ObjectName>, Option<String>) {
    use ast::Statement as S;
    let whole = |action, name: &ObjectName| (action, Some(name.clone()), None);
    match parsed {
        S::Analyze(analyze) => (Action::Analyze, analyze.table_name.clone(), None),
        S::CreateIndex(index) if index.unique => {
            (Action::CreateUniqueIndex, index.name.clone(), None)
        }
        S::CreateIndex(index) => (Action::CreateIndex, index.name.clone(), None),
        S::CreateView(view) => whole(Action::CreateView, &view.name),
        S::CreateTrigger(trigger) => whole(Action::CreateTrigger, &trigger.name),
        S::DropTrigger(trigger) => whole(Action::DropTrigger, &trigger.trigger_name),
        S::CreateTable(table) if table.if_not_exists => {
            whole(Action::CreateTableIfNotExists, &table.name)
        }
        S::CreateTable(table) => whole(Action::CreateTable, &table.name),
        S::Drop { object_type, names, .. } => match (object_type, names.as_slice()) {
            (ObjectType::Table, [name]) => whole(Action::DropTable, name),
            (ObjectType::Index, [name]) => whole(Action::DropIndex, name),
            (ObjectType::View, [name]) => whole(Action::DropView, name),
            _ => (Action::Unknown, None, None),
        },
        S::AlterTable(alter) => {
            let (action, column) = alteration(&alter.operations);
            (action, Some(alter.name.clone()), column)
        }
        S::Insert(_) => (Action::Insert, None, None),
        S::Update(_) => (Action::Update, None, None),
        S::Delete(_) => (Action::Delete, None, None),
        // WITH … INSERT and its like are queries to `sqlparser`.
        S::Query(query) => match query.body.as_ref() {
            SetExpr::Insert(_) => (Action::Insert, None, None),
            SetExpr::Update(_) => (Action::Update, None, None),
            SetExpr::Delete(_) => (Action::Delete, None, None),
            _ => (Action::Unknown, None, None),
        },
        _ => (Action::Unknown, None, None),
    }
}

fn alteration(operations: &[AlterTableOperation]) -> (Action, Option<String>) {
    match operations {
        [AlterTableOperation::AddColumn { column_def, .. }] => {
            (Action::AddColumn, Some(column_def.name.value.to_ascii_lowercase()))
        }
        [AlterTableOperation::DropColumn { column_names, .. }] => match column_names.as_slice() {
            [column] => (Action::DropColumn, Some(column.value.to_ascii_lowercase())),
            _ => (Action::Unknown, None),
        },
        [AlterTableOperation::RenameTable { .. }] => (Action::RenameTable, None),
        [AlterTableOperation::RenameColumn { .. }] => (Action::RenameColumn, None),
        _ => (Action::Unknown, None),
    }
}

fn new_name(operation: &AlterTableOperation) -> Option<ObjectName> {
    match operation {
        AlterTableOperation::RenameTable { table_name } => match table_name {
            ast::RenameTableNameKind::As(name) | ast::RenameTableNameKind::To(name) => {
                Some(name.clone())
            }
        },
        _ => None,
    }
}

fn last_part(name: &ObjectName) -> String {
    let last = name.0.last().and_then(|part| part.as_ident());
    last.map(|ident| ident.value.to_ascii_lowercase()).unwrap_or_default()
}

fn other_schema(name: &ObjectName) -> Option<String> {
    let [schema, _] = name.0.as_slice() else { return None };
    let schema = &schema.as_ident()?.value;
    (!schema.eq_ignore_ascii_case("main"))
        .then(|| format!("`{name}` is not in the database that is being improved"))
}

/// Whether SQLite, which goes by the first keywords, sees the same action.
fn keywords_agree(action: Action, tokens: &[Token<'_>]) -> bool {
    let begins = |keywords: &[&str]| {
        tokens.len() > keywords.len() && keywords.iter().zip(tokens).all(|(k, token)| token.is(k))
    };
    match action {
        Action::Analyze => tokens.first().is_some_and(|token| token.is("ANALYZE")),
        Action::CreateIndex => begins(&["CREATE", "INDEX"]),
        Action::CreateUniqueIndex => begins(&["CREATE", "UNIQUE", "INDEX"]),
        Action::DropIndex => begins(&["DROP", "INDEX"]),
        Action::CreateView => begins(&["CREATE", "VIEW"]),
        Action::DropView => begins(&["DROP", "VIEW"]),
        Action::CreateTrigger => begins(&["CREATE", "TRIGGER"]),
        Action::DropTrigger => begins(&["DROP", "TRIGGER"]),
        Action::CreateTable | Action::CreateTableIfNotExists => begins(&["CREATE", "TABLE"]),
        Action::DropTable => begins(&["DROP", "TABLE"]),
        Action::AddColumn | Action::DropColumn | Action::RenameTable | Action::RenameColumn => {
            begins(&["ALTER", "TABLE"])
        }
        Action::Insert => begins(&["INSERT"]) || begins(&["REPLACE"]) || begins(&["WITH"]),
        Action::Update => begins(&["UPDATE"]) || begins(&["WITH"]),
        Action::Delete => begins(&["DELETE"]) || begins(&["WITH"]),
        Action::Unknown => false,
    }
}
