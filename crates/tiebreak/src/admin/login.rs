//! A person gives the token once; the browser keeps a cookie from which it cannot be told.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Form, Router};
use http::{HeaderValue, StatusCode, header};
use maud::html;
use serde::Deserialize;

use super::guard::Guard;
use crate::console::page::{Page, code};

/// `/login`.
pub(super) fn routes(guard: Arc<Guard>) -> Router {
    Router::new().route("/login", get(ask).post(enter)).with_state(guard)
}

async fn ask(State(guard): State<Arc<Guard>>) -> Response {
    if guard.is_open() {
        return Redirect::to("/").into_response();
    }
    page(None).into_response()
}

#[derive(Deserialize)]
struct Given {
    token: String,
}

async fn enter(State(guard): State<Arc<Guard>>, Form(given): Form<Given>) -> Response {
    let cookie = guard.admit(given.token.trim());
    let Some(Ok(cookie)) = cookie.map(|c| HeaderValue::from_str(&c)) else {
        let why = "That is not the token of this admin listener.";
        return (StatusCode::FORBIDDEN, page(Some(why))).into_response();
    };
    let mut answer = Redirect::to("/").into_response();
    answer.headers_mut().insert(header::SET_COOKIE, cookie);
    answer
}

/// The form; `said`: what was wrong with the last try.
fn page(said: Option<&str>) -> Page<'static> {
    Page {
        title: "Sign in",
        place: "",
        scripts: &[],
        wide: false,
        content: html! {
            h1 { "Sign in" }
            p.lead { "This console asks for its token before it shows anything." }
            @if let Some(said) = said { div.notice role="alert" { p { (said) } } }
            form.login method="post" action="/login" {
                // For password managers, which keep a secret under a name.
                input type="text" name="name" value="tiebreak" autocomplete="username" hidden;
                label for="token" { "Token" }
                input #token type="password" name="token" autocomplete="current-password" required autofocus aria-describedby="where";
                p.hint #where { "It is in the file that " (code("--admin-token-file")) " names, on the machine where Tiebreak runs." }
                p { button.primary type="submit" { "Sign in" } }
            }
        },
    }
}
