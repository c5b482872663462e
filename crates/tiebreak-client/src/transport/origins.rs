//! What is said of single origins, for all transports of a process; changed while they run.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::authority::Authority;
use super::bound::Bound;
use super::tls::OriginTls;

/// Whether HTTP/2 is spoken with an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Http2 {
    /// HTTP/1.1 only: what is lost with a connection is one request.
    #[default]
    Off,
    /// If it is chosen when TLS begins (ALPN, RFC 7301); else HTTP/1.1.
    Offered,
    /// Without TLS and without asking (RFC 9113 §3.3).
    Prior,
}

/// What is said of one origin.
#[derive(Debug)]
pub struct OriginSettings {
    /// See [`Http2`].
    pub http2: Http2,
    /// While requests are on their way on an HTTP/2 connection, the origin is asked so often whether it is still there (PING),
    /// and has as long to say so.
    pub ping: Duration,
    /// At most so many HTTP/1.1 connections at a time, idle ones counted; requests beyond wait in order of arrival. `None`: one
    /// for each request.
    pub max_connections: Option<NonZeroUsize>,
    /// How TLS is spoken, where it is not as with any other.
    pub tls: Option<Arc<OriginTls>>,
}

impl Default for OriginSettings {
    fn default() -> OriginSettings {
        OriginSettings {
            http2: Http2::default(),
            ping: PING,
            max_connections: None,
            tls: None,
        }
    }
}

/// See [`OriginSettings::ping`].
pub const PING: Duration = Duration::from_secs(5);

impl OriginSettings {
    fn is_like(&self, other: &OriginSettings) -> bool {
        let files = |settings: &OriginSettings| settings.tls.as_ref().map(|tls| tls.files.clone());
        self.http2 == other.http2
            && self.ping == other.ping
            && self.max_connections == other.max_connections
            && files(self) == files(other)
    }
}

/// Origins with settings of their own.
#[derive(Debug, Default)]
pub struct Origins {
    known: RwLock<HashMap<Authority, Known>>,
    changes: AtomicU64,
    /// Those that answered 417 to an expectation (RFC 9110 §15.5.18).
    unbearing: RwLock<HashSet<Authority>>,
}

#[derive(Debug)]
struct Known {
    settings: OriginSettings,
    /// Its connections, where there are only so many.
    bound: Option<Arc<Bound>>,
}

impl Known {
    /// What is said now; the connections that there are go on counting.
    fn new(settings: OriginSettings, before: Option<Known>) -> Known {
        let bound = settings.max_connections.map(|most| {
            let bound = before.and_then(|before| before.bound);
            let bound = bound.unwrap_or_else(|| Bound::new(most.get()));
            bound.allow(most.get());
            bound
        });
        Known { settings, bound }
    }
}

impl Origins {
    /// Puts these in the place of all that were there. Connections made before are not used again where anything has changed.
    pub fn replace(&self, known: HashMap<Authority, OriginSettings>) {
        let mut current = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let same =
            |(to, new): (&Authority, &OriginSettings)| current.get(to).is_some_and(|old| old.settings.is_like(new));
        let changed = known.len() != current.len() || !known.iter().all(same);
        let mut before = std::mem::take(&mut *current);
        for (to, settings) in known {
            let known = Known::new(settings, before.remove(&to));
            current.insert(to, known);
        }
        if changed {
            self.changes.fetch_add(1, Ordering::Release);
        }
    }

    pub(super) fn tls(&self, to: &Authority) -> Option<Arc<OriginTls>> {
        let current = self.known.read().unwrap_or_else(PoisonError::into_inner);
        current.get(to)?.settings.tls.clone()
    }

    pub(super) fn http2(&self, to: &Authority) -> Http2 {
        let current = self.known.read().unwrap_or_else(PoisonError::into_inner);
        current.get(to).map(|known| known.settings.http2).unwrap_or_default()
    }

    pub(super) fn ping(&self, to: &Authority) -> Duration {
        let current = self.known.read().unwrap_or_else(PoisonError::into_inner);
        current.get(to).map_or(PING, |known| known.settings.ping)
    }

    /// The connections to this origin, where there are only so many.
    pub(super) fn bound(&self, to: &Authority) -> Option<Arc<Bound>> {
        let current = self.known.read().unwrap_or_else(PoisonError::into_inner);
        current.get(to)?.bound.clone()
    }

    /// Notes that this origin answered 417 to an expectation.
    pub(super) fn expects_nothing(&self, to: &Authority) {
        let mut all = self.unbearing.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(to.clone());
    }

    /// Whether this origin may be sent an expectation.
    pub(super) fn bears_expectations(&self, to: &Authority) -> bool {
        let all = self.unbearing.read().unwrap_or_else(PoisonError::into_inner);
        !all.contains(to)
    }

    /// How often they have changed.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }
}
