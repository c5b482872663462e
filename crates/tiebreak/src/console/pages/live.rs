//! What happens now, as plots that follow it. `live.js` draws them from `/api/live`; each has its numbers behind it.

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use maud::{Markup, html};
use std::sync::Arc;

use crate::admin::Desk;
use crate::console::page::Page;

pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new().route("/live", get(|| async { page().into_response() }))
}

fn page() -> Page<'static> {
    let content = html! {
        div.live-head {
            h1 { "Live" }
            p.live-state role="status" data-live-state { "Connecting …" }
            button type="button" data-live-pause data-script hidden { "Pause" }
        }
        noscript { p.notice { "The plots need scripts. The same figures are at " a href="/api/history" { "/api/history" } " and " a href="/metrics" { "/metrics" } "." } }
        dl.figures {
            (figure("rate", "Writes per second"))
            (figure("conflicts", "Conflicts, 5 minutes"))
            (figure("running", "On their way"))
            (figure("doubts", "In doubt"))
            (figure("p95", "95 % took at most"))
        }
        div.plots {
            (plot("writes", "Writes per second", "Writes that ended in each second of the last five minutes."))
            (plot("classes", "Conflicts by class", "Verdicts in steps of five seconds, also of conflicts that were overcome."))
            (plot("latency", "How long writes take", "From request to answer, in milliseconds: half of the writes, 95 % and 99 % took at most so long."))
            (plot("guarantees", "Guarantees", "How strong the promise was for the writes of the last five minutes."))
        }
        section aria-labelledby="lanes" {
            h2 #lanes { "Hottest lanes" }
            p.soft { "Writes that wait for, or work on, the same thing just now. " a href="/terms/lane" { "What a lane is" } "." }
            div.wide tabindex="0" role="group" aria-label="Hottest lanes" {
                table { thead { tr { th scope="col" { "Lane" } th.number scope="col" { "Writes" } } } tbody data-lanes { tr { td colspan="2" { "No lane is busy." } } } }
            }
        }
    };
    Page {
        title: "Live",
        place: "/live",
        scripts: &["live.js"],
        wide: true,
        content,
    }
}

fn figure(name: &str, title: &str) -> Markup {
    html! { div data-figure=(name) { dt { (title) } dd { "–" } } }
}

fn plot(name: &str, title: &str, what: &str) -> Markup {
    html! {
        figure.plot data-plot=(name) {
            figcaption {
                h2 { (title) }
                p.soft { (what) }
            }
            svg viewBox="0 0 600 180" role="img" aria-label=(title) {}
            ul.legend {}
            details {
                summary { "Numbers" }
                div.wide tabindex="0" role="group" aria-label={"Numbers: " (title)} { table {} }
            }
        }
    }
}
