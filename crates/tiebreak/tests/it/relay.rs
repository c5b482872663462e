//! A TCP relay that loses answers on demand, or holds them back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A relay between the gateway and a server.
pub struct Relay {
    pub authority: String,
    /// The answer that follows so many others is lost, and its connection with it; below zero: none.
    pub lose_after: Arc<AtomicI64>,
    /// Nothing passes, and nobody is told: what is on its way is lost.
    pub cut: Arc<AtomicBool>,
    /// On so many connections, counted from the first, nothing passes any more, and they stay open: packets vanish.
    pub frozen: Arc<AtomicU64>,
    /// So many milliseconds each part of an answer takes longer.
    pub delay: Arc<AtomicU64>,
}

impl Relay {
    pub async fn start(to: String) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let lose_after = Arc::new(AtomicI64::new(-1));
        let lose = Arc::clone(&lose_after);
        let cut = Arc::new(AtomicBool::new(false));
        let no_more = Arc::clone(&cut);
        let frozen = Arc::new(AtomicU64::new(0));
        let freezes = Arc::clone(&frozen);
        let delay = Arc::new(AtomicU64::new(0));
        let later = Arc::clone(&delay);
        tokio::spawn(async move {
            let mut number = 0;
            while let Ok((client, _)) = listener.accept().await {
                let frozen = Frozen {
                    until: Arc::clone(&freezes),
                    number,
                };
                number += 1;
                let (to, lose, cut) = (to.clone(), Arc::clone(&lose), Arc::clone(&no_more));
                let delay = Arc::clone(&later);
                tokio::spawn(async move {
                    if cut.load(Ordering::Acquire) {
                        return;
                    }
                    if let Ok(server) = TcpStream::connect(to).await {
                        relay(client, server, lose, cut, frozen, delay).await;
                    }
                });
            }
        });
        Relay {
            authority,
            lose_after,
            cut,
            frozen,
            delay,
        }
    }
}

/// Whether one connection is frozen.
#[derive(Clone)]
struct Frozen {
    until: Arc<AtomicU64>,
    number: u64,
}

impl Frozen {
    async fn hold(&self) {
        if self.number < self.until.load(Ordering::Acquire) {
            std::future::pending::<()>().await;
        }
    }
}

async fn relay(
    client: TcpStream,
    server: TcpStream,
    lose: Arc<AtomicI64>,
    cut: Arc<AtomicBool>,
    frozen: Frozen,
    delay: Arc<AtomicU64>,
) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (cut_up, frozen_up) = (Arc::clone(&cut), frozen.clone());
    let up = tokio::spawn(async move {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(n @ 1..) = from_client.read(&mut buffer).await {
            frozen_up.hold().await;
            if cut_up.load(Ordering::Acquire) || to_server.write_all(&buffer[..n]).await.is_err() {
                break;
            }
        }
        let _ = to_server.shutdown().await;
    });
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(n) = from_server.read(&mut buffer).await {
        frozen.hold().await;
        if n == 0 {
            break;
        }
        let delay = delay.load(Ordering::Acquire);
        if delay > 0 {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        if cut.load(Ordering::Acquire) {
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
