//! A plain HTTP client for tests: one connection of its own for each client, nothing clever.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;

/// A client with one connection, made anew when it breaks.
pub struct Client {
    authority: String,
    connection: Option<SendRequest<Full<Bytes>>>,
    /// Sent with each request.
    pub headers: Vec<(String, String)>,
}

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Got {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub content: Bytes,
}

impl Got {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.content).unwrap_or_else(|e| panic!("{e}: {:?}", self.content))
    }

    pub fn field(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// The outcome that the `Tiebreak` field says.
    pub fn outcome(&self) -> &str {
        self.field("tiebreak").split(';').next().unwrap_or_default()
    }
}

impl Client {
    pub fn new(authority: impl Into<String>) -> Client {
        Client {
            authority: authority.into(),
            connection: None,
            headers: Vec::new(),
        }
    }

    /// Host and port that it talks to.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    pub fn with(mut self, name: &str, value: &str) -> Client {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// One request; `None` if no answer came.
    pub async fn try_send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        content: impl Into<Bytes>,
    ) -> Option<Got> {
        let content: Bytes = content.into();
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.authority);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(content)).unwrap();
        let mut connection = match self.connection.take() {
            Some(open) => open,
            None => connect(&self.authority).await?,
        };
        if connection.ready().await.is_err() {
            connection = connect(&self.authority).await?;
        }
        let response = connection.send_request(request).await.ok()?;
        let (head, body) = response.into_parts();
        let content = body.collect().await.ok()?.to_bytes();
        self.connection = Some(connection);
        Some(Got {
            status: head.status,
            headers: head.headers,
            content,
        })
    }

    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        content: impl Into<Bytes>,
    ) -> Got {
        let told = format!("{method} {path}");
        self.try_send(method, path, headers, content)
            .await
            .unwrap_or_else(|| panic!("no answer to {told}"))
    }

    pub async fn get(&mut self, path: &str) -> Got {
        self.send(Method::GET, path, &[], "").await
    }

    pub async fn put(&mut self, path: &str, headers: &[(&str, &str)], document: &Value) -> Got {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        self.send(Method::PUT, path, &all, document.to_string()).await
    }

    pub async fn post(&mut self, path: &str, headers: &[(&str, &str)], document: &Value) -> Got {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        self.send(Method::POST, path, &all, document.to_string()).await
    }
}

async fn connect(authority: &str) -> Option<SendRequest<Full<Bytes>>> {
    let stream = tokio::net::TcpStream::connect(authority).await.ok()?;
    stream.set_nodelay(true).ok()?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    Some(sender)
}
