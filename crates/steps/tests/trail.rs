//! The trail in SQL Server: everything that a connection can do to the relay, and what a forger can
//! do to the rows.
//!
//! On a stand-in, and with `-- --ignored` on the server that `KAIZEN_TEST_SQLSERVER` names: a login
//! that may make databases, with `Database=master`. Each test makes a database there and drops it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use kaizen_engine::{
    digest::Digest,
    error::{Class, Classified},
    journal::{ApprovalPolicy, Command, Created, Payload},
    json::Json,
    shell::{
        Reader, Store, SystemClock,
        relay::{Limits, Relay, RelayError, Shipped},
    },
};
use kaizen_stand_in::{Direction, Fault, Proxy, StandIn};
use kaizen_steps::{
    adapters::mssql::{ColumnData, Connector, Row, Session},
    provenance::{About, SqlServer, read::HeldJournal, schema, verify},
};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tempfile::TempDir;
use uuid::Uuid;

/// Where a test runs.
#[derive(Clone, Copy)]
enum On {
    StandIn,
    SqlServer,
}

/// A journal and a server with an empty trail.
struct Place {
    folder: TempDir,
    store: Store,
    server: Server,
}

enum Server {
    StandIn(StandIn),
    /// The connection string with its database, and the one without.
    SqlServer {
        here: String,
        master: String,
        database: String,
    },
}

impl Server {
    async fn new(on: On) -> Server {
        match on {
            On::StandIn => Server::StandIn(StandIn::start()),
            On::SqlServer => {
                let master = std::env::var("KAIZEN_TEST_SQLSERVER").expect("KAIZEN_TEST_SQLSERVER");
                assert!(master.contains("Database=master"), "it is to name Database=master");
                let database = format!("kaizen_test_{}", Uuid::now_v7().simple());
                let here = master.replace("Database=master", &format!("Database={database}"));
                let server = Server::SqlServer { here, master, database };
                server.on_master(&format!("CREATE DATABASE {}", server.database())).await;
                server
            }
        }
    }

    fn database(&self) -> &str {
        match self {
            Server::StandIn(_) => "kaizen",
            Server::SqlServer { database, .. } => database,
        }
    }

    async fn on_master(&self, sql: &str) {
        let Server::SqlServer { master, .. } = self else { return };
        let connector = Connector::parse("test", master).unwrap();
        connector.session().await.unwrap().run(sql).await.unwrap();
    }

    fn connector(&self) -> Connector {
        match self {
            Server::StandIn(server) => Connector::parse("test", &server.connection_string()),
            Server::SqlServer { here, .. } => Connector::parse("test", here),
        }
        .unwrap()
    }

    fn stand_in(&self) -> &StandIn {
        match self {
            Server::StandIn(server) => server,
            Server::SqlServer { .. } => panic!("only a stand-in can be made to fail"),
        }
    }

    /// Rows as text.
    async fn query(&self, sql: &str) -> Vec<Vec<String>> {
        match self {
            Server::StandIn(server) => server.query(sql),
            Server::SqlServer { .. } => {
                let mut session = self.connector().session().await.unwrap();
                let read = |row: &Row| Ok(row.cells().map(|(_, value)| shown(value)).collect());
                session.rows(sql, &[], read).await.unwrap()
            }
        }
    }

    /// As an administrator; answers how many rows that changed.
    async fn tamper(&self, sql: &str) -> u64 {
        match self {
            Server::StandIn(server) => server.tamper(sql) as u64,
            Server::SqlServer { .. } => {
                let mut session = self.connector().session().await.unwrap();
                session.execute(sql, &[]).await.unwrap()
            }
        }
    }
}

fn shown(value: &ColumnData<'static>) -> String {
    match value {
        ColumnData::String(Some(text)) => text.to_string(),
        ColumnData::I32(Some(number)) => number.to_string(),
        ColumnData::I64(Some(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn text(bytes: usize) -> String {
    let piece = "a 'quote', a \"double\" one, \u{0} and \u{1F600}, ünï, \u{FFFD}, \\ and \r\n";
    piece.chars().cycle().take(bytes).collect()
}

impl Place {
    async fn new(on: On) -> Place {
        let (folder, server) = (TempDir::new().unwrap(), Server::new(on).await);
        let store = Store::open(&folder.path().join("journal.db"), Arc::new(SystemClock)).unwrap();
        let place = Place { folder, store, server };
        let mut session = place.session().await;
        assert_eq!(schema::apply(&mut session).await.unwrap(), ["V1__trail"]);
        place
    }

    fn journal(&self) -> PathBuf {
        self.folder.path().join("journal.db")
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.journal()).unwrap()
    }

    async fn session(&self) -> Session {
        self.server.connector().session().await.unwrap()
    }

    /// A run with a note of each length, and an artifact.
    async fn run(&self, notes: &[usize]) {
        let me = self.store.me().to_owned();
        let notes: Vec<Command> = notes
            .iter()
            .map(|length| Command::Note {
                topic: "length".to_owned(),
                body: Payload::Inline(Json::of(&text(*length)).unwrap()),
            })
            .collect();
        let made = self.store.write(move |tx| {
            let definition = tx.put_artifact(text(100_000).as_bytes())?;
            let policy = tx.put_artifact(b"")?;
            let number = tx.next_number()?;
            tx.create(Uuid::now_v7(), created(number, definition, policy), "ada", &me)?;
            tx.transition(number, 1, &me, notes, &[])
        });
        made.await.unwrap();
    }

    fn relay(&self) -> Relay<SqlServer> {
        self.relay_by(self.server.connector())
    }

    fn relay_by(&self, connector: Connector) -> Relay<SqlServer> {
        let about = About {
            host: "host".to_owned(),
            project: "/project".to_owned(),
            kaizen: "0.1.0".to_owned(),
        };
        let patience = Duration::from_millis(200);
        let sink = SqlServer::new(connector, patience, self.reader(), about);
        Relay::new(self.store.clone(), &self.journal(), sink).unwrap()
    }

    async fn ship(&self) -> Result<Shipped, RelayError> {
        self.relay().ship(Limits::default()).await
    }

    /// Ships, however often it takes while the trouble may pass.
    async fn ship_at_last(&self) {
        for _ in 0..5 {
            match self.ship().await {
                Ok(shipped) => return assert_eq!(shipped.lag, 0),
                Err(error) => assert_eq!(error.class(), Class::Retry, "{error}"),
            }
        }
        panic!("it never arrived");
    }

    /// What differs, as `store kind at`.
    async fn verify(&self) -> Vec<String> {
        let (mut session, reader) = (self.session().await, self.reader());
        let mut held = HeldJournal::new(&mut session, reader.journal_id().unwrap());
        let report = verify::verify(&mut held, &reader, None).await.unwrap();
        let told = report.differences.iter();
        told.map(|told| format!("{} {} {}", told.store, told.kind, told.at)).collect()
    }

    /// Every event is there, as it is in the journal, and nothing else.
    async fn is_whole(&self) {
        assert_eq!(self.verify().await, Vec::<String>::new());
        let rows = self.reader().rows(None, 0, u32::MAX).unwrap();
        let held = self
            .server
            .query("SELECT seq, event, event_hash FROM kaizen.events ORDER BY seq")
            .await;
        let ours: Vec<Vec<String>> = rows
            .into_iter()
            .map(|row| vec![row.seq.to_string(), row.event, row.event_hash.to_string()])
            .collect();
        assert_eq!(held, ours);
    }

    /// As if a forger had switched the triggers off.
    async fn forge(&self, sql: &str) {
        for table in ["trail", "events", "artifacts", "history"] {
            self.server.tamper(&format!("DISABLE TRIGGER ALL ON kaizen.{table}")).await;
        }
        assert!(self.server.tamper(sql).await > 0, "nothing was forged by {sql}");
    }

    /// Leaves nothing behind on a real server.
    async fn done(self) {
        let database = self.server.database().to_owned();
        let single = format!("ALTER DATABASE {database} SET SINGLE_USER WITH ROLLBACK IMMEDIATE");
        self.server.on_master(&single).await;
        self.server.on_master(&format!("DROP DATABASE {database}")).await;
    }
}

fn created(number: i64, definition: Digest, policy: Digest) -> Created {
    Created {
        number,
        workflow: "tuning".to_owned(),
        workflow_path: "workflows/tuning.toml".to_owned(),
        definition,
        policy,
        engine: 1,
        kaizen: "0.1.0".to_owned(),
        dry_run: false,
        target: "app.db@main".to_owned(),
        from_run: None,
        change: None,
        export: None,
        designer: None,
        started_by: "ada".to_owned(),
        approval: ApprovalPolicy::default(),
        pre_approved: None,
        budget_ms: 300_000,
        max_attempts: 3,
    }
}

async fn bodies_of_every_length_and_kind_arrive_as_they_are(on: On) {
    let place = Place::new(on).await;
    // In the event as JSON, so that it is longer than its text, and holds no raw NUL.
    place.run(&[0, 1, 1_999, 2_000, 2_001, 3_999, 4_000, 4_001, 8_001, 1_000_001]).await;
    assert_eq!(place.ship().await.unwrap().events, 11);
    place.is_whole().await;
    let artifacts = place.server.query("SELECT digest FROM kaizen.artifacts ORDER BY digest").await;
    assert_eq!(artifacts.len(), 2, "the empty one, too");
    assert_eq!(place.ship().await.unwrap().events, 0);
    place.run(&[7]).await;
    assert_eq!(place.ship().await.unwrap().events, 2);
    place.is_whole().await;
    place.done().await;
}

#[tokio::test]
async fn whatever_breaks_at_whatever_statement_each_event_arrives_once() {
    let place = Place::new(On::StandIn).await;
    place.run(&[10, 5_000]).await;
    place.ship().await.unwrap();
    // What a second shipping sends: every one of these is a place where it can break.
    let sent = |place: &Place, from: usize| place.server.stand_in().statements().split_off(from);
    let mut texts: Vec<String> = sent(&place, 0);
    texts.retain(|text| !text.contains("schema_history (") && !text.contains("CREATE TRIGGER"));
    texts.extend(["BEGIN TRANSACTION".to_owned(), "COMMIT TRANSACTION".to_owned()]);
    let deadlock = Fault::Error { number: 1205, severity: 13, message: "deadlock".to_owned() };
    let duplicate = Fault::Error { number: 2627, severity: 14, message: "duplicate".to_owned() };
    let faults = [Fault::CutBefore, Fault::CutAfter, Fault::CutInBulk, deadlock, duplicate];
    let mut fired = 0;
    for text in &texts {
        for fault in &faults {
            let is_insert = text.contains("INSERT INTO kaizen.");
            if matches!(fault, Fault::Error { number: 2627, .. }) && !is_insert {
                continue;
            }
            place.run(&[20]).await;
            let key: String = text.chars().take(60).collect();
            let before = place.server.stand_in().faults_left();
            place.server.stand_in().fault(&key, 1, fault.clone());
            place.ship_at_last().await;
            fired += usize::from(place.server.stand_in().faults_left() == before);
            assert_eq!(place.verify().await, Vec::<String>::new(), "{fault:?} at {key:?}");
        }
    }
    place.is_whole().await;
    assert!(fired > 40, "only {fired} faults were met, of {}", texts.len() * faults.len());
}

#[tokio::test]
async fn wherever_the_wire_breaks_each_event_arrives_once() {
    let place = Place::new(On::StandIn).await;
    let proxy = Proxy::start(place.server.stand_in().port());
    let string = place.server.stand_in().connection_string_for("prov", proxy.port());
    let connector = Connector::parse("test", &string).unwrap();
    let mut broken = 0;
    // From within the login to within the answer to COMMIT, both ways.
    for step in 0..60 {
        place.run(&[20, 3_000]).await;
        let bytes = 40 + step * 331;
        let direction = if step % 2 == 0 { Direction::ToServer } else { Direction::ToClient };
        proxy.cut_after_bytes(direction, bytes);
        let mut relay = place.relay_by(connector.clone());
        match relay.ship(Limits::default()).await {
            Ok(_) => (),
            Err(error) => {
                assert_eq!(error.class(), Class::Retry, "{bytes} bytes {direction:?}: {error}");
                broken += 1;
            }
        }
        assert_eq!(place.verify().await, Vec::<String>::new(), "{bytes} bytes {direction:?}");
    }
    place.ship_at_last().await;
    place.is_whole().await;
    assert!(broken > 20, "only {broken} of 60 broke");
}

async fn two_relays_of_one_journal_ship_each_event_once(on: On) {
    let place = Place::new(on).await;
    for _ in 0..20 {
        place.run(&[10, 20, 30]).await;
    }
    let (mut one, mut other) = (place.relay(), place.relay());
    let limits = Limits::default();
    let both = tokio::join!(one.ship(limits), other.ship(limits));
    let elsewhere =
        |shipped: &Result<Shipped, RelayError>| matches!(shipped, Err(RelayError::Elsewhere));
    assert!(both.0.is_ok() != both.1.is_ok() || elsewhere(&both.1) || both.1.is_ok());
    place.ship_at_last().await;
    place.is_whole().await;
    place.done().await;
}

async fn two_journals_share_a_trail(on: On) {
    let (place, other) = (Place::new(on).await, Place::new(on).await);
    place.run(&[10]).await;
    other.run(&[20, 30]).await;
    place.ship().await.unwrap();
    let about = About { host: "h".into(), project: "p".into(), kaizen: "k".into() };
    let patience = Duration::from_millis(200);
    let sink = SqlServer::new(place.server.connector(), patience, other.reader(), about);
    let mut relay = Relay::new(other.store.clone(), &other.journal(), sink).unwrap();
    relay.ship(Limits::default()).await.unwrap();
    assert_eq!(place.verify().await, Vec::<String>::new());
    let counts = place.server.query("SELECT COUNT(*) AS n FROM kaizen.events").await;
    assert_eq!(counts, [["5"]]);
    let journals = place.server.query("SELECT COUNT(*) AS n FROM kaizen.journals").await;
    assert_eq!(journals, [["2"]]);
    // And one journal has two trails.
    let mut session = other.session().await;
    drop(schema::steps(&mut session).await.unwrap());
    other.ship().await.unwrap();
    assert_eq!(other.reader().deliveries().unwrap().len(), 2);
    place.done().await;
    other.done().await;
}

/// What is done to the rows, and what is told of it.
async fn forged(on: On, sql: &str, told: &[&str]) {
    let place = Place::new(on).await;
    for _ in 0..3 {
        place.run(&[10, 20, 30]).await;
    }
    place.ship().await.unwrap();
    place.is_whole().await;
    place.forge(sql).await;
    assert_eq!(place.verify().await, told, "{sql}");
    place.done().await;
}

async fn every_forgery_of_the_rows_is_named(on: On) {
    let edited = "UPDATE kaizen.events SET event = event + N' ' WHERE seq = 5";
    forged(on, edited, &["sqlserver edited event 5 (r2)"]).await;
    let edited = "UPDATE kaizen.events SET actor = N'eve' WHERE seq = 6";
    forged(on, edited, &["sqlserver edited event 6 (r2)"]).await;
    let edited = "UPDATE kaizen.events SET happened_at = '2001-01-01T00:00:00' WHERE seq = 6";
    forged(on, edited, &["sqlserver edited event 6 (r2)"]).await;
    let edited = "UPDATE kaizen.events SET run_id = NEWID() WHERE seq = 6";
    forged(on, edited, &["sqlserver edited event 6 (r2)"]).await;
    let deleted = "DELETE FROM kaizen.events WHERE seq = 5";
    forged(on, deleted, &["sqlserver missing event 5 (r2 event 1)"]).await;
    let cut = "DELETE FROM kaizen.events WHERE seq > 9";
    forged(on, cut, &["sqlserver truncated events 10 to 12"]).await;
    let all = "DELETE FROM kaizen.events";
    forged(on, all, &["sqlserver truncated events 1 to 12"]).await;
    let inserted = "INSERT INTO kaizen.events (journal_id, seq, run, run_id, run_seq, event, event_hash, journal_hash) \
         SELECT journal_id, 13, 9, run_id, 1, event, event_hash, journal_hash FROM kaizen.events WHERE seq = 12";
    forged(on, inserted, &["sqlserver extra event 13 (r9 event 1)"]).await;
    let exchanged = "UPDATE kaizen.events SET seq = 1000 + seq WHERE seq IN (6, 7); \
         UPDATE kaizen.events SET seq = 1013 - seq WHERE seq > 1000";
    let told = ["sqlserver out_of_order event 6 (r2)", "sqlserver out_of_order event 7 (r2)"];
    forged(on, exchanged, &told).await;
    let digest = Digest::of(&[text(100_000).as_bytes()]);
    let at = format!("artifact {}", digest.short());
    let edited = format!("UPDATE kaizen.artifacts SET content = 0x00 WHERE digest = '{digest}'");
    forged(on, &edited, &[&format!("sqlserver edited {at}")]).await;
    let deleted = format!("DELETE FROM kaizen.artifacts WHERE digest = '{digest}'");
    forged(on, &deleted, &[&format!("sqlserver missing {at}")]).await;
}

const OTHER: &str = "01980000-0000-7000-8000-000000000001";

async fn rows_under_another_journal_are_named(on: On) {
    let place = Place::new(on).await;
    place.run(&[10]).await;
    place.ship().await.unwrap();
    let run_id = "SELECT run_id FROM kaizen.events WHERE seq = 1";
    let rows = format!(
        "INSERT INTO kaizen.events (journal_id, seq, run, run_id, run_seq, event, event_hash, journal_hash) \
         SELECT '{OTHER}', seq, run, ({run_id}), run_seq, event, event_hash, journal_hash \
         FROM kaizen.events"
    );
    place.forge(&rows).await;
    let twin = format!("journal edited the journal {OTHER}");
    let stranger = format!("sqlserver extra the journal {OTHER}");
    assert_eq!(place.verify().await, [stranger, twin.clone()]);
    let announced = format!(
        "INSERT INTO kaizen.journals (journal_id, host, project, kaizen) \
         SELECT '{OTHER}', host, project, kaizen FROM kaizen.journals"
    );
    place.forge(&announced).await;
    assert_eq!(place.verify().await, [twin]);
    place.done().await;
}

async fn a_trail_put_in_anothers_place_is_named_and_gets_nothing(on: On) {
    let place = Place::new(on).await;
    place.run(&[10]).await;
    place.ship().await.unwrap();
    place.forge("INSERT INTO kaizen.trail (trail_id) VALUES (NEWID())").await;
    let at = place.server.connector().place();
    assert_eq!(place.verify().await, [format!("sqlserver edited the trail at {at}")]);
    place.run(&[10]).await;
    let two = place.ship().await.unwrap_err();
    assert_eq!((two.code(), two.class()), ("sqlserver_divergent_trail", Class::Operator), "{two}");
    // Another in the place of the one: what that had acknowledged has to be sent anew, if asked.
    place.forge("DELETE FROM kaizen.trail").await;
    place.forge("INSERT INTO kaizen.trail (trail_id) VALUES (NEWID())").await;
    assert_eq!(place.verify().await, [format!("sqlserver truncated the trail at {at}")]);
    let replaced = place.ship().await.unwrap_err();
    assert_eq!((replaced.code(), replaced.class()), ("provenance_replaced", Class::Operator));
    let resend = Limits { resend: true, ..Limits::default() };
    place.relay().ship(resend).await.unwrap();
    place.is_whole().await;
    place.done().await;
}

async fn the_relay_does_not_go_on_after_a_forged_or_missing_end(on: On) {
    let place = Place::new(on).await;
    place.run(&[10]).await;
    place.ship().await.unwrap();
    place.forge("DELETE FROM kaizen.events WHERE seq = 2").await;
    place.run(&[10]).await;
    let cut = place.ship().await.unwrap_err();
    assert_eq!((cut.code(), cut.class()), ("provenance_cut", Class::Operator));
    let resend = Limits { resend: true, ..Limits::default() };
    place.relay().ship(resend).await.unwrap();
    place.is_whole().await;
    place.forge("UPDATE kaizen.events SET event = event + N' ' WHERE seq = 2").await;
    let forged = place.relay().ship(resend).await.unwrap_err();
    assert_eq!(forged.code(), "provenance_forged");
    assert!(forged.to_string().starts_with("event 2 is in the trail"), "{forged}");
    place.done().await;
}

async fn an_event_that_does_not_fit_is_named_and_all_before_it_are_shipped(on: On) {
    let place = Place::new(on).await;
    place.run(&[10, 20]).await;
    let me = place.store.me().to_owned();
    let longest = "é".repeat(4_001);
    let made = place.store.write(move |tx| {
        let artifact = tx.put_artifact(b"")?;
        let number = tx.next_number()?;
        tx.create(Uuid::now_v7(), created(number, artifact, artifact), &longest, &me)
    });
    made.await.unwrap();
    place.run(&[30]).await;
    for _ in 0..2 {
        let poison = place.ship().await.unwrap_err();
        assert_eq!((poison.code(), poison.class()), ("provenance_poison", Class::Operator));
        assert!(poison.to_string().starts_with("event 4 cannot be stored"), "{poison}");
        let held = place.server.query("SELECT COUNT(*) AS n FROM kaizen.events").await;
        assert_eq!(held, [["3"]]);
    }
    let delivery = &place.reader().deliveries().unwrap()[0];
    assert!(delivery.stopped.as_deref().unwrap().contains("event 4"), "{delivery:?}");
    place.done().await;
}

#[tokio::test]
async fn a_server_that_is_full_or_has_taken_a_permission_away_is_told_of() {
    let place = Place::new(On::StandIn).await;
    place.run(&[10]).await;
    let full = Fault::Error { number: 1105, severity: 17, message: "no space".to_owned() };
    place.server.stand_in().fault("INSERT INTO kaizen.events", 1, full);
    let refused = place.ship().await.unwrap_err();
    assert_eq!((refused.code(), refused.class()), ("sqlserver_full", Class::Operator));
    place.server.stand_in().restrict("prov");
    place.server.stand_in().revoke("prov", "INSERT");
    let refused = place.ship().await.unwrap_err();
    assert_eq!((refused.code(), refused.class()), ("sqlserver_denied", Class::Operator));
    place.server.stand_in().grant("prov", "INSERT");
    place.ship_at_last().await;
    place.is_whole().await;
}

async fn retention_here_leaves_the_trail_whole_there(on: On) {
    let place = Place::new(on).await;
    place.run(&[10, 20]).await;
    place.ship().await.unwrap();
    // As retention leaves an event: its hash alone.
    let raw = rusqlite::Connection::open(place.journal()).unwrap();
    raw.execute_batch("DROP TRIGGER events_are_never_changed").unwrap();
    raw.execute("UPDATE events SET event = '' WHERE seq = 2", []).unwrap();
    assert_eq!(place.verify().await, Vec::<String>::new(), "the trail has it still");
    place.forge("UPDATE kaizen.events SET event = event + N' ' WHERE seq = 2").await;
    assert_eq!(place.verify().await, ["sqlserver edited event 2 (r1)"]);
    place.done().await;
}

macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod stand_in {
            $(#[tokio::test] async fn $name() { super::$name(super::On::StandIn).await; })*
        }
        mod sql_server {
            $(#[tokio::test]
            #[ignore = "needs a server: KAIZEN_TEST_SQLSERVER"]
            async fn $name() { super::$name(super::On::SqlServer).await; })*
        }
    };
}

on_both!(
    bodies_of_every_length_and_kind_arrive_as_they_are,
    two_journals_share_a_trail,
    every_forgery_of_the_rows_is_named,
    rows_under_another_journal_are_named,
    a_trail_put_in_anothers_place_is_named_and_gets_nothing,
    the_relay_does_not_go_on_after_a_forged_or_missing_end,
    an_event_that_does_not_fit_is_named_and_all_before_it_are_shipped,
    retention_here_leaves_the_trail_whole_there,
    two_relays_of_one_journal_ship_each_event_once,
);
