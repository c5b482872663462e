//! Whose base? Which version a write was made from, *proven or absent*.
//!
//! Merging from a wrong base silently reverts somebody's change. Many workers may share one credential, and
//! connections are pooled, so neither says who read what. In this order:
//!
//! 1. the client's own `If-Match`, or the version that its document carries, names the base;
//! 2. else (HTTP/1.1) it is what was last read on the very connection that the write came on, unless the write looks
//!    as if it was made from something else that was served (see `smell`);
//! 3. else everything that was served to the caller is a candidate: if all candidates lead to the same
//!    result, that is the result, and otherwise the base is unknown.

mod smell;

use std::collections::{HashMap, HashSet};

use crate::json::{Pattern, Pointer, same_value};
use crate::merge::{Document, Edit, Kind, MergeRules, Merged, Representation, rebase};
use crate::precondition::TagList;
use crate::time::Time;
use crate::validator::EntityTag;
use crate::variant::Variant;

/// A version of the target that was served to the caller, once per read: a complete 200, or a 304 that named it. Not
/// 206, not HEAD. The answer to a write counts if it held the representation.
#[derive(Debug, Clone, Default)]
pub struct Served {
    /// Its entity tag.
    pub etag: Option<EntityTag>,
    /// What was served; `None` once it was evicted.
    pub content: Option<Representation>,
    /// Which variant of the target it is.
    pub variant: Variant,
    /// When.
    pub at: Time,
    /// On which connection of the caller; `None` where a connection is no evidence (HTTP/2, HTTP/3).
    pub connection: Option<u64>,
    /// Whether a write to the target came on that connection since. What a connection read is evidence
    /// for one write, not for two.
    pub written_since: bool,
    /// Whether it is what the caller wrote, as it sent it: then a version in its content is that of its base.
    pub sent: bool,
}

/// What is known of how the caller's connections are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Connections {
    /// Nothing: the last read on the write's connection is its base, unless something smells.
    #[default]
    Unknown,
    /// They are pooled among several readers (the route says so, or it smelled before): no evidence.
    Pooled,
}

/// The versions that a write may have been made from, as the driver remembers them.
#[derive(Debug, Clone)]
pub struct Candidates {
    /// The reads, in order.
    pub served: Vec<Served>,
    /// Whether these are all within the window.
    pub complete: bool,
    /// Whether something of this very target was served that had to make room, and may be the base yet.
    pub forgotten: bool,
    /// How the caller's connections are used.
    pub connections: Connections,
    /// Whether a tag of this target was seen to come back.
    pub recurring: bool,
    /// Whether the target was shown to this caller in a form of which nothing is remembered, such as a picture.
    pub shown: bool,
}

impl Default for Candidates {
    /// Nothing was served.
    fn default() -> Candidates {
        Candidates {
            served: Vec::new(),
            complete: true,
            forgotten: false,
            connections: Connections::Unknown,
            recurring: false,
            shown: false,
        }
    }
}

/// Everything that bears on whose base a write has.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The write.
    pub edit: &'a Edit,
    /// The client's own `If-Match`.
    pub if_match: Option<&'a TagList>,
    /// The connection that the write came on; `None` for HTTP/2 and HTTP/3.
    pub connection: Option<u64>,
    /// What was served to this caller for this target within the window, in order. Something whose content was
    /// evicted stays in, with its tag.
    pub served: &'a [Served],
    /// Whether `served` is all of it; if not, nothing is inferred from what is missing.
    pub complete: bool,
    /// The representation now, if it was read.
    pub current: Option<&'a Representation>,
    /// How the route's documents merge.
    pub rules: &'a MergeRules,
    /// See [`Connections`].
    pub connections: Connections,
}

/// How a base was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum How {
    /// The write names it.
    Named,
    /// It was last read on the write's connection, and nothing speaks against it.
    Connection,
    /// The caller was served nothing else.
    Only,
}

/// What a write was made from.
#[derive(Debug, Clone, PartialEq)]
pub enum BaseDecision {
    /// From `served[base]`: send it under that tag; if that is stale, rebase from that content.
    Proven {
        /// Index into `served`.
        base: usize,
        /// Why.
        how: How,
    },
    /// Whichever it was, this is what becomes of it on top of `current`: send it under the tag of `current`.
    Agreed(Merged),
    /// From a version of which only the tag is known: send under it; if that is stale, the base is unknown.
    TagOnly(EntityTag),
    /// The candidates must be tried on the current representation of this variant: read it and ask again.
    FetchCurrent(Variant),
    /// The caller read nothing through us: the write is unguarded.
    Absent,
    /// It cannot be told: refuse with `base-unknown`.
    Unknown(BaseUnknown),
}

/// Why a base is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum BaseUnknown {
    /// Candidates lead to different results.
    #[error(
        "the versions that you were given lead to different results, and reading again does not say which one this write was made from; read it, and send the ETag of that read as If-Match, or use one connection for each worker"
    )]
    Several,
    /// As `Several`; and the write came on a connection whose last reader was somebody else: from now on its caller's
    /// connections are [`Connections::Pooled`].
    #[error(
        "the write looks as if it was made from what another connection read; read it again, and send the ETag of that read as If-Match, or use one connection for each worker"
    )]
    Pooled,
    /// A version that may be the base is not kept any more.
    #[error(
        "a version that you may have read is not kept any more; read it again, and send the ETag of that read as If-Match"
    )]
    Evicted,
    /// It names a version by a mark, cannot be merged, and that version has no tag that a condition could name.
    #[error(
        "the write cannot be merged, and the version that it names by its mark has no strong entity tag to make it conditional on; read the resource again, and send the write without the mark"
    )]
    Unconditional,
    /// It names several versions, none of which was served.
    #[error("the versions that the write names were not read through this gateway")]
    NotServed,
}

/// Decides whose base a write has.
#[must_use]
pub fn decide(question: &Question<'_>) -> BaseDecision {
    let all: Vec<usize> = (0..question.served.len()).collect();
    if let Some(TagList::Tags(tags)) = question.if_match {
        let named = |served: &Served| {
            served
                .etag
                .as_ref()
                .is_some_and(|tag| tags.iter().any(|t| t.strong_eq(tag)))
        };
        let candidates: Vec<usize> = all.into_iter().filter(|&at| named(&question.served[at])).collect();
        return match (candidates.is_empty(), tags.as_slice()) {
            (false, _) => among(question, &distinct(question, candidates), How::Named, false),
            (true, [tag]) => BaseDecision::TagOnly(tag.clone()),
            (true, _) => BaseDecision::Unknown(BaseUnknown::NotServed),
        };
    }
    if let Some(tag) = aged_on_connection(question) {
        return BaseDecision::TagOnly(tag);
    }
    let candidates: Vec<usize> = all.into_iter().filter(|&at| could_be_read(question, at)).collect();
    let carried_over = by_maintained_members(question, candidates);
    let candidates = distinct(question, carried_over.clone());
    if candidates.is_empty() {
        return BaseDecision::Absent;
    }
    // What the caller wrote itself still has the version of its own base: then several may have the one that is named.
    let (candidates, how) = match by_version_member(question, &candidates) {
        None => (candidates, How::Only),
        Some(named) if named.is_empty() => return BaseDecision::Unknown(BaseUnknown::NotServed),
        Some(named) => (named, How::Named),
    };
    // Of what is not all that was read, one candidate is no more than one of several.
    if candidates.len() == 1 && (question.complete || how == How::Named) {
        return among(question, &candidates, how, false);
    }
    let smelled = match last_on_connection(question) {
        // It brings along what the server had set in another version.
        Some(base) if !carried_over.contains(&base) => true,
        Some(base) => match smell::of(question, base, &candidates) {
            smell::Smell::None => {
                return BaseDecision::Proven {
                    base,
                    how: How::Connection,
                };
            }
            smell::Smell::AnotherReader => true,
            smell::Smell::Unclear => false,
        },
        None => false,
    };
    among(question, &candidates, how, smelled)
}

/// Whether the write could have been made from this: a JSON document is not made from a web page.
fn could_be_read(question: &Question<'_>, at: usize) -> bool {
    let sent = match question.edit {
        Edit::Whole(sent) => sent.kind(),
        Edit::MergePatch { .. } | Edit::JsonPatch { .. } => Some(Kind::Json),
        Edit::Other(_) => None,
    };
    match (&question.served[at].content, sent) {
        (Some(content), Some(kind)) => content.kind() == Some(kind),
        _ => true,
    }
}

/// One candidate for each content (the one served last, in order), and one for each tag without content.
fn distinct(question: &Question<'_>, candidates: Vec<usize>) -> Vec<usize> {
    let mut contents: HashMap<_, Vec<usize>> = HashMap::new();
    let mut tags = HashSet::new();
    let mut out = Vec::new();
    for &at in candidates.iter().rev() {
        let served = &question.served[at];
        if let Some(content) = &served.content {
            tags.extend(&served.etag);
            let kept = contents.entry(content.digest()).or_default();
            if kept.iter().all(|&k| one_variant(question, &[k, at]).is_none()) {
                kept.push(at);
                out.push(at);
            }
        }
    }
    for &at in candidates.iter().rev() {
        let served = &question.served[at];
        if served.content.is_none() && served.etag.as_ref().is_none_or(|tag| tags.insert(tag)) {
            out.push(at);
        }
    }
    out.sort_unstable();
    out
}

/// The variant of which all these are; `None` if they are of several.
fn one_variant(question: &Question<'_>, candidates: &[usize]) -> Option<Variant> {
    let mut all = Variant::default();
    let mut kind: Option<&str> = None;
    for &at in candidates {
        let served = &question.served[at];
        let own = served.content.as_ref().map(Representation::content_type);
        let same_type = kind.is_none() || own.is_none() || kind == own;
        kind = kind.or(own);
        all = served.variant.and(&all, same_type)?;
    }
    Some(all)
}

/// The candidates that have the version which the document itself names; `None` if it names none.
fn by_version_member(question: &Question<'_>, candidates: &[usize]) -> Option<Vec<usize>> {
    let Edit::Whole(sent) = question.edit else {
        return None;
    };
    let sent = sent.document().ok()?.value();
    let place = question.rules.version.iter().find(|place| place.get(sent).is_some())?;
    let named = place.get(sent)?;
    let has = |at: &usize| match question.served[*at].content.as_ref().map(Representation::document) {
        Some(Ok(document)) => place.get(document.value()) == Some(named),
        _ => false,
    };
    Some(candidates.iter().copied().filter(has).collect())
}

/// The candidates that agree with the document on the members that the server maintains. Nobody edits those, so a document
/// that has one as a candidate has it was not made from a candidate that has it otherwise. What it has as none of them, its
/// author has set: that says nothing.
fn by_maintained_members(question: &Question<'_>, mut candidates: Vec<usize>) -> Vec<usize> {
    let Edit::Whole(sent) = question.edit else {
        return candidates;
    };
    let Ok(sent) = sent.document() else {
        return candidates;
    };
    let one_place = |pattern: &&Pattern| pattern.tokens().iter().all(|token| token != "*");
    for pattern in question.rules.volatile.iter().filter(one_place) {
        let place = Pointer(pattern.tokens().to_vec());
        let Some(carried) = place.get(sent.value()) else {
            continue;
        };
        let agrees = |at: usize| match question.served[at].content.as_ref().map(Representation::document) {
            Some(Ok(document)) => Some(place.get(document.value()).is_some_and(|was| same_value(was, carried))),
            // It is not known any more.
            Some(Err(_)) | None => None,
        };
        if candidates.iter().any(|&at| agrees(at) == Some(true)) {
            candidates.retain(|&at| agrees(at) != Some(false));
        }
    }
    candidates
}

/// What was last read on the write's connection, if that is evidence.
fn last_on_connection(question: &Question<'_>) -> Option<usize> {
    let last = last_read(question)?;
    (question.served[last].content.is_some() && could_be_read(question, last)).then_some(last)
}

/// The version that was last read on the write's connection, where only its tag is left.
fn aged_on_connection(question: &Question<'_>) -> Option<EntityTag> {
    let last = &question.served[last_read(question)?];
    if last.content.is_some() {
        return None;
    }
    last.etag.clone()
}

/// The last read on the write's connection, unless a write came since or the connection is shared by several readers.
fn last_read(question: &Question<'_>) -> Option<usize> {
    if question.connections == Connections::Pooled {
        return None;
    }
    let connection = question.connection?;
    let last = question
        .served
        .iter()
        .rposition(|served| served.connection == Some(connection))?;
    (!question.served[last].written_since).then_some(last)
}

/// Rule 3, and the simple case that there is but one candidate.
fn among(question: &Question<'_>, candidates: &[usize], how: How, smelled: bool) -> BaseDecision {
    if !question.complete && how == How::Only {
        return BaseDecision::Unknown(if smelled {
            BaseUnknown::Pooled
        } else {
            BaseUnknown::Evicted
        });
    }
    if let [only] = candidates {
        let served = &question.served[*only];
        return match (&served.content, &served.etag) {
            (Some(_), _) => BaseDecision::Proven { base: *only, how },
            (None, Some(tag)) => BaseDecision::TagOnly(tag.clone()),
            (None, None) => BaseDecision::Unknown(BaseUnknown::Evicted),
        };
    }
    let mut contents = Vec::with_capacity(candidates.len());
    for &at in candidates {
        match &question.served[at].content {
            Some(content) => contents.push(content),
            None => return BaseDecision::Unknown(BaseUnknown::Evicted),
        }
    }
    let several = BaseDecision::Unknown(if smelled {
        BaseUnknown::Pooled
    } else {
        BaseUnknown::Several
    });
    // Nothing is merged from one variant into another.
    let Some(variant) = one_variant(question, candidates) else {
        return several;
    };
    let Some(current) = question.current else {
        return BaseDecision::FetchCurrent(variant);
    };
    let mut agreed: Option<Merged> = None;
    for base in contents {
        let Ok(merged) = rebase(question.edit, base, current, question.rules) else {
            return several;
        };
        match &agreed {
            None => agreed = Some(merged),
            Some(first) if same_outcome(question.edit, first, &merged, current) => {}
            Some(_) => return several,
        }
    }
    agreed.map_or(several, BaseDecision::Agreed)
}

/// Whether sending either would have the same effect.
fn same_outcome(edit: &Edit, a: &Merged, b: &Merged, current: &Representation) -> bool {
    if a.changed != b.changed || a.settled.is_empty() != b.settled.is_empty() {
        return false;
    }
    if a.content == b.content {
        return true;
    }
    let content_type = match edit {
        Edit::Whole(sent) => sent.content_type(),
        // Patches are sent as they are, or without what is there already.
        Edit::MergePatch { .. } | Edit::JsonPatch { .. } | Edit::Other(_) => return !a.changed,
    };
    let data = |merged: &Merged| {
        let merged = Representation::new(content_type, merged.content.clone());
        merged
            .document()
            .cloned()
            .map(|document: Document| crate::json::canonical(document.value()))
    };
    debug_assert!(current.kind().is_some(), "nothing merges onto what is no data");
    matches!((data(a), data(b)), (Ok(a), Ok(b)) if a == b)
}
