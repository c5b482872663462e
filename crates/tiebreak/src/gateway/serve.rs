//! The command line of `tiebreak serve`, and what it starts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use tiebreak_client::caller::Callers;
use tiebreak_client::transport::Transport;
use tiebreak_client::transport::http::HttpTransport;
use tiebreak_client::{Engine, EngineOptions};
use tiebreak_core::judge::Judge;
use tiebreak_core::policy::{Policy, Unguarded};
use tiebreak_core::validator::EtagKind;
use tiebreak_origin::{OriginOptions, StaleStatus};
use tokio::sync::{Semaphore, watch};

use super::listen;
use super::route::Gateway;
use super::upstream::{EmbeddedTransport, Remote, Upstream};
use crate::admin::{self, AdminArgs, Desk};
use crate::exit::{FAILED, Failure, USAGE};
use crate::stores::{self, SharedArgs};

/// Options of `tiebreak serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4090")]
    listen: SocketAddr,
    /// The API to stand in front of; without it an embedded JSON origin serves
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// The ledger file, `memory` for one that forgets when it stops, or postgres://user@host/database for one that
    /// several gateways share
    #[arg(long, value_name = "PATH", default_value = "tiebreak.ledger")]
    ledger: PathBuf,
    /// The embedded origin's data, or `memory`
    #[arg(
        long,
        value_name = "PATH",
        default_value = "tiebreak.origin",
        conflicts_with = "upstream"
    )]
    data: PathBuf,
    /// The status with which the embedded origin answers a stale If-Match
    #[arg(long, value_name = "CODE", default_value = "409", value_parser = ["409", "412"], conflicts_with = "upstream")]
    stale_status: String,
    /// What the API's entity tags are worth: `version` if they never come back, `digest` if they follow the content
    #[arg(long, value_name = "KIND", default_value = "auto", value_parser = ["auto", "version", "digest"])]
    etag: String,
    /// The API honours Idempotency-Key: the same key is never performed twice
    #[arg(long)]
    honours_keys: bool,
    /// Refuse writes that name no version and whose base is not known
    #[arg(long)]
    refuse_unguarded: bool,
    /// Send writes that name no version and whose base is not known, also when other gateways share the ledger
    #[arg(long, conflicts_with = "refuse_unguarded")]
    allow_unguarded: bool,
    /// How long we reckon with a request that applies after its answer was lost, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "10")]
    late_after: u64,
    /// How long a write may take until its conflict is given to the caller, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "30")]
    patience: u64,
    /// How long one attempt may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "30")]
    timeout: u64,
    /// At most so many MiB of content in one write
    #[arg(long, value_name = "MIB", default_value = "16", value_parser = clap::value_parser!(u32).range(1..=1024))]
    max_content: u32,
    /// At most so many client connections
    #[arg(long, value_name = "N", default_value = "10000")]
    max_connections: usize,
    #[command(flatten)]
    admin: AdminArgs,
    #[command(flatten)]
    shared: SharedArgs,
}

/// Runs `tiebreak serve`.
pub(crate) fn run(args: &ServeArgs) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::new(FAILED, format!("start the runtime: {error}")).report(),
    };
    match runtime.block_on(serve(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

async fn serve(args: &ServeArgs) -> Result<(), Failure> {
    let (upstream, transport): (Upstream, Arc<dyn Transport>) = match &args.upstream {
        Some(url) => {
            let http = HttpTransport::default();
            let remote = Remote::parse(url).map_err(|why| Failure::new(USAGE, why))?;
            (Upstream::Http(remote), Arc::new(http))
        }
        None => {
            let origin = stores::open_origin(&args.data, origin_options(args))?;
            (
                Upstream::Embedded(Arc::clone(&origin)),
                Arc::new(EmbeddedTransport(origin)),
            )
        }
    };
    let listener = listen::bind(args.listen)
        .await
        .map_err(|why| Failure::new(FAILED, why))?;
    let console = admin::bind(&args.admin)?;
    let callers = Arc::new(Callers::new(&stores::secret_of(&args.ledger, &args.shared)?));
    let late_after = std::time::Duration::from_secs(args.late_after);
    let opened = stores::open_ledger(&args.ledger, &args.shared, late_after).await?;
    let ledger = opened.ledger;
    let options = EngineOptions {
        callers: Arc::clone(&callers),
        policy: Arc::new(policy(args)),
        ..EngineOptions::default()
    };
    let engine = Engine::new(
        options,
        opened.clock,
        ledger.clone(),
        transport,
        Arc::new(Judge::standard()),
    );
    let doubts = engine
        .recover()
        .await
        .map_err(|e| Failure::new(FAILED, e.to_string()))?;
    let max_content = args.max_content as usize * 1024 * 1024;
    let gateway = Arc::new(Gateway {
        engine: Arc::new(engine),
        upstream,
        readers: (0..threads()).map(|_| HttpTransport::default()).collect(),
        writers: (0..threads().div_ceil(2)).map(|_| writer()).collect::<Result<_, _>>()?,
        callers,
        max_content,
        memory: Arc::new(Semaphore::new((512 << 20_usize).max(2 * max_content))),
        running: Arc::default(),
    });
    let address = listener
        .local_addr()
        .map_err(|e| Failure::new(FAILED, format!("listen on {}: {e}", args.listen)))?;
    let (stop, stopped) = watch::channel(false);
    if let Some(console) = console {
        console.serve(Desk {
            engine: Arc::clone(&gateway.engine),
            upstream: args.upstream.clone().unwrap_or_else(|| "embedded".into()),
            stopping: stopped.clone(),
        })?;
    }
    eprintln!("tiebreak: listening on http://{address}, {}", told(args));
    if doubts > 0 {
        eprintln!(
            "tiebreak: {doubts} writes are in doubt from before; each is looked at again when its caller repeats it"
        );
    }
    let stopping = tokio::spawn(signals(stop));
    let purging = tokio::spawn(purge(Arc::clone(&gateway)));
    listen::serve(listener, Arc::clone(&gateway), args.max_connections, stopped).await;
    purging.abort();
    stopping.abort();
    ledger.close().await.map_err(|e| Failure::new(FAILED, e.to_string()))
}

/// Starts a thread on which exchanges run, until the process ends.
fn writer() -> Result<tokio::runtime::Handle, Failure> {
    let fail = |e: std::io::Error| Failure::new(FAILED, format!("start a thread for writes: {e}"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(fail)?;
    let handle = runtime.handle().clone();
    let run = move || runtime.block_on(std::future::pending::<()>());
    std::thread::Builder::new()
        .name("writes".into())
        .spawn(run)
        .map_err(fail)?;
    Ok(handle)
}

/// One thread for each processor.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn origin_options(args: &ServeArgs) -> OriginOptions {
    let stale_status = if args.stale_status == "412" {
        StaleStatus::PreconditionFailed
    } else {
        StaleStatus::Conflict
    };
    OriginOptions {
        stale_status,
        max_content: args.max_content as usize * 1024 * 1024,
        ..OriginOptions::default()
    }
}

fn told(args: &ServeArgs) -> String {
    match &args.upstream {
        Some(url) => format!("in front of {url}"),
        None => format!("an embedded JSON origin with its data in {}", args.data.display()),
    }
}

fn policy(args: &ServeArgs) -> Policy {
    let embedded = args.upstream.is_none();
    Policy {
        etag: match args.etag.as_str() {
            "version" => EtagKind::Version,
            "digest" => EtagKind::Digest,
            _ if embedded => EtagKind::Version,
            _ => EtagKind::Auto,
        },
        honours_keys: args.honours_keys || embedded,
        // What was read through another gateway is not known here.
        unguarded: if args.refuse_unguarded || (stores::is_shared(&args.ledger) && !args.allow_unguarded) {
            Unguarded::Refuse
        } else {
            Unguarded::Allow
        },
        late_after: std::time::Duration::from_secs(args.late_after),
        patience: std::time::Duration::from_secs(args.patience),
        attempt_timeout: std::time::Duration::from_secs(args.timeout),
        ..Policy::default()
    }
}

/// The first signal stops accepting and lets exchanges end; the second ends the process at once.
async fn signals(stop: watch::Sender<bool>) {
    crate::exit::interrupted().await;
    eprintln!("tiebreak: stopping; waiting for the writes on their way (once more stops at once)");
    let _ = stop.send(true);
    crate::exit::interrupted().await;
    eprintln!("tiebreak: stopped at once; what was on its way is in doubt");
    std::process::exit(i32::from(crate::exit::INTERRUPTED));
}

/// Deletes what need not be remembered any more, every minute.
async fn purge(gateway: Arc<Gateway>) {
    let mut every = tokio::time::interval(std::time::Duration::from_secs(60));
    loop {
        every.tick().await;
        if let Err(error) = gateway.engine.ledger().purge(gateway.engine.clock().now()).await {
            tracing::warn!(%error, "old records could not be deleted");
        }
    }
}
