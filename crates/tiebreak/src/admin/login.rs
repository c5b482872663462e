//! A person gives the token once; the browser keeps a cookie from which it cannot be told.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Form, Router};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;

use super::guard::Guard;
use super::refusal::refusal;

const PAGE: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width\"><title>Tiebreak</title></head>\
<body><main><h1>Tiebreak</h1><form method=\"post\" action=\"/login\">\
<label>Token <input type=\"password\" name=\"token\" autocomplete=\"current-password\" required autofocus></label> \
<button>Sign in</button></form>\
<p>The token is in the file that --admin-token-file names.</p></main></body></html>\n";

/// `/login`.
pub(super) fn routes(guard: Arc<Guard>) -> Router {
    let page = || async { Html(PAGE) };
    Router::new().route("/login", get(page).post(enter)).with_state(guard)
}

#[derive(Deserialize)]
struct Given {
    token: String,
}

async fn enter(State(guard): State<Arc<Guard>>, Form(given): Form<Given>) -> Response {
    let cookie = guard.admit(given.token.trim());
    let Some(Ok(cookie)) = cookie.map(|c| HeaderValue::from_str(&c)) else {
        return refusal(StatusCode::FORBIDDEN, "that is not the token of this admin listener");
    };
    let mut answer = Redirect::to("/").into_response();
    answer.headers_mut().insert(header::SET_COOKIE, cookie);
    answer
}
