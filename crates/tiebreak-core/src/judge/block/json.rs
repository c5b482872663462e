//! Walls that answer in JSON, in a form that no API would choose for itself.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, packed};
use serde_json::Value;

use crate::judge::block::signature::Kind;
use crate::judge::block::{Finding, excerpt};
use crate::response::Response;

/// One JSON form; all of its members must be as described.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) vendor: &'static str,
    pub(super) kind: Kind,
    pub(super) says: &'static str,
    pub(super) needs: &'static [Member],
    pub(super) source: &'static str,
}

/// A member, by JSON Pointer, and what it holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Member {
    /// A string that is one of these.
    Is(&'static str, &'static [&'static str]),
    /// A string that begins with one of these.
    Begins(&'static str, &'static [&'static str]),
    /// A string, or an array with a string, that contains this.
    Has(&'static str, &'static str),
    /// One of these numbers.
    Number(&'static str, &'static [i64]),
    /// `true`, or the string "true".
    True(&'static str),
    /// Anything but null.
    There(&'static str),
    /// Nothing of the kind: the API's own error members would be here.
    Absent(&'static str),
}

use Kind::{Challenge, Refusal};
use Member::{Absent, Begins, Has, Is, Number, There, True};

/// The JSON forms of walls.
pub(super) static SIGNATURES: &[Form] = &[
    form(
        "DataDome",
        Challenge,
        "the address of its test is all it answers",
        &[
            Begins(
                "/url",
                &[
                    "https://geo.captcha-delivery.com/",
                    "https://ct.captcha-delivery.com/",
                    "https://interstitial.captcha-delivery.com/",
                ],
            ),
            Absent("/error"),
            Absent("/code"),
            Absent("/message"),
            Absent("/title"),
            Absent("/detail"),
        ],
        "docs.datadome.co; psf/requests#5331; is-antibot#15",
    ),
    form(
        "HUMAN (PerimeterX)",
        Challenge,
        "its block script",
        &[Begins("/appId", &["PX"]), There("/blockScript"), There("/jsClientSrc")],
        "docs.humansecurity.com (advanced blocking response); wafw00f perimeterx",
    ),
    form(
        "HUMAN (PerimeterX)",
        Challenge,
        "a redirect to its block page",
        &[
            Begins("/redirectUrl", &["/blocked?", "/blocked/"]),
            Begins("/appId", &["PX"]),
        ],
        "wafw00f perimeterx",
    ),
    form(
        "HUMAN (PerimeterX)",
        Challenge,
        "a redirect to its test page",
        &[
            Begins("/redirectUrl", &["/are-you-human", "/are_you_human"]),
            Absent("/error"),
        ],
        "wafw00f perimeterx",
    ),
    form(
        "Akamai",
        Challenge,
        "its proof-of-work challenge",
        &[True("/sec-cp-challenge")],
        "techdocs.akamai.com/cloud-security (challenge actions); akamai/cli#82",
    ),
    form(
        "Akamai",
        Challenge,
        "its proof-of-work challenge",
        &[True("/cpr_chlge")],
        "techdocs.akamai.com/cloud-security (challenge actions)",
    ),
    form(
        "Cloudflare",
        Refusal,
        "one of its refusal codes, as a problem document",
        &[
            True("/cloudflare_error"),
            Number(
                "/error_code",
                &[1005, 1006, 1007, 1008, 1009, 1010, 1012, 1015, 1020, 1106],
            ),
        ],
        "developers.cloudflare.com changelog 2026-03-12 (structured 1xxx errors)",
    ),
    form(
        "hCaptcha, asked by the API",
        Challenge,
        "a captcha is demanded before the request is looked at",
        &[There("/captcha_sitekey"), There("/captcha_key")],
        "discordo#132",
    ),
    form(
        "bilibili risk control",
        Refusal,
        "its ban code",
        &[Number("/code", &[-412]), Has("/message", "request was banned")],
        "bilibili-API-collect#872",
    ),
    form(
        "bilibili risk control (GeeTest)",
        Challenge,
        "a voucher for a captcha",
        &[
            Number("/code", &[-352, -401, 0]),
            Begins("/data/v_voucher", &["voucher_"]),
        ],
        "bilibili-api#435",
    ),
    form(
        "bilibili risk control (GeeTest)",
        Challenge,
        "a voucher for a captcha",
        &[
            Number("/code", &[-352, -401]),
            Begins("/data/ga_data/v_voucher", &["voucher_"]),
        ],
        "bilibili-api#435",
    ),
    form(
        "bilibili risk control (GeeTest)",
        Challenge,
        "a captcha is its decision",
        &[
            Number("/code", &[-352, -401]),
            Has("/data/ga_data/decisions", "verify_captcha"),
        ],
        "bilibili-api#435",
    ),
    form(
        "Alibaba (x5sec, Baxia)",
        Challenge,
        "its slider page",
        &[Has("/data/url", "/_____tmd_____/punish")],
        "is-antibot aliexpress-captcha; public bug reports on RGV587_ERROR",
    ),
    form(
        "Alibaba (x5sec, Baxia)",
        Challenge,
        "its risk control code",
        &[Has("/ret", "RGV587_ERROR")],
        "public bug reports on RGV587_ERROR",
    ),
    form(
        "Alibaba (x5sec, Baxia)",
        Challenge,
        "its risk control code",
        &[Has("/ret", "FAIL_SYS_USER_VALIDATE")],
        "public bug reports on FAIL_SYS_USER_VALIDATE",
    ),
    form(
        "Alibaba (x5sec, Baxia)",
        Challenge,
        "its slider page",
        &[Has("/url", "/_____tmd_____/punish")],
        "is-antibot aliexpress-captcha",
    ),
    form(
        "Yandex SmartCaptcha",
        Challenge,
        "its captcha page",
        &[Is("/type", &["captcha"]), Has("/captcha/captcha-page", "/showcaptcha")],
        "yandex.com; public clients of the music API",
    ),
    form(
        "Imunify360",
        Refusal,
        "it says so",
        &[Has("/message", "Access denied by Imunify360 bot-protection")],
        "docs.imunify360.com; many public bug reports of WooCommerce and WHMCS clients",
    ),
    form(
        "reCAPTCHA, asked by the API",
        Challenge,
        "a captcha is demanded before the request is looked at",
        &[Is("/errors/0/title", &["captcha_required_exception"])],
        "api.mangadex.org docs (captchas)",
    ),
    form(
        "X (Twitter)",
        Refusal,
        "it takes the request for an automated one",
        &[
            Number("/errors/0/code", &[226]),
            Has("/errors/0/message", "looks like it might be automated"),
        ],
        "developer.x.com response codes, code 226",
    ),
    form(
        "Instagram",
        Challenge,
        "a checkpoint",
        &[
            Is("/message", &["challenge_required", "checkpoint_required"]),
            Is("/status", &["fail"]),
        ],
        "instagrapi documentation (ChallengeRequired)",
    ),
    form(
        "Zhihu",
        Challenge,
        "a redirect to its human check",
        &[Begins(
            "/error/redirect",
            &["/account/unhuman", "https://www.zhihu.com/account/unhuman"],
        )],
        "public bug reports of RSS and reader clients",
    ),
    form(
        "Kasada, asked by Twitch",
        Challenge,
        "its integrity check failed",
        &[Has("/errors/0/message", "failed integrity check")],
        "public bug reports of Twitch clients",
    ),
    form(
        "Meituan",
        Challenge,
        "its human check",
        &[Begins("/customData/verifyUrl", &["https://verify.meituan.com/"])],
        "verify.meituan.com",
    ),
    form(
        "VK",
        Challenge,
        "a captcha is demanded",
        &[Number("/error/error_code", &[14]), There("/error/captcha_sid")],
        "dev.vk.com: captcha error",
    ),
    form(
        "Shopee",
        Refusal,
        "its anti-crawler code",
        &[Number("/error", &[90_309_999])],
        "public clients of Shopee",
    ),
    form(
        "Pinduoduo",
        Challenge,
        "a token for its verification",
        &[Number("/error_code", &[54001]), There("/verify_auth_token")],
        "public clients of Pinduoduo",
    ),
    form(
        "a captcha, asked by the API",
        Challenge,
        "its error code",
        &[Is("/error", CAPTCHA)],
        "common practice",
    ),
    form(
        "a captcha, asked by the API",
        Challenge,
        "its error code",
        &[Is("/code", CAPTCHA)],
        "common practice",
    ),
    form(
        "a captcha, asked by the API",
        Challenge,
        "its error code",
        &[Is("/error/code", CAPTCHA)],
        "common practice",
    ),
    form(
        "a captcha, asked by the API",
        Challenge,
        "its error code",
        &[Is("/error/type", CAPTCHA)],
        "common practice",
    ),
    form(
        "a captcha, asked by the API",
        Challenge,
        "its error code",
        &[Is("/error_code", CAPTCHA)],
        "common practice",
    ),
    form(
        "a captcha, asked by the API",
        Challenge,
        "its error code",
        &[Is("/errorCode", CAPTCHA)],
        "common practice",
    ),
    form(
        "a captcha, asked by the API",
        Challenge,
        "its error code",
        &[Is("/errors/0/code", CAPTCHA)],
        "common practice",
    ),
    form(
        "a captcha, asked by the API",
        Challenge,
        "its error code",
        &[Is("/type", CAPTCHA)],
        "common practice",
    ),
    form(
        "a captcha, asked by the API",
        Challenge,
        "its error code",
        &[Is("/reason", CAPTCHA)],
        "common practice",
    ),
];

/// Machine words for one thing: solve a captcha first. (A *field* error about a captcha is worded otherwise.)
const CAPTCHA: &[&str] = &[
    "captcha_required",
    "captcha-required",
    "captchaRequired",
    "CAPTCHA_REQUIRED",
    "CaptchaRequired",
    "captcha_needed",
    "captcha-needed",
    "need_captcha",
    "needCaptcha",
    "NEED_CAPTCHA",
    "captcha_challenge",
    "CAPTCHA_CHALLENGE",
    "bot_challenge",
    "BOT_DETECTED",
    "bot_detected",
    "recaptcha_required",
    "hcaptcha_required",
];

const fn form(
    vendor: &'static str,
    kind: Kind,
    says: &'static str,
    needs: &'static [Member],
    source: &'static str,
) -> Form {
    Form {
        vendor,
        kind,
        says,
        needs,
        source,
    }
}

/// Words of which one stands in every form above. They let an ordinary answer pass without being parsed.
const HINTS: [&str; 20] = [
    "captcha-delivery.com",
    "blockScript",
    "/blocked",
    "/are-you-human",
    "/are_you_human",
    "sec-cp-challenge",
    "cpr_chlge",
    "cloudflare_error",
    "request was banned",
    "v_voucher",
    "verify_captcha",
    "_____tmd_____",
    "RGV587_ERROR",
    "FAIL_SYS_USER_VALIDATE",
    "showcaptcha",
    "Imunify360",
    "might be automated",
    "point_required",
    "unhuman",
    "integrity check",
];
const MORE_HINTS: [&str; 14] = [
    "challenge_required",
    "verify.meituan",
    "captcha_",
    "captcha-",
    "captchaR",
    "CAPTCHA_",
    "CaptchaR",
    "need_captcha",
    "needCaptcha",
    "90309999",
    "verify_auth_token",
    "bot_",
    "BOT_DETECTED",
    "NEED_CAPTCHA",
];

/// A vector searcher where the machine has one: an ordinary answer must not cost more than a glance.
static HINT: LazyLock<Hint> = LazyLock::new(|| {
    let words = || HINTS.iter().chain(&MORE_HINTS);
    match packed::Searcher::new(words()) {
        Some(searcher) => Hint::Packed(Box::new(searcher)),
        None => Hint::Plain(AhoCorasick::new(words()).ok()),
    }
});

enum Hint {
    Packed(Box<packed::Searcher>),
    Plain(Option<AhoCorasick>),
}

impl Hint {
    fn is_in(&self, content: &[u8]) -> bool {
        match self {
            Hint::Packed(searcher) => searcher.find(content).is_some(),
            Hint::Plain(automaton) => automaton.as_ref().is_some_and(|a| a.is_match(content)),
        }
    }
}

/// The first form that `content` has.
pub(super) fn find(content: &[u8], response: &Response) -> Option<Finding> {
    // A wall's answer is short; and what was cut cannot be parsed.
    if content.len() > super::page::LOOKED_AT || !HINT.is_in(content) {
        return None;
    }
    let value: Value = serde_json::from_slice(content).ok()?;
    let seen = |form: &Form| form.needs.iter().map(|m| m.seen(&value)).collect::<Option<Vec<_>>>();
    let (form, seen) = SIGNATURES.iter().find_map(|form| Some((form, seen(form)?)))?;
    let mut seen: Vec<_> = seen.into_iter().flatten().collect();
    if response.status.is_client_error() || response.status.is_server_error() {
        seen.push(("status".into(), response.status.as_u16().to_string()));
    }
    Some(Finding {
        vendor: form.vendor,
        kind: form.kind,
        says: form.says,
        seen,
    })
}

impl Member {
    /// `None`: it is not so. `Some(None)`: it is, but there is nothing to show.
    fn seen(self, value: &Value) -> Option<Option<(String, String)>> {
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
        let show = |pointer: &str, yes: bool| {
            let shown = || value.pointer(pointer).map(Value::to_string).unwrap_or_default();
            yes.then(|| Some((format!("body {pointer}"), excerpt(&shown()))))
        };
        match self {
            Is(p, list) => show(p, text(p).is_some_and(|t| list.contains(&t))),
            Begins(p, list) => show(p, text(p).is_some_and(|t| list.iter().any(|x| t.starts_with(x)))),
            Has(p, part) => show(
                p,
                match value.pointer(p) {
                    Some(Value::String(t)) => t.contains(part),
                    Some(Value::Array(items)) => items.iter().any(|i| i.as_str().is_some_and(|t| t.contains(part))),
                    _ => false,
                },
            ),
            Number(p, list) => show(
                p,
                value
                    .pointer(p)
                    .and_then(Value::as_i64)
                    .is_some_and(|n| list.contains(&n)),
            ),
            True(p) => show(
                p,
                matches!(value.pointer(p), Some(Value::Bool(true))) || text(p) == Some("true"),
            ),
            There(p) => show(p, value.pointer(p).is_some_and(|v| !v.is_null())),
            Absent(p) => value.pointer(p).is_none_or(Value::is_null).then_some(None),
        }
    }
}
