//! Turning on, looking and moving, on a mock of the server that answers what it is told to.

use super::super::{
    Error, Feature, Item, Moved, Parameters, detect, enable, move_payloads, scripts, status,
};
use crate::adapters::mssql::{Connector, Session};
use mssql_mock_tds::{
    ColumnDefinition, ColumnValue, MockTdsServer, QueryResponse, Row, SqlDataType, TerminalError,
};

fn text(value: &str) -> ColumnValue {
    ColumnValue::NVarChar(value.to_owned())
}

fn says(supported: i32, why: &str) -> QueryResponse {
    let columns = vec![
        ColumnDefinition::new("supported", SqlDataType::Int),
        ColumnDefinition::new("why", SqlDataType::NVarChar),
    ];
    QueryResponse::new(columns, vec![Row::new(vec![ColumnValue::Int(supported), text(why)])])
}

/// A session with a server that answers so.
async fn session(answers: Vec<(&str, QueryResponse)>) -> Session {
    let server = MockTdsServer::new("127.0.0.1:0").await.unwrap();
    {
        let registry = server.query_registry();
        let mut registry = registry.lock().await;
        for (query, answer) in answers {
            registry.register(query.trim(), answer);
        }
    }
    let port = server.local_addr().port();
    tokio::spawn(async move { server.run().await.unwrap() });
    let ado =
        format!("Server=tcp:127.0.0.1,{port};User ID=sa;Password=secret;Encrypt=DANGER_PLAINTEXT");
    Connector::parse("TEST", &ado).unwrap().session().await.unwrap()
}

fn of(feature: Feature) -> &'static scripts::Scripts {
    scripts::of(feature)
}

/// Of a script of billing.
fn batch(name: &str, at: usize) -> String {
    let planned = super::super::plan(Feature::Billing, &Parameters::default()).unwrap();
    let script = planned.into_iter().find(|script| script.name == name).unwrap();
    crate::provenance::schema::batches(&script.sql).nth(at).unwrap()
}

#[tokio::test]
async fn an_unsupported_server_is_refused_with_its_reason() {
    let why = "it needs SQL Server 2017 or newer; here: SQL Server 13.0";
    let mut session = session(vec![(of(Feature::QueryStore).detect, says(0, why))]).await;
    let found = detect(&mut session, Feature::QueryStore).await.unwrap();
    assert_eq!((found.supported, found.why.as_str()), (false, why));
    let given = Parameters::default();
    let error = enable(&mut session, Feature::QueryStore, &given, true).await.unwrap_err();
    assert!(matches!(&error, Error::Unsupported { .. }) && error.to_string().contains(why));
}

#[tokio::test]
async fn what_is_permanent_needs_to_be_accepted_before_anything_is_run() {
    let memory = include_str!("../../../../../sql/server/features/billing/detect_memory.sql");
    // The first batch would be refused, if it were run.
    let refused = QueryResponse::error_only(TerminalError::new(50_000, 16, "it was run"));
    let first = batch("billing/enable", 0);
    let answers = vec![
        (of(Feature::Billing).detect, says(1, "here")),
        (memory, says(1, "here")),
        (first.as_str(), refused),
    ];
    let mut session = session(answers).await;
    let given = Parameters::default();
    let error = enable(&mut session, Feature::Billing, &given, false).await.unwrap_err();
    assert!(matches!(&error, Error::Permanent { script, .. } if script == "billing/memory"));
    assert!(error.to_string().contains("filegroup"), "{error}");
    let error = enable(&mut session, Feature::Billing, &given, true).await.unwrap_err();
    assert!(error.to_string().contains("it was run"), "{error}");
}

#[tokio::test]
async fn where_there_is_no_memory_the_disk_is_enough_and_nothing_is_permanent() {
    let memory = include_str!("../../../../../sql/server/features/billing/detect_memory.sql");
    let answers = vec![
        (of(Feature::Billing).detect, says(1, "here")),
        (memory, says(0, "this edition has none")),
    ];
    let mut session = session(answers).await;
    let done = enable(&mut session, Feature::Billing, &Parameters::default(), false).await.unwrap();
    assert_eq!(done, ["billing/enable"]);
}

#[tokio::test]
async fn a_status_is_read_row_by_row() {
    let names = ["item", "state", "detail"];
    let columns = names.map(|name| ColumnDefinition::new(name, SqlDataType::NVarChar)).to_vec();
    let rows = vec![Row::new(vec![text("size"), text("3 MB"), text("of at most 1000 MB")])];
    let answer = QueryResponse::new(columns, rows);
    let mut session = session(vec![(of(Feature::QueryStore).status, answer)]).await;
    let items = status(&mut session, Feature::QueryStore, &Parameters::default()).await.unwrap();
    let [Item { item, state, detail }] = &items[..] else { panic!("{items:?}") };
    assert_eq!([item, state, detail], ["size", "3 MB", "of at most 1000 MB"]);
}

#[test]
fn payloads_are_moved_until_none_is_left_or_none_can_be() {
    let batch = |moved, failed, remaining| Moved { moved, failed, remaining };
    let mut sum = Moved::default();
    assert!(!sum.add(batch(98, 2, 30)), "what failed is tried again");
    assert!(!sum.add(batch(0, 2, 2)));
    assert!(sum.add(batch(0, 2, 0)), "given up after the third time");
    assert_eq!(sum, batch(98, 6, 0));
    assert!(Moved::default().add(batch(0, 0, 7)), "it cannot go on");
}

#[tokio::test]
async fn a_batch_without_an_answer_is_no_success() {
    let given = Parameters::default()
        .with("table", "Atoms")
        .with("key", "AtomId")
        .with("root", "/data/payloads/");
    let mut session = session(Vec::new()).await;
    let error = move_payloads(&mut session, &given, |_| true).await.unwrap_err();
    assert!(error.to_string().contains("without an answer"), "{error}");
    let error = move_payloads(&mut session, &Parameters::default(), |_| true).await.unwrap_err();
    assert!(matches!(&error, Error::Parameter { name, .. } if name == "root" || name == "table"));
}
