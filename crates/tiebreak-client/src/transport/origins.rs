//! What is said of single origins, for all transports of a process; changed while they run.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::authority::Authority;
use super::tls::OriginTls;

/// Origins with settings of their own.
#[derive(Debug, Default)]
pub struct Origins {
    tls: RwLock<HashMap<Authority, Arc<OriginTls>>>,
    changes: AtomicU64,
}

impl Origins {
    /// Puts these in the place of all that were there. Connections made before are not used again where anything has changed.
    pub fn replace(&self, tls: HashMap<Authority, OriginTls>) {
        let mut current = self.tls.write().unwrap_or_else(PoisonError::into_inner);
        let same = |(to, new): (&Authority, &OriginTls)| current.get(to).is_some_and(|old| old.files == new.files);
        let changed = tls.len() != current.len() || !tls.iter().all(same);
        *current = tls.into_iter().map(|(to, tls)| (to, Arc::new(tls))).collect();
        if changed {
            self.changes.fetch_add(1, Ordering::Release);
        }
    }

    pub(super) fn tls(&self, to: &Authority) -> Option<Arc<OriginTls>> {
        let current = self.tls.read().unwrap_or_else(PoisonError::into_inner);
        current.get(to).map(Arc::clone)
    }

    /// How often they have changed.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }
}
