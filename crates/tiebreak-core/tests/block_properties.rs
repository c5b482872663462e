//! What must hold of block recognition for any input.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use proptest::prelude::*;
use serde_json::{Value, json};
use tiebreak_core::judge::{Asked, Judge};
use tiebreak_core::response::Response;
use tiebreak_core::verdict::{Class, Verdict};

const CORPORA: [&str; 2] = [
    include_str!("../corpus/blocks.jsonl"),
    include_str!("../corpus/blocks-extra.jsonl"),
];

fn judge(status: u16, headers: HeaderMap, content: impl Into<bytes::Bytes>) -> Verdict {
    let headers_sent = HeaderMap::new();
    let asked = Asked::new(&Method::PUT, "/api/items/1", &headers_sent);
    let response = Response {
        status: StatusCode::from_u16(status).unwrap_or(StatusCode::CONFLICT),
        headers,
        content: content.into(),
        complete: true,
    };
    Judge::standard().judge(&asked, &response)
}

fn html() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("text/html"));
    headers
}

/// The content of every blocked page that is HTML.
fn walls() -> Vec<(String, u16, String)> {
    let lines = CORPORA.iter().flat_map(|c| c.lines());
    lines
        .filter_map(|l| serde_json::from_str::<Value>(l).ok())
        .filter(|c| c["class"] == "blocked")
        .filter_map(|c| {
            let body = c["response"]["body"].as_str()?.to_owned();
            let status = u16::try_from(c["response"]["status"].as_u64()?).ok()?;
            body.contains('<').then(|| (c["id"].to_string(), status, body))
        })
        .collect()
}

#[test]
fn a_wall_quoted_in_a_json_error_is_the_api_speaking() {
    for (id, status, body) in walls() {
        let quoted = json!({ "error": "bad_gateway", "message": "the upstream answered", "body": body }).to_string();
        let verdict = judge(status, HeaderMap::new(), quoted);
        assert_ne!(verdict.class, Class::Blocked, "{id}: {}", verdict.reason());
    }
}

#[test]
fn a_wall_quoted_in_a_page_is_the_site_speaking() {
    for (id, _, body) in walls() {
        let escaped = body.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
        let page = format!(
            "<!doctype html><html><head><title>What we saw</title></head><body><p>The answer was:</p><pre>{escaped}</pre></body></html>"
        );
        let verdict = judge(409, html(), page);
        assert_ne!(verdict.class, Class::Blocked, "{id}: {}", verdict.reason());
    }
}

#[test]
fn a_long_page_is_no_wall() {
    for (id, _, body) in walls() {
        let prose = "A sentence about something else that the site has to say. ".repeat(80);
        let page = body.replacen("</body>", &format!("<p>{prose}</p></body>"), 1);
        if page == body {
            continue;
        }
        let verdict = judge(200, html(), page);
        assert_ne!(verdict.class, Class::Blocked, "{id}: {}", verdict.reason());
    }
}

#[test]
fn presence_is_no_verdict() {
    let present = [
        ("server", "cloudflare"),
        ("server", "AkamaiGHost"),
        ("server", "ddos-guard"),
        ("server", "QRATOR"),
        ("server", "imunify360-webshield/1.21"),
        ("server", "ArvanCloud"),
        ("server", "HuaweiCloudWAF"),
        ("server", "Zscaler/5.6"),
        ("server", "Vercel"),
        ("server", "Sucuri/Cloudproxy"),
        ("cf-ray", "8c4a13c91f8f9bb0-FRA"),
        ("x-iinfo", "12-345-0 0NNN RT(17 10)"),
        ("x-cdn", "Imperva"),
        ("x-datadome", "protected"),
        ("x-dd-b", "0"),
        ("x-sucuri-id", "12013"),
        ("x-azure-ref", "2024"),
        ("x-cache", "Error from cloudfront"),
        ("x-amzn-requestid", "1"),
        ("x-kpsdk-ct", "0x"),
        ("x-kpsdk-r", "1-x"),
        ("x-vercel-id", "fra1::1"),
        ("akamai-grn", "0.7f3a1c2d.1786518862.9f8e7d6c"),
        (
            "set-cookie",
            "datadome=x; _abck=y; __cf_bm=z; visid_incap_1=q; _pxhd=p; TS01a2b3c4=t",
        ),
        (
            "content-security-policy",
            "script-src geo.captcha-delivery.com challenges.cloudflare.com",
        ),
        (
            "access-control-expose-headers",
            "cf-mitigated, x-dd-b, x-amzn-waf-action",
        ),
    ];
    let bodies = [
        r#"{"error":"conflict","message":"version mismatch"}"#,
        "",
        "<html><body><h1>409 Conflict</h1></body></html>",
    ];
    for body in bodies {
        for status in [409, 412, 403, 429, 503] {
            let mut headers = HeaderMap::new();
            for (name, value) in present {
                if name == "x-kpsdk-ct" || name == "x-kpsdk-r" {
                    continue;
                }
                headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            let verdict = judge(status, headers, body);
            assert_ne!(verdict.class, Class::Blocked, "{status} {body}: {}", verdict.reason());
        }
    }
}

#[test]
fn hostile_markup_is_read_in_one_pass() {
    // Each of these is quadratic in a careless reader: at 64 KiB that would be minutes, not milliseconds.
    for unit in [
        "<",
        "<a b='",
        "<!--",
        "<script>",
        "</script",
        "&",
        "&#",
        "<code>",
        "\"",
        "“",
        "<title>",
        "humans_",
        "a \"",
        "Reference #18.",
    ] {
        let content = unit.repeat(300_000 / unit.len());
        let started = std::time::Instant::now();
        judge(403, html(), content);
        assert!(started.elapsed().as_secs() < 5, "{unit:?} took {:?}", started.elapsed());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_judged(status in 100u16..1000, content in proptest::collection::vec(any::<u8>(), 0..2048)) {
        judge(status, HeaderMap::new(), content);
    }

    #[test]
    fn any_damage_to_a_wall_is_judged(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), cut in any::<prop::sample::Index>(), with in "\\PC{0,8}") {
        let walls = walls();
        let (_, status, body) = which.get(&walls);
        let mut bytes = body.clone().into_bytes();
        let at = at.index(bytes.len());
        bytes.splice(at..at, with.bytes());
        bytes.truncate(cut.index(bytes.len()) + 1);
        judge(*status, html(), bytes);
    }

    #[test]
    fn excerpts_are_bounded_and_evidence_is_named(which in any::<prop::sample::Index>()) {
        let walls = walls();
        let (_, status, body) = which.get(&walls);
        let verdict = judge(*status, html(), body.clone());
        if verdict.class == Class::Blocked {
            for e in &verdict.evidence {
                prop_assert!(e.excerpt.chars().count() <= 121 && !e.place.is_empty() && !e.signal.is_empty());
            }
        }
    }
}
