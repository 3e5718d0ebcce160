//! What a test can break: statements, commits, bulk loads, connections, the server.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{connect, connect_with, event, number, relay, rows, run, stage, trail};
use kaizen_stand_in::{Direction, Fault, Proxy, StandIn};
use std::time::{Duration, Instant};
use tiberius::error::Error;

const COUNT: &str = "SELECT COUNT(*) FROM kaizen.events";

async fn ship(client: &mut common::Sql) -> Result<(), Error> {
    run(client, "BEGIN TRANSACTION").await?;
    stage(client, (1..=200).map(|seq| event(seq, &"x".repeat(500))).collect()).await?;
    client.execute(relay::INSERT_EVENTS, &[]).await?;
    run(client, "COMMIT TRANSACTION").await
}

#[tokio::test]
async fn a_cut_before_commit_loses_and_one_after_it_keeps() {
    let (server, mut client) = trail().await;
    for (fault, kept) in [(Fault::CutBefore, "0"), (Fault::CutAfter, "200")] {
        server.fault("COMMIT", 1, fault);
        let error = ship(&mut client).await.unwrap_err();
        assert!(!matches!(error, Error::Server(_)), "{error:?}");
        client = connect(&server).await;
        // The transaction of a connection that broke is undone before another can begin.
        run(&mut client, "BEGIN TRANSACTION; ROLLBACK TRANSACTION").await.unwrap();
        assert_eq!(server.query(COUNT), [[kept]]);
    }
    assert_eq!(server.faults_left(), 0);
}

#[tokio::test]
async fn a_cut_anywhere_in_a_shipment_leaves_nothing() {
    let (server, mut client) = trail().await;
    for (when, fault) in [
        ("INSERT BULK", Fault::CutBefore),
        ("INSERT BULK", Fault::CutInBulk),
        ("INSERT BULK", Fault::CutAfter),
        ("INSERT INTO kaizen.events", Fault::CutBefore),
        ("INSERT INTO kaizen.events", Fault::CutAfter),
    ] {
        server.fault(when, 1, fault.clone());
        ship(&mut client).await.expect_err(when);
        assert_eq!(server.faults_left(), 0, "{fault:?} at {when}");
        client = connect(&server).await;
        run(&mut client, "BEGIN TRANSACTION; ROLLBACK TRANSACTION").await.unwrap();
        assert_eq!(server.query(COUNT), [["0"]], "{fault:?} at {when}");
    }
    ship(&mut client).await.unwrap();
    assert_eq!(server.query(COUNT), [["200"]]);
}

#[tokio::test]
async fn an_ordered_error_rolls_back_and_the_connection_goes_on() {
    let (server, mut client) = trail().await;
    let deadlock = Fault::Error { number: 1205, severity: 13, message: "deadlock".to_owned() };
    server.fault("INSERT INTO kaizen.events", 2, deadlock);
    ship(&mut client).await.unwrap();
    assert_eq!(number(ship(&mut client).await), 1205);
    let open = rows(&mut client, "SELECT @@TRANCOUNT").await.unwrap();
    assert_eq!(open[0].get::<i32, _>(0), Some(0));
    client.begin_transaction().await.unwrap();
    server.fault("COMMIT", 1, Fault::Delay(Duration::from_millis(50)));
    let start = Instant::now();
    client.commit_transaction().await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(50));
}

#[tokio::test]
async fn a_lock_is_waited_for_as_long_as_the_session_says() {
    let (server, mut first) = trail().await;
    let mut second = connect(&server).await;
    run(&mut second, "SET XACT_ABORT ON; SET LOCK_TIMEOUT 50").await.unwrap();
    run(&mut first, "BEGIN TRANSACTION").await.unwrap();
    let insert = "INSERT INTO kaizen.trail (trail_id) VALUES (NEWID())";
    assert_eq!(number(run(&mut second, insert).await), 1222);
    assert_eq!(number(run(&mut second, "BEGIN TRANSACTION").await), 1222);
    // Reading and temporary tables need no lock.
    stage(&mut second, vec![event(1, "{}")]).await.unwrap();
    run(&mut second, COUNT).await.unwrap();
    run(&mut first, "COMMIT TRANSACTION").await.unwrap();
    run(&mut second, insert).await.unwrap();
}

#[tokio::test]
async fn who_may_come_in() {
    let server = StandIn::start();
    let good = server.connection_string();
    assert_eq!(number(connect_with(&good.replace("secret", "wrong")).await.map(|_| ())), 18456);
    assert_eq!(number(connect_with(&good.replace("=kaizen", "=other")).await.map(|_| ())), 4060);
    connect_with(&good.replace("=prov", "=sa")).await.unwrap();
    assert_eq!(server.logins(), 1);
    let busy = Fault::Error { number: 40613, severity: 14, message: "not now".to_owned() };
    server.fault("LOGIN7", 1, busy);
    assert_eq!(number(connect_with(&good).await.map(|_| ())), 40613);
    let encrypted = good.replace("DANGER_PLAINTEXT", "true;TrustServerCertificate=true");
    connect_with(&encrypted).await.map(|_| ()).unwrap_err();
}

#[tokio::test]
async fn a_server_that_stops_refuses_and_comes_back_with_its_data() {
    let (mut server, mut client) = trail().await;
    ship(&mut client).await.unwrap();
    run(&mut client, "BEGIN TRANSACTION").await.unwrap();
    run(&mut client, "INSERT INTO kaizen.trail (trail_id) VALUES (NEWID())").await.unwrap();
    server.stop();
    run(&mut client, COUNT).await.unwrap_err();
    let error = connect_with(&server.connection_string()).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error:?}");
    server.restart();
    let mut client = connect(&server).await;
    run(&mut client, "BEGIN TRANSACTION; ROLLBACK TRANSACTION").await.unwrap();
    assert_eq!(server.query(COUNT), [["200"]]);
    assert_eq!(server.query("SELECT COUNT(*) FROM kaizen.trail"), [["1"]]);
}

#[tokio::test]
async fn a_query_can_be_cancelled() {
    let server = StandIn::start();
    let mut client = connect(&server).await;
    drop(client.simple_query("SELECT 1").await.unwrap());
    client.cancel_query().await.unwrap();
    assert_eq!(rows(&mut client, "SELECT 2").await.unwrap()[0].get::<i32, _>(0), Some(2));
}

#[tokio::test]
async fn the_proxy_breaks_connections_below_the_protocol() {
    let (server, _client) = trail().await;
    let proxy = Proxy::start(server.port());
    let through = server.connection_string_for("prov", proxy.port());
    let mut client = connect_with(&through).await.unwrap();
    ship(&mut client).await.unwrap();
    // In the middle of the bulk load's bytes.
    proxy.cut_after_bytes(Direction::ToServer, 20_000);
    let mut client = connect_with(&through).await.unwrap();
    ship(&mut client).await.unwrap_err();
    proxy.cut_after_bytes(Direction::ToClient, 10);
    connect_with(&through).await.map(|_| ()).unwrap_err();
    proxy.refuse(true);
    connect_with(&through).await.map(|_| ()).unwrap_err();
    proxy.refuse(false);
    let mut client = connect_with(&through).await.unwrap();
    proxy.delay(Duration::from_millis(20));
    let start = Instant::now();
    run(&mut client, COUNT).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(40));
    proxy.delay(Duration::ZERO);
    proxy.black_hole(true);
    let silent = tokio::time::timeout(Duration::from_millis(100), run(&mut client, COUNT));
    silent.await.unwrap_err();
    proxy.cut_now();
    assert_eq!(proxy.accepted(), 4);
    assert_eq!(server.query(COUNT), [["200"]]);
}
