//! `tiebreak doubts`: writes of which nobody knows whether they were applied, and what ends them.
//!
//! | file | what |
//! |---|---|
//! | `remote` | asks a running gateway over its admin listener |
//! | `local` | opens the ledger itself, when no gateway holds it |
//! | `shown` | as text for people |
//!
//! Both ways give the same JSON, that of the admin listener (docs/admin.md).
//!
//! Exit codes: 0 done, 1 still in doubt or not to be found, 2 bad usage, 3 no gateway could be reached.

mod local;
mod remote;
mod shown;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use tiebreak_core::record::WriteId;

use crate::admin::doubts::reason;
use crate::exit::{FAILED, Failure, USAGE};

/// Where a gateway's admin listener is unless told otherwise.
const DEFAULT: &str = "http://127.0.0.1:4091";

/// Look at writes in doubt, and settle them.
///
/// A write is in doubt when it was sent and nobody can yet prove whether it was applied. It is never sent again on a guess.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tiebreak doubts list
  tiebreak doubts show 019aab3e1f2c00112233445566778899
  tiebreak doubts prove 019aab3e1f2c00112233445566778899
  tiebreak doubts settle 019aab3e1f2c00112233445566778899 --as not-applied --reason 'no such order in the shop'

Exit codes: 0 done, 1 still in doubt or not to be found, 2 bad usage, 3 no gateway could be reached.")]
pub(crate) struct DoubtsArgs {
    #[command(subcommand)]
    what: What,
    /// The admin listener of the running gateway
    #[arg(long, value_name = "URL", default_value = DEFAULT, global = true)]
    admin: String,
    /// The file with the token of the admin listener
    #[arg(long, value_name = "FILE", global = true)]
    admin_token_file: Option<PathBuf>,
    /// The ledger file itself, where no gateway is running
    #[arg(long, value_name = "PATH", global = true, conflicts_with_all = ["admin", "admin_token_file"])]
    ledger: Option<PathBuf>,
    /// Answer in JSON, for programs
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List open doubts, the oldest first
    List {
        /// Begin after this one
        #[arg(long, value_name = "ID", value_parser = id)]
        after: Option<WriteId>,
        /// At most so many
        #[arg(long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// Show all that is known of a write, in doubt or not
    Show {
        /// The write's id
        #[arg(value_name = "ID", value_parser = id)]
        id: WriteId,
    },
    /// Try to prove whether a write was applied: by what other writes came to, and by reading its target
    Prove {
        /// The write's id
        #[arg(value_name = "ID", value_parser = id)]
        id: WriteId,
    },
    /// Say whether a write was applied; who said so, and why, is recorded
    Settle {
        /// The write's id
        #[arg(value_name = "ID", value_parser = id)]
        id: WriteId,
        /// What became of it
        #[arg(long = "as", value_name = "WHAT", value_enum)]
        verdict: Verdict,
        /// How you know
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

/// What a person says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Verdict {
    /// It was applied: a repeat with its key gets a success without content
    Applied,
    /// It was not applied, and will not be: a repeat is performed
    NotApplied,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Verdict::Applied => "applied",
            Verdict::NotApplied => "not-applied",
        }
    }
}

fn id(text: &str) -> Result<WriteId, String> {
    WriteId::parse(text).ok_or_else(|| "expected the id of a write, 32 hexadecimal digits".into())
}

/// Where the doubts are.
enum Place {
    Gateway(remote::Gateway),
    Ledger(local::File),
}

/// Runs the command.
pub(crate) fn run(args: &DoubtsArgs) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::new(FAILED, format!("start the runtime: {error}")).report(),
    };
    match runtime.block_on(perform(args)) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

async fn perform(args: &DoubtsArgs) -> Result<ExitCode, Failure> {
    let place = match &args.ledger {
        Some(path) => Place::Ledger(local::File::open(path).await?),
        None => Place::Gateway(remote::Gateway::at(&args.admin, args.admin_token_file.as_deref())?),
    };
    let done = answer(&place, &args.what).await;
    if let Place::Ledger(file) = &place {
        file.close().await?;
    }
    let told = done?;
    let text = if args.json {
        format!("{told}\n")
    } else {
        match &args.what {
            What::List { .. } => shown::list(&told),
            What::Show { .. } => shown::write(&told),
            What::Prove { .. } => shown::proof(&told),
            What::Settle { verdict, .. } => shown::settled(&told, *verdict == Verdict::Applied),
        }
    };
    let mut out = anstream::stdout().lock();
    // Whoever reads the output has seen enough (`| head`).
    let _unread = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    let open = matches!(args.what, What::Prove { .. }) && told["proof"] == "open";
    Ok(ExitCode::from(if open { FAILED } else { 0 }))
}

async fn answer(place: &Place, what: &What) -> Result<Value, Failure> {
    match (place, what) {
        (Place::Gateway(gateway), What::List { after, limit }) => {
            let after = after.map_or_else(String::new, |id| format!("&after={id}"));
            gateway.get(&format!("/api/doubts?limit={limit}{after}")).await
        }
        (Place::Gateway(gateway), What::Show { id }) => gateway.get(&format!("/api/writes/{id}")).await,
        (Place::Gateway(gateway), What::Prove { id }) => {
            gateway.post(&format!("/api/doubts/{id}/prove"), &Value::Null).await
        }
        (Place::Gateway(gateway), What::Settle { id, verdict, reason }) => {
            let told = json!({ "as": verdict.word(), "reason": checked(reason)?, "by": who() });
            gateway.post(&format!("/api/doubts/{id}/settle"), &told).await
        }
        (Place::Ledger(file), What::List { after, limit }) => file.list(*after, usize::from(*limit)).await,
        (Place::Ledger(file), What::Show { id }) => file.show(*id).await,
        (Place::Ledger(_), What::Prove { .. }) => Err(Failure::new(
            USAGE,
            "prove a doubt from the ledger file alone: the target has to be read; start the gateway with --prover-credential-file and leave --ledger out, or settle it",
        )),
        (Place::Ledger(file), What::Settle { id, verdict, reason }) => {
            let reason = crate::admin::doubts::reason(&checked(reason)?, who().as_deref());
            let reason = reason.map_err(|why| Failure::new(USAGE, format!("settle the doubt: {why}")))?;
            file.settle(*id, *verdict == Verdict::Applied, &reason).await
        }
    }
}

/// A reason that will be taken.
fn checked(text: &str) -> Result<String, Failure> {
    reason(text, None).map_err(|why| Failure::new(USAGE, format!("settle the doubt: {why}")))
}

/// The user of this command, as the system names them.
fn who() -> Option<String> {
    ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok())
}
