//! Our own Markdown (terms, problem pages) as HTML. What others wrote never comes through here.

use maud::{Markup, PreEscaped};
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

use super::page::code;

/// Renders `text`. A link to `name.md` leads to the page of that problem, any other is left as it is.
pub(crate) fn render(text: &str) -> Markup {
    let mut out = String::with_capacity(text.len() * 3 / 2);
    let events = Parser::new_ext(text, Options::ENABLE_TABLES).flat_map(|event| match event {
        // A table may be wider than a phone: it scrolls in a box of its own, which the keyboard can reach.
        Event::Start(Tag::Table(alignment)) => vec![
            Event::Html("<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"Table\">".into()),
            Event::Start(Tag::Table(alignment)),
        ],
        Event::End(TagEnd::Table) => vec![Event::End(TagEnd::Table), Event::Html("</div>".into())],
        Event::Start(Tag::CodeBlock(kind)) => vec![
            Event::Html("<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"Example\">".into()),
            Event::Start(Tag::CodeBlock(kind)),
        ],
        Event::End(TagEnd::CodeBlock) => vec![Event::End(TagEnd::CodeBlock), Event::Html("</div>".into())],
        Event::Code(text) => vec![Event::InlineHtml(code(&text).into_string().into())],
        Event::Start(Tag::Link {
            link_type,
            dest_url,
            title,
            id,
        }) => vec![Event::Start(Tag::Link {
            link_type,
            dest_url: target(dest_url),
            title,
            id,
        })],
        other => vec![other],
    });
    html::push_html(&mut out, events);
    PreEscaped(out)
}

/// The same for one line, without the paragraph around it.
pub(crate) fn inline(text: &str) -> Markup {
    let PreEscaped(html) = render(text);
    let html = html.trim();
    let bare = html.strip_prefix("<p>").and_then(|h| h.strip_suffix("</p>"));
    PreEscaped(bare.unwrap_or(html).to_owned())
}

fn target(url: CowStr<'_>) -> CowStr<'_> {
    let name = url.strip_suffix(".md").filter(|name| !name.contains('/'));
    match name {
        Some(name) => format!("/problems/{name}").into(),
        None if url.contains('/') || url.contains(':') || url.starts_with('#') => url,
        None => format!("/terms/{url}").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_into_the_console() {
        let html = inline("[a](409) [b](stale.md) [c](/live)").into_string();
        assert_eq!(
            html,
            "<a href=\"/terms/409\">a</a> <a href=\"/problems/stale\">b</a> <a href=\"/live\">c</a>"
        );
    }

    #[test]
    fn short_code_stays_in_one_line() {
        let html = inline("`<a -i` `a long one that has to be broken`").into_string();
        assert_eq!(
            html,
            "<code class=\"short\">&lt;a -i</code> <code>a long one that has to be broken</code>"
        );
    }

    #[test]
    fn tables_and_code_scroll_by_themselves() {
        let html = render("| a |\n|---|\n| b |\n\n```console\n$ <x>\n```\n").into_string();
        assert_eq!(html.matches("<div class=\"wide\"").count(), 2, "{html}");
        assert_eq!(html.matches("</div>").count(), 2, "{html}");
        assert!(html.contains("$ &lt;x&gt;"), "{html}");
    }
}
