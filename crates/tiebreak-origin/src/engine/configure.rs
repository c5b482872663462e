//! PUT to the settings of a collection.

use std::collections::HashMap;

use bytes::Bytes;
use http::Method;
use tiebreak_core::fingerprint::Digest;

use super::{Collection, Engine, Stop, Terms};
use crate::answer::Answer;
use crate::incoming::Content;
use crate::refusal;
use crate::settings::{CollectionSettings, Rules};
use crate::store::{Collected, Document, SETTINGS_COLLECTION, Store};
use crate::target::{SETTINGS, path};

/// How many documents are read at a time while a new unique rule is checked.
const CHUNK: usize = 1000;

impl<S: Store> Engine<S> {
    pub(super) fn configure(&mut self, name: &str, content: Content, terms: &Terms) -> Result<Answer, Stop> {
        let at = path(SETTINGS, name);
        let old = self.store.find(SETTINGS_COLLECTION, name)?;
        terms.judge(&Method::PUT, &at, old.as_ref(), (false, self.limits.stale_status))?;
        let value = content.value().map_err(Stop::Refused)?;
        let settings = CollectionSettings::read(&value).map_err(|v| refusal::invalid(&[v]))?;
        let document = self.set_up(name, &settings, content.text, terms.now)?;
        Ok(terms.answer(old.is_none(), at, &document))
    }

    /// Makes `settings`, of which `text` is the document, those of collection `name`. Documents that exist must
    /// keep the unique rules; a schema counts for what is written from now on.
    pub(super) fn set_up(
        &mut self,
        name: &str,
        settings: &CollectionSettings,
        text: Bytes,
        now: u64,
    ) -> Result<Document, Stop> {
        let rules = self.compile(settings).map_err(|v| refusal::invalid(&[v]))?;
        let known = self.collection(name);
        let changed = known.as_ref().is_none_or(|c| c.rules.unique != rules.unique);
        let claims = match &known {
            Some(collection) if changed => self.all_unique(collection.collected(), &rules)?,
            _ => HashMap::new(),
        };
        let number = match &known {
            Some(collection) => collection.number,
            None => self.make(name)?,
        };
        let old = self.store.find(SETTINGS_COLLECTION, name)?;
        let document = self.succeed(old.as_ref(), text, now);
        self.store.write(SETTINGS_COLLECTION, name, &document)?;
        let name = name.to_owned();
        let collection = self.register(Collection { number, name, rules });
        if changed {
            self.store.release_all(collection.collected())?;
            for (digest, (_, born)) in claims {
                self.store.claim(collection.collected(), digest, born)?;
            }
        }
        Ok(document)
    }

    /// The unique values of all documents of a collection under `rules`, with their holders.
    fn all_unique(&mut self, collection: Collected<'_>, rules: &Rules) -> Result<HashMap<Digest, (String, u64)>, Stop> {
        let mut claims: HashMap<Digest, (String, u64)> = HashMap::new();
        let mut after = 0;
        loop {
            let page = self.store.page(collection, after, CHUNK)?;
            let Some(last) = page.last() else {
                return Ok(claims);
            };
            after = last.document.born;
            for listed in page {
                for held in rules.unique_values(&listed.document.value()?) {
                    let holder = (listed.id.clone(), listed.document.born);
                    let before = claims.insert(held.digest, holder);
                    if let Some((first, _)) = before.filter(|(first, _)| *first != listed.id) {
                        let (first, second) = (path(collection.name, &first), path(collection.name, &listed.id));
                        return Err(refusal::duplicates_exist(&first, &second, &rules.unique[held.rule]).into());
                    }
                }
            }
        }
    }
}
