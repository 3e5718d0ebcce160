//! A client of the stand-in, and Kaizen's trail in it.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use kaizen_stand_in::{StandIn, batches};
use tiberius::{Client, ColumnData, Config, Row, TokenRow, Uuid, error::Error};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};

pub type Sql = Client<Compat<TcpStream>>;

pub const JOURNAL: &str = "0198c0de-0000-7000-8000-000000000001";

pub const SCHEMA: &str = "IF NOT EXISTS (SELECT 1 FROM sys.schemas WHERE name = N'kaizen') \
     EXEC (N'CREATE SCHEMA kaizen');";

pub const SCHEMA_HISTORY: &str = "IF NOT EXISTS (
        SELECT 1 FROM sys.tables AS t INNER JOIN sys.schemas AS s ON s.schema_id = t.schema_id
        WHERE s.name = N'kaizen' AND t.name = N'schema_history'
    )
    CREATE TABLE kaizen.schema_history (
        version int NOT NULL PRIMARY KEY,
        name varchar(255) NOT NULL,
        applied_on varchar(255) NOT NULL,
        checksum varchar(255) NOT NULL
    )";

const MIGRATION: &str = include_str!("../../../../sql/server/migrations/V1__trail.sql");

/// What the relay sends.
pub mod relay {
    macro_rules! sql {
        ($name:literal) => {
            include_str!(concat!("../../../../crates/steps/src/provenance/sql/", $name, ".sql"))
        };
    }
    pub const STAGE: &str = sql!("stage");
    pub const ADD_JOURNAL: &str = sql!("add_journal");
    pub const INSERT_EVENTS: &str = sql!("insert_events");
    pub const READ_EVENTS: &str = sql!("read_events");
    pub const FORGED: &str = sql!("forged");
    pub const END: &str = sql!("end");
    pub const INSTALLED: &str = sql!("installed");
    pub const TRAIL: &str = sql!("trail");
    pub const VERSION: &str = sql!("version");
    pub const INSERT_HISTORY: &str = sql!("insert_history");
    pub const READ_HISTORY: &str = sql!("read_history");
    pub const INSERT_ARTIFACTS: &str = sql!("insert_artifacts");
    pub const READ_ARTIFACTS: &str = sql!("read_artifacts");
}

pub async fn connect_with(text: &str) -> Result<Sql, Error> {
    let config = Config::from_ado_string(text)?;
    let tcp = TcpStream::connect(config.get_addr())
        .await
        .map_err(|error| Error::Io { kind: error.kind(), message: error.to_string() })?;
    tcp.set_nodelay(true).unwrap();
    Client::connect(config, tcp.compat_write()).await
}

pub async fn connect(server: &StandIn) -> Sql {
    connect_with(&server.connection_string()).await.unwrap()
}

/// Runs a batch without results.
pub async fn run(client: &mut Sql, sql: &str) -> Result<(), Error> {
    client.simple_query(sql).await?.into_results().await.map(|_| ())
}

pub async fn rows(client: &mut Sql, sql: &str) -> Result<Vec<Row>, Error> {
    client.simple_query(sql).await?.into_first_result().await
}

/// The number of the server's error.
pub fn number<T: std::fmt::Debug>(result: Result<T, Error>) -> u32 {
    match result.unwrap_err() {
        Error::Server(error) => error.code(),
        other => panic!("not the server's: {other:?}"),
    }
}

/// A server with Kaizen's trail and one journal, made through the client.
pub async fn trail() -> (StandIn, Sql) {
    let server = StandIn::start();
    let mut client = connect(&server).await;
    run(&mut client, SCHEMA).await.unwrap();
    run(&mut client, SCHEMA_HISTORY).await.unwrap();
    for batch in batches(MIGRATION) {
        run(&mut client, &batch).await.unwrap_or_else(|error| panic!("{error}\n{batch}"));
    }
    add_journal(&mut client).await;
    (server, client)
}

pub async fn add_journal(client: &mut Sql) -> u64 {
    let id = Uuid::parse_str(JOURNAL).unwrap();
    let added = client.execute(relay::ADD_JOURNAL, &[&id, &"host", &"/project", &"0.1.0"]).await;
    added.unwrap().total()
}

pub fn text(value: impl Into<String>) -> ColumnData<'static> {
    ColumnData::String(Some(value.into().into()))
}

/// A row of `#events`.
pub fn event(seq: i64, body: &str) -> TokenRow<'static> {
    let journal = Uuid::parse_str(JOURNAL).unwrap();
    let run = 1 + (seq - 1) / 50;
    let mut row = TokenRow::new();
    row.push(ColumnData::Guid(Some(journal)));
    row.push(ColumnData::I64(Some(seq)));
    row.push(ColumnData::I64(Some(run)));
    row.push(ColumnData::Guid(Some(Uuid::from_u128(run as u128))));
    row.push(ColumnData::I64(Some(1 + (seq - 1) % 50)));
    row.push(ColumnData::DateTime2(Some(tiberius::time::DateTime2::new(
        tiberius::time::Date::new(739_000),
        tiberius::time::Time::new(seq as u64 * 10, 7),
    ))));
    row.push(ColumnData::String(None));
    row.push(text("run_started"));
    row.push(ColumnData::String(None));
    row.push(text(body));
    row.push(text(format!("{seq:064x}")));
    row.push(text(format!("{:064x}", seq * 7)));
    row
}

/// Loads rows into `#events`, which is made first.
pub async fn stage(client: &mut Sql, rows: Vec<TokenRow<'static>>) -> Result<u64, Error> {
    run(client, relay::STAGE).await?;
    let mut load = client.bulk_insert("#events").await?;
    for row in rows {
        load.send(row).await?;
    }
    Ok(load.finalize().await?.total())
}
