//! The other ends that the tests talk to.

use super::super::Connector;
use mssql_mock_tds::{
    ConnectionInfo, ConnectionStore, MockTdsServer, QueryRegistry, QueryResponse,
};
use std::{future::Future, sync::Arc};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Mutex,
    task::JoinHandle,
};

pub(super) const ANY_PORT: &str = "127.0.0.1:0";

/// Something that listens, until the test is over.
pub(super) struct Peer {
    pub port: u16,
    task: JoinHandle<()>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A mock server that runs.
pub(super) struct Mock {
    pub peer: Peer,
    queries: Arc<Mutex<QueryRegistry>>,
    connections: Arc<Mutex<ConnectionStore>>,
}

impl Mock {
    pub(super) fn run(server: MockTdsServer) -> Mock {
        let (queries, connections) = (server.query_registry(), server.connection_store());
        let port = server.local_addr().port();
        let task = tokio::spawn(async move { server.run().await.unwrap() });
        Mock { peer: Peer { port, task }, queries, connections }
    }

    pub(super) async fn plain() -> Mock {
        Mock::run(MockTdsServer::new(ANY_PORT).await.unwrap())
    }

    pub(super) async fn answer(&self, query: &str, response: QueryResponse) {
        self.queries.lock().await.register(query, response);
    }

    /// What the server saw of each connection that reached the login, in order.
    pub(super) async fn logins(&self) -> Vec<ConnectionInfo> {
        let seen = self.connections.lock().await;
        seen.all().values().filter(|seen| seen.received_server_name.is_some()).cloned().collect()
    }
}

/// A listener that treats each connection as told.
pub(super) async fn listen<F, A>(treat: F) -> Peer
where
    F: Fn(TcpStream) -> A + Send + 'static,
    A: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind(ANY_PORT).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(treat(stream));
        }
    });
    Peer { port, task }
}

/// A server without TLS that answers every login with an error.
pub(super) async fn refusing(number: u32, message: &'static str) -> Peer {
    listen(move |mut stream| async move {
        packet(&mut stream).await;
        let prelogin = mssql_mock_tds::protocol::build_prelogin_response();
        stream.write_all(&prelogin).await.unwrap();
        packet(&mut stream).await;
        stream.write_all(&refusal(number, message)).await.unwrap();
        // Held open until the client goes: a reset would overtake the answer.
        packet(&mut stream).await;
    })
    .await
}

/// Reads one TDS packet and forgets it; the end of the stream will do as well.
async fn packet(stream: &mut TcpStream) {
    let mut header = [0; 8];
    if stream.read_exact(&mut header).await.is_ok() {
        let length = u16::from_be_bytes([header[2], header[3]]);
        let mut body = vec![0; usize::from(length) - header.len()];
        let _ = stream.read_exact(&mut body).await;
    }
}

/// An ERROR token and a final DONE, in one packet (MS-TDS 2.2.7.10 and 2.2.7.6).
fn refusal(number: u32, message: &str) -> Vec<u8> {
    let units: Vec<u8> = message.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut token = number.to_le_bytes().to_vec();
    token.extend([1, 14]);
    token.extend(u16::try_from(units.len() / 2).unwrap().to_le_bytes());
    token.extend(units);
    token.extend([0, 0]);
    token.extend(1_u32.to_le_bytes());

    let mut body = vec![0xAA];
    body.extend(u16::try_from(token.len()).unwrap().to_le_bytes());
    body.extend(token);
    body.extend([0xFD, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

    let length = u16::try_from(body.len() + 8).unwrap();
    let mut packet = vec![4, 1];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 0, 1, 0]);
    packet.extend(body);
    packet
}

/// A connector to a port of this machine as a SQL login.
pub(super) fn to(port: u16, rest: &str) -> Connector {
    let ado = format!("Server=tcp:localhost,{port};User Id=kaizen;Password=p;{rest}");
    Connector::parse("TEST", &ado).unwrap()
}

/// The same, without any encryption.
pub(super) fn plainly(port: u16, rest: &str) -> Connector {
    to(port, &format!("Encrypt=DANGER_PLAINTEXT;{rest}"))
}
