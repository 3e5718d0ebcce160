//! Standardising number features before a fit, so that the penalty weighs them alike.

use super::measures::count;

/// Mean and standard deviation of the first `numbers` features of `width`. Marks (0 or 1) stay as
/// they are: blowing up a rare mark to unit variance would take it out of the regularisation's reach.
pub(super) fn standards(
    encoded: &[Vec<f64>],
    width: usize,
    numbers: usize,
) -> (Vec<f64>, Vec<f64>) {
    let mut means = vec![0.0; width];
    let mut scales = vec![1.0; width];
    let rows = count(encoded.len().max(1));
    for at in 0..numbers {
        let column = || encoded.iter().map(|row| row[at]);
        let mean = column().sum::<f64>() / rows;
        let variance = column().map(|value| (value - mean).powi(2)).sum::<f64>() / rows;
        means[at] = mean;
        // A column that never varies says nothing; its scale must only not be zero.
        if variance > 1e-12 {
            scales[at] = variance.sqrt();
        }
    }
    (means, scales)
}
