//! `tiebreak probe`: what does this origin honour?
//!
//! On a scratch resource that the user names it reads, writes and races, and puts back what was there. The files are the
//! questions, in the order in which they are asked:
//!
//! | file | question |
//! |---|---|
//! | `wire` | one request out, its answer back |
//! | `scratch` | what the resource holds, how it is changed and put back |
//! | `tags` | entity tags: weak, strong, digest; do they come back; are preconditions enforced |
//! | `race` | of many writes under one tag, is one applied? |
//! | `stored` | does it keep what it is sent? |
//! | `created` | keys and duplicates, at a collection |
//! | `found` | what was found, as the TOML of a route, or as JSON |

mod created;
mod found;
mod race;
mod scratch;
mod stored;
mod tags;
mod wire;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use http::HeaderName;
use tiebreak_core::judge::Judge;
use tiebreak_core::request::Target;

use crate::exit::{FAILED, Failure, INTERRUPTED, Interrupts, USAGE};
use found::Found;
use scratch::Scratch;
use wire::Wire;

/// Options of `tiebreak probe`.
#[derive(Debug, Args)]
pub(crate) struct ProbeArgs {
    /// A scratch resource: it is read, written and put back as it was
    #[arg(value_name = "URL")]
    url: String,
    /// A field for every request, `Name: value`, or `@FILE` with one per line; never printed (may be repeated)
    #[arg(short = 'H', long = "header", value_name = "FIELD")]
    header: Vec<String>,
    /// What to write there, where nothing is there yet or the origin does not take back what it serves (JSON)
    #[arg(long, value_name = "FILE")]
    content: Option<PathBuf>,
    /// The member to change, as a JSON Pointer [default: a text at the top that is no id]
    #[arg(long, value_name = "POINTER")]
    member: Option<String>,
    /// A collection: keys and duplicates are tried there by POST, and what that creates is deleted again
    #[arg(long, value_name = "URL", requires = "item")]
    collection: Option<String>,
    /// What to POST there (JSON); `{n}` in it stands for another number each time that the item shall be a new one
    #[arg(long, value_name = "FILE", requires = "collection")]
    item: Option<PathBuf>,
    /// The field in which the origin takes idempotency keys
    #[arg(long, value_name = "NAME", default_value = "Idempotency-Key")]
    key_header: HeaderName,
    /// So many times many writes race under one tag
    #[arg(long, value_name = "N", default_value = "10", value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: u16,
    /// So many writes race
    #[arg(long, value_name = "N", default_value = "8", value_parser = clap::value_parser!(u16).range(2..=64))]
    racers: u16,
    /// How long one request may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "10")]
    timeout: u64,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

/// Runs `tiebreak probe`.
pub(crate) fn run(args: &ProbeArgs) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::new(FAILED, format!("start the runtime: {error}")).report(),
    };
    match runtime.block_on(probe(args)) {
        Ok(found) => {
            let text = if args.json { found.json() } else { found.toml() };
            // A reader that has gone needs no answer.
            let _unread = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(failure) => failure.report(),
    }
}

async fn probe(args: &ProbeArgs) -> Result<Found, Failure> {
    let usage = |why: String| Failure::new(USAGE, why);
    let url = Target::parse(&args.url).map_err(|e| usage(e.to_string()))?;
    let wire = Wire::new(
        crate::fields::read(&args.header).map_err(usage)?,
        Duration::from_secs(args.timeout),
    );
    let content = args.content.as_deref().map(scratch::read_json).transpose()?;
    let item = args.item.as_deref().map(created::Item::read).transpose()?;
    let collection = args
        .collection
        .as_deref()
        .map(Target::parse)
        .transpose()
        .map_err(|e| usage(e.to_string()))?;
    let judge = Judge::standard();
    let mut found = Found::new(&url);

    say(&format!("reading {}", args.url));
    let mut scratch = Scratch::open(&wire, &judge, url, content, args.member.as_deref()).await?;
    // Ctrl-C leaves the resource as it was, too.
    let mut interrupts = Interrupts::listen()?;
    let asked = tokio::select! {
        asked = ask(args, &wire, &judge, &mut scratch, &mut found) => asked,
        () = interrupts.next() => Err(Failure::new(INTERRUPTED, "go on: stopped by a signal")),
    };
    say("putting back what was there");
    scratch.put_back(&wire).await?;
    asked?;
    if let (Some(collection), Some(item)) = (collection, item) {
        say(&format!("trying keys and duplicates at {}", collection.as_str()));
        created::ask(&wire, &judge, &collection, &item, &args.key_header, &mut found).await?;
    }
    Ok(found)
}

async fn ask(
    args: &ProbeArgs,
    wire: &Wire,
    judge: &Judge,
    scratch: &mut Scratch,
    found: &mut Found,
) -> Result<(), Failure> {
    say("writing: what it keeps, and what its entity tags are");
    stored::ask(wire, judge, scratch, found).await?;
    tags::ask(wire, judge, scratch, found).await?;
    if found.enforces_if_match() {
        say(&format!(
            "racing: {} times {} writes under one tag",
            args.rounds, args.racers
        ));
        race::ask(wire, scratch, args.rounds, args.racers, found).await?;
    }
    Ok(())
}

/// Tells what is being done: it writes to somebody's server.
fn say(what: &str) {
    let _unread = writeln!(std::io::stderr(), "tiebreak: {what}");
}
