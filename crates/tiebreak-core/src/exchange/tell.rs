//! What an exchange tells whoever records its story, between two inputs. Nothing here decides anything.

use crate::exchange::plan::{Before, Stale};
use crate::exchange::{Exchange, Stage};
use crate::merge::{Document, Edit, Representation, changes};
use crate::verdict::Verdict;

/// The fields that met in a merge, as pointers; an item of a keyed array is named by its identity.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MergedFields {
    /// What the caller changed. Empty for a patch, which is sent unaltered.
    pub ours: Vec<String>,
    /// What others changed since the caller's base.
    pub theirs: Vec<String>,
}

impl Exchange {
    /// What the last answer of the origin meant, unless it was a success.
    #[must_use]
    pub fn verdict(&self) -> Option<&Verdict> {
        let refused = self.refused.as_deref().map(|(_, verdict)| verdict);
        refused.or(match &self.stage {
            Stage::Recording(answer) => answer.verdict.as_ref(),
            _ => None,
        })
    }

    /// Whether the attempt that is planned was merged into another version than its caller's.
    #[must_use]
    pub fn is_rebased(&self) -> bool {
        self.plan.as_deref().is_some_and(|p| p.rebased)
    }

    /// Which fields met in the merge of the attempt that is planned, at most `limit` of each side. `None` if nothing was merged,
    /// or where base or current representation has more than `largest` bytes: looking is not worth that.
    #[must_use]
    pub fn merged_fields(&self, limit: usize, largest: usize) -> Option<MergedFields> {
        let plan = self.plan.as_deref().filter(|p| p.rebased)?;
        let (Stale::MergeFrom(base), Before::Known(current)) = (&plan.on_stale, &plan.before) else {
            return None;
        };
        let differences = |to: &Representation| {
            let small = base.content().len().max(to.content().len()) <= largest;
            let (Ok(Document::Json(from)), Ok(Document::Json(to)), true) = (base.document(), to.document(), small)
            else {
                return None;
            };
            let all = changes(from, to, &self.context.policy.merge);
            Some(all.iter().take(limit).map(|c| c.pointer().to_string()).collect())
        };
        Some(MergedFields {
            ours: match &*self.edit {
                Edit::Whole(ours) => differences(ours)?,
                Edit::MergePatch { .. } | Edit::JsonPatch { .. } | Edit::Other(_) => Vec::new(),
            },
            theirs: differences(current)?,
        })
    }
}
