//! Keeps this process alive in the database, declares others dead, and keeps a session for readers at hand.
//!
//! Database time decides. A process knows only that its lease lasts at least until so long after it *asked* for its
//! renewal, by a clock of its own that never jumps.

use std::sync::Arc;
use std::time::Duration;

use tiebreak_core::time::Time;
use tokio::time::Instant;

use super::client::Shared;
use super::database::{Asked, Database, Keeping, Reading, Trouble};
use super::options::Options;

/// So soon an unreachable database is tried again.
const AGAIN: Duration = Duration::from_millis(200);

/// This process as an owner, and until when it surely is one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tenure {
    pub(super) owner: i64,
    pub(super) until: Instant,
}

/// Signs in as a new owner. Also tells the database's time.
pub(super) async fn register(session: &impl Keeping, options: &Options) -> Asked<(Tenure, Time)> {
    let until = Instant::now() + options.lease;
    let (owner, now) = session.register(options).await?;
    Ok((Tenure { owner, until }, now))
}

/// Says that it is alive; `None` if others have declared it dead.
async fn renew(session: &impl Keeping, owner: i64, options: &Options) -> Asked<Option<Tenure>> {
    let until = Instant::now() + options.lease;
    let renewed = session.renew(owner, options.lease).await?;
    Ok(renewed.then_some(Tenure { owner, until }))
}

/// Renews the lease until the ledger is closed, then signs out. Returns whether that was done.
pub(super) async fn run<D: Database>(shared: Arc<Shared<D>>, mut session: Option<D::Keeping>) -> Asked<()> {
    let mut alive_since = Instant::now();
    loop {
        let beat = beat(&shared, &mut session, &mut alive_since).await;
        let wait = match &beat {
            Ok(()) => shared.options.lease / 4,
            Err(error) => {
                tracing::warn!(?error, "the database cannot be reached");
                session = None;
                AGAIN
            }
        };
        tokio::select! {
            biased;
            () = shared.written_out.notified() => break,
            () = shared.beat.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
    let session = match session {
        Some(session) => session,
        None => shared.database.keeping(Arc::clone(&shared.hint)).await?,
    };
    let owner = shared.tenure().owner;
    tokio::time::timeout(Duration::from_secs(5), session.leave(owner))
        .await
        .map_err(|_| Trouble::silent())?
        .map(drop)
}

async fn beat<D: Database>(
    shared: &Shared<D>,
    session: &mut Option<D::Keeping>,
    alive_since: &mut Instant,
) -> Asked<()> {
    let options = &shared.options;
    if session.as_ref().is_none_or(Keeping::is_closed) {
        *session = Some(shared.database.keeping(Arc::clone(&shared.hint)).await?);
        *alive_since = Instant::now();
    }
    let Some(session) = session.as_ref() else { return Ok(()) };
    let work = async {
        match renew(session, shared.tenure().owner, options).await? {
            Some(tenure) => shared.tenures.set(tenure),
            // Others declared this process dead: what it had claimed is in doubt. It goes on as another.
            None => shared.tenures.set(register(session, options).await?.0),
        }
        // After an outage all leases have run out: everybody gets the time to come back.
        if alive_since.elapsed() >= options.lease {
            let doubts = session.reap(shared.tenure().owner).await?;
            if doubts > 0 {
                tracing::warn!(doubts, "another process is gone; what it had claimed is in doubt");
            }
        }
        Ok(())
    };
    tokio::time::timeout(options.lease / 2, work)
        .await
        .map_err(|_| Trouble::silent())??;
    if shared.readers.get().is_none_or(|r| r.is_closed()) {
        let session = shared.database.reading().await?;
        shared.readers.set(Some(Arc::new(session)));
    }
    Ok(())
}
