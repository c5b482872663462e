//! How strong the promise was.

/// The guarantee stated on every answer. `A` is the strongest and sorts first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Guarantee {
    /// The origin enforces a precondition with a non-recurring validator that the client named or its base names.
    A,
    /// The origin honours an idempotency key.
    B,
    /// Safe as long as nobody writes around Tiebreak and nothing arrives later than `late_after`.
    C,
    /// Sent once; if the answer is lost, it is reported as in doubt.
    D,
}

impl Guarantee {
    /// Its letter.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Guarantee::A => "A",
            Guarantee::B => "B",
            Guarantee::C => "C",
            Guarantee::D => "D",
        }
    }

    /// The guarantee with this letter.
    #[must_use]
    pub fn from_letter(letter: &str) -> Option<Guarantee> {
        [Guarantee::A, Guarantee::B, Guarantee::C, Guarantee::D]
            .into_iter()
            .find(|g| g.as_str() == letter)
    }
}
