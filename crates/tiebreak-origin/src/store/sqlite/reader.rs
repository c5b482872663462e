//! Readers: a bounded number of connections, on threads where waiting for the disk hurts nobody.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::super::StoreError;
use super::{open, rows};

/// The pool.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
    published: Arc<AtomicU64>,
}

impl Readers {
    /// A pool of up to `most` connections to a file whose last committed version is `last`.
    pub(super) fn new(path: &Path, most: usize, last: u64) -> Readers {
        Readers {
            path: path.to_owned(),
            idle: Arc::default(),
            permits: Arc::new(Semaphore::new(most.max(1))),
            published: Arc::new(AtomicU64::new(last)),
        }
    }

    /// The last version that the cache shows; the writer moves it on.
    pub(super) fn published(&self) -> Arc<AtomicU64> {
        self.published.clone()
    }

    /// Runs `read` on one snapshot of the file.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = self.permits.clone().acquire_owned().await;
        let (idle, path, published) = (self.idle.clone(), self.path.clone(), self.published.clone());
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let pooled = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = match pooled {
                Some(connection) => connection,
                None => open::connect(&path)?,
            };
            connection.execute_batch("BEGIN")?;
            let result = rows::last(&connection).and_then(|last| Ok((last, read(&connection)?)));
            connection.execute_batch("ROLLBACK")?;
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            let (last, found) = result?;
            // A commit shows in the file an instant before it shows in the cache. Who saw it here must not
            // see the version before it there, so wait for that instant.
            while published.load(Ordering::Acquire) < last {
                std::thread::yield_now();
            }
            Ok(found)
        });
        match task.await {
            Ok(result) => result,
            Err(e) => Err(StoreError::Failed(format!("a reader stopped: {e}"))),
        }
    }
}
