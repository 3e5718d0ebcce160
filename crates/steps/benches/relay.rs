//! How many events a second the relay ships, beside single parameterised inserts of the same rows:
//!
//!     cargo bench -p kaizen-steps --bench relay [-- EVENTS ROUNDS]
//!
//! To the server that KAIZEN_TEST_SQLSERVER names (an empty database, whose trail it makes), else to
//! the stand-in, whose figures say what Kaizen and the driver cost and nothing of SQL Server.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use kaizen_engine::{
    journal::{ApprovalPolicy, Command, Created, Payload},
    json::Json,
    shell::{
        Reader, Store, SystemClock,
        relay::{Limits, Relay},
    },
};
use kaizen_stand_in::StandIn;
use kaizen_steps::{
    adapters::mssql::Connector,
    provenance::{About, SqlServer, schema},
};
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use uuid::Uuid;

/// Events of one run, as many as an approved one has.
const RUN: usize = 12;

/// Single inserts in a round: enough to tell, few enough to be short.
const SINGLES: usize = 2_000;

#[tokio::main]
async fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|arg| arg.parse::<usize>().ok());
    let events = numbers.next().unwrap_or(60_000);
    let rounds = numbers.next().unwrap_or(3);
    let stand_in = StandIn::start();
    let (named, string) = match std::env::var("KAIZEN_TEST_SQLSERVER") {
        Ok(string) => ("KAIZEN_TEST_SQLSERVER", string),
        Err(_) => ("the stand-in", stand_in.connection_string()),
    };
    let connector = Connector::parse("KAIZEN_TEST_SQLSERVER", &string).unwrap();
    let mut session = connector.session().await.unwrap();
    schema::apply(&mut session).await.unwrap();
    println!("{events} events to {named}, {rounds} rounds");
    let (mut relayed, mut single) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        let store = fill(&path, events).await;
        let about = About { host: "bench".into(), project: "bench".into(), kaizen: "bench".into() };
        let reader = Reader::open(&path).unwrap();
        let sink = SqlServer::new(connector.clone(), Duration::from_secs(5), reader, about);
        let mut relay = Relay::new(store, &path, sink).unwrap();
        let began = Instant::now();
        let shipped = relay.ship(Limits::default()).await.unwrap();
        relayed.push(shipped.events as f64 / began.elapsed().as_secs_f64());
        single.push(singles(&connector, &path).await);
        let (relayed, single) = (relayed[round - 1], single[round - 1]);
        println!(
            "  {round}: relay {relayed:>7.0} events/s, single inserts {single:>6.0}, {:.1} x",
            relayed / single
        );
    }
    println!("median: relay {:.0} events/s, single {:.0}", median(relayed), median(single));
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A journal with so many events of about 400 bytes.
async fn fill(path: &Path, events: usize) -> Store {
    let store = Store::open(path, Arc::new(SystemClock)).unwrap();
    let me = store.me().to_owned();
    for _ in 0..events.div_ceil(RUN * 100) {
        let me = me.clone();
        let made = store.write(move |tx| {
            for _ in 0..100 {
                let text = tx.put_artifact(b"the same definition for all")?;
                let number = tx.next_number()?;
                let created = Created {
                    number,
                    workflow: "tuning".to_owned(),
                    workflow_path: "workflows/tuning.toml".to_owned(),
                    definition: text,
                    policy: text,
                    engine: 1,
                    kaizen: "0.1.0".to_owned(),
                    dry_run: false,
                    target: "app.db@main".to_owned(),
                    from_run: None,
                    change: None,
                    export: None,
                    designer: None,
                    started_by: "bench".to_owned(),
                    approval: ApprovalPolicy::default(),
                    pre_approved: None,
                    budget_ms: 300_000,
                    max_attempts: 3,
                };
                tx.create(Uuid::now_v7(), created, "bench", &me)?;
                let notes = (1..RUN).map(|n| Command::Note {
                    topic: "bench".to_owned(),
                    body: Payload::Inline(
                        Json::of(&format!("{n:->320}"))
                            .unwrap_or_else(|_| unreachable!("text is JSON")),
                    ),
                });
                tx.transition(number, 1, &me, notes.collect(), &[])?;
            }
            Ok(())
        });
        made.await.unwrap();
    }
    store
}

/// The same rows, one statement each, under another journal's name.
async fn singles(connector: &Connector, path: &Path) -> f64 {
    let mut session = connector.session().await.unwrap();
    let journal = Uuid::now_v7();
    let journal_sql = "INSERT INTO kaizen.journals (journal_id, host, project, kaizen) \
                       VALUES (@P1, N'bench', N'bench', N'bench')";
    session.execute(journal_sql, &[&journal]).await.unwrap();
    let rows = Reader::open(path).unwrap().rows(None, 0, SINGLES as u32).unwrap();
    let began = Instant::now();
    for row in &rows {
        let sql = "INSERT INTO kaizen.events (journal_id, seq, run, run_id, run_seq, event, \
                   event_hash, journal_hash) VALUES (@P1, @P2, @P3, @P4, @P5, @P6, @P7, @P8)";
        let (seq, run_seq) = (row.seq.cast_signed(), row.run_seq.cast_signed());
        let (event, hash) = (row.event.as_str(), row.event_hash.to_string());
        let head = row.journal_hash.to_string();
        session
            .execute(sql, &[&journal, &seq, &row.run, &journal, &run_seq, &event, &hash, &head])
            .await
            .unwrap();
    }
    rows.len() as f64 / began.elapsed().as_secs_f64()
}
