//! Does it keep what it is sent?

use http::Method;
use tiebreak_core::judge::Judge;
use tiebreak_core::merge::{MergeRules, Representation, SameFailure, same};

use super::found::{Found, Stored};
use super::scratch::{Scratch, Way, told};
use super::wire::{Ask, Wire};
use crate::exit::Failure;

/// Writes and reads back; then whether it demands a precondition, and whether it is there for whoever sends none.
pub(super) async fn ask(wire: &Wire, judge: &Judge, scratch: &mut Scratch, found: &mut Found) -> Result<(), Failure> {
    found.way = Some(scratch.way());
    found.member = scratch.member().to_string();
    let n = scratch.write(wire).await?;
    let seen = scratch.look(wire).await?;
    found.stored = Some(if scratch.way() == Way::MergePatch {
        match scratch.holds(&seen, n) {
            true => Stored::Kept,
            false => Stored::Changed(vec![scratch.member().to_string()]),
        }
    } else {
        let sent = scratch.whole(n);
        let asked = Representation::new("application/json", sent.to_string());
        let there = Representation::new("application/json", seen.content.clone());
        match same(&asked, &there, &MergeRules::default()) {
            Ok(()) if seen.document == sent => Stored::Kept,
            Ok(()) => Stored::Added(added(&sent, &seen.document)),
            Err(SameFailure::Differs(differences)) => {
                Stored::Changed(differences.into_iter().map(|d| d.pointer.to_string()).collect())
            }
            Err(SameFailure::NotComparable(why)) => Stored::Unlike(why.to_string()),
        }
    });
    let url = scratch.url();
    let unguarded = scratch.change(&url);
    let answer = wire.send(&unguarded).await?;
    found.unguarded = Some((answer.status.is_success(), told(judge, &unguarded, &answer)));
    // Many origins know no OPTIONS; what it would say is only told.
    if let Ok(options) = wire.send(&Ask::new(Method::OPTIONS, &url)).await {
        found.patches = options.field("accept-patch").map(str::to_owned);
    }
    Ok(())
}

/// Members at the top that the origin added.
fn added(sent: &serde_json::Value, there: &serde_json::Value) -> Vec<String> {
    let (Some(sent), Some(there)) = (sent.as_object(), there.as_object()) else {
        return Vec::new();
    };
    there
        .keys()
        .filter(|name| !sent.contains_key(*name))
        .map(|name| tiebreak_core::json::join([name.as_str()]))
        .collect()
}
