//! Numbers over many intervals: execution-weighted means, pooled variances, Welch's test, and the
//! share of false discoveries among many tests.
//!
//! Sources: pooling by the law of total variance; B. L. Welch, Biometrika 34 (1947), with the degrees
//! of freedom of Satterthwaite (1946); Benjamini and Hochberg, JRSS B 57 (1995).

use statrs::distribution::{ContinuousCDF, StudentsT};

/// A mean with its variance over so many executions.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Pooled {
    pub count: f64,
    pub mean: f64,
    /// Variance of one execution.
    pub variance: f64,
}

impl Pooled {
    /// What `count` executions of this mean and standard deviation are.
    #[must_use]
    pub fn of(count: f64, mean: f64, sd: f64) -> Pooled {
        Pooled { count, mean, variance: sd * sd }
    }

    /// Both together: what one would have computed from all executions.
    #[must_use]
    pub fn and(self, other: Pooled) -> Pooled {
        let count = self.count + other.count;
        if count <= 0.0 {
            return Pooled::default();
        }
        let mean = (self.count * self.mean + other.count * other.mean) / count;
        let square = |part: Pooled| part.count * (part.variance + (part.mean - mean).powi(2));
        Pooled { count, mean, variance: (square(self) + square(other)) / count }
    }

    /// Total over all executions.
    #[must_use]
    pub fn total(self) -> f64 {
        self.count * self.mean
    }
}

/// The probability that a difference like this, or a larger one upwards, comes by chance; `None`
/// where there are too few executions to tell.
#[must_use]
pub fn welch_slower(before: Pooled, now: Pooled) -> Option<f64> {
    if before.count < 2.0 || now.count < 2.0 {
        return None;
    }
    let (a, b) = (before.variance / before.count, now.variance / now.count);
    let difference = now.mean - before.mean;
    if a + b <= 0.0 {
        return Some(if difference > 0.0 { 0.0 } else { 1.0 });
    }
    let freedom = (a + b).powi(2) / (a * a / (before.count - 1.0) + b * b / (now.count - 1.0));
    let t = difference / (a + b).sqrt();
    let distribution = StudentsT::new(0.0, 1.0, freedom).ok()?;
    Some(1.0 - distribution.cdf(t))
}

/// For each of many tests the smallest share of false discoveries at which it would be one: its
/// q-value. In the order of `p`.
#[must_use]
pub fn discoveries(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*b].total_cmp(&p[*a]));
    let mut q = vec![1.0; p.len()];
    let mut least = 1.0_f64;
    for (worse, at) in order.into_iter().enumerate() {
        let rank = (p.len() - worse) as f64;
        least = least.min(p[at] * p.len() as f64 / rank);
        q[at] = least;
    }
    q
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    fn plain(values: &[f64]) -> Pooled {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
        Pooled { count, mean, variance }
    }

    proptest! {
        #[test]
        fn pooling_parts_is_as_computing_the_whole(
            one in prop::collection::vec(0.0..1e6_f64, 1..20),
            other in prop::collection::vec(0.0..1e6_f64, 1..20),
        ) {
            let pooled = plain(&one).and(plain(&other));
            let whole = plain(&[one, other].concat());
            prop_assert!((pooled.mean - whole.mean).abs() < 1e-6 * whole.mean.max(1.0));
            prop_assert!((pooled.variance - whole.variance).abs() < 1e-6 * whole.variance.max(1.0));
        }
    }

    #[test]
    fn welch_is_as_in_the_books() {
        // R: t.test(mean difference) of summary statistics, alternative = "greater":
        // n1 = 30, m1 = 100, s1 = 15; n2 = 40, m2 = 110, s2 = 20: t = 2.3905, df = 68.0, p = 0.0098.
        let before = Pooled::of(30.0, 100.0, 15.0);
        let now = Pooled::of(40.0, 110.0, 20.0);
        let p = welch_slower(before, now).unwrap();
        assert!((p - 0.0098).abs() < 2e-4, "{p}");
        assert!((welch_slower(now, before).unwrap() - (1.0 - p)).abs() < 1e-9);
        assert_eq!(welch_slower(Pooled::of(1.0, 1.0, 0.0), now), None);
    }

    #[test]
    fn false_discoveries_are_those_of_benjamini_and_hochberg() {
        let q = discoveries(&[0.01, 0.04, 0.03, 0.005]);
        let expected = [0.02, 0.04, 0.04, 0.02];
        assert!(q.iter().zip(expected).all(|(q, e)| (q - e).abs() < 1e-12), "{q:?}");
        assert!(discoveries(&[]).is_empty());
    }
}
