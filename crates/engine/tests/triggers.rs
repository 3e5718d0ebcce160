//! What the schema itself refuses, whoever asks: a raw connection stands for any other program.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{Place, approved, create};

async fn journal() -> Place {
    let place = Place::new();
    let store = place.store();
    approved(&store).await;
    create(&store).await;
    store.write(|tx| tx.put_artifact(b"bytes")).await.unwrap();
    place
}

fn refused(place: &Place, sql: &str) -> String {
    place.raw().execute(sql, []).expect_err(sql).to_string()
}

#[tokio::test]
async fn events_and_artifacts_are_append_only() {
    let place = journal().await;
    for (sql, why) in [
        ("UPDATE events SET event = '{}' WHERE seq = 2", "no UPDATE"),
        ("UPDATE events SET epoch = epoch", "no UPDATE"),
        ("DELETE FROM events WHERE seq = 1", "no DELETE"),
        ("DELETE FROM events", "no DELETE"),
        ("UPDATE artifacts SET bytes = x'00'", "no UPDATE"),
        ("DELETE FROM artifacts", "no DELETE"),
        ("REPLACE INTO events SELECT * FROM events WHERE seq = 2", "gap in the sequence"),
    ] {
        let said = refused(&place, sql);
        assert!(said.contains(why), "{sql}: {said}");
    }
    assert_eq!(place.verify(), Vec::<String>::new());
}

#[tokio::test]
async fn a_gap_or_a_stale_epoch_is_not_appended() {
    let place = journal().await;
    let last: i64 =
        place.raw().query_row("SELECT max(seq) FROM events", [], |row| row.get(0)).unwrap();
    let insert = |seq: i64, run: i64, run_seq: i64, prev: i64, epoch: i64| {
        format!(
            "INSERT INTO events VALUES ({seq}, {run}, {run_seq}, {prev}, {epoch}, '{{}}', \
             zeroblob(32), zeroblob(32))"
        )
    };
    for (sql, why) in [
        (insert(last + 2, 2, 2, last, 1), "gap in the sequence of the journal"),
        (insert(0, 2, 2, last, 1), "gap in the sequence of the journal"),
        (insert(last, 2, 2, last, 1), "UNIQUE constraint failed"),
        (insert(last + 1, 2, 3, last, 1), "gap in the sequence of the run"),
        (insert(last + 1, 2, 2, last - 1, 1), "gap in the sequence of the run"),
        (insert(last + 1, 2, 1, last, 1), "gap in the sequence of the run"),
        (insert(last + 1, 2, 2, last, 0), "stale lease epoch"),
        (insert(last + 1, 2, 2, last, 2), "stale lease epoch"),
        (insert(last + 1, 9, 1, last, 1), "stale lease epoch"),
    ] {
        let said = refused(&place, &sql);
        assert!(said.contains(why), "{sql}: {said}");
    }
}
