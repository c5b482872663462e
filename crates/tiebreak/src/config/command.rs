//! `tiebreak config check` and `tiebreak config show`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::fault::Weight;
use super::{Config, many, show};
use crate::exit::{FAILED, Failure, USAGE};
use crate::gateway::ServeArgs;

/// Check a configuration file, or show what is in force.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Find every mistake in a configuration file; exit code 1 if there is one
    Check {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Show what `tiebreak serve` would do with the same options: each setting, and where its value comes from
    Show(Box<ServeArgs>),
}

/// Runs `tiebreak config`.
pub(crate) fn run(args: &ConfigArgs) -> ExitCode {
    let told = match &args.what {
        What::Check { file } => return check(file),
        What::Show(args) => Config::load(args.config(), &args.flags()).map(|config| show::show(&config)),
    };
    match told.and_then(|told| print(&told)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn check(file: &std::path::Path) -> ExitCode {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => return Failure::new(USAGE, format!("read {}: {error}", file.display())).report(),
    };
    let (config, faults) = Config::read(Some((file.to_owned(), text.clone())), &[]);
    let (mistakes, warnings) = (faults.count(Weight::Mistake), faults.count(Weight::Warning));
    let mut told = faults.told(Some(file), &text);
    told.push_str(&match (mistakes, warnings) {
        (0, 0) => format!("{}: in order; {}\n", file.display(), config.told()),
        (0, n) => format!(
            "{}: can be used; {}; {}\n",
            file.display(),
            config.told(),
            many(n, "warning")
        ),
        (m, 0) => format!("{}: {}\n", file.display(), many(m, "mistake")),
        (m, n) => format!("{}: {}, {}\n", file.display(), many(m, "mistake"), many(n, "warning")),
    });
    match print(&told) {
        Ok(()) if mistakes == 0 => ExitCode::SUCCESS,
        Ok(()) => ExitCode::from(FAILED),
        Err(failure) => failure.report(),
    }
}

fn print(text: &str) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::new(FAILED, format!("write the answer: {error}"))),
    }
}
