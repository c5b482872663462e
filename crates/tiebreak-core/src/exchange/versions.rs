//! Where the origin keeps its versions: in entity tags, or in the content.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};

use crate::body_version::{Absent, BodyVersion, Sent};
use crate::exchange::plan::Stale;
use crate::exchange::{Carried, Exchange};
use crate::guarantee::Guarantee;
use crate::merge::{Edit, Representation};
use crate::policy::{OnStale, Policy};
use crate::precondition::TagList;
use crate::request::Target;
use crate::response::Response;
use crate::validator::EntityTag;
use crate::variant::Variant;
use crate::verdict::Verdict;

impl Exchange {
    fn body_version(&self) -> Option<&BodyVersion> {
        self.context.policy.body_version.as_ref()
    }

    /// Takes the versions in the write and in what was served for what they are.
    pub(super) fn read_versions(&mut self) {
        let Some(version) = self.context.policy.body_version.as_ref() else {
            return;
        };
        self.stated = version.stated_by(&self.write, &self.edit);
        for served in &mut self.context.candidates.served {
            if let (Some(content), false) = (&served.content, served.sent) {
                served.etag = version.of(content);
            }
        }
    }

    /// Takes over what is known of the family of which `document` is: members that its server sets are no edits, and prove nothing.
    pub(super) fn learn_document(&mut self, document: &Representation) {
        let judge = Arc::clone(&self.judge);
        let facts = judge.document(self.write.target.path(), document);
        if let Some(policy) = facts.and_then(|facts| facts.added_to(&self.context.policy)) {
            self.context.policy = Arc::new(policy);
        }
    }

    /// As [`Exchange::learn_document`], from what was served last.
    pub(super) fn learn_from_reads(&mut self) {
        let mut served = self.context.candidates.served.iter().rev();
        if let Some(document) = served.find_map(|served| served.content.clone()) {
            self.learn_document(&document);
        }
    }

    /// The tag that names the version of a representation that was read.
    pub(super) fn tag_of(&self, response: &Response, representation: &Representation) -> Option<EntityTag> {
        match self.body_version() {
            Some(version) => version.of(representation),
            None => response.etag(),
        }
    }

    /// The version as an `ETag` field, if the origin gives such a field, or we do.
    pub(super) fn etag_field(&self, current: &Carried) -> Option<HeaderValue> {
        let tag = self.shown_tag(current).filter(|_| self.body_version().is_none())?;
        HeaderValue::from_str(&tag.to_string()).ok()
    }

    /// The tag by which clients know a version: the origin's, or ours.
    fn shown_tag(&self, current: &Carried) -> Option<EntityTag> {
        let ours = || self.virtual_tag(&current.representation);
        current.etag.clone().or_else(ours)
    }

    /// The same as text, for reports.
    pub(super) fn version_of(&self, current: &Carried) -> String {
        self.shown_tag(current)
            .map_or_else(|| "unknown".to_owned(), |tag| tag.to_string())
    }

    /// The one version that the client itself names: in its content, or in its `If-Match`.
    pub(super) fn own_tag(&self) -> Option<&EntityTag> {
        if let Some(stated) = &self.stated {
            return Some(&stated.tag);
        }
        match &self.preconditions.if_match {
            Some(TagList::Tags(tags)) if tags.len() == 1 && !tags[0].is_weak() => tags.first(),
            _ => None,
        }
    }

    /// Whether the write says itself on which state of the resource it may be performed.
    pub(super) fn names_state(&self) -> bool {
        self.preconditions.guard_writes() || self.stated.is_some() || self.creates_only()
    }

    /// Whether the write goes out as it is, or not at all.
    pub(super) fn is_literal(&self) -> bool {
        self.is_signed() || (self.names_state() && self.named_tag().is_none())
    }

    /// The one version that the caller names as its base, where it may be rebased.
    pub(super) fn named_tag(&self) -> Option<&EntityTag> {
        let p = &self.preconditions;
        if !self.edits() || p.if_none_match.is_some() || p.if_unmodified_since.is_some() {
            return None;
        }
        let on_stale = self.context.policy.on_stale;
        if let Some(stated) = &self.stated {
            // A document brings the version along that it was read with; that is no demand to be refused.
            let replaceable = !stated.in_query && !matches!(&*self.edit, Edit::JsonPatch { .. });
            let may = on_stale != OnStale::Stop && replaceable && p.if_match.is_none();
            return may.then_some(&stated.tag);
        }
        let may = match on_stale {
            OnStale::RebaseAlways => true,
            OnStale::Rebase => self.prefers_rebase(),
            OnStale::Stop => false,
        };
        if may { self.own_tag() } else { None }
    }

    /// Whether the write, naming no version, demands that there is none.
    fn creates_only(&self) -> bool {
        let creates = |v: &BodyVersion| v.absent == Absent::Creates && v.content == Sent::Document;
        self.body_version().is_some_and(creates)
            && self.stated.is_none()
            && self.write.method == http::Method::PUT
            && !self.context.check_first
            && matches!(&*self.edit, Edit::Whole(_))
    }

    /// Whether the content is a message about the resource instead of the resource.
    pub(super) fn is_message(&self) -> bool {
        self.body_version().is_some_and(|v| v.content == Sent::Message)
    }

    /// Whether a version can be attached to the write where it names none.
    pub(super) fn can_name(&self) -> bool {
        let probe = EntityTag::strong("0");
        self.body_version()
            .is_none_or(|v| v.put_into(&self.edit, &self.write.content, &probe, None).is_some())
    }

    /// `content` as it goes out under `tag`, and the fields that go with it.
    pub(super) fn name(
        &self,
        content: &Bytes,
        tag: &EntityTag,
        like: Option<&Representation>,
    ) -> (Bytes, Option<(HeaderName, HeaderValue)>) {
        match self.body_version() {
            Some(version) => {
                let named = version.put_into(&self.edit, content, tag, like);
                (named.unwrap_or_else(|| content.clone()), None)
            }
            None => {
                let field = HeaderValue::from_str(&tag.to_string()).ok();
                (content.clone(), field.map(|value| (header::IF_MATCH, value)))
            }
        }
    }

    /// What the write is about, wherever it names a version.
    pub(super) fn resource(&self) -> Target {
        self.context.policy.resource(&self.write.target)
    }

    /// The origin has refused a version, in the words of an API that keeps versions in the content: so the write named one,
    /// and its base is what was served with that version.
    pub(super) fn learn_version(&mut self, verdict: &Verdict) {
        let known = self.body_version().is_some() || self.is_signed() || self.preconditions.guard_writes();
        let sent_as_it_is = self.plan.as_deref().is_some_and(|p| p.content == self.write.content);
        if known || !sent_as_it_is || self.context.check_first {
            return;
        }
        let version = verdict
            .dialect
            .as_deref()
            .and_then(|name| self.judge.body_version(name));
        let Some(version) = version.filter(|v| v.stated_by(&self.write, &self.edit).is_some()) else {
            return;
        };
        let policy = Policy::with_body_version((*self.context.policy).clone(), version.clone());
        self.context.policy = Arc::new(policy);
        self.read_versions();
        self.decided = None;
        self.variant = Variant::default();
        if let Some(named) = self.own_tag().and_then(|tag| self.served_under(tag)) {
            self.variant = named.variant.clone();
        }
        self.view.carried = None;
        let Some(tag) = self.own_tag().cloned() else { return };
        let base = self.content_of(&tag);
        let guard = self.guard(tag, base.as_ref());
        let guarantee = self.strength(Some(&guard), Guarantee::A);
        let on_stale = match base {
            Some(base) if self.named_tag().is_some() => Stale::MergeFrom(base),
            _ => Stale::Tell,
        };
        if let Some(plan) = self.plan.as_deref_mut() {
            plan.guard = Some(guard);
            plan.guarantee = guarantee;
            plan.on_stale = on_stale;
            plan.unguarded = false;
        }
    }
}
