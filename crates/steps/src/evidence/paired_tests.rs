//! Tests of the estimate: direction, robustness, and the coverage that its documentation promises.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::paired::{clear, estimate, log_ratio};
use crate::payload::Estimate;
use rand::{Rng, SeedableRng, rngs::SmallRng};

/// True effect of the simulations: 30 % saved.
const SAVED: f64 = 30.0;

fn normal(rng: &mut SmallRng) -> f64 {
    let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
    (-2.0 * u.ln()).sqrt() * (2.0 * std::f64::consts::PI * v).cos()
}

/// Student's t with two degrees of freedom: no variance at all.
fn heavy(rng: &mut SmallRng) -> f64 {
    let z = normal(rng);
    let chi = normal(rng).powi(2) + normal(rng).powi(2);
    z / (chi / 2.0).sqrt()
}

/// Mostly calm; one execution in ten (of either leg) is hit by a background job.
fn spiky(rng: &mut SmallRng) -> f64 {
    let hit = if rng.random_bool(0.1) { 15.0 * normal(rng) } else { 0.0 };
    normal(rng) + hit
}

/// Share of `runs` simulated evaluations whose interval holds the true effect.
fn coverage(noise: fn(&mut SmallRng) -> f64, pairs: usize, runs: u32) -> f64 {
    let mut rng = SmallRng::seed_from_u64(pairs as u64);
    let truth = (1.0 - SAVED / 100.0).ln();
    let held = (0..runs)
        .filter(|run| {
            let ratios: Vec<f64> = (0..pairs).map(|_| truth + 0.05 * noise(&mut rng)).collect();
            let seen = estimate(&ratios, u64::from(*run)).unwrap();
            seen.lo <= SAVED && SAVED <= seen.hi
        })
        .count();
    held as f64 / f64::from(runs)
}

#[test]
fn the_interval_covers_the_truth_as_often_as_it_says() {
    for (name, noise) in
        [("normal", normal as fn(&mut SmallRng) -> f64), ("heavy", heavy), ("spiky", spiky)]
    {
        for pairs in [5, 10, 15] {
            let seen = coverage(noise, pairs, 200);
            // 0.95 less two standard errors of 200 runs.
            assert!(seen >= 0.92, "{name} noise, {pairs} pairs: covered {seen:.3}");
        }
    }
}

#[test]
fn ratios_become_percent_saved_with_better_at_the_high_end() {
    let seen = estimate(&[0.5_f64.ln(), 0.49_f64.ln(), 0.51_f64.ln(), 0.5_f64.ln()], 1).unwrap();
    assert!((seen.pct - 50.0).abs() < 0.1, "{seen:?}");
    assert!(seen.lo < seen.pct && seen.pct < seen.hi, "{seen:?}");
    let slower = estimate(&[2.0_f64.ln(), 2.1_f64.ln(), 1.9_f64.ln()], 1).unwrap();
    assert!(slower.pct < -90.0 && slower.hi < 0.0 && slower.lo < slower.hi, "{slower:?}");
}

#[test]
fn equal_ratios_have_a_point_for_an_interval() {
    let seen = estimate(&[-0.1; 5], 7).unwrap();
    assert_eq!((seen.lo, seen.hi), (seen.pct, seen.pct));
}

#[test]
fn fewer_than_three_pairs_or_a_ratio_that_is_no_number_give_no_estimate() {
    assert_eq!(estimate(&[0.1, 0.1], 1), None);
    assert_eq!(estimate(&[0.1, 0.1, f64::NAN, 0.1], 1), None);
    assert_eq!(estimate(&[0.1, 0.1, f64::INFINITY], 1), None);
    assert_eq!(log_ratio(0.0, 1.0), None);
    assert_eq!(log_ratio(1.0, -1.0), None);
    assert_eq!(log_ratio(2.0, 1.0), Some(0.5_f64.ln()));
}

#[test]
fn the_same_seed_gives_the_same_interval() {
    let ratios = [-0.3, -0.2, -0.25, -0.4, -0.1];
    assert_eq!(estimate(&ratios, 3), estimate(&ratios, 3));
}

#[test]
fn one_disturbed_execution_in_ten_does_not_move_the_centre() {
    let mut ratios = [-0.3, -0.31, -0.29, -0.3, -0.32, -0.28, -0.3, -0.31, -0.29, -0.3];
    let calm = estimate(&ratios, 1).unwrap().pct;
    ratios[4] = 3.0;
    let disturbed = estimate(&ratios, 1).unwrap().pct;
    assert!((calm - disturbed).abs() < 1.0, "{calm} and {disturbed}");
}

#[test]
fn measuring_stops_early_only_when_the_whole_interval_is_on_one_side() {
    let at = |lo, hi| Estimate { pct: (lo + hi) / 2.0, lo, hi };
    assert_eq!(clear(&at(12.0, 20.0), 10.0), Some(true));
    assert_eq!(clear(&at(-5.0, 9.0), 10.0), Some(false));
    assert_eq!(clear(&at(5.0, 20.0), 10.0), None);
    assert_eq!(clear(&at(f64::NAN, f64::NAN), 10.0), None);
}

#[test]
fn absurd_ratios_stay_finite() {
    let seen = estimate(&[5.0, -5.0, 200.0], 1).unwrap();
    assert!(seen.pct.is_finite() && seen.lo.is_finite() && seen.hi.is_finite(), "{seen:?}");
}
