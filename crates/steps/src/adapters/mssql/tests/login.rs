//! From nothing to a session: plain logins, redirections, and servers that are not there, go away
//! or say nothing.

use super::{
    super::{Error, from_tiberius, retry_within},
    peers::{ANY_PORT, Mock, listen, plainly, refusing, to},
};
use kaizen_engine::error::{Class, Classified as _};
use mssql_mock_tds::{LOGIN_DELAY_KEY, MockTdsServer, QueryResponse, TerminalError};
use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_login_without_encryption_works_where_it_is_asked_for() {
    let mock = Mock::plain().await;
    let connector = plainly(mock.peer.port, "Database=sales");
    let mut client = connector.connect().await.unwrap();
    let row = client.simple_query("SELECT 1").await.unwrap().into_row().await.unwrap().unwrap();
    assert_eq!(row.get::<i32, _>(0), Some(1));
    let logins = mock.logins().await;
    assert_eq!(logins.len(), 1);
    assert_eq!(logins[0].received_database.as_deref(), Some("sales"));
    assert_eq!(logins[0].received_server_name.as_deref(), Some("localhost"));
}

#[tokio::test]
async fn the_session_options_are_set_before_the_connection_is_handed_out() {
    let mock = Mock::plain().await;
    let refused = TerminalError::new(195, 15, "'LOCK_TIMEOUT' is not a recognized SET option.");
    mock.answer(include_str!("../session.sql").trim(), QueryResponse::error_only(refused)).await;
    let error = plainly(mock.peer.port, "").connect().await.unwrap_err();
    assert_eq!(error.number(), Some(195));
}

#[tokio::test]
async fn no_login_is_sent_to_a_server_without_tls_unless_plaintext_was_asked_for() {
    let mock = Mock::plain().await;
    for encrypt in ["true", "strict", "false"] {
        let connector = to(mock.peer.port, &format!("Encrypt={encrypt}"));
        let error = connector.with_timeout(Duration::from_millis(500)).connect().await.unwrap_err();
        assert!(!error.mend().is_empty(), "{error}");
    }
    assert!(mock.logins().await.is_empty());
}

#[tokio::test]
async fn a_redirection_is_followed_to_the_server_that_it_names() {
    let goal = Mock::plain().await;
    let gateway = Mock::run(
        MockTdsServer::new_with_redirection(ANY_PORT, "127.0.0.1", goal.peer.port).await.unwrap(),
    );
    plainly(gateway.peer.port, "Database=sales").connect().await.unwrap();
    let logins = goal.logins().await;
    assert_eq!(logins[0].received_server_name.as_deref(), Some("127.0.0.1"));
    assert_eq!(logins[0].received_database.as_deref(), Some("sales"));
}

#[tokio::test]
async fn a_circle_of_redirections_is_left_after_three_hops() {
    let port = {
        // A port of its own choice cannot be told to the server that is to redirect to itself.
        let listener = std::net::TcpListener::bind(ANY_PORT).unwrap();
        listener.local_addr().unwrap().port()
    };
    let address = format!("127.0.0.1:{port}");
    let circle = MockTdsServer::new_with_redirection(&address, "127.0.0.1", port).await.unwrap();
    let circle = Mock::run(circle);
    let error = plainly(port, "").connect().await.unwrap_err();
    assert_eq!((error.code(), error.class()), ("sqlserver_protocol", Class::Operator));
    assert_eq!(circle.logins().await.len(), 4);
}

#[tokio::test]
async fn a_refused_login_is_explained() {
    for (number, code, advice) in [
        (18456, "sqlserver_login", "error log"),
        (18452, "sqlserver_login", "domain"),
        (18486, "sqlserver_login", "UNLOCK"),
        (40615, "sqlserver_login", "firewall"),
        (4060, "sqlserver_database", "CREATE USER"),
    ] {
        let peer = refusing(number, "Login failed for user 'kaizen'.").await;
        let error = plainly(peer.port, "Database=sales").connect().await.unwrap_err();
        assert_eq!((error.code(), error.class()), (code, Class::Operator));
        assert_eq!(error.number(), Some(number));
        assert!(error.mend().join("\n").contains(advice), "{:?}", error.mend());
        assert!(error.to_string().contains(&format!("tcp:localhost,{}/sales", peer.port)));
    }
}

#[tokio::test]
async fn a_login_that_may_work_later_is_tried_until_patience_ends() {
    let peer = refusing(40613, "Database 'sales' is not currently available.").await;
    let patience = Duration::from_millis(600);
    let error = plainly(peer.port, "").connect_within(patience).await.unwrap_err();
    assert_eq!((error.number(), error.class()), (Some(40613), Class::Retry));
}

#[tokio::test]
async fn a_server_that_comes_back_is_found() {
    let port = Mock::plain().await.peer.port;
    let connector = plainly(port, "");
    assert_eq!(connector.connect().await.unwrap_err().code(), "sqlserver_unreachable");
    let server = MockTdsServer::new(&format!("127.0.0.1:{port}")).await.unwrap();
    let (found, _mock) = tokio::join!(connector.connect_within(LONG), async { Mock::run(server) });
    found.unwrap();
}

#[tokio::test]
async fn a_host_that_is_not_known_is_said_so() {
    let ado = "Server=kaizen.invalid;User Id=u;Password=p";
    let connector = super::super::Connector::parse("TEST", ado).unwrap();
    let error = connector.connect().await.unwrap_err();
    assert!(matches!(error, Error::Unresolvable { .. }), "{error}");
    assert_eq!(error.class(), Class::Retry);
}

#[tokio::test]
async fn with_multi_subnet_failover_the_address_that_answers_wins() {
    let mock = Mock::plain().await;
    plainly(mock.peer.port, "MultiSubnetFailover=true").connect().await.unwrap();
    let gone = std::net::TcpListener::bind(ANY_PORT).unwrap().local_addr().unwrap().port();
    let error = plainly(gone, "MultiSubnetFailover=true").connect().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_hangs_up_during_the_login_is_lost() {
    let peer = listen(|stream| async move { drop(stream) }).await;
    let error = plainly(peer.port, "").connect().await.unwrap_err();
    assert!(matches!(error, Error::Lost { .. }), "{error}");
    assert_eq!((error.code(), error.class()), ("sqlserver_lost", Class::Retry));
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_in_time() {
    let peer = listen(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let connector = plainly(peer.port, "").with_timeout(Duration::from_millis(100));
    let error = connector.connect().await.unwrap_err();
    assert!(matches!(&error, Error::Unreachable { why, .. } if why.contains("100ms")), "{error}");
}

#[tokio::test]
async fn a_login_that_takes_too_long_is_given_up_in_time() {
    let mock = Mock::plain().await;
    mock.answer(LOGIN_DELAY_KEY, QueryResponse::select_one().with_delay(LONG)).await;
    let connector = plainly(mock.peer.port, "").with_timeout(Duration::from_millis(100));
    assert_eq!(connector.connect().await.unwrap_err().class(), Class::Retry);
}

#[tokio::test]
async fn an_answer_that_takes_longer_than_the_command_timeout_is_given_up() {
    let mock = Mock::plain().await;
    mock.answer("SELECT 2", QueryResponse::select_one().with_delay(LONG)).await;
    let connector = plainly(mock.peer.port, "Command Timeout=1");
    let mut client = connector.connect().await.unwrap();
    let error = match client.simple_query("SELECT 2").await {
        Ok(stream) => stream.into_results().await.unwrap_err(),
        Err(error) => error,
    };
    let error = from_tiberius(&connector.place(), error);
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    assert_eq!((error.code(), error.class()), ("sqlserver_timeout", Class::Retry));
}

#[tokio::test]
async fn a_deadlocked_query_is_repeated_until_it_gets_through() {
    let mock = Mock::plain().await;
    let deadlock = TerminalError::new(1205, 13, "chosen as the deadlock victim");
    mock.answer("SELECT 3", QueryResponse::error_only(deadlock)).await;
    let connector = plainly(mock.peer.port, "");
    let tries = AtomicU32::new(0);
    let done = retry_within(LONG, |_| async {
        if tries.fetch_add(1, Ordering::Relaxed) == 1 {
            mock.answer("SELECT 3", QueryResponse::select_one()).await;
        }
        let mut client = connector.connect().await?;
        let place = connector.place();
        let stream = client.simple_query("SELECT 3").await.map_err(|e| from_tiberius(&place, e))?;
        stream.into_row().await.map_err(|e| from_tiberius(&place, e))
    });
    let row = done.await.unwrap().unwrap();
    assert_eq!((row.get::<i32, _>(0), tries.load(Ordering::Relaxed)), (Some(1), 2));
}
