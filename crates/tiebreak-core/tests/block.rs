//! Block recognition, measured on labelled real answers.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::Value;
use tiebreak_core::delivery::Reading;
use tiebreak_core::judge::{Asked, Judge};
use tiebreak_core::response::Response;
use tiebreak_core::verdict::{Class, Verdict};

const CORPUS: &str = include_str!("../corpus/blocks.jsonl");
const EXTRA: &str = include_str!("../corpus/blocks-extra.jsonl");

fn cases(text: &str) -> impl Iterator<Item = Value> + '_ {
    text.lines()
        .map(|l| serde_json::from_str(l).expect("a line of the corpus is JSON"))
}

fn response(case: &Value) -> Response {
    let r = &case["response"];
    let mut headers = HeaderMap::new();
    for (name, value) in r["headers"].as_object().into_iter().flatten() {
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).expect("a field name"),
            HeaderValue::from_str(value.as_str().unwrap_or_default()).expect("a field value"),
        );
    }
    let content = match &r["body"] {
        Value::String(s) => s.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    Response {
        status: r["status"]
            .as_u64()
            .and_then(|n| StatusCode::from_u16(u16::try_from(n).ok()?).ok())
            .expect("a status"),
        headers,
        content: content.into(),
        complete: true,
    }
}

fn judge(response: &Response) -> Verdict {
    let headers_sent = HeaderMap::new();
    let asked = Asked::new(&Method::POST, "/api/items", &headers_sent);
    Judge::standard().judge(&asked, response)
}

/// (blocked and recognised, blocked, genuine called blocked), with a line for each mistake.
fn score(text: &str) -> (usize, usize, usize, Vec<String>) {
    let (mut hit, mut blocked, mut false_blocked, mut mistakes) = (0, 0, 0, Vec::new());
    for case in cases(text) {
        let verdict = judge(&response(&case));
        let is = verdict.class == Class::Blocked;
        let should = case["class"] == "blocked";
        blocked += usize::from(should);
        hit += usize::from(should && is);
        false_blocked += usize::from(!should && is);
        if is != should {
            mistakes.push(format!("{} ({}): {}", case["id"], case["class"], verdict.reason()));
        }
    }
    (hit, blocked, false_blocked, mistakes)
}

#[test]
fn the_corpus_is_recognised_without_a_false_alarm() {
    let (hit, blocked, false_blocked, mistakes) = score(CORPUS);
    println!(
        "corpus: {hit} of {blocked}, {false_blocked} false\n{}",
        mistakes.join("\n")
    );
    assert_eq!(false_blocked, 0, "{mistakes:#?}");
    assert!(hit * 100 >= blocked * 97, "{hit} of {blocked}: {mistakes:#?}");
}

#[test]
fn other_vendors_are_recognised_without_a_false_alarm() {
    let (hit, blocked, false_blocked, mistakes) = score(EXTRA);
    println!(
        "extra: {hit} of {blocked}, {false_blocked} false\n{}",
        mistakes.join("\n")
    );
    assert_eq!(false_blocked, 0, "{mistakes:#?}");
    assert!(hit * 100 >= blocked * 97, "{hit} of {blocked}: {mistakes:#?}");
}

#[test]
fn the_200_of_a_wall_does_not_mean_applied() {
    for case in cases(CORPUS).filter(|c| c["class"] == "blocked" && c["response"]["status"].as_u64() < Some(300)) {
        let response = response(&case);
        let verdict = judge(&response);
        let reading = Judge::standard().reading(response.status, &verdict);
        let allowed = if verdict.proves_refusal {
            Reading::Refused
        } else {
            Reading::Unknown
        };
        assert_eq!(reading, allowed, "{}", case["id"]);
    }
}

#[test]
fn the_waiting_time_of_a_wall_is_kept() {
    let case = cases(CORPUS).find(|c| c["id"] == "cf-004").expect("Cloudflare's 1015");
    assert_eq!(
        judge(&response(&case)).retry_after,
        Some(std::time::Duration::from_secs(30))
    );
}
