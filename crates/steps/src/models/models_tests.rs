//! The predictor against synthetic truths, degenerate data, promotion, and the weights.
#![allow(clippy::unwrap_used, clippy::expect_used)]

// The benchmark asks more of it.
#[allow(dead_code)]
#[path = "../../benches/predictors/reference.rs"]
mod reference;
#[path = "../../benches/predictors/truth.rs"]
mod truth;

use super::{
    Example, Features, Outcome, PlanPattern, Predictor, Weights, encode, names, promote,
    promote::prequential_brier,
};
use crate::{evidence::Prior, payload::Kind};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use reference::Reference;
use truth::examples;

fn brier(model: &Predictor, on: &[Example]) -> f64 {
    let square = |example: &Example| {
        let outcome = if example.success { 1.0 } else { 0.0 };
        (model.predict(&example.features).probability - outcome).powi(2)
    };
    on.iter().map(square).sum::<f64>() / on.len() as f64
}

/// Mean Brier scores on fresh data over 20 seeds: the predictor's and the base rate's.
fn mean_briers(rows: usize) -> (f64, f64) {
    let mut sums = (0.0, 0.0);
    for seed in 0..20 {
        let (known, fresh) = (examples(seed, rows), examples(1_000 + seed, 300));
        sums.0 += brier(&Predictor::fit(&known).unwrap(), &fresh) / 20.0;
        sums.1 += brier(&Predictor::base_rate(&known), &fresh) / 20.0;
    }
    sums
}

#[test]
fn from_twenty_rows_on_the_predictor_is_at_least_as_good_as_the_base_rate() {
    for rows in [10, 20, 50, 100, 1_000] {
        let (predictor, base_rate) = mean_briers(rows);
        if rows < 20 {
            assert_eq!(predictor, base_rate, "{rows} rows");
        } else {
            assert!(predictor <= base_rate - 0.01, "{rows} rows: {predictor} and {base_rate}");
        }
    }
}

/// The benchmark `predictors` says the same with more seeds.
#[test]
fn it_is_as_good_as_a_textbooks_logistic_regression() {
    for rows in [10, 20, 50, 100, 1_000] {
        let seeds = if rows < 1_000 { 20 } else { 1 };
        let (mut ours, mut theirs) = (0.0, 0.0);
        for seed in 0..seeds {
            let (known, fresh) = (examples(seed, rows), examples(1_000 + seed, 300));
            let inputs: Vec<_> = known.iter().map(|one| encode(&one.features)).collect();
            let labels: Vec<_> = known.iter().map(|one| one.success).collect();
            let reference = Reference::fit(&inputs, &labels, 1.0);
            let guess = |one: &Example| reference.predict(&encode(&one.features));
            let seen: Vec<_> = fresh.iter().map(|one| (guess(one), one.success)).collect();
            theirs += super::brier(&seen).unwrap();
            ours += brier(&Predictor::fit(&known).unwrap(), &fresh);
        }
        assert!(ours <= 1.05 * theirs, "{rows} rows: {ours} and {theirs} over {seeds} seeds");
    }
}

#[test]
fn few_rows_are_a_base_rate_that_says_its_count() {
    let known = examples(1, 9);
    let successes = known.iter().filter(|example| example.success).count();
    let seen = Predictor::fit(&known).unwrap().predict(&known[0].features);
    assert!(seen.basis.contains(&format!("{successes} of 9")), "{}", seen.basis);
    assert!((seen.probability - (successes as f64 + 1.0) / 11.0).abs() < 1e-12);
    assert!((Predictor::default().predict(&known[0].features).probability - 0.5).abs() < 1e-12);
}

#[test]
fn a_prediction_is_made_of_its_parts_and_becomes_a_prior() {
    let known = examples(2, 40);
    let seen = Predictor::fit(&known).unwrap().predict(&known[0].features);
    let log_odds: f64 = seen.parts.iter().map(|(_, part)| part).sum();
    assert!((seen.probability - 1.0 / (1.0 + (-log_odds).exp())).abs() < 1e-12);
    assert!(seen.basis.contains("40 finished changes"), "{}", seen.basis);
    let prior = Prior::from(&seen);
    assert_eq!((prior.probability, prior.basis), (seen.probability, seen.basis));
}

#[test]
fn one_class_or_equal_rows_are_learned_without_failing() {
    for success in [true, false] {
        let mut known = examples(3, 30);
        known.iter_mut().for_each(|example| example.success = success);
        let seen = Predictor::fit(&known).unwrap().predict(&known[5].features).probability;
        assert!(seen > 0.0 && seen < 1.0 && (seen > 0.7) == success, "{success}: {seen}");
    }
    let same = vec![examples(4, 1)[0].clone(); 25];
    let seen = Predictor::fit(&same).unwrap().predict(&same[0].features).probability;
    assert!(seen.is_finite() && (seen > 0.5) == same[0].success);
}

#[test]
fn features_that_are_no_numbers_never_become_a_probability_that_is_none() {
    let mut known = examples(5, 40);
    known[3].features.size_log10_bytes = f64::NAN;
    known[4].features.diff_lines_log = f64::INFINITY;
    let model = Predictor::fit(&known).unwrap();
    let mut odd = known[0].features.clone();
    odd.write_share = f64::NEG_INFINITY;
    odd.past_rate_of_kind = f64::NAN;
    odd.designer = "nobody".into();
    let seen = model.predict(&odd).probability;
    assert!(seen > 0.0 && seen < 1.0, "{seen}");
}

#[test]
fn every_kind_pattern_and_designer_has_a_feature_of_its_own() {
    let features = examples(6, 1)[0].features.clone();
    let encoded = encode(&features);
    assert_eq!(encoded.len(), names().len());
    assert_eq!(encoded[4..].iter().sum::<f64>(), 3.0);
    let at = names().iter().position(|name| *name == format!("kind={}", features.kind)).unwrap();
    assert_eq!(encoded[at], 1.0);
}

#[test]
fn the_model_has_learned_the_direction_of_what_matters() {
    let model = Predictor::fit(&examples(7, 400)).unwrap();
    let mut features = examples(7, 1)[0].features.clone();
    features.plan_pattern = PlanPattern::FullScan;
    let scan = model.predict(&features).probability;
    features.plan_pattern = PlanPattern::Covered;
    assert!(scan > model.predict(&features).probability + 0.2);
}

#[test]
fn a_stored_model_predicts_what_it_predicted_and_a_broken_one_even_odds() {
    let known = examples(8, 60);
    let model = Predictor::fit(&known).unwrap();
    let stored = serde_json::to_string(&model).unwrap();
    assert!(stored.contains("\"method\":\"logistic\""), "{stored}");
    let read: Predictor = serde_json::from_str(&stored).unwrap();
    let (before, after) = (model.predict(&known[0].features), read.predict(&known[0].features));
    assert!((before.probability - after.probability).abs() < 1e-9);
    let Predictor::Logistic(mut broken) = model else { panic!("60 rows are enough") };
    broken.coefficients.pop();
    let broken = Predictor::Logistic(broken);
    assert_eq!(broken.predict(&known[0].features).probability, 0.5);
    assert!(!promote(&Predictor::default(), &broken, &known).unwrap().promoted);
}

#[test]
fn a_better_method_is_promoted_and_a_worse_one_is_not() {
    let known = examples(9, 120);
    let (base_rate, logistic) = (Predictor::base_rate(&known), Predictor::fit(&known).unwrap());
    let up = promote(&base_rate, &logistic, &known).unwrap();
    assert!(up.promoted && up.candidate_brier < up.current_brier, "{up:?}");
    let down = promote(&logistic, &base_rate, &known).unwrap();
    assert!(!down.promoted && down.reason.contains("worse"), "{down:?}");
    let mut coin = SmallRng::seed_from_u64(1);
    let mut noise = known;
    noise.iter_mut().for_each(|example| example.success = coin.random_bool(0.5));
    let up = promote(&Predictor::base_rate(&noise), &Predictor::fit(&noise).unwrap(), &noise);
    assert!(!up.unwrap().promoted);
}

#[test]
fn the_same_method_with_more_rows_is_promoted() {
    let known = examples(10, 12);
    let again = promote(&Predictor::base_rate(&known[..11]), &Predictor::base_rate(&known), &known);
    let again = again.unwrap();
    assert!(again.promoted && again.current_brier == again.candidate_brier);
    let none = promote(&Predictor::default(), &Predictor::default(), &[]).unwrap();
    assert_eq!((none.promoted, none.current_brier), (true, 0.25));
}

#[test]
fn no_example_is_predicted_by_a_model_that_has_seen_it() {
    // One success, then one failure: 0.5 first, then Beta(2, 1).
    let mut two = examples(11, 2);
    (two[0].success, two[1].success) = (true, false);
    let expected = (0.25 + (2.0_f64 / 3.0).powi(2)) / 2.0;
    let seen = prequential_brier(&Predictor::default(), &two).unwrap();
    assert!((seen - expected).abs() < 1e-12, "{seen}");
}

#[test]
fn weights_move_by_the_outcome_and_keep_what_they_were() {
    let start = Weights::default();
    let (kept, changes) =
        start.learn(Kind::Index, "rules", Outcome::Kept { improvement_pct: 80.0 });
    assert_eq!((start.of_kind(Kind::Index), kept.of_kind(Kind::Index)), (0.5, 0.6));
    let named: Vec<_> = changes.iter().map(|c| (c.name.as_str(), c.before, c.after)).collect();
    assert_eq!(named, [("kind:index", 0.5, 0.6), ("designer:rules", 0.5, 0.6)]);
    let (small, _) = start.learn(Kind::Index, "rules", Outcome::Kept { improvement_pct: 10.0 });
    assert!((small.of_designer("rules") - 0.56).abs() < 1e-12);
    let (back, _) = start.learn(Kind::View, "file", Outcome::RolledBack);
    assert!((back.of_kind(Kind::View) - 0.35).abs() < 1e-12);
    assert_eq!(back.of_kind(Kind::Index), 0.5);
}

#[test]
fn an_outcome_that_is_corrected_is_taken_back_before_the_other_is_learnt() {
    let told = |changes: Vec<super::Change>| -> Vec<_> {
        changes.into_iter().map(|one| (one.name, one.before, one.after)).collect()
    };
    let kept = Outcome::Kept { improvement_pct: 80.0 };
    let (after, moved) = Weights::default().learn(Kind::Index, "rules", kept);
    // Another outcome in between stays.
    let (between, _) = after.learn(Kind::Index, "file", Outcome::RolledBack);
    let (back, changes) = between.relearn(Kind::Index, "rules", Outcome::RolledBack, &told(moved));
    assert!((back.of_kind(Kind::Index) - 0.2).abs() < 1e-12, "{back:?}");
    assert!((back.of_designer("rules") - 0.35).abs() < 1e-12);
    assert!((back.of_designer("file") - 0.35).abs() < 1e-12);
    assert!((changes[0].before - 0.45).abs() < 1e-12, "what it was before: {changes:?}");
    // Nothing was learnt the first time, or what is stored is no such thing.
    for learnt in
        [vec![], vec![("kind:index".to_owned(), 0.5, f64::NAN), ("x".to_owned(), 0.0, 1.0)]]
    {
        let (back, _) =
            Weights::default().relearn(Kind::Index, "rules", Outcome::RolledBack, &learnt);
        assert!((back.of_kind(Kind::Index) - 0.35).abs() < 1e-12);
    }
    let far = vec![("kind:index".to_owned(), 0.0, 1e9), ("designer:rules".to_owned(), 1e9, 0.0)];
    let (bounded, _) = Weights::default().relearn(Kind::Index, "rules", kept, &far);
    assert!(bounded.of_kind(Kind::Index) >= 0.01 && bounded.of_designer("rules") <= 1.0);
}

#[test]
fn weights_stay_within_their_bounds() {
    let many =
        |outcome| (0..50).fold(Weights::default(), |w, _| w.learn(Kind::Index, "rules", outcome).0);
    assert_eq!(many(Outcome::RolledBack).of_kind(Kind::Index), 0.01);
    let best = Outcome::Kept { improvement_pct: f64::INFINITY };
    assert_eq!(many(best).of_designer("rules"), 1.0);
    let negative = Outcome::Kept { improvement_pct: -30.0 };
    assert!(Weights::default().learn(Kind::Index, "r", negative).0.of_designer("r") > 0.5);
}
