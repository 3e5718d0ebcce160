//! The predictor's Brier score on fresh changes, beside the base rate's and those of a textbook's L2
//! logistic regression, where the truth is known:
//!
//!     cargo bench -p kaizen-steps --bench predictors [-- SEEDS]
//!
//! Means over seeds; at 1,000 rows a tenth of the seeds is enough. It fails where the predictor is more
//! than 1.05 times worse than the reference with the usual penalty, or from 20 rows on no better than
//! the base rate.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::cast_precision_loss)]

mod reference;
mod truth;

use kaizen_steps::{
    models::{Example, Features, PlanPattern, Predictor, brier, encode},
    payload::Kind,
};
use reference::Reference;
use std::process::ExitCode;
use truth::examples;

/// Fresh changes that each fitted model is judged by.
const FRESH: usize = 1_000;

/// The mean Brier scores at one number of rows.
struct Line {
    rows: usize,
    predictor: f64,
    base_rate: f64,
    fixed: f64,
    cross_validated: f64,
}

fn main() -> ExitCode {
    let seeds = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(200);
    println!("Mean Brier scores on {FRESH} fresh changes, {seeds} seeds (a tenth at 1,000 rows).");
    println!(
        "Reference: L2 logistic regression, Newton's method, standardised features; penalty 1,"
    );
    println!("and chosen by five-fold cross-validation.\n");
    println!("  rows  predictor  base rate  penalty 1  ratio  cross-val.  ratio");
    let mut fine = true;
    for rows in [10, 20, 50, 100, 1_000] {
        let line = measured(rows, if rows < 1_000 { seeds } else { seeds.div_ceil(10) });
        let ratio = line.predictor / line.fixed;
        println!(
            "{:>6}  {:>9.4}  {:>9.4}  {:>9.4}  {ratio:>5.3}  {:>10.4}  {:>5.3}",
            line.rows,
            line.predictor,
            line.base_rate,
            line.fixed,
            line.cross_validated,
            line.predictor / line.cross_validated
        );
        fine &= ratio <= 1.05 && (rows < 20 || line.predictor < line.base_rate);
    }
    if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn measured(rows: usize, seeds: u64) -> Line {
    let mut line = Line { rows, predictor: 0.0, base_rate: 0.0, fixed: 0.0, cross_validated: 0.0 };
    for seed in 0..seeds {
        let (known, fresh) = (examples(seed, rows), examples(1_000_000 + seed, FRESH));
        let inputs: Vec<_> = known.iter().map(|example| encode(&example.features)).collect();
        let labels: Vec<_> = known.iter().map(|example| example.success).collect();
        let predictor = Predictor::fit(&known).unwrap();
        let base_rate = Predictor::base_rate(&known);
        let fixed = Reference::fit(&inputs, &labels, 1.0);
        let chosen = Reference::cross_validated(&inputs, &labels);
        let share = 1.0 / seeds as f64;
        let judged = |guess: &dyn Fn(&Example) -> f64| {
            let seen: Vec<_> = fresh.iter().map(|one| (guess(one), one.success)).collect();
            share * brier(&seen).unwrap()
        };
        line.predictor += judged(&|one| predictor.predict(&one.features).probability);
        line.base_rate += judged(&|one| base_rate.predict(&one.features).probability);
        line.fixed += judged(&|one| fixed.predict(&encode(&one.features)));
        line.cross_validated += judged(&|one| chosen.predict(&encode(&one.features)));
    }
    line
}
