//! What `decide` refuses, and with which word.

use super::{
    super::{event::Fact, gate::OnExpiry, *},
    story::*,
};
use std::time::Duration;

fn code(run: &Story, command: Command) -> &'static str {
    decide(&run.0, command, run.now()).expect_err("refused").code()
}

fn approve(who: &str) -> Command {
    Command::Approve { decision: decision(who) }
}

fn waiting(change: impl FnOnce(&mut event::Created)) -> Story {
    let mut created = created(1);
    change(&mut created);
    Story::at(created, Phase::Deploy).asked()
}

#[test]
fn an_approval_is_refused_for_each_reason_by_its_own_word() {
    let open = waiting(|_| {});
    let with = |change: fn(&mut Decision)| {
        let mut decision = decision("grace");
        change(&mut decision);
        Command::Approve { decision }
    };
    assert_eq!(code(&open, with(|d| d.reason = "  ".to_owned())), "no_reason");
    assert_eq!(code(&open, with(|d| d.digest = binding("b1").digest())), "digest_changed");
    for rating in [0, 6, u8::MAX] {
        let mut rated = decision("grace");
        rated.rating = Some(rating);
        assert_eq!(code(&open, Command::Approve { decision: rated }), "bad_rating");
    }
    assert!(decide(&open.0, with(|d| d.rating = Some(5)), open.now()).is_ok());
    assert_eq!(code(&Story::at(created(1), Phase::Design), approve("grace")), "wrong_state");
    let approved = Story::at(created(1), Phase::Deploy).approved();
    assert_eq!(code(&approved, approve("grace")), "already_approved");
    let once = waiting(|c| c.approval.quorum = 2);
    let once = once.then(Fact::Approved { decision: decision("grace") });
    assert_eq!(code(&once, approve("grace")), "already_approved");
    let rejected = waiting(|_| {}).then(Fact::Rejected { decision: decision("grace") });
    assert_eq!(code(&rejected, approve("barbara")), "wrong_state", "it was never approved");
    assert_eq!(code(&rejected.recorded().sealed(), approve("grace")), "already_finished");
    let late = open.now().plus(Duration::from_secs(8 * 86_400));
    let expired = decide(&open.0, approve("grace"), late).expect_err("too late");
    assert_eq!(expired.code(), "expired");
}

#[test]
fn policy_says_who_may_approve() {
    let named = waiting(|c| c.approval.approvers = vec!["barbara".to_owned()]);
    assert_eq!(code(&named, approve("grace")), "not_an_approver");
    assert!(decide(&named.0, approve("barbara"), named.now()).is_ok());
    let separated = waiting(|c| c.approval.separation_of_duties = true);
    assert_eq!(code(&separated, approve("ada")), "separation_of_duties");
    let unverified = Decision { method: Method::Unverified, ..decision("barbara") };
    let unverified = Command::Approve { decision: unverified };
    for story in [named, separated, waiting(|c| c.approval.quorum = 2)] {
        assert_eq!(code(&story, unverified.clone()), "unverified");
    }
    let open = waiting(|_| {});
    assert!(decide(&open.0, unverified, open.now()).is_ok());
}

#[test]
fn a_rollback_is_refused_while_later_changes_depend_on_it() {
    let kept = Story::at(created(1), Phase::RecordProvenance).recorded().sealed();
    let rollback = |later: &[&str]| Command::Rollback {
        reason: "it hurts".to_owned(),
        later: later.iter().map(|&run| run.to_owned()).collect(),
    };
    let refused = decide(&kept.0, rollback(&["r9", "r8"]), kept.now()).expect_err("refused");
    assert_eq!(refused.to_string(), "later kept changes depend on r7: roll back r9, then r8 first");
    assert!(decide(&kept.0, rollback(&[]), kept.now()).is_ok());
    assert_eq!(code(&Story::at(created(1), Phase::Deploy), rollback(&[])), "wrong_state");
}

#[test]
fn a_rollback_and_the_record_of_an_end_are_not_interrupted() {
    let (pause, cancel) = (
        Command::Pause { reason: "lunch".to_owned() },
        Command::Cancel { reason: "enough".to_owned() },
    );
    let back = Story::judged_worse(1);
    assert_eq!(code(&back, pause.clone()), "rolling_back");
    assert_eq!(code(&back, cancel.clone()), "rolling_back");
    let recording = Story::at(created(1), Phase::RecordProvenance);
    assert_eq!(code(&recording, pause), "wrong_state");
    assert_eq!(code(&recording, cancel.clone()), "wrong_state");
    assert_eq!(code(&Story::at(created(1), Phase::UpdateWeights), cancel), "wrong_state");
}

fn complete_generate(run: &Story) -> Vec<Fact> {
    let (phase, output) = (Phase::Generate, inline(&1));
    let facts = facts_of(phase);
    let command = Command::Complete { phase, attempt: 1, spent_ms: 1, output, facts };
    decide(&run.0, command, run.now()).expect("legal")
}

fn answered_by(change: impl FnOnce(&mut event::Created)) -> Option<(String, Method)> {
    let mut created = created(1);
    change(&mut created);
    let facts = complete_generate(&Story::at(created, Phase::Generate));
    facts.iter().find_map(|fact| match fact {
        Fact::Approved { decision } => Some((decision.who.clone(), decision.method)),
        _ => None,
    })
}

#[test]
fn a_pre_approval_counts_only_where_one_person_may_decide_alone() {
    let given = |c: &mut event::Created| c.pre_approved = Some(decision("ada"));
    assert_eq!(answered_by(given), Some(("ada".to_owned(), Method::PreApproved)));
    assert_eq!(answered_by(|_| {}), None);
    let refused: [fn(&mut event::Created); 3] = [
        |c| c.approval.quorum = 2,
        |c| c.approval.separation_of_duties = true,
        |c| c.approval.approvers = vec!["barbara".to_owned()],
    ];
    for refuse in refused {
        let answer = answered_by(|c| {
            given(c);
            refuse(c);
        });
        assert_eq!(answer, None);
    }
}

#[test]
fn policy_approves_only_its_kinds_with_their_probability() {
    let kinds = |c: &mut event::Created| c.approval.auto_kinds = vec!["index".to_owned()];
    assert_eq!(answered_by(kinds), Some(("policy".to_owned(), Method::Policy)));
    assert_eq!(
        answered_by(|c| {
            kinds(c);
            c.approval.auto_min_probability = 0.98;
        }),
        None
    );
    assert_eq!(answered_by(|c| c.approval.auto_kinds = vec!["drop".to_owned()]), None);
}

#[test]
fn a_parked_request_waits_for_somebody_and_is_made_anew() {
    let parked = waiting(|c| c.approval.on_expiry = OnExpiry::Park);
    let late = parked.now().plus(Duration::from_secs(8 * 86_400));
    let mut run = parked;
    for fact in decide(&run.0, Command::Expire, late).expect("it is over") {
        run = run.then(fact);
    }
    assert_eq!(due(&run.0, late), Due::Person);
    let again = run.then(Fact::Unpaused {});
    assert_eq!(due(&again.0, late), Due::RunPhase { phase: Phase::Generate, attempt: 1 });
    assert!(complete_generate(&again).iter().any(|f| f.kind() == "approval_requested"));
}

#[test]
fn an_effect_is_announced_only_for_what_was_approved() {
    let held = Story::at(created(1), Phase::Deploy).approved().then(acquired());
    let announce = |now: Option<&str>| Command::Announce {
        effect: Effect::Commit,
        plan: 1.into(),
        now: now.map(binding),
    };
    assert_eq!(code(&held, announce(None)), "stale", "nobody looked");
    let voided = decide(&held.0, announce(Some("b1")), held.now()).expect("void");
    assert_eq!(voided, [Fact::ApprovalVoided { changed: vec!["base_commit".to_owned()] }]);
    let facts = decide(&held.0, announce(Some("b0")), held.now()).expect("as approved");
    assert_eq!(facts[0].kind(), "effect_announced");
}
