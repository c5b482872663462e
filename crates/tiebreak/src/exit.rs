//! Exit codes and how a command fails. The codes are part of the interface: see docs/exit-codes.md.

use std::io::Write;
use std::process::ExitCode;

use tiebreak_core::userinfo;

/// A command that serves or reports could not do its work.
pub(crate) const FAILED: u8 = 1;
/// Bad usage or input.
pub(crate) const USAGE: u8 = 2;
/// The target could not be reached.
pub(crate) const UNREACHABLE: u8 = 3;
/// Stopped by a second signal.
pub(crate) const INTERRUPTED: u8 = 130;

/// Why a command ends early.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    /// Completes "failed to …".
    why: String,
}

impl Failure {
    /// Passwords in URLs are left out of `why`.
    pub(crate) fn new(code: u8, why: impl Into<String>) -> Failure {
        let why: String = why.into();
        let why = userinfo::hidden(&why).into_owned();
        Failure { code, why }
    }

    /// The same with another exit code.
    pub(crate) fn with_code(self, code: u8) -> Failure {
        Failure { code, ..self }
    }

    /// Completes "failed to …".
    pub(crate) fn why(&self) -> &str {
        &self.why
    }

    /// Says why on standard error, and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        // Whoever closed standard error still gets the code.
        let _unread = writeln!(std::io::stderr(), "tiebreak: failed to {}", self.why);
        ExitCode::from(self.code)
    }
}

/// Resolves at the next SIGINT or SIGTERM.
pub(crate) async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut int), Ok(mut term)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = int.recv() => {}
        _ = term.recv() => {}
    }
}
