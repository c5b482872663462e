//! Mistakes that are built in on purpose, to prove that the checkers see them.

/// One mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sabotage {
    /// None.
    #[default]
    None,
    /// The transport sends again when an answer is lost.
    ResendBlindly,
    /// The transport answers a failed precondition by naming the current version and sending the old content.
    OverwriteWhenStale,
    /// The transport sends again whatever was answered with a conflict.
    ResendConflicts,
    /// The transport takes a lost answer for a success.
    InventSuccess,
    /// The transport takes a lost answer for a refused connection.
    InventRefusal,
    /// A cache on the way shows everybody what the first reader saw.
    SharedCache,
    /// The door takes a stranger for the caller whose key it tries.
    StrangersAreCallers,
    /// The ledger grants claims that it does not keep.
    GrantUnkept,
    /// The ledger says that a settlement is durable, and it is not.
    SettleUnkept,
    /// Claims are granted while the ledger is down.
    GrantWhenDown,
    /// The shared database does not compare fences.
    FencesIgnored,
    /// The shared database reckons leases by the clocks of those who ask.
    LeaseByLocalClock,
    /// The shared database renews leases of processes that were declared dead.
    DeadRevived,
    /// The shared database gives a lane to whoever asks.
    LanesUnheld,
    /// The lanes of a process that was declared dead are not suspect.
    NothingSuspect,
    /// The shared database grants claims of writes that are in doubt.
    DoubtsForgotten,
    /// The shared database makes what a process has sent before it began the session that it uses now.
    OldStatementsMade,
    /// The shared database forgets what it committed last when it stops.
    CommitsForgotten,
}
