//! What people see while a run is driven: a line for each phase and effect on stderr, and, at a
//! terminal, what is going on right now.

use super::{
    evidence,
    style::{BOLD, DIM, paint},
};
use crate::view::Full;
use kaizen_engine::{
    journal::{EffectState, Phase, Run, event::How},
    shell::{Reader, runner::Observer},
};
use std::{
    collections::BTreeSet,
    io::{IsTerminal, Write},
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

/// Tells people.
pub struct Watcher {
    journal: PathBuf,
    quiet: bool,
    terminal: bool,
    seen: Mutex<BTreeSet<String>>,
}

impl Watcher {
    /// `quiet`: says nothing (for `--json`).
    pub fn new(journal: PathBuf, quiet: bool) -> Watcher {
        let terminal = std::io::stderr().is_terminal();
        Watcher { journal, quiet, terminal, seen: Mutex::default() }
    }

    /// Takes what has happened before as told already.
    pub fn skip(&self, run: &Run) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.extend(keys(run));
    }

    fn line(&self, head: &str, text: &str) {
        self.clear();
        anstream::eprintln!("  {} {text}", paint(BOLD, &format!("{head:<18}")));
    }

    fn clear(&self) {
        if self.terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }

    fn describe(&self, run: &Run, key: &str) -> Option<String> {
        let reader = Reader::open(&self.journal).ok()?;
        let full = Full::read(&reader, run.clone()).ok()?;
        if let Ok(phase) = key.parse::<Phase>() {
            return phase_line(&full, phase);
        }
        let effect = key.strip_prefix("effect ")?.parse().ok()?;
        let Some(EffectState::Done { how, receipt, .. }) = run.effects.get(&effect) else {
            return None;
        };
        let what = receipt["commit"].as_str().map_or("done", |id| &id[..id.len().min(12)]);
        let adopted = match how {
            How::Adopted => " (found done after a crash)",
            How::Operator => " (by an operator)",
            How::Performed => "",
        };
        Some(format!("{what}{adopted}"))
    }
}

impl Observer for Watcher {
    fn moved(&self, run: &Run) {
        if self.quiet {
            return;
        }
        let now = keys(run);
        let new: Vec<String> = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            now.into_iter().filter(|key| seen.insert(key.clone())).collect()
        };
        for key in new {
            let text = self.describe(run, &key).unwrap_or_default();
            self.line(key.strip_prefix("effect ").unwrap_or(&key), &text);
        }
    }

    fn progress(&self, run: &Run, text: &str) {
        if self.quiet {
            return;
        }
        if self.terminal {
            let mut err = std::io::stderr();
            let line = paint(DIM, &format!("{} {text} …", run.name()));
            let _ = write!(err, "\r\x1b[K  {line}");
            let _ = err.flush();
        } else {
            tracing::info!(run = run.name(), "{text}");
        }
    }
}

/// What has been reached, in order.
fn keys(run: &Run) -> Vec<String> {
    let revision = run.revision;
    let phases = run.outputs.keys().filter(|phase| revision == 1 || **phase > Phase::Evaluate);
    let mut keys: Vec<String> = phases.map(ToString::to_string).collect();
    let done = run.effects.iter().filter(|(_, state)| matches!(state, EffectState::Done { .. }));
    keys.extend(done.map(|(effect, _)| format!("effect {effect}")));
    keys
}

fn phase_line(full: &Full, phase: Phase) -> Option<String> {
    Some(match phase {
        Phase::Analyze => {
            let analysis = full.analysis.as_ref()?;
            if let Some(command) = &analysis.command {
                let seen = command.metrics.iter();
                let seen = seen.map(|m| format!("{} {} {}", m.name, evidence::ms(m.value), m.unit));
                return Some(
                    seen.map(|text| text.trim_end().to_owned()).collect::<Vec<_>>().join(", "),
                );
            }
            let total: f64 =
                analysis.queries.iter().filter_map(|q| Some(q.weight * q.median_ms?)).sum();
            let slowest = analysis.queries.first()?;
            format!(
                "{} queries, {} ms weighted; slowest {} with {:.0} %",
                analysis.queries.len(),
                evidence::ms(total),
                slowest.name,
                slowest.share * 100.0
            )
        }
        Phase::Design => {
            let proposal = full.proposal.as_ref()?;
            match proposal.candidates.first() {
                Some(candidate) => candidate.change.title.clone(),
                None => proposal.notes.last().cloned().unwrap_or_default(),
            }
        }
        Phase::Generate => {
            let change = full.change.as_ref()?;
            let headline = evidence::headline(&change.preflight, change.probability.posterior);
            format!("{}, risk {}; preflight {headline}", change.kind, change.risk)
        }
        Phase::Deploy => "deployed".to_owned(),
        Phase::Evaluate => {
            let evaluation = full.evaluation.as_ref()?;
            let word = if evaluation.keep { "keep" } else { "roll back" };
            let p = evaluation.probability.posterior;
            format!("{word}; {}", evidence::headline(&evaluation.evidence, p))
        }
        Phase::UpdateWeights => "learnt from it".to_owned(),
        Phase::RecordProvenance => "history row written, run sealed".to_owned(),
    })
}
