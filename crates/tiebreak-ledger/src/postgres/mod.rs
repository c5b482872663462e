//! A ledger in PostgreSQL that many processes share.
//!
//! The statements (`statements`), the sessions in which they are made (`perform`, `owner`, `reading`), and what must be there
//! before (`schema`). When which of them is made is decided by the client of all shared ledgers ([`crate::shared`]). What waits
//! goes in one transaction and one round trip.

mod arrays;
mod check;
mod connect;
mod error;
mod options;
mod owner;
mod perform;
mod reading;
mod row;
mod schema;
mod searching;
mod statements;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use self::connect::Connector;
use self::error::trouble;
pub use self::options::{Address, BadAddress};
use self::owner::KeepSession;
use self::perform::Session;
use self::reading::ReadSession;
use crate::LedgerError;
pub use crate::shared::Options;
use crate::shared::{Asked, Database, SharedLedger, Trouble};

/// A ledger in PostgreSQL.
pub type PgLedger = SharedLedger<Postgres>;

/// A database of PostgreSQL with tables of this version.
pub struct Postgres(Connector);

impl PgLedger {
    /// Opens the ledger at `address`, making its tables if there are none, and puts in doubt what processes whose lease ran out
    /// had claimed.
    ///
    /// # Errors
    /// [`LedgerError::Newer`] or [`LedgerError::Older`] if the tables are not of this version, [`LedgerError::Unavailable`]
    /// if the database cannot be used.
    pub async fn open(address: Address, options: Options) -> Result<PgLedger, LedgerError> {
        let connector = Connector::new(address)?;
        let prepared = async {
            let late = |_| Trouble::Gone("it did not accept a connection in time".into());
            let opening = connector.open(None);
            let client = tokio::time::timeout(Duration::from_secs(10), opening)
                .await
                .map_err(late)??;
            let address = &connector.address;
            schema::prepare(&client, &address.schema, &address.to_string()).await?;
            Ok(Postgres(connector))
        };
        SharedLedger::on_thread("ledger-pg", prepared, options).await
    }

    /// Makes the tables at `address`, or brings them up to this version, without signing in. Returns the version before (0: there were
    /// none) and after.
    ///
    /// # Errors
    /// As [`PgLedger::open`].
    pub async fn migrate(address: Address) -> Result<(u32, u32), LedgerError> {
        let connector = Connector::new(address)?;
        let client = connector.open(None).await.map_err(Trouble::told)?;
        let address = &connector.address;
        let before = schema::migrate(&client, &address.schema, &address.to_string())
            .await
            .map_err(Trouble::told)?;
        Ok((before.unsigned_abs(), schema::VERSION.unsigned_abs()))
    }
}

impl Database for Postgres {
    type Writing = Session;
    type Keeping = KeepSession;
    type Reading = ReadSession;

    async fn writing(&self, owner: i64, number: i64) -> Asked<Session> {
        Session::begin(self.0.ready(None).await?, owner, number).await
    }

    async fn keeping(&self, hint: Arc<Notify>) -> Asked<KeepSession> {
        let client = self.0.ready(Some(hint)).await?;
        client.batch_execute(statements::LISTEN).await.map_err(trouble)?;
        Ok(KeepSession(client))
    }

    async fn reading(&self) -> Asked<ReadSession> {
        ReadSession::begin(self.0.ready(None).await?).await
    }
}
