//! Walls of unknown make: pages that can be nothing else.
//!
//! Three shapes are unmistakable, whoever made them. Each needs several independent parts on a small page that
//! has nothing of the site's own (no form for data, no navigation, no word about a resource):
//!
//! - a *test*: the words of a human check, and a way for a browser to go on (script, form, refresh);
//! - a *cookie script*: nothing visible at all, and a script that sets a cookie and loads the page again;
//! - a *refusal*: "blocked", a cause that only a firewall names, and a number or address to quote.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use crate::judge::block::page::Page;
use crate::judge::block::signature::Kind;
use crate::judge::block::{Finding, excerpt};
use crate::response::Response;

const VENDOR: &str = "an unknown wall";
/// How much a page of these shapes shows at most.
const SMALL: usize = 1_200;

/// The words of a human check, in the languages of the large vendors' templates.
const HUMAN: &[&str] = &[
    "verify you are human",
    "verify that you are human",
    "verify you are a human",
    "verify that you are a human",
    "verify you're human",
    "verify you're a human",
    "verify that you're human",
    "verifying you are human",
    "verifying that you are human",
    "confirm you are human",
    "confirm you are a human",
    "confirm that you are human",
    "confirm that you are a human",
    "confirm you're human",
    "confirm you're a human",
    "prove you are human",
    "prove that you are human",
    "prove you're human",
    "make sure you are human",
    "make sure you're human",
    "ensure you are human",
    "check if you are human",
    "checking if you are human",
    "are you human",
    "not a robot",
    "not a bot",
    "human-machine verification",
    "are you a human",
    "are you a robot",
    "you are not a robot",
    "you're not a robot",
    "you are not a bot",
    "you're not a bot",
    "i am not a robot",
    "i'm not a robot",
    "i am human",
    "human verification",
    "human check",
    "checking your browser",
    "check your browser",
    "verifying your browser",
    "verify your browser",
    "browser verification",
    "browser integrity check",
    "browser is being checked",
    "browser is being verified",
    "checking if the site connection is secure",
    "verifying the security of your connection",
    "javascript and cookies to continue",
    "complete the security check",
    "completing the captcha proves",
    "solve the captcha",
    "complete the captcha",
    "solving the captcha",
    "please solve this captcha",
    "bot verification",
    "bot check",
    "anti-bot check",
    "antibot",
    "anti-robot",
    "proof of work",
    "proof-of-work",
    "your request is being verified",
    "you are a bot",
    "you're a bot",
    "automated bot",
    "ddos protection by",
    "ddos attack protection",
    // German
    "dass sie ein mensch sind",
    "ob sie ein mensch sind",
    "dass du ein mensch bist",
    "kein roboter",
    "kein bot",
    "ihr browser wird überprüft",
    "browser wird überprüft",
    "überprüfung ihres browsers",
    "javascript und cookies",
    // French
    "que vous êtes humain",
    "que vous êtes un humain",
    "que vous êtes un être humain",
    "pas un robot",
    "vérification de votre navigateur",
    "vérifions votre navigateur",
    "javascript et les cookies pour continuer",
    // Spanish
    "que es humano",
    "que eres humano",
    "que usted es humano",
    "que es un ser humano",
    "que eres un ser humano",
    "no eres un robot",
    "no es un robot",
    "no soy un robot",
    "comprobando su navegador",
    "comprobando tu navegador",
    "verificando su navegador",
    "verificando tu navegador",
    // Portuguese
    "você é humano",
    "que é humano",
    "você não é um robô",
    "que não é um robô",
    "não sou um robô",
    "verificando seu navegador",
    "verificando o seu navegador",
    "verificar se o seu navegador",
    // Italian
    "di essere umano",
    "che sei umano",
    "sei un essere umano",
    "non sei un robot",
    "non sono un robot",
    "controllo del browser",
    "verifica del browser",
    // Dutch
    "u een mens bent",
    "je een mens bent",
    "geen robot",
    "browser wordt gecontroleerd",
    // Polish, Czech, Hungarian, Romanian, Greek
    "jesteś człowiekiem",
    "nie jesteś robotem",
    "nie jestem robotem",
    "sprawdzanie przeglądarki",
    "že jste člověk",
    "nejste robot",
    "hogy ön ember",
    "nem robot",
    "sunteți om",
    "nu sunteți un robot",
    "είστε άνθρωπος",
    "δεν είστε ρομπότ",
    // Russian, Ukrainian
    "что вы человек",
    "что вы не робот",
    "вы не робот",
    "я не робот",
    "а не робот",
    "проверка браузера",
    "проверка вашего браузера",
    "Проверка браузера",
    "Проверка вашего браузера",
    "Проверяем ваш браузер",
    "проверяем ваш браузер",
    "Вы не робот",
    "Я не робот",
    "ви людина",
    "ви не робот",
    "Перевірка браузера",
    // Turkish
    "insan olduğunuzu",
    "robot olmadığınızı",
    "tarayıcınız kontrol",
    "Tarayıcınız kontrol",
    // Scandinavian, Finnish
    "att du är människa",
    "inte är en robot",
    "at du er et menneske",
    "ikke er en robot",
    "olet ihminen",
    "et ole robotti",
    // Chinese, Japanese, Korean
    "您是真人",
    "你是真人",
    "您是人类",
    "您是人類",
    "不是机器人",
    "不是機器人",
    "人机验证",
    "人機驗證",
    "人机识别",
    "请完成安全验证",
    "正在检查您的浏览器",
    "正在檢查您的瀏覽器",
    "浏览器安全检查",
    "正在验证您的浏览器",
    "滑动验证",
    "拖动滑块",
    "人間であることを確認",
    "ロボットではありません",
    "ロボットでないこと",
    "ブラウザを確認",
    "ブラウザーを確認",
    "사람인지 확인",
    "로봇이 아닙니다",
    "로봇이 아님",
    "브라우저를 확인",
    // Vietnamese, Indonesian, Thai, Arabic, Persian, Hebrew
    "bạn là con người",
    "không phải là robot",
    "không phải robot",
    "kiểm tra trình duyệt",
    "anda manusia",
    "anda adalah manusia",
    "bukan robot",
    "memeriksa browser",
    "คุณเป็นมนุษย์",
    "คุณไม่ใช่หุ่นยนต์",
    "أنك إنسان",
    "لست روبوت",
    "ربات نیستید",
    "انسان هستید",
    "שאתה אנושי",
    "אינך רובוט",
];

/// A refusal of the request, the address or the visitor; never of an account or a payment.
const REFUSED: &[&str] = &[
    "request has been blocked",
    "request was blocked",
    "request is blocked",
    "request blocked",
    "requests have been blocked",
    "request has been denied",
    "request was denied",
    "request denied",
    "request was rejected",
    "request has been rejected",
    "request rejected",
    "you have been blocked",
    "you were blocked",
    "you've been blocked",
    "you are blocked",
    "ip has been blocked",
    "ip address has been blocked",
    "ip address is blocked",
    "ip was blocked",
    "ip is blocked",
    "ip has been banned",
    "ip address has been banned",
    "ip address is banned",
    "ip is banned",
    "access has been blocked",
    "access was blocked",
    "access blocked",
    "access is blocked",
    "access has been denied",
    "access denied",
    "access to this site has been",
    "access to this page has been",
    "access to this website has been",
    "blocked by",
    "page blocked",
    "connection was blocked",
    "attack blocked",
    "has been intercepted",
    "access restricted",
    "доступ запрещен",
    "Доступ запрещен",
    "запрос заблокирован",
    "Запрос заблокирован",
    "zugriff verweigert",
    "anfrage wurde blockiert",
    "requête a été bloquée",
    "accès refusé",
    "solicitud ha sido bloqueada",
    "acceso denegado",
    "访问被拒绝",
    "访问被阻断",
    "请求被拦截",
    "请求已被拦截",
    "已被拦截",
    "已被阻断",
    "被拦截",
    "アクセスが拒否",
    "차단되었습니다",
];

/// A cause that only a firewall or a bot wall would name.
const CAUSE: &[&str] = &[
    "web application firewall",
    "website firewall",
    "application firewall",
    "firewall rule",
    "by the firewall",
    " waf",
    "security service",
    "security solution",
    "security system",
    "security software",
    "protection system",
    "website protection",
    "bot protection",
    "bot detection",
    "bot traffic",
    "bot activity",
    "bot manager",
    "bot-like",
    "as a bot",
    "automated traffic",
    "automated requests",
    "automated access",
    "automation tools",
    "unusual traffic",
    "suspicious activity",
    "suspicious behavior",
    "suspicious behaviour",
    "suspicious request",
    "suspicious traffic",
    "malicious request",
    "malicious activit",
    "malicious traffic",
    "attack detected",
    "attack signature",
    "online attacks",
    "potential attack",
    "possible attack",
    "intrusion",
    "ddos",
    "网络攻击",
    "攻击行为",
    "防火墙",
    "межсетев",
];

/// A cause that an application might name as well: it needs a number that only a wall gives out.
const VAGUE_CAUSE: &[&str] = &[
    "security rule",
    "security polic",
    "security reasons",
    "for security",
    "security threat",
    "potential threat",
    "threat to",
    "security violation",
    "malicious",
    "an attack",
    "unusual activity",
    "攻击",
    "威胁",
    "安全策略",
    "подозрительн",
    "attaque",
    "ataque",
    "angriff",
];

/// What a visitor is told to quote when asking the site for access.
const QUOTE: &[&str] = &[
    "request id",
    "reference id",
    "reference number",
    "reference:",
    "reference #",
    "ref id",
    "ref:",
    "error id",
    "trace id",
    "traceid",
    "transaction id",
    "tracking id",
    "uuid",
];

/// The same, in words that only walls use: they number incidents and tell callers their own address.
const WALL_QUOTE: &[&str] = &[
    "incident id",
    "incident number",
    "event id",
    "event_id",
    "support id",
    "ray id",
    "block id",
    "attack id",
    "case number",
    "rule id",
    "block reason",
    "your ip",
    "client ip",
    "ip address:",
    "ip:",
    "事件id",
];

/// What makes it a matter of the site: never a wall.
const OWN: &[&str] = &[
    "account",
    "subscription",
    "payment",
    "card ",
    "sign in",
    "log in",
    "login",
    "password",
    "permission to",
    "role",
    "scope",
    "licen",
    "api key",
    "token",
    "quota",
    "konto",
    "compte",
    "cuenta",
];

static SETS: LazyLock<[Option<AhoCorasick>; 7]> = LazyLock::new(|| {
    [HUMAN, REFUSED, CAUSE, VAGUE_CAUSE, QUOTE, WALL_QUOTE, OWN]
        .map(|set| AhoCorasick::builder().ascii_case_insensitive(true).build(set).ok())
});

/// The shape of an unknown wall that `page` has.
pub(super) fn find(response: &Response, page: &Page) -> Option<Finding> {
    if !page.html || page.own || page.speaks || page.visible > SMALL {
        return None;
    }
    cookie_script(page)
        .or_else(|| test(page))
        .or_else(|| refusal(response, page))
}

fn test(page: &Page) -> Option<Finding> {
    // "Checking your browser" may be followed by "compatibility".
    const FITNESS: [&str; 3] = ["ompatib", "supported", "outdated"];
    let [human, ..] = &*SETS;
    if !page.moving || FITNESS.iter().any(|word| page.text.contains(word)) {
        return None;
    }
    let seen = first(human.as_ref()?, page)?;
    Some(finding(
        Kind::Challenge,
        "a page with nothing but a human check",
        vec![seen],
    ))
}

fn cookie_script(page: &Page) -> Option<Finding> {
    const AGAIN: [&str; 6] = [
        "location.reload",
        "location.href",
        "location.replace",
        "location=",
        "location =",
        "location.assign",
    ];
    // A line for those without scripts may be there.
    let silent = page.visible == 0 || (page.visible <= 200 && page.text.to_ascii_lowercase().contains("javascript"));
    if !silent {
        return None;
    }
    let sets = page.markup.find("document.cookie")?;
    let again = AGAIN.iter().find_map(|a| page.markup.find(a))?;
    let show = |at: usize| {
        (
            "body markup".to_owned(),
            excerpt(page.markup[at..].lines().next().unwrap_or_default()),
        )
    };
    Some(finding(
        Kind::Challenge,
        "a page with nothing but a script that sets a cookie and loads it again",
        vec![show(sets), show(again)],
    ))
}

fn refusal(response: &Response, page: &Page) -> Option<Finding> {
    let [_, refused, cause, vague, quote, wall_quote, own] = &*SETS;
    if response.status.as_u16() < 400 || own.as_ref()?.is_match(&page.text) {
        return None;
    }
    let has = |set: &Option<AhoCorasick>| first(set.as_ref()?, page);
    let refused = has(refused)?;
    let (cause, quote) = match has(cause) {
        Some(cause) => (cause, has(wall_quote).or_else(|| has(quote))?),
        None => (has(vague)?, has(wall_quote)?),
    };
    let says = "a page with nothing but a refusal, its cause and a number to quote";
    Some(finding(Kind::Refusal, says, vec![refused, cause, quote]))
}

fn first(set: &AhoCorasick, page: &Page) -> Option<(String, String)> {
    let within = |view: &str, place: &str| {
        let hit = set.find(view)?;
        Some((place.to_owned(), excerpt(&view[hit.start()..])))
    };
    within(&page.text, "body text").or_else(|| within(&page.title, "body title"))
}

fn finding(kind: Kind, says: &'static str, seen: Vec<(String, String)>) -> Finding {
    Finding {
        vendor: VENDOR,
        kind,
        says,
        seen,
    }
}
