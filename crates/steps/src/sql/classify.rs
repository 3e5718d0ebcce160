//! The kind and the least risk of a change, derived from both of its scripts.
//!
//! Kinds are ordered: a declared kind admits its own statements and those of lesser kinds, and
//! nothing beyond. Without a declared kind the most far-reaching statement decides. Deliberately
//! not here: reading a single statement (`statement`), what is refused from everybody
//! (`forbidden`), files.

use super::{
    action::Action,
    error::{Error, Refusal, Script, excerpt},
    split::{Statement, split},
    statement::{Understood, is_statistics_undo, read},
};
use crate::payload::{Kind, Risk};
use std::collections::BTreeSet;

/// What a designer says about its change; it may only raise what is derived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Declared {
    pub kind: Option<Kind>,
    pub risk: Option<Risk>,
}

/// What a change is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classification {
    pub kind: Kind,
    pub risk: Risk,
    /// Why a human must decide, one sentence each; empty: policy decides.
    pub needs_human: Vec<String>,
    /// Tables and views touched by either script, lower case, in order.
    pub tables: Vec<String>,
    pub statements_up: Vec<String>,
    pub statements_down: Vec<String>,
}

/// One statement of one script, read.
struct Read {
    script: Script,
    number: usize,
    statement: Statement,
    understood: Understood,
}

/// The kind and risk of a change by its scripts. An `up` of blanks only is a change of files.
///
/// # Errors
/// A script that cannot be read or holds only comments, a forbidden statement, a statement beyond
/// the declared kind, a down script without an up script.
pub fn classify(
    up: &str,
    down: Option<&str>,
    declared: Declared,
) -> Result<Classification, Refusal> {
    let up = if up.trim().is_empty() { Vec::new() } else { read_script(Script::Up, up, &[])? };
    let down = read_script(Script::Down, down.unwrap_or_default(), &up);
    let down = down.or_else(|refusal| match refusal {
        // A down script of comments takes nothing back: the same as none.
        Refusal::Unreadable { source: Error::Empty, .. } => Ok(Vec::new()),
        other => Err(other),
    })?;
    if up.is_empty() && !down.is_empty() {
        return Err(Refusal::DownWithoutUp);
    }
    let mut found = Classification {
        kind: Kind::Statistics.max(declared.kind.unwrap_or(Kind::Statistics)),
        risk: declared.risk.unwrap_or(Risk::Low),
        needs_human: Vec::new(),
        tables: touched(&up, &down),
        statements_up: texts(&up),
        statements_down: texts(&down),
    };
    if up.is_empty() {
        found.kind = found.kind.max(Kind::Code);
    }
    for read in &up {
        admit(read, read.understood.action, declared)?;
        weigh_up(read, &mut found);
    }
    for read in &down {
        let action = down_action(read, &up);
        if let Some(action) = action {
            admit(read, action, declared)?;
        }
        weigh_down(read, action, &mut found);
    }
    if !up.is_empty() && down.is_empty() {
        found.needs_human.push("there is no down script, so it could not be taken back".into());
        found.risk = found.risk.max(Risk::High);
    }
    finish(&mut found);
    Ok(found)
}

/// The least risk of a kind. Schema changes that rename or drop are raised by their statements.
pub fn least_risk(kind: Kind) -> Risk {
    match kind {
        Kind::Statistics | Kind::Index => Risk::Low,
        Kind::Plan | Kind::DropIndex | Kind::Code | Kind::View | Kind::Schema => Risk::Medium,
        Kind::Trigger | Kind::Data => Risk::High,
        Kind::Unclassified => Risk::Critical,
    }
}

/// Reads a script; `up` is what a down script takes back.
fn read_script(script: Script, text: &str, up: &[Read]) -> Result<Vec<Read>, Refusal> {
    let statements = split(text).map_err(|source| Refusal::Unreadable { script, source })?;
    let analyzed = up.iter().any(|read| read.understood.action == Action::Analyze);
    let understand = |statement: &Statement| {
        if analyzed && is_statistics_undo(statement) {
            return Ok(Understood::bare(Action::Analyze));
        }
        read(statement)
    };
    let numbered = statements.into_iter().zip(1..);
    numbered
        .map(|(statement, number)| match understand(&statement) {
            Ok(understood) => Ok(Read { script, number, statement, understood }),
            Err(why) => Err(Refusal::Forbidden {
                script,
                number,
                line: statement.line,
                text: excerpt(&statement),
                why,
            }),
        })
        .collect()
}

/// Refuses what the declared kind does not admit.
fn admit(read: &Read, action: Action, declared: Declared) -> Result<(), Refusal> {
    match declared.kind {
        // Code has no statements of its own.
        Some(kind) if action.kind() > kind || kind == Kind::Code => Err(Refusal::OutsideKind {
            script: read.script,
            number: read.number,
            line: read.statement.line,
            text: excerpt(&read.statement),
            declared: kind,
            found: format!("{action} (kind {})", action.kind()),
        }),
        Some(_) | None => Ok(()),
    }
}

fn weigh_up(read: &Read, found: &mut Classification) {
    let Read { number, understood: Understood { action, object, column, .. }, .. } = read;
    found.kind = found.kind.max(action.kind());
    found.risk = found.risk.max(action.risk());
    let why = match action {
        Action::CreateUniqueIndex => Some(format!("makes a constraint of the index `{object}`")),
        Action::DropTable => Some(format!("drops the table `{object}`")),
        Action::DropColumn => {
            Some(format!("drops the column `{}` of `{object}`", column.as_deref().unwrap_or("?")))
        }
        Action::CreateTrigger | Action::DropTrigger => {
            Some(format!("changes the trigger `{object}`"))
        }
        Action::Insert | Action::Update | Action::Delete => {
            Some(format!("changes rows ({action})"))
        }
        Action::Unknown => Some("could not be parsed".to_owned()),
        Action::Analyze
        | Action::CreateIndex
        | Action::DropIndex
        | Action::CreateView
        | Action::DropView
        | Action::CreateTable
        | Action::CreateTableIfNotExists
        | Action::AddColumn
        | Action::RenameTable
        | Action::RenameColumn => None,
    };
    found.needs_human.extend(why.map(|why| format!("statement {number} of the up script {why}")));
}

/// What a statement of the down script does beyond taking back the up script; `None`: nothing.
fn down_action(down: &Read, up: &[Read]) -> Option<Action> {
    let Understood { action, object, column, .. } = &down.understood;
    let made_by = |actions: &[Action]| {
        up.iter().any(|read| {
            let made = &read.understood;
            actions.contains(&made.action) && made.object == *object && made.column == *column
        })
    };
    let undone = match action {
        Action::DropIndex => made_by(&[Action::CreateIndex, Action::CreateUniqueIndex]),
        Action::DropView => made_by(&[Action::CreateView]),
        Action::DropTrigger => made_by(&[Action::CreateTrigger]),
        Action::DropTable => made_by(&[Action::CreateTable]),
        Action::DropColumn => made_by(&[Action::AddColumn]),
        Action::CreateUniqueIndex => made_by(&[Action::DropIndex]),
        _ => false,
    };
    (!undone).then_some(*action)
}

/// Weighs a statement of the down script; what takes back the up script adds nothing.
fn weigh_down(read: &Read, action: Option<Action>, found: &mut Classification) {
    let Some(action) = action else { return };
    found.kind = found.kind.max(action.kind());
    found.risk = found.risk.max(action.risk());
    let object = &read.understood.object;
    let why = match action {
        Action::DropTable => {
            format!("drops `{object}`, which the up script does not make for sure")
        }
        Action::DropColumn => {
            format!("drops a column of `{object}` that the up script did not add")
        }
        Action::Insert | Action::Update | Action::Delete => format!("changes rows ({action})"),
        Action::CreateTrigger | Action::DropTrigger => format!("changes the trigger `{object}`"),
        Action::CreateUniqueIndex => format!("makes a constraint of the index `{object}`"),
        Action::Unknown => "could not be parsed".to_owned(),
        _ => return,
    };
    found.needs_human.push(format!("statement {} of the down script {why}", read.number));
}

/// What the final kind asks for, whether derived or declared.
fn finish(found: &mut Classification) {
    found.risk = found.risk.max(least_risk(found.kind));
    let always = matches!(found.kind, Kind::Trigger | Kind::Data | Kind::Unclassified);
    if always && found.needs_human.is_empty() {
        found.needs_human.push(format!("changes of kind {} always need a human", found.kind));
    }
}

fn touched(up: &[Read], down: &[Read]) -> Vec<String> {
    let all = up.iter().chain(down).flat_map(|read| read.understood.tables.iter().cloned());
    all.collect::<BTreeSet<_>>().into_iter().collect()
}

fn texts(script: &[Read]) -> Vec<String> {
    script.iter().map(|read| read.statement.text.clone()).collect()
}
