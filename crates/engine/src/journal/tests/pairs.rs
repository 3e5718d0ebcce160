//! Every state with every event: the table is a snapshot, so that a change of it is seen.

use super::{
    super::{
        event::{Fact, Facts, How, Judged},
        *,
    },
    story::*,
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fmt::Write as _, sync::Arc};

/// One run for each situation that a status and a phase can be in.
fn situations() -> Vec<(&'static str, Story)> {
    let at = |phase| Story::at(created(2), phase);
    let paused = |story: Story| story.then(Fact::Paused { reason: "lunch".to_owned() });
    let cancel = || Fact::CancelRequested { reason: "enough".to_owned() };
    let asks = |story: Story, effect| {
        let (failure, look_at) = (failure("unknown_effect"), Vec::new());
        story.then(Fact::OperatorNeeded { effect, failure, look_at })
    };
    let held = || at(Phase::Deploy).approved().then(acquired());
    let committing = || held().then(announced(Effect::Commit));
    let worse = || Story::judged_worse(2);
    let end = |story: Story| story.recorded().sealed();
    let no_change = Facts::NoChange("nothing helps".to_owned());
    let dry = created_dry();
    let later = Timestamp(START.0 + 60_000_000);
    let retry = Some(later);
    let queued = Fact::TargetQueued { target: TARGET.to_owned(), behind: Some(6) };
    let asleep =
        |story: Story| story.then(Fact::Slept { until: later, why: "unreachable".to_owned() });
    vec![
        ("analyze", at(Phase::Analyze)),
        ("design", at(Phase::Design)),
        ("generate", at(Phase::Generate)),
        ("generate, last attempt", {
            let again = |n| [failed(Phase::Generate, n, retry), Fact::Woken {}];
            at(Phase::Generate).all(again(1)).all(again(2))
        }),
        ("deploy, before the gate", at(Phase::Deploy)),
        ("deploy, approved", at(Phase::Deploy).approved()),
        ("deploy, target held", held()),
        ("deploy, commit announced", committing()),
        ("deploy, commit done", committing().then(done(Effect::Commit))),
        ("deploy, all done", at(Phase::Deploy).deployed()),
        ("evaluate", at(Phase::Evaluate)),
        ("update_weights, kept", at(Phase::UpdateWeights)),
        ("update_weights, rolled back", worse().undone().rolled_back()),
        ("record_provenance, kept", at(Phase::RecordProvenance)),
        ("record_provenance, cancelled", at(Phase::Design).then(cancel())),
        ("queued", at(Phase::Deploy).approved().then(queued)),
        ("waiting, 0 of 2", at(Phase::Deploy).asked()),
        ("waiting, 1 of 2", {
            let decision = decision("barbara");
            at(Phase::Deploy).asked().then(Fact::Approved { decision })
        }),
        ("sleeping before a retry", at(Phase::Analyze).then(failed(Phase::Analyze, 1, retry))),
        ("sleeping in deploy", asleep(committing())),
        ("sleeping in a rollback", asleep(worse())),
        ("sleeping in record_provenance", asleep(at(Phase::RecordProvenance))),
        ("paused in evaluate", paused(at(Phase::Evaluate))),
        ("paused in update_weights", paused(at(Phase::UpdateWeights))),
        ("paused while waiting", paused(at(Phase::Deploy).asked())),
        ("needs_operator for a commit", asks(committing(), Some(Effect::Commit))),
        ("needs_operator to plan a down", asks(worse(), Some(Effect::Down))),
        ("needs_operator after a cancel", {
            asks(committing().then(cancel()), Some(Effect::Commit))
        }),
        ("needs_operator to learn", asks(at(Phase::UpdateWeights), None)),
        ("needs_operator to compare", asks(worse().undone(), None)),
        ("rolling_back, nothing undone", worse()),
        ("rolling_back, commit announced", committing().then(cancel())),
        ("rolling_back, down announced", worse().then(announced(Effect::Down))),
        ("rolling_back, all undone", worse().undone()),
        ("rolling_back, reopened", {
            let reason = "it hurts".to_owned();
            end(at(Phase::RecordProvenance)).then(Fact::RollbackRequested { reason })
        }),
        ("finished, not sealed", at(Phase::RecordProvenance).recorded()),
        ("kept", end(at(Phase::RecordProvenance))),
        ("rolled_back", {
            end(worse().undone().rolled_back().then(completed(Phase::UpdateWeights)))
        }),
        ("dry_run", end(Story::at(dry, Phase::Generate).then(completed(Phase::Generate)))),
        ("no_change", end(at(Phase::Design).then(completed_with(Phase::Design, 1, no_change)))),
        ("rejected", {
            let decision = decision("grace");
            end(at(Phase::Deploy).asked().then(Fact::Rejected { decision }))
        }),
        ("expired", {
            let waiting = at(Phase::Deploy).asked();
            let late = Timestamp(gate(waiting.now()).expires_at.0 + 1);
            end(Story(waiting.try_at(Fact::ApprovalExpired {}, late).unwrap()))
        }),
        ("cancelled", end(at(Phase::Design).then(cancel()))),
        ("failed", end(at(Phase::Analyze).then(failed(Phase::Analyze, 1, None)))),
    ]
}

fn created_dry() -> event::Created {
    event::Created { dry_run: true, ..created(2) }
}

/// Every fact, as it would best fit the run, and variants that must not fit.
fn events(run: &Run) -> Vec<(String, Fact, Timestamp)> {
    let now = Story(run.clone()).now();
    let late = gate(now).expires_at.plus(std::time::Duration::from_secs(86_400));
    let (phase, attempt) = (run.phase().unwrap_or(Phase::Deploy), run.attempt().unwrap_or(1));
    let retry = Some(late);
    let mut all: Vec<(String, Fact, Timestamp)> = Vec::new();
    let mut add =
        |label: &str, fact: Fact| all.push((format!("{}{label}", fact.kind()), fact, now));
    add("", Fact::RunCreated(Arc::new(created(2))));
    add("", Fact::RunResumed { after_crash_of: None });
    for phase in Phase::ALL {
        let fact = completed_with(*phase, attempt, facts_of(*phase));
        add(&format!(" {phase}"), fact);
    }
    let no_change = Facts::NoChange("nothing".to_owned());
    add(" as no_change", completed_with(phase, attempt, no_change));
    let worse = Facts::Judged(Judged { keep: false, reasons: Vec::new() });
    add(" as worse", completed_with(phase, attempt, worse));
    add(" next attempt", completed_with(phase, attempt + 1, facts_of(phase)));
    for effects in [vec![Effect::Up, Effect::Commit], vec![Effect::Up; 2], vec![Effect::Down]] {
        let label = format!(" planning {effects:?}").to_lowercase();
        let change = event::Generated { effects, ..generated() };
        add(&label, completed_with(phase, attempt, Facts::Generated(Arc::new(change))));
    }
    add(" for good", failed(phase, attempt, None));
    add(" with retry", failed(phase, attempt, retry));
    add(" next attempt", failed(phase, attempt + 1, None));
    add("", Fact::ApprovalRequested { gate: Arc::new(gate(now)) });
    let other = Arc::new(Gate { binding: binding("b1"), ..gate(now) });
    add(" for another change", Fact::ApprovalRequested { gate: other });
    for who in ["barbara", "grace"] {
        add(&format!(" by {who}"), Fact::Approved { decision: decision(who) });
    }
    let other = || Decision { digest: binding("b1").digest(), ..decision("grace") };
    add(" of another digest", Fact::Approved { decision: other() });
    add("", Fact::Rejected { decision: decision("grace") });
    add(" of another digest", Fact::Rejected { decision: other() });
    add("", Fact::ApprovalVoided { changed: vec!["base_commit".to_owned()] });
    add(" too early", Fact::ApprovalExpired {});
    for target in [TARGET, "other.db#main"] {
        let (label, target) = (format!(" {target}"), target.to_owned());
        add(&label, Fact::TargetQueued { target: target.clone(), behind: Some(6) });
        add(&label, Fact::TargetAcquired { target, epoch: 2 });
    }
    for effect in Effect::ALL.iter().copied() {
        let label = format!(" {effect}");
        add(&label, announced(effect));
        add(&label, done(effect));
        add(&label, Fact::EffectFailed { effect, failure: failure("effect") });
        let (failure, look_at) = (failure("unknown"), Vec::new());
        add(&label, Fact::OperatorNeeded { effect: Some(effect), failure, look_at });
        for is_done in [true, false] {
            let label = format!(" {effect} {}", if is_done { "done" } else { "not done" });
            let reason = "looked".to_owned();
            add(&label, Fact::OperatorResolved { effect, done: is_done, reason });
        }
    }
    let (failure, look_at) = (failure("unknown"), Vec::new());
    add("", Fact::OperatorNeeded { effect: None, failure, look_at });
    add("", Fact::Slept { until: late, why: "unreachable".to_owned() });
    add("", Fact::Woken {});
    add("", Fact::Paused { reason: "lunch".to_owned() });
    add("", Fact::Unpaused {});
    add("", Fact::CancelRequested { reason: "enough".to_owned() });
    add("", Fact::RollbackRequested { reason: "it hurts".to_owned() });
    add("", Fact::RollbackCompleted { report: Value::Null });
    add("", Fact::Noted { topic: "t".to_owned(), body: inline(&1) });
    add("", Fact::RunSealed { events: run.seq });
    add(" with another count", Fact::RunSealed { events: run.seq + 1 });
    let outcomes: Vec<_> = (0..run.revision).filter_map(|_| run.outcome).collect();
    let compacted = Compacted {
        pruned: vec![2],
        outcomes,
        finished_at: run.updated_at,
        spent_ms: run.spent_ms,
        failure: run.failure.clone(),
    };
    let too_few = Compacted { outcomes: Vec::new(), ..compacted.clone() };
    add("", Fact::RunCompacted(Arc::new(compacted)));
    add(" without an outcome", Fact::RunCompacted(Arc::new(too_few)));
    all.push((
        "approved too late".to_owned(),
        Fact::Approved { decision: decision("grace") },
        late,
    ));
    all.push(("approval_expired in time".to_owned(), Fact::ApprovalExpired {}, late));
    all
}

#[test]
fn every_state_and_event_pair_is_named() {
    let mut table = String::new();
    for (name, story) in situations() {
        writeln!(table, "\n{name} [{}]", say(&story.0)).unwrap();
        let mut illegal: Vec<String> = Vec::new();
        for (label, fact, at) in events(&story.0) {
            match story.try_at(fact, at) {
                Ok(run) => writeln!(table, "    {label} -> {}", say(&run)).unwrap(),
                Err(_) => illegal.push(label),
            }
        }
        writeln!(table, "    illegal: {}", illegal.join(", ")).unwrap();
    }
    insta::assert_snapshot!("pairs", table);
}

#[test]
fn the_table_holds_every_status_outcome_and_event() {
    let situations = situations();
    let words: BTreeSet<_> = situations.iter().map(|(_, s)| s.0.status.word()).collect();
    let known = [
        "finished",
        "needs_operator",
        "paused",
        "queued",
        "rolling_back",
        "running",
        "sleeping",
        "waiting_approval",
    ];
    assert_eq!(words, known.into(), "a status without a situation");
    let outcomes: BTreeSet<_> = situations
        .iter()
        .filter_map(|(_, s)| match s.0.status {
            Status::Finished { outcome } => Some(outcome),
            _ => None,
        })
        .collect();
    assert_eq!(outcomes, Outcome::ALL.iter().copied().collect());
    let phases: BTreeSet<_> = situations
        .iter()
        .filter_map(|(_, s)| match s.0.status {
            Status::Live(Live::Running { phase, .. }) => Some(phase),
            _ => None,
        })
        .collect();
    assert_eq!(phases, Phase::ALL.iter().copied().collect());
    let kinds: BTreeSet<_> =
        events(&situations[0].1.0).iter().map(|(_, fact, _)| fact.kind()).collect();
    assert_eq!(kinds, every_kind(), "an event that is not in the table");
}

/// Grows with `Fact`: serde names its variants where it refuses one.
pub fn every_kind() -> BTreeSet<&'static str> {
    let refused = serde_json::from_value::<Fact>(json!({ "kind": "?", "body": {} }));
    let words = refused.unwrap_err().to_string();
    let (_, known) = words.split_once("expected one of ").unwrap();
    let known: Vec<String> =
        known.split('`').skip(1).step_by(2).map(std::borrow::ToOwned::to_owned).collect();
    assert!(known.len() >= 25, "{words}");
    known.into_iter().map(|kind| &*kind.leak()).collect()
}

#[test]
fn whatever_is_legal_keeps_the_invariants() {
    for (name, story) in situations() {
        for (label, fact, at) in events(&story.0) {
            let Ok(run) = story.try_at(fact, at) else { continue };
            super::random::invariants(&run, &format!("{name}: {label}"));
        }
    }
}

#[test]
fn an_end_other_than_kept_leaves_nothing_standing() {
    // A journal that skips the undoing does not fold, whatever order it tries.
    let worse = Story::judged_worse(1);
    let fact = Fact::RollbackCompleted { report: Value::Null };
    assert!(worse.try_at(fact, worse.now()).is_err());
    let half = worse.then(announced(Effect::Down)).then(done(Effect::Down));
    let fact = Fact::RollbackCompleted { report: Value::Null };
    assert!(half.try_at(fact, half.now()).is_err());
    // And if a state came about in which something stands, the end itself would be refused.
    let mut kept = Story::at(created(1), Phase::RecordProvenance);
    kept.0.outcome = Some(Outcome::Cancelled);
    assert!(kept.try_at(completed(Phase::RecordProvenance), kept.now()).is_err());
}

#[test]
fn an_event_of_another_run_is_illegal() {
    let story = Story::of(created(1));
    let mut event = event::Event {
        run: None,
        at: START,
        actor: "x".to_owned(),
        fact: Fact::RunResumed { after_crash_of: None },
    };
    let hash = crate::digest::Digest::ZERO;
    assert!(apply(Some(story.0.clone()), &event, hash).is_ok());
    event.run = Some(story.0.id);
    assert!(apply(Some(story.0.clone()), &event, hash).is_ok(), "as version 1 says it");
    event.run = Some(uuid::Uuid::from_u128(8));
    assert!(apply(Some(story.0), &event, hash).is_err(), "another run");
    assert!(apply(None, &event, hash).is_err(), "a run begins by being created");
    event.fact = Fact::RunCreated(Arc::new(created(1)));
    assert!(apply(None, &event, hash).is_ok());
    event.run = None;
    assert!(apply(None, &event, hash).is_err(), "and by saying which it is");
}

#[test]
fn what_an_operator_says_is_what_is_then_true() {
    let (_, asked) =
        situations().into_iter().find(|(name, _)| *name == "needs_operator for a commit").unwrap();
    let say = |done| Fact::OperatorResolved {
        effect: Effect::Commit,
        done,
        reason: "git log".to_owned(),
    };
    let done = asked.clone().then(say(true)).0;
    assert!(matches!(done.effects[&Effect::Commit], EffectState::Done { how: How::Operator, .. }));
    assert_eq!(due(&done, START), Due::Announce(Effect::Worktree));
    let not = asked.then(say(false)).0;
    assert_eq!(due(&not, START), Due::VerifyRollback, "nothing stands");
}
