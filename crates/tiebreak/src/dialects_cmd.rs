//! `tiebreak dialects`: the packs that tell one API family's conflicts from another's.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use tiebreak_core::judge::{Dialects, Judge, Pack, PackError, block};

/// List dialect packs, or check packs of your own.
#[derive(Debug, Args)]
pub(crate) struct DialectsArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the packs: the built-in ones, and those of a directory.
    List {
        /// A directory with packs of your own (*.toml).
        #[arg(value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Load packs and run their examples; exit code 1 if one is wrong.
    Check {
        /// A directory with packs of your own (*.toml); without it the built-in packs are checked.
        #[arg(value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

/// Why packs cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialectsError {
    #[error("read {path}: {error}", path = .0.display(), error = .1)]
    Io(PathBuf, io::Error),
    #[error("find dialect packs in {}: expected one or more files *.toml", .0.display())]
    None(PathBuf),
    #[error(transparent)]
    Pack(#[from] PackError),
}

/// The judge with the packs of `dir`, if there is one, before the built-in ones.
pub(crate) fn judge(dir: Option<&Path>) -> Result<Judge, DialectsError> {
    let Some(dir) = dir else {
        return Ok(Judge::standard());
    };
    let mut packs = load(dir)?;
    packs.extend_from_slice(Judge::standard().packs());
    Ok(Judge::with_packs(packs))
}

/// The packs of `dir`, by file name.
fn load(dir: &Path) -> Result<Vec<Pack>, DialectsError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |error| DialectsError::Io(path, error)
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(io(dir))? {
        let path = entry.map_err(io(dir))?.path();
        if path.extension().is_some_and(|e| e == "toml") {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(DialectsError::None(dir.to_owned()));
    }
    files.sort();
    files
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path).map_err(io(path))?;
            Ok(Dialects::load(&path.display().to_string(), &text)?)
        })
        .collect()
}

/// Runs the command.
pub(crate) fn run(args: DialectsArgs) -> ExitCode {
    let mut text = String::new();
    let done = match args.what {
        What::List { dir } => list(dir.as_deref(), &mut text).map(|()| 0),
        What::Check { dir } => check(dir.as_deref(), &mut text),
    };
    let written = io::stdout().write_all(text.as_bytes());
    match (done, written) {
        (Ok(code), Ok(())) => ExitCode::from(code),
        (Ok(code), Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(code),
        (Ok(_), Err(error)) => fail(&format!("write the list: {error}")),
        (Err(error), _) => fail(&error.to_string()),
    }
}

fn fail(what: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "tiebreak dialects: failed to {what}");
    ExitCode::from(2)
}

fn list(dir: Option<&Path>, text: &mut String) -> Result<(), DialectsError> {
    let own = dir.map(load).transpose()?.unwrap_or_default();
    let standard = Judge::standard();
    let sets = own
        .iter()
        .map(|p| (p, "own"))
        .chain(standard.packs().iter().map(|p| (p, "built-in")));
    let rows: Vec<_> = sets.collect();
    let wide = rows.iter().map(|(p, _)| p.name().len()).max().unwrap_or(0);
    for (pack, origin) in rows {
        text.push_str(&format!(
            "{:wide$}  {origin:8}  {:3} rules  {:3} examples  {}\n",
            pack.name(),
            pack.rules(),
            pack.examples().len(),
            pack.title()
        ));
        if let Some(what) = pack.unconfirmed() {
            text.push_str(&format!("{:wide$}  not confirmed by a source: {what}\n", ""));
        }
    }
    let walls: Vec<_> = block::known().collect();
    let mut vendors: Vec<_> = walls.iter().map(|w| w.vendor).collect();
    vendors.sort_unstable();
    vendors.dedup();
    text.push_str(&format!(
        "\nBeside these: {} signatures of {} bot walls and firewalls (docs/blocks.md).\n",
        walls.len(),
        vendors.len()
    ));
    Ok(())
}

fn check(dir: Option<&Path>, text: &mut String) -> Result<u8, DialectsError> {
    let judge = judge(dir)?;
    let packs = match dir {
        Some(dir) => load(dir)?,
        None => judge.packs().to_vec(),
    };
    let mut wrong = 0;
    for pack in &packs {
        match judge.check(pack) {
            Ok(()) if pack.examples().is_empty() => text.push_str(&format!("{}: no examples to check\n", pack.name())),
            Ok(()) => text.push_str(&format!(
                "{}: {} examples are right\n",
                pack.name(),
                pack.examples().len()
            )),
            Err(failures) => {
                wrong += failures.len();
                for failure in failures {
                    text.push_str(&format!("{failure}\n"));
                }
            }
        }
    }
    Ok(u8::from(wrong > 0))
}
