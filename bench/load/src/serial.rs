//! The origin's own serial rate: one client, one connection, guarded PUTs under the version each answer named.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use url::Url;

use crate::connection::Connection;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The document; it must exist.
    #[arg(long)]
    url: Url,
    /// Seconds to measure.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
}

pub(crate) async fn run(args: Args) -> Result<(), String> {
    let mut connection = Connection::new(&args.url, None)?;
    let answer = connection.get().await?;
    let mut document: Value = serde_json::from_slice(&answer.content).map_err(|e| format!("read the document: {e}"))?;
    let mut tag = answer.etag().ok_or("find an entity tag in the answer to GET")?;
    let start = Instant::now();
    let end = start + Duration::from_secs_f64(args.seconds);
    let mut applied = 0u64;
    while Instant::now() < end {
        applied += 1;
        document["f000"] = json!(applied);
        let fields = [("content-type", "application/json"), ("if-match", tag.as_str())];
        let answer = connection
            .send(Method::PUT, &fields, Bytes::from(document.to_string()))
            .await?;
        if !answer.status.is_success() {
            return Err(format!("write alone: {}", answer.status));
        }
        tag = answer.etag().ok_or("find an entity tag in the answer to PUT")?;
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{}",
        json!({ "applied": applied, "seconds": seconds, "per_second": applied as f64 / seconds })
    );
    Ok(())
}
