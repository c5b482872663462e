//! A scripted origin: documents of text members, with the habits that real origins have.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use serde_json::{Map, Value};
use tiebreak_core::fingerprint::Digest;
use tiebreak_core::precondition::{Current, Evaluation, Preconditions, evaluate};
use tiebreak_core::response::Response;
use tiebreak_core::validator::EntityTag;

use crate::trace::{Applied, Number};

/// The members of a document.
pub type Fields = BTreeMap<String, String>;

/// The kind of entity tags that it gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tags {
    /// Numbers that only grow.
    Version,
    /// Digests of the content.
    Digest,
    /// Weak ones.
    Weak,
    /// None.
    None,
}

/// What it answers to a PUT or PATCH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thanks {
    /// 200 with the new representation and its tag.
    Representation,
    /// 204 with the new tag.
    Tag,
    /// 204.
    Bare,
}

/// An origin's habits.
#[derive(Debug, Clone, Copy)]
pub struct Habits {
    /// Its tags.
    pub tags: Tags,
    /// Its answers to writes.
    pub thanks: Thanks,
    /// Whether it honours idempotency keys.
    pub honours_keys: bool,
    /// Whether it keeps a member of its own in each document and spells documents its own way.
    pub normalises: bool,
    /// Whether representations show who reads them.
    pub private: bool,
}

#[derive(Debug, Default)]
struct Resource {
    fields: Fields,
    version: u64,
}

/// The origin's state.
#[derive(Debug)]
pub struct Origin {
    habits: Habits,
    resources: BTreeMap<String, Resource>,
    /// Older versions, for replicas that lag: the newest last.
    past: BTreeMap<String, Vec<Resource>>,
    versions: u64,
    keys: BTreeMap<String, Response>,
    created: u64,
}

/// The mark of a caller in private representations.
#[must_use]
pub fn mark(caller: &str) -> String {
    format!("for-{caller}.")
}

impl Origin {
    /// An origin without resources.
    #[must_use]
    pub fn new(habits: Habits) -> Origin {
        Origin {
            habits,
            resources: BTreeMap::new(),
            past: BTreeMap::new(),
            versions: 0,
            keys: BTreeMap::new(),
            created: 0,
        }
    }

    /// Puts a document there.
    pub fn put(&mut self, path: &str, fields: Fields) {
        self.versions += 1;
        let resource = Resource {
            fields,
            version: self.versions,
        };
        if let Some(old) = self.resources.insert(path.to_owned(), resource) {
            self.past.entry(path.to_owned()).or_default().push(old);
        }
    }

    /// What is there.
    #[must_use]
    pub fn fields(&self, path: &str) -> Option<Fields> {
        self.resources.get(path).map(|r| r.fields.clone())
    }

    /// Answers a read; `lag`: as many versions behind as there are, at most.
    #[must_use]
    pub fn read(&self, request: &Request<Bytes>, lag: usize) -> Response {
        let path = request.uri().path();
        let Some(now) = self.resources.get(path) else {
            return plain(404);
        };
        let past = self.past.get(path).map_or(&[][..], Vec::as_slice);
        let shown = match past.len().checked_sub(lag) {
            Some(at) if lag > 0 => &past[at],
            _ => now,
        };
        self.represent(200, shown, request)
    }

    /// Performs a write; also says what it changed, if it changed anything.
    pub fn write(&mut self, request: &Request<Bytes>, number: Option<Number>) -> (Response, Option<Applied>) {
        let key = request
            .headers()
            .get("idempotency-key")
            .filter(|_| self.habits.honours_keys);
        let key = key.map(|k| format!("{:?} {} {:?}", request.uri(), request.method(), k));
        if let Some(known) = key.as_ref().and_then(|k| self.keys.get(k)) {
            return (known.clone(), None);
        }
        let (response, applied) = self.perform(request, number);
        if let (Some(key), true) = (key, response.status.is_success()) {
            self.keys.insert(key, response.clone());
        }
        (response, applied)
    }

    fn perform(&mut self, request: &Request<Bytes>, write: Option<Number>) -> (Response, Option<Applied>) {
        let path = request.uri().path().to_owned();
        let tag = self.resources.get(&path).and_then(|r| self.tag(r));
        let current = Current {
            exists: self.resources.contains_key(&path),
            etag: tag.as_ref(),
            last_modified: None,
        };
        match Preconditions::of(request.headers()) {
            Err(_) => return (plain(400), None),
            Ok(given) => match evaluate(request.method(), &given, current) {
                Evaluation::Perform => {}
                Evaluation::NotModified | Evaluation::Failed(_) => return (plain(412), None),
            },
        }
        let before = self.fields(&path);
        let asked = serde_json::from_slice::<Value>(request.body()).ok();
        let (path, after) = match (request.method(), asked) {
            (&Method::DELETE, _) if before.is_none() => return (plain(404), None),
            (&Method::DELETE, _) => {
                let gone = self.resources.remove(&path);
                self.past.entry(path.clone()).or_default().extend(gone);
                (path, None)
            }
            (&Method::POST, Some(Value::Object(asked))) => {
                self.created += 1;
                (format!("{path}/{}", self.created), Some(text_members(&asked)))
            }
            (&Method::PATCH, Some(Value::Object(asked))) => {
                let Some(mut fields) = before.clone() else {
                    return (plain(404), None);
                };
                fields.extend(text_members(&asked));
                (path, Some(fields))
            }
            (&Method::PUT, Some(Value::Object(asked))) => (path, Some(text_members(&asked))),
            _ => return (plain(400), None),
        };
        if let Some(fields) = after.clone() {
            self.put(&path, fields);
        }
        let response = match (self.resources.get(&path), self.habits.thanks) {
            (None, _) => plain(204),
            (Some(_), _) if *request.method() == Method::POST => {
                let mut response = plain(201);
                if let Ok(location) = HeaderValue::from_str(&path) {
                    response.headers.insert("location", location);
                }
                response
            }
            (Some(_), Thanks::Bare) => plain(204),
            (Some(resource), Thanks::Tag) => {
                let mut response = plain(204);
                self.attach_tag(&mut response, resource);
                response
            }
            (Some(resource), Thanks::Representation) => self.represent(200, resource, request),
        };
        let applied = Applied {
            write,
            path,
            before: before.filter(|_| *request.method() != Method::POST),
            after,
        };
        (response, Some(applied))
    }

    fn tag(&self, resource: &Resource) -> Option<EntityTag> {
        match self.habits.tags {
            Tags::Version => Some(EntityTag::strong(resource.version.to_string())),
            Tags::Weak => Some(EntityTag::weak(resource.version.to_string())),
            Tags::Digest => {
                let digest = Digest::of(&[format!("{:?}", resource.fields).as_bytes()]);
                Some(EntityTag::strong(digest.to_string()))
            }
            Tags::None => None,
        }
    }

    fn attach_tag(&self, response: &mut Response, resource: &Resource) {
        if let Some(Ok(tag)) = self.tag(resource).map(|t| HeaderValue::from_str(&t.to_string())) {
            response.headers.insert("etag", tag);
        }
    }

    fn represent(&self, status: u16, resource: &Resource, request: &Request<Bytes>) -> Response {
        let mut members = Map::new();
        if self.habits.normalises {
            members.insert("rev".into(), resource.version.into());
        }
        for (name, value) in &resource.fields {
            members.insert(name.clone(), value.clone().into());
        }
        if self.habits.private {
            members.insert("viewer".into(), mark(caller_of(request)).into());
        }
        let mut response = plain(status);
        response.content = Bytes::from(Value::Object(members).to_string());
        response
            .headers
            .insert("content-type", HeaderValue::from_static("application/json"));
        self.attach_tag(&mut response, resource);
        response
    }
}

/// Who sends a request.
#[must_use]
pub fn caller_of<T>(request: &Request<T>) -> &str {
    let value = request.headers().get("authorization");
    value.and_then(|v| v.to_str().ok()).unwrap_or("nobody")
}

/// What the origin takes: its own members it sets itself.
fn text_members(asked: &Map<String, Value>) -> Fields {
    asked
        .iter()
        .filter(|(name, _)| *name != "viewer" && *name != "rev")
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// An answer without content.
#[must_use]
pub fn plain(status: u16) -> Response {
    Response {
        status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        headers: HeaderMap::new(),
        content: Bytes::new(),
        complete: true,
    }
}
