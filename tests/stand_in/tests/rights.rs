//! Who may do what, by Kaizen's own scripts too, and what the catalogue tells.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{event, number, relay, rows, run, stage, trail};

#[tokio::test]
async fn a_restricted_user_may_insert_and_select_and_nothing_else() {
    let (server, mut client) = trail().await;
    server.restrict("prov");
    stage(&mut client, vec![event(1, "{}")]).await.unwrap();
    client.execute(relay::INSERT_EVENTS, &[]).await.unwrap();
    for sql in [
        "UPDATE kaizen.events SET kind = N'x'",
        "DELETE FROM kaizen.events",
        "DROP TABLE kaizen.events",
        "ALTER TABLE kaizen.events ADD more int NULL",
        "DISABLE TRIGGER ALL ON kaizen.events",
        "TRUNCATE TABLE kaizen.history",
    ] {
        assert_eq!(number(run(&mut client, sql).await), 229, "{sql}");
    }
    assert_eq!(number(run(&mut client, "CREATE TABLE kaizen.more (a int)").await), 262);
    let may = "SELECT HAS_PERMS_BY_NAME(N'kaizen.events', N'OBJECT', N'UPDATE')";
    assert_eq!(rows(&mut client, may).await.unwrap()[0].get::<i32, _>(0), Some(0));
    for sql in [
        "INSERT INTO kaizen.schema_history (version, name, applied_on, checksum) VALUES (0, '', '', '')",
        "INSERT INTO kaizen.trail (trail_id) VALUES (NEWID())",
    ] {
        assert_eq!(number(run(&mut client, sql).await), 229, "{sql}");
    }
    server.revoke("prov", "INSERT");
    assert_eq!(number(client.execute(relay::INSERT_EVENTS, &[]).await), 229);
    server.grant("prov", "INSERT");
    client.execute(relay::INSERT_EVENTS, &[]).await.unwrap();
}

#[tokio::test]
async fn a_script_of_grants_takes_effect() {
    let (server, mut client) = trail().await;
    server.tamper(
        "IF NOT EXISTS (SELECT 1 FROM sys.server_principals WHERE name = N'prov')
             CREATE LOGIN [prov] WITH PASSWORD = N'x';
         GO
         USE [kaizen];
         GO
         IF NOT EXISTS (SELECT 1 FROM sys.database_principals WHERE name = N'prov')
             CREATE USER [prov] FOR LOGIN [prov];
         GO
         GRANT SELECT, INSERT ON kaizen.events TO [prov];
         GRANT VIEW DEFINITION ON SCHEMA::kaizen TO [prov];",
    );
    run(&mut client, "SELECT COUNT(*) FROM kaizen.events").await.unwrap();
    assert_eq!(number(run(&mut client, "SELECT COUNT(*) FROM kaizen.trail").await), 229);
    assert_eq!(number(run(&mut client, "UPDATE kaizen.events SET kind = N''").await), 229);
    assert_eq!(number(run(&mut client, "GRANT SELECT ON kaizen.trail TO prov").await), 15247);
    server.tamper("GRANT SELECT ON SCHEMA::kaizen TO prov; DENY INSERT ON kaizen.events TO prov");
    run(&mut client, "SELECT COUNT(*) FROM kaizen.trail").await.unwrap();
    stage(&mut client, vec![event(1, "{}")]).await.unwrap();
    assert_eq!(number(client.execute(relay::INSERT_EVENTS, &[]).await), 229);
    server.tamper("ALTER ROLE db_owner ADD MEMBER prov; REVOKE INSERT ON kaizen.events FROM prov");
    client.execute(relay::INSERT_EVENTS, &[]).await.unwrap();
}

#[tokio::test]
async fn the_catalogue_tells_types_and_texts() {
    let (server, _client) = trail().await;
    let columns = server.query(
        "SELECT c.name, y.name, c.max_length, c.is_nullable FROM sys.columns AS c \
         INNER JOIN sys.types AS y ON y.user_type_id = c.user_type_id \
         WHERE c.object_id = OBJECT_ID(N'kaizen.history') AND c.column_id IN (2, 7, 14, 19)",
    );
    let expected = [
        ["run", "bigint", "8", "0"],
        ["analysis", "nvarchar", "-1", "1"],
        ["success_score", "decimal", "8", "1"],
        ["was_deployed", "bit", "8", "0"],
    ];
    assert_eq!(columns, expected);
    let text = server.query(
        "SELECT m.definition FROM sys.sql_modules AS m INNER JOIN sys.objects AS o \
         ON o.object_id = m.object_id WHERE o.name = N'events_only_grow'",
    );
    assert!(text[0][0].contains("CREATE TRIGGER kaizen.events_only_grow ON kaizen.events"));
    assert_eq!(server.query("SELECT COUNT(*) FROM sys.sql_modules"), [["8"]]);
}
