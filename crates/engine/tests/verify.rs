//! Verification names what was done to a journal behind Kaizen's back.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{Place, approved, create, note, transition};
use kaizen_engine::journal::{Command, Phase};

/// Two runs whose events are interleaved, and an artifact: rows 1 to 9.
/// Row 6 is r1's approval, row 7 its target, row 9 r2's last event.
async fn journal() -> Place {
    let place = Place::new();
    let store = place.store();
    approved(&store).await;
    create(&store).await;
    transition(&store, 2, 1, vec![note("n")]).await.unwrap();
    store.write(|tx| tx.put_artifact(b"bytes")).await.unwrap();
    place
}

async fn after(sql: &str) -> Vec<String> {
    let place = journal().await;
    assert_eq!(place.verify(), Vec::<String>::new());
    place.forge(sql);
    place.verify()
}

#[tokio::test]
async fn an_edited_body_is_named() {
    let found =
        after("UPDATE events SET event = replace(event, 'grace', 'mallo') WHERE seq = 6").await;
    assert_eq!(found, ["edited row 6 (r1 event 6)"]);
}

#[tokio::test]
async fn an_edited_body_with_its_hash_made_to_fit_is_named() {
    // The next hash of the run no longer fits; nor does the journal's.
    let found = after("UPDATE events SET event_hash = zeroblob(32) WHERE seq = 2").await;
    let about_row_2 = found.iter().filter(|at| at.contains("row 2 ")).count();
    assert!(
        about_row_2 >= 2 && found.iter().any(|at| at == "edited row 3 (r1 event 3)"),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_deleted_row_is_named() {
    let found = after("DELETE FROM events WHERE seq = 3").await;
    assert!(found.contains(&"missing rows 3 to 3".to_owned()), "{found:?}");
    assert!(found.contains(&"missing row 4 (r1 event 4)".to_owned()), "{found:?}");
}

#[tokio::test]
async fn an_inserted_row_is_named() {
    let found = after(
        "INSERT INTO events SELECT seq + 1, 2, 3, seq, 1, event, zeroblob(32), zeroblob(32) \
         FROM events WHERE seq = 9",
    )
    .await;
    assert!(found.iter().any(|at| at.contains("row 10 (r2 event 3)")), "{found:?}");
    assert!(found.contains(&"extra r2 events 3 to 3".to_owned()), "{found:?}");
}

#[tokio::test]
async fn a_truncated_tail_is_named() {
    let found = after("DELETE FROM events WHERE seq >= 9").await;
    assert_eq!(found, ["truncated r2 events 2 to 2"]);
    let found = after("DELETE FROM events WHERE run = 2").await;
    assert!(found.contains(&"truncated r2 events 1 to 2".to_owned()), "{found:?}");
}

#[tokio::test]
async fn swapped_rows_are_named() {
    let found = after(
        "UPDATE events SET seq = -1 WHERE seq = 6; UPDATE events SET seq = 6 WHERE seq = 7; \
         UPDATE events SET seq = 7 WHERE seq = -1",
    )
    .await;
    let named =
        |row: &str| found.iter().any(|at| at.starts_with("out_of_order") && at.contains(row));
    assert!(named("row 6 ") && named("row 7 "), "{found:?}");
    let found = after(
        "UPDATE events SET run_seq = -1 WHERE seq = 2; UPDATE events SET run_seq = 2 WHERE seq = 3; \
         UPDATE events SET run_seq = 3 WHERE seq = 2",
    )
    .await;
    assert!(found.iter().any(|at| at.contains("row 2 ")), "{found:?}");
    assert!(found.iter().any(|at| at.contains("row 3 ")), "{found:?}");
}

#[tokio::test]
async fn a_row_that_was_made_to_follow_another_is_named() {
    let found = after("UPDATE events SET prev = 2 WHERE seq = 4").await;
    assert_eq!(found, ["edited row 4 (r1 event 4)"]);
    let found = after("UPDATE runs SET last = 3 WHERE id = 1").await;
    assert_eq!(found, ["edited r1"]);
}

#[tokio::test]
async fn an_edited_artifact_is_named() {
    let found = after("UPDATE artifacts SET bytes = x'00' WHERE bytes = CAST('bytes' AS BLOB)");
    let digest = kaizen_engine::digest::Digest::of(&[b"bytes"]).short();
    assert_eq!(found.await, [format!("edited artifact {digest}")]);
}

#[tokio::test]
async fn a_deleted_artifact_is_named_with_each_event_that_needs_it() {
    let found = after("DELETE FROM artifacts WHERE bytes = CAST('policy' AS BLOB)").await;
    let digest = kaizen_engine::digest::Digest::of(&[b"policy"]).short();
    assert_eq!(found, [format!("missing artifact {digest}"), format!("missing artifact {digest}")]);
}

#[tokio::test]
async fn an_edited_projection_is_named() {
    let found = after("UPDATE runs SET status = 'finished', outcome = 'kept' WHERE id = 1").await;
    assert_eq!(found, ["edited the row of r1"]);
    let found = after("UPDATE runs SET head = zeroblob(32) WHERE id = 2").await;
    assert_eq!(found, ["edited r2"]);
}

#[tokio::test]
async fn every_column_of_a_run_that_its_events_decide_is_compared() {
    for column in ["uuid", "workflow", "target", "created_at", "finished_at", "due_at"] {
        let found = after(&format!("UPDATE runs SET {column} = 'x' WHERE id = 1")).await;
        assert_eq!(found, ["edited the row of r1"], "{column}");
    }
    let found = after("UPDATE runs SET dry_run = 1 WHERE id = 2").await;
    assert_eq!(found, ["edited the row of r2"]);
}

#[tokio::test]
async fn an_edited_lease_of_a_target_is_named() {
    for sql in [
        "UPDATE target_leases SET run = 2",
        "UPDATE target_leases SET run = NULL",
        "UPDATE target_leases SET epoch = epoch + 1",
        "DELETE FROM target_leases",
    ] {
        assert_eq!(after(sql).await, ["edited the lease of app.db#main"], "{sql}");
    }
    let found = after("INSERT INTO target_leases VALUES ('other.db#main', 2, 1)").await;
    assert_eq!(found, ["extra the table target_leases"]);
}

#[tokio::test]
async fn a_schema_that_was_edited_is_named() {
    let place = journal().await;
    place.raw().execute_batch("DROP TRIGGER events_are_never_deleted").unwrap();
    assert_eq!(place.verify(), ["edited the schema of trigger events_are_never_deleted"]);
    let found = after("CREATE TABLE stowaway (id INTEGER)").await;
    assert_eq!(found, ["extra the schema of table stowaway"]);
}

#[tokio::test]
async fn an_edited_history_is_named() {
    let place = Place::new();
    let store = place.store();
    create(&store).await;
    let cancel = Command::Cancel { reason: "enough".to_owned() };
    let record = common::complete(Phase::RecordProvenance);
    transition(&store, 1, 1, vec![cancel, record]).await.unwrap();
    assert_eq!(place.verify(), Vec::<String>::new());
    let raw = place.raw();
    raw.execute_batch("UPDATE history SET outcome = 'kept'").unwrap();
    assert_eq!(place.verify(), ["edited the history row of r1 revision 1"]);
    raw.execute_batch("UPDATE history SET outcome = 'cancelled', event = event - 1").unwrap();
    assert_eq!(place.verify(), ["edited the history row of r1 revision 1"]);
    raw.execute_batch("UPDATE history SET event = event + 1").unwrap();
    raw.execute_batch("INSERT INTO history VALUES (1, 2, 'kept', 1)").unwrap();
    assert_eq!(place.verify(), ["extra the table history"]);
}

#[tokio::test]
async fn a_run_without_its_row_is_named() {
    let found = after("PRAGMA foreign_keys = OFF; DELETE FROM runs WHERE id = 2").await;
    assert!(found.iter().any(|at| at.contains("r2")), "{found:?}");
}
