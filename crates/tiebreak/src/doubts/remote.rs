//! Asks a running gateway over its admin listener.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, header};
use serde_json::Value;
use tiebreak_client::transport::Transport;
use tiebreak_client::transport::http::HttpTransport;
use tiebreak_core::delivery::Delivery;

use crate::admin::read_token;
use crate::exit::{FAILED, Failure, UNREACHABLE, USAGE};

/// Proving reads a target, which may take its time.
const PATIENCE: Duration = Duration::from_secs(60);

/// No answer is larger: 1,000 records of at most some kilobytes.
const LARGEST: usize = 32 << 20;

/// The admin listener of a gateway.
pub(super) struct Gateway {
    /// Without a slash at its end.
    url: String,
    token: Option<HeaderValue>,
    transport: HttpTransport,
}

impl Gateway {
    pub(super) fn at(url: &str, token: Option<&Path>) -> Result<Gateway, Failure> {
        let valid = url.parse::<Uri>().is_ok_and(|u| {
            matches!(u.scheme_str(), Some("http" | "https"))
                && u.authority().is_some_and(|a| !a.as_str().contains('@'))
                && u.path() == "/"
        });
        if !valid {
            let why = format!("use --admin {url}: write it like http://127.0.0.1:4091");
            return Err(Failure::new(USAGE, why));
        }
        let token = token.map(read_token).transpose()?;
        let token = token.map(|token| HeaderValue::from_str(&format!("Bearer {token}")));
        let token = token
            .transpose()
            .map_err(|_| Failure::new(USAGE, "use the token: it holds characters that a field cannot carry"))?;
        Ok(Gateway {
            url: url.trim_end_matches('/').to_owned(),
            token,
            transport: HttpTransport::default(),
        })
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    pub(super) async fn post(&self, path: &str, content: &Value) -> Result<Value, Failure> {
        self.ask(Method::POST, path, Bytes::from(content.to_string())).await
    }

    async fn ask(&self, method: Method, path: &str, content: Bytes) -> Result<Value, Failure> {
        let uri = format!("{}{path}", self.url);
        let unusable = |_| Failure::new(USAGE, format!("ask {uri}: it is no URL"));
        let mut request = Request::builder()
            .method(method)
            .uri(&uri)
            .header(header::CONTENT_TYPE, "application/json")
            .body(content)
            .map_err(unusable)?;
        if let Some(token) = &self.token {
            request.headers_mut().insert(header::AUTHORIZATION, token.clone());
        }
        let unreachable = |why: &str| {
            let why = format!(
                "ask the gateway at {}: {why}; is it running? name its admin listener with --admin, or the ledger file of one that is stopped with --ledger",
                self.url
            );
            Failure::new(UNREACHABLE, why)
        };
        let sent = tokio::time::timeout(PATIENCE, self.transport.send(request, LARGEST)).await;
        let response = match sent {
            Ok(Delivery::Answered(response) | Delivery::Declined(response)) if response.complete => response,
            Ok(Delivery::NotSent(why)) => return Err(unreachable(why.why())),
            Ok(Delivery::Unknown(why)) => return Err(unreachable(&why.why())),
            Ok(Delivery::Answered(_) | Delivery::Declined(_)) => return Err(unreachable("its answer was cut")),
            Err(_) => return Err(unreachable("it does not answer")),
        };
        let told: Option<Value> = serde_json::from_slice(&response.content).ok();
        if response.status.is_success()
            && let Some(told) = told
        {
            return Ok(told);
        }
        let detail = told
            .as_ref()
            .and_then(|t| t["detail"].as_str())
            .unwrap_or("it is not a Tiebreak admin listener");
        if response.status == http::StatusCode::UNAUTHORIZED {
            let why = format!(
                "ask the gateway at {}: {detail}; name its file with --admin-token-file",
                self.url
            );
            return Err(Failure::new(FAILED, why));
        }
        let detail = detail.strip_prefix("failed to ").unwrap_or(detail);
        Err(Failure::new(FAILED, format!("do that: {detail}")))
    }
}
