//! Keys whose exchanges are on their way in this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tiebreak_core::exchange::Answer;
use tiebreak_core::fingerprint::Fingerprint;
use tiebreak_core::key::KeyDigest;
use tokio::sync::watch;

type Published = Option<Arc<Answer>>;

/// The register of keys.
#[derive(Debug, Default)]
pub(crate) struct Inflight {
    keys: Mutex<HashMap<KeyDigest, Running>>,
}

#[derive(Debug)]
struct Running {
    fingerprint: Fingerprint,
    answer: watch::Receiver<Published>,
}

/// The registration of one key. Dropped without an answer, it tells those who wait that there will be none.
#[derive(Debug)]
pub(crate) struct Registration {
    key: KeyDigest,
    register: Arc<Inflight>,
    publish: watch::Sender<Published>,
}

impl Inflight {
    /// Registers `key`, or says with which fingerprint it is running.
    pub(crate) fn register(
        self: &Arc<Self>,
        key: KeyDigest,
        fingerprint: Fingerprint,
    ) -> Result<Registration, Fingerprint> {
        let mut keys = self.lock();
        if let Some(running) = keys.get(&key) {
            return Err(running.fingerprint);
        }
        let (publish, answer) = watch::channel(None);
        keys.insert(key, Running { fingerprint, answer });
        Ok(Registration {
            key,
            register: Arc::clone(self),
            publish,
        })
    }

    /// Waits for the answer of the exchange that has `key`; `None` if it ended without one.
    pub(crate) async fn answer(&self, key: KeyDigest) -> Published {
        let mut receiver = self.lock().get(&key)?.answer.clone();
        let answer = receiver.wait_for(Option::is_some).await.ok()?;
        answer.clone()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<KeyDigest, Running>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registration {
    /// Gives the answer to all who joined.
    pub(crate) fn publish(self, answer: &Answer) {
        if self.publish.receiver_count() > 1 {
            self.publish.send_replace(Some(Arc::new(answer.clone())));
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.register.lock().remove(&self.key);
    }
}
