//! How much each kind of change and each designer is worth trying, moved by outcomes.
//!
//! The steps are those of the system that Kaizen grows out of: ratings from 1 to 5 moved a weight
//! by -0.15, -0.08, 0, +0.05, +0.10 within 0.01 to 1. A rollback is the lowest rating; a kept
//! change moves by +0.05 to +0.10. So a weight rises only while about two changes in three or more
//! stay. Deliberately not here: that an outcome is learned once (the phase keys it by run and
//! revision), and the predictor.

use crate::payload::Kind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const LEAST: f64 = 0.01;
const MOST: f64 = 1.0;
const START: f64 = 0.5;
const STEP_ROLLED_BACK: f64 = -0.15;
const STEP_KEPT: f64 = 0.05;
const STEP_KEPT_BEST: f64 = 0.10;
/// Improvement in percent from which on a kept change earns the largest step.
const BEST_FROM_PCT: f64 = 50.0;

/// The weights, 0.01 to 1; what is not in the maps has the weight 0.5.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Weights {
    pub by_kind: BTreeMap<String, f64>,
    pub by_designer: BTreeMap<String, f64>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Kept { improvement_pct: f64 },
    RolledBack,
}

/// One weight before and after; storing it is what makes learning reversible.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// `kind:index`, `designer:rules`.
    pub name: String,
    pub before: f64,
    pub after: f64,
}

impl Weights {
    pub fn of_kind(&self, kind: Kind) -> f64 {
        value(&self.by_kind, &kind.to_string())
    }

    pub fn of_designer(&self, designer: &str) -> f64 {
        value(&self.by_designer, designer)
    }

    /// The weights after one outcome, and what moved.
    pub fn learn(&self, kind: Kind, designer: &str, outcome: Outcome) -> (Weights, Vec<Change>) {
        let mut next = self.clone();
        let step = step(outcome);
        let kind = kind.to_string();
        let changes = vec![
            moved(&mut next.by_kind, "kind", &kind, step),
            moved(&mut next.by_designer, "designer", designer, step),
        ];
        (next, changes)
    }

    /// The weights after an outcome that replaces an earlier one of the same run, which moved `learnt`
    /// (name, before, after): that is taken back first. Both moves are within the bounds.
    pub fn relearn(
        &self,
        kind: Kind,
        designer: &str,
        outcome: Outcome,
        learnt: &[(String, f64, f64)],
    ) -> (Weights, Vec<Change>) {
        let mut corrected = self.clone();
        for (name, before, after) in learnt {
            if let Some((of, key)) = name.split_once(':')
                && (after - before).is_finite()
            {
                let weights = match of {
                    "kind" => &mut corrected.by_kind,
                    "designer" => &mut corrected.by_designer,
                    _ => continue,
                };
                moved(weights, of, key, before - after);
            }
        }
        let (next, mut changes) = corrected.learn(kind, designer, outcome);
        // What it was is what stands in the version before this one.
        for change in &mut changes {
            change.before = self.of_name(&change.name);
        }
        (next, changes)
    }

    /// The weight of a name as in [`Change`]; 0.5 where there is none.
    fn of_name(&self, name: &str) -> f64 {
        match name.split_once(':') {
            Some(("kind", key)) => value(&self.by_kind, key),
            Some(("designer", key)) => value(&self.by_designer, key),
            Some(_) | None => START,
        }
    }
}

fn moved(weights: &mut BTreeMap<String, f64>, of: &str, key: &str, step: f64) -> Change {
    let before = value(weights, key);
    let after = (before + step).clamp(LEAST, MOST);
    weights.insert(key.to_owned(), after);
    Change { name: format!("{of}:{key}"), before, after }
}

fn value(weights: &BTreeMap<String, f64>, key: &str) -> f64 {
    // A stored number that is none must not spread.
    weights.get(key).copied().filter(|weight| weight.is_finite()).unwrap_or(START)
}

fn step(outcome: Outcome) -> f64 {
    match outcome {
        Outcome::RolledBack => STEP_ROLLED_BACK,
        Outcome::Kept { improvement_pct } if improvement_pct.is_finite() => {
            let how_good = (improvement_pct / BEST_FROM_PCT).clamp(0.0, 1.0);
            STEP_KEPT + (STEP_KEPT_BEST - STEP_KEPT) * how_good
        }
        Outcome::Kept { .. } => STEP_KEPT,
    }
}
