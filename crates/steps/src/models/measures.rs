//! How good predictions were: Brier score, area under the ROC curve, reliability by bins; for scores
//! the mean absolute error.
//!
//! Deliberately not here: who predicted, and from what it had learnt (`promote`).

use serde::{Deserialize, Serialize};

/// Bins of equal width between 0 and 1.
pub const BINS: usize = 10;

/// How good probabilities were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// Predictions that were judged.
    pub rows: usize,
    /// Mean squared error, 0 to 1; `None` without rows. 0.25 is what even odds always get.
    pub brier: Option<f64>,
    /// The probability that a success was given more than a failure, ties counted half (Mann and
    /// Whitney); `None` where there was one class only.
    pub auc: Option<f64>,
    /// What was predicted against what happened; empty bins are left out.
    pub reliability: Vec<Bin>,
}

/// Predictions between two probabilities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// From this on, to the next tenth.
    pub from: f64,
    pub rows: usize,
    /// Mean of what was predicted, 0 to 1.
    pub predicted: f64,
    /// Share of successes, 0 to 1.
    pub observed: f64,
}

/// Judges predictions, each a finite probability and what happened.
#[must_use]
pub fn measure(predictions: &[(f64, bool)]) -> Measures {
    Measures {
        rows: predictions.len(),
        brier: brier(predictions),
        auc: auc(predictions),
        reliability: reliability(predictions),
    }
}

/// The mean squared error; `None` without rows.
#[must_use]
pub fn brier(predictions: &[(f64, bool)]) -> Option<f64> {
    let squares = predictions.iter().map(|(p, success)| (p - mark(*success)).powi(2));
    mean(squares, predictions.len())
}

/// The mean absolute difference of pairs; `None` without rows.
#[must_use]
pub fn mean_absolute_error(pairs: &[(f64, f64)]) -> Option<f64> {
    mean(pairs.iter().map(|(guess, truth)| (guess - truth).abs()), pairs.len())
}

fn auc(predictions: &[(f64, bool)]) -> Option<f64> {
    let mut sorted = predictions.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let successes = sorted.iter().filter(|(_, success)| *success).count();
    let failures = sorted.len() - successes;
    if successes == 0 || failures == 0 {
        return None;
    }
    // Sum of the successes' ranks, those of equal predictions shared.
    let mut ranks = 0.0;
    let mut at = 0;
    while at < sorted.len() {
        let equal = sorted[at..].iter().take_while(|(p, _)| *p == sorted[at].0).count();
        let rank = count(at) + (count(equal) + 1.0) / 2.0;
        let positive = sorted[at..at + equal].iter().filter(|(_, success)| *success).count();
        ranks += rank * count(positive);
        at += equal;
    }
    let (successes, failures) = (count(successes), count(failures));
    Some((ranks - successes * (successes + 1.0) / 2.0) / (successes * failures))
}

fn reliability(predictions: &[(f64, bool)]) -> Vec<Bin> {
    let bin = |at: usize| {
        let from = count(at) / count(BINS);
        let to = count(at + 1) / count(BINS);
        let within = |p: f64| p >= from && (p < to || at + 1 == BINS);
        let inside: Vec<_> = predictions.iter().filter(|(p, _)| within(*p)).collect();
        let rows = inside.len();
        let predicted = mean(inside.iter().map(|(p, _)| *p), rows)?;
        let observed = mean(inside.iter().map(|(_, success)| mark(*success)), rows)?;
        Some(Bin { from, rows, predicted, observed })
    };
    (0..BINS).filter_map(bin).collect()
}

fn mean(values: impl Iterator<Item = f64>, rows: usize) -> Option<f64> {
    (rows > 0).then(|| values.sum::<f64>() / count(rows))
}

fn mark(success: bool) -> f64 {
    if success { 1.0 } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "rows are far fewer than 2^53")]
pub(super) fn count(rows: usize) -> f64 {
    rows as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_predictions_have_known_measures() {
        let seen = measure(&[(0.9, true), (0.8, true), (0.8, false), (0.1, false)]);
        assert_eq!((seen.rows, seen.auc), (4, Some(0.875)));
        assert!((seen.brier.unwrap_or(9.0) - (0.01 + 0.04 + 0.64 + 0.01) / 4.0).abs() < 1e-12);
        let bins: Vec<_> = seen.reliability.iter().map(|bin| (bin.from, bin.rows)).collect();
        assert_eq!(bins, [(0.1, 1), (0.8, 2), (0.9, 1)]);
        assert_eq!((seen.reliability[1].predicted, seen.reliability[1].observed), (0.8, 0.5));
    }

    #[test]
    fn certainty_falls_into_the_last_bin() {
        let seen = measure(&[(1.0, true), (0.0, false)]);
        assert_eq!((seen.brier, seen.auc), (Some(0.0), Some(1.0)));
        assert_eq!(seen.reliability.len(), 2);
    }

    #[test]
    fn nothing_and_one_class_measure_nothing_wrongly() {
        let none = measure(&[]);
        assert_eq!((none.brier, none.auc, none.reliability.len()), (None, None, 0));
        assert_eq!(measure(&[(0.3, true), (0.4, true)]).auc, None);
        assert_eq!(mean_absolute_error(&[]), None);
        assert_eq!(mean_absolute_error(&[(60.0, 80.0), (50.0, 40.0)]), Some(15.0));
    }
}
