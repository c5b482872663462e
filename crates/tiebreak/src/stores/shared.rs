//! The ledger that several processes share: its address, its password, its secret.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use tiebreak_ledger::postgres::{Address, Options, PgLedger};

use crate::config::Value;
use crate::exit::{FAILED, Failure, USAGE};

/// Options of a ledger in a database.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Ledger in PostgreSQL (--ledger postgres://…)")]
pub(crate) struct SharedArgs {
    /// The file with the database's password [default: $PGPASSWORD, then $PGPASSFILE or ~/.pgpass]
    #[arg(long, value_name = "PATH")]
    ledger_password_file: Option<String>,
    /// For so long a gateway counts as alive that the database has not heard of, in seconds; after that its claims are in
    /// doubt [default: 10]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(2..=600))]
    ledger_lease: Option<u64>,
}

impl SharedArgs {
    /// Each option, its setting, and its value if it was given.
    pub(crate) fn given(&self) -> [(&'static str, &'static str, Option<Value>); 2] {
        let file = self.ledger_password_file.clone().map(Value::Text);
        let lease = self.ledger_lease.map(|n| Value::Integer(n.to_string()));
        [
            ("--ledger-password-file", "ledger_password_file", file),
            ("--ledger-lease", "ledger_lease", lease),
        ]
    }

    /// For commands that read no configuration.
    pub(crate) fn settings(&self) -> SharedLedger {
        let usual = SharedLedger::default();
        SharedLedger {
            password_file: self.ledger_password_file.as_ref().map(PathBuf::from),
            lease: self.ledger_lease.map_or(usual.lease, Duration::from_secs),
            ..usual
        }
    }
}

/// How a ledger in a database is used.
#[derive(Debug, Clone)]
pub(crate) struct SharedLedger {
    /// The file with the secret that tells callers apart.
    pub(crate) secret: Option<PathBuf>,
    /// The file with the database's password.
    pub(crate) password_file: Option<PathBuf>,
    /// For so long a process counts as alive that the database has not heard of.
    pub(crate) lease: Duration,
}

impl Default for SharedLedger {
    fn default() -> SharedLedger {
        SharedLedger {
            secret: None,
            password_file: None,
            lease: Duration::from_secs(10),
        }
    }
}

/// Whether `ledger` names a database.
pub(crate) fn is_shared(ledger: &Path) -> bool {
    ledger.to_str().is_some_and(Address::is)
}

/// How the ledger is told: never with a password.
pub(crate) fn shown(ledger: &Path) -> String {
    match ledger.to_str() {
        Some(text) if Address::is(text) => {
            Address::parse(text).map_or_else(|_| "a database".to_owned(), |address| address.to_string())
        }
        _ => ledger.display().to_string(),
    }
}

/// The address with its password.
fn address(ledger: &Path, settings: &SharedLedger) -> Result<Address, Failure> {
    let address =
        Address::parse(ledger.to_str().unwrap_or_default()).map_err(|e| Failure::new(USAGE, e.to_string()))?;
    if let Some(path) = &settings.password_file {
        let read = std::fs::read_to_string(path);
        let text = read.map_err(|e| Failure::new(USAGE, format!("read the password in {}: {e}", path.display())))?;
        return Ok(address.with_password(text.trim_end_matches(['\r', '\n'])));
    }
    if address.has_password() {
        return Ok(address);
    }
    if let Ok(password) = std::env::var("PGPASSWORD") {
        return Ok(address.with_password(&password));
    }
    let named = std::env::var_os("PGPASSFILE").map(PathBuf::from);
    let usual = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".pgpass"));
    let file = named.or_else(usual).and_then(|path| std::fs::read_to_string(path).ok());
    let password = file.and_then(|text| address.password_in(&text));
    Ok(match password {
        Some(password) => address.with_password(&password),
        None => address,
    })
}

/// Opens the ledger in a database.
pub(super) async fn open(ledger: &Path, settings: &SharedLedger, late_after: Duration) -> Result<PgLedger, Failure> {
    let options = Options {
        lease: settings.lease,
        margin: settings.lease / 10,
        late_after,
        name: format!("{} process {}", host(), std::process::id()),
        ..Options::default()
    };
    let opening = PgLedger::open(address(ledger, settings)?, options);
    opening.await.map_err(|e| Failure::new(FAILED, e.to_string()))
}

/// The secret that all gateways of a ledger have in common. It is never made here: two gateways with secrets of their own would
/// take one caller for two.
pub(super) fn secret(settings: &SharedLedger) -> Result<Vec<u8>, Failure> {
    let Some(path) = &settings.secret else {
        return Err(Failure::new(
            USAGE,
            "tell callers apart: a ledger in a database needs --secret (setting `secret`), a file with the same secret for all gateways; \
             make it once with `head -c 32 /dev/urandom > secret`",
        ));
    };
    let shown = path.display();
    let secret = std::fs::read(path).map_err(|e| Failure::new(USAGE, format!("read the secret {shown}: {e}")))?;
    if secret.len() < 32 {
        let length = secret.len();
        let why = format!("use the secret {shown}: it has {length} bytes, at least 32 are needed");
        return Err(Failure::new(USAGE, why));
    }
    Ok(secret)
}

fn host() -> String {
    let name = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    name.trim().to_owned()
}

/// Brings the tables of a ledger in a database up to this version. Returns the version before and after.
pub(crate) async fn migrate(ledger: &Path, settings: &SharedLedger) -> Result<(u32, u32), Failure> {
    let migrating = PgLedger::migrate(address(ledger, settings)?);
    migrating.await.map_err(|e| Failure::new(FAILED, e.to_string()))
}
