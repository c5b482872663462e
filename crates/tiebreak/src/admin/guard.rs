//! Who may ask what. A page of another site in the operator's browser can send requests here as well, so a request must be
//! addressed to this listener by a name that only it can have (DNS rebinding), and what changes something must come from its
//! own pages (request forgery) or from no browser at all.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use sha2::{Digest, Sha256};

use super::refusal::refusal;

/// The cookie that stands for the token in a browser.
const COOKIE: &str = "tiebreak-console";

/// Paths that need no token: that the process lives is no secret, and the way in must be open.
const OPEN: [&str; 3] = ["/healthz", "/readyz", "/login"];

/// Below this are the console's own files, the same in every copy of Tiebreak.
const FILES: &str = "/assets/";

/// Carried by every answer. Pages are ours alone: nothing from elsewhere, nothing inline, no frame around them.
const FIELDS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
         connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // Not `no-referrer`: under that, browsers send forms with `Origin: null`, which looks like another site's.
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// A token, as its digest: comparing digests tells a guesser nothing about the token.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token([u8; 32]);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

impl Token {
    pub(super) fn new(text: &str) -> Token {
        Token(Sha256::digest(text.as_bytes()).into())
    }

    /// The value of the cookie: from it the token cannot be told.
    fn cookie(&self) -> String {
        let digest = Sha256::new().chain_update(b"console cookie ").chain_update(self.0);
        digest.finalize().iter().map(|b| format!("{b:02x}")).collect()
    }
}

/// What a request must bring.
#[derive(Debug)]
pub(super) struct Guard {
    token: Option<Token>,
    /// Host names besides `localhost`, in lower case.
    names: Vec<String>,
}

impl Guard {
    pub(super) fn new(token: Option<Token>, names: &[String]) -> Guard {
        Guard {
            token,
            names: names.iter().map(|n| n.to_ascii_lowercase()).collect(),
        }
    }

    /// Whether it asks nobody for a token.
    pub(super) fn is_open(&self) -> bool {
        self.token.is_none()
    }

    /// The cookie field for a browser that brought `token`; `None` if it is not the one, or none is needed.
    pub(super) fn admit(&self, token: &str) -> Option<String> {
        let own = self.token.as_ref()?;
        (*own == Token::new(token)).then(|| format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict", own.cookie()))
    }

    /// A name that an attacker's DNS can point here is refused; an address cannot be pointed anywhere.
    fn knows(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else {
            return false;
        };
        if host.contains('@') {
            return false;
        }
        let name = authority.host().to_ascii_lowercase();
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        name == "localhost" || bare.parse::<IpAddr>().is_ok() || self.names.contains(&name)
    }

    fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        let text = |name| headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok());
        let bearer = text(header::AUTHORIZATION)
            .and_then(|v| v.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        if let Some((_, given)) = bearer {
            return *token == Token::new(given.trim());
        }
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok());
        let mut given = cookies
            .flat_map(|v| v.split(';'))
            .filter_map(|c| c.trim().split_once('='))
            .filter(|(name, _)| *name == COOKIE);
        // Compared by digest, as the token is.
        given.any(|(_, value)| Token::new(value) == Token::new(&token.cookie()))
    }

    /// What is answered instead, if the request may not pass.
    fn turns_away(&self, request: &Request) -> Option<Response> {
        let headers = request.headers();
        let mut hosts = headers.get_all(header::HOST).iter();
        // A target in absolute form says it once more (RFC 9112 §3.2.2).
        let target = request.uri().authority();
        let host = match (hosts.next().and_then(|h| h.to_str().ok()), hosts.next()) {
            (Some(host), None) if self.knows(host) && target.is_none_or(|t| self.knows(t.as_str())) => host,
            _ => {
                let detail = "this listener does not answer to that Host; use its address or localhost, or name the host with --admin-host";
                return Some(refusal(StatusCode::MISDIRECTED_REQUEST, detail));
            }
        };
        if is_foreign(request.method(), headers, host) {
            let detail = "this request comes from another site's page; open the console itself";
            return Some(refusal(StatusCode::FORBIDDEN, detail));
        }
        let path = request.uri().path();
        if self.admits(headers) || OPEN.contains(&path) || path.starts_with(FILES) {
            return None;
        }
        if looks(headers) && request.method() == Method::GET {
            return Some(Redirect::to("/login").into_response());
        }
        let mut answer = refusal(
            StatusCode::UNAUTHORIZED,
            "the token of the admin listener is missing or wrong; send it as Authorization: Bearer …",
        );
        answer
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        Some(answer)
    }
}

/// Whether it is a person at a browser who asks, not a program.
pub(super) fn looks(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT);
    accept.is_some_and(|v| v.as_bytes().starts_with(b"text/html"))
}

/// Whether a page of another site sent this. Programs that are no browsers send neither field.
fn is_foreign(method: &Method, headers: &HeaderMap, host: &str) -> bool {
    let text = |name: &str| headers.get(name).map(|v| v.to_str().unwrap_or_default());
    let changes = !(method == Method::GET || method == Method::HEAD);
    let site = text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none"));
    if !changes {
        // Following a link to the console is fine; loading parts of it into another page is not.
        return site && text("sec-fetch-mode") != Some("navigate");
    }
    let origin = text("origin").is_some_and(|origin| {
        let rest = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        !rest.is_some_and(|rest| rest.eq_ignore_ascii_case(host))
    });
    site || origin
}

/// The layer around every route.
pub(super) async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let mut answer = match guard.turns_away(&request) {
        None => next.run(request).await,
        Some(answer) => answer,
    };
    let headers = answer.headers_mut();
    for (name, value) in FIELDS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Data is never kept; what may be (a style sheet under its own version) says so itself.
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_cannot_be_pointed_here_are_known() {
        let guard = Guard::new(None, &["Console.Example".into()]);
        for host in [
            "localhost",
            "LOCALHOST:4091",
            "127.0.0.1:4091",
            "[::1]:4091",
            "10.0.0.7",
            "console.example:80",
        ] {
            assert!(guard.knows(host), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:4091",
            "evil.example@127.0.0.1",
            "127.1",
            "2130706433",
            "",
            "a b",
        ] {
            assert!(!guard.knows(host), "{host}");
        }
    }

    #[test]
    fn a_cookie_does_not_hold_the_token() {
        let guard = Guard::new(Some(Token::new("0123456789abcdef")), &[]);
        assert_eq!(guard.admit("0123456789abcdeg"), None);
        let cookie = guard.admit("0123456789abcdef").unwrap();
        assert!(!cookie.contains("0123456789abcdef"));
        let mut headers = HeaderMap::new();
        assert!(!guard.admits(&headers));
        let value = format!("a=b; {}", cookie.split(';').next().unwrap());
        headers.insert(header::COOKIE, value.parse().unwrap());
        assert!(guard.admits(&headers));
    }

    #[test]
    fn another_sites_page_changes_nothing_and_embeds_nothing() {
        let foreign = |method: Method, fields: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            is_foreign(&method, &headers, "localhost:4091")
        };
        assert!(!foreign(Method::POST, &[]), "a program");
        assert!(!foreign(
            Method::POST,
            &[("origin", "http://localhost:4091"), ("sec-fetch-site", "same-origin")]
        ));
        assert!(foreign(Method::POST, &[("origin", "http://localhost:8000")]));
        assert!(foreign(Method::POST, &[("origin", "null")]));
        assert!(foreign(Method::DELETE, &[("sec-fetch-site", "same-site")]));
        assert!(foreign(
            Method::GET,
            &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")]
        ));
        assert!(!foreign(
            Method::GET,
            &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]
        ));
    }
}
