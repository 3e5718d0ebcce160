//! The driver, on a world in memory: each way a run can go, from its start to its end.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{
    HOUR, Place, created, decision,
    world::{Trouble, World, approve, pre_approved, start_approved},
};
use kaizen_engine::{
    error::Classified,
    journal::{
        Command, Created, Due, Effect, EffectState, Event, Live, Method, Outcome, Phase, Run,
        Status, event::How, gate::OnExpiry,
    },
    shell::{Engine, Operated, Stop},
};

use std::sync::Arc;

const DEPLOYED: [Effect; 4] = [Effect::Commit, Effect::Worktree, Effect::Push, Effect::Up];
const UNDONE: [Effect; 4] =
    [Effect::Down, Effect::Revert, Effect::RevertWorktree, Effect::RevertPush];

async fn start(engine: &Engine, created: Created) -> Stop {
    engine.start(created, "ada", common::texts()).await.unwrap()
}

async fn operate(engine: &Engine, command: Command) -> Arc<Run> {
    match engine.operate(1, "grace", command).await.unwrap() {
        Operated::Applied(run) => run,
        Operated::Queued { driver } => panic!("driven by {driver}"),
    }
}

async fn resume(engine: &Engine) -> Stop {
    engine.resume(1, "grace").await.unwrap()
}

/// The outcome, with the journal checked.
fn outcome(place: &Place, stop: &Stop) -> Outcome {
    assert_eq!(stop.due, Due::End, "{:?}", stop.run.status);
    assert_eq!(place.verify(), Vec::<String>::new());
    assert!(stop.run.sealed);
    stop.run.outcome.unwrap()
}

fn kinds(engine: &Engine) -> Vec<&'static str> {
    let rows = engine.reader().unwrap().rows(Some(1), 0, 1_000).unwrap();
    rows.iter().map(|row| Event::decode(&row.event).unwrap().fact.kind()).collect()
}

#[tokio::test]
async fn a_change_that_helps_is_asked_about_deployed_and_kept() {
    let (place, world) = (Place::new(), World::new());
    let engine = world.engine(&place);
    let asked = start(&engine, created(0)).await;
    assert_eq!((asked.due, asked.run.status.word()), (Due::Person, "waiting_approval"));
    assert_eq!(world.state().performed, [], "nothing before the approval");
    assert_eq!(engine.reader().unwrap().driver(1).unwrap(), None, "waiting holds no lease");
    let approved = operate(&engine, approve("grace", "b0")).await;
    assert_eq!(approved.status.word(), "running");
    let end = resume(&engine).await;
    assert_eq!(outcome(&place, &end), Outcome::Kept);
    assert_eq!(world.state().performed, DEPLOYED);
    assert_eq!(world.state().phases, Phase::ALL);
    let history = engine.reader().unwrap().history().unwrap();
    assert_eq!((history.len(), history[0].outcome.as_str()), (1, "kept"));
    let again = resume(&engine).await;
    assert_eq!((again.due, again.run.seq), (Due::End, end.run.seq), "an end is an end");
}

#[tokio::test]
async fn a_change_that_is_worse_is_undone_in_order_and_learnt_from() {
    let (place, world) = (Place::new(), World::new().worse());
    let end = start_approved(&world.engine(&place)).await;
    assert_eq!(outcome(&place, &end), Outcome::RolledBack);
    assert_eq!(world.state().performed, [DEPLOYED, UNDONE].concat());
    assert!(world.state().phases.contains(&Phase::UpdateWeights));
}

#[tokio::test]
async fn nothing_to_change_and_a_dry_run_touch_nothing() {
    let (place, world) = (Place::new(), World::new());
    world.state().nothing_to_change = true;
    let end = start(&world.engine(&place), pre_approved()).await;
    assert_eq!(outcome(&place, &end), Outcome::NoChange);
    let place = Place::new();
    world.state().nothing_to_change = false;
    let dry = Created { dry_run: true, ..pre_approved() };
    let end = start(&world.engine(&place), dry).await;
    assert_eq!(outcome(&place, &end), Outcome::DryRun);
    assert_eq!(end.run.gate, None, "a dry run asks nobody");
    assert_eq!(world.state().performed, []);
}

#[tokio::test]
async fn a_rejected_and_a_cancelled_request_end_without_effects() {
    let reject = Command::Reject { decision: decision("grace", "b0") };
    let cancel = Command::Cancel { reason: "enough".to_owned() };
    for (command, ends) in [(reject, Outcome::Rejected), (cancel, Outcome::Cancelled)] {
        let (place, world) = (Place::new(), World::new());
        let engine = world.engine(&place);
        start(&engine, created(0)).await;
        operate(&engine, command).await;
        assert_eq!(outcome(&place, &resume(&engine).await), ends);
        assert_eq!(world.state().performed, []);
    }
}

#[tokio::test]
async fn a_request_that_nobody_answers_expires_or_is_parked() {
    let (place, world) = (Place::new(), World::new());
    let engine = world.engine(&place);
    start(&engine, created(0)).await;
    place.clock.advance(7 * 24 * HOUR);
    assert_eq!(resume(&engine).await.due, Due::Person, "to the very moment it may be given");
    place.clock.advance(1);
    let late = engine.operate(1, "grace", approve("grace", "b0")).await.unwrap_err();
    assert_eq!(late.code(), "expired");
    assert_eq!(outcome(&place, &resume(&engine).await), Outcome::Expired);

    let place = Place::new();
    let engine = world.engine(&place);
    let mut park = created(0);
    park.approval.on_expiry = OnExpiry::Park;
    start(&engine, park).await;
    place.clock.advance(8 * 24 * HOUR);
    let parked = resume(&engine).await;
    assert_eq!((parked.due, parked.run.status.word()), (Due::Person, "paused"));
    let asked = resume(&engine).await;
    assert_eq!(asked.run.status.word(), "waiting_approval", "resumed: asked anew");
    operate(&engine, approve("grace", "b0")).await;
    assert_eq!(outcome(&place, &resume(&engine).await), Outcome::Kept);
}

#[tokio::test]
async fn a_request_that_expired_ends_although_the_clock_has_gone_back() {
    let (place, world) = (Place::new(), World::new());
    let engine = world.engine(&place);
    start(&engine, created(0)).await;
    place.clock.advance(8 * 24 * HOUR);
    start(&engine, created(0)).await;
    place.clock.set(0);
    let late = engine.operate(1, "grace", approve("grace", "b0")).await.unwrap_err();
    assert_eq!(late.code(), "expired", "order is by sequence, not by the clock");
    assert_eq!(outcome(&place, &resume(&engine).await), Outcome::Expired);
}

#[tokio::test]
async fn a_cancel_after_the_deployment_undoes_it() {
    let (place, world) = (Place::new(), World::new().with(&[Trouble::Retry(Phase::Evaluate)]));
    let engine = world.engine(&place);
    let sleeping = start_approved(&engine).await;
    assert_eq!(sleeping.run.status.word(), "sleeping");
    operate(&engine, Command::Cancel { reason: "enough".to_owned() }).await;
    let end = resume(&engine).await;
    assert_eq!(outcome(&place, &end), Outcome::Cancelled);
    assert_eq!(world.state().performed, [DEPLOYED, UNDONE].concat());
}

#[tokio::test]
async fn an_effect_that_fails_takes_back_those_before_it() {
    for (trouble, code) in
        [(Trouble::Perform(Effect::Up), "refused"), (Trouble::Plan(Effect::Up), "conflict")]
    {
        let (place, world) = (Place::new(), World::new().with(&[trouble]));
        let end = start_approved(&world.engine(&place)).await;
        assert_eq!(outcome(&place, &end), Outcome::Failed);
        assert_eq!(end.run.failure.as_ref().unwrap().code, code);
        let undone = [Effect::Revert, Effect::RevertWorktree, Effect::RevertPush];
        assert_eq!(world.state().performed, [&DEPLOYED[..3], &undone].concat());
    }
}

#[tokio::test]
async fn an_effect_that_failed_after_it_was_done_is_adopted() {
    let (place, world) = (Place::new(), World::new().with(&[Trouble::AfterPerform(Effect::Push)]));
    let end = start_approved(&world.engine(&place)).await;
    assert_eq!(outcome(&place, &end), Outcome::Kept);
    assert_eq!(world.state().performed, DEPLOYED);
    let push = &end.run.effects[&Effect::Push];
    assert!(matches!(push, EffectState::Done { how: How::Adopted, .. }));
}

#[tokio::test]
async fn a_failing_phase_is_tried_again_until_its_attempts_are_used_up() {
    for (failures, ends) in [(2, Outcome::Kept), (3, Outcome::Failed)] {
        let retry = vec![Trouble::Retry(Phase::Analyze); failures];
        let (place, world) = (Place::new(), World::new().with(&retry));
        let engine = world.engine(&place);
        let mut stop = start_approved(&engine).await;
        for attempt in 2..=3 {
            assert!(matches!(stop.due, Due::Sleep(_)));
            assert_eq!(stop.run.attempt(), Some(attempt));
            assert!(matches!(resume(&engine).await.due, Due::Sleep(_)), "not before its time");
            place.clock.advance(10_000_000);
            stop = resume(&engine).await;
        }
        assert_eq!(outcome(&place, &stop), ends);
    }
}

#[tokio::test]
async fn a_failing_evaluation_undoes_and_a_failing_record_does_not() {
    let (place, world) = (Place::new(), World::new().with(&[Trouble::Fail(Phase::Evaluate)]));
    let end = start_approved(&world.engine(&place)).await;
    assert_eq!(outcome(&place, &end), Outcome::Failed);
    assert_eq!(world.state().performed, [DEPLOYED, UNDONE].concat());
    for phase in [Phase::UpdateWeights, Phase::RecordProvenance] {
        let (place, world) = (Place::new(), World::new().with(&[Trouble::Fail(phase)]));
        let engine = world.engine(&place);
        let stop = start_approved(&engine).await;
        assert_eq!((stop.due, stop.run.status.word()), (Due::Person, "needs_operator"));
        assert_eq!(outcome(&place, &resume(&engine).await), Outcome::Kept);
        assert_eq!(world.state().performed, DEPLOYED);
    }
}

#[tokio::test]
async fn what_nobody_can_tell_is_an_operators_to_say() {
    for (done, ends) in [(true, Outcome::Kept), (false, Outcome::Failed)] {
        let (place, world) = (Place::new(), World::new().with(&[Trouble::Unknown(Effect::Push)]));
        let engine = world.engine(&place);
        let stop = start_approved(&engine).await;
        assert_eq!((stop.due, stop.run.status.word()), (Due::Person, "needs_operator"));
        let (effect, reason) = (Effect::Push, "looked at the remote".to_owned());
        let wrong = Command::Resolve { effect: Effect::Commit, done, reason: reason.clone() };
        let refused = engine.operate(1, "grace", wrong).await.unwrap_err();
        assert_eq!(refused.code(), "nothing_to_resolve");
        operate(&engine, Command::Resolve { effect, done, reason }).await;
        assert_eq!(outcome(&place, &resume(&engine).await), ends);
        let pushed = world.state().performed.contains(&Effect::Push);
        assert!(!pushed, "what a person said of it is not done over");
    }
}

#[tokio::test]
async fn a_resume_probes_again_what_nobody_could_tell() {
    let (place, world) = (Place::new(), World::new().with(&[Trouble::Unknown(Effect::Commit)]));
    let engine = world.engine(&place);
    start_approved(&engine).await;
    assert_eq!(outcome(&place, &resume(&engine).await), Outcome::Kept);
    assert_eq!(world.state().performed, DEPLOYED);
}

#[tokio::test]
async fn what_cannot_be_reached_sleeps_and_is_tried_again() {
    let (place, world) = (Place::new(), World::new().with(&[Trouble::Unreachable(Effect::Push)]));
    let engine = world.engine(&place);
    assert!(matches!(start_approved(&engine).await.due, Due::Sleep(_)));
    place.clock.advance(30_000_000);
    assert_eq!(outcome(&place, &resume(&engine).await), Outcome::Kept);
    assert_eq!(world.state().performed, DEPLOYED);
}

#[tokio::test]
async fn a_phase_that_waits_goes_on_as_the_same_attempt_however_often() {
    let waits = vec![Trouble::Waits(Phase::Evaluate); 20];
    let (place, world) = (Place::new(), World::new().with(&waits));
    let engine = world.engine(&place);
    let mut stop = start_approved(&engine).await;
    for _ in 0..20 {
        assert_eq!((stop.run.status.word(), stop.run.attempt()), ("sleeping", Some(1)));
        assert_eq!(stop.run.failure, None, "nothing went wrong");
        let asleep = resume(&engine).await;
        assert_eq!(asleep.run.seq, stop.run.seq, "nothing happens before its time");
        place.clock.advance(11_000_000);
        stop = resume(&engine).await;
    }
    assert_eq!(outcome(&place, &stop), Outcome::Kept);
    assert_eq!(kinds(&engine).iter().filter(|kind| **kind == "noted").count(), 20);
}

#[tokio::test]
async fn what_stands_half_is_taken_back_when_going_on_fails() {
    let (place, world) = (Place::new(), World::new().with(&[Trouble::Partly(Effect::Up)]));
    let end = start_approved(&world.engine(&place)).await;
    assert_eq!(outcome(&place, &end), Outcome::Failed);
    assert_eq!(end.run.failure.as_ref().unwrap().code, "halfway");
    let EffectState::Done { how, .. } = &end.run.effects[&Effect::Up] else { panic!() };
    assert_eq!(*how, How::Adopted);
    assert_eq!(world.state().performed, [&DEPLOYED[..3], &UNDONE].concat());
}

#[tokio::test]
async fn what_a_dead_process_left_half_is_finished() {
    let (place, world) = (Place::new(), World::new());
    let engine = world.engine(&place);
    // Up is performed once, and what it did is found half done by whoever comes next.
    world.state().begun.insert(Effect::Up);
    let end = start_approved(&engine).await;
    assert_eq!(outcome(&place, &end), Outcome::Kept);
    assert_eq!(world.state().performed, DEPLOYED);
}

#[tokio::test]
async fn a_conflict_in_the_revert_does_not_delay_the_down_script() {
    let world = World::new().worse().with(&[Trouble::Plan(Effect::Revert)]);
    let place = Place::new();
    let engine = world.engine(&place);
    let stop = start_approved(&engine).await;
    assert_eq!(stop.run.status.word(), "needs_operator");
    assert_eq!(world.state().performed, [&DEPLOYED[..], &[Effect::Down]].concat());
    let done = Command::Resolve {
        effect: Effect::Revert,
        done: true,
        reason: "reverted by hand".to_owned(),
    };
    operate(&engine, done).await;
    assert_eq!(outcome(&place, &resume(&engine).await), Outcome::RolledBack);
    assert!(!world.state().performed.contains(&Effect::Revert));
    assert!(world.state().performed.contains(&Effect::RevertPush));
}

#[tokio::test]
async fn what_is_left_after_a_rollback_needs_an_operator() {
    let (place, world) = (Place::new(), World::new().worse().with(&[Trouble::Compare]));
    let engine = world.engine(&place);
    let stop = start_approved(&engine).await;
    assert_eq!(stop.run.status.word(), "needs_operator");
    assert_eq!(stop.run.failure.as_ref().unwrap().code, "schema_differs");
    assert_eq!(outcome(&place, &resume(&engine).await), Outcome::RolledBack);
}

#[tokio::test]
async fn an_approval_is_void_when_the_branch_moved_and_is_asked_anew() {
    let (place, world) = (Place::new(), World::new());
    let engine = world.engine(&place);
    start(&engine, created(0)).await;
    operate(&engine, approve("grace", "b0")).await;
    world.state().base = "b1".to_owned();
    let asked = resume(&engine).await;
    assert_eq!(asked.run.status.word(), "waiting_approval");
    assert_eq!(asked.run.target_epoch, None, "waiting holds no target");
    assert_eq!(world.state().performed, []);
    assert!(kinds(&engine).contains(&"approval_voided"));
    let old = engine.operate(1, "grace", approve("grace", "b0")).await.unwrap_err();
    assert_eq!(old.code(), "digest_changed");
    operate(&engine, approve("grace", "b1")).await;
    assert_eq!(outcome(&place, &resume(&engine).await), Outcome::Kept);
    assert_eq!(world.state().performed, DEPLOYED);
}

#[tokio::test]
async fn a_pre_approval_is_used_once() {
    let (place, world) = (Place::new(), World::new());
    let engine = world.engine(&place);
    // The branch moves after the request was answered and before the first effect.
    world.state().dies_after = Some(3);
    let dead = world.until_death(start(&engine, pre_approved())).await;
    assert!(dead.is_none());
    world.state().base = "b1".to_owned();
    drop(engine);
    let engine = world.engine(&place);
    let asked = resume(&engine).await;
    assert_eq!(asked.run.status.word(), "waiting_approval", "a person is asked this time");
    assert_eq!(asked.run.decisions[0].2.method, Method::PreApproved);
    assert_eq!(world.state().performed, []);
}

#[tokio::test]
async fn policy_approves_what_it_names() {
    let (place, world) = (Place::new(), World::new());
    let mut auto = created(0);
    auto.approval.auto_kinds = vec!["index".to_owned()];
    let end = start(&world.engine(&place), auto).await;
    assert_eq!(outcome(&place, &end), Outcome::Kept);
    assert_eq!(end.run.decisions[0].2.method, Method::Policy);
}

#[tokio::test]
async fn a_quorum_is_of_different_people() {
    let (place, world) = (Place::new(), World::new());
    let engine = world.engine(&place);
    let mut two = created(0);
    two.approval.quorum = 2;
    start(&engine, two).await;
    let once = operate(&engine, approve("grace", "b0")).await;
    assert!(matches!(once.status, Status::Live(Live::WaitingApproval { .. })));
    let again = engine.operate(1, "grace", approve("grace", "b0")).await.unwrap_err();
    assert_eq!(again.code(), "already_approved");
    assert_eq!(resume(&engine).await.due, Due::Person);
    operate(&engine, approve("barbara", "b0")).await;
    assert_eq!(outcome(&place, &resume(&engine).await), Outcome::Kept);
}

#[tokio::test]
async fn a_kept_change_can_be_taken_back_later() {
    let (place, world) = (Place::new(), World::new());
    let engine = world.engine(&place);
    start_approved(&engine).await;
    let reason = "it hurts at night".to_owned();
    operate(&engine, Command::Rollback { reason, later: Vec::new() }).await;
    let end = resume(&engine).await;
    assert_eq!(outcome(&place, &end), Outcome::RolledBack);
    assert_eq!(end.run.revision, 2);
    assert_eq!(world.state().performed, [DEPLOYED, UNDONE].concat());
    let history = engine.reader().unwrap().history().unwrap();
    assert_eq!((history.len(), history[0].revision), (1, 2), "the latest revision holds");
    let seals = kinds(&engine).iter().filter(|kind| **kind == "run_sealed").count();
    assert_eq!(seals, 2);
}

#[tokio::test]
async fn a_second_run_waits_for_the_target_of_the_first() {
    let world = World::new().with(&[Trouble::Retry(Phase::Evaluate)]);
    let place = Place::new();
    let engine = world.engine(&place);
    start_approved(&engine).await;
    let second = start_approved(&engine).await;
    assert_eq!((second.due, second.run.status.word()), (Due::AcquireTarget, "queued"));
    assert_eq!(world.state().performed, DEPLOYED, "only the first has deployed");
    operate(&engine, Command::Cancel { reason: "enough".to_owned() }).await;
    assert_eq!(resume(&engine).await.run.outcome, Some(Outcome::Cancelled));
    world.state().there.clear();
    let end = engine.resume(2, "ada").await.unwrap();
    assert_eq!(outcome(&place, &end), Outcome::Kept);
}

#[tokio::test]
async fn a_spent_budget_ends_the_run_before_it_does_anything() {
    let (place, world) = (Place::new(), World::new());
    let end = start(&world.engine(&place), Created { budget_ms: 0, ..pre_approved() }).await;
    assert_eq!(outcome(&place, &end), Outcome::Failed);
    assert_eq!(end.run.failure.as_ref().unwrap().code, "budget_spent");
    assert_eq!(world.state().phases, [Phase::RecordProvenance]);
}
