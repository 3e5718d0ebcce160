//! Whether a new version of a model replaces the current one.
//!
//! Prequential scoring (Dawid 1984): each example is predicted by a model of its method that has
//! seen only the runs before it, then learned. So no model is judged by what it was fitted to. Two
//! versions of one method score alike by construction; the newer has learned more and is taken.
//! Deliberately not here: storing and restoring versions.

use super::{error::Error, measures::count};
use serde::{Deserialize, Serialize};

/// Examples that are scored, the newest: each may cost one fit, and old outcomes say little about
/// today's targets.
const MOST_SCORED: usize = 200;

/// A model that is fitted to examples, and guesses what will happen.
pub trait Model: Sized {
    type Example;

    /// What its loss is called; the mean of squared differences of numbers from 0 to 1.
    const LOSS: &'static str;
    /// Whether it tells points of 100 instead of a probability.
    const IS_SCORE: bool = false;
    /// Examples from which on more than the simplest is fitted.
    const LEAST_ROWS: usize;
    /// Fits of one scoring at most: dear models are fitted anew after several runs only.
    const MOST_FITS: usize;

    /// The simplest version under [`Model::LEAST_ROWS`] examples, else the method proper.
    ///
    /// # Errors
    /// Where the solver fails, which no finite examples are known to bring about.
    fn fit(examples: &[Self::Example]) -> Result<Self, Error>;
    /// The base rate, or a stated default.
    fn simplest(examples: &[Self::Example]) -> Self;
    fn is_simplest(&self) -> bool;
    /// Whether it can be used: stored by this or another version, edited or not.
    fn is_sound(&self) -> bool;
    /// What it expects of an example, 0 to 1, never NaN.
    fn expects(&self, example: &Self::Example) -> f64;
    /// What happened, 0 to 1.
    fn happened(example: &Self::Example) -> f64;
    /// The run that an example comes from: what belongs to one run is learned together.
    fn run_of(example: &Self::Example) -> &str;
}

/// The decision and the two scores. A Brier score is the mean squared error of the probability: 0
/// is perfect, 0.25 is what even odds always get.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Promotion {
    pub promoted: bool,
    pub current_brier: f64,
    pub candidate_brier: f64,
    /// One sentence with the numbers.
    pub reason: String,
}

/// Promotes the candidate only if its method's prequential Brier score is not worse.
///
/// # Errors
/// Where a model cannot be fitted.
pub fn promote<M: Model>(
    current: &M,
    candidate: &M,
    examples: &[M::Example],
) -> Result<Promotion, Error> {
    let current_brier = prequential_brier(current, examples)?;
    let same_method = current.is_simplest() == candidate.is_simplest();
    let candidate_brier =
        if same_method { current_brier } else { prequential_brier(candidate, examples)? };
    let sound = candidate.is_sound();
    let promoted = sound && candidate_brier <= current_brier;
    let scored = examples.len().min(MOST_SCORED);
    let reason = if !sound {
        "the candidate's coefficients cannot be used".to_owned()
    } else if same_method {
        let several = if examples.len() == 1 { "" } else { "s" };
        format!("the same method, learned anew from {} example{several}", examples.len())
    } else {
        let relation = if promoted { "not worse" } else { "worse" };
        format!(
            "{} {candidate_brier:.4} against {current_brier:.4} of the current version over \
             {scored} examples, each predicted before it was learned: {relation}",
            M::LOSS
        )
    };
    Ok(Promotion { promoted, current_brier, candidate_brier, reason })
}

/// The newest examples as a model of this method expected them before it had learned them, and what
/// happened, in their order.
///
/// # Errors
/// Where a model cannot be fitted.
pub fn prequential<M: Model>(
    method: &M,
    examples: &[M::Example],
) -> Result<Vec<(f64, f64)>, Error> {
    let from = examples.len().saturating_sub(MOST_SCORED);
    let every = (examples.len() - from).div_ceil(M::MOST_FITS.max(1)).max(1);
    let mut fitted: Option<(usize, M)> = None;
    let mut seen = Vec::new();
    for (at, example) in examples.iter().enumerate().skip(from) {
        let first = first_of_run::<M>(examples, at);
        let model = match fitted.take() {
            Some((rows, model)) if first < rows + every => (rows, model),
            _ => {
                let before = &examples[..first];
                let model =
                    if method.is_simplest() { M::simplest(before) } else { M::fit(before)? };
                (first, model)
            }
        };
        seen.push((model.1.expects(example), M::happened(example)));
        fitted = Some(model);
    }
    Ok(seen)
}

/// Where the examples of this one's run begin.
fn first_of_run<M: Model>(examples: &[M::Example], at: usize) -> usize {
    let run = M::run_of(&examples[at]);
    let same = examples[..at].iter().rev().take_while(|one| M::run_of(one) == run).count();
    at - same
}

/// The prequential Brier score of a model's method; 0.25 without examples.
pub(super) fn prequential_brier<M: Model>(
    method: &M,
    examples: &[M::Example],
) -> Result<f64, Error> {
    let seen = prequential(method, examples)?;
    let squares = seen.iter().map(|(expected, happened)| (expected - happened).powi(2));
    Ok(if seen.is_empty() { 0.25 } else { squares.sum::<f64>() / count(seen.len()) })
}
