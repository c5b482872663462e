//! The scripted origin: documents over HTTP, with a service time and counts at `/_counts`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::json;

use crate::document::{Change, Document, Preconditions, Store};
use crate::server::serve;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Address to listen on.
    #[arg(long)]
    listen: SocketAddr,
    /// Microseconds that each request takes before it is applied.
    #[arg(long, default_value_t = 0)]
    service_us: u64,
    /// Status of a failed precondition: 412, or 409 as some APIs answer.
    #[arg(long, default_value_t = 412)]
    stale_status: u16,
}

/// Serves until the process ends.
pub(crate) async fn run(args: Args) -> Result<(), String> {
    let stale = StatusCode::from_u16(args.stale_status).map_err(|_| format!("use status {}", args.stale_status))?;
    let service = Duration::from_micros(args.service_us);
    let store = Arc::new(Store::default());
    serve(args.listen, move |request| {
        answer(store.clone(), service, stale, request)
    })
    .await
}

async fn answer(
    store: Arc<Store>,
    service: Duration,
    stale: StatusCode,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let Ok(content) = body.collect().await.map(|c| c.to_bytes()) else {
        return plain(StatusCode::BAD_REQUEST, Bytes::new());
    };
    if path == "/_counts" {
        if head.method == Method::DELETE {
            store.reset();
        }
        return plain(StatusCode::OK, Bytes::from(json!(store.counts()).to_string()));
    }
    take(service).await;
    match head.method {
        Method::GET | Method::HEAD => match store.read(path) {
            Some(document) => represent(StatusCode::OK, document),
            None => plain(StatusCode::NOT_FOUND, Bytes::new()),
        },
        Method::POST => {
            let number = store.append();
            let mut response = plain(StatusCode::CREATED, Bytes::from(json!({ "id": number }).to_string()));
            if let Ok(location) = HeaderValue::from_str(&format!("{path}/{number}")) {
                response.headers_mut().insert(header::LOCATION, location);
            }
            response
        }
        Method::PUT => write(&store, stale, path, &head.headers, Change::Put(content)),
        Method::PATCH => match serde_json::from_slice(&content) {
            Ok(patch) => write(&store, stale, path, &head.headers, Change::MergePatch(patch)),
            Err(_) => plain(StatusCode::BAD_REQUEST, Bytes::new()),
        },
        Method::DELETE => write(&store, stale, path, &head.headers, Change::Delete),
        _ => plain(StatusCode::METHOD_NOT_ALLOWED, Bytes::new()),
    }
}

fn write(store: &Store, stale: StatusCode, path: &str, fields: &HeaderMap, change: Change) -> Response<Full<Bytes>> {
    let text = |name: HeaderName| fields.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let conditions = Preconditions {
        if_match: text(header::IF_MATCH),
        if_none_match: text(header::IF_NONE_MATCH),
    };
    match store.write(path, &conditions, change) {
        (StatusCode::PRECONDITION_FAILED, current) => {
            let problem = json!({ "title": "stale", "status": stale.as_u16(), "current": current.map(|d| d.etag()) });
            let mut response = plain(stale, Bytes::from(problem.to_string()));
            let kind = HeaderValue::from_static("application/problem+json");
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            response
        }
        (status, Some(document)) => represent(status, document),
        (status, None) => plain(status, Bytes::new()),
    }
}

fn represent(status: StatusCode, document: Document) -> Response<Full<Bytes>> {
    let etag = HeaderValue::from_str(&document.etag());
    let mut response = plain(status, document.content);
    if let Ok(etag) = etag {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

fn plain(status: StatusCode, content: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(content));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The service time. The runtime's timer counts whole milliseconds, so a thread sleeps instead.
async fn take(service: Duration) {
    if !service.is_zero() {
        // It fails only when the runtime is shutting down.
        let _ = tokio::task::spawn_blocking(move || std::thread::sleep(service)).await;
    }
}
