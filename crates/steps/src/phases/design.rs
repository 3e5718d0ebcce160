//! Phase 2. Design proposes change sets: by rules, by asking a model or an agent, from a person's file, or
//! from an earlier run.

use super::{analyze::snapshot, asking, blocking, past, seed, step, time_left};
use crate::{
    designers::rules,
    payload::{Analysis, Candidate, ChangeFile, ChangeSet, Proposal, Source},
    project::Project,
    targets::sqlite::Workload,
};
use async_trait::async_trait;
use kaizen_engine::{
    journal::{
        Phase,
        event::{Designing, HandedIn},
    },
    step::{Context, Step, StepError},
    workflow::{Designer, Strategy},
};
use std::sync::Arc;

/// Phase 2.
pub struct Design {
    pub project: Arc<Project>,
}

#[async_trait]
impl Step for Design {
    type Input = Analysis;
    type Output = Proposal;

    async fn run(&self, analysis: Analysis, cx: &Context) -> Result<Proposal, StepError> {
        let (project, cx) = (self.project.clone(), cx.clone());
        blocking(move || match (&cx.run.created.change, cx.run.created.from_run) {
            (Some(file), _) => from_file(&cx, file),
            (None, Some(run)) => from_run(&project, &cx, run),
            (None, None) => match designer(&project, &cx) {
                Some(designer) => asking::ask(&project, &cx, &analysis, &designer),
                None => match &analysis.server {
                    Some(server) => super::server::by_rules(&project, &cx, server),
                    None => by_rules(&project, &cx, &analysis),
                },
            },
        })
        .await
    }
}

/// Who is to be asked; `None`: the rules.
fn designer(project: &Project, cx: &Context) -> Option<asking::Designer> {
    use asking::Designer as Ask;
    let design = &project.definition.design;
    match (&cx.run.created.designer, design.designer) {
        (Some(Designing::Rules), _) | (None, Designer::Rules) => None,
        (Some(Designing::Model), _) | (None, Designer::Model) => Some(Ask::Model),
        (Some(Designing::Agent), _) | (None, Designer::Agent) => {
            Some(Ask::Agent(design.agent.clone()))
        }
        (Some(Designing::AgentCommand(argv)), _) => Some(Ask::Agent(argv.clone())),
        (Some(Designing::Replay(run)), _) => Some(Ask::Replay(*run)),
    }
}

/// A change that a person handed in. Its text was checked when the run was started.
fn from_file(cx: &Context, file: &HandedIn) -> Result<Proposal, StepError> {
    let bytes = cx.reader()?.artifact(&file.digest)?;
    let text = String::from_utf8_lossy(&bytes);
    let change: ChangeFile = toml::from_str(&text)
        .map_err(|e| StepError::operator("change_file", format!("{}: {e}", file.name)))?;
    let note = format!("handed in as {}", file.name);
    Ok(only(change, Source::File(file.name.clone()), note))
}

/// The very change set of an earlier run.
fn from_run(project: &Project, cx: &Context, run: i64) -> Result<Proposal, StepError> {
    let reader = cx.reader()?;
    let earlier = reader.run(run)?;
    let Some(payload) = earlier.outputs.get(&Phase::Generate) else {
        let message = format!("r{run} has no change set to go on with");
        return Err(StepError::operator("no_change_set", message));
    };
    let set: ChangeSet = reader.payload(payload)?;
    let own = |path: &String| !set.migrations.contains(path);
    same_base(project, &set, run)?;
    let change = ChangeFile {
        title: set.title.clone(),
        kind: Some(set.kind),
        risk: Some(set.risk),
        up: (!set.up.is_empty()).then(|| set.up.clone()),
        down: (!set.down.is_empty()).then(|| set.down.clone()),
        files: set
            .files
            .iter()
            .filter(|(path, _)| own(path))
            .map(|(p, t)| (p.clone(), t.clone()))
            .collect(),
        delete: set.deleted.clone(),
        rationale: Some(set.rationale.clone()),
        expected_improvement_pct: set.expected_improvement_pct,
        ..ChangeFile::default()
    };
    let note = format!("the change set of r{run}, {}", set.digest.short());
    Ok(only(change, Source::Run(format!("r{run}")), note))
}

/// Whole contents would overwrite what others have done to these files since.
fn same_base(project: &Project, set: &ChangeSet, run: i64) -> Result<(), StepError> {
    let repo = project.repository().map_err(step)?;
    let head = repo.head(project.definition.deploy.branch.as_deref()).map_err(step)?.commit;
    for path in set.paths().filter(|path| !set.migrations.contains(path)) {
        let [then, now] = [&set.base_commit, &head].map(|commit| repo.read(commit, path));
        if then.map_err(step)? != now.map_err(step)? {
            let message = format!("{path} has changed since r{run} was made of it: design anew");
            return Err(StepError::operator("base_moved", message));
        }
    }
    Ok(())
}

fn only(change: ChangeFile, source: Source, note: String) -> Proposal {
    let candidate = Candidate {
        rationale: change.rationale.clone().unwrap_or_else(|| note.clone()),
        expected_improvement_pct: change.expected_improvement_pct,
        rollback_plan: "the down script, then git revert".to_owned(),
        change,
    };
    Proposal { candidates: vec![candidate], source, notes: vec![note], shown: Vec::new() }
}

fn by_rules(project: &Project, cx: &Context, analysis: &Analysis) -> Result<Proposal, StepError> {
    let definition = &project.definition;
    let workload = Workload::load(&project.root, project.workload()).map_err(step)?;
    let snapshot = snapshot(project, cx)?;
    let scratch = project.scratch(&cx.run).map_err(step)?.join("design");
    std::fs::create_dir_all(&scratch)
        .map_err(|e| StepError::operator("scratch", format!("{}: {e}", scratch.display())))?;
    let past = past::all(cx, &cx.reader()?)?;
    let here = past.iter().filter(|one| one.record.target == cx.run.created.target);
    let rolled_back: Vec<String> = here
        .filter(|one| one.success() == Some(false))
        .filter_map(|one| one.record.up.clone())
        .collect();
    let input = rules::Input {
        snapshot: &snapshot,
        scratch: &scratch,
        workload: &workload,
        analysis,
        limits: rules::Limits {
            min_improvement_pct: definition.evaluate.min_improvement_pct,
            max_regression_pct: definition.evaluate.max_regression_pct,
            max_write_cost_pct: definition.evaluate.max_write_cost_pct,
            max_changes: definition.design.max_changes as usize,
            timeout: definition.analyze.query_timeout,
        },
        already_rolled_back: &rolled_back,
        strategy: match definition.design.strategy {
            Strategy::Measured => rules::Strategy::Measured,
            Strategy::Greedy => rules::Strategy::Greedy,
        },
        budget: time_left(cx, definition.design.budget),
        seed: seed(cx),
    };
    let report = cx.report();
    let proposal = rules::design(&input, &move |text: &str| report(text)).map_err(step)?;
    let _ = std::fs::remove_dir_all(&scratch);
    Ok(proposal)
}
