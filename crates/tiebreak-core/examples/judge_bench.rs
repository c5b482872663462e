//! Measures the judge: verdicts per second on typical answers, and the worst case on hostile ones.
//!
//! `cargo run --release -p tiebreak-core --example judge_bench`

#![allow(clippy::print_stdout, missing_docs)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tiebreak_core::judge::{Asked, Judge};
use tiebreak_core::response::Response;

fn answer(status: u16, content_type: &'static str, body: String) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static(content_type));
    headers.insert("server", HeaderValue::from_static("cloudflare"));
    headers.insert("cf-ray", HeaderValue::from_static("8c4a13c91f8f9bb0-FRA"));
    headers.insert("x-request-id", HeaderValue::from_static("0b6c7d1e"));
    headers.insert("date", HeaderValue::from_static("Sun, 22 Nov 2026 08:45:00 GMT"));
    Response {
        status: StatusCode::from_u16(status).expect("a status"),
        headers,
        content: body.into(),
        complete: true,
    }
}

/// A JSON error of about 1 KiB: the error, what surrounds it, and a long explanation.
fn typical(error: &str) -> String {
    let mut body = format!(
        r#"{{{error},"requestId":"0b6c7d1e-2f3a-4b5c-8d9e-0f1a2b3c4d5e","timestamp":"2026-11-22T08:45:00Z","documentation_url":"https://docs.example.com/errors","context":["#
    );
    let mut n = 0;
    while body.len() < 960 {
        n += 1;
        body.push_str(&format!(r#"{{"resource":"order-line-{n}","reason":"line {n} of the order is shown here for the reader of this answer"}},"#));
    }
    body.push_str("{}]}");
    body
}

/// A JSON error of about 1 KiB of many small members.
fn crowded(error: &str) -> String {
    let mut body = format!("{{{error},\"items\":[");
    let mut n = 0;
    while body.len() < 970 {
        n += 1;
        body.push_str(&format!(
            r#"{{"field":"items[{n}].sku","value":"A-{n}-77","limit":{n}}},"#
        ));
    }
    body.push_str("{}]}");
    body
}

fn main() {
    let judge = Judge::standard();
    let headers = HeaderMap::new();
    let asked = Asked::new(&Method::POST, "/v1/orders", &headers);
    let answers = [
        answer(
            409,
            "application/json",
            typical(r#""error":{"code":"ALREADY_EXISTS","message":"Order 4711 already exists"}"#),
        ),
        answer(
            409,
            "application/json",
            typical(
                r#""code":"VERSION_CONFLICT","message":"Record has been updated by another user. Please reload and retry.""#,
            ),
        ),
        answer(
            409,
            "application/json",
            typical(r#""message":"Cannot ship order in 'cancelled' state","error":"Conflict""#),
        ),
        answer(
            422,
            "application/problem+json",
            typical(
                r#""type":"https://api.example.com/errors/idempotency-key-reused","title":"Idempotency-Key is already used""#,
            ),
        ),
        answer(
            409,
            "application/json",
            typical(
                r#""kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"pods \"web\" already exists","reason":"AlreadyExists","details":{"name":"web","kind":"pods"},"code":409"#,
            ),
        ),
        answer(
            409,
            "application/json",
            crowded(r#""error":{"code":"ALREADY_EXISTS","message":"Order 4711 already exists"}"#),
        ),
        answer(
            400,
            "application/json",
            typical(
                r#""__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"The conditional request failed""#,
            ),
        ),
    ];
    println!("warm-up: {:?}", judge.judge(&asked, &answers[0]).class);
    for response in &answers {
        // The best of many small batches: what else runs on the machine only makes a batch slower.
        let mut best = Duration::MAX;
        for _ in 0..200 {
            let started = Instant::now();
            for _ in 0..50 {
                black_box(judge.judge(black_box(&asked), black_box(response)));
            }
            best = best.min(started.elapsed());
        }
        let rate = 50.0 / best.as_secs_f64();
        println!(
            "{:4} bytes  {rate:9.0} verdicts/s  {:?}",
            response.content.len(),
            judge.judge(&asked, response).class
        );
    }
    let size = 64 * 1024;
    let hostile = [
        ("nested arrays", 409, "[".repeat(size)),
        ("nested elements", 409, "<a>".repeat(size / 3)),
        ("many short values", 409, format!("[{}", "1,".repeat(size / 2))),
        ("many members", 409, format!("{{{}", r#""error":"a b","#.repeat(size / 14))),
        ("many phrases", 409, format!(r#"{{"message":"{}"}}"#, "already exists in progress ".repeat(size / 27))),
        ("many phrase messages", 409, format!(r#"{{"m":[{}"#, r#""is not already in use","#.repeat(size / 24))),
        ("escapes", 409, format!(r#"{{"message":"{}"#, "\\u00e9".repeat(size / 6))),
        ("unclosed tags", 409, "<".repeat(size)),
        ("scripts", 409, format!("<html>{}", "<script>x</".repeat(size / 11))),
        ("entities", 409, format!("<html>{}", "&amp;&".repeat(size / 6))),
        ("text pieces", 409, format!("<e>{}", "a<b/>".repeat(size / 5))),
        ("CJK", 409, "正在处理".repeat(size / 12)),
        ("bulk of conflicts", 200, format!(r#"{{"errors":true,"items":[{}"#, r#"{"index":{"_id":"1","status":409,"error":{"type":"version_conflict_engine_exception","reason":"version conflict"}}},"#.repeat(size / 115))),
        ("latin-1", 409, String::from_utf8_lossy(&vec![0xE9; size / 3]).into_owned()),
        ("a bulk of nothing", 200, format!(r#"[{}"#, r#"{"id":1,"error":"x"},"#.repeat(size / 21))),
    ];
    let mut worst = (Duration::ZERO, "");
    for (name, status, mut body) in hostile {
        while body.len() > size {
            body.pop();
        }
        let response = answer(status, "application/json", body);
        let best = (0..9)
            .map(|_| {
                let started = Instant::now();
                black_box(judge.judge(black_box(&asked), black_box(&response)));
                started.elapsed()
            })
            .min()
            .unwrap_or_default();
        println!("{name:22} {:8.1} µs", best.as_secs_f64() * 1e6);
        worst = worst.max((best, name));
    }
    println!("worst case: {:.2} ms ({})", worst.0.as_secs_f64() * 1e3, worst.1);
}
