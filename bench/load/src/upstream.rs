//! The tiny fast server behind the proxies that are compared.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};

use crate::server::serve;

const CONTENT: &[u8] = br#"{"id":"KSEA","name":"Seattle-Tacoma International Airport","status":"open"}"#;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Address to listen on.
    #[arg(long)]
    listen: SocketAddr,
}

/// 200 with a small JSON document to safe methods, 201 with nothing to everything else.
pub(crate) async fn run(args: Args) -> Result<(), String> {
    serve(args.listen, |request| async move {
        let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        // The content must be read, or the connection cannot be kept.
        let read = request.into_body().collect().await.is_ok();
        let mut response = if safe {
            Response::new(Full::new(Bytes::from_static(CONTENT)))
        } else {
            Response::new(Full::default())
        };
        *response.status_mut() = match (safe, read) {
            (true, _) => StatusCode::OK,
            (false, true) => StatusCode::CREATED,
            (false, false) => StatusCode::BAD_REQUEST,
        };
        let fields = response.headers_mut();
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        fields.insert(header::ETAG, HeaderValue::from_static("\"1\""));
        response
    })
    .await
}
