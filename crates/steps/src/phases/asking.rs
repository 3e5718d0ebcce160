//! Phase 2 by a model or an agent: one exchange after the other, each announced before anything leaves
//! and recorded before the next, so that budgets and refusals survive a crash.
//!
//! The phase ends with a wait of no time after each of these steps, which stores its notes; when it is
//! run again it goes on from them.

use super::{
    analyze::snapshot,
    past, step,
    vet::{self, Scripts},
};
use crate::{
    adapters::{git, process::redact},
    attempts,
    designers::{
        agent::{self, Agent},
        answer::{self, Answer},
        brief::{self, Brief},
        model::{self, Endpoint},
    },
    payload::{Analysis, Candidate, ChangeFile, Proposal, Source},
    project::Project,
    sql::{looks_like_secret, strip_literals},
    targets::sqlite::database::Database,
};
use kaizen_engine::{
    digest::Digest,
    journal::{Event, Fact, Timestamp},
    shell::Reader,
    step::{Context, StepError},
    workflow::Target,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// The notes of an exchange.
const ASKED: &str = "designer_asked";
const ANSWERED: &str = "designer_answered";
const UNANSWERED: &str = "designer_unanswered";

/// How often a designer that does not answer is asked again.
const MOST_UNANSWERED: usize = 3;
/// The first pause after that, doubled each time.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest that an endpoint may ask to be left alone.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);

/// Earlier attempts that are told of.
const ATTEMPTS: usize = 5;
/// Bytes of files that a model is shown, all together.
const FILES_CAP: usize = 48 << 10;

/// Who is asked.
pub(super) enum Designer {
    Model,
    Agent(Vec<String>),
    /// Nobody: what was answered in this run is taken.
    Replay(i64),
}

#[derive(Debug, Serialize, Deserialize)]
struct Asked {
    /// Where it goes: a URL, or the program's arguments.
    destination: String,
    /// `null`: an agent.
    model: Option<String>,
    /// Digest of the bytes that leave.
    request: Digest,
    bytes: usize,
    /// Tokens that may be spent by it, counted until the answer says how many were.
    most_tokens: u64,
    at: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Answered {
    /// Digest of the answer's text.
    answer: Digest,
    /// Digest of everything that came back, where that is more.
    raw: Option<Digest>,
    input_tokens: u64,
    output_tokens: u64,
    cost: f64,
    /// Why it was refused: code and message.
    refused: Option<(String, String)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Unanswered {
    why: String,
    /// Whether asking again could help.
    again: bool,
}

/// What has passed between a run and its designer so far.
#[derive(Debug, Default)]
struct Dialogue {
    /// Asked and neither answered nor given up.
    pending: Option<Asked>,
    began: Option<String>,
    answers: Vec<Answered>,
    unanswered: usize,
    tokens: u64,
    cost: f64,
}

impl Dialogue {
    fn of(reader: &Reader, run: i64) -> Result<Dialogue, StepError> {
        let mut dialogue = Dialogue::default();
        for (topic, body) in notes(reader, run)? {
            let read = |e| StepError::bug("misshapen_note", format!("{topic}: {e}"));
            match topic.as_str() {
                ASKED => {
                    let asked: Asked = serde_json::from_value(body).map_err(read)?;
                    dialogue.began.get_or_insert_with(|| asked.at.clone());
                    dialogue.pending = Some(asked);
                }
                ANSWERED => {
                    let answered: Answered = serde_json::from_value(body).map_err(read)?;
                    dialogue.tokens += answered.input_tokens + answered.output_tokens;
                    dialogue.cost += answered.cost;
                    dialogue.unanswered = 0;
                    dialogue.pending = None;
                    dialogue.answers.push(answered);
                }
                UNANSWERED => {
                    let unanswered: Unanswered = serde_json::from_value(body).map_err(read)?;
                    dialogue.unanswered += usize::from(unanswered.again);
                    dialogue.pending = None;
                }
                _ => {}
            }
        }
        Ok(dialogue)
    }

    fn refusals(&self) -> Vec<&(String, String)> {
        self.answers.iter().filter_map(|answer| answer.refused.as_ref()).collect()
    }
}

/// The notes of a run, in order.
fn notes(reader: &Reader, run: i64) -> Result<Vec<(String, serde_json::Value)>, StepError> {
    let mut found = Vec::new();
    for row in reader.rows(Some(run), 0, u32::MAX)? {
        // What retention took says nothing any more.
        if let Ok(Event { fact: Fact::Noted { topic, body }, .. }) = Event::decode(&row.event) {
            found.push((topic, reader.payload(&body)?));
        }
    }
    Ok(found)
}

/// Asks until an answer may be tried, or nothing more may be asked.
pub(super) fn ask(
    project: &Project,
    cx: &Context,
    analysis: &Analysis,
    designer: Designer,
) -> Result<Proposal, StepError> {
    let reader = cx.reader()?;
    if let Designer::Replay(run) = designer {
        return replay(project, cx, &reader, analysis, run);
    }
    let dialogue = Dialogue::of(&reader, cx.run.created.number)?;
    let Some(asked) = &dialogue.pending else {
        return Err(announce(project, cx, &reader, analysis, &designer, &dialogue)?);
    };
    let body = reader.artifact(&asked.request)?;
    let said = match &designer {
        Designer::Model => by_model(project, cx, &body),
        Designer::Agent(argv) => by_agent(project, cx, argv, &body),
        Designer::Replay(_) => return Err(StepError::bug("replay", "a replay asks nobody")),
    };
    let said = match said {
        Ok(said) => said,
        Err(Silence { why, again, after }) => {
            let body = Unanswered { why: why.clone(), again };
            cx.note(UNANSWERED, json(&body)?);
            if !again {
                return Err(StepError::operator("designer_failed", format!("the designer: {why}")));
            }
            let shift = u32::try_from(dialogue.unanswered).unwrap_or(8).min(8);
            let pause = after.unwrap_or(PAUSE * 2_u32.pow(shift)).min(LONGEST_PAUSE);
            return Err(StepError::wait(cx.now.plus(pause), format!("the designer: {why}")));
        }
    };
    let source = match &designer {
        Designer::Model => Source::Model(asked.model.clone().unwrap_or_default()),
        Designer::Agent(argv) => Source::Agent(argv.first().cloned().unwrap_or_default()),
        Designer::Replay(run) => Source::Run(format!("r{run}")),
    };
    let read = proposal(project, cx, &reader, analysis, &said.text, source);
    let refused = match &read {
        Err(error) if is_refusal(error) => Some((error.code.clone(), error.message.clone())),
        Err(error) => return Err(error.clone()),
        Ok(_) => None,
    };
    let (text, raw) = (kept(&said.text), said.raw.as_deref().map(kept));
    let answered = Answered {
        answer: cx.keep(text.into_bytes()),
        raw: raw.map(|raw| cx.keep(raw.into_bytes())),
        input_tokens: said.tokens.0,
        output_tokens: said.tokens.1,
        cost: said.cost,
        refused,
    };
    cx.note(ANSWERED, json(&answered)?);
    match read {
        Ok(proposal) => Ok(proposal),
        Err(error) if dialogue.refusals().len() < project.definition.design.retries as usize => {
            let why = format!("the answer was refused ({}); asking again", error.message);
            Err(StepError::wait(cx.now, why))
        }
        Err(error) => {
            let times = dialogue.refusals().len() + 1;
            let message = format!("the designer was asked {times} times; last: {}", error.message);
            Err(StepError { message, ..error })
        }
    }
}

/// Whether it says something of the answer, and not of the machine.
fn is_refusal(error: &StepError) -> bool {
    error.code.starts_with("refused_")
}

/// Announces the next question: the wait that stores it.
fn announce(
    project: &Project,
    cx: &Context,
    reader: &Reader,
    analysis: &Analysis,
    designer: &Designer,
    dialogue: &Dialogue,
) -> Result<StepError, StepError> {
    let design = &project.definition.design;
    if dialogue.unanswered > MOST_UNANSWERED {
        let message = format!("the designer did not answer {} times", dialogue.unanswered);
        return Err(StepError::operator("designer_unavailable", message));
    }
    let began = dialogue.began.as_deref().and_then(Timestamp::parse);
    if began.is_some_and(|began| cx.now.since(began) > design.budget) {
        let message = format!("the designer's time of {} s is spent", design.budget.as_secs());
        return Err(StepError::operator("design_budget_spent", message));
    }
    let brief = brief(project, cx, reader, analysis, designer, dialogue)?;
    let (body, destination, model, most_tokens) = match designer {
        Designer::Model => {
            let endpoint = endpoint(project)?;
            let schema = Brief::schema_of_answers();
            let body = endpoint.request(brief::SYSTEM, &brief.text(), &schema);
            let most = endpoint.most_tokens() + body.len() as u64 / 3;
            within_budget(project, &endpoint, dialogue, body.len(), most)?;
            (body, endpoint.destination(), Some(endpoint.name.clone()), most)
        }
        Designer::Agent(argv) => (brief.text().into_bytes(), argv.join(" "), None, 0),
        Designer::Replay(_) => return Err(StepError::bug("replay", "a replay asks nobody")),
    };
    if let Some(shape) = looks_like_secret(&String::from_utf8_lossy(&body)) {
        let message =
            format!("what the designer would be told holds what looks like a secret ({shape})");
        return Err(StepError::operator("secret_in_brief", message));
    }
    let bytes = body.len();
    let request = cx.keep(body);
    let at = cx.now.to_string();
    let asked = Asked { destination, model, request, bytes, most_tokens, at };
    cx.note(ASKED, json(&asked)?);
    Ok(StepError::wait(cx.now, format!("asks {}", asked.destination)))
}

fn endpoint(project: &Project) -> Result<Endpoint, StepError> {
    Endpoint::of(&project.definition.model).map_err(|why| {
        StepError::operator("model_not_configured", why)
            .looking_at(vec![format!("export {}=https://HOST/v1", model::URL)])
    })
}

/// A question is asked only where the dearest answer could still be paid.
fn within_budget(
    project: &Project,
    endpoint: &Endpoint,
    dialogue: &Dialogue,
    bytes: usize,
    most: u64,
) -> Result<(), StepError> {
    let budget = &project.definition.budget;
    let tokens = dialogue.tokens + most;
    if tokens > budget.model_tokens {
        let message = format!(
            "the next question could take the run to {tokens} tokens, and its budget is {} \
             (`model_tokens`)",
            budget.model_tokens
        );
        return Err(StepError::operator("model_budget_spent", message));
    }
    let cost = dialogue.cost + endpoint.cost(bytes as u64 / 3, endpoint.most_tokens());
    if budget.model_cost > 0.0 && cost > budget.model_cost {
        let message = format!(
            "the next question could take the run to a cost of {cost:.4}, and its budget is {} \
             (`model_cost`)",
            budget.model_cost
        );
        return Err(StepError::operator("model_budget_spent", message));
    }
    Ok(())
}

/// What was answered.
struct Said {
    text: String,
    raw: Option<String>,
    tokens: (u64, u64),
    cost: f64,
}

/// That nothing was.
struct Silence {
    why: String,
    again: bool,
    after: Option<Duration>,
}

fn by_model(project: &Project, cx: &Context, body: &[u8]) -> Result<Said, Silence> {
    let endpoint = endpoint(project).map_err(|error| Silence {
        why: error.message,
        again: false,
        after: None,
    })?;
    cx.progress(&format!("asking {}", endpoint.name));
    match endpoint.send(body) {
        Ok(answered) => {
            let tokens = (answered.input_tokens, answered.output_tokens);
            let cost = endpoint.cost(tokens.0, tokens.1);
            Ok(Said { text: answered.text, raw: Some(answered.raw), tokens, cost })
        }
        Err(model::Error::Again(why, after)) => {
            Err(Silence { why: redact(&why), again: true, after })
        }
        Err(model::Error::No(why)) => Err(Silence { why: redact(&why), again: false, after: None }),
    }
}

fn by_agent(
    project: &Project,
    cx: &Context,
    argv: &[String],
    brief: &[u8],
) -> Result<Said, Silence> {
    let silent = |why: String| Silence { why, again: false, after: None };
    let work = || -> Result<(git::Repo, String, std::path::PathBuf), StepError> {
        let repo = project.repository().map_err(step)?;
        let head = repo.head(project.definition.deploy.branch.as_deref()).map_err(step)?;
        let dir = project.scratch(&cx.run).map_err(step)?.join("agent");
        Ok((repo, head.commit, dir))
    };
    let (repo, commit, dir) = work().map_err(|error| silent(error.message))?;
    let design = &project.definition.design;
    let agent = Agent { argv, env: &design.agent_env, timeout: design.budget };
    let paths = &project.definition.generate.paths;
    let allowed = |path: &str| git::check_path(path, paths, &git::protected_default()).is_ok();
    cx.progress(&format!("asking {}", argv.join(" ")));
    let answered = agent::ask(&agent, &repo, &commit, &dir, brief, &allowed);
    let _ = std::fs::remove_dir_all(&dir);
    match answered {
        Ok(answered) => {
            let raw = serde_json::json!({
                "stdout": answered.stdout, "stderr": answered.stderr, "left_out": answered.left_out,
            });
            Ok(Said { text: answered.text, raw: Some(raw.to_string()), tokens: (0, 0), cost: 0.0 })
        }
        Err(agent::Error::NotRun(why) | agent::Error::Failed(why)) => Err(silent(redact(&why))),
    }
}

/// The answers of an earlier run, one after the other: the first that may be tried.
fn replay(
    project: &Project,
    cx: &Context,
    reader: &Reader,
    analysis: &Analysis,
    run: i64,
) -> Result<Proposal, StepError> {
    let dialogue = Dialogue::of(reader, run)?;
    let mut last = None;
    for answered in &dialogue.answers {
        let text = String::from_utf8_lossy(&reader.artifact(&answered.answer)?).into_owned();
        let source = Source::Run(format!("r{run}"));
        match proposal(project, cx, reader, analysis, &text, source) {
            Err(error) if is_refusal(&error) => last = Some(error),
            read => return read,
        }
    }
    Err(last.unwrap_or_else(|| {
        StepError::operator("nothing_to_replay", format!("no designer answered in r{run}"))
    }))
}

/// An answer as a proposal that may be tried.
fn proposal(
    project: &Project,
    cx: &Context,
    reader: &Reader,
    analysis: &Analysis,
    text: &str,
    source: Source,
) -> Result<Proposal, StepError> {
    if let Some(shape) = looks_like_secret(text) {
        let message = format!("the answer holds what looks like a secret ({shape})");
        return Err(StepError::operator("refused_secret", message));
    }
    let answer = answer::read(text).map_err(|why| StepError::operator("refused_answer", why))?;
    let (change, drew_on) = match answer {
        Answer::NoChange(why) => {
            let notes = vec![format!("the designer proposes nothing: {why}")];
            return Ok(Proposal { candidates: Vec::new(), source, notes });
        }
        Answer::Change { change, drew_on } => (*change, drew_on),
    };
    vetted(project, cx, &change)?;
    not_again(project, cx, reader, analysis, &change)?;
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
    Ok(Proposal { candidates: vec![candidate], source, notes })
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

/// Everything that can be told of it without trying it.
fn vetted(project: &Project, cx: &Context, change: &ChangeFile) -> Result<(), StepError> {
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
fn not_again(
    project: &Project,
    cx: &Context,
    reader: &Reader,
    analysis: &Analysis,
    change: &ChangeFile,
) -> Result<(), StepError> {
    let content = content_of(project, change)?;
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

/// What a change does, whatever it is called: its digest.
fn content_of(project: &Project, change: &ChangeFile) -> Result<String, StepError> {
    let repo = project.repository().map_err(step)?;
    let head = repo.head(project.definition.deploy.branch.as_deref()).map_err(step)?;
    let patched = crate::patch::apply::<vet::Refused>(change, &|path| {
        repo.read(&head.commit, path).map_err(|error| vet::Refused(step(error)))
    })?;
    past::content(change.up.as_deref().unwrap_or_default(), &patched.files, &patched.deleted)
}

fn brief(
    project: &Project,
    cx: &Context,
    reader: &Reader,
    analysis: &Analysis,
    designer: &Designer,
    dialogue: &Dialogue,
) -> Result<Brief, StepError> {
    let definition = &project.definition;
    let schema = match &definition.target {
        Target::Sqlite { .. } => {
            let database = Database::open(&snapshot(project, cx)?).map_err(step)?;
            let objects = database.schema().map_err(step)?.into_iter();
            objects
                .map(|object| strip_literals(&object.sql))
                .filter(|sql| !sql.is_empty())
                .collect()
        }
        Target::Sqlserver { .. } | Target::Command { .. } => Vec::new(),
    };
    let (files, other_files) = match (&definition.target, designer) {
        (Target::Command { .. }, Designer::Model) => shown(project)?,
        _ => (BTreeMap::new(), Vec::new()),
    };
    let history: Vec<_> =
        past::all(cx, reader)?.into_iter().map(|one| (one.run, one.record)).collect();
    let target = Some(cx.run.created.target.as_str());
    let past_attempts = attempts::search(&history, &words(analysis), target, ATTEMPTS)
        .map_err(|e| StepError::bug("search", e.to_string()))?;
    let task = match &definition.target {
        Target::Sqlite { .. } => format!("{} It is SQLite.", brief::DATABASE),
        Target::Sqlserver { .. } => format!("{} It is SQL Server.", brief::DATABASE),
        Target::Command { .. } => brief::REPOSITORY.to_owned(),
    };
    Ok(Brief {
        version: 1,
        task,
        analysis: json(analysis)?,
        schema,
        files,
        other_files,
        allowed_paths: definition.generate.paths.clone(),
        max_change_kb: definition.generate.max_change_kb,
        budget_s: definition.design.budget.as_secs(),
        min_improvement_pct: definition.evaluate.min_improvement_pct,
        past_attempts,
        refused: dialogue.refusals().into_iter().map(|(_, why)| why.clone()).collect(),
        answer_schema: Brief::schema_of_answers(),
    })
}

/// What the analysis is about, for the search.
fn words(analysis: &Analysis) -> String {
    let plans = analysis.queries.iter().take(3).flat_map(|query| query.plan.iter().cloned());
    let names = analysis.queries.iter().take(3).map(|query| query.name.clone());
    let missing = analysis.server.iter().flat_map(|server| &server.missing_indexes);
    let tables = missing.map(|index| index.table.clone());
    names.chain(plans).chain(tables).collect::<Vec<_>>().join(" ")
}

type Files = (BTreeMap<String, String>, Vec<String>);

/// Files that the workflow lets a change touch, for whoever cannot look: the smallest first, as many as
/// have room. What looks like a secret is not shown.
fn shown(project: &Project) -> Result<Files, StepError> {
    let repo = project.repository().map_err(step)?;
    let head = repo.head(project.definition.deploy.branch.as_deref()).map_err(step)?.commit;
    let paths = &project.definition.generate.paths;
    let mut texts = Vec::new();
    for path in repo.list(&head, "").map_err(step)? {
        if git::check_path(&path, paths, &git::protected_default()).is_err() {
            continue;
        }
        // Links and what is no text are not shown.
        let Ok(Some(bytes)) = repo.read(&head, &path) else { continue };
        let Ok(text) = String::from_utf8(bytes) else { continue };
        if looks_like_secret(&text).is_none() {
            texts.push((path, text));
        }
    }
    texts.sort_by_key(|(_, text)| text.len());
    let (mut files, mut others, mut room) = (BTreeMap::new(), Vec::new(), FILES_CAP);
    for (path, text) in texts {
        match room.checked_sub(text.len()) {
            Some(left) => {
                room = left;
                files.insert(path, text);
            }
            None => others.push(path),
        }
    }
    Ok((files, others))
}

/// A text as it may be stored.
fn kept(text: &str) -> String {
    match looks_like_secret(text) {
        None => redact(text),
        Some(shape) => format!("withheld: it holds what looks like a secret ({shape})"),
    }
}

fn json<T: Serialize>(value: &T) -> Result<serde_json::Value, StepError> {
    serde_json::to_value(value).map_err(|e| StepError::bug("misshapen_note", e.to_string()))
}
