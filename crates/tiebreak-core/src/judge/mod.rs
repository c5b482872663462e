//! What does this answer mean?
//!
//! Pure and total: (request, history, response) → verdict. Layers, the first that knows wins: conclusive block
//! signatures ([`block`]) → Tiebreak's own problem types ([`own`]) → bulk answers, item by item ([`items`]) → dialect packs ([`pack`]) → standard forms
//! ([`forms`]) → the general reading of status, method, preconditions and wording ([`general`]) → *unclear*.

pub mod block;
mod body;
mod existing;
mod forms;
mod general;
mod items;
mod known;
mod multipart;
mod own;
mod pack;
mod request;
mod view;
mod wording;
mod words;

use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode};

pub use pack::{Dialects, DocumentFacts, Example, ExampleFailure, Pack, PackError, Probe, ProbeHow};

use crate::body_version::BodyVersion;
use crate::delivery::Reading;
use crate::judge::body::name::hashes;
use crate::judge::body::{Form, Tree};
use crate::judge::pack::PackSet;
use crate::judge::request::Demand;
use crate::judge::view::View;
use crate::merge::Representation;
use crate::remedy::Remedy;
use crate::response::Response;
use crate::verdict::{Class, Confidence, Evidence, Item, Scope, Verdict};

/// What the judge needs to know of the request.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The request method.
    pub method: &'a Method,
    /// The path and query of the target.
    pub path: &'a str,
    /// The header fields as they were sent, with attached preconditions.
    pub headers: &'a HeaderMap,
    /// What earlier attempts of this write are known to have done.
    pub earlier: Earlier,
    /// The content, where it is at hand: some APIs keep versions and keys in it.
    pub content: Option<&'a [u8]>,
}

impl<'a> Asked<'a> {
    /// A first attempt whose content is not at hand.
    #[must_use]
    pub fn new(method: &'a Method, path: &'a str, headers: &'a HeaderMap) -> Asked<'a> {
        Asked {
            method,
            path,
            headers,
            earlier: Earlier::Nothing,
            content: None,
        }
    }

    /// The same with the content.
    #[must_use]
    pub fn with_content(mut self, content: &'a [u8]) -> Asked<'a> {
        self.content = Some(content);
        self
    }

    /// The same with what earlier attempts did.
    #[must_use]
    pub fn after(mut self, earlier: Earlier) -> Asked<'a> {
        self.earlier = earlier;
        self
    }
}

/// What earlier attempts of the same write are known to have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Earlier {
    /// There was none, or each was refused or never sent.
    #[default]
    Nothing,
    /// One may have been applied: a conflict may be with our own write.
    MayHaveApplied,
}

/// The judge, with the dialect packs that it knows.
#[derive(Debug, Clone, Default)]
pub struct Judge {
    packs: Packs,
}

#[derive(Debug, Clone, Default)]
enum Packs {
    #[default]
    Standard,
    These(Arc<PackSet>),
}

impl Judge {
    /// The judge with the built-in dialect packs.
    #[must_use]
    pub fn standard() -> Judge {
        Judge { packs: Packs::Standard }
    }

    /// The judge with these packs alone, asked in this order. For packs beside the built-in ones, put them before
    /// [`Judge::packs`] of the standard judge.
    #[must_use]
    pub fn with_packs(packs: Vec<Pack>) -> Judge {
        Judge {
            packs: Packs::These(Arc::new(PackSet::new(packs))),
        }
    }

    /// The packs, in the order in which they are asked.
    #[must_use]
    pub fn packs(&self) -> &[Pack] {
        &self.set().packs
    }

    /// Where the API family of this pack keeps versions, if in the content.
    #[must_use]
    pub fn body_version(&self, pack: &str) -> Option<&BodyVersion> {
        self.packs().iter().find(|p| p.name() == pack)?.body_version()
    }

    /// What is known of the family of which this document at `path` is.
    #[must_use]
    pub fn document(&self, path: &str, document: &Representation) -> Option<&DocumentFacts> {
        let mut facts = self.packs().iter().filter_map(|pack| pack.document.as_ref());
        facts.find(|facts| facts.fit(path, document))
    }

    fn set(&self) -> &PackSet {
        match &self.packs {
            Packs::Standard => pack::standard(),
            Packs::These(set) => set,
        }
    }

    /// What `response` to `asked` means. Total: every answer gets a verdict.
    #[must_use]
    pub fn judge(&self, asked: &Asked<'_>, response: &Response) -> Verdict {
        if let Some(verdict) = block::detect(asked, response) {
            return verdict;
        }
        let text = body::decode(response);
        let (form, nodes) = body::read(&text, response.field("content-type").unwrap_or(""));
        let names = hashes(&nodes);
        let view = View::new(
            asked,
            Demand::of(asked),
            response.status.as_u16(),
            &response.headers,
            form,
            &text,
            Tree::whole(&nodes, &names),
        );
        let mut verdict = own::read(&view)
            .or_else(|| self.bulk(&view))
            .unwrap_or_else(|| self.single(&view));
        finish(&view, &mut verdict);
        verdict
    }

    /// A bulk answer, judged item by item.
    fn bulk(&self, view: &View<'_, '_>) -> Option<Verdict> {
        if view.form == Form::Text && (200..300).contains(&view.status) {
            return self.batch(view);
        }
        if !matches!(view.form, Form::Json | Form::Xml) {
            return None;
        }
        if !items::may_be(view) {
            return None;
        }
        let (found, all) = items::find(view.tree, view.status)?;
        let none = HeaderMap::new();
        let judged = found
            .into_iter()
            .map(|item| {
                let tree = view.tree.below(item.at);
                let view = View::new(view.asked, view.demand, item.status, &none, view.form, "", tree);
                self.item(&view, item.index, item.id)
            })
            .collect();
        items::whole(judged, all)
    }

    /// A bulk answer in parts, each with an HTTP answer of its own.
    fn batch(&self, view: &View<'_, '_>) -> Option<Verdict> {
        let (found, all) = multipart::failed(view.field("content-type")?, view.text)?;
        let judged = found
            .into_iter()
            .map(|part| {
                let kind = part
                    .fields
                    .get(http::header::CONTENT_TYPE)
                    .and_then(|v| v.to_str().ok());
                let (form, nodes) = body::read(part.body, kind.unwrap_or(""));
                let names = hashes(&nodes);
                let tree = Tree::whole(&nodes, &names);
                let view = View::new(
                    view.asked,
                    view.demand,
                    part.status,
                    &part.fields,
                    form,
                    part.body,
                    tree,
                );
                self.item(&view, part.index, part.id)
            })
            .collect();
        items::whole(judged, all)
    }

    /// One failed item of a bulk answer.
    fn item(&self, view: &View<'_, '_>, index: usize, id: Option<String>) -> Item {
        let mut verdict = self.single(view);
        verdict.existing = verdict.existing.or_else(|| existing::find(view));
        verdict.retry_after = verdict.retry_after.or_else(|| existing::retry_after(view));
        if verdict.remedy == Remedy::Adopt && verdict.existing.is_none() {
            verdict.remedy = Remedy::Stop;
        }
        Item {
            index,
            id,
            status: Some(view.status).filter(|s| *s != 0),
            verdict,
        }
    }

    fn single(&self, view: &View<'_, '_>) -> Verdict {
        if let Some(verdict) = self.set().recognising(view).find_map(|pack| pack.judge(view)) {
            return verdict;
        }
        if (100..400).contains(&view.status) {
            let denied = general::is_denied(view);
            let said = denied.then(|| wording::listen(view.tree, view.fields, &view.demand));
            return general::read(view, said.flatten());
        }
        let said = wording::listen(view.tree, view.fields, &view.demand);
        if let Some(verdict) = forms::read(view, said.as_ref()) {
            return verdict;
        }
        general::read(view, said)
    }

    /// Runs the examples of `pack` with this judge's packs.
    ///
    /// # Errors
    /// Every example whose verdict is another than the pack says.
    pub fn check(&self, pack: &Pack) -> Result<(), Vec<ExampleFailure>> {
        let failures: Vec<_> = pack
            .examples()
            .iter()
            .filter_map(|example| pack::check(self, pack, example))
            .collect();
        if failures.is_empty() { Ok(()) } else { Err(failures) }
    }

    /// How an answered attempt is to be read, given its verdict.
    #[must_use]
    pub fn reading(&self, status: StatusCode, verdict: &Verdict) -> Reading {
        match status.as_u16() {
            // A wall answered in the API's place: its 200 or 202 is not the API's.
            200..=303 if verdict.class == Class::Blocked && verdict.proves_refusal => Reading::Refused,
            200..=303 if verdict.class == Class::Blocked => Reading::Unknown,
            202 => Reading::Accepted,
            200..=299 | 303 => Reading::Applied,
            408 | 500..=599 if !verdict.proves_refusal => Reading::Unknown,
            _ => Reading::Refused,
        }
    }
}

/// Adds what does not depend on the layer that spoke, and applies the rules of safety.
fn finish(view: &View<'_, '_>, verdict: &mut Verdict) {
    if view.status >= 400 {
        if matches!(verdict.class, Class::Duplicate | Class::Race | Class::State) && verdict.existing.is_none() {
            verdict.existing = existing::find(view);
        }
        verdict.retry_after = verdict.retry_after.or_else(|| existing::retry_after(view));
        if matches!(verdict.class, Class::Duplicate | Class::Invalid) {
            verdict.fields = existing::fields(view.tree);
        }
    }
    // A read changes nothing: there is nothing to adopt or to rebase. And without a pack that knows the API, only where the answer
    // points at the very resource.
    if verdict.remedy == Remedy::Adopt
        && (view.demand.safe || (verdict.dialect.is_none() && verdict.existing.is_none()))
    {
        verdict.remedy = Remedy::Stop;
    }
    if verdict.remedy == Remedy::Rebase && view.demand.safe {
        verdict.remedy = Remedy::Stop;
    }
    if matches!(verdict.class, Class::KeyReuse | Class::InProgress) {
        verdict.scope = verdict.scope.or(Some(Scope::Key));
    }
    if view.asked.earlier == Earlier::MayHaveApplied && !view.demand.safe && view.status >= 400 {
        let ours = match verdict.class {
            Class::Duplicate if verdict.confidence >= Confidence::Medium => {
                verdict.remedy = Remedy::Adopt;
                true
            }
            Class::Duplicate | Class::Stale => true,
            _ => false,
        };
        if ours {
            verdict.evidence.push(Evidence {
                signal: "an earlier attempt may have been applied: this may be a conflict with our own write".into(),
                place: "history".into(),
                excerpt: String::new(),
            });
        }
    }
}
