//! The process dies at each place in turn; another one resumes. Whatever was announced is done
//! exactly once. (Dying inside SQLite is a matter of the tests with real child processes.)

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{
    Place,
    world::{World, pre_approved},
};
use kaizen_engine::{
    journal::{Due, Event, Fact, Outcome, Phase},
    shell::Reader,
};
use std::collections::BTreeSet;

/// Dies at each of `deaths`, counted from the last resume; returns how the run ended, or `None`
/// where it never came that far.
async fn dying_at(world: &World, place: &Place, deaths: &[usize]) -> Option<Outcome> {
    let mut first = true;
    for death in deaths {
        {
            let mut state = world.state();
            (state.dies_after, state.passed) = (Some(*death), 0);
        }
        let engine = world.engine(place);
        let driving = async {
            if first {
                engine.start(pre_approved(), "ada", common::texts()).await
            } else {
                engine.resume(1, "ada").await
            }
        };
        if world.until_death(driving).await.is_some() {
            return None;
        }
        first = false;
    }
    world.state().dies_after = None;
    let stop = world.engine(place).resume(1, "ada").await.unwrap();
    assert_eq!(stop.due, Due::End, "{:?}", stop.run.status);
    stop.run.outcome
}

fn check(world: &World, place: &Place, told: &str) {
    let performed = world.state().performed.clone();
    let once: BTreeSet<_> = performed.iter().collect();
    assert_eq!(once.len(), performed.len(), "{told}: {performed:?}");
    assert_eq!(place.verify(), Vec::<String>::new(), "{told}");
    let reader = Reader::open(&place.journal()).unwrap();
    assert_eq!(reader.history().unwrap().len(), 1, "{told}");
    let mut ended = Vec::new();
    for row in reader.rows(Some(1), 0, 1_000).unwrap() {
        match Event::decode(&row.event).unwrap().fact {
            Fact::PhaseCompleted { phase, attempt, .. } => {
                assert_eq!(attempt, 1, "{told}: resuming is the same attempt");
                ended.push(phase);
            }
            Fact::PhaseFailed { phase, .. } => panic!("{told}: {phase} failed"),
            _ => {}
        }
    }
    assert_eq!(ended, Phase::ALL, "{told}: each phase completes once");
}

#[tokio::test]
async fn a_death_at_any_place_changes_nothing_of_what_is_done() {
    for (keep, ends, effects) in [(true, Outcome::Kept, 4), (false, Outcome::RolledBack, 8)] {
        let mut places = 0;
        loop {
            let (place, world) = (Place::new(), World::new());
            world.state().keep = keep;
            let Some(outcome) = dying_at(&world, &place, &[places]).await else { break };
            let told = format!("died at place {places}");
            assert_eq!(outcome, ends, "{told}");
            assert_eq!(world.state().performed.len(), effects, "{told}");
            check(&world, &place, &told);
            places += 1;
        }
        // Seven phases; a plan, a probe, and both sides of each effect; the binding.
        assert_eq!(places, 7 + 1 + 4 * effects + usize::from(!keep), "places to die at");
    }
}

#[tokio::test]
async fn dying_again_and_again_changes_nothing_either() {
    for (first, second) in [(7, 0), (8, 1), (9, 2), (10, 3), (11, 0), (24, 4), (26, 2), (30, 1)] {
        let (place, world) = (Place::new(), World::new().worse());
        let outcome = dying_at(&world, &place, &[first, second, second]).await;
        assert_eq!(outcome, Some(Outcome::RolledBack), "{first}, {second}");
        check(&world, &place, &format!("died at {first}, then twice at {second}"));
    }
}
