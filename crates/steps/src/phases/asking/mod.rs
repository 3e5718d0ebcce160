//! Phase 2 by a model or an agent: one exchange after the other, each announced before anything leaves
//! and recorded before the next, so that budgets and refusals survive a crash.
//!
//! The phase ends with a wait of no time after each of these steps, which stores its notes; when it is
//! run again it goes on from them.

mod reading;
mod telling;

use super::{step, vet};
use crate::{
    adapters::{git, process::redact},
    designers::{
        agent::{self, Agent},
        brief::{self, Brief},
        model::{self, Endpoint},
    },
    models::Shown,
    payload::{Analysis, Proposal, Source},
    project::Project,
    sql::{looks_like_secret, without_secrets},
};
use kaizen_engine::{
    digest::Digest,
    journal::{Event, Fact, Timestamp},
    shell::Reader,
    step::{Context, StepError},
};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// The notes of an exchange.
const ASKED: &str = "designer_asked";
const ANSWERED: &str = "designer_answered";
const UNANSWERED: &str = "designer_unanswered";

/// How often a designer that does not answer is asked again.
const MOST_UNANSWERED: usize = 3;
/// The first pause after that, doubled each time.
const PAUSE: Duration = Duration::from_secs(1);
/// A token is seldom shorter.
const BYTES_A_TOKEN: u64 = 3;
/// The longest that an endpoint may ask to be left alone.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);

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
    /// The same by the workflow's prices.
    most_cost: f64,
    /// The driver that asks: after a crash another announces it anew.
    epoch: u64,
    /// The commit whose files the designer sees.
    base: String,
    /// The earlier attempts that it is shown.
    #[serde(default)]
    shown: Vec<Shown>,
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
    model: Option<String>,
    /// The commit that the last question was about.
    base: String,
    shown: Vec<Shown>,
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
                    dialogue.model.clone_from(&asked.model);
                    dialogue.base.clone_from(&asked.base);
                    dialogue.shown.clone_from(&asked.shown);
                    // Until an answer says how many they were, all of them may have been spent.
                    dialogue.tokens = dialogue.tokens.saturating_add(asked.most_tokens);
                    dialogue.cost += asked.most_cost;
                    dialogue.pending = Some(asked);
                }
                ANSWERED => {
                    let answered: Answered = serde_json::from_value(body).map_err(read)?;
                    let spent = answered.input_tokens.saturating_add(answered.output_tokens);
                    // An endpoint that does not count has spent what it might have.
                    if let Some(asked) = dialogue.pending.take().filter(|_| spent > 0) {
                        dialogue.tokens -= asked.most_tokens.min(dialogue.tokens);
                        dialogue.tokens = dialogue.tokens.saturating_add(spent);
                        dialogue.cost += answered.cost - asked.most_cost;
                    }
                    dialogue.unanswered = 0;
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

/// What is asked about.
struct Asking<'a> {
    project: &'a Project,
    cx: &'a Context,
    reader: &'a Reader,
    analysis: &'a Analysis,
}

/// Asks until an answer may be tried, or nothing more may be asked.
pub(super) fn ask(
    project: &Project,
    cx: &Context,
    analysis: &Analysis,
    designer: &Designer,
) -> Result<Proposal, StepError> {
    let reader = &cx.reader()?;
    let asking = Asking { project, cx, reader, analysis };
    if let Designer::Replay(run) = designer {
        return asking.replay(*run);
    }
    let dialogue = Dialogue::of(reader, cx.run.created.number)?;
    let source = source(designer, &dialogue);
    match (&dialogue.pending, dialogue.answers.last()) {
        // An answer that nobody refused, and then something else went wrong.
        (None, Some(answered)) if answered.refused.is_none() => {
            let text = reader.artifact(&answered.answer)?;
            asking.proposal(&String::from_utf8_lossy(&text), source, &dialogue)
        }
        (None, _) => Err(asking.announce(designer, &dialogue)?),
        (Some(asked), _) if asked.epoch != cx.epoch => Err(asking.announce(designer, &dialogue)?),
        (Some(asked), _) => {
            let body = reader.artifact(&asked.request)?;
            let sent = Instant::now();
            let said = match designer {
                Designer::Agent(argv) => by_agent(project, cx, argv, &body, asked),
                Designer::Model | Designer::Replay(_) => by_model(project, cx, &body),
            };
            let took = sent.elapsed();
            match said {
                Ok(said) => asking.answered(&said, source, &dialogue),
                Err(silence) => Err(asking.unanswered(silence, took, &dialogue)?),
            }
        }
    }
}

fn source(designer: &Designer, dialogue: &Dialogue) -> Source {
    match designer {
        Designer::Model => Source::Model(dialogue.model.clone().unwrap_or_default()),
        Designer::Agent(argv) => Source::Agent(argv.first().cloned().unwrap_or_default()),
        Designer::Replay(run) => Source::Run(format!("r{run}")),
    }
}

impl Asking<'_> {
    /// The branch's commit now.
    fn head(&self) -> Result<String, StepError> {
        let repo = self.project.repository().map_err(step)?;
        let branch = self.project.definition.deploy.branch.as_deref();
        Ok(repo.head(branch).map_err(step)?.commit)
    }

    /// Records an answer, and says what follows from it.
    fn answered(
        &self,
        said: &Said,
        source: Source,
        dialogue: &Dialogue,
    ) -> Result<Proposal, StepError> {
        let cx = self.cx;
        let read = self.proposal(&said.text, source, dialogue);
        let refused = read.as_ref().err().filter(|error| is_refusal(error));
        let (text, raw) = (kept(&said.text), said.raw.as_deref().map(kept));
        let answered = Answered {
            answer: cx.keep(text.into_bytes()),
            raw: raw.map(|raw| cx.keep(raw.into_bytes())),
            input_tokens: said.tokens.0,
            output_tokens: said.tokens.1,
            cost: said.cost,
            refused: refused.map(|error| (error.code.clone(), error.message.clone())),
        };
        cx.note(ANSWERED, json(&answered)?);
        let retries = self.project.definition.design.retries as usize;
        let before = dialogue.refusals().len();
        match read {
            Err(error) if is_refusal(&error) && before < retries => {
                let why = format!("the answer was refused ({}); asking again", error.message);
                Err(StepError::wait(cx.now, why))
            }
            Err(error) if is_refusal(&error) => {
                let times = before + 1;
                let message =
                    format!("the designer was asked {times} times; last: {}", error.message);
                Err(StepError { message, ..error })
            }
            read => read,
        }
    }

    /// Records that there was no answer, and how long to wait, or that nobody will be asked again.
    fn unanswered(
        &self,
        silence: Silence,
        took: Duration,
        dialogue: &Dialogue,
    ) -> Result<StepError, StepError> {
        let Silence { why, again, after } = silence;
        self.cx.note(UNANSWERED, json(&Unanswered { why: why.clone(), again })?);
        let why = format!("the designer: {why}");
        if !again {
            return Ok(StepError::operator("designer_failed", why));
        }
        let shift = u32::try_from(dialogue.unanswered).unwrap_or(8).min(8);
        let pause = after.unwrap_or(PAUSE * 2_u32.pow(shift)).min(LONGEST_PAUSE);
        // The pause begins now, not when the question was sent.
        Ok(StepError::wait(self.cx.now.plus(took + pause), why))
    }

    /// The answers of an earlier run, one after the other: the first that may be tried.
    fn replay(&self, run: i64) -> Result<Proposal, StepError> {
        let dialogue = Dialogue::of(self.reader, run)?;
        let mut last = None;
        for answered in &dialogue.answers {
            let text = self.reader.artifact(&answered.answer)?;
            let source = Source::Run(format!("r{run}"));
            match self.proposal(&String::from_utf8_lossy(&text), source, &dialogue) {
                Err(error) if is_refusal(&error) => last = Some(error),
                read => return read,
            }
        }
        Err(last.unwrap_or_else(|| {
            StepError::operator("nothing_to_replay", format!("no designer answered in r{run}"))
        }))
    }

    /// Announces the next question: the wait that stores it.
    fn announce(&self, designer: &Designer, dialogue: &Dialogue) -> Result<StepError, StepError> {
        let Asking { project, cx, .. } = self;
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
        let (brief, shown) = self.brief(designer, dialogue)?;
        let (body, destination, model, (most_tokens, most_cost)) = match designer {
            Designer::Model => {
                let endpoint = endpoint(project)?;
                let schema = Brief::schema_of_answers();
                let body = endpoint.request(brief::SYSTEM, &brief.text(), &schema);
                let told = body.len() as u64 / BYTES_A_TOKEN;
                let most = (
                    endpoint.most_tokens().saturating_add(told),
                    endpoint.cost(told, endpoint.most_tokens()),
                );
                within_budget(project, dialogue, most)?;
                (body, endpoint.destination(), Some(endpoint.name.clone()), most)
            }
            Designer::Agent(argv) => (brief.text().into_bytes(), argv.join(" "), None, (0, 0.0)),
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
        let base = self.head()?;
        let epoch = cx.epoch;
        let asked = Asked {
            destination,
            model,
            request,
            bytes,
            most_tokens,
            most_cost,
            epoch,
            base,
            shown,
            at,
        };
        cx.note(ASKED, json(&asked)?);
        Ok(StepError::wait(cx.now, format!("asks {}", asked.destination)))
    }
}

/// Whether it says something of the answer, and not of the machine.
fn is_refusal(error: &StepError) -> bool {
    error.code.starts_with("refused_")
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
    dialogue: &Dialogue,
    (most, most_cost): (u64, f64),
) -> Result<(), StepError> {
    let budget = &project.definition.budget;
    let tokens = dialogue.tokens.saturating_add(most);
    if tokens > budget.model_tokens {
        let message = format!(
            "the next question could take the run to {tokens} tokens, and its budget is {} \
             (`model_tokens`)",
            budget.model_tokens
        );
        return Err(StepError::operator("model_budget_spent", message));
    }
    let cost = dialogue.cost + most_cost;
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
            Err(Silence { why: without_secrets(&redact(&why)), again: true, after })
        }
        Err(model::Error::No(why)) => {
            Err(Silence { why: without_secrets(&redact(&why)), again: false, after: None })
        }
    }
}

fn by_agent(
    project: &Project,
    cx: &Context,
    argv: &[String],
    brief: &[u8],
    asked: &Asked,
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
    let began = Timestamp::parse(&asked.at).unwrap_or(cx.now);
    let timeout = design.budget.saturating_sub(cx.now.since(began));
    let agent = Agent { argv, env: &design.agent_env, timeout };
    let paths = &project.definition.generate.paths;
    let protected =
        vet::protected(project, &repo, &commit).map_err(|error| silent(error.message))?;
    let allowed = |path: &str| git::check_path(path, paths, &protected).is_ok();
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
        Err(agent::Error::NotRun(why) | agent::Error::Failed(why)) => {
            Err(silent(without_secrets(&redact(&why))))
        }
    }
}

/// A text as it may be stored: whole or not at all, since it may be read again for what it says.
fn kept(text: &str) -> String {
    if let Some(shape) = looks_like_secret(text) {
        return format!("withheld: it holds what looks like a secret ({shape})");
    }
    if redact(text) != text {
        return "withheld: it holds a URL with a login".to_owned();
    }
    text.to_owned()
}

fn json<T: Serialize>(value: &T) -> Result<serde_json::Value, StepError> {
    serde_json::to_value(value).map_err(|e| StepError::bug("misshapen_note", e.to_string()))
}
