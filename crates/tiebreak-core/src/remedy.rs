//! What is done about a verdict.

/// What the judge advises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Remedy {
    /// Take the existing resource for the one that was to be created, if it was read and found equal.
    Adopt,
    /// Merge the caller's change into the current version and send that.
    Rebase,
    /// Send the same request again later.
    Wait,
    /// Let a person pass the check in a real browser.
    HandOff,
    /// Give the origin's answer to the caller.
    Stop,
}

impl Remedy {
    /// The word used in reports and in `explain --batch`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Remedy::Adopt => "adopt",
            Remedy::Rebase => "rebase",
            Remedy::Wait => "wait",
            Remedy::HandOff => "browser",
            Remedy::Stop => "stop",
        }
    }
}
