//! A TCP relay that loses answers on demand.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A relay between the gateway and a server.
pub struct Relay {
    pub authority: String,
    /// The answer that follows so many others is lost, and its connection with it; below zero: none.
    pub lose_after: Arc<AtomicI64>,
}

impl Relay {
    pub async fn start(to: String) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let lose_after = Arc::new(AtomicI64::new(-1));
        let lose = Arc::clone(&lose_after);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (to, lose) = (to.clone(), Arc::clone(&lose));
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(to).await {
                        relay(client, server, lose).await;
                    }
                });
            }
        });
        Relay { authority, lose_after }
    }
}

async fn relay(client: TcpStream, server: TcpStream, lose: Arc<AtomicI64>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
        let _ = to_server.shutdown().await;
    });
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(n) = from_server.read(&mut buffer).await {
        if n == 0 {
            break;
        }
        let begins = buffer[..n].starts_with(b"HTTP/1.");
        if begins && lose.fetch_sub(1, Ordering::AcqRel) == 0 {
            break; // the server has answered; nobody hears it
        }
        if to_client.write_all(&buffer[..n]).await.is_err() {
            break;
        }
    }
    up.abort();
}
