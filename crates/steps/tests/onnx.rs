//! Models as ONNX, for `.ci/onnx` to check with the format's own checker and another runtime: each file
//! beside rows of its input and what Kaizen answers for them.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use kaizen_steps::{
    models::{
        Example, Features, Model, PlanPattern, Predictor, QualityFeatures, QualityScorer, Rated,
        Reranker, ShownExample, ShownFeatures, ShownOutcome, encode,
    },
    payload::Kind,
};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::{fs, path::PathBuf};

fn folder() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("onnx");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// The model's file, and beside it what it must answer.
fn write(name: &str, onnx: &[u8], output: &str, rows: &[(Vec<f64>, f64)]) {
    fs::write(folder().join(format!("{name}.onnx")), onnx).unwrap();
    let (inputs, expected): (Vec<_>, Vec<_>) = rows.iter().cloned().unzip();
    let told = serde_json::json!({ "output": output, "inputs": inputs, "expected": expected });
    fs::write(folder().join(format!("{name}.json")), told.to_string()).unwrap();
}

fn change(rng: &mut SmallRng) -> Features {
    Features {
        kind: [Kind::Index, Kind::View, Kind::Plan, Kind::Code][rng.random_range(0..4)],
        plan_pattern: [PlanPattern::FullScan, PlanPattern::Sort, PlanPattern::Covered]
            [rng.random_range(0..3)],
        size_log10_bytes: rng.random_range(0.0..18.0),
        write_share: rng.random_range(0.0..1.0),
        diff_lines_log: rng.random_range(0.0..9.0),
        designer: ["rules", "file", "somebody else"][rng.random_range(0..3)].to_owned(),
        past_rate_of_kind: rng.random_range(0.0..1.0),
    }
}

#[test]
fn the_predictor_is_written() {
    let mut rng = SmallRng::seed_from_u64(1);
    for (name, rows) in [("predictor_base_rate", 7), ("predictor_logistic", 200)] {
        let known: Vec<Example> = (0..rows)
            .map(|at| {
                let features = change(&mut rng);
                let success = rng.random_bool(if features.write_share > 0.5 { 0.2 } else { 0.9 });
                Example { features, success, run: format!("r{at}") }
            })
            .collect();
        let model = Predictor::fit(&known).unwrap();
        let fresh = (0..500).map(|_| change(&mut rng));
        let rows: Vec<_> =
            fresh.map(|one| (encode(&one), model.predict(&one).probability)).collect();
        write(name, &model.to_onnx(&[("version", "1")]).unwrap(), "probability", &rows);
    }
}

#[test]
fn the_quality_scorer_is_written() {
    let mut rng = SmallRng::seed_from_u64(2);
    let mut change = || QualityFeatures {
        tests_share: rng.random_range(0.0..1.0),
        diff_lines_log: rng.random_range(0.0..9.0),
        complexity_log: rng.random_range(0.0..6.0),
        files_log: rng.random_range(0.0..4.0),
        past_score: rng.random_range(0.0..100.0),
    };
    for (name, rows) in [("quality_none", 0), ("quality_mean", 9), ("quality_linear", 80)] {
        // Steep enough for both ends of the scale to be cut off.
        let rate = |features: QualityFeatures, at: usize| Rated {
            score: (190.0 - 40.0 * features.diff_lines_log).clamp(20.0, 100.0),
            features,
            run: format!("r{at}"),
        };
        let known: Vec<_> = (0..rows).map(|at| rate(change(), at)).collect();
        let model = QualityScorer::fit(&known).unwrap();
        let fresh: Vec<_> = (0..500).map(|_| change()).collect();
        let rows: Vec<_> =
            fresh.iter().map(|one| (one.encode(), model.score(*one).score)).collect();
        write(name, &model.to_onnx(&[]).unwrap(), "score", &rows);
    }
}

#[test]
fn the_reranker_is_written() {
    let mut rng = SmallRng::seed_from_u64(3);
    let mut attempt = || ShownFeatures {
        lexical: rng.random_range(0.0..1.0),
        same_tables: rng.random_range(0.0..1.0),
        same_kind: rng.random_bool(0.5),
        same_designer: rng.random_bool(0.5),
        outcome: [ShownOutcome::Kept, ShownOutcome::RolledBack, ShownOutcome::Other]
            [rng.random_range(0..3)],
        age_days: rng.random_range(0.0..400.0),
    };
    for (name, rows) in [("reranker_order", 3), ("reranker_trees", 300)] {
        let known: Vec<_> = (0..rows)
            .map(|at| {
                let features = attempt();
                let useful = features.same_tables + features.lexical > 1.1;
                ShownExample { features, useful, run: format!("r{}", at / 4) }
            })
            .collect();
        let model = Reranker::fit(&known).unwrap();
        let fresh: Vec<_> = (0..500).map(|_| attempt()).collect();
        let rows: Vec<_> = fresh.iter().map(|one| (one.encode(), model.score(one))).collect();
        write(name, &model.to_onnx(&[]).unwrap(), "probability", &rows);
    }
}
