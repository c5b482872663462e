//! What can be made to go wrong with a [`MemoryLedger`](super::MemoryLedger).

use crate::LedgerError;

/// An operation of the ledger, as the aim of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Op {
    /// [`Ledger::look_up`](crate::Ledger::look_up).
    LookUp,
    /// [`Ledger::claim`](crate::Ledger::claim).
    Claim,
    /// [`Ledger::amend`](crate::Ledger::amend).
    Amend,
    /// [`Ledger::settle`](crate::Ledger::settle).
    Settle,
    /// [`Ledger::doubt`](crate::Ledger::doubt).
    Doubt,
    /// [`Ledger::release`](crate::Ledger::release).
    Release,
    /// [`Ledger::resolve`](crate::Ledger::resolve).
    Resolve,
    /// [`Ledger::retake`](crate::Ledger::retake).
    Retake,
    /// [`Ledger::purge`](crate::Ledger::purge).
    Purge,
    /// Any of those that only read, [`Ledger::look_up`](crate::Ledger::look_up) excepted.
    Read,
}

impl Op {
    /// Whether it is refused once the ledger is lost: all that change something.
    pub(super) fn changes(self) -> bool {
        match self {
            Op::LookUp | Op::Read => false,
            Op::Claim | Op::Amend | Op::Settle | Op::Doubt => true,
            Op::Release | Op::Resolve | Op::Retake | Op::Purge => true,
        }
    }
}

/// What goes wrong, once, with the operation it is aimed at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It fails with this error and changes nothing.
    Fail(LedgerError),
    /// It is performed, durably, but answered with [`LedgerError::Lost`]; the ledger takes no more changes.
    LoseAnswer,
    /// It is not performed and answered with [`LedgerError::Lost`]; the ledger takes no more changes.
    LoseChange,
}
