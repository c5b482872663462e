//! Opens what is durable: the ledger, its secret, the embedded origin's data.

mod shared;

use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tiebreak_client::clock::Clock;
use tiebreak_ledger::Ledger;
use tiebreak_ledger::memory::MemoryLedger;
use tiebreak_ledger::sqlite::{Options, SqliteLedger};
use tiebreak_origin::{Origin, OriginOptions, Place};

use crate::exit::{FAILED, Failure};

pub(crate) use self::shared::{SharedArgs, SharedLedger, is_shared, migrate, shown};

/// The word for a store that forgets when the process ends.
pub(crate) const MEMORY: &str = "memory";

fn is_memory(path: &Path) -> bool {
    path.as_os_str() == MEMORY
}

/// An open ledger, and the clock that goes with it: this machine's, or that of the database which several machines share.
pub(crate) struct Opened {
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) clock: Clock,
}

/// Opens the ledger at `path`: a file, `memory`, or the address of a database. `late_after`: for so long a request of this process may
/// arrive after the process is gone.
pub(crate) async fn open_ledger(path: &Path, settings: &SharedLedger, late_after: Duration) -> Result<Opened, Failure> {
    if is_shared(path) {
        let ledger = shared::open(path, settings, late_after).await?;
        let clock = Clock::starting_at(ledger.began());
        let ledger = Arc::new(ledger);
        return Ok(Opened { ledger, clock });
    }
    let ledger: Arc<dyn Ledger> = if is_memory(path) {
        Arc::new(MemoryLedger::new())
    } else {
        let opened = SqliteLedger::open(path, Options::default());
        Arc::new(opened.map_err(|error| Failure::new(FAILED, error.to_string()))?)
    };
    let clock = Clock::system();
    Ok(Opened { ledger, clock })
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
/// owner only; or, for a ledger that is shared, in the file that `args` name. Whoever has only the ledger cannot test guesses of
/// credentials against it.
pub(crate) fn secret_of(ledger: &Path, settings: &SharedLedger) -> Result<Vec<u8>, Failure> {
    if is_shared(ledger) || settings.secret.is_some() {
        return shared::secret(settings);
    }
    let mut secret = vec![0; 32];
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
