//! What a change must be, whoever proposes it: scripts that are understood and can be taken back,
//! files that apply to the branch and lie where they may. Nothing is tried here.

use super::step;
use crate::{
    adapters::git::{self, Repo},
    patch::{self, Patched},
    payload::ChangeFile,
    project::Project,
    sql::{self, Classification, Declared},
    targets::sqlite::database::Database,
};
use kaizen_engine::{step::StepError, workflow::Target};
use std::collections::BTreeMap;

/// The files of a change that may be deployed.
pub(super) struct Vetted {
    /// Whole new contents, the scripts among them.
    pub files: BTreeMap<String, String>,
    pub deleted: Vec<String>,
    /// Those that hold the scripts.
    pub migrations: Vec<String>,
}

/// Both scripts, in normal form, and what parsing them says.
pub(super) struct Scripts {
    pub up: String,
    pub down: String,
    pub classification: Classification,
}

impl Scripts {
    pub fn of(change: &ChangeFile, database: &Database) -> Result<Scripts, StepError> {
        let up = refuse_empty(change)?;
        for text in [Some(&up), change.down.as_ref()].into_iter().flatten() {
            refuse_secrets("the script", text)?;
        }
        let declared = Declared { kind: change.kind, risk: change.risk };
        let down = match &change.down {
            Some(down) if !down.trim().is_empty() => Some(down.clone()),
            _ if up.trim().is_empty() => None,
            _ => {
                // What is refused for itself is told as that, not for its missing down script.
                sql::classify(&up, None, declared).map_err(refused)?;
                Some(derived_down(&up, database)?)
            }
        };
        let classification = sql::classify(&up, down.as_deref(), declared).map_err(refused)?;
        Scripts::complete(&up, classification)
    }

    /// The same for SQL Server, where no down script follows by rule: others may depend on how an
    /// index was made.
    pub fn of_tsql(change: &ChangeFile) -> Result<Scripts, StepError> {
        let up = refuse_empty(change)?;
        for text in [Some(&up), change.down.as_ref()].into_iter().flatten() {
            refuse_secrets("the script", text)?;
        }
        let declared = Declared { kind: change.kind, risk: change.risk };
        let found = sql::tsql::classify(&up, change.down.as_deref(), declared).map_err(refused)?;
        Scripts::complete(&up, found)
    }

    /// The same where there is no database that a script could change.
    pub fn none(change: &ChangeFile) -> Result<Scripts, StepError> {
        let given = |script: &Option<String>| script.as_ref().is_some_and(|s| !s.trim().is_empty());
        if given(&change.up) || given(&change.down) {
            let message =
                "the target is a repository: there is no database that a script could change";
            return Err(StepError::operator("refused_script", message));
        }
        refuse_empty(change)?;
        let declared = Declared { kind: change.kind, risk: change.risk };
        let classification = sql::classify("", None, declared).map_err(refused)?;
        Scripts::complete("", classification)
    }

    fn complete(up: &str, classification: Classification) -> Result<Scripts, StepError> {
        if !up.trim().is_empty() && classification.statements_down.is_empty() {
            return Err(no_down());
        }
        Ok(Scripts {
            up: script(&classification.statements_up),
            down: script(&classification.statements_down),
            classification,
        })
    }
}

/// The up script, which is empty only where files change.
fn refuse_empty(change: &ChangeFile) -> Result<String, StepError> {
    if change.title.chars().any(char::is_control) {
        let message = "the title holds control characters, which a terminal would obey";
        return Err(StepError::operator("refused_title", message));
    }
    let up = change.up.clone().unwrap_or_default();
    if up.trim().is_empty() && !change.touches_files() {
        let message =
            format!("{:?} changes nothing: it has neither files nor an up script", change.title);
        return Err(StepError::operator("refused_empty_change", message));
    }
    Ok(up)
}

fn derived_down(up: &str, database: &Database) -> Result<String, StepError> {
    let statements = sql::split(up)
        .map_err(|source| refused(sql::Refusal::Unreadable { script: sql::Script::Up, source }))?;
    let schema = database.schema().map_err(step)?;
    let original = |index: &str| {
        let found = schema.iter().find(|o| o.kind == "index" && o.name.eq_ignore_ascii_case(index));
        found.map(|object| object.sql.clone())
    };
    sql::undo(&statements, original).map(|down| script(&down)).ok_or_else(no_down)
}

fn no_down() -> StepError {
    StepError::operator(
        "refused_without_down",
        "the change has no down script, and none follows from its up script by rule: \
         it could not be taken back",
    )
}

fn refused(refusal: sql::Refusal) -> StepError {
    use kaizen_engine::error::Classified;
    StepError::operator(&format!("refused_{}", refusal.code()), refusal.to_string())
}

fn script(statements: &[String]) -> String {
    statements.iter().fold(String::new(), |text, one| text + one.trim_end_matches(';') + ";\n")
}

/// The files that would be committed on `base`, and which of them hold the scripts.
pub(super) fn files(
    project: &Project,
    repo: &Repo,
    base: &str,
    change: &ChangeFile,
    scripts: &Scripts,
) -> Result<Vetted, StepError> {
    let generate = &project.definition.generate;
    let Patched { mut files, deleted } = patched(project, repo, base, change)?;
    if files.is_empty() && deleted.is_empty() && scripts.up.is_empty() {
        let message = format!("{:?} changes nothing: its files are there already", change.title);
        return Err(StepError::operator("refused_empty_change", message));
    }
    for (path, text) in &files {
        let within =
            |folder: &&String| path.strip_prefix(*folder).is_some_and(|r| r.starts_with('/'));
        if let Some(folder) = files.keys().find(within) {
            let message = format!("{folder} would be a file, and {path} lies in it");
            return Err(StepError::operator("refused_path_taken", message));
        }
        refuse_secrets(path, text)?;
        refuse_large(path, text, generate.max_file_kb)?;
    }
    let mut migrations = Vec::new();
    if !scripts.up.is_empty() {
        let stem = migration_stem(project, repo, base, &change.title)?;
        for (way, text) in [("up", &scripts.up), ("down", &scripts.down)] {
            let path = format!("{stem}.{way}.sql");
            let protected = protected(project, repo, base)?;
            git::check_path(&path, std::slice::from_ref(&path), &protected)
                .map_err(refused_path)?;
            repo.check_no_symlink_out(base, &path).map_err(refused_git)?;
            if files.contains_key(&path) {
                let message = format!("{path} is where Kaizen writes the change's own script");
                return Err(StepError::operator("refused_path_taken", message));
            }
            files.insert(path.clone(), format!("-- {}\n{text}", one_line(&change.title)));
            migrations.push(path);
        }
    }
    let bytes: usize = files.values().map(String::len).sum();
    let most = generate.max_change_kb as usize * 1_024;
    if bytes > most {
        let message =
            format!("the change is {} KiB, the workflow allows {}", bytes / 1_024, most / 1_024);
        return Err(StepError::operator("refused_too_large", message));
    }
    Ok(Vetted { files, deleted, migrations })
}

/// The files that a change makes of those at `base`, where it may touch all of them.
pub(super) fn patched(
    project: &Project,
    repo: &Repo,
    base: &str,
    change: &ChangeFile,
) -> Result<Patched, StepError> {
    let protected = protected(project, repo, base)?;
    let read = |path: &str| {
        git::check_path(path, &project.definition.generate.paths, &protected)
            .map_err(refused_path)?;
        repo.check_no_symlink_out(base, path).map_err(refused_git)?;
        repo.read(base, path).map_err(refused_git)
    };
    Ok(patch::apply::<Refused>(change, &|path| Ok(read(path)?))?)
}

/// Every path that no change may touch: as built in, by `kaizen.toml`, and what measures a change.
pub(super) fn protected(
    project: &Project,
    repo: &Repo,
    base: &str,
) -> Result<Vec<String>, StepError> {
    let mut protected = git::protected_default();
    protected.extend(project.policy.protected.paths.iter().cloned());
    protected.extend(measured_by(project, repo, base)?);
    Ok(protected)
}

/// What the workflow's commands name in the repository: files, and folders unless the workflow says
/// itself that a change may touch what is in them. What measures a change is not its to change.
fn measured_by(project: &Project, repo: &Repo, base: &str) -> Result<Vec<String>, StepError> {
    let mut words = project.definition.evaluate.tests.concat();
    if let Target::Command { benchmark, test, build, analyze, .. } = &project.definition.target {
        words.extend([benchmark, test, build, analyze].into_iter().flatten().cloned());
    }
    let allowed = &project.definition.generate.paths;
    let mut paths = Vec::new();
    for word in words.iter().flat_map(|word| word.split('=')) {
        let word: Vec<&str> = word.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        let path = word.join("/");
        if path.is_empty() || word.contains(&"..") {
            continue;
        }
        let folder = format!("{path}/");
        if matches!(repo.read(base, &path), Ok(Some(_))) {
            paths.push(glob::Pattern::escape(&path));
        } else if !allowed.iter().any(|pattern| pattern.starts_with(&folder))
            && !repo.list(base, &folder).map_err(step)?.is_empty()
        {
            paths.push(glob::Pattern::escape(&path) + "/");
        }
    }
    Ok(paths)
}

/// What reading and patching have in common: both end in the step's error.
struct Refused(StepError);

impl From<patch::Refusal> for Refused {
    fn from(refusal: patch::Refusal) -> Refused {
        use kaizen_engine::error::Classified;
        Refused(StepError::operator(&format!("refused_{}", refusal.code()), refusal.to_string()))
    }
}

impl From<StepError> for Refused {
    fn from(error: StepError) -> Refused {
        Refused(error)
    }
}

impl From<Refused> for StepError {
    fn from(Refused(error): Refused) -> StepError {
        error
    }
}

fn refuse_large(path: &str, text: &str, most_kb: u32) -> Result<(), StepError> {
    let kib = text.len().div_ceil(1_024);
    if kib <= most_kb as usize {
        return Ok(());
    }
    let message = format!(
        "{path} would be {kib} KiB, and the workflow allows a file {most_kb} (`max_file_kb`)"
    );
    Err(StepError::operator("refused_large_file", message))
}

/// `migrations/0007_index_orders_o_custkey`: the next number, then the title.
fn migration_stem(
    project: &Project,
    repo: &Repo,
    base: &str,
    title: &str,
) -> Result<String, StepError> {
    let folder = project.definition.generate.migrations.trim_end_matches('/').to_owned();
    let prefix = format!("{folder}/");
    let numbers = repo.list(base, &prefix).map_err(step)?.into_iter().filter_map(|path| {
        let name = path.strip_prefix(&prefix)?;
        let digits: String = name.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().ok()
    });
    let next = numbers.max().unwrap_or(0) + 1;
    let mut slug = String::new();
    for c in title.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.ends_with('_') && !slug.is_empty() {
            slug.push('_');
        }
    }
    let slug: String = slug.chars().take(48).collect();
    Ok(format!("{folder}/{next:04}_{}", slug.trim_end_matches('_')))
}

fn one_line(title: &str) -> String {
    title.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn refuse_secrets(place: &str, text: &str) -> Result<(), StepError> {
    match sql::looks_like_secret(text) {
        None => Ok(()),
        Some(shape) => {
            let message = format!("{place} holds what looks like a secret ({shape})");
            Err(StepError::operator("refused_secret", message))
        }
    }
}

fn refused_path(error: git::PathError) -> StepError {
    use kaizen_engine::error::Classified;
    StepError::operator(&format!("refused_{}", error.code()), error.to_string())
}

fn refused_git(error: git::Error) -> StepError {
    match error {
        git::Error::Path(error) => refused_path(error),
        other => step(other),
    }
}
