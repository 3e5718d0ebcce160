//! People: what they want is written down on what they see, and arrives later, twice, or in
//! another order. Only what they say about an effect is looked at when they say it.

use super::{
    invariants::token,
    schedule::{Breach, Sim},
    store::Fate,
    transition::{Error, Operated},
};
use kaizen_engine::journal::{
    Command, Decision, Due, Effect, Live, Method, Outcome, Run, Status, due,
};

pub const PEOPLE: [&str; 4] = ["ada", "grace", "barbara", "edsger"];

/// What somebody wants of a run.
#[derive(Debug, Clone)]
pub enum Want {
    Tell(Command),
    /// That a process drives it on.
    Resume,
    /// To say whether the effect in question was done.
    Resolve,
}

#[derive(Debug, Clone)]
pub struct Message {
    pub from: &'static str,
    pub run: i64,
    pub want: Want,
}

impl Sim {
    /// Somebody looks at a run and wants something.
    pub fn think(&mut self) {
        let Some(run) = self.any_run() else { return };
        let from = self.rng.pick(&PEOPLE);
        let reason = self.new_token();
        let meddles = self.rng.chance(self.faults.meddling);
        let want = match &run.status {
            _ if meddles => self.meddle(&run, from, reason),
            Status::Live(Live::WaitingApproval { .. }) => {
                Want::Tell(self.decide_on(&run, from, reason))
            }
            Status::Paused { .. } => Want::Resume,
            Status::NeedsOperator { effect: Some(_), .. } if self.rng.chance(500) => Want::Resolve,
            Status::NeedsOperator { .. } | Status::Sleeping { .. } => Want::Resume,
            Status::Finished { outcome: Outcome::Kept } if self.rng.chance(200) => {
                Want::Tell(self.roll_back(&run, reason))
            }
            Status::Finished { .. } | Status::Live(_) => return,
        };
        self.mail.push(Message { from, run: run.created.number, want });
    }

    fn decide_on(&mut self, run: &Run, who: &str, reason: String) -> Command {
        let decision = decision(run, who, reason);
        match self.rng.below(12) {
            0 => Command::Reject { decision },
            1 => Command::Approve { decision: Decision { method: Method::Unverified, ..decision } },
            _ => Command::Approve { decision },
        }
    }

    /// What nobody asked for, or what fits no more.
    fn meddle(&mut self, run: &Run, who: &str, reason: String) -> Want {
        let any = Effect::ALL[self.rng.index(8)];
        Want::Tell(match self.rng.below(12) {
            0..=2 => Command::Pause { reason },
            3 => Command::Cancel { reason },
            4 => self.roll_back(run, reason),
            5 => Command::Reject { decision: decision(run, who, reason) },
            6 => return Want::Resolve,
            7 if run.effects.is_empty() => {
                Command::Resolve { effect: any, done: self.rng.chance(500), reason }
            }
            8 | 9 => return Want::Resume,
            _ => Command::Approve { decision: decision(run, who, reason) },
        })
    }

    fn roll_back(&mut self, run: &Run, reason: String) -> Command {
        let depends = |other: &Run| {
            let kept = other.status == Status::Finished { outcome: Outcome::Kept };
            kept && other.created.target == run.created.target
                && other.finished_at > run.finished_at
        };
        let later = self.store.tables.runs.values().filter(|other| depends(other));
        Command::Rollback { reason, later: later.map(|other| other.name()).collect() }
    }

    /// One of the messages arrives; it may arrive again.
    pub fn deliver(&mut self) -> Result<(), Breach> {
        if self.mail.is_empty() {
            return Ok(());
        }
        let at = self.rng.index(self.mail.len());
        let message = if self.rng.chance(self.faults.duplicate) {
            self.counts.add("commands duplicated");
            self.mail[at].clone()
        } else {
            self.mail.remove(at)
        };
        if at > 0 {
            self.counts.add("commands reordered");
        }
        let fate = self.fate();
        self.receive(message, fate)
    }

    pub fn receive(&mut self, message: Message, fate: Fate) -> Result<(), Breach> {
        self.tell(|| format!("{message:?}"));
        let Message { from, run: number, want } = message;
        let command = match want {
            Want::Resume => return self.resume(number),
            Want::Tell(command) => command,
            Want::Resolve => match self.look_at_the_world(number) {
                Some(command) => command,
                None => return Ok(()),
            },
        };
        let kind = kind(&command);
        let asked = command.clone();
        match self.write(None, fate, |tx| tx.operate(number, from, asked))? {
            Some(Ok(Operated::Applied)) => {
                self.counts.add(kind);
                self.audit.told_applied(&command);
            }
            Some(Ok(Operated::Queued(id))) => {
                self.counts.add("commands through the inbox");
                self.audit.told_queued(id, &command);
            }
            Some(Err(Error::Refused(refusal))) => {
                self.tell(|| format!("refused: {refusal}"));
                self.counts.add("commands refused");
            }
            Some(Err(Error::Disk)) => self.counts.add("failed writes"),
            Some(Err(error @ (Error::Driven | Error::Fenced))) => {
                return Err(self.breach(format!("{} got {error:?}", token(&command).unwrap())));
            }
            None => {}
        }
        Ok(())
    }

    /// Some process that has nothing else to do takes the run.
    fn resume(&mut self, number: i64) -> Result<(), Breach> {
        let idle = |p: &super::driver::Process| p.alive && p.stalled == 0 && p.drives.is_none();
        let free: Vec<usize> =
            (0..self.processes.len()).filter(|at| idle(&self.processes[*at])).collect();
        if free.is_empty() {
            return Ok(());
        }
        self.counts.add("resumed by a person");
        let at = self.rng.pick(&free);
        self.claim(at, number)
    }

    /// The truth about the effect in question; an undoing may be made true first.
    fn look_at_the_world(&mut self, number: i64) -> Option<Command> {
        let run = self.store.tables.runs.get(&number)?.clone();
        let Status::NeedsOperator { effect: Some(effect), .. } = run.status else { return None };
        if effect.undone_by().is_none() && self.rng.chance(500) {
            let epoch = self.store.tables.leases[&number].epoch;
            self.world.by_hand(number, &run.created.target, effect, epoch);
        }
        let done = self.world.is_done(number, effect);
        Some(Command::Resolve { effect, done, reason: self.new_token() })
    }

    /// Everybody answers whatever run waits for them.
    pub fn everybody_answers(&mut self) -> Result<(), Breach> {
        let waiting: Vec<_> = self.store.tables.runs.values().cloned().collect();
        for run in waiting {
            let number = run.created.number;
            if due(&run, self.clock.max(run.updated_at)) != Due::Person {
                continue;
            }
            let Status::Live(Live::WaitingApproval { .. }) = &run.status else {
                self.resume(number)?;
                continue;
            };
            let may = may_approve(&run);
            if may.len() < run.created.approval.quorum as usize {
                self.counts.add("requests that nobody may grant");
                let want = Want::Tell(Command::Cancel { reason: self.new_token() });
                self.receive(Message { from: "ada", run: number, want }, Fate::Good)?;
                continue;
            }
            for who in may {
                let decision = decision(&run, who, self.new_token());
                let want = Want::Tell(Command::Approve { decision });
                self.receive(Message { from: who, run: number, want }, Fate::Good)?;
            }
            if self.store.tables.runs[&number].status == run.status {
                // Too late, by the journal's time: whoever resumes it is told so.
                self.counts.add("answers that came too late");
                self.resume(number)?;
            }
        }
        Ok(())
    }
}

/// Quorum, named approvers and separated duties together may leave too few.
fn may_approve(run: &Run) -> Vec<&'static str> {
    let policy = &run.created.approval;
    let may = |who: &&str| {
        let named = policy.approvers.is_empty() || policy.approvers.iter().any(|a| a == *who);
        named && !(policy.separation_of_duties && run.created.started_by == *who)
    };
    PEOPLE.into_iter().filter(may).collect()
}

fn decision(run: &Run, who: &str, reason: String) -> Decision {
    let digest = run.gate.as_ref().map(|gate| gate.binding.digest()).unwrap_or_default();
    Decision {
        who: who.to_owned(),
        reason,
        method: Method::Cli,
        os_user: who.to_owned(),
        host: "host".to_owned(),
        digest,
        rating: None,
    }
}

fn kind(command: &Command) -> &'static str {
    match command {
        Command::Approve { .. } => "approvals",
        Command::Reject { .. } => "rejections",
        Command::Pause { .. } => "pauses",
        Command::Cancel { .. } => "cancels",
        Command::Rollback { .. } => "rollbacks asked for",
        Command::Resolve { .. } => "effects resolved by a person",
        _ => "other commands",
    }
}
