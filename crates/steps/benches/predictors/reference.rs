//! What the predictor is measured against: an L2-regularised logistic regression as textbooks have it.
//!
//! Every feature standardised to mean 0 and variance 1, those that never vary left out; loss
//! `Σ ln(1 + exp(-y z)) + λ/2 |w|²` with the intercept free; Newton's method (iteratively reweighted
//! least squares) with halved steps. `λ` is 1, the usual default (C = 1), or chosen by five-fold
//! cross-validation of the log-loss. It shares no code with what it judges.

/// A fitted reference.
pub struct Reference {
    means: Vec<f64>,
    scales: Vec<f64>,
    /// The intercept, then one weight a feature.
    weights: Vec<f64>,
}

/// Penalties that cross-validation chooses from.
const PENALTIES: [f64; 5] = [0.3, 1.0, 3.0, 10.0, 30.0];
const FOLDS: usize = 5;
const STEPS: usize = 50;

impl Reference {
    /// The penalty that predicts left-out fifths best.
    pub fn cross_validated(inputs: &[Vec<f64>], labels: &[bool]) -> Reference {
        let loss = |penalty: f64| -> f64 {
            (0..FOLDS).map(|fold| left_out(inputs, labels, fold, penalty)).sum()
        };
        let losses = PENALTIES.map(loss);
        let best = (0..PENALTIES.len()).min_by(|a, b| losses[*a].total_cmp(&losses[*b]));
        Reference::fit(inputs, labels, PENALTIES[best.unwrap_or(1)])
    }

    pub fn fit(inputs: &[Vec<f64>], labels: &[bool], penalty: f64) -> Reference {
        let (means, scales) = standards(inputs);
        let rows: Vec<Vec<f64>> = inputs.iter().map(|row| standard(row, &means, &scales)).collect();
        let width = means.len() + 1;
        let mut weights = vec![0.0; width];
        let mut loss = objective(&rows, labels, &weights, penalty);
        for _ in 0..STEPS {
            let step = newton(&rows, labels, &weights, penalty);
            let mut size = 1.0;
            let (next, better) = loop {
                let next: Vec<f64> = weights.iter().zip(&step).map(|(w, s)| w - size * s).collect();
                let now = objective(&rows, labels, &next, penalty);
                if now <= loss || size < 1e-6 {
                    break (next, now);
                }
                size /= 2.0;
            };
            let gain = loss - better;
            (weights, loss) = (next, better);
            if gain < 1e-10 {
                break;
            }
        }
        Reference { means, scales, weights }
    }

    pub fn predict(&self, input: &[f64]) -> f64 {
        sigmoid(dot(&standard(input, &self.means, &self.scales), &self.weights))
    }
}

fn left_out(inputs: &[Vec<f64>], labels: &[bool], fold: usize, penalty: f64) -> f64 {
    let is_in = |at: &usize| at % FOLDS != fold;
    let rows: Vec<_> = (0..inputs.len()).filter(is_in).map(|at| inputs[at].clone()).collect();
    let marks: Vec<_> = (0..labels.len()).filter(is_in).map(|at| labels[at]).collect();
    let model = Reference::fit(&rows, &marks, penalty);
    let out = (0..inputs.len()).filter(|at| !is_in(at));
    out.map(|at| {
        let p = model.predict(&inputs[at]).clamp(1e-12, 1.0 - 1e-12);
        if labels[at] { -p.ln() } else { -(1.0 - p).ln() }
    })
    .sum()
}

fn standards(inputs: &[Vec<f64>]) -> (Vec<f64>, Vec<f64>) {
    let count = inputs.len() as f64;
    let width = inputs.first().map_or(0, Vec::len);
    let mean = |at: usize| inputs.iter().map(|row| row[at]).sum::<f64>() / count;
    let means: Vec<f64> = (0..width).map(mean).collect();
    let variance =
        |at: usize| inputs.iter().map(|row| (row[at] - means[at]).powi(2)).sum::<f64>() / count;
    // Infinite: the feature becomes 0 wherever it is.
    let scale = |at: usize| match variance(at) {
        v if v > 1e-12 => v.sqrt(),
        _ => f64::INFINITY,
    };
    let scales = (0..width).map(scale).collect();
    (means, scales)
}

/// 1 for the intercept, then the standardised features.
fn standard(input: &[f64], means: &[f64], scales: &[f64]) -> Vec<f64> {
    let features = input.iter().zip(means).zip(scales).map(|((x, mean), scale)| (x - mean) / scale);
    std::iter::once(1.0).chain(features).collect()
}

fn objective(rows: &[Vec<f64>], labels: &[bool], weights: &[f64], penalty: f64) -> f64 {
    let loss = rows.iter().zip(labels).map(|(row, label)| {
        let z = dot(row, weights) * if *label { 1.0 } else { -1.0 };
        if z > 0.0 { (-z).exp().ln_1p() } else { z.exp().ln_1p() - z }
    });
    loss.sum::<f64>() + penalty / 2.0 * weights[1..].iter().map(|w| w * w).sum::<f64>()
}

/// The inverse Hessian times the gradient.
fn newton(rows: &[Vec<f64>], labels: &[bool], weights: &[f64], penalty: f64) -> Vec<f64> {
    let width = weights.len();
    let mut hessian = vec![vec![0.0; width]; width];
    let mut gradient = vec![0.0; width];
    for (row, label) in rows.iter().zip(labels) {
        let p = sigmoid(dot(row, weights));
        let error = p - if *label { 1.0 } else { 0.0 };
        let curvature = (p * (1.0 - p)).max(1e-9);
        for at in 0..width {
            gradient[at] += error * row[at];
            for other in 0..width {
                hessian[at][other] += curvature * row[at] * row[other];
            }
        }
    }
    for at in 1..width {
        gradient[at] += penalty * weights[at];
        hessian[at][at] += penalty;
    }
    solve(hessian, gradient)
}

/// Gauss's elimination with the largest pivot; the matrix is positive definite.
fn solve(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Vec<f64> {
    let size = right.len();
    for at in 0..size {
        let largest = |a: &usize, b: &usize| matrix[*a][at].abs().total_cmp(&matrix[*b][at].abs());
        let pivot = (at..size).max_by(largest).unwrap_or(at);
        matrix.swap(at, pivot);
        right.swap(at, pivot);
        for row in at + 1..size {
            let factor = matrix[row][at] / matrix[at][at];
            let above = matrix[at].clone();
            let pairs = matrix[row].iter_mut().zip(&above).skip(at);
            pairs.for_each(|(value, above)| *value -= factor * above);
            right[row] -= factor * right[at];
        }
    }
    for at in (0..size).rev() {
        let known: f64 = (at + 1..size).map(|column| matrix[at][column] * right[column]).sum();
        right[at] = (right[at] - known) / matrix[at][at];
    }
    right
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}
