//! A front for the mock server that puts its TLS handshake into the envelopes that SQL Server uses.
//!
//! Until the handshake is over, TDS 7 carries TLS records in PRELOGIN packets (type 0x12), both
//! ways. The mock sends its half as results (type 0x04), which drivers other than Microsoft's
//! refuse, and it still wraps the tickets that TLS 1.3 sends once the handshake is over.

use super::peers::{Peer, listen};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

const PRELOGIN: u8 = 0x12;
const RESULT: u8 = 0x04;
const TLS_RECORDS: std::ops::RangeInclusive<u8> = 0x14..=0x17;
const TLS_APPLICATION_DATA: u8 = 0x17;

/// A port that leads to the mock at `port`, in SQL Server's envelopes.
pub(super) async fn corrected(port: u16) -> Peer {
    listen(move |client| async move {
        let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let flights = Arc::new(AtomicUsize::new(0));
        tokio::join!(
            upwards(from_client, to_server, &flights),
            downwards(from_server, to_client, &flights),
        );
    })
    .await
}

/// Counts the client's packets: the first is its PRELOGIN, the second its hello, the next ends its
/// half of the handshake.
async fn upwards(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, flights: &AtomicUsize) {
    while let Some(packet) = packet(&mut from, PRELOGIN).await {
        match packet {
            Packet::Wrapped(bytes) => {
                flights.fetch_add(1, Ordering::SeqCst);
                let _ = to.write_all(&bytes).await;
            }
            Packet::Raw(first) => {
                let _ = to.write_all(&[first]).await;
                let _ = copy(&mut from, &mut to).await;
            }
        }
    }
}

async fn downwards(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, flights: &AtomicUsize) {
    while let Some(packet) = packet(&mut from, RESULT).await {
        match packet {
            Packet::Wrapped(mut bytes) => {
                let record = bytes.get(8).copied().filter(|kind| TLS_RECORDS.contains(kind));
                let over = flights.load(Ordering::SeqCst) > 2;
                let _ = match record {
                    Some(TLS_APPLICATION_DATA) if over => to.write_all(&bytes[8..]).await,
                    Some(_) => {
                        bytes[0] = PRELOGIN;
                        to.write_all(&bytes).await
                    }
                    None => to.write_all(&bytes).await,
                };
            }
            Packet::Raw(first) => {
                let _ = to.write_all(&[first]).await;
                let _ = copy(&mut from, &mut to).await;
            }
        }
    }
}

enum Packet {
    Wrapped(Vec<u8>),
    /// The first byte of something that is in no packet of the expected type.
    Raw(u8),
}

async fn packet(from: &mut OwnedReadHalf, wrapped: u8) -> Option<Packet> {
    let first = from.read_u8().await.ok()?;
    if first != wrapped {
        return Some(Packet::Raw(first));
    }
    let mut bytes = vec![first; 8];
    from.read_exact(&mut bytes[1..]).await.ok()?;
    bytes.resize(usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), 0);
    from.read_exact(&mut bytes[8..]).await.ok()?;
    Some(Packet::Wrapped(bytes))
}
