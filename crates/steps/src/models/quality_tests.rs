//! The quality scorer: ratings with a known truth, few and odd ones, edited models, leakage.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::cast_precision_loss)]

use super::{
    MIDDLE, Model, QUALITY_FEATURES, QualityFeatures, QualityScorer, Rated, mean_absolute_error,
    promote, score_of,
};
use rand::{Rng, SeedableRng, rngs::SmallRng};

/// Reviewers like small, tested changes; a star is 20 points, and they differ by half of one.
fn rated(seed: u64, rows: usize) -> Vec<Rated> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut one = |at: usize| {
        let features = QualityFeatures {
            tests_share: rng.random_range(0.3..1.0),
            diff_lines_log: rng.random_range(0.5..5.0),
            complexity_log: rng.random_range(0.5..3.0),
            files_log: rng.random_range(0.5..2.0),
            past_score: rng.random_range(40.0..80.0),
        };
        let liked = 70.0 + 40.0 * (features.tests_share - 0.65)
            - 8.0 * (features.diff_lines_log - 2.75)
            - 6.0 * (features.complexity_log - 1.75);
        let score = (liked + rng.random_range(-10.0..10.0)).clamp(20.0, 100.0);
        Rated { features, score, run: format!("r{at}") }
    };
    (0..rows).map(&mut one).collect()
}

fn misses(scorer: &QualityScorer, on: &[Rated]) -> f64 {
    let pairs: Vec<_> =
        on.iter().map(|one| (scorer.score(one.features).score, one.score)).collect();
    mean_absolute_error(&pairs).unwrap()
}

#[test]
fn from_twenty_rated_changes_on_it_misses_by_less_than_their_mean() {
    for rows in [20, 50, 200] {
        let (mut linear, mut mean) = (0.0, 0.0);
        for seed in 0..20 {
            let (known, fresh) = (rated(seed, rows), rated(1_000 + seed, 200));
            linear += misses(&QualityScorer::fit(&known).unwrap(), &fresh) / 20.0;
            mean += misses(&QualityScorer::simplest(&known), &fresh) / 20.0;
        }
        assert!(linear < mean - 2.0, "{rows} rows: {linear} and {mean}");
    }
}

#[test]
fn it_is_the_ridge_regression_that_the_formula_says() {
    let known = rated(3, 40);
    let QualityScorer::Linear(model) = QualityScorer::fit(&known).unwrap() else { panic!("40") };
    // At the minimum of Σ error² / 2 + l2/2 · |coefficients|² the gradient is nought, the imagined
    // rows (average features) included.
    let error = |one: &Rated| {
        let encoded = one.features.encode();
        let parts = encoded.iter().zip(&model.means).zip(&model.scales).zip(&model.coefficients);
        let sum: f64 = parts.map(|(((x, mean), scale), c)| c * (x - mean) / scale).sum();
        model.intercept + sum - one.score
    };
    let imagined = 5.0 * (model.intercept - MIDDLE);
    assert!((known.iter().map(error).sum::<f64>() + imagined).abs() < 1e-4);
    for (at, name) in QUALITY_FEATURES.iter().enumerate() {
        let slope = |one: &Rated| {
            error(one) * (one.features.encode()[at] - model.means[at]) / model.scales[at]
        };
        let gradient: f64 =
            known.iter().map(slope).sum::<f64>() + model.l2 * model.coefficients[at];
        assert!(gradient.abs() < 1e-4, "{name}: {gradient}");
    }
}

#[test]
fn few_ratings_are_their_mean_and_none_are_three_stars() {
    let none = QualityScorer::default().score(rated(1, 1)[0].features);
    assert_eq!((none.score, none.basis.contains("nobody")), (60.0, true));
    let mut two = rated(1, 2);
    (two[0].score, two[1].score) = (100.0, 80.0);
    let few = QualityScorer::fit(&two).unwrap().score(two[0].features);
    assert!((few.score - (180.0 + 300.0) / 7.0).abs() < 1e-9, "{few:?}");
    assert!(few.basis.contains("2 rated changes"), "{}", few.basis);
    assert!(QualityScorer::fit(&rated(1, 19)).unwrap().is_simplest());
    assert!(!QualityScorer::fit(&rated(1, 20)).unwrap().is_simplest());
}

#[test]
fn a_star_is_twenty_points_and_what_is_no_rating_is_no_vote() {
    assert_eq!(score_of(&[5]), Some(100.0));
    assert_eq!(score_of(&[1, 4]), Some(50.0));
    assert_eq!(score_of(&[0, 6, 255, 3]), Some(60.0));
    assert_eq!(score_of(&[0, 6]), None);
    assert_eq!(score_of(&[]), None);
}

#[test]
fn one_opinion_equal_rows_and_no_numbers_are_learned_without_failing() {
    let mut known = rated(4, 30);
    known.iter_mut().for_each(|one| one.score = 80.0);
    let same = QualityScorer::fit(&known).unwrap().score(known[0].features).score;
    assert!((70.0..=80.0).contains(&same), "{same}");
    let equal = vec![rated(5, 1)[0].clone(); 25];
    assert!(QualityScorer::fit(&equal).unwrap().score(equal[0].features).score.is_finite());
    let mut odd = rated(6, 30);
    odd[0].score = f64::NAN;
    odd[1].features.past_score = f64::INFINITY;
    odd[2].features.diff_lines_log = f64::NAN;
    let scorer = QualityScorer::fit(&odd).unwrap();
    let strange = QualityFeatures { tests_share: f64::NAN, ..odd[2].features };
    assert!((0.0..=100.0).contains(&scorer.score(strange).score));
}

#[test]
fn a_score_never_leaves_its_scale() {
    let QualityScorer::Linear(mut model) = QualityScorer::fit(&rated(7, 60)).unwrap() else {
        panic!("60 are enough")
    };
    model.intercept = 1e9;
    let high = QualityScorer::Linear(model.clone()).score(rated(7, 1)[0].features).score;
    model.intercept = -1e9;
    let low = QualityScorer::Linear(model.clone()).score(rated(7, 1)[0].features).score;
    assert_eq!((low, high), (0.0, 100.0));
    model.coefficients.iter_mut().for_each(|c| *c = 1e308);
    model.scales.iter_mut().for_each(|scale| *scale = 1e-300);
    assert!(
        (0.0..=100.0).contains(&QualityScorer::Linear(model).score(rated(7, 1)[0].features).score)
    );
}

#[test]
fn an_edited_model_is_not_used_and_not_promoted() {
    let known = rated(8, 40);
    let fitted = QualityScorer::fit(&known).unwrap();
    let stored = serde_json::to_value(&fitted).unwrap();
    let read: QualityScorer = serde_json::from_value(stored.clone()).unwrap();
    assert_eq!(read, fitted);
    for (key, value) in [
        ("coefficients", serde_json::json!([1.0])),
        ("scales", serde_json::json!([0.0, 1.0, 1.0, 1.0, 1.0])),
        ("names", serde_json::json!(["a", "b", "c", "d", "e"])),
    ] {
        let mut edited = stored.clone();
        edited[key] = value;
        let edited: QualityScorer = serde_json::from_value(edited).unwrap();
        let seen = edited.score(known[0].features);
        assert_eq!(seen.score, MIDDLE, "{key}");
        assert!(seen.basis.contains("does not fit"), "{}", seen.basis);
        assert!(!promote(&fitted, &edited, &known).unwrap().promoted, "{key}");
        assert!(edited.to_onnx(&[]).is_err(), "{key}");
    }
    let mean = QualityScorer::Mean { rows: 3, sum: 1e9 };
    assert_eq!(mean.score(known[0].features).score, MIDDLE);
    assert!(serde_json::from_str::<QualityScorer>(r#"{"method":"cubic"}"#).is_err());
}

#[test]
fn a_better_method_is_promoted() {
    let known = rated(9, 120);
    let (mean, linear) = (QualityScorer::simplest(&known), QualityScorer::fit(&known).unwrap());
    let up = promote(&mean, &linear, &known).unwrap();
    assert!(up.promoted && up.candidate_brier < up.current_brier, "{up:?}");
    assert!(!promote(&linear, &mean, &known).unwrap().promoted);
}
