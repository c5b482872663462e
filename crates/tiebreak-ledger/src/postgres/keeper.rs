//! Keeps this process alive in the database, declares others dead, and keeps a session for readers at hand.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_postgres::Client;

use super::Shared;
use super::error::{Trouble, trouble};
use super::owner;
use super::statements::Reading;

/// So soon an unreachable database is tried again.
const AGAIN: Duration = Duration::from_millis(200);

/// A session for readers.
pub(super) struct ReadSession {
    pub(super) client: Client,
    pub(super) reading: Reading,
}

/// Renews the lease until the ledger is closed, then signs out. Returns whether that was done.
pub(super) async fn run(shared: Arc<Shared>, mut client: Option<Client>) -> Result<(), Trouble> {
    let mut alive_since = Instant::now();
    loop {
        let beat = beat(&shared, &mut client, &mut alive_since).await;
        let wait = match &beat {
            Ok(()) => shared.options.lease / 4,
            Err(error) => {
                tracing::warn!(?error, "the database cannot be reached");
                client = None;
                AGAIN
            }
        };
        tokio::select! {
            () = shared.written_out.notified() => break,
            () = shared.beat.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
    let client = match client {
        Some(client) => client,
        None => shared.connector.ready(None).await?,
    };
    let owner = shared.tenure().owner;
    let late = |_| Trouble::Gone("it did not answer in time".into());
    tokio::time::timeout(Duration::from_secs(5), owner::leave(&client, owner))
        .await
        .map_err(late)?
        .map(drop)
}

async fn beat(shared: &Shared, client: &mut Option<Client>, alive_since: &mut Instant) -> Result<(), Trouble> {
    let options = &shared.options;
    if client.as_ref().is_none_or(Client::is_closed) {
        *client = Some(shared.connector.ready(Some(Arc::clone(&shared.hint))).await?);
        *alive_since = Instant::now();
        if let Some(client) = client {
            client.batch_execute("LISTEN tiebreak_lanes").await.map_err(trouble)?;
        }
    }
    let Some(client) = client.as_ref() else { return Ok(()) };
    let late = |_| Trouble::Gone("it did not answer in time".into());
    let work = async {
        match owner::renew(client, shared.tenure().owner, options).await? {
            Some(tenure) => shared.tenures.send_replace(tenure),
            // Others declared this process dead: what it had claimed is in doubt. It goes on as another.
            None => shared.tenures.send_replace(owner::register(client, options).await?.0),
        };
        // After an outage all leases have run out: everybody gets the time to come back.
        if alive_since.elapsed() >= options.lease {
            let doubts = owner::reap(client, shared.tenure().owner).await?;
            if doubts > 0 {
                tracing::warn!(doubts, "another process is gone; what it had claimed is in doubt");
            }
        }
        Ok(())
    };
    tokio::time::timeout(options.lease / 2, work).await.map_err(late)??;
    if shared.readers.borrow().as_ref().is_none_or(|r| r.client.is_closed()) {
        let session = open_reader(shared).await?;
        shared.readers.send_replace(Some(Arc::new(session)));
    }
    Ok(())
}

/// A new session for readers.
pub(super) async fn open_reader(shared: &Shared) -> Result<ReadSession, Trouble> {
    let client = shared.connector.ready(None).await?;
    let reading = Reading::prepare(&client).await?;
    Ok(ReadSession { client, reading })
}
