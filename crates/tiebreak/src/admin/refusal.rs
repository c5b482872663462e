//! How an answer of the admin listener says no: a problem document (RFC 9457) of type `about:blank`.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tiebreak_core::problem::MEDIA_TYPE;

use super::guard::looks;
use crate::console::page::not_found;

/// A refusal; `detail` says what is wrong and what to do.
pub(super) fn refusal(status: StatusCode, detail: impl Into<String>) -> Response {
    let document = serde_json::json!({
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "detail": detail.into(),
    });
    let mut answer = (status, format!("{document}\n")).into_response();
    let kind = HeaderValue::from_static(MEDIA_TYPE);
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}

/// Nothing is at this path.
pub(super) async fn no_such_page(headers: HeaderMap) -> Response {
    if looks(&headers) {
        return not_found("page at this path");
    }
    refusal(
        StatusCode::NOT_FOUND,
        "there is nothing at this path of the admin listener",
    )
}

/// Something is at this path, but not for this method.
pub(super) async fn wrong_method() -> Response {
    refusal(
        StatusCode::METHOD_NOT_ALLOWED,
        "this path does not take that method; see Allow",
    )
}
