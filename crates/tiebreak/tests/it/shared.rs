//! Workloads that several tests run.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::http::Client;

/// A reproducible shuffle (Fisher–Yates over a linear congruential generator).
pub struct Shuffle(u64);

impl Shuffle {
    pub fn new(seed: u64) -> Shuffle {
        eprintln!("seed {seed}");
        Shuffle(seed)
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % n
    }

    pub fn apply<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}

/// Lets `workers` clients, each with a connection of its own, work off `items`.
pub async fn each<T: Send + 'static>(
    workers: usize,
    items: Vec<T>,
    client: impl Fn(usize) -> Client,
    work: impl AsyncFn(&mut Client, T),
) {
    let items = Arc::new(Mutex::new(items));
    let work = &work;
    let all = (0..workers).map(|worker| {
        let (items, mut client) = (Arc::clone(&items), client(worker));
        async move {
            loop {
                let Some(item) = items.lock().unwrap().pop() else { break };
                work(&mut client, item).await;
            }
        }
    });
    join(all).await;
}

/// Lets each of `workers` raise its own member of one document `rounds` times, with plain GET and whole-document PUT and
/// no condition at all. Every PUT must be answered with success.
pub async fn edit_own_fields(
    path: &str,
    workers: usize,
    rounds: u64,
    client: impl Fn(usize) -> Client,
    fields: impl Fn(&mut Value) -> &mut Value,
) {
    let fields = &fields;
    let all = (0..workers).map(|worker| {
        let mut client = client(worker);
        async move {
            for round in 1..=rounds {
                let mut document = client.get(path).await.json();
                fields(&mut document)[format!("f{worker}")] = json!(round);
                let got = client.put(path, &[], &document).await;
                assert!(got.status.is_success(), "worker {worker}, round {round}: {got:?}");
            }
        }
    });
    join(all).await;
}

/// Runs all at the same time, on this task.
pub async fn join(all: impl Iterator<Item = impl Future<Output = ()>>) {
    let mut pinned: Vec<_> = all.map(|f| Some(Box::pin(f))).collect();
    std::future::poll_fn(|cx| {
        let mut open = false;
        for slot in &mut pinned {
            if let Some(future) = slot {
                match future.as_mut().poll(cx) {
                    std::task::Poll::Ready(()) => *slot = None,
                    std::task::Poll::Pending => open = true,
                }
            }
        }
        if open {
            std::task::Poll::Pending
        } else {
            std::task::Poll::Ready(())
        }
    })
    .await;
}
