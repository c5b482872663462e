//! Connections over a bound: counted, and told in the log, but not each of them.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tiebreak_client::figures::AtBound;
use tokio::time::Instant;

use crate::gateway::route::Gateway;

/// So often a bound is told at most.
const TOLD_EACH: Duration = Duration::from_secs(60);

/// Which bound a connection is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// That on all connections.
    All,
    /// That on the connections from one address.
    Address(IpAddr),
}

impl Full {
    /// What its client is told.
    pub(super) fn why(self) -> &'static str {
        match self {
            Full::All => {
                "as many clients are connected as this gateway takes; close idle connections, or try again later"
            }
            Full::Address(_) => {
                "as many connections from your address are open as this gateway takes; close some, or try again later"
            }
        }
    }

    fn bound(self) -> AtBound {
        match self {
            Full::All => AtBound::Connections,
            Full::Address(_) => AtBound::ConnectionsOfAddress,
        }
    }
}

/// What was told of refused connections, and when.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<Unsaid>);

#[derive(Debug, Default)]
struct Unsaid {
    since: Option<Instant>,
    count: u64,
}

impl Refusals {
    /// A connection is not served.
    pub(super) fn refused(&self, gateway: &Gateway, full: Full) {
        if let Some(watch) = &gateway.engine.options().watch {
            watch.figures().at_bound(full.bound());
        }
        let Some(count) = self.due(Instant::now()) else { return };
        let limits = &gateway.limits;
        match full {
            Full::All => tracing::warn!(
                count,
                max_connections = limits.max_connections,
                "connections are refused: as many are open as are allowed (told once a minute)"
            ),
            Full::Address(address) => tracing::warn!(
                count,
                %address,
                max_connections_per_address = limits.max_connections_per_address,
                "connections are refused: as many are open from this address as are allowed (told once a minute)"
            ),
        }
    }

    /// How many were refused since the last time that it was told, if it is to be told again.
    fn due(&self, now: Instant) -> Option<u64> {
        let mut unsaid = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        unsaid.count += 1;
        if unsaid.since.is_some_and(|since| now < since + TOLD_EACH) {
            return None;
        }
        unsaid.since = Some(now);
        Some(std::mem::take(&mut unsaid.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_told_once_a_minute_with_the_number_of_those_since() {
        let refusals = Refusals::default();
        let begun = Instant::now();
        assert_eq!(refusals.due(begun), Some(1));
        assert_eq!(refusals.due(begun), None);
        assert_eq!(refusals.due(begun + TOLD_EACH - Duration::from_millis(1)), None);
        assert_eq!(refusals.due(begun + TOLD_EACH), Some(3));
        assert_eq!(refusals.due(begun + TOLD_EACH), None);
    }
}
