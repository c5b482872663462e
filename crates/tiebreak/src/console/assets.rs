//! Style sheet, scripts and icon, each under a name that holds its digest: browsers keep them until they change.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

use crate::admin::Desk;

struct Asset {
    name: &'static str,
    kind: &'static str,
    text: &'static str,
}

macro_rules! assets {
    ($($name:literal: $kind:literal,)*) => {
        const ASSETS: &[Asset] = &[$(Asset { name: $name, kind: $kind, text: include_str!(concat!("assets/", $name)) },)*];
    };
}

assets! {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "theme.js": "text/javascript; charset=utf-8",
    "map.js": "text/javascript; charset=utf-8",
    "live.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}

/// The digest of all assets: one word for all keeps URLs easy to read.
fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let mut digest = Sha256::new();
        for asset in ASSETS {
            digest.update(asset.text);
        }
        digest.finalize().iter().take(6).map(|b| format!("{b:02x}")).collect()
    });
    &VERSION
}

/// Where an asset is.
pub(crate) fn url(name: &str) -> String {
    format!("/assets/{}/{name}", version())
}

pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new().route("/assets/{version}/{name}", get(serve))
}

async fn serve(Path((asked, name)): Path<(String, String)>) -> Response {
    let Some(asset) = ASSETS.iter().find(|a| a.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    // A page of an older binary may still be open: it gets what there is, for now only.
    let keep = if asked == version() {
        "public, max-age=31536000, immutable"
    } else {
        "no-store"
    };
    let fields = [
        (header::CONTENT_TYPE, HeaderValue::from_static(asset.kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static(keep)),
    ];
    (fields, asset.text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that the console can send, without its data.
    #[test]
    fn all_assets_are_small() {
        let bytes: usize = ASSETS.iter().map(|a| a.text.len()).sum();
        assert!(bytes < 100_000, "{bytes}");
    }
}
