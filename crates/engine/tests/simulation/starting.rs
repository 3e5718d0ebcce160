//! What a run is created with: every policy that a workflow may ask for, those that do not fit
//! together too.

use super::{
    driver::{Driving, Next},
    people::PEOPLE,
    schedule::{Breach, Sim},
    store::Fate,
};
use kaizen_engine::{
    digest::Digest,
    journal::{ApprovalPolicy, Created, Decision, Method, gate::OnExpiry},
};
use uuid::Uuid;

impl Sim {
    pub fn start_a_run(&mut self) -> Result<(), Breach> {
        let at = self.rng.index(self.processes.len());
        let process = &self.processes[at];
        if self.to_start == 0 || !process.alive || process.stalled > 0 || process.drives.is_some() {
            return Ok(());
        }
        let number = i64::try_from(self.store.tables.runs.len()).unwrap() + 1;
        let created = self.created(number);
        let id = Uuid::from_u128(u128::from(self.rng.next()) << 64 | u128::from(self.rng.next()));
        let me = self.processes[at].id.clone();
        self.tell(|| format!("{at} starts r{number}: {created:?}"));
        let said = self.write(Some(at), Fate::Good, |tx| tx.create(id, created, &me))?;
        if let Some(Ok(run)) = said {
            self.to_start -= 1;
            self.counts.add("runs");
            self.accepted(number, 1, &me, &run)?;
            let next = Next::Look;
            self.processes[at].drives = Some(Driving { number, epoch: 1, run, next });
        }
        Ok(())
    }

    fn created(&mut self, number: i64) -> Created {
        let some = |yes: bool, names: &[&str]| {
            if yes { names.iter().map(|name| (*name).to_owned()).collect() } else { Vec::new() }
        };
        let approval = ApprovalPolicy {
            quorum: 1 + u32::from(self.rng.chance(400)),
            approvers: some(self.rng.chance(250), &["grace", "barbara"]),
            separation_of_duties: self.rng.chance(250),
            expires_after_ms: 1_000 * (60 + self.rng.below(86_400)),
            on_expiry: self.rng.pick(&[OnExpiry::Reject, OnExpiry::Park]),
            auto_kinds: some(self.rng.chance(150), &["index"]),
            auto_min_probability: 0.9,
        };
        let given = Decision {
            who: "ada".to_owned(),
            reason: self.new_token(),
            method: Method::Cli,
            os_user: "ada".to_owned(),
            host: "host".to_owned(),
            digest: Digest::ZERO,
            rating: None,
        };
        Created {
            number,
            workflow: "index-tuning".to_owned(),
            workflow_path: "workflows/index-tuning.toml".to_owned(),
            definition: Digest::of(&[b"definition"]),
            policy: Digest::of(&[b"policy"]),
            engine: 1,
            kaizen: "0.1.0".to_owned(),
            dry_run: self.rng.chance(100),
            target: self.any_target(),
            from_run: None,
            change: None,
            export: None,
            designer: None,
            started_by: self.rng.pick(&PEOPLE).to_owned(),
            approval,
            pre_approved: self.rng.chance(150).then_some(given),
            budget_ms: if self.rng.chance(150) { 60 } else { 300_000 },
            max_attempts: 3,
        }
    }
}
