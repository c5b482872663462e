//! One kept HTTP/1.1 connection of one worker.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use url::Url;

/// No single request waits longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) content: Bytes,
}

impl Answer {
    pub(crate) fn etag(&self) -> Option<String> {
        self.headers
            .get(header::ETAG)
            .and_then(|v| v.to_str().ok())
            .map(str::to_owned)
    }
}

/// Where requests go, and the connection that carries them; opened again when the server has closed it.
pub(crate) struct Connection {
    authority: String,
    path: String,
    credential: Option<String>,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    /// A connection for requests to `url`, not opened yet.
    pub(crate) fn new(url: &Url, credential: Option<String>) -> Result<Self, String> {
        let host = url.host_str().ok_or_else(|| format!("find a host in {url}"))?;
        let port = url
            .port_or_known_default()
            .ok_or_else(|| format!("find a port in {url}"))?;
        Ok(Self {
            authority: format!("{host}:{port}"),
            path: url.path().to_owned(),
            credential,
            sender: None,
        })
    }

    /// Sends what follows to another path of the same server.
    pub(crate) fn aim(&mut self, path: String) {
        self.path = path;
    }

    /// Opens the connection if it is not open, so that a race does not start with handshakes.
    pub(crate) async fn open(&mut self) -> Result<(), String> {
        if let Some(sender) = &mut self.sender
            && sender.ready().await.is_ok()
        {
            return Ok(());
        }
        let stream = TcpStream::connect(&self.authority)
            .await
            .map_err(|e| format!("connect to {}: {e}", self.authority))?;
        stream.set_nodelay(true).map_err(|e| format!("set TCP_NODELAY: {e}"))?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| format!("open HTTP to {}: {e}", self.authority))?;
        tokio::spawn(connection);
        self.sender = Some(sender);
        Ok(())
    }

    /// One request, one whole answer. An error means that nothing is known of the request's fate.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        fields: &[(&str, &str)],
        content: Bytes,
    ) -> Result<Answer, String> {
        self.open().await?;
        let mut request = Request::builder()
            .method(method)
            .uri(&self.path)
            .header(header::HOST, &self.authority);
        if let Some(credential) = &self.credential {
            request = request.header(header::AUTHORIZATION, credential);
        }
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::new(content))
            .map_err(|e| format!("make a request: {e}"))?;
        let Some(sender) = &mut self.sender else {
            return Err("keep the connection".into());
        };
        let exchange = async {
            let (head, body) = sender
                .send_request(request)
                .await
                .map_err(|e| e.to_string())?
                .into_parts();
            let content = body.collect().await.map_err(|e| e.to_string())?.to_bytes();
            Ok::<_, String>(Answer {
                status: head.status,
                headers: head.headers,
                content,
            })
        };
        let answer = match tokio::time::timeout(PATIENCE, exchange).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(format!("get an answer from {}: {error}", self.authority)),
            Err(_) => Err(format!(
                "get an answer from {} in {} s",
                self.authority,
                PATIENCE.as_secs()
            )),
        };
        if answer.is_err() {
            self.sender = None;
        }
        answer
    }

    pub(crate) async fn get(&mut self) -> Result<Answer, String> {
        self.send(Method::GET, &[], Bytes::new()).await
    }
}
