//! The socket of the admin listener, and the thread that serves it.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tiebreak_client::story::{Conceal, StoryLimits, Watch};
use tokio::sync::Semaphore;

use super::args::AdminArgs;
use super::guard::Guard;
use super::{Desk, live, router};
use crate::exit::{FAILED, Failure};

/// So many connections are served at once; more wait.
const CONNECTIONS: usize = 128;

/// A client that takes longer for the head of a request is cut off.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes that the head of a request may have.
const MAX_HEAD: usize = 32 * 1024;

/// The open socket, not served yet.
#[derive(Debug)]
pub(crate) struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    guard: Guard,
    conceal: Vec<String>,
}

/// Opens the socket; `None` if there is to be none, or the default port is taken (which is said).
pub(crate) fn bind(args: &AdminArgs) -> Result<Option<Bound>, Failure> {
    let Some(asked) = args.asked()? else { return Ok(None) };
    let at = asked.address;
    let opened = TcpListener::bind(at).and_then(|listener| {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    match opened {
        Ok((listener, address)) => Ok(Some(Bound {
            listener,
            address,
            guard: asked.guard,
            conceal: args.conceal().to_vec(),
        })),
        Err(error) if !asked.named => {
            eprintln!("tiebreak: no admin listener: {at} cannot be used ({error}); choose another with --admin");
            Ok(None)
        }
        Err(error) => {
            let why = match error.kind() {
                ErrorKind::AddrInUse => "another process listens there already".to_owned(),
                ErrorKind::PermissionDenied => "not permitted; choose a port over 1023".to_owned(),
                _ => error.to_string(),
            };
            let why =
                format!("serve the admin listener on {at}: {why}; choose another address with --admin, or --admin off");
            Err(Failure::new(FAILED, why))
        }
    }
}

impl Bound {
    /// What records the writes for it.
    pub(crate) fn watch(&self) -> Arc<Watch> {
        Watch::new(StoryLimits {
            conceal: Conceal::also(&self.conceal),
            ..StoryLimits::default()
        })
    }

    /// Serves until the process ends, on a thread of its own.
    pub(crate) fn serve(self, desk: Desk) -> Result<(), Failure> {
        let fail = |e: std::io::Error| Failure::new(FAILED, format!("start the admin listener: {e}"));
        let Bound {
            listener,
            address,
            guard,
            conceal: _,
        } = self;
        eprintln!("tiebreak: console on http://{address}/");
        let desk = Arc::new(desk);
        let router = router(Arc::clone(&desk), Arc::new(guard));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(fail)?;
        let work = move || {
            runtime.block_on(async {
                tokio::spawn(live::sample(desk));
                match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => accept(listener, router).await,
                    Err(error) => tracing::error!(%error, "the admin listener could not start"),
                }
            });
        };
        let thread = std::thread::Builder::new().name("admin".into()).spawn(work);
        thread.map(drop).map_err(fail)
    }
}

async fn accept(listener: tokio::net::TcpListener, router: Router) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection to the admin listener could not be accepted");
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .max_buf_size(MAX_HEAD)
                .serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the admin listener ended");
            }
            drop(place);
        });
    }
}
