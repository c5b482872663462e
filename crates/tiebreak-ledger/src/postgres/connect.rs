//! One session with the database.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio_postgres::{AsyncMessage, Client};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::trouble;
use super::options::{Address, Tls};
use super::{schema, tls};
use crate::LedgerError;
use crate::shared::Trouble;

/// A connection that nobody uses any more has so long to end in order.
const GOODBYE: Duration = Duration::from_secs(1);

/// How sessions are made.
#[derive(Clone)]
pub(super) struct Connector {
    pub(super) address: Address,
    tls: Option<MakeRustlsConnect>,
}

impl Connector {
    pub(super) fn new(address: Address) -> Result<Connector, LedgerError> {
        let tls = match address.tls {
            Tls::Off => None,
            Tls::Preferred | Tls::Required => Some(tls::connector(&address)?),
        };
        Ok(Connector { address, tls })
    }

    /// A new session, whatever tables are there. What the server tells unasked goes to `told`.
    pub(super) async fn open(&self, told: Option<Arc<Notify>>) -> Result<Connected, Trouble> {
        let config = &self.address.config;
        let (line, dropped) = oneshot::channel();
        let client = match &self.tls {
            None => {
                let (client, connection) = config.connect(tokio_postgres::NoTls).await.map_err(trouble)?;
                tokio::spawn(drive(connection, told, dropped));
                client
            }
            Some(tls) => {
                let (client, connection) = config.connect(tls.clone()).await.map_err(trouble)?;
                tokio::spawn(drive(connection, told, dropped));
                client
            }
        };
        let schema = quoted(&self.address.schema);
        // A commit that is acknowledged must last, whatever the database's own default says. A transaction whose rest never arrives
        // holds up the next session of its gateway.
        let settings = format!(
            "SET search_path TO {schema}; SET statement_timeout TO '20s'; SET lock_timeout TO '5s';
             SET idle_in_transaction_session_timeout TO '5s'; SET default_transaction_isolation TO 'read committed';
             SELECT set_config('synchronous_commit', 'on', false)
             WHERE current_setting('synchronous_commit') IN ('off', 'local')"
        );
        let client = Connected { client, _line: line };
        client.batch_execute(&settings).await.map_err(trouble)?;
        Ok(client)
    }

    /// A new session with tables of this version.
    pub(super) async fn ready(&self, told: Option<Arc<Notify>>) -> Result<Connected, Trouble> {
        let open = async {
            let client = self.open(told).await?;
            let found = schema::version(&client).await?;
            schema::check(found, &self.address.to_string()).map_err(Trouble::Rule)?;
            Ok(client)
        };
        let late = |_| Trouble::Gone("it did not accept a connection in time".into());
        tokio::time::timeout(Duration::from_secs(5), open).await.map_err(late)?
    }
}

/// A connection, which is closed soon after this is dropped: by itself, the driver's client goes on waiting for the answers to all
/// that was sent, and a database that says nothing would keep one connection more each time.
pub(super) struct Connected {
    client: Client,
    _line: oneshot::Sender<Never>,
}

/// Nothing is ever sent.
enum Never {}

impl std::ops::Deref for Connected {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// An identifier in double quotes.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

async fn drive<S, T>(
    mut connection: tokio_postgres::Connection<S, T>,
    told: Option<Arc<Notify>>,
    dropped: oneshot::Receiver<Never>,
) where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    // Its end is seen by whoever uses the client.
    let talk = async {
        while let Some(Ok(message)) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
            if let (AsyncMessage::Notification(_), Some(told)) = (message, &told) {
                told.notify_waiters();
            }
        }
    };
    let goodbye = async {
        let _never = dropped.await;
        tokio::time::sleep(GOODBYE).await;
    };
    tokio::select! {
        () = talk => {}
        () = goodbye => {}
    }
}
