//! Runs for tests, told fact by fact.

use super::super::{
    event::{Created, Event, Fact, Facts, Failure, Generated, How, Judged, Payload},
    *,
};
use crate::{digest::Digest, error::Class, json::Json};
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

pub const TARGET: &str = "app.db#main";
pub const START: Timestamp = Timestamp(1_800_000_000_000_000);

pub fn created(quorum: u32) -> Created {
    Created {
        number: 7,
        workflow: "index-tuning".to_owned(),
        workflow_path: "workflows/index-tuning.toml".to_owned(),
        definition: Digest::of(&[b"definition"]),
        policy: Digest::of(&[b"policy"]),
        engine: 1,
        kaizen: "0.1.0".to_owned(),
        dry_run: false,
        target: TARGET.to_owned(),
        from_run: None,
        change: None,
        export: None,
        designer: None,
        started_by: "ada".to_owned(),
        approval: ApprovalPolicy { quorum, ..ApprovalPolicy::default() },
        pre_approved: None,
        budget_ms: 300_000,
        max_attempts: 3,
    }
}

pub fn binding(base: &str) -> Binding {
    let pairs = [("base_commit", base), ("change_set", "c0ffee"), ("schema", "5c4e3a")];
    Binding(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
}

pub fn generated() -> Generated {
    Generated {
        title: "index orders by customer".to_owned(),
        kind: "index".to_owned(),
        risk: "low".to_owned(),
        digest: Digest::of(&[b"change"]),
        effects: vec![Effect::Commit, Effect::Worktree, Effect::Up],
        needs_human: Vec::new(),
        preflight_improved: true,
        probability: 0.97,
        binding: binding("b0"),
    }
}

pub fn failure(code: &str) -> Failure {
    let message = format!("{code} happened");
    Failure { code: code.to_owned(), message, class: Class::Operator }
}

pub fn decision(who: &str) -> Decision {
    Decision {
        who: who.to_owned(),
        reason: "looks right".to_owned(),
        method: Method::Cli,
        os_user: who.to_owned(),
        host: "host".to_owned(),
        digest: generated().binding.digest(),
        rating: None,
    }
}

/// A payload that stands in the event itself.
pub fn inline(value: &impl Serialize) -> Payload {
    Payload::Inline(Json::of(value).unwrap())
}

pub fn gate(at: Timestamp) -> Gate {
    Gate {
        binding: generated().binding,
        reasons: vec!["the workflow asks".to_owned()],
        expires_at: at.plus(std::time::Duration::from_secs(7 * 86_400)),
    }
}

/// What a phase tells the machine when all goes well.
pub fn facts_of(phase: Phase) -> Facts {
    match phase {
        Phase::Analyze | Phase::Design | Phase::Deploy | Phase::RecordProvenance => Facts::Plain,
        Phase::Generate => Facts::Generated(Arc::new(generated())),
        Phase::Evaluate => Facts::Judged(Judged { keep: true, reasons: Vec::new() }),
        Phase::UpdateWeights => Facts::Learned(Vec::new()),
    }
}

pub fn completed_with(phase: Phase, attempt: u32, facts: Facts) -> Fact {
    let output = inline(&json!({ "of": phase }));
    Fact::PhaseCompleted { phase, attempt, spent_ms: 5, output, facts }
}

pub fn completed(phase: Phase) -> Fact {
    completed_with(phase, 1, facts_of(phase))
}

pub fn failed(phase: Phase, attempt: u32, retry_at: Option<Timestamp>) -> Fact {
    Fact::PhaseFailed { phase, attempt, spent_ms: 5, failure: failure("step"), retry_at }
}

pub fn announced(effect: Effect) -> Fact {
    Fact::EffectAnnounced { effect, plan: json!({ "plan": effect }) }
}

pub fn done(effect: Effect) -> Fact {
    Fact::EffectDone { effect, how: How::Performed, receipt: json!({ "did": effect }) }
}

pub fn acquired() -> Fact {
    Fact::TargetAcquired { target: TARGET.to_owned(), epoch: 1 }
}

/// A run so far.
#[derive(Clone)]
pub struct Story(pub Run);

impl Story {
    pub fn of(created: Created) -> Story {
        let (run, actor) = (Uuid::from_u128(7), "ada".to_owned());
        let fact = Fact::RunCreated(Arc::new(created));
        let event = Event { run: Some(run), at: START, actor, fact };
        Story(apply(None, &event, Digest::of(&[b"1"])).unwrap())
    }

    pub fn now(&self) -> Timestamp {
        Timestamp(START.0 + i64::try_from(self.0.seq).unwrap() * 1_000_000)
    }

    pub fn try_at(&self, fact: Fact, at: Timestamp) -> Result<Run, IllegalEvent> {
        let actor = "grace".to_owned();
        let hash = Digest::of(&[&self.0.head.0, fact.kind().as_bytes()]);
        apply(Some(self.0.clone()), &Event { run: None, at, actor, fact }, hash)
    }

    pub fn then(self, fact: Fact) -> Story {
        let told = format!("{fact:?}");
        Story(self.try_at(fact, self.now()).unwrap_or_else(|e| panic!("{e}: {told}")))
    }

    pub fn all(self, facts: impl IntoIterator<Item = Fact>) -> Story {
        facts.into_iter().fold(self, Story::then)
    }

    /// Completes phases up to the one before `phase`; Deploy ends before its gate.
    pub fn at(created: Created, phase: Phase) -> Story {
        let before = |p: &&Phase| **p < phase.min(Phase::Deploy);
        let story = Story::of(created);
        let story = story.all(Phase::ALL.iter().filter(before).map(|p| completed(*p)));
        if phase <= Phase::Deploy {
            return story;
        }
        let later = |p: &&Phase| (Phase::Evaluate..phase).contains(*p);
        let story = story.deployed().then(completed(Phase::Deploy));
        story.all(Phase::ALL.iter().filter(later).map(|p| completed(*p)))
    }

    /// Asked, from before the gate.
    pub fn asked(self) -> Story {
        let gate = Arc::new(gate(self.now()));
        self.then(Fact::ApprovalRequested { gate })
    }

    /// Asked and approved by as many as it takes.
    pub fn approved(self) -> Story {
        let quorum = self.0.created.approval.quorum as usize;
        let people = ["barbara", "grace", "edsger"].into_iter().take(quorum);
        self.asked().all(people.map(|who| Fact::Approved { decision: decision(who) }))
    }

    /// All planned effects done, from before the gate.
    pub fn deployed(self) -> Story {
        let effects = self.0.change.as_ref().unwrap().effects.clone();
        let story = self.approved().then(acquired());
        story.all(effects.into_iter().flat_map(|effect| [announced(effect), done(effect)]))
    }

    /// Deployed and judged as worse.
    pub fn judged_worse(quorum: u32) -> Story {
        let judged = Judged { keep: false, reasons: vec!["slower".to_owned()] };
        let worse = completed_with(Phase::Evaluate, 1, Facts::Judged(judged));
        Story::at(created(quorum), Phase::Evaluate).then(worse)
    }

    pub fn undone(self) -> Story {
        let undoing = [Effect::Down, Effect::Revert, Effect::RevertWorktree];
        self.all(undoing.into_iter().flat_map(|effect| [announced(effect), done(effect)]))
    }

    pub fn rolled_back(self) -> Story {
        self.then(Fact::RollbackCompleted { report: Value::Null })
    }

    pub fn recorded(self) -> Story {
        self.then(completed(Phase::RecordProvenance))
    }

    pub fn sealed(self) -> Story {
        let events = self.0.seq;
        self.then(Fact::RunSealed { events })
    }
}

/// The whole of a status in one line.
pub fn say(run: &Run) -> String {
    let live = |live: &Live| match live {
        Live::Queued { .. } => "queued".to_owned(),
        Live::Running { phase, attempt } => format!("running {phase} #{attempt}"),
        Live::WaitingApproval { approvals, .. } => {
            format!("waiting_approval {}/{}", approvals.len(), run.created.approval.quorum)
        }
        Live::RollingBack { cause } => format!("rolling_back {cause:?}").to_lowercase(),
    };
    let word = run.status.word();
    match &run.status {
        Status::Live(now) => live(now),
        Status::Sleeping { then, .. }
        | Status::Paused { then, .. }
        | Status::NeedsOperator { then, .. } => format!("{word}, then {}", live(then)),
        Status::Finished { outcome } => {
            format!("finished {outcome}{}", if run.sealed { ", sealed" } else { "" })
        }
    }
}
