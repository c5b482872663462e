//! A job from its command line to its exit code.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, header};
use tiebreak_client::transport::authority::Authority;
use tiebreak_client::transport::http::HttpTransport;
use tiebreak_client::transport::{Sending, Transport};
use tiebreak_client::{Engine, EngineOptions};
use tiebreak_core::judge::Judge;
use tiebreak_ledger::Ledger;
use tiebreak_origin::{CollectionSettings, Origin, OriginOptions};
use tokio::sync::watch;

use super::args::SubmitArgs;
use super::dispatch::{Dispatch, End, Tally};
use super::input;
use super::notes::Notes;
use super::outcome::{Came, LineResult};
use super::perform::Performer;
use super::place::Place;
use super::progress::{Progress, say};
use super::report;
use crate::exit::{FAILED, Failure, INTERRUPTED, Interrupts, UNREACHABLE, USAGE};
use crate::gateway::EmbeddedTransport;
use crate::stores;

/// How long the embedded origin remembers keys: longer than anybody waits with a rerun.
const KEY_TTL: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// Memory for recently used documents of the embedded origin, in bytes.
const ORIGIN_CACHE: usize = 16 << 20;

/// Runs `tiebreak submit`.
pub(crate) fn run(args: &SubmitArgs) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::new(USAGE, format!("start the runtime: {error}")).report(),
    };
    let result = if args.forget {
        runtime.block_on(forget(&args.ledger()))
    } else {
        runtime.block_on(Box::pin(submit(args)))
    };
    // A thread that waits for standard input must not hold up the end.
    runtime.shutdown_background();
    match result {
        Ok(code) => ExitCode::from(code),
        Err(failure) => failure.report(),
    }
}

async fn submit(args: &SubmitArgs) -> Result<u8, Failure> {
    let usage = |why: String| Failure::new(USAGE, why);
    let place = args.place().map_err(usage)?;
    let source = args.source(place.clone()).map_err(usage)?;
    let mut own = args.fields().map_err(usage)?;
    if !own.contains_key(header::USER_AGENT) {
        let agent = HeaderValue::from_static(concat!("tiebreak/", env!("CARGO_PKG_VERSION")));
        own.insert(header::USER_AGENT, agent);
    }
    let options = origin_options(args)?;
    let (items, size) = input::start(source).map_err(usage)?;
    let notes = Notes::open().map_err(|e| usage(e.to_string()))?;

    let ledger_path = args.ledger();
    let origin = if place.is_embedded() {
        Some(open_origin(args, options)?)
    } else {
        reach(&place).await?;
        None
    };
    let late_after = args.policy(false).late_after;
    let opened = stores::open_ledger(&ledger_path, &args.shared.settings(), late_after)
        .await
        .map_err(|f| f.with_code(USAGE))?;
    let ledger = opened.ledger;
    tell_start(args, &place, ledger.as_ref()).await?;

    let (stop, stopped) = watch::channel(false);
    let signals = tokio::spawn(signals(Interrupts::listen()?, stop));
    let transport = Arc::new(Wire {
        http: HttpTransport::default(),
        embedded: origin.map(EmbeddedTransport),
    });
    let judge = Arc::new(Judge::standard());
    let performer = Performer {
        engine: Engine::new(
            EngineOptions::default(),
            opened.clock,
            Arc::clone(&ledger),
            transport,
            judge,
        ),
        own,
        embedded: args.policy(true),
        remote: args.policy(false),
        identity: place.identity(),
        each: args.each,
        again: args.again,
    };
    let mut progress = Progress::new(size);
    let dispatch = Dispatch::new(performer, &notes, &mut progress, args.workers());
    let ran = dispatch.run(items, stopped).await;
    signals.abort();
    let closed = ledger.close().await;
    let (tally, end) = ran.map_err(|e| Failure::new(FAILED, e.to_string()))?;
    let open = report::write(&notes, &args.results).map_err(|e| Failure::new(FAILED, e.to_string()))?;
    tell_end(args, &tally, &open);
    if let Err(error) = closed {
        return Err(Failure::new(FAILED, error.to_string()));
    }
    finish(&tally, end)
}

/// The exit code, or why the run ended early.
fn finish(tally: &Tally, end: End) -> Result<u8, Failure> {
    let rest = "what landed is kept; run the same command again to go on";
    match end {
        End::Whole => Ok(if tally.landed() == tally.lines() { 0 } else { FAILED }),
        End::Interrupted => {
            say(&format!("stopped; {rest}"));
            Ok(INTERRUPTED)
        }
        End::Unreachable(why) => Err(Failure::new(UNREACHABLE, format!("reach the target: {why}; {rest}"))),
        End::Forbidden(why) => {
            let why = format!("be let in by the target: {why}; check the --header with the credentials. {rest}");
            Err(Failure::new(FAILED, why))
        }
        End::LedgerFailed(why) => Err(Failure::new(FAILED, format!("go on: {why}; {rest}"))),
        End::Broken(why) => Err(Failure::new(USAGE, format!("{why}; {rest}"))),
    }
}

fn origin_options(args: &SubmitArgs) -> Result<OriginOptions, Failure> {
    let usage = |why: String| Failure::new(USAGE, why);
    let mut options = OriginOptions {
        key_ttl: KEY_TTL,
        max_keys: usize::MAX,
        cache: ORIGIN_CACHE,
        max_content: super::entry::MAX_LINE,
        ..OriginOptions::default()
    };
    for (name, path) in args.schemas().map_err(usage)? {
        let fail = |why: String| usage(format!("read the schema {}: {why}", path.display()));
        let text = std::fs::read(&path).map_err(|e| fail(e.to_string()))?;
        let schema = serde_json::from_slice(&text).map_err(|e| fail(e.to_string()))?;
        let settings = CollectionSettings {
            schema: Some(schema),
            ..CollectionSettings::default()
        };
        options.collections.insert(name, settings);
    }
    Ok(options)
}

/// Opens the embedded origin, unless the ledger remembers writes into data that are gone: they would count as done.
fn open_origin(args: &SubmitArgs, options: OriginOptions) -> Result<Arc<Origin>, Failure> {
    let (ledger, data) = (args.ledger(), args.data());
    let gone = |path: &Path| path.as_os_str() != "memory" && !path.exists();
    if ledger.exists() && gone(&data) {
        let (ledger, data) = (ledger.display(), data.display());
        let why = format!(
            "go on: {ledger} remembers writes into {data}, which is gone; name the data with --data, or begin anew after --forget"
        );
        return Err(Failure::new(USAGE, why));
    }
    stores::open_origin(&data, options).map_err(|f| f.with_code(USAGE))
}

/// Tries whether the target is there, before 50,000 lines fail one by one.
async fn reach(place: &Place) -> Result<(), Failure> {
    const TRIES: u32 = 3;
    const WAIT: Duration = Duration::from_millis(500);
    let Some(to) = place.uri().and_then(|uri| Authority::of(&uri)) else {
        return Ok(());
    };
    let mut why = String::new();
    for attempt in 0..TRIES {
        if attempt > 0 {
            tokio::time::sleep(WAIT).await;
        }
        let connect = tokio::net::TcpStream::connect((to.host.as_str(), to.port));
        match tokio::time::timeout(Duration::from_secs(10), connect).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => why = error.to_string(),
            Err(_) => why = "no connection within 10 seconds".into(),
        }
    }
    Err(Failure::new(
        UNREACHABLE,
        format!("reach {to}: {why}; nothing was sent"),
    ))
}

async fn tell_start(args: &SubmitArgs, place: &Place, ledger: &dyn Ledger) -> Result<(), Failure> {
    let stats = ledger.stats().await.map_err(|e| Failure::new(USAGE, e.to_string()))?;
    let file = args
        .path()
        .map_or_else(|| "standard input".to_owned(), |p| p.display().to_string());
    let data = if place.is_embedded() {
        format!(" (data in {})", args.data().display())
    } else {
        String::new()
    };
    say(&format!(
        "{file} to {}{data}; ledger in {}",
        place.shown(),
        stores::shown(&args.ledger())
    ));
    if stats.settled + stats.in_doubt > 0 {
        say(&format!(
            "going on: {} writes are settled by earlier runs, {} are in doubt and looked at first",
            stats.settled, stats.in_doubt
        ));
    }
    Ok(())
}

fn tell_end(args: &SubmitArgs, tally: &Tally, open: &[LineResult]) {
    let mut text = report::table(tally);
    text.push_str(&format!("results: {}\n", args.results.display()));
    if !open.is_empty() {
        let all = report::needs(tally) + tally.of(Came::InDoubt) + tally.of(Came::NotSent);
        text.push_str(&format!("{} of {all} open lines:\n", open.len()));
        for result in open {
            text.push_str(&report::told(result));
            text.push('\n');
        }
    }
    if tally.of(Came::InDoubt) > 0 {
        text.push_str("in doubt: it is not known whether these were applied; the same command looks at them again\n");
    }
    // Whoever closed the pipe does not want to read it.
    let _closed = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Deletes the ledger of a job, which keeps its records until then.
async fn forget(path: &Path) -> Result<u8, Failure> {
    if !path.exists() {
        say(&format!("nothing to forget: there is no {}", path.display()));
        return Ok(0);
    }
    let settings = stores::SharedLedger::default();
    let opening = stores::open_ledger(path, &settings, Duration::ZERO);
    let ledger = opening.await.map_err(|f| f.with_code(USAGE))?.ledger;
    let fail = |why: String| Failure::new(FAILED, why);
    let stats = ledger.stats().await.map_err(|e| fail(e.to_string()))?;
    let closed = ledger.close().await;
    drop(ledger);
    closed.map_err(|e| fail(e.to_string()))?;
    let path_shown = path.display();
    if stats.in_doubt > 0 {
        let count = stats.in_doubt;
        return Err(fail(format!(
            "forget {path_shown}: {count} writes in it are in doubt; run the job again to have them looked at, or delete the file yourself"
        )));
    }
    for suffix in ["", "-wal", "-shm", "-reserve", "-lock"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match std::fs::remove_file(&name) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(fail(format!("forget {path_shown}: {error}"))),
        }
    }
    say(&format!(
        "forgot {} settled writes; {path_shown} is gone",
        stats.settled
    ));
    Ok(0)
}

/// The first signal begins nothing new and lets exchanges end; the second ends the process at once.
async fn signals(mut interrupts: Interrupts, stop: watch::Sender<bool>) {
    interrupts.next().await;
    say("stopping; waiting for the writes on their way (once more stops at once)");
    let _ = stop.send(true);
    interrupts.next().await;
    say("stopped at once; what was on its way is in doubt, run the same command again to go on");
    std::process::exit(i32::from(INTERRUPTED));
}

/// Where requests go: to the embedded origin by its name, everything else over HTTP.
#[derive(Debug)]
struct Wire {
    http: HttpTransport,
    embedded: Option<EmbeddedTransport>,
}

impl Transport for Wire {
    fn send(&self, request: Request<Bytes>, keep: usize) -> Sending<'_> {
        let local = request.uri().to_string().starts_with(super::place::EMBEDDED);
        match &self.embedded {
            Some(embedded) if local => embedded.send(request, keep),
            _ => self.http.send(request, keep),
        }
    }
}
