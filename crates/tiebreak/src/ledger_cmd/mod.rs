//! `tiebreak ledger`: what a ledger holds, whether it is in order, and what it can give up.

mod export;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;
use tiebreak_ledger::search::{MAX_FOUND, Query};
use tiebreak_ledger::{Ledger, LedgerError};

use crate::exit::{FAILED, Failure};
use crate::stores::{self, SharedArgs};

/// Look at a ledger, check it, export it, or make it smaller.
#[derive(Debug, Args)]
pub(crate) struct LedgerArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Count what it holds
    Stats {
        #[command(flatten)]
        which: Which,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Read every record, and look for what contradicts itself; exit code 1 if there is something
    Check {
        #[command(flatten)]
        which: Which,
    },
    /// Make its tables, or bring them up to this version
    Migrate {
        #[command(flatten)]
        which: Which,
    },
    /// Write its records to standard output, one JSON object a line, the newest first; without keys, callers and contents
    Export {
        #[command(flatten)]
        which: Which,
    },
    /// Delete the settled records whose time is over; doubts never
    Purge {
        #[command(flatten)]
        which: Which,
    },
}

/// Which ledger.
#[derive(Debug, Args)]
struct Which {
    /// The ledger file, or postgres://user@host/database
    #[arg(long, value_name = "PATH", default_value = "tiebreak.ledger")]
    ledger: PathBuf,
    #[command(flatten)]
    shared: SharedArgs,
}

/// Runs `tiebreak ledger`.
pub(crate) fn run(args: &LedgerArgs) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::new(FAILED, format!("start the runtime: {error}")).report(),
    };
    match runtime.block_on(perform(&args.what)) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

async fn perform(what: &What) -> Result<ExitCode, Failure> {
    match what {
        What::Stats { which, json } => stats(which, *json).await,
        What::Check { which } => check(which).await,
        What::Migrate { which } => migrate(which).await,
        What::Export { which } => {
            let open = which.open().await?;
            export::export(&open.ledger).await?;
            open.close().await
        }
        What::Purge { which } => {
            let open = which.open().await?;
            let purged = open.ledger.purge(open.clock.now()).await.map_err(failed)?;
            say(&format!("{purged} records deleted"))?;
            open.close().await
        }
    }
}

impl Which {
    /// Opens it, if it is there: looking at a ledger does not make one.
    async fn open(&self) -> Result<stores::Opened, Failure> {
        if !stores::is_shared(&self.ledger) && !self.ledger.exists() {
            let shown = self.ledger.display();
            return Err(Failure::new(
                FAILED,
                format!("find the ledger {shown}; name it with --ledger"),
            ));
        }
        stores::open_ledger(&self.ledger, &self.shared.settings(), Duration::ZERO).await
    }
}

impl stores::Opened {
    async fn close(self) -> Result<ExitCode, Failure> {
        self.ledger.close().await.map_err(failed)?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn stats(which: &Which, as_json: bool) -> Result<ExitCode, Failure> {
    let open = which.open().await?;
    let stats = open.ledger.stats().await.map_err(failed)?;
    let (claimed, settled, in_doubt) = (stats.claimed, stats.settled, stats.in_doubt);
    if as_json {
        let told = json!({"claimed": claimed, "settled": settled, "in_doubt": in_doubt, "bytes": stats.bytes});
        say(&told.to_string())?;
    } else {
        let mib = stats.bytes as f64 / f64::from(1 << 20);
        say(&format!(
            "{}\n{claimed:>12} on their way\n{settled:>12} settled\n{in_doubt:>12} in doubt\n{mib:>12.1} MiB",
            stores::shown(&which.ledger)
        ))?;
    }
    open.close().await
}

async fn check(which: &Which) -> Result<ExitCode, Failure> {
    let open = which.open().await?;
    let mut wrong = open.ledger.check().await.map_err(failed)?;
    let mut count = 0_u64;
    let read = each(&open.ledger, |records| {
        count += records.len() as u64;
        Ok(())
    });
    if let Err(failure) = read.await {
        wrong.push(failure.why().to_owned());
    }
    for what in &wrong {
        say(&format!("wrong: {what}"))?;
    }
    let shown = stores::shown(&which.ledger);
    say(&match wrong.len() {
        0 => format!("{shown}: {count} records, all in order"),
        n => format!("{shown}: {count} records read, {n} things are wrong"),
    })?;
    open.close().await?;
    Ok(if wrong.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILED)
    })
}

async fn migrate(which: &Which) -> Result<ExitCode, Failure> {
    let shown = stores::shown(&which.ledger);
    if !stores::is_shared(&which.ledger) {
        // Opening a file brings it up to this version.
        let done = which.open().await?.close().await;
        say(&format!("{shown}: is of this version"))?;
        return done;
    }
    let (before, now) = stores::migrate(&which.ledger, &which.shared.settings()).await?;
    say(&match before {
        0 => format!("{shown}: tables of version {now} made"),
        before if before == now => format!("{shown}: is of version {now} already"),
        before => format!("{shown}: brought from version {before} to {now}"),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Reads all records, page by page.
async fn each(
    ledger: &Arc<dyn Ledger>,
    mut page: impl FnMut(&[tiebreak_core::record::Record]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut before = None;
    loop {
        let found = ledger
            .search(Query::default(), before, MAX_FOUND)
            .await
            .map_err(failed)?;
        page(&found.records)?;
        before = found.next;
        if before.is_none() {
            return Ok(());
        }
    }
}

#[allow(clippy::needless_pass_by_value, reason = "made for map_err")]
fn failed(error: LedgerError) -> Failure {
    Failure::new(FAILED, error.to_string())
}

/// Writes a line to standard output.
fn say(text: &str) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "{text}").map_err(|e| Failure::new(FAILED, format!("write the output: {e}")))
}
