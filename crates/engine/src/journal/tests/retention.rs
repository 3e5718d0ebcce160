//! Retention: whatever happened to a run, what is left of it folds to the same run, and nothing but
//! what was announced may be gone.

use super::{
    super::{
        replay::{Broken, Row, left, replay},
        retention::is_prunable,
        *,
    },
    random::{begin, drive, settings},
    story::START,
};
use crate::digest::Digest;
use proptest::prelude::*;
use std::time::Duration;
use uuid::Uuid;

/// A run with its rows, as a store would have them.
struct Trail {
    run: Run,
    rows: Vec<Row>,
    now: Timestamp,
}

impl Trail {
    fn begin(setting: &super::random::Setting) -> Trail {
        let run = begin(setting);
        let id = Uuid::from_u128(7);
        let fact = Fact::RunCreated(run.created.clone());
        let mut trail = Trail { run, rows: Vec::new(), now: START };
        let event = Event { run: Some(id), at: START, actor: "ada".to_owned(), fact };
        trail.run = trail.append(None, &event);
        trail
    }

    fn append(&mut self, run: Option<Run>, event: &Event) -> Run {
        let stored = event.encode().unwrap();
        let before = run.as_ref().map_or(Digest::ZERO, |run| run.head);
        let event_hash = chain::event_hash(&before, stored.as_bytes());
        let seq = self.rows.len() as u64 + 1;
        self.rows.push(Row {
            seq,
            run: 7,
            run_seq: seq,
            prev: (seq > 1).then(|| seq - 1),
            event: stored,
            event_hash,
            journal_hash: Digest::ZERO,
        });
        apply(run, event, event_hash).unwrap()
    }

    fn take(&mut self, command: Command) -> Result<(), Refusal> {
        for fact in decide(&self.run, command, self.now)? {
            let event = Event { run: None, at: self.now, actor: "kaizen".to_owned(), fact };
            self.run = self.append(Some(self.run.clone()), &event);
        }
        Ok(())
    }

    /// Does what is due, as `picks` say, and then well, until the run has ended.
    fn drive(&mut self, setting: &super::random::Setting, picks: &mut impl Iterator<Item = u8>) {
        for _ in 0..200 {
            let due = due(&self.run, self.now);
            let wait = if let Due::Sleep(until) = due { until.since(self.now) } else { SECOND };
            self.now = self.now.plus(wait + SECOND);
            if due == Due::End {
                return;
            }
            let pick = picks.next().unwrap_or(0);
            if let Some(command) = drive(&self.run, setting, &due, pick, self.now) {
                // A person may come at the wrong time.
                let _ = self.take(command);
            }
        }
        panic!("it did not end");
    }

    /// Says what is to go, and takes it.
    fn compact(&mut self, outcomes: Vec<Outcome>) -> Vec<u64> {
        let fact = |row: &Row| Event::decode(&row.event).unwrap().fact;
        let gone = self.rows.iter().filter(|row| is_prunable(&fact(row))).map(|row| row.run_seq);
        let pruned: Vec<u64> = gone.collect();
        self.take(Command::Compact { pruned: pruned.clone(), outcomes }).unwrap();
        for row in self.rows.iter_mut().filter(|row| pruned.contains(&row.run_seq)) {
            row.event.clear();
        }
        pruned
    }
}

const SECOND: Duration = Duration::from_secs(1);

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        rng_seed: prop::test_runner::RngSeed::Fixed(2),
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_left_of_a_run_folds_to_the_same_run(
        setting in settings(),
        picks in prop::collection::vec(any::<u8>(), 0..60),
        again in any::<bool>(),
        other in any::<prop::sample::Index>(),
    ) {
        let mut picks = picks.into_iter();
        let mut trail = Trail::begin(&setting);
        trail.drive(&setting, &mut picks);
        let mut outcomes = vec![trail.run.outcome.unwrap()];
        let reason = "because".to_owned();
        let rollback = Command::Rollback { reason, later: Vec::new() };
        if again && trail.take(rollback.clone()).is_ok() {
            trail.drive(&setting, &mut picks);
            outcomes.push(trail.run.outcome.unwrap());
        }
        let pruned = trail.compact(outcomes);
        prop_assert!(!pruned.is_empty());
        let folded = replay(&trail.rows).unwrap().unwrap();
        prop_assert_eq!(&folded, &trail.run);
        prop_assert_eq!(left(&trail.rows).unwrap().unwrap().run, folded);

        let refused = trail.take(rollback).unwrap_err();
        assert!(matches!(refused, Refusal::Compacted { .. } | Refusal::AlreadyFinished { .. }));
        let twice = Command::Compact { pruned: Vec::new(), outcomes: Vec::new() };
        assert!(matches!(trail.take(twice), Err(Refusal::Compacted { .. })));

        // Nothing else may be gone, nor may the event that says so.
        let mut more = trail.rows.clone();
        let at = other.index(more.len() - 2) + 1;
        let was_there = !more[at].is_pruned();
        more[at].event.clear();
        if was_there {
            assert!(replay(&more).is_err());
        }
        let cut = &trail.rows[..trail.rows.len() - 1];
        assert!(matches!(replay(cut), Err(Broken::Unannounced { .. })));
    }
}
