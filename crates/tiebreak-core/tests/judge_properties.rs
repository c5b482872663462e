//! The judge is total and careful: whatever comes in, a verdict comes out, and a cut or mangled answer never leads to a
//! remedy that the whole one would not allow.

#[path = "corpus/score.rs"]
#[allow(unreachable_pub, dead_code)]
mod score;

use http::{HeaderMap, HeaderValue, Method, StatusCode};
use proptest::prelude::*;
use tiebreak_core::judge::{Asked, Dialects, Earlier, Judge};
use tiebreak_core::remedy::Remedy;
use tiebreak_core::response::Response;
use tiebreak_core::verdict::{Class, Verdict};

const TYPES: [&str; 9] = [
    "application/json",
    "application/problem+json; charset=utf-8",
    "application/xml",
    "text/html; charset=iso-8859-1",
    "text/plain; charset=utf-16",
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/x-ndjson",
    "",
];

const METHODS: [Method; 6] = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];

fn judge(method: &Method, status: u16, content_type: &'static str, content: Vec<u8>, earlier: Earlier) -> Verdict {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static(content_type));
    let request = HeaderMap::new();
    let asked = Asked::new(method, "/a/b?rev=1", &request).after(earlier);
    Judge::standard().judge(
        &asked,
        &Response {
            status: StatusCode::from_u16(status).expect("a status"),
            headers,
            content: content.into(),
            complete: false,
        },
    )
}

/// What holds for every verdict.
fn holds(method: &Method, verdict: &Verdict) {
    assert!(!verdict.evidence.is_empty());
    let remedy_fits = match verdict.remedy {
        Remedy::Adopt => verdict.class == Class::Duplicate && *method != Method::GET,
        Remedy::Rebase => verdict.class == Class::Stale && *method != Method::GET,
        Remedy::Wait => matches!(
            verdict.class,
            Class::Race | Class::InProgress | Class::Other | Class::State
        ),
        Remedy::HandOff => verdict.class == Class::Blocked,
        Remedy::Stop => true,
    };
    assert!(remedy_fits, "{verdict:?}");
    for evidence in &verdict.evidence {
        assert!(evidence.excerpt.len() <= 512, "{evidence:?}");
    }
    assert!(verdict.items.len() <= 64);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_get_a_verdict(
        method in 0..METHODS.len(),
        status in 100_u16..600,
        kind in 0..TYPES.len(),
        content in proptest::collection::vec(any::<u8>(), 0..600),
        again in any::<bool>(),
    ) {
        let earlier = if again { Earlier::MayHaveApplied } else { Earlier::Nothing };
        let verdict = judge(&METHODS[method], status, TYPES[kind], content, earlier);
        holds(&METHODS[method], &verdict);
    }

    #[test]
    fn broken_markup_gets_a_verdict(
        status in 200_u16..600,
        kind in 0..TYPES.len(),
        content in "[\\[\\]{}<>/\"\\\\:,a-d0-9u&;!é已 -]{0,300}",
    ) {
        let verdict = judge(&Method::POST, status, TYPES[kind], content.into_bytes(), Earlier::Nothing);
        holds(&Method::POST, &verdict);
    }

    #[test]
    fn any_text_is_a_pack_or_an_error(text in "[a-z\\[\\]{}=\"\\n./0-9 ]{0,200}") {
        if let Err(error) = Dialects::load("any.toml", &text) {
            prop_assert!(error.line >= 1 && !error.expected.is_empty());
        }
    }
}

#[test]
fn a_cut_answer_never_leads_to_an_unsafe_remedy() {
    let judge = Judge::standard();
    for text in [
        include_str!("../corpus/conflicts.jsonl"),
        include_str!("../corpus/extra.jsonl"),
    ] {
        for mut line in score::read(text) {
            let whole = line.response.content.clone();
            line.response.complete = false;
            let step = (whole.len() / 24).max(1);
            for cut in (0..whole.len()).step_by(step) {
                line.response.content = whole.slice(..cut);
                let verdict = line.verdict(&judge);
                assert!(
                    !line.is_unsafe(&verdict),
                    "{} cut at {cut}: {}/{} {}",
                    line.id,
                    verdict.class.as_str(),
                    verdict.remedy.as_str(),
                    verdict.reason()
                );
            }
        }
    }
}

#[test]
fn utf_16_reads_like_utf_8() {
    let text = r#"{"code":"VERSION_CONFLICT","message":"stale"}"#;
    let mut wide = vec![0xFF, 0xFE];
    wide.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    let plain = judge(
        &Method::PUT,
        409,
        "application/json",
        text.as_bytes().to_vec(),
        Earlier::Nothing,
    );
    let wide = judge(&Method::PUT, 409, "application/json", wide, Earlier::Nothing);
    assert_eq!(plain.class, Class::Stale);
    assert_eq!(plain, wide);
}
