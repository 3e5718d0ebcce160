//! A run that only learns: whole in one commit, verified, compacted and salvaged like any other.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{HOUR, Place, complete, create, created, texts, transition};
use kaizen_engine::{
    digest::Digest,
    journal::{Command, Outcome, Payload, Phase, Run, Timestamp, event::ModelVersion},
    json::Json,
    shell::{Error, Learnt, Reader, Store, retention::compact, salvage::salvage},
};
use std::sync::Arc;

async fn learn(store: &Store, model: &[u8], output: &str) -> Result<Arc<Run>, Error> {
    let me = store.me().to_owned();
    let (model, output) = (model.to_vec(), Json::of(output).unwrap());
    let version =
        ModelVersion { name: "m".to_owned(), digest: Digest::of(&[&model]), promoted: true };
    let artifacts = texts().into_iter().chain([model]).collect();
    let learnt = Learnt { output, models: vec![version], artifacts };
    let made = created(0);
    let write = store.write(move |tx| {
        tx.learn(made.clone(), ("ada", &me), &learnt, |run| Json::of(&run.name()))
    });
    write.await
}

fn versions(place: &Place) -> Vec<(i64, Digest, i64)> {
    let reader = Reader::open(&place.journal()).unwrap();
    let versions = reader.models("m").unwrap().into_iter();
    versions.map(|version| (version.version, version.digest, version.run)).collect()
}

#[tokio::test]
async fn it_brings_versions_and_a_history_row_and_holds_no_lease() {
    let place = Place::new();
    let store = place.store();
    for (model, output) in [("one", "short".to_owned()), ("two", "long".repeat(1_000))] {
        let run = learn(&store, model.as_bytes(), &output).await.unwrap();
        assert_eq!((run.outcome, run.sealed, run.seq), (Some(Outcome::NoChange), true, 4));
        assert!(run.effects.is_empty() && run.decisions.is_empty());
        let read = Reader::open(&place.journal()).unwrap();
        let output: String = read.payload(&run.outputs[&Phase::UpdateWeights]).unwrap();
        assert!(output.starts_with(if model == "one" { "short" } else { "long" }));
    }
    assert_eq!(versions(&place), [(1, Digest::of(&[b"one"]), 1), (2, Digest::of(&[b"two"]), 2)]);
    let reader = Reader::open(&place.journal()).unwrap();
    assert_eq!(reader.unfinished().unwrap(), Vec::<i64>::new());
    assert_eq!(reader.driver(1).unwrap(), None);
    let history = reader.history().unwrap();
    assert_eq!(history[1].record.read::<String>().unwrap(), "r2");
    assert_eq!(place.verify(), Vec::<String>::new());
}

#[tokio::test]
async fn what_it_learnt_outlives_retention_and_salvage() {
    let place = Place::new();
    let store = place.store();
    learn(&store, b"one", &"long".repeat(1_000)).await.unwrap();
    place.clock.advance(HOUR);
    let reader = Reader::open(&place.journal()).unwrap();
    let now = Timestamp(reader.last_event_at().unwrap().unwrap().0 + 1_000_000);
    compact(&store, now, "ada").await.unwrap();
    assert_eq!(place.verify(), Vec::<String>::new());
    let kept = versions(&place);
    assert_eq!(kept.len(), 1);
    assert_eq!(reader.artifact(&kept[0].1).unwrap(), b"one");
    drop((store, reader));
    let to = place.journal().with_extension("salvaged");
    salvage(&place.journal(), &to).unwrap();
    let salvaged = Reader::open(&to).unwrap();
    assert_eq!(salvaged.models("m").unwrap().len(), 1);
}

#[tokio::test]
async fn only_a_run_that_has_just_begun_can_only_learn() {
    let place = Place::new();
    let store = place.store();
    let run = create(&store).await.created.number;
    transition(&store, run, 1, vec![complete(Phase::Analyze)]).await.unwrap();
    let output = Payload::Inline(Json::of("late").unwrap());
    let late = vec![Command::Learn { output, models: Vec::new() }];
    assert!(matches!(transition(&store, run, 1, late).await, Err(Error::Refused(_))));
    assert_eq!(place.verify(), Vec::<String>::new());
}
