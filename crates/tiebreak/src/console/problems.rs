//! The pages about our own problem types: the texts of `docs/problems/`, and the term that each belongs to.

use tiebreak_core::problem::Kind;

macro_rules! texts {
    ($($kind:ident = $slug:literal => $term:literal,)*) => {
        /// Text and related term of a problem type.
        fn of(kind: Kind) -> (&'static str, &'static str) {
            match kind {
                $(Kind::$kind => (include_str!(concat!("../../../../docs/problems/", $slug, ".md")), $term),)*
            }
        }
    };
}

texts! {
    Overlap = "overlap" => "overlapping-edit",
    BaseUnknown = "base-unknown" => "three-way-merge",
    Stale = "stale" => "stale-version",
    Duplicate = "duplicate" => "duplicate-create",
    InProgress = "in-progress" => "idempotency-key",
    CallerChanged = "caller-changed" => "idempotency-key",
    KeyReuse = "key-reuse" => "key-reuse",
    KeyInvalid = "key-invalid" => "idempotency-key",
    KeyMissing = "key-missing" => "idempotency-key",
    PreconditionRequired = "precondition-required" => "428",
    PreconditionFailed = "precondition-failed" => "412",
    PatchConflict = "patch-conflict" => "json-patch",
    Invalid = "invalid" => "422",
    BadRequest = "bad-request" => "400",
    NotFound = "not-found" => "404",
    MethodNotAllowed = "method-not-allowed" => "405",
    UnsupportedMediaType = "unsupported-media-type" => "merge-patch",
    TooLarge = "too-large" => "400",
    HeadTooLarge = "head-too-large" => "400",
    TooSlow = "too-slow" => "408",
    NotSupported = "not-supported" => "502",
    GuaranteeTooWeak = "guarantee-too-weak" => "guarantee",
    Unguarded = "unguarded" => "if-match",
    InDoubt = "in-doubt" => "in-doubt",
    OriginUnreachable = "origin-unreachable" => "502",
    BadAnswer = "bad-answer" => "502",
    OriginTimeout = "origin-timeout" => "504",
    LedgerUnavailable = "ledger-unavailable" => "503",
    StoreUnavailable = "store-unavailable" => "503",
    Busy = "busy" => "lane",
    StillBusy = "still-busy" => "racing-writes",
    OperationFailed = "operation-failed" => "state-conflict",
    Blocked = "blocked" => "bot-block",
    Stopping = "stopping" => "503",
}

/// The kind with this slug.
pub(crate) fn find(slug: &str) -> Option<Kind> {
    Kind::ALL.iter().copied().find(|kind| kind.slug() == slug)
}

/// The text of its page, without the heading.
pub(crate) fn text(kind: Kind) -> &'static str {
    let text = of(kind).0;
    text.split_once('\n').map_or("", |(_, rest)| rest)
}

/// The slug of the term that tells more.
pub(crate) fn term(kind: Kind) -> &'static str {
    of(kind).1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::terms::Terms;

    #[test]
    fn every_problem_type_has_its_page_and_its_term() {
        for kind in Kind::ALL {
            let heading = of(*kind).0.lines().next().unwrap();
            assert_eq!(heading, format!("# {}", kind.title()), "{}", kind.slug());
            assert!(text(*kind).contains(&format!("`{}`", kind.slug())), "{}", kind.slug());
            assert!(Terms::get().position(term(*kind)).is_some(), "{}", kind.slug());
        }
    }
}
