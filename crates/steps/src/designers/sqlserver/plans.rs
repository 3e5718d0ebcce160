//! A query that got slower when its plan changed: the plan from before is forced, for a while.

use crate::{
    payload::{
        Candidate, ChangeFile, Kind, Risk,
        server::{PlanChange, ServerAnalysis},
    },
    sql::forcing::{Forcing, Way},
};
use kaizen_engine::journal::Timestamp;
use std::time::Duration;

/// How long a plan is forced: data and statistics move on, and what was best once is not for ever.
const LASTS: Duration = Duration::from_secs(30 * 86_400);

/// The replica that scripts run on.
const PRIMARY: i64 = 1;

pub fn candidates(
    analysis: &ServerAnalysis,
    now: Timestamp,
    notes: &mut Vec<String>,
) -> Vec<Candidate> {
    let mut found = Vec::new();
    // The worst regression first.
    for regression in analysis.regressions.iter().filter(|one| one.replica == PRIMARY) {
        let changed = analysis
            .plan_changes
            .iter()
            .find(|change| change.hash == regression.hash && change.replica == PRIMARY);
        let Some(change) = changed else { continue };
        let failed = analysis
            .forcing_failures
            .iter()
            .find(|failed| failed.hash == change.hash && failed.plan == change.before);
        if analysis.query_store.automatic_tuning {
            notes.push(format!(
                "{} got slower with another plan: the server forces the last good plan by itself",
                change.hash
            ));
        } else if let Some(failed) = failed {
            let why = failed.reason.clone().unwrap_or_default();
            notes.push(format!("{}: its earlier plan could not be forced: {why}", change.hash));
        } else {
            let saved = (regression.before_ms, regression.now_ms, regression.lost_s);
            found.extend(candidate(change, saved, now));
        }
    }
    found
}

fn candidate(change: &PlanChange, saved: (f64, f64, f64), now: Timestamp) -> Option<Candidate> {
    let forcing =
        Forcing { query: change.hash.clone(), plan: change.before.clone(), until: now.plus(LASTS) };
    let up = forcing.script(Way::Force);
    // What is no hash of Query Store makes no script of ours.
    Forcing::read(&up)?;
    let (before, now_ms, lost) = saved;
    let rationale = format!(
        "It took {before:.1} ms with the plan {} and takes {now_ms:.1} ms with {}: {lost:.0} s more in the \
         last day. The earlier plan is forced until {}, when it is looked at anew.",
        change.before, change.now, forcing.until
    );
    Some(Candidate {
        change: ChangeFile {
            title: format!("Force the earlier plan of {}", change.hash),
            kind: Some(Kind::Plan),
            risk: Some(Risk::Medium),
            up: Some(up + "\n"),
            down: Some(forcing.script(Way::Unforce) + "\n"),
            rationale: Some(rationale.clone()),
            expected_improvement_pct: None,
            ..ChangeFile::default()
        },
        rationale,
        expected_improvement_pct: None,
        rollback_plan: "Let the optimizer choose again.".to_owned(),
    })
}
