//! From an answer to a proposal that may be tried: it can be read, it is vetted, it is no repetition.

use super::{
    super::{
        analyze::snapshot,
        past, step,
        vet::{self, Scripts},
    },
    Asking, Dialogue,
};
use crate::{
    designers::answer::{self, Answer},
    models::Shown,
    patch::Patched,
    payload::{Candidate, ChangeFile, Proposal, Source, staged},
    sql::looks_like_secret,
    targets::sqlite::database::Database,
};
use kaizen_engine::{step::StepError, workflow::Target};
use std::collections::BTreeMap;

impl Asking<'_> {
    /// An answer as a proposal that may be tried.
    pub(super) fn proposal(
        &self,
        text: &str,
        source: Source,
        dialogue: &Dialogue,
    ) -> Result<Proposal, StepError> {
        if let Some(shape) = looks_like_secret(text) {
            let message = format!("the answer holds what looks like a secret ({shape})");
            return Err(StepError::operator("refused_secret", message));
        }
        let answer =
            answer::read(text).map_err(|why| StepError::operator("refused_answer", why))?;
        let (change, drew_on) = match answer {
            Answer::NoChange(why) => {
                let notes = vec![format!("the designer proposes nothing: {why}")];
                let shown = dialogue.shown.clone();
                return Ok(Proposal { candidates: Vec::new(), source, notes, shown });
            }
            Answer::Change { change, drew_on } => (*change, drew_on),
        };
        let change = self.as_diff(change, &dialogue.base)?;
        self.vetted(&change)?;
        let mut notes = vec![format!("proposed by {}", named(&source))];
        if !drew_on.is_empty() {
            notes.push(format!("it drew on {}", drew_on.join(", ")));
        }
        let candidate = Candidate {
            rationale: change.rationale.clone().unwrap_or_else(|| notes[0].clone()),
            expected_improvement_pct: change.expected_improvement_pct,
            rollback_plan: "the down script, then git revert".to_owned(),
            change,
        };
        let drew = |shown: &Shown| Shown { drew_on: drew_on.contains(&shown.run), ..shown.clone() };
        let shown = dialogue.shown.iter().map(drew).collect();
        Ok(Proposal { candidates: vec![candidate], source, notes, shown })
    }
}

fn named(source: &Source) -> String {
    match source {
        Source::Model(name) => format!("the model {name}"),
        Source::Agent(program) => format!("the agent {program}"),
        Source::Run(run) => format!("the designer of {run}"),
        Source::Rules => "rules".to_owned(),
        Source::File(name) => name.clone(),
    }
}

impl Asking<'_> {
    /// The change with its files as a diff from the commit that the designer saw: on another it applies
    /// where nobody has touched the same lines, and overwrites nothing.
    fn as_diff(&self, change: ChangeFile, base: &str) -> Result<ChangeFile, StepError> {
        let repo = self.project.repository().map_err(step)?;
        let patched = vet::patched(self.project, &repo, base, &change)?;
        self.not_again(change.up.as_deref().unwrap_or_default(), &patched)?;
        let diff = repo.diff(base, &staged(&patched.files, &patched.deleted)).map_err(step)?;
        Ok(ChangeFile {
            files: BTreeMap::new(),
            edits: Vec::new(),
            delete: Vec::new(),
            diff: (!diff.is_empty()).then_some(diff),
            ..change
        })
    }

    /// Everything that can be told of it without trying it.
    fn vetted(&self, change: &ChangeFile) -> Result<(), StepError> {
        let Asking { project, cx, .. } = self;
        let scripts = match &project.definition.target {
            Target::Sqlite { .. } => {
                Scripts::of(change, &Database::open(&snapshot(project, cx)?).map_err(step)?)?
            }
            Target::Sqlserver { .. } => Scripts::of_tsql(change)?,
            Target::Command { .. } => Scripts::none(change)?,
        };
        let repo = project.repository().map_err(step)?;
        let head = repo.head(project.definition.deploy.branch.as_deref()).map_err(step)?;
        vet::files(project, &repo, &head.commit, change, &scripts).map(drop)
    }

    /// What was measured as no gain is not tried again on the same evidence.
    fn not_again(&self, up: &str, patched: &Patched) -> Result<(), StepError> {
        let Asking { cx, reader, analysis, .. } = self;
        let content = past::content(up, &patched.files, &patched.deleted)?;
        let evidence = past::evidence(analysis);
        let repeated = past::all(cx, reader)?.into_iter().rev().find(|one| {
            let record = &one.record;
            record.target == cx.run.created.target
                && record.outcome == "rolled_back"
                && record.verdict.as_deref() != Some("inconclusive")
                && record.content.as_deref() == Some(&content)
                && record.evidence.as_deref() == Some(&evidence)
        });
        let Some(one) = repeated else { return Ok(()) };
        let measured = one.record.performance_delta_pct;
        let measured = measured.map(|pct| format!(" ({pct:+.1} %)")).unwrap_or_default();
        let message = format!(
            "r{} was this very change, and was rolled back{measured}; nothing has changed since",
            one.run
        );
        Err(StepError::operator("refused_repeated", message))
    }
}
