//! Random commands and random outcomes: what `decide` says folds, the invariants hold, and
//! whoever does what is due comes to an end.

use super::{
    super::{
        event::{Event, Fact, Facts, How, Judged},
        state::Verdict,
        *,
    },
    story::*,
};
use crate::{digest::Digest, error::Class};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// What holds of every run, whatever happened to it.
pub fn invariants(run: &Run, told: &str) {
    let announced =
        run.effects.values().filter(|state| matches!(state, EffectState::Announced { .. }));
    assert!(announced.count() <= 1, "{told}: two effects under way");
    let deployed =
        run.compacted.is_none() && run.effects.keys().any(|effect| effect.undone_by().is_some());
    if deployed {
        let gate = run.gate.as_ref().unwrap_or_else(|| panic!("{told}: effects without a gate"));
        let digest = gate.binding.digest();
        let people: BTreeSet<_> = run
            .decisions
            .iter()
            .filter(|(_, verdict, d)| *verdict == Verdict::Approved && d.digest == digest)
            .map(|(_, _, d)| d.who.as_str())
            .collect();
        let quorum = run.created.approval.quorum as usize;
        assert!(people.len() >= quorum, "{told}: effects without {quorum} approvals: {people:?}");
        assert!(!run.created.dry_run, "{told}: a dry run does nothing");
    }
    for effect in run.effects.keys().filter(|effect| effect.undone_by().is_none()) {
        let of = Effect::ALL.iter().find(|e| e.undone_by() == Some(*effect)).unwrap();
        assert!(run.is_done(*of), "{told}: {effect} undoes what was not done");
    }
    if let Status::Finished { outcome } = run.status {
        assert_eq!(run.outcome, Some(outcome), "{told}");
        assert_eq!(run.unresolved(), None, "{told}: ended with an open effect");
        assert!(run.target_epoch.is_none(), "{told}: ended with the target's lease");
        if run.compacted.is_some() {
            return;
        }
        if outcome == Outcome::Kept {
            let judged = run.judged.as_ref().is_some_and(|judged| judged.keep);
            assert!(judged, "{told}: kept without being judged so");
        } else {
            assert_eq!(run.standing_effects(), [], "{told}: ended {outcome} with effects standing");
        }
    }
    let waits = matches!(due(run, run.updated_at), Due::Person);
    let whom = match &run.status {
        Status::Live(Live::WaitingApproval { .. })
        | Status::Paused { .. }
        | Status::NeedsOperator { .. } => true,
        Status::Live(_) | Status::Sleeping { .. } | Status::Finished { .. } => false,
    };
    assert!(!waits || whom, "{told}: waits for a person without saying whom");
}

/// Folds facts as a store would, and counts what must not happen twice.
fn fold(run: Run, facts: Vec<Fact>, now: Timestamp, told: &str) -> Run {
    let mut run = run;
    for fact in facts {
        if let Fact::EffectAnnounced { effect, .. } = &fact {
            let again = run.effects.contains_key(effect);
            assert!(!again, "{told}: {effect} announced twice");
        }
        if let Fact::EffectDone { effect, .. } = &fact {
            assert!(!run.is_done(*effect), "{told}: {effect} done twice");
        }
        let event = Event { run: None, at: now, actor: "kaizen".to_owned(), fact };
        let hash = Digest::of(&[&run.head.0, &run.seq.to_be_bytes()]);
        run = apply(Some(run), &event, hash).unwrap_or_else(|e| panic!("{told}: {e}"));
        invariants(&run, told);
    }
    run
}

#[derive(Debug, Clone)]
pub struct Setting {
    quorum: u32,
    dry_run: bool,
    separated: bool,
    named: bool,
    auto: bool,
    pre_approved: bool,
    park: bool,
    needs_human: bool,
}

pub fn settings() -> impl Strategy<Value = Setting> {
    (1..3u32, prop::bool::weighted(0.1), any::<(bool, bool, bool, bool, bool, bool)>()).prop_map(
        |(quorum, dry_run, (separated, named, auto, pre_approved, park, needs_human))| Setting {
            quorum,
            dry_run,
            separated,
            named,
            auto,
            pre_approved,
            park,
            needs_human,
        },
    )
}

pub fn begin(setting: &Setting) -> Run {
    let mut created = created(setting.quorum);
    created.dry_run = setting.dry_run;
    created.budget_ms = 500;
    created.approval.separation_of_duties = setting.separated;
    created.approval.on_expiry =
        if setting.park { gate::OnExpiry::Park } else { gate::OnExpiry::Reject };
    if setting.named {
        created.approval.approvers = ["grace", "barbara"].map(str::to_owned).into();
    }
    if setting.auto {
        created.approval.auto_kinds = vec!["index".to_owned()];
    }
    created.pre_approved = setting.pre_approved.then(|| decision("ada"));
    Story::of(created).0
}

fn change(setting: &Setting) -> Facts {
    let mut change = generated();
    if setting.needs_human {
        change.needs_human = vec!["it drops a column".to_owned()];
    }
    Facts::Generated(Arc::new(change))
}

/// Any command, fitting or not.
fn command(run: &Run, setting: &Setting, which: u8, arg: u8, now: Timestamp) -> Command {
    let phase = match arg % 4 {
        0 => Phase::ALL[usize::from(arg) % 7],
        _ => run.phase().unwrap_or(Phase::Deploy),
    };
    let attempt = if arg % 16 == 1 { 2 } else { run.attempt().unwrap_or(1) };
    let effect = match (arg % 4, run.unresolved().or(run.next_undoing()).or(run.next_planned())) {
        (0, _) | (_, None) => Effect::ALL[usize::from(arg) % 8],
        (_, Some(effect)) => effect,
    };
    let facts = match (arg % 8, phase) {
        (_, Phase::Generate) => change(setting),
        (3, Phase::Design) => Facts::NoChange("nothing".to_owned()),
        (3, Phase::Evaluate) => Facts::Judged(Judged { keep: false, reasons: Vec::new() }),
        (5, _) => Facts::Plain,
        (_, phase) => facts_of(phase),
    };
    let decision = Decision {
        method: if arg.is_multiple_of(5) { Method::Unverified } else { Method::Cli },
        digest: if arg.is_multiple_of(9) { Digest::ZERO } else { generated().binding.digest() },
        ..decision(["ada", "grace", "barbara", "edsger"][usize::from(arg) % 4])
    };
    let reason = if arg % 16 == 2 { String::new() } else { "because".to_owned() };
    let mut failure = failure("random");
    failure.class = [Class::Retry, Class::Operator, Class::Bug][usize::from(arg) % 3];
    let value = json!({ "arg": arg });
    let (target, epoch) = (TARGET.to_owned(), u64::from(arg));
    match which % 32 {
        0..=6 => {
            let output = inline(&value);
            Command::Complete { phase, attempt, spent_ms: u64::from(arg), output, facts }
        }
        7 | 8 => {
            let spent_ms = u64::from(arg);
            Command::Fail { phase, attempt, spent_ms, failure, retry_after_ms: 1_000 }
        }
        9 if arg.is_multiple_of(2) => Command::Learn { output: inline(&value), models: Vec::new() },
        9 => Command::AskApproval,
        10 => Command::Queue { target, behind: Some(i64::from(arg % 3)) },
        11 | 12 => Command::Hold { target, epoch },
        13..=15 => {
            let now =
                (arg % 16 != 3).then(|| binding(if arg.is_multiple_of(7) { "b1" } else { "b0" }));
            Command::Announce { effect, plan: value, now }
        }
        16..=18 => Command::Settled { effect, how: How::Performed, receipt: value },
        19 => Command::NotDone { effect, failure },
        20 => Command::Sleep { until: now.plus(Duration::from_secs(5)), why: "away".to_owned() },
        21 => Command::Wake,
        22 => Command::Expire,
        23 => {
            let effect = (!arg.is_multiple_of(3)).then_some(effect);
            Command::AskOperator { effect, failure, look_at: Vec::new() }
        }
        24 => Command::RolledBack { report: value },
        25 => Command::Resume { after_crash_of: None },
        26 => Command::Approve { decision },
        27 => match arg % 4 {
            0 => Command::Reject { decision },
            1 => Command::Note { topic: "t".to_owned(), body: inline(&value) },
            _ => Command::Approve { decision },
        },
        28 => match arg % 4 {
            0 => Command::Cancel { reason },
            1 => Command::Pause { reason },
            2 => Command::Rollback { reason, later: Vec::new() },
            _ => Command::Rollback { reason, later: vec!["r9".to_owned()] },
        },
        29 => Command::Unpause,
        30 => Command::Compact {
            pruned: vec![2, u64::from(arg)],
            outcomes: run.outcome.into_iter().collect(),
        },
        _ => Command::Resolve { effect, done: arg.is_multiple_of(2), reason },
    }
}

fn is_a_persons(command: &Command) -> bool {
    match command {
        Command::Approve { .. }
        | Command::Reject { .. }
        | Command::Pause { .. }
        | Command::Unpause
        | Command::Cancel { .. }
        | Command::Rollback { .. }
        | Command::Resolve { .. }
        | Command::Resume { .. }
        | Command::Compact { .. }
        | Command::Note { .. } => true,
        Command::Complete { .. }
        | Command::Learn { .. }
        | Command::Fail { .. }
        | Command::AskApproval
        | Command::Queue { .. }
        | Command::Hold { .. }
        | Command::Announce { .. }
        | Command::Settled { .. }
        | Command::NotDone { .. }
        | Command::Sleep { .. }
        | Command::Wake
        | Command::Expire
        | Command::AskOperator { .. }
        | Command::RolledBack { .. } => false,
    }
}

/// Does what is due, with the outcome that `pick` says (0: all goes well).
pub fn drive(run: &Run, setting: &Setting, due: &Due, pick: u8, now: Timestamp) -> Option<Command> {
    let value = json!({ "pick": pick });
    let (spent_ms, retry_after_ms) = (u64::from(pick), 1_000);
    let fail = |phase, attempt, class| Command::Fail {
        phase,
        attempt,
        spent_ms,
        failure: event::Failure { class, ..failure("step") },
        retry_after_ms,
    };
    let sleep = Command::Sleep { until: now.plus(Duration::from_secs(30)), why: "away".into() };
    let ask = |effect| Command::AskOperator {
        effect,
        failure: failure("unknown_effect"),
        look_at: Vec::new(),
    };
    Some(match due {
        Due::RunPhase { phase, attempt } => match (pick % 8, phase) {
            (1, _) => fail(*phase, *attempt, Class::Retry),
            (2, _) => fail(*phase, *attempt, Class::Operator),
            (3, _) => fail(*phase, *attempt, Class::Bug),
            (_, phase) => {
                let facts = match (pick % 8, phase) {
                    (4, Phase::Evaluate) => {
                        Facts::Judged(Judged { keep: false, reasons: Vec::new() })
                    }
                    (4, Phase::Analyze | Phase::Design) => Facts::NoChange("nothing".to_owned()),
                    (_, Phase::Generate) => change(setting),
                    (_, phase) => facts_of(*phase),
                };
                let (phase, attempt, output) = (*phase, *attempt, inline(&value));
                Command::Complete { phase, attempt, spent_ms, output, facts }
            }
        },
        Due::StopForBudget { phase, attempt } => fail(*phase, *attempt, Class::Operator),
        Due::AskApproval => Command::AskApproval,
        Due::AcquireTarget => match pick % 4 {
            1 => Command::Queue { target: TARGET.to_owned(), behind: Some(i64::from(pick)) },
            _ => Command::Hold { target: TARGET.to_owned(), epoch: 1 },
        },
        Due::Announce(effect) => match (pick % 8, effect.undone_by()) {
            (1, _) => sleep,
            (2, Some(_)) => Command::NotDone { effect: *effect, failure: failure("plan") },
            (2, None) => ask(Some(*effect)),
            (3, _) => Command::Announce { effect: *effect, plan: value, now: Some(binding("b1")) },
            _ => Command::Announce { effect: *effect, plan: value, now: Some(binding("b0")) },
        },
        Due::Settle(effect) => match (pick % 8, effect.undone_by()) {
            (1, _) => sleep,
            (2, Some(_)) => Command::NotDone { effect: *effect, failure: failure("perform") },
            (3, _) | (2, None) => ask(Some(*effect)),
            (4, _) => Command::Settled { effect: *effect, how: How::Adopted, receipt: value },
            _ => Command::Settled { effect: *effect, how: How::Performed, receipt: value },
        },
        Due::Probe(effect) => match pick % 8 {
            1 => sleep,
            2 => ask(Some(*effect)),
            3 | 0 => Command::NotDone { effect: *effect, failure: failure("probe") },
            _ => Command::Settled { effect: *effect, how: How::Adopted, receipt: value },
        },
        Due::VerifyRollback => match pick % 8 {
            1 => sleep,
            2 => ask(None),
            _ => Command::RolledBack { report: Value::Null },
        },
        Due::Expire => Command::Expire,
        Due::Wake => Command::Wake,
        Due::Sleep(_) | Due::End => return None,
        Due::Person => person(run, pick),
    })
}

/// What a person does who is asked; with 0 what helps the run on.
fn person(run: &Run, pick: u8) -> Command {
    let reason = "because".to_owned();
    if pick % 8 == 7 {
        return Command::Cancel { reason };
    }
    match &run.status {
        Status::Paused { .. } => Command::Unpause,
        Status::NeedsOperator { effect: Some(effect), .. } => match pick % 4 {
            1 => Command::Resolve { effect: *effect, done: false, reason },
            2 => Command::Resume { after_crash_of: None },
            _ => Command::Resolve { effect: *effect, done: true, reason },
        },
        Status::Live(Live::WaitingApproval { approvals, .. }) => {
            let who = if approvals.is_empty() { "grace" } else { "barbara" };
            let decision = decision(who);
            if pick % 8 == 6 { Command::Reject { decision } } else { Command::Approve { decision } }
        }
        _ => Command::Resume { after_crash_of: None },
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        rng_seed: prop::test_runner::RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]

    #[test]
    fn decide_never_says_what_does_not_fold(
        setting in settings(),
        picks in prop::collection::vec(any::<(u8, u8)>(), 1..160),
    ) {
        let mut run = begin(&setting);
        for (step, (which, arg)) in picks.into_iter().enumerate() {
            let now = Timestamp(START.0 + i64::try_from(step).unwrap() * 1_000_000);
            let command = command(&run, &setting, which, arg, now);
            let told = format!("{command:?} to {}", say(&run));
            let from_a_person = is_a_persons(&command);
            match decide(&run, command, now) {
                Ok(facts) => run = fold(run, facts, now, &told),
                Err(Refusal::Illegal { .. }) => {
                    prop_assert!(!from_a_person, "{told}: people are told why");
                }
                Err(refusal) => prop_assert!(!refusal.to_string().is_empty()),
            }
        }
    }

    #[test]
    fn whoever_does_what_is_due_comes_to_an_end(
        setting in settings(),
        picks in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut run = begin(&setting);
        let mut now = START;
        let mut picks = picks.into_iter();
        let mut quiet = 0;
        while quiet < 80 {
            let due = due(&run, now);
            let pick = picks.next();
            quiet += u32::from(pick.is_none());
            now = now.plus(Duration::from_secs(match (&due, pick) {
                (Due::Sleep(until), _) => until.since(now).as_secs() + 1,
                (Due::Person, Some(5)) => 8 * 86_400,
                _ => 1,
            }));
            if due == Due::End {
                break;
            }
            let told = format!("{due:?} of {}", say(&run));
            let Some(command) = drive(&run, &setting, &due, pick.unwrap_or(0), now) else {
                continue;
            };
            match decide(&run, command.clone(), now) {
                Ok(facts) => run = fold(run, facts, now, &told),
                Err(refusal) => {
                    // Only a person may come at the wrong time; a driver does what is due.
                    prop_assert!(due == Due::Person, "{told}: {command:?}: {refusal}");
                }
            }
        }
        prop_assert_eq!(due(&run, now), Due::End, "{} after 80 good steps", say(&run));
        let spent = run.spent_ms;
        prop_assert!(spent < 500 + 7 * 256, "a spent budget stops the run: {spent} ms");
    }
}
