//! Changes whose fate depends on their features in a known way.

use super::{Example, Features, Kind, PlanPattern};
use rand::{Rng, SeedableRng, rngs::SmallRng};

const PATTERNS: [PlanPattern; 5] = [
    PlanPattern::FullScan,
    PlanPattern::AutoIndex,
    PlanPattern::Sort,
    PlanPattern::Covered,
    PlanPattern::Other,
];

/// As one would expect of indexes: full scans of large tables are worth one, what is covered is not,
/// and writes cost.
pub fn example(rng: &mut SmallRng, at: usize) -> Example {
    let kind = [Kind::Index, Kind::DropIndex, Kind::View][rng.random_range(0..3)];
    let plan_pattern = PATTERNS[rng.random_range(0..5)];
    let size_log10_bytes = rng.random_range(4.0..9.0);
    let write_share = rng.random_range(0.0..1.0);
    let by_plan = match plan_pattern {
        PlanPattern::FullScan => 1.5,
        PlanPattern::AutoIndex => 1.0,
        PlanPattern::Sort => 0.3,
        PlanPattern::Covered => -2.0,
        PlanPattern::Other => -0.5,
    };
    let by_kind = if kind == Kind::View { -1.0 } else { 0.5 };
    let log_odds: f64 =
        by_plan + by_kind + 0.8 * (size_log10_bytes - 6.5) - 2.0 * (write_share - 0.5);
    Example {
        features: Features {
            kind,
            plan_pattern,
            size_log10_bytes,
            write_share,
            diff_lines_log: rng.random_range(0.0..4.0),
            designer: ["rules", "file", "model"][rng.random_range(0..3)].to_owned(),
            past_rate_of_kind: rng.random_range(0.3..0.7),
        },
        success: rng.random_bool(1.0 / (1.0 + (-log_odds).exp())),
        run: format!("r{at}"),
    }
}

/// So many changes, the same for the same seed.
pub fn examples(seed: u64, rows: usize) -> Vec<Example> {
    let mut rng = SmallRng::seed_from_u64(seed);
    (0..rows).map(|at| example(&mut rng, at)).collect()
}
