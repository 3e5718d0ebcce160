//! Scripts on a database, and everything that is asked around them: by hand of the modules, on a
//! stand-in, and with `-- --ignored` on the server that `KAIZEN_TEST_SQLSERVER` names: a login that may
//! make databases, with `Database=master`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use kaizen_engine::workflow::Sqlserver;
use kaizen_stand_in::StandIn;
use kaizen_steps::{
    adapters::mssql::{Connector, Uuid},
    payload::CheckResult,
    sql::tsql,
    targets::sqlserver::{
        catalogue, limits, observe,
        script::{self, Error, Script, State},
        watch,
    },
};
use std::time::Duration;

const LOCK: Duration = Duration::from_secs(5);

/// What a DBA makes of a database before Kaizen may change it.
const MADE: [&str; 5] = [
    "CREATE SCHEMA kaizen",
    "CREATE TABLE kaizen.applied (run_id uniqueidentifier NOT NULL, effect nvarchar(40) NOT NULL, \
     state nvarchar(10) NOT NULL, epoch bigint NOT NULL, digest char(64) NOT NULL, applied_at \
     datetime2(6) NOT NULL DEFAULT SYSUTCDATETIME(), CONSTRAINT applied_key PRIMARY KEY (run_id, \
     effect, state, epoch))",
    "CREATE TABLE dbo.Orders (Id int NOT NULL PRIMARY KEY, CustomerId int NOT NULL, Total int NOT NULL)",
    "INSERT INTO dbo.Orders (Id, CustomerId, Total) VALUES (1, 1, 10), (2, 1, 20), (3, 2, 30)",
    "CREATE VIEW dbo.Totals AS SELECT o.CustomerId, o.Total FROM dbo.Orders AS o",
];

fn script(statements: &[&str], effect: &str, epoch: i64) -> Script {
    let statements: Vec<String> = statements.iter().map(|sql| (*sql).to_owned()).collect();
    let probed = tsql::is_probed(&statements);
    Script { statements, run: Uuid::from_u128(7), effect: effect.to_owned(), epoch, probed }
}

/// Deploys a script, finds it done, refuses what is stale or another, and takes it back.
async fn there_and_back(connector: &Connector, up: &[&str], probed: bool) {
    let session = &mut connector.session().await.unwrap();
    let before = catalogue::schema(session).await.unwrap();
    let up = script(up, "up", 3);
    assert_eq!(up.probed, probed);
    assert_eq!(script::probe(session, &up).await.unwrap(), State::NotDone);
    script::apply(session, &up, LOCK).await.unwrap();
    assert!(matches!(script::probe(session, &up).await.unwrap(), State::Done { at_s: Some(_) }));
    let changed = catalogue::schema(session).await.unwrap();
    assert_ne!(changed.digest, before.digest);
    assert_ne!(changed.objects["dbo.orders"], before.objects["dbo.orders"]);
    assert_eq!(changed.objects["dbo.totals"], before.objects["dbo.totals"]);
    // Once more changes nothing; an older process is fenced, and another script is named.
    script::apply(session, &up, LOCK).await.unwrap();
    let stale = script::apply(session, &Script { epoch: 2, ..up.clone() }, LOCK).await;
    // A session that met an error is of no further use: it may hold a transaction.
    *session = connector.session().await.unwrap();
    assert!(matches!(stale, Err(Error::StaleEpoch { epoch: 2, newest: 3 })), "{stale:?}");
    let other = script(&["CREATE INDEX other ON dbo.Orders (Total)"], "up", 4);
    let other = script::apply(session, &other, LOCK).await;
    *session = connector.session().await.unwrap();
    assert!(matches!(other, Err(Error::OtherScript { .. })), "{other:?}");
    let down = Script { probed, ..script(&["DROP INDEX by_customer ON dbo.Orders"], "down", 4) };
    script::apply(session, &down, LOCK).await.unwrap();
    assert_eq!(catalogue::schema(session).await.unwrap(), before);
}

async fn everything(connector: &Connector, on: On) {
    let mut session = connector.session().await.unwrap();
    for sql in MADE {
        session.run(sql).await.unwrap();
    }
    let offline = "CREATE INDEX by_customer ON dbo.Orders (CustomerId) INCLUDE (Total)";
    there_and_back(connector, &[offline], false).await;
    session.run("DROP TABLE kaizen.applied").await.unwrap();
    session.run(MADE[1]).await.unwrap();
    let online = "CREATE INDEX by_customer ON dbo.Orders (CustomerId DESC) INCLUDE (Total) WITH \
                  (ONLINE = ON (WAIT_AT_LOW_PRIORITY (MAX_DURATION = 1 MINUTES, ABORT_AFTER_WAIT = SELF)), \
                  RESUMABLE = ON, MAXDOP = 1)";
    there_and_back(connector, &[online], true).await;

    assert!(!catalogue::identity(&mut session).await.unwrap().is_empty());
    let clock = catalogue::clock(&mut session).await.unwrap();
    assert!(clock > 1_700_000_000, "{clock}");
    assert!(!catalogue::tunes_itself(&mut session).await.unwrap());
    let statements = [online.to_owned()];
    let room = limits::room(connector, &statements, &Sqlserver::default()).await.unwrap();
    assert_eq!(room.lacks(), None);
    if let On::SqlServer = on {
        session.run("ALTER DATABASE CURRENT SET QUERY_STORE = ON").await.unwrap();
        for check in &room.checks {
            assert_eq!(check.result, CheckResult::Passed, "{check:?}");
        }
        assert!(watch::state(&mut session).await.unwrap().is_some());
        assert_eq!(watch::blocked(&mut session).await.unwrap(), Some(0));
        let lines = observe::lines(&mut session).await.unwrap();
        assert!(lines.contains("\"section\":\"server\""), "{lines}");
    }
    let tables = tsql::tables(&statements);
    let seen = watch::seen(&mut session, &tables, (clock - 60, clock), (clock, clock, 0)).await;
    assert!(seen.unwrap().after.is_empty());
}

#[derive(Clone, Copy)]
enum On {
    StandIn,
    SqlServer,
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_go_there_and_back() {
    let server = StandIn::start();
    server.tamper(
        "INSERT INTO sys.dm_db_log_space_usage VALUES (10.0)\nGO\n\
         INSERT INTO sys.dm_db_partition_stats VALUES (0, 1, 3, 1)",
    );
    let connector = Connector::parse("the stand-in", &server.connection_string()).unwrap();
    everything(&connector, On::StandIn).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a server: KAIZEN_TEST_SQLSERVER"]
async fn scripts_go_there_and_back_on_sql_server() {
    let master = std::env::var("KAIZEN_TEST_SQLSERVER").expect("KAIZEN_TEST_SQLSERVER");
    let database = format!("kaizen_target_{}", std::process::id());
    let mut admin = Connector::parse("master", &master).unwrap().session().await.unwrap();
    admin.run(&format!("CREATE DATABASE {database}")).await.unwrap();
    let here = master.replace("Database=master", &format!("Database={database}"));
    let connector = Connector::parse("the target", &here).unwrap();
    let tried = tokio::spawn(async move { everything(&connector, On::SqlServer).await }).await;
    admin
        .run(&format!("ALTER DATABASE {database} SET SINGLE_USER WITH ROLLBACK IMMEDIATE"))
        .await
        .unwrap();
    admin.run(&format!("DROP DATABASE {database}")).await.unwrap();
    tried.unwrap();
}
