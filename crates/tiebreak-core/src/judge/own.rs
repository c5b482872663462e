//! Tiebreak's own problem documents: their type says what they are, so that a gateway in front of a gateway is not left to
//! read words.

use crate::judge::body::{Form, Value};
use crate::judge::view::View;
use crate::judge::wording::excerpt;
use crate::problem::Kind;
use crate::remedy::Remedy;
use crate::verdict::{Class, Confidence, Evidence, Verdict};

/// The name under which these verdicts stand where a dialect pack's would.
const DIALECT: &str = "tiebreak";

/// The verdict on a problem document of ours (RFC 9457 §3.1.1: the type identifies the problem).
pub(crate) fn read(view: &View<'_, '_>) -> Option<Verdict> {
    if view.form != Form::Json || view.status < 400 {
        return None;
    }
    let uri = view.tree.scalar(0, "type")?;
    let kind = Kind::from_type(uri)?;
    let class = class(kind, view);
    let mut verdict = Verdict::new(
        class,
        remedy(kind, class, view),
        Confidence::High,
        Evidence {
            signal: kind.title().into(),
            place: "body /type".into(),
            excerpt: excerpt(uri),
        },
    );
    verdict.dialect = Some(DIALECT.into());
    verdict.proves_refusal = kind.proves_refusal();
    verdict.existing = view
        .tree
        .member(0, "existing")
        .and_then(|at| match &view.tree.nodes.get(at)?.value {
            Value::Text(text) => Some(excerpt(text)),
            _ => None,
        });
    Some(verdict)
}

/// The kind's class, where the request does not make it another: what was to be created exists; what was to be written to
/// does not.
fn class(kind: Kind, view: &View<'_, '_>) -> Class {
    let demand = &view.demand;
    match kind {
        Kind::PreconditionFailed if demand.absent.is_some() && demand.version.is_none() => Class::Duplicate,
        Kind::NotFound if !demand.safe => Class::State,
        _ => kind.class(),
    }
}

fn remedy(kind: Kind, class: Class, view: &View<'_, '_>) -> Remedy {
    let demand = &view.demand;
    match kind {
        // `current` is null where nothing is left to rebase upon.
        Kind::Stale | Kind::PreconditionFailed
            if class == Class::Stale
                && (demand.version.is_some() || (kind == Kind::Stale && !demand.whole))
                && view.tree.scalar(0, "current") != Some("null") =>
        {
            Remedy::Rebase
        }
        // Waiting may help; what is unknown is proven first all the same.
        Kind::InProgress
        | Kind::StillBusy
        | Kind::OriginUnreachable
        | Kind::OriginTimeout
        | Kind::LedgerUnavailable
        | Kind::StoreUnavailable
        | Kind::Busy
        | Kind::Stopping => Remedy::Wait,
        // A name that is taken may be somebody else's, and an overlap was merged already, as far as that goes.
        _ => Remedy::Stop,
    }
}
