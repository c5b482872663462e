//! Representations that are negotiated: what is merged is of one variant.

use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};
use tiebreak_core::merge::Representation;
use tiebreak_core::policy::Policy;
use tiebreak_core::response::Response;
use tiebreak_core::virtual_tag::VirtualTags;

use crate::world::{Fault, World, document, json_of, respond, told};

const GERMAN: [(&str, &str); 1] = [("accept-language", "de")];
const IN_GERMAN: [(&str, &str); 1] = [("content-language", "de")];

/// What tells the versions of an article apart, and what an `If-Match` is compared with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tags {
    /// The revision of the article, whatever its language.
    OfTheArticle,
    /// One for each language; any of them is taken for an `If-Match`.
    OfEach,
    /// One for each language; only that of the language that a write asks for matches.
    Strict,
    None,
}

/// An article with a title in each language. What is written is in the language that `Content-Language` says.
fn articles(tags: Tags) -> impl FnMut(&Request<Bytes>) -> Response {
    let mut revision = 7;
    let mut titles = json!({"de": "Titel", "en": "Title"});
    let mut stock = json!(1);
    move |request| {
        let asked = request.headers().get("accept-language").map(|v| v.to_str().unwrap());
        let lang = asked.unwrap_or("en").to_owned();
        let tag = |revision: u64, lang: &str| match tags {
            Tags::OfTheArticle | Tags::None => format!("\"{revision}\""),
            Tags::OfEach | Tags::Strict => format!("\"{revision}-{lang}\""),
        };
        if request.method() == Method::PUT {
            let named = request
                .headers()
                .get("if-match")
                .map(|v| v.to_str().unwrap().to_owned());
            let fits = |named: String| match tags {
                Tags::Strict => named == tag(revision, &lang),
                _ => named == tag(revision, "de") || named == tag(revision, "en"),
            };
            if !named.is_none_or(fits) {
                return respond(412, &[], "");
            }
            let sent = json_of(request);
            let written = request.headers().get("content-language").map(|v| v.to_str().unwrap());
            titles[written.unwrap_or("en")] = sent["title"].clone();
            stock = sent["stock"].clone();
            revision += 1;
            return respond(204, &[("etag", &tag(revision, &lang))], "");
        }
        let mut fields = vec![("vary", "Accept-Encoding, Accept-Language")];
        let etag = tag(revision, &lang);
        if tags != Tags::None {
            fields.push(("etag", &etag));
        }
        let article = json!({"title": titles[&lang], "stock": stock});
        respond(200, &fields, article)
    }
}

/// Connection 1 has read German and changes the stock; somebody else has changed the German title since. The write says in
/// which language it holds, and asks for none.
async fn stale_german(tags: Tags) -> (World, String, Value) {
    let world = World::new(Policy::default(), articles(tags));
    let mut mine: Value = document(&world.read_with(1, "/a", &GERMAN).content);
    let mut theirs = document(&world.read_with(2, "/a", &GERMAN).content);
    theirs["title"] = json!("Neuer Titel");
    let both = [GERMAN[0], IN_GERMAN[0]];
    let first = world.write(2, Method::PUT, "/a", &both, &theirs).await;
    assert!(told(&first).starts_with("204 applied"), "{}", told(&first));
    mine["stock"] = json!(2);
    let answer = world.write(1, Method::PUT, "/a", &IN_GERMAN, &mine).await;
    let outcome = told(&answer);
    let held = document(&world.read_with(9, "/a", &GERMAN).content);
    (world, outcome, held)
}

#[tokio::test(start_paused = true)]
async fn an_edit_of_the_german_article_is_merged_into_the_german_one() {
    for tags in [Tags::OfTheArticle, Tags::OfEach, Tags::None] {
        let (world, outcome, held) = stale_german(tags).await;
        assert!(outcome.starts_with("204 applied"), "{outcome}");
        assert!(outcome.contains("rebased"), "{outcome}");
        assert_eq!(held, json!({"title": "Neuer Titel", "stock": 2}));
        let english = document(&world.read(9, "/a").content);
        assert_eq!(english, json!({"title": "Title", "stock": 2}));
    }
}

#[tokio::test(start_paused = true)]
async fn where_the_origin_refuses_the_version_of_another_variant_the_caller_is_told_why() {
    let (_, outcome, held) = stale_german(Tags::Strict).await;
    assert_eq!(outcome.split(';').next(), Some("409 refused"), "{outcome}");
    assert_eq!(held, json!({"title": "Neuer Titel", "stock": 1}));
}

#[tokio::test(start_paused = true)]
async fn what_a_caller_wrote_is_of_the_variant_that_it_had_read() {
    let world = World::new(Policy::default(), articles(Tags::OfTheArticle));
    let mut mine = document(&world.read_with(1, "/a", &GERMAN).content);
    let mut theirs = document(&world.read_with(2, "/a", &GERMAN).content);
    mine["stock"] = json!(2);
    world.write(1, Method::PUT, "/a", &IN_GERMAN, &mine).await;
    theirs["title"] = json!("Neuer Titel");
    let second = told(&world.write(2, Method::PUT, "/a", &IN_GERMAN, &theirs).await);
    assert!(second.starts_with("204 applied"), "{second}");
    // From what it wrote itself, without reading again.
    mine["stock"] = json!(3);
    let third = told(&world.write(1, Method::PUT, "/a", &IN_GERMAN, &mine).await);
    let german = document(&world.read_with(9, "/a", &GERMAN).content);
    let english = document(&world.read(9, "/a").content);
    assert_eq!(english["title"], json!("Title"));
    assert!(third.starts_with("204 applied"), "{third}");
    assert_eq!(german, json!({"title": "Neuer Titel", "stock": 3}));
}

#[tokio::test(start_paused = true)]
async fn a_lost_german_edit_is_looked_for_in_the_german_article() {
    let world = World::new(Policy::default(), articles(Tags::OfTheArticle));
    let mut mine = document(&world.read_with(1, "/a", &GERMAN).content);
    mine["title"] = json!("Neuer Titel");
    world.faults([Fault::Lost]);
    let answer = told(&world.write(1, Method::PUT, "/a", &IN_GERMAN, &mine).await);
    assert!(answer.starts_with("200 applied; attempts=1"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn of_two_languages_that_were_read_none_is_guessed() {
    let world = World::new(Policy::default(), articles(Tags::OfTheArticle));
    let mut mine = document(&world.read_with(1, "/a", &GERMAN).content);
    world.read(2, "/a");
    mine["stock"] = json!(2);
    world.sent();
    let answer = told(&world.write(3, Method::PUT, "/a", &IN_GERMAN, &mine).await);
    assert!(answer.starts_with("409"), "{answer}");
    assert_eq!(world.sent(), Vec::<String>::new(), "nothing was sent");
}

#[tokio::test(start_paused = true)]
async fn a_virtual_tag_is_compared_with_the_variant_that_it_names() {
    let policy = Policy {
        virtual_tags: VirtualTags::Json,
        ..Policy::default()
    };
    let world = World::new(policy.clone(), articles(Tags::None));
    let read = world.read_with(1, "/a", &GERMAN);
    let shown = policy
        .virtual_tag(&Representation::of(&read).unwrap())
        .unwrap()
        .to_string();
    let mut mine = document(&read.content);
    mine["stock"] = json!(2);
    let fields = [IN_GERMAN[0], ("if-match", shown.as_str())];
    let answer = world.write(1, Method::PUT, "/a", &fields, &mine).await;
    assert_eq!(told(&answer), "204 applied; attempts=1; guarantee=C");
    let again = world.write(1, Method::PUT, "/a", &fields, &mine).await;
    assert!(told(&again).starts_with("412 not-sent"), "{}", told(&again));
    let held = document(&world.read_with(9, "/a", &GERMAN).content);
    assert_eq!(held, json!({"title": "Titel", "stock": 2}));
}
