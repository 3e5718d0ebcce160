//! That the stand-in does not limit what is measured through it: 5,000 events in one transaction.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{event, relay, run, trail};
use std::time::{Duration, Instant};

const EVENTS: i64 = 5_000;

#[tokio::test]
async fn five_thousand_events_go_in_with_one_transaction() {
    let (server, mut client) = trail().await;
    let body = format!("{{\"kind\":\"{}\"}}", "x".repeat(488));
    let events: Vec<_> = (1..=EVENTS).map(|seq| event(seq, &body)).collect();
    run(&mut client, relay::STAGE).await.unwrap();
    run(&mut client, "BEGIN TRANSACTION").await.unwrap();
    let start = Instant::now();
    let mut load = client.bulk_insert("#events").await.unwrap();
    for event in events {
        load.send(event).await.unwrap();
    }
    let sent = start.elapsed();
    assert_eq!(load.finalize().await.unwrap().total(), EVENTS as u64);
    let loaded = start.elapsed();
    let inserted = client.execute(relay::INSERT_EVENTS, &[]).await.unwrap().total();
    let merged = start.elapsed();
    run(&mut client, "COMMIT TRANSACTION").await.unwrap();
    println!(
        "{EVENTS} events: sent in {sent:?}, loaded after {loaded:?}, inserted after {merged:?}, \
         committed after {:?}",
        start.elapsed()
    );
    assert_eq!(inserted, EVENTS as u64);
    assert_eq!(server.query("SELECT COUNT(*) FROM kaizen.events"), [[EVENTS.to_string()]]);
    // An optimised build takes well below a tenth of this: it only fails where something is quadratic.
    assert!(start.elapsed() < Duration::from_secs(10));
}
