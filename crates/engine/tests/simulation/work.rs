//! What a driver does between two commits: the phases, and the effects with their probes. What comes
//! of it is the next micro-step.

use super::{
    driver::{Driving, Next},
    plant::Plant,
    schedule::{Breach, Sim},
    world::Refused,
};
use kaizen_engine::{
    digest::Digest,
    error::Class,
    journal::{
        Command, Effect, EffectState, Facts, Payload, Phase, Run,
        event::{Failure, Generated, How, Judged},
    },
    json::Json,
};
use serde_json::{Value, json};
use std::sync::Arc;

impl Sim {
    pub fn phase(&mut self, run: &Run, phase: Phase, attempt: u32) -> Next {
        let spent_ms = self.rng.below(40);
        let fails = |class| {
            let failure = failure("step", class);
            Next::Commit(vec![Command::Fail {
                phase,
                attempt,
                spent_ms,
                failure,
                retry_after_ms: 10_000,
            }])
        };
        if self.rng.chance(self.faults.phase_retries) {
            self.counts.add("phases that failed for now");
            return fails(Class::Retry);
        }
        if self.rng.chance(self.faults.phase_fails) {
            self.counts.add("phases that failed for good");
            return fails(self.rng.pick(&[Class::Operator, Class::Bug]));
        }
        let facts = self.facts(run, phase);
        let output = Payload::Inline(Json::of(&json!({ "of": phase })).unwrap());
        let complete = Command::Complete { phase, attempt, spent_ms, output, facts };
        let body = Payload::Inline(Json::of(&json!({ "n": 1 })).unwrap());
        let note = Command::Note { topic: "seen".to_owned(), body };
        Next::Commit(if self.rng.chance(100) { vec![note, complete] } else { vec![complete] })
    }

    fn facts(&mut self, run: &Run, phase: Phase) -> Facts {
        match phase {
            Phase::Analyze | Phase::Design if self.rng.chance(self.faults.no_change) => {
                Facts::NoChange("nothing to gain".to_owned())
            }
            Phase::Analyze | Phase::Design | Phase::Deploy | Phase::RecordProvenance => {
                Facts::Plain
            }
            Phase::Generate => self.generated(run),
            Phase::Evaluate => {
                let keep = !self.rng.chance(self.faults.worse);
                Facts::Judged(Judged { keep, reasons: Vec::new() })
            }
            Phase::UpdateWeights => Facts::Learned(Vec::new()),
        }
    }

    fn generated(&mut self, run: &Run) -> Facts {
        let all = [Effect::Commit, Effect::Worktree, Effect::Push, Effect::Up];
        let effects = match self.rng.below(4) {
            0 => all.to_vec(),
            1 => vec![Effect::Up],
            2 => vec![Effect::Commit, Effect::Up],
            _ => all.into_iter().filter(|_| self.rng.chance(700)).collect(),
        };
        let human = self.rng.chance(200);
        Facts::Generated(Arc::new(Generated {
            title: "an index".to_owned(),
            kind: "index".to_owned(),
            risk: "low".to_owned(),
            digest: Digest::of(&[b"change"]),
            effects,
            needs_human: human.then(|| "it drops a column".to_owned()).into_iter().collect(),
            preflight_improved: true,
            probability: 0.95,
            binding: self.world.binding(&run.created.target),
        }))
    }

    pub fn plan(&mut self, driving: &Driving, effect: Effect) -> Next {
        let (run, number) = (&driving.run, driving.number);
        if self.rng.chance(self.faults.plan_fails) {
            self.counts.add("plans that failed");
            let class = self.rng.pick(&[Class::Retry, Class::Operator]);
            return match class {
                Class::Operator if !run.has_effects() && self.rng.chance(500) => {
                    ask(None, "tracked_changes")
                }
                _ => self.effect_failed(driving, effect, class),
            };
        }
        let target = &run.created.target;
        let mut now = None;
        if !run.has_effects() {
            let read = self.world.read_binding(number, driving.epoch, target);
            let skips = self.plant == Some(Plant::SkipsTheBinding);
            now = Some(if skips { run.gate.as_ref().unwrap().binding.clone() } else { read });
        }
        let plan = json!({ "base": self.world.base(target) });
        Next::Commit(vec![Command::Announce { effect, plan, now }])
    }

    pub fn probe(&mut self, driving: &Driving, effect: Effect, perform: bool) -> Next {
        match self.look_for(driving, effect) {
            Found::Done => settled(effect, How::Adopted),
            Found::NotDone if perform => Next::Perform(effect),
            Found::NotDone => {
                let failure = failure("not_done", Class::Operator);
                Next::Commit(vec![Command::NotDone { effect, failure }])
            }
            Found::Unreachable => self.sleep("unreachable"),
            Found::Unknown => ask(Some(effect), "unknown_effect"),
        }
    }

    pub fn perform(&mut self, driving: &Driving, effect: Effect) -> Result<Next, Breach> {
        let class = self.rng.pick(&[Class::Retry, Class::Operator]);
        if self.rng.chance(self.faults.perform_fails) {
            self.counts.add("effects that failed");
            return Ok(self.effect_failed(driving, effect, class));
        }
        let Some(EffectState::Announced { plan, .. }) = driving.run.effects.get(&effect) else {
            return Err(self.breach(format!("{effect} is performed without its announcement")));
        };
        let (base, target) = (plan["base"].as_u64().unwrap(), &driving.run.created.target);
        match self.world.perform(driving.number, target, effect, driving.epoch, base) {
            Ok(()) => {
                self.counts.add("effects performed");
                self.performed(driving.number, effect)?;
            }
            Err(Refused::StaleEpoch) => {
                self.counts.add("effects refused for their epoch");
                return Ok(self.effect_failed(driving, effect, Class::Operator));
            }
            Err(Refused::Moved) => {
                self.counts.add("commits on a branch that had moved");
                return Ok(self.effect_failed(driving, effect, Class::Operator));
            }
        }
        if self.rng.chance(self.faults.lost_answer) {
            self.counts.add("answers lost");
            return Ok(self.effect_failed(driving, effect, class));
        }
        Ok(settled(effect, How::Performed))
    }

    /// An effect could not be planned or done.
    fn effect_failed(&mut self, driving: &Driving, effect: Effect, class: Class) -> Next {
        let announced =
            matches!(driving.run.effects.get(&effect), Some(EffectState::Announced { .. }));
        let failure = failure("effect", class);
        if class == Class::Retry {
            self.sleep("not now")
        } else if effect.undone_by().is_none() {
            ask(Some(effect), "undoing")
        } else if announced {
            Next::ProbeAfter(effect, failure)
        } else {
            Next::Commit(vec![Command::NotDone { effect, failure }])
        }
    }

    pub fn probe_after(&mut self, driving: &Driving, effect: Effect, failure: Failure) -> Next {
        match self.look_for(driving, effect) {
            Found::Done => settled(effect, How::Adopted),
            Found::NotDone => Next::Commit(vec![Command::NotDone { effect, failure }]),
            Found::Unreachable => self.sleep("unreachable"),
            Found::Unknown => ask(Some(effect), "unknown_effect"),
        }
    }

    fn look_for(&mut self, driving: &Driving, effect: Effect) -> Found {
        if self.rng.chance(self.faults.unreachable) {
            self.counts.add("probes that reached nothing");
            return Found::Unreachable;
        }
        let done = self.world.probe(driving.number, effect, driving.epoch);
        if self.rng.chance(self.faults.unknown) {
            self.counts.add("probes that could not tell");
            return Found::Unknown;
        }
        if done {
            self.counts.add("effects adopted");
        }
        if done { Found::Done } else { Found::NotDone }
    }

    pub fn verify(&mut self) -> Next {
        if self.rng.chance(self.faults.plan_fails) {
            self.counts.add("rollbacks that did not compare");
            return match self.rng.pick(&[Class::Retry, Class::Operator]) {
                Class::Retry => self.sleep("busy"),
                Class::Operator | Class::Bug => ask(None, "schema_differs"),
            };
        }
        Next::Commit(vec![Command::RolledBack { report: Value::Null }])
    }
}

enum Found {
    Done,
    NotDone,
    Unreachable,
    Unknown,
}

pub fn failure(code: &str, class: Class) -> Failure {
    Failure { code: code.to_owned(), message: format!("{code} happened"), class }
}

fn settled(effect: Effect, how: How) -> Next {
    Next::Commit(vec![Command::Settled { effect, how, receipt: json!({ "did": effect }) }])
}

fn ask(effect: Option<Effect>, code: &str) -> Next {
    let failure = failure(code, Class::Operator);
    Next::Commit(vec![Command::AskOperator { effect, failure, look_at: Vec::new() }])
}
