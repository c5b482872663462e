//! What every page has.

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use tiebreak_core::time::Time;

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
                    // Before the style sheet: a script after it would wait for it, and the page for the script.
                    script src=(url("theme.js")) {}
                    link rel="stylesheet" href=(url("console.css"));
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

/// So many characters of code fit into a line on a phone.
const SHORT: usize = 20;

/// Code within a text: what is short is not broken over two lines.
pub(crate) fn code(text: &str) -> Markup {
    let short = text.chars().count() <= SHORT;
    html! { @if short { code.short { (text) } } @else { code { (text) } } }
}

/// A point in time; the script shows it in the reader's own time zone.
pub(crate) fn moment(at: Time) -> Markup {
    let since = std::time::UNIX_EPOCH.checked_add(std::time::Duration::from_millis(at.0));
    // Times of a simulation may lie outside what a calendar holds.
    let text = since
        .filter(|_| at.0 < 253_402_300_800_000)
        .map(httpdate::fmt_http_date);
    html! { time data-at=(at.0) { (text.unwrap_or_else(|| format!("{} ms", at.0))) } }
}

/// `text` with a capital at its beginning.
pub(crate) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

/// A number with its thousands apart.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(c);
    }
    out
}

/// `n` of something, in words: "no write", "1 write", "1 024 writes".
pub(crate) fn count_of(n: u64, one: &str, many: &str) -> String {
    match n {
        0 => format!("no {one}"),
        1 => format!("1 {one}"),
        n => format!("{} {many}", grouped(n)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_said_in_words() {
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(grouped(12), "12");
        assert_eq!(count_of(0, "doubt", "doubts"), "no doubt");
        assert_eq!(count_of(1, "doubt", "doubts"), "1 doubt");
        assert_eq!(count_of(2, "doubt", "doubts"), "2 doubts");
    }

    #[test]
    fn moments_have_a_text_without_scripts() {
        let html = moment(Time(1_795_356_300_123)).into_string();
        assert!(
            html.contains("GMT") && html.contains("data-at=\"1795356300123\""),
            "{html}"
        );
        assert!(moment(Time(u64::MAX)).into_string().contains("ms"));
    }
}
