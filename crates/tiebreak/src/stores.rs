//! Opens what is durable: the ledger, its secret, the embedded origin's data.

use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tiebreak_ledger::Ledger;
use tiebreak_ledger::memory::MemoryLedger;
use tiebreak_ledger::sqlite::{Options, SqliteLedger};
use tiebreak_origin::{Origin, OriginOptions, Place};

use crate::exit::{FAILED, Failure};

/// The word for a store that forgets when the process ends.
pub(crate) const MEMORY: &str = "memory";

fn is_memory(path: &Path) -> bool {
    path.as_os_str() == MEMORY
}

/// Opens the ledger at `path`.
pub(crate) fn open_ledger(path: &Path) -> Result<Arc<dyn Ledger>, Failure> {
    if is_memory(path) {
        return Ok(Arc::new(MemoryLedger::new()));
    }
    match SqliteLedger::open(path, Options::default()) {
        Ok(ledger) => Ok(Arc::new(ledger)),
        Err(error) => Err(Failure::new(FAILED, error.to_string())),
    }
}

/// Opens the embedded origin's data at `path`.
pub(crate) fn open_origin(path: &Path, options: OriginOptions) -> Result<Arc<Origin>, Failure> {
    let place = if is_memory(path) {
        Place::Memory
    } else {
        Place::File(path.to_owned())
    };
    Origin::open(place, options)
        .map(Arc::new)
        .map_err(|error| Failure::new(FAILED, error.to_string()))
}

/// The secret with which callers are told apart: in a file of its own beside the ledger, made on first use and readable by its
/// owner only. Whoever has only the ledger cannot test guesses of credentials against it.
pub(crate) fn secret_of(ledger: &Path) -> Result<[u8; 32], Failure> {
    let mut secret = [0; 32];
    if is_memory(ledger) {
        getrandom::fill(&mut secret).map_err(|e| Failure::new(FAILED, format!("draw a secret: {e}")))?;
        return Ok(secret);
    }
    let mut name = ledger.as_os_str().to_owned();
    name.push(".secret");
    let path = PathBuf::from(name);
    let fail = |e: &std::io::Error| {
        Failure::new(
            FAILED,
            format!(
                "use the secret {}: {e}; it belongs to the ledger beside it",
                path.display()
            ),
        )
    };
    match create_private(&path) {
        Ok(mut file) => {
            getrandom::fill(&mut secret).map_err(|e| Failure::new(FAILED, format!("draw a secret: {e}")))?;
            file.write_all(&secret)
                .and_then(|()| file.sync_all())
                .map_err(|e| fail(&e))?;
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let mut file = std::fs::File::open(&path).map_err(|e| fail(&e))?;
            file.read_exact(&mut secret).map_err(|e| fail(&e))?;
        }
        Err(error) => return Err(fail(&error)),
    }
    Ok(secret)
}

fn create_private(path: &Path) -> std::io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}
