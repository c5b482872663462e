//! What `tiebreak serve` starts.

use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, RwLock};

use tiebreak_client::browser::Browser;
use tiebreak_client::caller::Callers;
use tiebreak_client::story::{StoryLimits, Watch};
use tiebreak_client::transport::Transport;
use tiebreak_client::transport::http::HttpTransport;
use tiebreak_client::transport::origins::Origins;
use tiebreak_client::{Engine, EngineOptions};
use tiebreak_core::judge::Judge;
use tiebreak_origin::{Origin, OriginOptions};
use tokio::sync::{Semaphore, watch};

use super::args::ServeArgs;
use super::forwarding::{Forwarding, VIA};
use super::limits::Places;
use super::listen::{self, Address, Listeners, Tls};
use super::observe::{ObservedTransport, Observer, Sink};
use super::reload::{self, Reload};
use super::route::Gateway;
use super::routing::Routing;
use super::timers::Timers;
use super::upstream::{GatewayTransport, own_settings};
use crate::admin::{self, Desk};
use crate::browser::Chromium;
use crate::config::{Config, Server};
use crate::exit::{FAILED, Failure, Interrupts, USAGE};
use crate::stores;

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
    let config = Config::load(args.config(), &args.flags())?;
    let server = &config.server.values;
    let embedded = embedded(&config)?;
    let origins = Arc::new(Origins::default());
    origins.replace(own_settings(&config).map_err(|why| Failure::new(USAGE, why))?);
    let tls = match (&server.tls_cert, &server.tls_key) {
        (Some(certificate), Some(key)) => {
            let tls = Tls::open(certificate, key, server.tls_clients()).map_err(|why| Failure::new(USAGE, why))?;
            Some(Arc::new(tls))
        }
        (None, None) => None,
        _ => {
            let why = "set up TLS: `tls_cert` and `tls_key` belong together; give both, or neither";
            return Err(Failure::new(USAGE, why));
        }
    };
    let listeners = Listeners::open(&server.listen)
        .await
        .map_err(|why| Failure::new(FAILED, why))?;
    let console = admin::bind(args.admin())?;
    let prover = args.admin().prover(server.upstream.as_deref())?;
    // Who only looks on keeps no record: nothing is claimed.
    let record = if server.observe {
        Path::new(stores::MEMORY)
    } else {
        server.ledger.as_path()
    };
    let callers = Arc::new(Callers::new(&stores::secret_of(record, &server.shared)?));
    let late_after = config.cautious().late_after;
    let opened = stores::open_ledger(record, &server.shared, late_after).await?;
    let ledger = opened.ledger;
    let mut watch = console.as_ref().map(admin::Bound::watch);
    let observer = observer(server, &mut watch)?;
    let transport: Arc<dyn Transport> = match &observer {
        Some(_) => Arc::new(ObservedTransport),
        None => Arc::new(GatewayTransport::new(embedded.clone(), Arc::clone(&origins))),
    };
    let (stop, stopped) = watch::channel(false);
    let browser = Arc::new(Chromium::new(server.browser_profile.clone(), stopped.clone()));
    let options = EngineOptions {
        callers: Arc::clone(&callers),
        policy: Arc::new(config.cautious()),
        watch,
        // Who only looks on opens no windows.
        browser: observer.is_none().then(|| Arc::clone(&browser) as Arc<dyn Browser>),
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
    let gateway = Arc::new(Gateway {
        engine: Arc::new(engine),
        routing: RwLock::new(Arc::new(Routing::of(&config, embedded.as_ref()))),
        readers: (0..threads())
            .map(|_| HttpTransport::new(Arc::clone(&origins)).of_gateway(VIA))
            .collect(),
        timers: (0..threads()).map(|_| Timers::default()).collect(),
        writers: (0..threads().div_ceil(2)).map(|_| writer()).collect::<Result<_, _>>()?,
        callers,
        memory: Arc::new(Semaphore::new(config.memory())),
        observer,
        writing: Places::new(server.limits.max_writes_per_caller),
        forwarding: if server.observe {
            Forwarding::None
        } else {
            server.forwarded
        },
        tls: tls.clone(),
        limits: server.limits.clone(),
        running: Arc::default(),
    });
    if let (Some(console), Some(watch)) = (console, gateway.engine.options().watch.clone()) {
        let upstream = server.upstream.clone().unwrap_or_else(|| "embedded".into());
        let engine = Arc::clone(&gateway.engine);
        console.serve(Desk::new(engine, watch, upstream, stopped.clone(), prover))?;
    }
    let hangups = reload::hangups()?;
    let interrupts = Interrupts::listen()?;
    for address in listeners.told() {
        match address {
            Address::Tcp(address) => {
                let scheme = if tls.is_some() { "https" } else { "http" };
                eprintln!("tiebreak: listening on {scheme}://{address}, {}", told(server));
            }
            Address::Unix(_) => eprintln!("tiebreak: listening on {address}, {}", told(server)),
        }
    }
    if doubts > 0 {
        eprintln!(
            "tiebreak: {doubts} writes are in doubt from before; each is looked at again when its caller repeats it"
        );
    }
    let stopping = tokio::spawn(signals(interrupts, stop));
    let renewing = tls.map(|tls| tokio::spawn(tls.watch()));
    let purging = tokio::spawn(purge(Arc::clone(&gateway)));
    let reloads = Reload {
        gateway: Arc::clone(&gateway),
        file: args.config().map(Path::to_owned),
        flags: args.flags(),
        origins,
        started: config.server.clone(),
        embedded,
    };
    let reloading = tokio::spawn(reloads.at_each(hangups));
    listen::serve(listeners, Arc::clone(&gateway), stopped).await;
    reloading.abort();
    purging.abort();
    if let Some(renewing) = renewing {
        renewing.abort();
    }
    stopping.abort();
    if let Some(observer) = &gateway.observer {
        observer.sink.summary();
    }
    browser.closed().await;
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

/// What looks on, where nothing else is done. It reads the stories that `watch` keeps.
fn observer(server: &Server, watch: &mut Option<Arc<Watch>>) -> Result<Option<Arc<Observer>>, Failure> {
    if !server.observe {
        return Ok(None);
    }
    let watch = watch.get_or_insert_with(|| Watch::new(StoryLimits::default()));
    Ok(Some(Arc::new(Observer {
        seen: Arc::default(),
        sink: Sink::open(server.observe_file.as_deref())?,
        watch: Arc::clone(watch),
    })))
}

/// The embedded origin, where it is needed.
fn embedded(config: &Config) -> Result<Option<Arc<Origin>>, Failure> {
    if !config.upstreams[0].is_embedded() {
        return Ok(None);
    }
    let server = &config.server.values;
    let options = OriginOptions {
        stale_status: server.stale_status,
        max_content: config.max_content(),
        ..OriginOptions::default()
    };
    stores::open_origin(&server.data, options).map(Some)
}

fn told(server: &Server) -> String {
    match &server.upstream {
        Some(url) if server.observe => format!("in front of {url}, which only observes: nothing is protected"),
        Some(url) => format!("in front of {url}"),
        None => format!("an embedded JSON origin with its data in {}", server.data.display()),
    }
}

/// The first signal stops accepting and lets exchanges end; the second ends the process at once.
async fn signals(mut interrupts: Interrupts, stop: watch::Sender<bool>) {
    interrupts.next().await;
    eprintln!("tiebreak: stopping; waiting for the writes on their way (once more stops at once)");
    let _ = stop.send(true);
    interrupts.next().await;
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
