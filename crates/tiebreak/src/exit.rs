//! Exit codes and how a command fails. The codes are part of the interface: see docs/exit-codes.md.

use std::io::Write;
use std::process::ExitCode;

use tiebreak_core::userinfo;
use tokio::signal::unix::{Signal, SignalKind, signal};

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

/// SIGINT and SIGTERM from now on; before, they end the process. One that comes while nobody waits is kept for the next wait.
#[derive(Debug)]
pub(crate) struct Interrupts {
    int: Signal,
    term: Signal,
}

impl Interrupts {
    pub(crate) fn listen() -> Result<Interrupts, Failure> {
        let listen = |kind, name| signal(kind).map_err(|e| Failure::new(FAILED, format!("receive {name}: {e}")));
        Ok(Interrupts {
            int: listen(SignalKind::interrupt(), "SIGINT")?,
            term: listen(SignalKind::terminate(), "SIGTERM")?,
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.int.recv() => {}
            _ = self.term.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn interrupt() {
        let id = std::process::id().to_string();
        let sent = std::process::Command::new("kill").args(["-INT", &id]).status();
        assert!(sent.expect("kill runs").success());
    }

    #[tokio::test]
    async fn a_signal_that_comes_while_nobody_waits_is_not_lost() {
        let mut interrupts = Interrupts::listen().expect("listeners");
        let mut witness = signal(SignalKind::interrupt()).expect("a listener");
        for _ in 0..3 {
            interrupt();
            witness.recv().await.expect("a signal");
            assert!(interrupts.next().now_or_never().is_some());
        }
        assert!(interrupts.next().now_or_never().is_none(), "each is told once");
    }
}
