//! What every page has.

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::assets::url;

/// A page, but for what all have in common.
pub(crate) struct Page<'a> {
    pub(crate) title: &'a str,
    /// The path of the entry of the navigation that this page belongs to.
    pub(crate) place: &'a str,
    /// Scripts beside the common one.
    pub(crate) scripts: &'a [&'a str],
    /// Whether it takes the whole width of the window.
    pub(crate) wide: bool,
    pub(crate) content: Markup,
}

const PLACES: [(&str, &str); 6] = [
    ("/", "Now"),
    ("/live", "Live"),
    ("/writes", "Writes"),
    ("/explain", "Explain"),
    ("/map", "Map"),
    ("/terms", "Terms"),
];

impl Page<'_> {
    /// The whole document.
    pub(crate) fn render(&self) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " · Tiebreak" }
                    link rel="icon" type="image/svg+xml" href=(url("icon.svg"));
                    link rel="stylesheet" href=(url("console.css"));
                    script src=(url("theme.js")) {}
                    script src=(url("console.js")) defer {}
                    @for script in self.scripts { script src=(url(script)) defer {} }
                }
                body {
                    a.skip href="#content" { "Skip to the content" }
                    header.top {
                        a.brand href="/" aria-label="Tiebreak, now" {
                            svg viewBox="0 0 24 24" width="24" height="24" aria-hidden="true" {
                                path d="M4 7h6l4 5 4-5h2M4 17h6l4-5" {}
                                circle cx="14" cy="12" r="2.6" {}
                            }
                            "Tiebreak"
                        }
                        nav aria-label="Pages" {
                            ul {
                                @for (path, name) in PLACES {
                                    li { a href=(path) aria-current=[(path == self.place).then_some("page")] { (name) } }
                                }
                            }
                        }
                        button.theme type="button" data-theme-toggle data-script hidden { "Dark" }
                    }
                    main #content tabindex="-1" .wide-page[self.wide] { (self.content) }
                    footer.foot {
                        p {
                            "Tiebreak " (env!("CARGO_PKG_VERSION")) ". Nothing on these pages comes from elsewhere, and nothing leaves them. "
                            a href="/problems" { "Problem types" } " · " a href="/terms/guarantee" { "Guarantees" }
                        }
                    }
                }
            }
        }
    }
}

impl IntoResponse for Page<'_> {
    fn into_response(self) -> Response {
        Html(self.render().into_string()).into_response()
    }
}

/// A page that says that there is none, and where to look.
pub(crate) fn not_found(what: &str) -> Response {
    let page = Page {
        title: "Not found",
        place: "",
        scripts: &[],
        wide: false,
        content: html! {
            h1 { "Not found" }
            p.lead { "There is no " (what) ". Look among the " a href="/terms" { "terms" } ", the " a href="/problems" { "problem types" } " or the " a href="/writes" { "writes" } "." }
        },
    };
    (StatusCode::NOT_FOUND, page).into_response()
}
