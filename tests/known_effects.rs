//! Ten changes whose effect is known beforehand, handed in and approved: each clear win stays,
//! and nothing that harms, is useless, or helps less than the minimum.
//!
//! `cargo test --test known_effects -- --nocapture` prints what was measured.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;
use common::{Project, WORKFLOW};

/// A run that the machine was too noisy to measure is tried again so often.
const TRIES: u32 = 4;

/// What is known of a change.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Effect {
    Helps,
    TooLittle,
    None,
    Harms,
}

struct Known {
    name: &'static str,
    effect: Effect,
    /// The queries that are most of the workload.
    weighty: &'static [&'static str],
    up: &'static [&'static str],
}

const KNOWN: [Known; 10] = [
    Known {
        name: "index on a selective column",
        effect: Effect::Helps,
        weighty: &["by_owner"],
        up: &["CREATE INDEX k1 ON item (owner)"],
    },
    Known {
        name: "covering index beside a plain one",
        effect: Effect::Helps,
        weighty: &["region_total"],
        up: &["CREATE INDEX k1 ON sale (region, amount)"],
    },
    Known {
        name: "two indexes, two tables, judged together",
        effect: Effect::Helps,
        weighty: &["by_amount", "of_customer"],
        up: &["CREATE INDEX k1 ON item (amount)", "CREATE INDEX k2 ON orders (customer)"],
    },
    Known {
        name: "index for a query that is a tiny share",
        effect: Effect::TooLittle,
        weighty: &[],
        up: &["CREATE INDEX k1 ON coupon (code)"],
    },
    Known {
        name: "index for another tiny share",
        effect: Effect::TooLittle,
        weighty: &[],
        up: &["CREATE INDEX k1 ON coupon (value)"],
    },
    Known {
        name: "index that no query can use",
        effect: Effect::None,
        weighty: &[],
        up: &["CREATE INDEX k1 ON item (note)"],
    },
    Known {
        name: "index on a table that no query asks",
        effect: Effect::None,
        weighty: &[],
        up: &["CREATE INDEX k1 ON audit (who)"],
    },
    Known {
        name: "index that replaces a walk by key with a sort",
        effect: Effect::Harms,
        weighty: &[],
        up: &["CREATE INDEX k1 ON item (flag, note)"],
    },
    Known {
        name: "index that turns a join around",
        effect: Effect::Harms,
        weighty: &[],
        up: &["CREATE INDEX k1 ON line (status)"],
    },
    Known {
        name: "help with much dearer writing",
        effect: Effect::Harms,
        weighty: &["by_owner"],
        up: &[
            "CREATE INDEX k1 ON item (owner)",
            "CREATE INDEX k2 ON item (owner, note)",
            "CREATE INDEX k3 ON item (note, owner)",
            "CREATE INDEX k4 ON item (note, amount)",
            "CREATE INDEX k5 ON item (amount, note)",
            "CREATE INDEX k6 ON item (amount, owner)",
            "CREATE INDEX k7 ON item (owner, amount)",
            "CREATE INDEX k8 ON item (note, owner, amount)",
            "CREATE INDEX k9 ON item (amount, owner, note)",
            "CREATE INDEX k10 ON item (owner, amount, note)",
        ],
    },
];

fn project(weighty: &[&str]) -> Project {
    let project = Project::bare();
    std::fs::remove_file(project.file("workload/by_owner.sql")).unwrap();
    let mut workload = include_str!("known_effects/workload.sql").to_owned();
    for name in weighty {
        let head = format!("-- name: {name}\n");
        assert!(workload.contains(&head), "{name}");
        workload = workload.replace(&head, &format!("{head}-- weight: 20\n"));
    }
    project.write("workload/shop.sql", &workload);
    project.db().execute_batch("DROP TABLE item").unwrap();
    project.db().execute_batch(include_str!("known_effects/shop.sql")).unwrap();
    project.kaizen(&["init", "--sqlite", "app.db", "--workload", "workload/*.sql"]).exits(0);
    project.git(&["add", "-A"]);
    project.git(&["commit", "-qm", "Set up Kaizen"]);
    // One more index on a narrow table may double the cost of writing it on a busy machine.
    project.edit_workflow("max_write_cost_pct = 200 ", "max_write_cost_pct = 250 ");
    project
}

/// The outcome, the verdict with its numbers, and whether the change is in the database.
struct Judged {
    outcome: String,
    verdict: String,
    measured: String,
    why: String,
    stays: bool,
}

fn judge(project: &Project, known: &Known, run: &str) -> Judged {
    let before = project.indexes();
    let name = known.name;
    let change = format!("title = \"{name}\"\nup = \"{};\"\n", known.up.join("; "));
    let file = project.change("change.toml", &change);
    project.kaizen(&["start", WORKFLOW, "--apply", "--change", &file]).exits(3);
    project.kaizen(&["approve", run, "--reason", "let it be measured", "--resume"]);
    let shown = project.show(run);
    let evidence = &shown["evidence"];
    let stays = project.indexes() != before;
    let interval = &evidence["ci_pct"];
    let evaluation = project.kaizen(&["show", run, "--phase", "evaluate", "--json"]).json();
    Judged {
        why: evaluation["reasons"].to_string(),
        outcome: shown["outcome"].as_str().unwrap().to_owned(),
        verdict: evidence["verdict"].as_str().unwrap().to_owned(),
        measured: format!(
            "{:+.1} % ({:.1} to {:.1})",
            evidence["improvement_pct"].as_f64().unwrap_or(f64::NAN),
            interval[0].as_f64().unwrap_or(f64::NAN),
            interval[1].as_f64().unwrap_or(f64::NAN)
        ),
        stays,
    }
}

#[test]
fn clear_wins_are_kept_and_nothing_else_is() {
    let mut wrong = Vec::new();
    println!("| change | known to | outcome | verdict | workload time saved |");
    println!("|---|---|---|---|---|");
    for known in &KNOWN {
        let project = project(known.weighty);
        let mut tries = 1..=TRIES;
        let judged = loop {
            let run = format!("r{}", tries.next().unwrap());
            let judged = judge(&project, known, &run);
            if judged.verdict != "inconclusive" || run == format!("r{TRIES}") {
                break judged;
            }
            assert!(!judged.stays, "{}: inconclusive, and it stays", known.name);
        };
        let effect = format!("{:?}", known.effect);
        let Judged { outcome, verdict, measured, why, stays } = judged;
        println!("| {} | {effect} | {outcome} | {verdict} | {measured} |", known.name);
        let expected = if known.effect == Effect::Helps { "kept" } else { "rolled_back" };
        if outcome != expected || stays != (known.effect == Effect::Helps) {
            wrong.push(format!("{}: {outcome}, {verdict}: {why}", known.name));
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "not judged as known");
}
