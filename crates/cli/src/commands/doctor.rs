//! `kaizen doctor`: what Kaizen needs here, what is wrong, and how to mend it.

use crate::{
    context::Place,
    failure::{Failure, exit},
    output::Out,
    render::style::{BAD, GOOD, WARN, paint},
    trail,
};
use kaizen_engine::{
    error::Classified,
    shell::{Clock, Reader, SystemClock, verify},
    workflow::{self, Target},
};
use kaizen_steps::{
    adapters::{disk, git::Repo, mssql::Connector},
    phases,
    project::Project,
    provenance::{
        self,
        check::{self, Tried, Verdict},
        schema,
    },
    targets::{
        sqlite::{Workload, database::Database},
        sqlserver::{
            access::{self, Role},
            check as access_check,
        },
    },
};
use serde::Serialize;
use std::path::Path;

/// Below this Kaizen's copies of a database may not find room.
const LITTLE_ROOM: u64 = 1 << 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    Warning,
    Wrong,
}

#[derive(Debug, Serialize)]
struct Finding {
    name: &'static str,
    state: State,
    detail: String,
    /// How to mend it.
    mend: Option<String>,
}

pub async fn run(dir: Option<&Path>, out: Out) -> Result<u8, Failure> {
    let mut found = vec![sqlite()];
    match Place::find(dir) {
        Err(failure) => found.push(wrong("project", failure)),
        Ok(place) => {
            found.push(ok("project", place.root.display().to_string()));
            journal(&place, &mut found);
            repository(&place, &mut found);
            workflows(&place, &mut found);
            targets(&place, &mut found).await;
            found.push(room(&place));
        }
    }
    sqlserver(&mut found).await;
    let wrong = found.iter().any(|finding| finding.state == State::Wrong);
    out.answer(&found, || found.iter().map(line).collect());
    Ok(if wrong { exit::FAILED } else { exit::DONE })
}

fn line(finding: &Finding) -> String {
    let mark = match finding.state {
        State::Ok => paint(GOOD, "ok     "),
        State::Warning => paint(WARN, "warning"),
        State::Wrong => paint(BAD, "wrong  "),
    };
    let mend = finding.mend.as_ref().map(|mend| format!("\n                       mend: {mend}"));
    format!("{mark} {:<13}  {}{}\n", finding.name, finding.detail, mend.unwrap_or_default())
}

fn sqlite() -> Finding {
    let version = rusqlite::version();
    if rusqlite::version_number() < 3_051_003 {
        let mend = Some("build Kaizen with its bundled SQLite".to_owned());
        let detail = format!("SQLite {version} is older than 3.51.3");
        return Finding { name: "sqlite", state: State::Wrong, detail, mend };
    }
    ok("sqlite", format!("SQLite {version}"))
}

fn journal(place: &Place, found: &mut Vec<Finding>) {
    if !place.journal.exists() {
        found.push(ok("journal", format!("{}: not made yet", place.journal.display())));
        return;
    }
    // Opening for writing sets the pragmas, reads them back, and refuses what is not as it must be.
    let opened = place.store().and_then(|_| place.reader());
    let reader = match opened {
        Ok(reader) => reader,
        Err(failure) => {
            let mend = "restore the journal from a backup, or get the intact part back with: \
                        kaizen journal salvage --to intact.db";
            found.push(Finding { mend: Some(mend.to_owned()), ..wrong("journal", failure) });
            return;
        }
    };
    let detail = "WAL, synchronous=FULL, foreign keys on: set and read back".to_owned();
    found.push(ok("journal", detail));
    found.push(hashes(&reader));
    found.push(clock(&reader));
}

fn hashes(reader: &Reader) -> Finding {
    match verify::verify(reader, None) {
        Err(error) => wrong("hash chain", error.into()),
        Ok(report) => match report.differences.first() {
            None => ok("hash chain", format!("{} events add up", report.events)),
            Some(first) => Finding {
                name: "hash chain",
                state: State::Wrong,
                detail: format!("{} at {}: {}", first.kind, first.at, first.detail),
                mend: Some(
                    "kaizen audit verify names every difference; kaizen journal salvage --to \
                     intact.db gets back what comes before the first"
                        .to_owned(),
                ),
            },
        },
    }
}

fn clock(reader: &Reader) -> Finding {
    let last = reader.last_event_at().ok().flatten();
    match last {
        Some(last) if last > SystemClock.now() => Finding {
            name: "clock",
            state: State::Warning,
            detail: format!("the journal's last event is in the future, {last}"),
            mend: Some("set the clock; until then the journal's own time counts".to_owned()),
        },
        _ => ok("clock", SystemClock.now().to_string()),
    }
}

fn repository(place: &Place, found: &mut Vec<Finding>) {
    let repo = match Repo::open(&place.root) {
        Ok(repo) => repo,
        Err(error) => return found.push(wrong("git", error.into())),
    };
    match repo.head(None) {
        Ok(head) => found.push(ok("git", format!("on {} at {}", head.branch, &head.commit[..12]))),
        Err(error) => found.push(wrong("git", error.into())),
    }
    if let Err(error) = repo.preconditions() {
        let mend =
            Some("take the named thing away, or let Kaizen work in a clone without it".to_owned());
        found.push(Finding { mend, ..wrong("git needs", error.into()) });
    }
    if let Ok(changed) = repo.tracked_changes()
        && !changed.is_empty()
    {
        found.push(Finding {
            name: "git changes",
            state: State::Warning,
            detail: format!("uncommitted: {}; they block --apply", changed.join(", ")),
            mend: Some("git commit -a   # or: git stash".to_owned()),
        });
    }
}

fn workflows(place: &Place, found: &mut Vec<Finding>) {
    let files = std::fs::read_dir(place.root.join("workflows")).into_iter().flatten().flatten();
    let mut paths: Vec<_> = files.map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
    paths.sort();
    for path in paths {
        found.push(match workflow_at(place, &path) {
            Ok(detail) => ok("workflow", detail),
            Err(failure) => wrong("workflow", failure),
        });
    }
}

fn workflow_at(place: &Place, path: &Path) -> Result<String, Failure> {
    let project = Project::open(&place.root, path)?;
    if let Target::Sqlserver { name, database } = &project.definition.target {
        let variable = workflow::variable(name);
        return match Connector::from_env(&variable).map_err(trail::failure)? {
            Some(connector) => Ok(format!("{}: {}", project.definition.name, connector.place())),
            None => Ok(format!(
                "{}: {database}, from exported files: {variable} is not set",
                project.definition.name
            )),
        };
    }
    if let Target::Command { .. } = &project.definition.target {
        return command_target(&project);
    }
    let workload = Workload::load(&project.root, project.workload())?;
    let database = Database::open(&project.database())?;
    workload.check(database.connection())?;
    let repo = project.repository()?;
    let name = &project.definition.name;
    let file = project.database();
    let relative = file.strip_prefix(&place.root).unwrap_or(&file).display().to_string();
    if repo.is_tracked(&relative)? {
        let message = format!("{name}: the database {relative} is tracked by git");
        return Err(Failure::usage("database_tracked", message)
            .next(format!("git rm --cached {relative} && echo {relative} >> .gitignore")));
    }
    Ok(format!("{name}: {} queries on {relative}", workload.queries.len()))
}

/// Whether its programs are there, and what would hold of their confinement.
fn command_target(project: &Project) -> Result<String, Failure> {
    let name = &project.definition.name;
    let (programs, held) = phases::command::looked_at(project)?;
    let missing: Vec<&str> =
        programs.iter().filter(|(_, there)| !there).map(|(program, _)| program.as_str()).collect();
    if !missing.is_empty() {
        let message = format!("{name}: not found: {}", missing.join(", "));
        return Err(Failure::usage("command_not_found", message)
            .next("install it, or name it by its path in the workflow's [target]"));
    }
    Ok(format!("{name}: a repository; its commands run {held}"))
}

/// The logins of each SQL Server target: what is missing and what that disables.
async fn targets(place: &Place, found: &mut Vec<Finding>) {
    let files = std::fs::read_dir(place.root.join("workflows")).into_iter().flatten().flatten();
    let mut paths: Vec<_> = files.map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        // One that cannot be read has been named.
        let Ok(project) = Project::open(&place.root, &path) else { continue };
        let target = &project.definition.target;
        let Target::Sqlserver { name, .. } = target else { continue };
        for (role, login) in [(Role::Observe, "observe"), (Role::Deploy, "deploy")] {
            // Whoever only looks needs no login to deploy.
            let variable = format!("{}_DEPLOY", workflow::variable(name));
            if role == Role::Deploy && std::env::var_os(variable).is_none() {
                continue;
            }
            let connector = match access::connector(target, role) {
                Ok(Some(connector)) => connector,
                Ok(None) | Err(access::Error::NotConfigured { .. }) => continue,
                Err(error) => {
                    found.push(wrong("target", Failure::usage(error.code(), error.to_string())));
                    continue;
                }
            };
            match access_check::check(&connector, role).await {
                Err(error) => {
                    let mend = error.mend().join("; or ");
                    let failure = Failure::from(error);
                    found.push(Finding { mend: Some(mend), ..wrong("target", failure) });
                }
                Ok(tried) => {
                    let lacks: Vec<Finding> = tried.iter().filter_map(target_grant).collect();
                    if lacks.is_empty() {
                        let place = connector.place();
                        found.push(ok("target", format!("{name}: the login to {login}: {place}")));
                    }
                    found.extend(lacks);
                }
            }
        }
    }
}

fn target_grant(tried: &Tried) -> Option<Finding> {
    grant(tried).map(|finding| Finding { name: "target login", ..finding })
}

/// The trail in SQL Server, as far as one comes: each thing that is missing hides those behind it.
async fn sqlserver(found: &mut Vec<Finding>) {
    let connector = match trail::connector() {
        Ok(Some(connector)) => connector,
        Ok(None) => {
            let detail = "not configured: the trail is in the journal alone".to_owned();
            return found.push(ok("sqlserver", detail));
        }
        Err(failure) => return found.push(wrong("sqlserver", failure)),
    };
    let place = connector.place();
    let mut session = match connector.session().await {
        Ok(session) => session,
        Err(error) => {
            let mend = error.mend().join("; or ");
            let failure = Failure::from(error);
            return found.push(Finding { mend: Some(mend), ..wrong("sqlserver", failure) });
        }
    };
    found.push(ok("sqlserver", place.clone()));
    match schema::steps(&mut session).await {
        Err(error) => return found.push(wrong("trail", error.into())),
        Ok(steps) if steps.iter().any(|step| !step.applied) => {
            let detail = "its schema is not there, or older than this kaizen's".to_owned();
            let mend = Some("kaizen sql plan   # then: kaizen sql apply".to_owned());
            return found.push(Finding { name: "trail", state: State::Wrong, detail, mend });
        }
        Ok(_) => found.push(ok("trail", format!("schema version {}", provenance::SCHEMA_VERSION))),
    }
    match check::check(&mut session).await {
        Err(error) => found.push(wrong("trail login", error.into())),
        Ok(tried) => found.extend(tried.iter().filter_map(grant)),
    }
}

/// A grant that is missing, or one too many.
fn grant(tried: &Tried) -> Option<Finding> {
    if tried.result != Verdict::Wrong {
        return None;
    }
    let without = tried.disables.map(|disables| format!("; without it no {disables}"));
    Some(Finding {
        name: "trail login",
        // What it may do too much does not keep anything from working.
        state: if tried.disables.is_some() { State::Wrong } else { State::Warning },
        detail: format!("{}: {}{}", tried.what, tried.detail, without.unwrap_or_default()),
        mend: tried.mend.map(str::to_owned),
    })
}

fn room(place: &Place) -> Finding {
    match disk::free_bytes(&place.root) {
        Ok(free) if free < LITTLE_ROOM => Finding {
            name: "disk",
            state: State::Warning,
            detail: format!("{} MiB free; every run copies the database several times", free >> 20),
            mend: Some("make room".to_owned()),
        },
        Ok(free) => ok("disk", format!("{} GiB free", free >> 30)),
        Err(error) => wrong("disk", Failure::usage("io", error.to_string())),
    }
}

fn ok(name: &'static str, detail: String) -> Finding {
    Finding { name, state: State::Ok, detail, mend: None }
}

fn wrong(name: &'static str, failure: Failure) -> Finding {
    Finding { name, state: State::Wrong, detail: failure.message, mend: failure.next }
}
