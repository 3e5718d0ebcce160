//! The relay on the real store: order, resuming, refusing what is not as it was sent, and what must
//! be acknowledged before anything outside is done.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use async_trait::async_trait;
use common::{
    HOUR, Place, create,
    world::{World, start_approved},
};
use kaizen_engine::{
    digest::Digest,
    error::{Class, Classified},
    journal::{Due, Effect, Outcome, Status},
    shell::{
        Engine, Reader,
        relay::{Acknowledge, Batch, End, Limits, Relay, RelayError, Sink, SinkError},
        retention,
    },
    step::StepError,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use uuid::Uuid;

/// A trail in memory.
#[derive(Clone, Default)]
struct Trail(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    events: BTreeMap<u64, (Digest, String)>,
    artifacts: BTreeMap<Digest, Vec<u8>>,
    /// What the next batches meet; nothing: they are stored.
    troubles: Vec<Trouble>,
    away: bool,
    /// An event that it cannot store.
    poison: Option<u64>,
}

#[derive(Clone)]
enum Trouble {
    Away,
    /// Stored, and the answer is lost.
    AnswerLost,
}

impl Trail {
    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.0.lock().unwrap()
    }

    async fn ship(&self, place: &Place, limits: Limits) -> Result<u64, RelayError> {
        let mut relay = Relay::new(place.store(), &place.journal(), self.clone()).unwrap();
        Ok(relay.ship(limits).await?.events)
    }

    async fn refused(&self, place: &Place) -> String {
        let refused = self.ship(place, Limits::default()).await.unwrap_err();
        assert_eq!(refused.class(), Class::Operator);
        let told = Reader::open(&place.journal()).unwrap().deliveries().unwrap();
        assert_eq!(told[0].stopped.as_deref(), Some(&*refused.to_string()));
        refused.to_string()
    }
}

#[async_trait]
impl Sink for Trail {
    async fn end(&mut self, _: Uuid) -> Result<End, SinkError> {
        let held = self.held();
        if held.away {
            return Err(SinkError::Away("it is away".to_owned()));
        }
        let last = held.events.last_key_value().map(|(seq, (hash, _))| (*seq, *hash));
        Ok(End { trail: "t1".to_owned(), place: "memory".to_owned(), last })
    }

    async fn hash_at(&mut self, _: Uuid, seq: u64) -> Result<Option<Digest>, SinkError> {
        Ok(self.held().events.get(&seq).map(|(hash, _)| *hash))
    }

    async fn ship(&mut self, batch: &Batch) -> Result<(), SinkError> {
        let mut held = self.held();
        let trouble = if held.troubles.is_empty() { None } else { Some(held.troubles.remove(0)) };
        match trouble {
            Some(Trouble::Away) => return Err(SinkError::Away("cut".to_owned())),
            Some(Trouble::AnswerLost) | None => (),
        }
        if batch.shipments.iter().any(|shipment| Some(shipment.row.seq) == held.poison) {
            return Err(SinkError::Rejected("too strange".to_owned()));
        }
        let before = batch.shipments[0].row.seq - 1;
        assert!(before == 0 || held.events.contains_key(&before), "a gap before {before}");
        for shipment in &batch.shipments {
            let row = &shipment.row;
            let new = (row.journal_hash, row.event.clone());
            let there = held.events.entry(row.seq).or_insert_with(|| new.clone());
            assert_eq!(*there, new, "an event was sent again with other contents");
        }
        held.artifacts.extend(batch.artifacts.iter().cloned());
        if matches!(trouble, Some(Trouble::AnswerLost)) {
            return Err(SinkError::Away("the answer was lost".to_owned()));
        }
        Ok(())
    }
}

/// A kept run and one under way.
async fn journal() -> Place {
    let place = Place::new();
    let engine = World::new().engine(&place);
    assert_eq!(start_approved(&engine).await.run.outcome, Some(Outcome::Kept));
    create(&engine.store).await;
    place
}

fn rows(place: &Place) -> Vec<(u64, (Digest, String))> {
    let rows = Reader::open(&place.journal()).unwrap().rows(None, 0, 10_000).unwrap();
    rows.into_iter().map(|row| (row.seq, (row.journal_hash, row.event))).collect()
}

#[tokio::test]
async fn everything_arrives_once_and_in_order() {
    let (place, trail) = (journal().await, Trail::default());
    let all = rows(&place);
    assert_eq!(trail.ship(&place, Limits::default()).await.unwrap(), all.len() as u64);
    assert_eq!(trail.held().events.clone().into_iter().collect::<Vec<_>>(), all);
    for text in common::texts() {
        assert_eq!(trail.held().artifacts.get(&Digest::of(&[&text])), Some(&text));
    }
    assert_eq!(trail.ship(&place, Limits::default()).await.unwrap(), 0);
    create(&place.store()).await;
    assert_eq!(trail.ship(&place, Limits::default()).await.unwrap(), 1);
    let delivery = &Reader::open(&place.journal()).unwrap().deliveries().unwrap()[0];
    assert_eq!((delivery.seq, &*delivery.trail), (all.len() as u64 + 1, "t1"));
    assert_eq!(delivery.stopped, None);
    assert!(place.verify().is_empty(), "shipping changes nothing of the journal");
}

#[tokio::test]
async fn a_trail_that_is_away_gets_everything_when_it_is_back() {
    let (place, trail) = (journal().await, Trail::default());
    trail.held().troubles = vec![Trouble::Away, Trouble::AnswerLost];
    for _ in 0..2 {
        let away = trail.ship(&place, Limits::default()).await.unwrap_err();
        assert_eq!(away.class(), Class::Retry);
    }
    // The second time it was stored, and only the answer was lost: nothing is sent twice.
    assert_eq!(trail.ship(&place, Limits::default()).await.unwrap(), 0);
    assert_eq!(trail.held().events.clone().into_iter().collect::<Vec<_>>(), rows(&place));
}

#[tokio::test]
async fn an_event_that_cannot_be_stored_stops_the_relay_and_is_named() {
    let (place, trail) = (journal().await, Trail::default());
    trail.held().poison = Some(7);
    for _ in 0..2 {
        assert_eq!(trail.refused(&place).await, "event 7 cannot be stored: too strange");
        assert_eq!(trail.held().events.len(), 6, "all before it, none after it");
    }
    trail.held().poison = None;
    trail.ship(&place, Limits::default()).await.unwrap();
    let delivery = &Reader::open(&place.journal()).unwrap().deliveries().unwrap()[0];
    assert_eq!(delivery.stopped, None, "mended");
}

#[tokio::test]
async fn a_trail_that_is_not_what_was_sent_is_named_and_left_as_it_is() {
    let (place, trail) = (journal().await, Trail::default());
    trail.ship(&place, Limits::default()).await.unwrap();
    let last = trail.held().events.len() as u64;

    let cut = trail.held().events.split_off(&(last - 2));
    let told = trail.refused(&place).await;
    assert!(
        told.starts_with(&format!("events {} to {last} were acknowledged", last - 2)),
        "{told}"
    );
    let resend = Limits { resend: true, ..Limits::default() };
    trail.ship(&place, resend).await.unwrap();
    assert_eq!(trail.held().events.clone().into_iter().collect::<Vec<_>>(), rows(&place));
    drop(cut);

    for seq in 5..=last {
        trail.held().events.get_mut(&seq).unwrap().0 = Digest::of(&[&seq.to_le_bytes()]);
    }
    let told = trail.refused(&place).await;
    assert!(told.starts_with("event 5 is in the trail with other contents"), "{told}");
}

#[tokio::test]
async fn a_journal_from_an_old_backup_is_told_by_its_trail() {
    let (place, trail) = (journal().await, Trail::default());
    let before = rows(&place).len();
    let old = Place::new();
    place.raw().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    std::fs::copy(place.journal(), old.journal()).unwrap();
    start_approved(&World::new().engine(&place)).await;
    trail.ship(&place, Limits::default()).await.unwrap();
    let told = trail.refused(&old).await;
    let now = rows(&place).len();
    assert!(told.starts_with(&format!("the trail holds {now} events")), "{told}");
    assert!(told.contains(&format!("has but {before}")), "{told}");
    // And where it went on by itself since, the fork is found.
    for _ in 0..2 {
        start_approved(&World::new().engine(&old)).await;
    }
    let told = trail.refused(&old).await;
    assert!(told.starts_with(&format!("event {} is in the trail", before + 1)), "{told}");
}

#[tokio::test]
async fn retention_leaves_what_was_not_shipped() {
    let (place, trail) = (journal().await, Trail::default());
    let engine = World::new().worse().engine(&place);
    trail.ship(&place, Limits::default()).await.unwrap();
    assert_eq!(start_approved(&engine).await.run.outcome, Some(Outcome::RolledBack));
    place.clock.advance(HOUR);
    let old = Reader::open(&place.journal()).unwrap().last_event_at().unwrap().unwrap();
    let old = old.plus(Duration::from_secs(1));
    let taken = retention::compact(&engine.store, old, "ada").await.unwrap();
    assert_eq!(taken.runs.count(), 0, "its events are only here");
    trail.ship(&place, Limits::default()).await.unwrap();
    let taken = retention::compact(&engine.store, old, "ada").await.unwrap();
    assert_eq!(taken.runs.count(), 1);
}

/// The trail as what must have everything first.
struct First(Trail, std::path::PathBuf, kaizen_engine::shell::Store);

#[async_trait]
impl Acknowledge for First {
    async fn caught_up(&self) -> Result<(), StepError> {
        let mut relay = Relay::new(self.2.clone(), &self.1, self.0.clone()).unwrap();
        match relay.ship(Limits::default()).await {
            Ok(_) => Ok(()),
            Err(error) if error.class() == Class::Retry => {
                Err(StepError::retry(error.code(), error.to_string(), Duration::from_secs(30)))
            }
            Err(error) => Err(StepError::of(&error)),
        }
    }
}

fn first(world: &World, place: &Place, trail: &Trail) -> Engine {
    let engine = world.engine(place);
    let first = First(trail.clone(), place.journal(), engine.store.clone());
    Engine { trail: Some(Arc::new(first)), ..engine }
}

#[tokio::test]
async fn nothing_outside_is_done_before_the_trail_has_everything() {
    let (place, trail, world) = (Place::new(), Trail::default(), World::new().worse());
    let engine = first(&world, &place, &trail);
    trail.held().away = true;
    let stop = start_approved(&engine).await;
    assert!(matches!(stop.run.status, Status::Sleeping { .. }), "{:?}", stop.run.status);
    assert!(world.state().performed.is_empty());
    trail.held().away = false;
    place.clock.advance(HOUR);
    // It goes away again for good once the change is made: undoing waits for nobody.
    let mut run = stop.run;
    for _ in 0..40 {
        let stop = engine.resume(run.created.number, "ada").await.unwrap();
        run = stop.run;
        if world.state().performed.contains(&Effect::Up) {
            trail.held().away = true;
        }
        match stop.due {
            Due::End => break,
            _ => place.clock.advance(HOUR),
        }
    }
    assert_eq!(run.outcome, Some(Outcome::RolledBack));
    let performed = world.state().performed.clone();
    assert!(performed.contains(&Effect::Up) && performed.contains(&Effect::Down), "{performed:?}");
    // What was announced had arrived before it was done.
    let announced = run.announced_at(Effect::Up).unwrap();
    assert!(trail.held().events.len() as u64 >= announced);
}
