//! `kaizen start`: creates a run and drives it until it waits or ends.

use super::{notices, shared};
use crate::{
    args::{self, Start},
    context::{self, Place},
    failure::{Failure, exit},
    output::Out,
    render::observer::Watcher,
    trail, view,
};
use kaizen_engine::{
    digest::Digest,
    journal::{
        ApprovalPolicy, Created, Phase,
        event::{Designing, HandedIn},
        gate,
    },
    shell::{Engine, Stop},
    workflow::{self, Definition, Designer, Require, Stage, Target},
};
use kaizen_steps::{
    adapters::mssql::Connector,
    payload::ChangeFile,
    project::Project,
    sql::looks_like_secret,
    targets::{
        sqlite::{Workload, database::Database},
        sqlserver::{Document, document},
    },
};
use std::{fs, path::Path, sync::Arc};

pub async fn run(args: &Start, dir: Option<&Path>, out: Out) -> Result<u8, Failure> {
    let place = Place::find(dir)?;
    notices::overdue(&place, out);
    if args.detach {
        return detach(args, dir, &place, out).await;
    }
    let stop = drive(args, dir, out).await?;
    shared::finish(&place, &stop, out)
}

/// Creates the run and drives it.
pub async fn drive(args: &Start, dir: Option<&Path>, out: Out) -> Result<Stop, Failure> {
    let place = Place::find(dir)?;
    let (engine, created, artifacts) = prepare(args, dir, &place, out)?;
    Ok(engine.start(created, &context::os_user(), artifacts).await?)
}

async fn detach(args: &Start, dir: Option<&Path>, place: &Place, out: Out) -> Result<u8, Failure> {
    let (engine, created, artifacts) = prepare(args, dir, place, out)?;
    let run = engine.create(created, &context::os_user(), artifacts).await?;
    engine.release(&run).await?;
    let full = view::Full::read(&place.reader()?, run)?;
    out.answer(&full.view(), || {
        format!("{0} created\n\nNext:\n  kaizen resume {0}\n", full.run.name())
    });
    Ok(exit::DONE)
}

/// What a run needs; whatever would make it fail at once is said before there is a run.
fn prepare(
    args: &Start,
    dir: Option<&Path>,
    place: &Place,
    out: Out,
) -> Result<(Engine, Created, Vec<Vec<u8>>), Failure> {
    // As it stands, or from -C, or from the project's root: next commands are printed from there.
    let workflow = [Some(Path::new("")), dir, Some(place.root.as_path())]
        .into_iter()
        .flatten()
        .map(|base| base.join(&args.workflow))
        .find(|path| path.is_file())
        .unwrap_or_else(|| args.workflow.clone());
    if !workflow.is_file() {
        let message = format!("there is no workflow {}", workflow.display());
        return Err(Failure::usage("no_workflow", message).next("ls workflows"));
    }
    let project = Project::open(&place.root, &workflow)?;
    if args.apply && project.definition.auto_approve.stage == Stage::DryRun {
        let message = "the workflow's stage of trust is dry_run: it deploys nothing";
        return Err(Failure { exit: exit::REFUSED, ..Failure::usage("stage_dry_run", message) }
            .next("set `stage = \"supervised\"` under [auto_approve]"));
    }
    if args.apply && project.definition.deploy.freeze {
        let message = "deployments are frozen: the workflow says `freeze = true`";
        return Err(Failure { exit: exit::REFUSED, ..Failure::usage("frozen", message) }
            .next(format!("kaizen start {}", args.workflow.display())));
    }
    refuse_unfit(&project, args)?;
    refuse_undesigned(&project, args)?;
    if args.apply && project.policy.provenance.require == Require::BeforeEffects {
        trail::required()?;
    }
    check(&project, args.apply).map_err(|failure| {
        failure
            .fill("WORKFLOW", &args.workflow.display().to_string())
            .fill("DATABASE", &project.database().display().to_string())
    })?;
    let (created, artifacts) = created(place, &project, args)?;
    let watcher = Arc::new(Watcher::new(place.journal.clone(), out.json));
    Ok((place.engine(project, place.store()?, watcher)?, created, artifacts))
}

/// What this kind of target does not do.
fn refuse_unfit(project: &Project, args: &Start) -> Result<(), Failure> {
    let workflow = args.workflow.display();
    match &project.definition.target {
        Target::Sqlite { .. } if args.from_export.is_some() => {
            let message = format!("{workflow} is about a SQLite database, which needs no export");
            Err(Failure::usage("wrong_target", message)
                .next("kaizen init --sqlserver NAME --database DB"))
        }
        Target::Sqlserver { name, .. } if args.from_export.is_none() => {
            let variable = workflow::variable(name);
            match Connector::from_env(&variable).map_err(trail::failure)? {
                Some(_) => Ok(()),
                None => {
                    let message =
                        format!("{variable} is not set: it says how the target is reached");
                    Err(Failure::usage("sqlserver_not_configured", message).next(format!(
                        "export {variable}='Server=tcp:HOST,1433;Database=DB;User Id=LOGIN;Password=…'   # or: kaizen \
                         analyze --from-export FILE"
                    )))
                }
            }
        }
        Target::Command { .. } if args.from_export.is_some() => {
            let message = format!("{workflow} is about a repository, which needs no export");
            Err(Failure::usage("wrong_target", message)
                .next("kaizen init --sqlserver NAME --database DB"))
        }
        Target::Sqlite { .. } | Target::Sqlserver { .. } | Target::Command { .. } => Ok(()),
    }
}

/// Somebody must propose the change.
fn refuse_undesigned(project: &Project, args: &Start) -> Result<(), Failure> {
    let rules = project.definition.design.designer == Designer::Rules;
    let command = matches!(project.definition.target, Target::Command { .. });
    let rules = match args.designer {
        None => rules,
        Some(named) => matches!(named, args::Designer::Rules),
    };
    let given = [&args.from, &args.agent_command, &args.replay].into_iter().any(Option::is_some);
    if !(rules && command) || given || args.change.is_some() {
        return Ok(());
    }
    let workflow = args.workflow.display();
    let message = format!("{workflow} names nobody who proposes changes to a repository");
    Err(Failure::usage("no_designer", message).next(format!(
        "kaizen start {workflow} --change FILE   # or, under [design]: designer = \"agent\" or \"model\""
    )))
}

fn check(project: &Project, apply: bool) -> Result<(), Failure> {
    let repo = project.repository()?;
    repo.head(project.definition.deploy.branch.as_deref())?;
    if let Target::Sqlite { .. } = project.definition.target {
        let workload = Workload::load(&project.root, project.workload())?;
        let database = Database::open(&project.database())?;
        workload.check(database.connection())?;
    }
    if apply {
        repo.preconditions()?;
        let deploy = &project.definition.deploy;
        if deploy.push {
            repo.check_remote(&deploy.remote)?;
        }
        let changed = repo.tracked_changes()?;
        if !changed.is_empty() {
            let message = format!(
                "tracked files have uncommitted changes, which a deployment must not mix with: {}",
                changed.join(", ")
            );
            return Err(Failure::usage("tracked_changes", message)
                .next("git commit -a   # or: git stash; or a dry run, without --apply"));
        }
    }
    Ok(())
}

fn created(
    place: &Place,
    project: &Project,
    args: &Start,
) -> Result<(Created, Vec<Vec<u8>>), Failure> {
    let definition = &project.definition;
    // Both texts are kept, so that a later change of either can be told with its diff.
    let mut artifacts =
        vec![project.workflow_text.clone().into_bytes(), project.policy_text.clone().into_bytes()];
    let change = match &args.change {
        Some(path) => {
            let (handed_in, bytes) = change_file(path)?;
            artifacts.push(bytes);
            Some(handed_in)
        }
        None => None,
    };
    let export = match &args.from_export {
        Some(path) => {
            let (handed_in, bytes) = export_file(path, &definition.target)?;
            artifacts.push(bytes);
            Some(handed_in)
        }
        None => None,
    };
    let from_run = match &args.from {
        Some(name) => Some(from_run(place, project, name)?),
        None => None,
    };
    let pre_approved = args.approve.then(|| gate::Decision {
        method: gate::Method::PreApproved,
        ..context::decision(None, args.reason.as_deref().unwrap_or_default(), Digest::ZERO)
    });
    if args.approve {
        pre_approval_counts(definition)?;
    }
    let created = Created {
        number: 0,
        workflow: definition.name.clone(),
        workflow_path: project.workflow_path.clone(),
        definition: Definition::digest(&project.workflow_text),
        policy: Digest::of(&[project.policy_text.as_bytes()]),
        engine: kaizen_engine::BEHAVIOUR,
        kaizen: env!("CARGO_PKG_VERSION").to_owned(),
        dry_run: !args.apply,
        target: project.target_key()?,
        from_run,
        change,
        export,
        designer: designing(place, project, args)?,
        started_by: context::os_user(),
        approval: approval(definition),
        pre_approved,
        budget_ms: u64::try_from(definition.budget.compute.as_millis()).unwrap_or(u64::MAX),
        max_attempts: 3,
    };
    Ok((created, artifacts))
}

/// Who designs, where that was said here.
fn designing(place: &Place, project: &Project, args: &Start) -> Result<Option<Designing>, Failure> {
    let workflow = args.workflow.display().to_string();
    if let Some(name) = &args.replay {
        let reader = place.reader()?;
        let run = shared::find(&reader, name)?;
        return Ok(Some(Designing::Replay(run.created.number)));
    }
    if let Some(json) = &args.agent_command {
        let next = format!("kaizen start {workflow} --agent-command '[\"PROGRAM\", \"ARG\"]'");
        let argv: Vec<String> = serde_json::from_str(json).map_err(|e| {
            let message = format!("--agent-command is no JSON array of words: {e}");
            Failure::usage("agent_command", message).next(next.clone())
        })?;
        if argv.first().is_none_or(|program| program.trim().is_empty()) {
            return Err(Failure::usage("agent_command", "the agent has no program").next(next));
        }
        return Ok(Some(Designing::AgentCommand(argv)));
    }
    Ok(match args.designer {
        None => None,
        Some(args::Designer::Rules) => Some(Designing::Rules),
        Some(args::Designer::Model) => Some(Designing::Model),
        Some(args::Designer::Agent) if project.definition.design.agent.is_empty() => {
            let message = format!("{workflow} names no agent");
            return Err(Failure::usage("no_agent", message)
                .next("under [design]: agent = [\"PROGRAM\", \"ARG\"]"));
        }
        Some(args::Designer::Agent) => Some(Designing::Agent),
    })
}

/// What was exported, as it may be stored: without comments and literals. It must be whole.
fn export_file(path: &Path, target: &Target) -> Result<(HandedIn, Vec<u8>), Failure> {
    let named = |failure: Failure| {
        let message = format!("{}: {}", path.display(), failure.message);
        Failure { message, ..failure }.next("kaizen sql export --database DB > export.sql")
    };
    let unreadable = |why: String| named(Failure::usage("export_unreadable", why));
    let bytes = fs::read(path).map_err(|e| unreadable(e.to_string()))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| unreadable("it is not UTF-8: sqlcmd writes it with -f o:65001".to_owned()))?;
    let stripped = document::stripped(&text).map_err(Failure::from).map_err(named)?;
    let document = Document::parse(&stripped).map_err(Failure::from).map_err(named)?;
    let of = document.server.map(|server| server.database_name).unwrap_or_default();
    if let Target::Sqlserver { database, .. } = target
        && !of.eq_ignore_ascii_case(database)
    {
        let why = format!("it is of the database {of}, and the workflow is about {database}");
        return Err(unreadable(why));
    }
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let bytes = stripped.into_bytes();
    Ok((HandedIn { name, digest: Digest::of(&[&bytes]) }, bytes))
}

/// A pre-approval is refused where it could not stand for the people that the workflow asks for.
fn pre_approval_counts(definition: &Definition) -> Result<(), Failure> {
    let approval = &definition.approval;
    let asks = match (approval.quorum > 1, approval.separation_of_duties) {
        (true, _) => Some(format!("a quorum of {}", approval.quorum)),
        (_, true) => Some("separated duties".to_owned()),
        _ if !approval.approvers.is_empty()
            && !approval.approvers.contains(&context::os_user()) =>
        {
            Some("named approvers, and you are none of them".to_owned())
        }
        _ => None,
    };
    match asks {
        None => Ok(()),
        Some(asks) => {
            let message = format!("--approve does not count here: the workflow asks for {asks}");
            Err(Failure { exit: exit::REFUSED, ..Failure::usage("pre_approval", message) }
                .next("the same without --approve, then: kaizen approve RUN --reason 'why'"))
        }
    }
}

fn approval(definition: &Definition) -> ApprovalPolicy {
    let (approval, auto) = (&definition.approval, &definition.auto_approve);
    ApprovalPolicy {
        quorum: approval.quorum,
        approvers: approval.approvers.clone(),
        separation_of_duties: approval.separation_of_duties,
        expires_after_ms: u64::try_from(approval.expires_after.as_millis()).unwrap_or(u64::MAX),
        on_expiry: match approval.on_expiry {
            workflow::OnExpiry::Reject => gate::OnExpiry::Reject,
            workflow::OnExpiry::Park => gate::OnExpiry::Park,
        },
        // Below this stage of trust no kind goes by itself.
        auto_kinds: if auto.stage >= Stage::Limited { auto.kinds.clone() } else { Vec::new() },
        auto_min_probability: auto.min_probability,
    }
}

fn change_file(path: &Path) -> Result<(HandedIn, Vec<u8>), Failure> {
    let bytes = fs::read(path).map_err(|e| {
        Failure::usage("change_file", format!("{}: {e}", path.display()))
            .next("kaizen start WORKFLOW --change FILE")
    })?;
    let bad = |why: String| {
        Failure::usage("change_file", format!("{}: {why}", path.display()))
            .next("keys: title, kind, risk, up, down (SQL), [files] (path = content), [[edits]] (path, search, replace), diff, delete")
    };
    let text = std::str::from_utf8(&bytes).map_err(|e| bad(e.to_string()))?;
    let change: ChangeFile =
        toml::from_str(text).map_err(|e| bad(e.to_string().trim().to_owned()))?;
    if change.title.trim().is_empty() {
        return Err(bad("the title is empty".to_owned()));
    }
    no_secrets(path, text, &change)?;
    let name = path.display().to_string();
    Ok((HandedIn { name, digest: Digest::of(&[&bytes]) }, bytes))
}

/// The file becomes part of the trail, which is never edited: a secret must not get that far.
fn no_secrets(path: &Path, text: &str, change: &ChangeFile) -> Result<(), Failure> {
    let parts = [&change.up, &change.down, &change.rationale, &change.diff].into_iter().flatten();
    let edits = change.edits.iter().flat_map(|edit| [&edit.search, &edit.replace]);
    let parts =
        parts.chain(change.files.values()).chain(edits).chain([&change.title]).map(String::as_str);
    let Some(shape) = [text].into_iter().chain(parts).find_map(looks_like_secret) else {
        return Ok(());
    };
    let line = text.lines().position(|line| looks_like_secret(line).is_some());
    let line = line.map(|at| format!(", line {},", at + 1)).unwrap_or_default();
    let path = path.display();
    let message = format!("{path}{line} holds what looks like a secret ({shape})");
    Err(Failure { exit: exit::REFUSED, ..Failure::usage("refused_secret", message) }
        .next(format!("take it out of {path} (and change it, if others have seen it)")))
}

fn from_run(place: &Place, project: &Project, name: &str) -> Result<i64, Failure> {
    let reader = place.reader()?;
    let run = shared::find(&reader, name)?;
    if !run.outputs.contains_key(&Phase::Generate) {
        let why =
            if run.compacted.is_some() { "any more: it was compacted" } else { "to go on with" };
        let message = format!("{} has no change set {why}", run.name());
        return Err(
            Failure::usage("no_change_set", message).next(format!("kaizen why {}", run.name()))
        );
    }
    if run.created.workflow != project.definition.name {
        let message = format!(
            "{} belongs to the workflow {}, not to {}",
            run.name(),
            run.created.workflow,
            project.definition.name
        );
        return Err(Failure::usage("other_workflow", message).next(format!(
            "kaizen start {} --apply --from {}",
            run.created.workflow_path,
            run.name()
        )));
    }
    Ok(run.created.number)
}
