//! T-SQL beyond what the relay sends today: forms that its SQL may grow into.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{connect, number, rows, run, trail};
use kaizen_stand_in::StandIn;

async fn first(client: &mut common::Sql, sql: &str) -> Option<i32> {
    rows(client, sql).await.unwrap_or_else(|error| panic!("{error}\n{sql}"))[0].get(0)
}

#[tokio::test]
async fn queries_of_many_forms_give_what_they_should() {
    let (server, mut client) = trail().await;
    server.tamper(
        "CREATE TABLE dbo.n (id int IDENTITY(1, 1) PRIMARY KEY, a int NULL, b nvarchar(20) NULL)
         GO
         INSERT INTO dbo.n (a, b) VALUES (1, N'one'), (2, N'two'), (NULL, N'it''s  '), (4, NULL)",
    );
    for (sql, expected) in [
        ("SELECT COUNT(*) FROM n", 4),
        ("SELECT COUNT(*) FROM [kaizen].[dbo].[n] WITH (UPDLOCK, HOLDLOCK) OPTION (RECOMPILE)", 4),
        ("SELECT COUNT(a) FROM dbo.n AS x WHERE x.b LIKE N't%'", 1),
        ("SELECT LEN(b) FROM dbo.n WHERE id = 3", 4),
        ("SELECT DATALENGTH(b) FROM dbo.n WHERE id = 3", 12),
        ("SELECT ISNULL(a, 9) FROM dbo.n WHERE id = 3", 9),
        ("SELECT TOP 1 a FROM dbo.n WHERE a > 1 ORDER BY a DESC", 4),
        ("SELECT SUM(v.a) FROM (SELECT TOP (2) a FROM dbo.n ORDER BY id) AS v", 3),
        ("WITH c (x) AS (SELECT a FROM dbo.n WHERE a IS NOT NULL) SELECT MAX(x) FROM c", 4),
        ("SELECT CASE WHEN EXISTS (SELECT 1 FROM dbo.n WHERE a = 7) THEN 1 ELSE 0 END", 0),
        ("SELECT CONVERT(int, N'12')", 12),
        ("SELECT TRY_CAST(N'x' AS int)", -1),
        ("SELECT CHARINDEX(N'w', b) FROM dbo.n WHERE id = 2", 2),
        ("SELECT CAST(CAST(0x0102 AS varbinary(8)) AS int) -- and a comment", 258),
        ("SELECT /* nested /* comment */ */ 5", 5),
        ("SELECT COUNT(*) FROM sys.columns WHERE object_id = OBJECT_ID(N'[kaizen].[events]')", 13),
        ("SELECT COUNT(*) FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = 'kaizen'", 7),
        ("SELECT SCHEMA_ID(N'nowhere')", -1),
        ("SELECT OBJECT_ID(N'dbo.nowhere', N'U')", -1),
        ("IF 1 = 2 SELECT 1 ELSE IF EXISTS (SELECT 1 FROM dbo.n) SELECT 8", 8),
        ("DECLARE @a int = 3, @b int; SET @b = @a + 4; IF @b > 6 BEGIN SELECT @b; END", 7),
        ("EXEC sp_executesql N'SELECT 6'", 6),
        ("SELECT nothing.a FROM dbo.n AS nothing WHERE nothing.id = 1", 1),
        (
            "SELECT n.a FROM dbo.n AS n INNER JOIN (VALUES (2), (3)) AS v (id) ON v.id = n.id \
          WHERE n.a IS NOT NULL",
            2,
        ),
    ] {
        let found = first(&mut client, sql).await.unwrap_or(-1);
        assert_eq!(found, expected, "{sql}");
    }
    let shown = server.query("SELECT b + N'!' , a FROM dbo.n WHERE id IN (1, 4) ORDER BY id");
    assert_eq!(shown, [["one!", "1"], ["NULL", "4"]]);
}

#[tokio::test]
async fn an_identity_is_no_target_of_a_bulk_load() {
    let server = StandIn::start();
    let mut client = connect(&server).await;
    run(&mut client, "CREATE TABLE dbo.i (id int IDENTITY PRIMARY KEY, a int NOT NULL)")
        .await
        .unwrap();
    let mut load = client.bulk_insert("dbo.i").await.unwrap();
    for a in [5, 6] {
        load.send(tiberius::IntoRow::into_row(a)).await.unwrap();
    }
    load.finalize().await.unwrap();
    assert_eq!(server.query("SELECT id, a FROM dbo.i ORDER BY id"), [["1", "5"], ["2", "6"]]);
}

#[tokio::test]
async fn transactions_nest_have_names_and_savepoints() {
    let server = StandIn::start();
    let mut client = connect(&server).await;
    run(&mut client, "CREATE TABLE dbo.t (a int NOT NULL)").await.unwrap();
    for (sql, expected) in [
        ("BEGIN TRAN T1; INSERT INTO dbo.t VALUES (1); ROLLBACK TRAN T1", "0"),
        ("SET XACT_ABORT ON BEGIN TRAN T1 INSERT INTO dbo.t VALUES (1) COMMIT TRAN T1", "1"),
        ("BEGIN TRAN; BEGIN TRAN; INSERT INTO dbo.t VALUES (2); COMMIT; ROLLBACK", "1"),
        (
            "BEGIN TRAN; INSERT INTO dbo.t VALUES (3); SAVE TRAN s; INSERT INTO dbo.t VALUES (4); \
             ROLLBACK TRAN s; COMMIT; IF @@TRANCOUNT > 0 ROLLBACK",
            "2",
        ),
    ] {
        run(&mut client, sql).await.unwrap();
        assert_eq!(server.query("SELECT COUNT(*) FROM dbo.t"), [[expected]], "{sql}");
    }
    client.begin_transaction().await.unwrap();
    client.execute("INSERT INTO dbo.t VALUES (@P1)", &[&5]).await.unwrap();
    client.rollback_transaction().await.unwrap();
    assert_eq!(server.query("SELECT COUNT(*) FROM dbo.t"), [["2"]]);
}

#[tokio::test]
async fn definitions_of_many_forms_are_taken() {
    let (server, mut client) = trail().await;
    for sql in [
        "CREATE UNIQUE NONCLUSTERED INDEX more ON kaizen.history (seq) INCLUDE (run) WHERE seq > 1",
        "DROP INDEX more ON kaizen.history",
        "CREATE OR ALTER VIEW kaizen.seen AS SELECT TOP (5) e.seq FROM kaizen.events AS e",
        "CREATE OR ALTER VIEW kaizen.seen AS SELECT e.seq, e.run FROM kaizen.events AS e",
        "ALTER TABLE kaizen.journals ADD note nvarchar(10) NULL, mark int NOT NULL DEFAULT 0",
        "CREATE ROLE kaizen_writer; GRANT SELECT, INSERT ON SCHEMA::kaizen TO kaizen_writer",
        "DENY UPDATE, DELETE ON kaizen.events TO kaizen_writer",
        "DECLARE @r int; EXEC @r = sp_getapplock @Resource = N'kaizen', @LockMode = N'Exclusive'",
        "IF OBJECT_ID(N'kaizen.seen', N'V') IS NOT NULL DROP VIEW kaizen.seen",
        "IF OBJECT_ID(N'tempdb..#t') IS NULL CREATE TABLE #t (a int); DROP TABLE #t",
        "DROP TABLE IF EXISTS dbo.nowhere",
        "DROP TRIGGER kaizen.trail_only_grows",
    ] {
        run(&mut client, sql).await.unwrap_or_else(|error| panic!("{error}\n{sql}"));
    }
    assert_eq!(number(run(&mut client, "DROP TABLE dbo.nowhere").await), 3701);
    assert_eq!(number(run(&mut client, "THROW 50123, N'mine', 2").await), 50123);
    assert_eq!(number(run(&mut client, "CREATE TABLE dbo.g (a int)\nGO").await), 102);
    assert_eq!(number(run(&mut client, "SELECT 'open").await), 105);
    let marks = server.query("SELECT note, mark FROM kaizen.journals");
    assert_eq!(marks, [["NULL", "0"]]);
}

#[tokio::test]
async fn types_of_results_follow_the_columns_through_views_and_expressions() {
    let (_server, mut client) = trail().await;
    let columns = client
        .column_metadata("kaizen.events", &["*"])
        .await
        .unwrap()
        .iter()
        .map(|column| (column.to_string(), column.base().is_nullable()))
        .collect::<Vec<_>>();
    assert_eq!(columns[0], ("[journal_id] uniqueidentifier".to_owned(), false));
    assert_eq!(columns[1], ("[seq] bigint".to_owned(), false));
    assert_eq!(columns[5], ("[happened_at] datetime2(6)".to_owned(), true));
    assert_eq!(columns[9], ("[event] nvarchar(max)".to_owned(), false));
    assert_eq!(columns[10], ("[event_hash] char(64)".to_owned(), false));
    let types = client
        .column_metadata("kaizen.runs", &["run", "last_event", "MAX(events)", "COUNT(*)"])
        .await;
    // An identifier of a bulk load may not be an expression of every kind: these two are.
    let types: Vec<String> = types.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(types[2..], ["[] bigint", "[] int"]);
    assert_eq!(types[..2], ["[run] bigint", "[last_event] nvarchar(200)"]);
}

#[tokio::test]
async fn what_a_call_leaves_behind_is_undone_or_an_error() {
    let server = StandIn::start();
    let mut client = connect(&server).await;
    client.execute("CREATE TABLE #gone (a int)", &[]).await.unwrap();
    assert_eq!(number(run(&mut client, "SELECT a FROM #gone").await), 208);
    run(&mut client, "EXEC (N'CREATE TABLE #gone (a int)')").await.unwrap();
    assert_eq!(number(run(&mut client, "SELECT a FROM #gone").await), 208);
    assert_eq!(number(client.execute("BEGIN TRANSACTION", &[]).await), 266);
    run(&mut client, "BEGIN TRANSACTION").await.unwrap();
    assert_eq!(number(client.execute("COMMIT TRANSACTION", &[]).await), 266);
    let view = "CREATE VIEW dbo.v AS SELECT 1 AS a";
    assert_eq!(number(run(&mut client, &format!("SELECT 1; {view}")).await), 111);
    assert_eq!(number(run(&mut client, "IF 1 = 1 CREATE SCHEMA s").await), 156);
    run(&mut client, "CREATE TABLE #v (a int)").await.unwrap();
    for (rows, refused) in [(1_000, false), (1_001, true)] {
        let values = vec!["(1)"; rows].join(", ");
        let result = run(&mut client, &format!("INSERT INTO #v (a) VALUES {values}")).await;
        assert_eq!(result.is_err(), refused, "{rows}");
    }
    let many: Vec<&dyn tiberius::ToSql> = vec![&1_i32; 2_099];
    client.execute("SELECT @P2098", &many[..2_098]).await.unwrap();
    let error = client.execute("SELECT @P2099", &many).await;
    assert_eq!(number(error), 8003);
}
