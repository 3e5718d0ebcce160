//! The stored form: its bytes are a format that outlives this program.

use super::{
    super::{
        event::{DecodeError, Event, Fact, Facts, HandedIn, ModelVersion, Payload},
        *,
    },
    pairs::every_kind,
    story::*,
};
use crate::digest::Digest;
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::Arc};
use uuid::Uuid;

fn event(fact: Fact) -> Event {
    let run = matches!(fact, Fact::RunCreated(_)).then_some(Uuid::from_u128(0x0123));
    Event { run, at: START, actor: "zoë".to_owned(), fact }
}

fn one_of_each() -> Vec<Fact> {
    let (effect, reason) = (Effect::RevertPush, "because \"so\"\n".to_owned());
    let failure = failure("away");
    let full = event::Created {
        from_run: Some(3),
        change: Some(HandedIn { name: "c.toml".to_owned(), digest: Digest::ZERO }),
        export: Some(HandedIn { name: "e.jsonl".to_owned(), digest: Digest::ZERO }),
        pre_approved: Some(decision("ada")),
        ..created(2)
    };
    let learned = Facts::Learned(vec![ModelVersion {
        name: "success".to_owned(),
        digest: Digest::ZERO,
        promoted: true,
    }]);
    let output = Payload::Artifact(Digest::of(&[b"x"]));
    let phase = Phase::UpdateWeights;
    vec![
        Fact::RunCreated(Arc::new(created(1))),
        Fact::RunCreated(Arc::new(full)),
        Fact::RunResumed { after_crash_of: Some("p1".to_owned()) },
        Fact::RunResumed { after_crash_of: None },
        completed(Phase::Generate),
        completed(Phase::Evaluate),
        completed_with(Phase::Analyze, 2, Facts::NoChange("fine".to_owned())),
        Fact::PhaseCompleted { phase, attempt: 1, spent_ms: u64::MAX, output, facts: learned },
        failed(Phase::Design, 1, Some(START)),
        failed(Phase::Design, 1, None),
        Fact::ApprovalRequested { gate: Arc::new(gate(START)) },
        Fact::Approved { decision: decision("ada") },
        Fact::Rejected { decision: decision("ada") },
        Fact::ApprovalVoided { changed: vec!["schema".to_owned()] },
        Fact::ApprovalExpired {},
        Fact::TargetQueued { target: TARGET.to_owned(), behind: None },
        acquired(),
        Fact::EffectAnnounced { effect, plan: json!({ "b": [1, 0.1], "a": null }) },
        done(effect),
        Fact::EffectFailed { effect, failure: failure.clone() },
        Fact::Slept { until: START, why: reason.clone() },
        Fact::Woken {},
        Fact::Paused { reason: reason.clone() },
        Fact::Unpaused {},
        Fact::CancelRequested { reason: reason.clone() },
        Fact::RollbackRequested { reason: reason.clone() },
        Fact::RollbackCompleted { report: Value::Null },
        Fact::OperatorNeeded { effect: None, failure, look_at: vec!["git log".to_owned()] },
        Fact::OperatorResolved { effect, done: false, reason },
        Fact::Noted { topic: "t".to_owned(), body: inline(&json!(0.1)) },
        Fact::RunSealed { events: 12 },
        Fact::RunCompacted(Arc::new(Compacted {
            pruned: vec![2, 3, 5],
            outcomes: vec![Outcome::Kept, Outcome::RolledBack],
            finished_at: START,
            spent_ms: 12,
            failure: None,
        })),
    ]
}

#[test]
fn every_fact_comes_back_byte_for_byte() {
    let kinds: BTreeSet<_> = one_of_each().iter().map(Fact::kind).collect();
    assert_eq!(kinds, every_kind(), "a fact that this test forgot");
    for fact in one_of_each() {
        let event = event(fact);
        let stored = event.encode().unwrap();
        let kind: Value = serde_json::from_str(&stored).unwrap();
        assert_eq!(kind["kind"], event.fact.kind(), "the stored word is the one in Rust");
        let back = Event::decode(&stored).unwrap();
        assert_eq!(back, event);
        assert_eq!(back.encode().unwrap(), stored);
    }
}

#[test]
fn the_stored_bytes_are_these() {
    let stored = |fact| event(fact).encode().unwrap();
    let head = r#"{"v":2,"at_us":1800000000000000,"actor":"zoë","#;
    assert_eq!(stored(Fact::Woken {}), format!(r#"{head}"kind":"woken","body":{{}}}}"#));
    assert_eq!(
        stored(announced(Effect::Up)),
        format!(
            r#"{head}"kind":"effect_announced","body":{{"effect":"up","plan":{{"plan":"up"}}}}}}"#
        )
    );
    assert_eq!(
        stored(failed(Phase::Analyze, 1, Some(START))),
        format!(
            r#"{head}"kind":"phase_failed","body":{{"phase":"analyze","spent_ms":5,"failure":{{"code":"step","message":"step happened","class":"operator"}},"retry_at":"2027-01-15T08:00:00.000000Z"}}}}"#
        )
    );
    assert_eq!(
        stored(Fact::Approved { decision: Decision { digest: Digest::ZERO, ..decision("ada") } }),
        format!(
            r#"{head}"kind":"approved","body":{{"decision":{{"who":"ada","reason":"looks right","method":"cli","os_user":"ada","host":"host","digest":"{}"}}}}}}"#,
            "0".repeat(64)
        )
    );
    let rated = Decision { digest: Digest::ZERO, rating: Some(4), ..decision("ada") };
    assert!(stored(Fact::Approved { decision: rated }).ends_with(r#"","rating":4}}}"#));
    assert_eq!(
        stored(Fact::PhaseCompleted {
            phase: Phase::Deploy,
            attempt: 2,
            spent_ms: 7,
            output: Payload::Artifact(Digest::ZERO),
            facts: Facts::Plain,
        }),
        format!(
            r#"{head}"kind":"phase_completed","body":{{"phase":"deploy","attempt":2,"spent_ms":7,"output":{{"artifact":"{}"}}}}}}"#,
            "0".repeat(64)
        )
    );
}

#[test]
fn what_is_no_event_of_this_version_is_refused() {
    for newer in [3, 4] {
        let newer = event(Fact::Woken {}).encode().unwrap().replacen(":2", &format!(":{newer}"), 1);
        assert!(matches!(Event::decode(&newer), Err(DecodeError::UnknownVersion(3 | 4))));
    }
    let timeless = r#"{"v":2,"at":"2027-01-15T08:00:00.000000Z","kind":"woken","body":{}}"#;
    assert!(matches!(Event::decode(timeless), Err(DecodeError::NoTime)));
    let unknown = event(Fact::Woken {}).encode().unwrap().replace("woken", "danced");
    assert!(matches!(Event::decode(&unknown), Err(DecodeError::Malformed(_))));
    for broken in ["", "{}", "null", "[]", "{\"v\":-1}", "{\"v\":2,\"at_us\":1}"] {
        assert!(matches!(Event::decode(broken), Err(DecodeError::Malformed(_))), "{broken}");
    }
}

#[test]
fn an_event_of_version_1_is_read() {
    let stored = r#"{"v":1,"run":"00000000-0000-0000-0000-000000000123","seq":3,"at":"2027-01-15T08:00:00.000000Z","actor":"kaizen","kind":"phase_completed","body":{"phase":"deploy","attempt":1,"spent_ms":0,"output":{"inline":{"a":1}},"facts":"plain"}}"#;
    let read = Event::decode(stored).unwrap();
    let (output, run) = (inline(&json!({ "a": 1 })), Some(Uuid::from_u128(0x0123)));
    let (phase, facts) = (Phase::Deploy, Facts::Plain);
    let fact = Fact::PhaseCompleted { phase, attempt: 1, spent_ms: 0, output, facts };
    assert_eq!(read, Event { run, at: START, actor: "kaizen".to_owned(), fact });
    assert_eq!(
        read.encode().unwrap(),
        r#"{"v":2,"run":"00000000-0000-0000-0000-000000000123","at_us":1800000000000000,"kind":"phase_completed","body":{"phase":"deploy","output":{"inline":{"a":1}}}}"#
    );
}
