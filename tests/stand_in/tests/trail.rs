//! Kaizen's own SQL through tiberius: the migration, staging in bulk, inserting what is missing,
//! reading back, and what the trail refuses.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{connect, event, number, relay, rows, run, stage, text, trail};
use kaizen_stand_in::batches;
use tiberius::{ColumnData, TokenRow, Uuid, numeric::Numeric, time::chrono::NaiveDateTime};

fn journal() -> Uuid {
    Uuid::parse_str(common::JOURNAL).unwrap()
}

#[tokio::test]
async fn the_migration_installs_the_trail_and_its_catalogue() {
    let (server, mut client) = trail().await;
    let found = rows(&mut client, relay::INSTALLED).await.unwrap();
    assert_eq!(found[0].get::<i32, _>("found"), Some(3));
    let trail = rows(&mut client, relay::TRAIL).await.unwrap();
    assert!(trail[0].get::<Uuid, _>(0).is_some());
    let version = rows(&mut client, relay::VERSION).await.unwrap();
    assert_eq!(version[0].get::<i32, _>("version"), None);
    let guards = "SELECT t.name, t.is_disabled FROM sys.triggers AS t INNER JOIN sys.tables AS o \
         ON o.object_id = t.parent_id WHERE t.is_disabled = 0 ORDER BY t.name";
    assert_eq!(rows(&mut client, guards).await.unwrap().len(), 6);
    assert_eq!(server.logins(), 1);
    assert!(server.statements().iter().any(|sql| sql == relay::TRAIL));
    // Run again, nothing is made twice.
    run(&mut client, common::SCHEMA).await.unwrap();
    run(&mut client, common::SCHEMA_HISTORY).await.unwrap();
    assert_eq!(number(run(&mut client, "CREATE SCHEMA kaizen").await), 2714);
    assert_eq!(number(run(&mut client, "CREATE TABLE kaizen.trail (a int)").await), 2714);
}

#[tokio::test]
async fn what_is_missing_is_inserted_once() {
    let (_server, mut client) = trail().await;
    assert_eq!(common::add_journal(&mut client).await, 0);
    for (upto, added) in [(100, 100), (150, 50)] {
        run(&mut client, "BEGIN TRANSACTION").await.unwrap();
        let staged = (1..=upto).map(|seq| event(seq, "{}")).collect();
        assert_eq!(stage(&mut client, staged).await.unwrap(), upto as u64);
        assert!(rows(&mut client, relay::FORGED).await.unwrap().is_empty());
        let inserted = client.execute(relay::INSERT_EVENTS, &[]).await.unwrap();
        assert_eq!(inserted.total(), added);
        run(&mut client, "COMMIT TRANSACTION").await.unwrap();
    }
    let end = client.query(relay::END, &[&journal()]).await.unwrap();
    let end = end.into_row().await.unwrap().unwrap();
    assert_eq!(end.get::<i64, _>("seq"), Some(150));
    assert_eq!(end.get::<&str, _>("journal_hash"), Some(format!("{:064x}", 1050)).as_deref());
    let read = client.query(relay::READ_EVENTS, &[&journal(), &149_i64]).await.unwrap();
    let read = read.into_first_result().await.unwrap();
    assert_eq!(read.len(), 1);
    let row = &read[0];
    assert_eq!(row.get::<Uuid, _>("run_id"), Some(Uuid::from_u128(3)));
    assert_eq!(row.get::<&str, _>("actor"), None);
    assert_eq!(row.get::<&str, _>("event"), Some("{}"));
    let at: NaiveDateTime = row.get("happened_at").unwrap();
    assert_eq!(at.format("%H:%M:%S%.6f").to_string(), "00:00:00.000150");
    assert!(row.get::<NaiveDateTime, _>("received_at").is_some());
    let runs = rows(&mut client, "SELECT run, events, outcome FROM kaizen.runs ORDER BY run").await;
    assert_eq!(runs.unwrap().len(), 3);
    // Other contents under a known number are found.
    stage(&mut client, vec![event(3, "{\"forged\":1}")]).await.unwrap();
    let forged = rows(&mut client, relay::FORGED).await.unwrap();
    assert_eq!(forged[0].get::<i64, _>("seq"), Some(3));
}

#[tokio::test]
async fn the_trail_refuses_update_and_delete_even_where_no_row_is_touched() {
    let (server, mut client) = trail().await;
    stage(&mut client, vec![event(1, "{}")]).await.unwrap();
    client.execute(relay::INSERT_EVENTS, &[]).await.unwrap();
    for sql in [
        "UPDATE kaizen.events SET kind = N'x'",
        "DELETE FROM kaizen.events WHERE seq = 1",
        "DELETE FROM kaizen.events WHERE seq = 99",
        "UPDATE e SET kind = N'x' FROM kaizen.events AS e WHERE e.seq = 99",
    ] {
        let error = run(&mut client, sql).await.unwrap_err();
        let tiberius::error::Error::Server(error) = error else { panic!("{error:?}") };
        assert_eq!((error.code(), error.class()), (50001, 16), "{sql}");
        assert_eq!(error.message(), "the trail is append-only: no UPDATE, no DELETE");
    }
    assert_eq!(number(run(&mut client, "TRUNCATE TABLE kaizen.events").await), 4712);
    // The administrator can, and the guard shows that it was off.
    server.tamper("DISABLE TRIGGER ALL ON kaizen.events");
    assert_eq!(server.tamper("UPDATE kaizen.events SET kind = N'x' WHERE seq = 1"), 1);
    let off = server.query("SELECT name FROM sys.triggers WHERE is_disabled = 1");
    assert_eq!(off, [["events_only_grow"]]);
    server.tamper("ENABLE TRIGGER events_only_grow ON kaizen.events");
    assert_eq!(number(run(&mut client, "DELETE FROM kaizen.events").await), 50001);
}

#[tokio::test]
async fn violations_have_the_numbers_of_sql_server_and_roll_back() {
    let (server, mut client) = trail().await;
    let insert = "INSERT INTO kaizen.trail (trail_id) SELECT trail_id FROM kaizen.trail";
    let error = run(&mut client, insert).await.unwrap_err();
    let tiberius::error::Error::Server(error) = error else { panic!("{error:?}") };
    assert_eq!((error.code(), error.class()), (2627, 14));
    assert!(error.message().contains("PRIMARY KEY constraint 'trail_key'"), "{error}");
    let event = |columns: &str, values: &str| {
        format!(
            "INSERT INTO kaizen.events (journal_id, run_id, event, event_hash, journal_hash, seq, \
             run, run_seq {columns}) SELECT {values} FROM kaizen.trail"
        )
    };
    let id = common::JOURNAL;
    let cases = [
        (
            "INSERT INTO kaizen.history (journal_id, run, revision, seq, run_id, outcome, \
             tests_passed, tests_failed, was_deployed, was_rolled_back, started_at, completed_at) \
             SELECT NEWID(), 1, 1, 1, NEWID(), N'kept', 0, 0, 0, 0, SYSUTCDATETIME(), \
             SYSUTCDATETIME() FROM kaizen.trail"
                .to_owned(),
            547,
        ),
        (event("", &format!("'{id}', NEWID(), N'', 'a', 'b', 0, 1, 1")), 547),
        (event("", &format!("'{id}', NEWID(), NULL, 'a', 'b', 1, 1, 1")), 515),
        (
            event(
                ", kind",
                &format!("'{id}', NEWID(), N'', 'a', 'b', 1, 1, 1, REPLICATE('x', 101)"),
            ),
            2628,
        ),
        ("SELECT 1 FROM kaizen.nothing".to_owned(), 208),
        ("SELECT nothing FROM kaizen.events".to_owned(), 207),
        ("SELECT nothing(1)".to_owned(), 195),
        ("SELEC 1".to_owned(), 102),
        ("SELECT @missing".to_owned(), 137),
        ("COMMIT TRANSACTION".to_owned(), 3902),
        ("SELECT CAST(N'x' AS int)".to_owned(), 245),
        ("EXEC dbo.nothing".to_owned(), 2812),
    ];
    for (sql, expected) in cases {
        run(&mut client, "BEGIN TRANSACTION").await.unwrap();
        run(&mut client, "INSERT INTO kaizen.trail (trail_id) VALUES (NEWID())").await.unwrap();
        if expected == 3902 {
            run(&mut client, "ROLLBACK").await.unwrap();
        }
        let result = run(&mut client, &sql).await;
        assert!(result.is_err(), "{sql}");
        assert_eq!(number(result), expected, "{sql}");
        let open = rows(&mut client, "SELECT @@TRANCOUNT").await.unwrap();
        assert_eq!(open[0].get::<i32, _>(0), Some(0), "{sql}");
    }
    assert_eq!(server.query("SELECT COUNT(*) FROM kaizen.trail"), [["1"]]);
}

#[tokio::test]
async fn history_comes_back_with_its_digits() {
    let (server, mut client) = trail().await;
    stage(&mut client, vec![event(1, "{}")]).await.unwrap();
    client.execute(relay::INSERT_EVENTS, &[]).await.unwrap();
    let at = || {
        ColumnData::DateTime2(Some(tiberius::time::DateTime2::new(
            tiberius::time::Date::new(739_000),
            tiberius::time::Time::new(1, 6),
        )))
    };
    let mut row = TokenRow::new();
    row.push(ColumnData::Guid(Some(journal())));
    row.push(ColumnData::I64(Some(1)));
    row.push(ColumnData::I32(Some(1)));
    row.push(ColumnData::I64(Some(1)));
    row.push(ColumnData::Guid(Some(Uuid::from_u128(1))));
    row.push(text("deployed"));
    for _ in 0..7 {
        row.push(ColumnData::String(None));
    }
    row.push(text("0.95"));
    row.push(ColumnData::I32(Some(3)));
    row.push(ColumnData::I32(Some(0)));
    row.push(text("-12.345678"));
    row.push(ColumnData::String(None));
    row.push(ColumnData::I32(Some(1)));
    row.push(ColumnData::I32(Some(0)));
    row.push(at());
    row.push(at());
    row.push(ColumnData::DateTime2(None));
    row.push(ColumnData::String(None));
    let mut load = client.bulk_insert("#history").await.unwrap();
    load.send(row).await.unwrap();
    load.finalize().await.unwrap();
    assert_eq!(client.execute(relay::INSERT_HISTORY, &[]).await.unwrap().total(), 1);
    assert_eq!(client.execute(relay::INSERT_HISTORY, &[]).await.unwrap().total(), 0);
    let read = client.query(relay::READ_HISTORY, &[&journal(), &0_i64, &9_i64]).await.unwrap();
    let read = read.into_row().await.unwrap().unwrap();
    assert_eq!(read.get::<f64, _>("success_score"), Some(0.95));
    assert_eq!(read.get::<f64, _>("performance_delta"), Some(-12.3457));
    assert_eq!(read.get::<i32, _>("was_deployed"), Some(1));
    let view = "SELECT SuccessScore, WasDeployed, Outcome FROM dbo.AutonomousImprovementHistory";
    let view = rows(&mut client, view).await.unwrap();
    assert_eq!(view[0].get::<Numeric, _>(0), Some(Numeric::new_with_scale(9500, 4)));
    assert_eq!(view[0].get::<bool, _>(1), Some(true));
    drop(server);
}

#[tokio::test]
async fn artifacts_are_read_in_order_of_their_digest() {
    let (_server, mut client) = trail().await;
    run(&mut client, relay::STAGE).await.unwrap();
    let mut load = client.bulk_insert("#artifacts").await.unwrap();
    for digit in 0..5_u8 {
        let mut row = TokenRow::new();
        row.push(ColumnData::Guid(Some(journal())));
        row.push(text(format!("{digit:064x}")));
        row.push(ColumnData::Binary(Some(vec![digit; usize::from(digit) * 1000].into())));
        load.send(row).await.unwrap();
    }
    assert_eq!(load.finalize().await.unwrap().total(), 5);
    client.execute(relay::INSERT_ARTIFACTS, &[]).await.unwrap();
    let after = format!("{:064x}", 1);
    let read = client.query(relay::READ_ARTIFACTS, &[&journal(), &after.as_str()]).await.unwrap();
    let read = read.into_first_result().await.unwrap();
    let sizes: Vec<usize> = read.iter().map(|row| row.get::<&[u8], _>(1).unwrap().len()).collect();
    assert_eq!(sizes, [2000, 3000, 4000]);
}

#[tokio::test]
async fn two_connections_write_one_after_the_other() {
    let (server, mut first) = trail().await;
    let mut second = connect(&server).await;
    run(&mut first, "BEGIN TRANSACTION").await.unwrap();
    stage(&mut first, (1..=10).map(|seq| event(seq, "{}")).collect()).await.unwrap();
    first.execute(relay::INSERT_EVENTS, &[]).await.unwrap();
    // Not seen before it is committed.
    let count = "SELECT COUNT(*) FROM kaizen.events";
    assert_eq!(rows(&mut second, count).await.unwrap()[0].get::<i32, _>(0), Some(0));
    let other = tokio::spawn(async move {
        run(&mut second, "BEGIN TRANSACTION").await.unwrap();
        stage(&mut second, (1..=20).map(|seq| event(seq, "{}")).collect()).await.unwrap();
        let added = second.execute(relay::INSERT_EVENTS, &[]).await.unwrap().total();
        run(&mut second, "COMMIT TRANSACTION").await.unwrap();
        added
    });
    first.commit_transaction().await.unwrap();
    assert_eq!(other.await.unwrap(), 10);
    assert_eq!(server.query(count), [["20"]]);
}

/// Whatever the relay sends by now: not what it returns, but that it is understood.
#[tokio::test]
async fn every_statement_of_the_relay_is_understood() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/steps/src/provenance/sql");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    // The staging tables first.
    files.sort_by_key(|path| (!path.ends_with("stage.sql"), path.clone()));
    assert!(files.len() > 5);
    let (_server, mut client) = trail().await;
    for path in files {
        for sql in batches(&std::fs::read_to_string(&path).unwrap()) {
            let count = (1..=99).take_while(|n| sql.contains(&format!("@P{n}"))).count();
            let result = if count == 0 {
                run(&mut client, &sql).await
            } else {
                let zeros: Vec<&dyn tiberius::ToSql> = vec![&0_i64; count];
                client.execute(sql, &zeros).await.map(|_| ())
            };
            // Zeros may break a constraint; that comes after understanding.
            if result.is_err() {
                let number = number(result);
                assert!(matches!(number, 515 | 547 | 2627 | 2628), "{}: {number}", path.display());
            }
        }
    }
}
