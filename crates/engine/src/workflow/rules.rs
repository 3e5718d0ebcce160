//! The keys of a workflow definition, and the rules that hold between several of them.

use super::definition::{Approval, Definition, Designer, Generate, Target};
use super::document::Document;
use super::error::Error;
use super::policy::PROTECTED_PATHS;
use super::schema::{Key, PERCENT, PROBABILITY, Schema, Shape, key, time};

/// Every key that a definition may have.
pub(super) const DEFINITION: Schema = Schema(&[
    Key { section: None, name: "name", shape: Shape::Slug, required: true },
    Key { section: None, name: "description", shape: Shape::Text, required: false },
    Key { required: true, ..key("target", "kind", TARGET) },
    key("target", "database", Shape::Filled),
    key("target", "workload", Shape::Set(&Shape::Glob)),
    key("target", "name", Shape::Slug),
    key("target", "benchmark", Shape::Command),
    key("target", "test", Shape::Command),
    key("target", "build", Shape::Command),
    key("target", "analyze", Shape::Command),
    key("target", "env", Shape::Set(&Shape::Filled)),
    key("target", "timeout", time(1000)),
    key("analyze", "query_timeout", time(1)),
    key("analyze", "repetitions", Shape::Whole { min: 1, max: 50 }),
    key("analyze", "regression_pct", PERCENT),
    key("design", "designer", DESIGNER),
    key("design", "strategy", STRATEGY),
    key("design", "max_changes", Shape::Whole { min: 1, max: 3 }),
    key("design", "budget", time(1)),
    key("design", "retries", Shape::Whole { min: 0, max: 20 }),
    key("design", "agent", Shape::Command),
    key("design", "agent_env", Shape::Set(&Shape::Filled)),
    key("model", "url", Shape::Filled),
    key("model", "name", Shape::Filled),
    key("model", "api", API),
    key("model", "temperature", Shape::Number { what: "a number from 0 to 2", min: 0.0, max: 2.0 }),
    key("model", "max_tokens", Shape::Whole { min: 16, max: 1_000_000 }),
    key("model", "timeout", time(100)),
    key("model", "input_price", PRICE),
    key("model", "output_price", PRICE),
    key("generate", "paths", Shape::Set(&Shape::Glob)),
    key("generate", "migrations", Shape::Inside),
    key("generate", "max_change_kb", Shape::Whole { min: 1, max: 65_536 }),
    key("generate", "max_file_kb", Shape::Whole { min: 1, max: 65_536 }),
    key("deploy", "branch", Shape::Filled),
    key("deploy", "push", Shape::Flag),
    key("deploy", "remote", Shape::Filled),
    key("deploy", "push_timeout", time(1)),
    key("deploy", "freeze", Shape::Flag),
    key("deploy", "windows", Shape::Set(&Shape::Window)),
    key("evaluate", "min_improvement_pct", IMPROVEMENT),
    key("evaluate", "max_regression_pct", PERCENT),
    key("evaluate", "max_write_cost_pct", PERCENT),
    key("evaluate", "min_success_probability", PROBABILITY),
    key("evaluate", "tests", Shape::Commands),
    key("evaluate", "tests_timeout", time(1)),
    key("evaluate", "may_be_absent", Shape::Set(&Shape::Filled)),
    key("sqlserver", "lock_timeout", time(1)),
    key("sqlserver", "retry_for", time(0)),
    key("sqlserver", "max_offline_mb", MEBIBYTES),
    key("sqlserver", "max_index_mb", MEBIBYTES),
    key("sqlserver", "max_log_pct", IMPROVEMENT),
    key("sqlserver", "min_free_mb", MEBIBYTES),
    key("sqlserver", "max_replica_queue_mb", MEBIBYTES),
    key("sqlserver", "observe", time(60_000)),
    key("sqlserver", "guard_every", time(1000)),
    key("sqlserver", "max_errors_pct", IMPROVEMENT),
    key("sqlserver", "max_blocked", Shape::Whole { min: 0, max: 32_767 }),
    key("sqlserver", "min_executions", Shape::Whole { min: 2, max: 1_000_000_000 }),
    key("confine", "mode", CONFINEMENT),
    key("confine", "network", Shape::Flag),
    key("confine", "write", Shape::Set(&Shape::Filled)),
    key("confine", "memory_mb", MEBIBYTES),
    key("confine", "file_mb", MEBIBYTES),
    key("approval", "quorum", Shape::Whole { min: 1, max: 20 }),
    key("approval", "approvers", Shape::Set(&Shape::Filled)),
    key("approval", "separation_of_duties", Shape::Flag),
    key("approval", "expires_after", time(1000)),
    key("approval", "on_expiry", ON_EXPIRY),
    key("auto_approve", "kinds", Shape::Set(&KIND)),
    key("auto_approve", "min_probability", PROBABILITY),
    key("auto_approve", "stage", STAGE),
    key("budget", "compute", time(1000)),
    key("budget", "cycles_per_hour", Shape::Whole { min: 1, max: 3600 }),
    key("budget", "max_failures", Shape::Whole { min: 1, max: 1000 }),
    key("budget", "model_tokens", Shape::Whole { min: 1, max: 1_000_000_000 }),
    key("budget", "model_cost", PRICE),
]);

const TARGET: Shape = Shape::Choice { what: "target", known: &["sqlite", "sqlserver", "command"] };
const DESIGNER: Shape = Shape::Choice { what: "designer", known: &["rules", "agent", "model"] };
const API: Shape = Shape::Choice { what: "API", known: &["openai", "anthropic"] };
const PRICE: Shape = Shape::Number { what: "a price of 0 or more", min: 0.0, max: 1_000_000.0 };
const STRATEGY: Shape = Shape::Choice { what: "strategy", known: &["measured", "greedy"] };
const ON_EXPIRY: Shape = Shape::Choice { what: "choice", known: &["reject", "park"] };
pub(super) const CONFINEMENT: Shape =
    Shape::Choice { what: "choice", known: &["off", "prefer", "require"] };
const STAGE: Shape =
    Shape::Choice { what: "stage", known: &["dry_run", "supervised", "limited", "autonomous"] };
/// The kinds of change that may go without a human at all. Triggers, rows and what could not be
/// parsed are left out because they always need one.
const KIND: Shape = Shape::Choice {
    what: "kind of change that may go without a human",
    known: &["statistics", "index", "drop_index", "code", "view", "schema"],
};
/// Time cannot fall by more than all of it.
const IMPROVEMENT: Shape =
    Shape::Number { what: "a percentage from 0 to 100", min: 0.0, max: 100.0 };
const MEBIBYTES: Shape = Shape::Whole { min: 0, max: 1_073_741_824 };

/// What a kind of target is called, the keys of `[target]` that it must have, those that it may have.
struct TargetKeys {
    called: &'static str,
    must: &'static [&'static str],
    may: &'static [&'static str],
}

const SQLITE: TargetKeys =
    TargetKeys { called: "a SQLite database", must: &["database", "workload"], may: &[] };
const SQLSERVER: TargetKeys =
    TargetKeys { called: "a SQL Server database", must: &["name", "database"], may: &[] };
const COMMAND: TargetKeys = TargetKeys {
    called: "a repository with commands",
    must: &["benchmark", "test"],
    may: &["build", "analyze", "env", "timeout"],
};

/// Which keys a target has goes by its kind.
pub(super) fn check_target(document: &Document<'_>) -> Result<(), Error> {
    let kind = document.text("target", "kind");
    let of = match kind {
        Some("sqlserver") => SQLSERVER,
        Some("command") => COMMAND,
        _ => SQLITE,
    };
    for key in DEFINITION.keys().filter(|key| key.section == Some("target")) {
        let known = key.name == "kind" || of.must.contains(&key.name) || of.may.contains(&key.name);
        if !known && document.has("target", key.name) {
            let why = match (kind, key.name) {
                (Some("sqlserver"), "workload") => {
                    "a SQL Server target takes its queries from Query Store".to_owned()
                }
                (Some("sqlite"), "name") => "a SQLite target is named by its file".to_owned(),
                _ => format!("the target is {}, which has no such key", of.called),
            };
            return Err(document.invalid("target", key.name, why));
        }
    }
    if kind != Some("sqlserver") && document.has_section("sqlserver") {
        let why = format!("it is about SQL Server, and the target is {}", of.called);
        return Err(document.invalid("", "sqlserver", why));
    }
    match of.must.iter().find(|name| !document.has("target", name)) {
        Some(name) => Err(document.missing("target", name)),
        None => Ok(()),
    }
}

/// What one key alone cannot say.
pub(super) fn check(definition: &Definition, document: &Document<'_>) -> Result<(), Error> {
    if let Target::Sqlite { workload, .. } = &definition.target
        && workload.is_empty()
    {
        let reason = "names no file; without queries there is nothing to measure";
        return Err(document.invalid("target", "workload", reason.to_owned()));
    }
    check_designer(definition, document)?;
    check_paths(definition, document)?;
    check_approval(&definition.approval, document)
}

fn check_designer(definition: &Definition, document: &Document<'_>) -> Result<(), Error> {
    let invalid =
        |name: &str, reason: &str| Err(document.invalid("design", name, reason.to_owned()));
    let command = matches!(definition.target, Target::Command { .. });
    match definition.design.designer {
        Designer::Rules if command && document.has("design", "designer") => {
            invalid("designer", "the rules know databases only: \"agent\" or \"model\"")
        }
        Designer::Agent if definition.design.agent.is_empty() => {
            invalid("designer", "the agent's command is missing: agent = [\"PROGRAM\", \"ARG\"]")
        }
        Designer::Rules | Designer::Agent | Designer::Model => Ok(()),
    }
}

fn check_paths(definition: &Definition, document: &Document<'_>) -> Result<(), Error> {
    let generate = &definition.generate;
    for path in generate.paths.iter().chain([&generate.migrations]) {
        if let Some(protected) = protected_prefix(path) {
            let name = if *path == generate.migrations { "migrations" } else { "paths" };
            let reason = format!("`{path}` opens {protected}, which no change may touch");
            return Err(document.invalid("generate", name, reason));
        }
    }
    if let Target::Command { .. } = definition.target {
        return check_code_paths(generate, document);
    }
    let script = format!("{}/0001_change.up.sql", generate.migrations.trim_end_matches('/'));
    let allowed = generate
        .paths
        .iter()
        .any(|pattern| glob::Pattern::new(pattern).is_ok_and(|pattern| pattern.matches(&script)));
    if allowed {
        return Ok(());
    }
    let reason =
        format!("scripts written to `{}` match no pattern of `paths`", generate.migrations);
    Err(document.invalid("generate", "migrations", reason))
}

/// The default names the folder of scripts, which there are none of.
fn check_code_paths(generate: &Generate, document: &Document<'_>) -> Result<(), Error> {
    if generate.paths.is_empty() || !document.has("generate", "paths") {
        let reason = "say which files a change may touch: paths = [\"src/**\"]";
        return Err(document.invalid("generate", "paths", reason.to_owned()));
    }
    Ok(())
}

/// The protected path that the pattern begins with. A pattern such as `**` is let through here:
/// the guard of Generate refuses each protected file by its name.
fn protected_prefix(pattern: &str) -> Option<&'static str> {
    let pattern = pattern.trim_start_matches("./").to_lowercase();
    PROTECTED_PATHS.iter().copied().find(|protected| match protected.strip_suffix('/') {
        Some(directory) => {
            pattern.strip_prefix(directory).is_some_and(|r| r.is_empty() || r.starts_with('/'))
        }
        None => pattern == *protected,
    })
}

fn check_approval(approval: &Approval, document: &Document<'_>) -> Result<(), Error> {
    let (quorum, approvers) = (approval.quorum as usize, approval.approvers.len());
    if approvers == 0 || quorum <= approvers {
        return Ok(());
    }
    let reason = format!("{quorum} must approve, and `approvers` names only {approvers}");
    Err(document.invalid("approval", "quorum", reason))
}
