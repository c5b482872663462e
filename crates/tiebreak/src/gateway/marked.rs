//! Routes with `mark_reads`: JSON objects are served with a member that names the version ([`tiebreak_core::mark`]), and what is written
//! with it says what it was made from.
//!
//! A marked answer is a representation of its own: it has an entity tag of its own, from which that of the origin follows, no digest
//! and no parts. What may not be transformed (`no-transform`, RFC 9110 §7.7) or is signed passes as it came.

use bytes::Bytes;
use http::header::Entry;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, response};
use tiebreak_client::Answer;
use tiebreak_client::transport::http::Streamed;
use tiebreak_core::mark::{Mark, marked_tag, unmarked_tag, without_marked};
use tiebreak_core::merge::{Representation, essence, is_json_type};
use tiebreak_core::policy::Policy;
use tiebreak_core::precondition::{Preconditions, TagList};
use tiebreak_core::problem::{Kind, Problem};
use tiebreak_core::signature::is_signed;
use tiebreak_core::validator::EntityTag;
use tiebreak_core::variant::Variant;
use tokio::time::Instant;

use super::body::{Content, problem, whole};
use super::held::{Collected, collect, for_method, is_finite, not_modified};
use super::read::{Reader, could_be_base, pass_on};
use super::route::Gateway;
use super::routing::Route;

/// Fields in which clients name entity tags; the last is WebDAV's (RFC 4918 §10.4).
const NAMING: [HeaderName; 3] = [header::IF_MATCH, header::IF_NONE_MATCH, HeaderName::from_static("if")];

/// What is said of the bytes of a representation, and not of its data (RFC 9530, and what came before it).
const OF_BYTES: [&str; 5] = [
    "content-digest",
    "repr-digest",
    "digest",
    "content-md5",
    "accept-ranges",
];

/// A read whose answer may be marked.
pub(super) struct Marked {
    member: String,
    method: Method,
    /// The tags of marked representations that its client has, as it names them.
    has: Vec<EntityTag>,
}

impl Marked {
    /// Makes of a read one whose answer can be marked: of the whole representation, without content coding, and with the tags
    /// that the origin knows. `None`: it passes as it came.
    pub(super) fn ask(route: &Route, head: &mut Parts) -> Option<Marked> {
        let member = route.config.settings.values.mark_reads.clone()?;
        let reads = head.method == Method::GET || head.method == Method::HEAD;
        if !reads || is_signed(&head.headers, &head.uri) || forbids(&head.headers) {
            return None;
        }
        let headers = &mut head.headers;
        let named = Preconditions::of(headers).ok().and_then(|asked| asked.if_none_match);
        let has = match named {
            Some(TagList::Tags(tags)) => tags.into_iter().filter(|tag| unmarked_tag(tag).is_some()).collect(),
            Some(TagList::Any) | None => Vec::new(),
        };
        name_as_origin(headers);
        let part_of_marked = headers
            .get(header::IF_RANGE)
            .and_then(|v| without_marked(v.to_str().ok()?));
        if part_of_marked.is_some() {
            headers.remove(header::RANGE);
            headers.remove(header::IF_RANGE);
        }
        if headers.contains_key(header::RANGE) {
            return None; // a part is of the origin's own representation, and has its tag
        }
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let method = std::mem::replace(&mut head.method, Method::GET);
        Some(Marked { member, method, has })
    }

    /// Asks for all of what its client has a copy of, unless that is remembered: else a 304 would confirm a mark that names nothing,
    /// and no write from that copy could ever succeed. A weak tag or a date names no mark for certain.
    pub(super) fn ask_anew(&self, reader: &Reader, headers: &mut HeaderMap) {
        let by_date = headers.contains_key(header::IF_MODIFIED_SINCE) && !headers.contains_key(header::IF_NONE_MATCH);
        let known = |tag: &EntityTag| unmarked_tag(tag).is_some_and(|own| !own.is_weak() && reader.remembers(&own));
        if by_date || !self.has.iter().all(known) {
            headers.remove(header::IF_NONE_MATCH);
            headers.remove(header::IF_MODIFIED_SINCE);
        }
    }

    /// The answer as the client gets it.
    pub(super) async fn answer(
        self,
        gateway: &Gateway,
        policy: &Policy,
        reader: Option<Reader>,
        response: Response<Streamed>,
    ) -> Response<Content> {
        if !may_be_marked(response.status(), response.headers()) || !is_finite(response.headers()) {
            let mut answer = pass_on(gateway, reader, response);
            self.name_again(&mut answer);
            return for_method(&self.method, answer);
        }
        let (head, body) = response.into_parts();
        let limit = gateway.engine.options().reads.content;
        let until = Instant::now() + policy.attempt_timeout;
        match collect(body, limit, until).await {
            Err(cut) => problem(&cut),
            Ok(Collected::Open(first, rest)) => {
                if let Some(reader) = reader {
                    reader.took(head.status, &head.headers, None);
                }
                for_method(&self.method, Response::from_parts(head, Content::Resumed(first, rest)))
            }
            Ok(Collected::Whole(content)) => {
                if let Some(reader) = reader {
                    reader.took(head.status, &head.headers, Some(&content));
                }
                self.held(head, content)
            }
        }
    }

    /// As [`Marked::answer`], for one that is in memory, and was remembered.
    pub(super) fn held(&self, mut head: response::Parts, mut content: Bytes) -> Response<Content> {
        if may_be_marked(head.status, &head.headers) {
            content = mark(&self.member, &mut head.headers, content);
            let tag = tag_in(&head.headers).filter(|tag| !tag.is_weak());
            if tag.is_some_and(|tag| self.has.contains(&tag)) {
                return not_modified(&head);
            }
        }
        let mut answer = Response::from_parts(head, whole(content));
        self.name_again(&mut answer);
        for_method(&self.method, answer)
    }

    /// A 304 names the tag under which its client has the representation.
    fn name_again(&self, answer: &mut Response<Content>) {
        if answer.status() != StatusCode::NOT_MODIFIED || self.has.is_empty() {
            return;
        }
        let headers = answer.headers_mut();
        if let Some(tag) = tag_in(headers).map(|tag| marked_tag(&tag)) {
            if !self.has.iter().any(|has| has.opaque() == tag.opaque()) {
                return; // it has that without a mark
            }
            name(headers, &tag);
        }
        forget_bytes(headers);
        ask_always(headers);
    }
}

/// Refuses content from which no mark can be taken out and which has one, or may have: the origin would store it.
pub(super) fn refuse_mark(member: &str, headers: &HeaderMap, content: &Bytes) -> Result<(), Problem> {
    let why = if is_json(headers) && is_coded(headers) && !content.is_empty() {
        "JSON with a content coding, in which the mark of a read cannot be seen".to_owned()
    } else if Mark::is_within(content) {
        "the mark of a read, and that can be taken out of JSON objects only, and not where the request is signed or has a \
         digest"
            .to_owned()
    } else {
        return Ok(());
    };
    let detail = format!(
        "the content has {why}; nothing was sent; send it without {member:?} and without Content-Encoding, and the ETag as \
         If-Match"
    );
    Err(Problem::new(Kind::BadRequest, detail))
}

/// Takes the marks out of a write. Gives back the one that names its base, unless it names a version otherwise.
pub(super) fn unmark(
    member: &str,
    method: &Method,
    headers: &HeaderMap,
    content: &mut Bytes,
) -> Result<Option<Mark>, Problem> {
    if !is_json(headers) || is_coded(headers) {
        return refuse_mark(member, headers, content).map(|()| None);
    }
    let taken = Mark::take_out(member, content).map_err(|error| {
        let detail = format!(
            "failed to {error}; nothing was sent; send the object without {member:?}, and the ETag as If-Match"
        );
        Problem::new(Kind::BadRequest, detail)
    })?;
    let mark = taken.and_then(|(mark, clean)| {
        *content = clean;
        mark
    });
    if is_json_patch(headers) {
        refuse_mark(member, headers, content)?;
    }
    let names_state = headers.keys().any(|name| {
        let names = [header::IF_MATCH, header::IF_NONE_MATCH, header::IF_UNMODIFIED_SINCE];
        names.contains(name)
    });
    Ok(mark.filter(|_| !names_state && *method != Method::POST))
}

/// Marks the answer to a write that holds the representation which it produced.
pub(super) fn mark_answer(member: &str, answer: &mut Answer) {
    let shows = |produced: &tiebreak_core::exchange::Carried| {
        *produced.representation.content() == answer.content && !answer.replayed
    };
    if answer.produced.as_ref().is_some_and(shows) && can_be_marked(&answer.headers) {
        let content = std::mem::take(&mut answer.content);
        answer.content = mark(member, &mut answer.headers, content);
    }
}

/// The content with its mark, and fields that fit it; or both as they were.
fn mark(member: &str, headers: &mut HeaderMap, content: Bytes) -> Bytes {
    let text = |name| headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok());
    let served = Representation::new(text(header::CONTENT_TYPE).unwrap_or_default(), content.clone());
    let tag = tag_in(headers);
    let Some(marked) = Mark::of(tag.as_ref(), &served).put_into(member, &content) else {
        return content;
    };
    if let Some(tag) = tag {
        name(headers, &marked_tag(&tag));
    }
    forget_bytes(headers);
    ask_always(headers);
    marked
}

fn name(headers: &mut HeaderMap, tag: &EntityTag) {
    match HeaderValue::from_str(&tag.to_string()) {
        Ok(tag) => drop(headers.insert(header::ETAG, tag)),
        Err(_) => drop(headers.remove(header::ETAG)),
    }
}

/// Lets caches ask before they answer with it (RFC 9111 §5.2.2.4, RFC 9213): a mark is forgotten, and is its reader's alone.
fn ask_always(headers: &mut HeaderMap) {
    headers.remove("cdn-cache-control");
    if !says(headers, "no-cache") && !says(headers, "no-store") {
        headers.append(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
}

fn forget_bytes(headers: &mut HeaderMap) {
    for name in OF_BYTES {
        headers.remove(name);
    }
    headers.remove(header::CONTENT_LENGTH);
}

fn tag_in(headers: &HeaderMap) -> Option<EntityTag> {
    EntityTag::parse(headers.get(header::ETAG)?.to_str().ok()?).ok()
}

/// Lets a request name entity tags as the origin knows them.
pub(super) fn name_as_origin(headers: &mut HeaderMap) {
    for name in NAMING {
        let Entry::Occupied(mut lines) = headers.entry(name) else {
            continue;
        };
        for line in lines.iter_mut() {
            let named = line.to_str().ok().and_then(without_marked);
            if let Some(Ok(value)) = named.map(|tags| HeaderValue::from_str(&tags)) {
                *line = value;
            }
        }
    }
}

fn may_be_marked(status: StatusCode, headers: &HeaderMap) -> bool {
    could_be_base(status, headers) && can_be_marked(headers)
}

/// The same of the fields of an answer alone.
fn can_be_marked(headers: &HeaderMap) -> bool {
    is_json(headers)
        && !headers.contains_key(header::CONTENT_ENCODING)
        && !headers.contains_key("signature")
        && Variant::of(&HeaderMap::new(), headers).is_some()
        && headers.get_all(header::ETAG).iter().count() == usize::from(tag_in(headers).is_some())
        && !forbids(headers)
}

/// Whether the content is JSON of any type.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    is_json_type(content_type(headers))
}

/// Whether the content is a JSON Patch (RFC 6902): its values are no members of the document yet.
fn is_json_patch(headers: &HeaderMap) -> bool {
    essence(content_type(headers)).eq_ignore_ascii_case("application/json-patch+json")
}

fn content_type(headers: &HeaderMap) -> &str {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    kind.unwrap_or_default()
}

/// Whether the content has a coding (RFC 9110 §8.4).
fn is_coded(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
    codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// `Cache-Control: no-transform` (RFC 9110 §7.7, RFC 9111 §5.2).
fn forbids(headers: &HeaderMap) -> bool {
    says(headers, "no-transform")
}

/// Whether `Cache-Control` has this directive, without an argument.
fn says(headers: &HeaderMap, directive: &str) -> bool {
    let named = |line: &str| line.split(',').any(|d| d.trim().eq_ignore_ascii_case(directive));
    let mut lines = headers.get_all(header::CACHE_CONTROL).iter();
    lines.any(|line| line.to_str().is_ok_and(named))
}
