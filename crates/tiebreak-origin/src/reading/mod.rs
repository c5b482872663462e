//! GET and HEAD.

mod document;
mod filter;
mod listing;
mod query;

use http::request::Parts;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::origin::Origin;
use crate::refusal;
use crate::store::StoreError;
use crate::target::{SETTINGS, Target, path};

use self::query::Query;

impl Origin {
    pub(crate) async fn read(&self, head: &Parts, target: &Target) -> Result<Answer, Box<Answer>> {
        match target {
            Target::Document(collection, id) => self.read_document(head, collection, id).await,
            Target::Settings(name) => self.read_document(head, SETTINGS, name).await,
            Target::Collection(name) => self.read_collection(head, name).await,
            Target::Root => self.read_root(head).await,
        }
    }

    async fn read_collection(&self, head: &Parts, name: &str) -> Result<Answer, Box<Answer>> {
        let query = Query::of(head.uri.query(), self.options.max_page)?;
        let page = self.list(name, &query).await.map_err(failed)?;
        let page = page.ok_or_else(|| Box::new(refusal::not_found(&format!("/{name}"))))?;
        let members = |listed: &crate::store::Listed| {
            let content = String::from_utf8_lossy(&listed.document.content).into_owned();
            let fields = [
                ("href", json!(path(name, &listed.id))),
                ("etag", json!(listed.document.etag().to_string())),
            ];
            listing::item(&fields, ("document", content))
        };
        let items = page.items.iter().map(members).collect();
        Ok(listing::answer(
            items,
            page.next.map(|after| query.next(&format!("/{name}"), after)),
        ))
    }

    async fn read_root(&self, head: &Parts) -> Result<Answer, Box<Answer>> {
        let query = Query::of(head.uri.query(), self.options.max_page)?;
        let page = self.list(SETTINGS, &query).await.map_err(failed)?;
        let page = page.unwrap_or_default();
        let members = |listed: &crate::store::Listed| {
            let fields: [(&str, Value); 3] = [
                ("name", json!(listed.id)),
                ("href", json!(format!("/{}", listed.id))),
                ("settings", json!(path(SETTINGS, &listed.id))),
            ];
            listing::item(&fields, ("etag", json!(listed.document.etag().to_string()).to_string()))
        };
        let items = page.items.iter().map(members).collect();
        Ok(listing::answer(items, page.next.map(|after| query.next("/", after))))
    }
}

/// A read that the store cannot do.
fn failed(error: StoreError) -> Box<Answer> {
    Box::new(refusal::store(&error))
}
