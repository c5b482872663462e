//! Reads the content of an answer the way a person sees it: title, visible text, and the markup behind it.
//!
//! The three are kept apart because a marker means something only in its place: a script host in prose is a
//! quotation, and so is anything inside `<code>`, `<q>` and their like. One pass, linear in the content.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use memchr::memchr;

/// How much of the content is looked at.
pub(super) const LOOKED_AT: usize = 64 * 1024;

/// Elements whose content is quoted, not said.
const QUOTING: [&str; 9] = [
    "code",
    "q",
    "pre",
    "blockquote",
    "samp",
    "kbd",
    "cite",
    "textarea",
    "xmp",
];
/// Elements that do not end a word.
const INLINE: [&str; 16] = [
    "b", "i", "em", "strong", "span", "a", "u", "font", "small", "sup", "sub", "mark", "bdi", "wbr", "abbr", "tt",
];
/// Inputs that a test has, too: all others ask for the site's own data.
const TEST_INPUTS: [&str; 8] = [
    "hidden",
    "submit",
    "button",
    "checkbox",
    "image",
    "captcha",
    "answer",
    "challenge",
];
/// What only the API or the site itself would say.
const OWN_WORDS: [&str; 8] = [
    "already exist",
    "already taken",
    "has been taken",
    "just been taken",
    "already in use",
    "been modified",
    "was modified",
    "was changed",
];

static OWN: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .build(OWN_WORDS)
        .ok()
});

/// A page, taken apart.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// The title, folded to one line.
    pub(super) title: String,
    /// What is visible without scripts, folded to one line, quotations left out.
    pub(super) text: String,
    /// Tags, comments, styles and scripts, quotations and content policies left out.
    pub(super) markup: String,
    /// Whether it is HTML at all.
    pub(super) html: bool,
    /// Whether it carries a way for a browser to go on: a script, a refresh, a form, a frame.
    pub(super) moving: bool,
    /// Whether it asks for the site's own data, or has the furniture of a site.
    pub(super) own: bool,
    /// Whether it speaks of a resource and its state, as only the API or the site itself would.
    pub(super) speaks: bool,
    /// How many characters are visible.
    pub(super) visible: usize,
}

impl Page {
    /// Takes `content` apart.
    pub(super) fn read(content: &[u8]) -> Page {
        let seen = &content[..content.len().min(LOOKED_AT)];
        let source = String::from_utf8_lossy(seen);
        let mut reader = Reader {
            page: Page::default(),
            quoted: 0,
        };
        reader.run(&source);
        let mut page = reader.page;
        page.speaks = OWN.as_ref().is_some_and(|own| own.is_match(&page.text));
        page.text = without_quotations(&page.text);
        page.visible = page.text.trim().chars().count();
        page
    }
}

/// Where the next tag, comment or declaration begins; any other `<` is text.
fn next_markup(text: &[u8]) -> Option<usize> {
    let begins = |at: &usize| {
        let next = text.get(at + 1);
        matches!(next, Some(b'!' | b'?' | b'/' | b'a'..=b'z' | b'A'..=b'Z'))
    };
    memchr::memchr_iter(b'<', text).find(begins)
}

/// The name of an element in lower case; a longer one than `place` is none that is known.
fn name_of<'p>(tag: &str, place: &'p mut [u8; 16]) -> &'p str {
    let name = tag.trim_start_matches(['<', '/']).bytes();
    let mut len = 0;
    for b in name.take_while(u8::is_ascii_alphanumeric) {
        let Some(place) = place.get_mut(len) else { return "-" };
        *place = b.to_ascii_lowercase();
        len += 1;
    }
    std::str::from_utf8(&place[..len]).unwrap_or("-")
}

struct Reader {
    page: Page,
    quoted: usize,
}

impl Reader {
    fn run(&mut self, source: &str) {
        let mut rest = source;
        while !rest.is_empty() {
            let Some(at) = next_markup(rest.as_bytes()) else {
                return self.say(rest);
            };
            if at > 0 {
                self.say(&rest[..at]);
            }
            rest = &rest[at..];
            rest = match rest.as_bytes().get(1) {
                Some(b'!') if rest.starts_with("<!--") => {
                    let (comment, after) = split_after(rest, rest[4..].find("-->").map(|i| i + 7));
                    self.show(comment);
                    after
                }
                Some(b'!' | b'?') => {
                    let (tag, after) = split_after(rest, memchr(b'>', rest.as_bytes()).map(|i| i + 1));
                    self.page.html |= tag.len() < 200 && tag.to_ascii_lowercase().starts_with("<!doctype html");
                    after
                }
                _ => {
                    let (tag, after) = split_after(rest, tag_end(rest));
                    self.element(tag, after)
                }
            };
        }
    }

    /// Takes a tag; gives back what is left after it, and after its content where that is no markup.
    fn element<'a>(&mut self, tag: &str, after: &'a str) -> &'a str {
        let closing = tag.starts_with("</");
        let mut place = [0; 16];
        let name = name_of(tag, &mut place);
        if !INLINE.contains(&name) {
            self.say(" ");
        }
        let quoting = QUOTING.contains(&name);
        if closing {
            self.quoted = self.quoted.saturating_sub(usize::from(quoting));
            return after;
        }
        if self.quoted == 0 && !(name == "meta" && is_policy(tag)) {
            self.show(tag);
        }
        match name {
            "html" | "head" | "body" | "title" => self.page.html = true,
            "iframe" | "form" | "noscript" | "frameset" => self.page.moving = true,
            "meta" => self.page.moving |= has_word(tag, "refresh"),
            "nav" | "article" | "select" | "footer" => self.page.own = true,
            "input" => self.page.own |= !TEST_INPUTS.iter().any(|t| has_word(tag, t)),
            _ => {}
        }
        match name {
            "script" | "style" => {
                self.page.html = true;
                self.page.moving |= name == "script";
                let (content, after) = split_raw(after, name);
                self.show(content);
                after
            }
            "title" => {
                let (content, after) = split_raw(after, name);
                if self.page.title.is_empty() && self.quoted == 0 {
                    let mut title = String::new();
                    push_folded(&mut title, content);
                    self.page.title = title.trim().to_owned();
                }
                after
            }
            "textarea" | "xmp" => split_raw(after, name).1,
            _ => {
                self.quoted += usize::from(quoting && !tag.ends_with("/>"));
                after
            }
        }
    }

    fn say(&mut self, text: &str) {
        if self.quoted == 0 {
            push_folded(&mut self.page.text, text);
        }
    }

    fn show(&mut self, markup: &str) {
        if self.quoted == 0 {
            push_decoded(&mut self.page.markup, markup);
            self.page.markup.push('\n');
        }
    }
}

/// `text` without what stands in quotation marks: an opening mark at the beginning of a word, a closing one
/// at the end of a word, and not too far between them.
fn without_quotations(text: &str) -> String {
    const FAR: usize = 400;
    const MARKS: [(char, char); 5] = [('"', '"'), ('“', '”'), ('„', '“'), ('«', '»'), ('「', '」')];
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, (open, close))) = rest
        .char_indices()
        .find_map(|(i, c)| MARKS.iter().find(|m| m.0 == c).map(|m| (i, *m)))
    {
        let inside = at + open.len_utf8();
        let begins = rest[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric());
        let end = rest[inside..]
            .char_indices()
            .take(FAR)
            .find(|(_, c)| *c == close)
            .map(|(i, _)| inside + i);
        match end.filter(|_| begins) {
            Some(end) => {
                out.push_str(&rest[..at]);
                rest = &rest[end + close.len_utf8()..];
            }
            None => {
                out.push_str(&rest[..inside]);
                rest = &rest[inside..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn split_after(text: &str, end: Option<usize>) -> (&str, &str) {
    text.split_at(end.unwrap_or(text.len()))
}

/// Where the tag at the beginning of `text` ends; `>` inside a quoted attribute does not end it.
fn tag_end(text: &str) -> Option<usize> {
    let mut quote = 0;
    for (i, &b) in text.as_bytes().iter().enumerate() {
        match b {
            b'>' if quote == 0 => return Some(i + 1),
            b'"' | b'\'' if quote == 0 && text.as_bytes()[..i].trim_ascii_end().ends_with(b"=") => quote = b,
            _ if b == quote => quote = 0,
            _ => {}
        }
    }
    None
}

/// Splits raw content from what follows its closing tag.
fn split_raw<'a>(text: &'a str, name: &str) -> (&'a str, &'a str) {
    let bytes = text.as_bytes();
    let mut from = 0;
    while let Some(at) = memchr(b'<', &bytes[from..]).map(|i| from + i) {
        let end = at + 2 + name.len();
        if bytes.get(at + 1) == Some(&b'/')
            && bytes
                .get(at + 2..end)
                .is_some_and(|n| n.eq_ignore_ascii_case(name.as_bytes()))
        {
            let close = memchr(b'>', &bytes[end..]).map_or(bytes.len(), |i| end + i + 1);
            return (&text[..at], &text[close..]);
        }
        from = at + 1;
    }
    (text, "")
}

fn has_word(tag: &str, word: &str) -> bool {
    tag.as_bytes()
        .windows(word.len())
        .any(|w| w.eq_ignore_ascii_case(word.as_bytes()))
}

fn is_policy(tag: &str) -> bool {
    has_word(tag, "content-security-policy")
}

/// Appends `text` decoded, with blanks folded to one space and typographic apostrophes made plain.
fn push_folded(out: &mut String, text: &str) {
    let mut blank = out.is_empty() || out.ends_with(' ');
    decode(text, |c| {
        let c = if c.is_whitespace() { ' ' } else { c };
        if c == ' ' && blank {
            return;
        }
        blank = c == ' ';
        out.push(if matches!(c, '\u{2019}' | '\u{02bc}') { '\'' } else { c });
    });
}

fn push_decoded(out: &mut String, text: &str) {
    if memchr(b'&', text.as_bytes()).is_none() {
        out.push_str(text);
    } else {
        decode(text, |c| out.push(c));
    }
}

/// Decodes character references: the numeric ones and the few names that block pages use.
fn decode(text: &str, mut emit: impl FnMut(char)) {
    let mut rest = text;
    while let Some(at) = memchr(b'&', rest.as_bytes()) {
        rest[..at].chars().for_each(&mut emit);
        rest = &rest[at..];
        let end = rest.bytes().take(12).position(|b| b == b';');
        match end.and_then(|end| reference(&rest[1..end])) {
            Some(c) => {
                emit(c);
                rest = &rest[end.unwrap_or(0) + 1..];
            }
            None => {
                emit('&');
                rest = &rest[1..];
            }
        }
    }
    rest.chars().for_each(emit);
}

fn reference(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        return char::from_u32(code.ok()?);
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" | "rsquo" | "lsquo" => '\'',
        "nbsp" => ' ',
        "hellip" => '…',
        "mdash" | "ndash" | "minus" => '-',
        "middot" => '·',
        "copy" => '©',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(html: &str) -> Page {
        Page::read(html.as_bytes())
    }

    #[test]
    fn keeps_title_text_and_markup_apart() {
        let page = read(
            "<!DOCTYPE html><title>A &amp; B</title><p>Press &amp; <b>Ho</b>ld&nbsp;on</p><script src='x.js'>var y</script>",
        );
        assert_eq!(page.title, "A & B");
        assert_eq!(page.text.trim(), "Press & Hold on");
        assert!(page.markup.contains("x.js") && page.markup.contains("var y"));
        assert!(page.html && page.moving && !page.own);
    }

    #[test]
    fn leaves_quotations_and_policies_out() {
        let page = read(
            "<meta http-equiv=Content-Security-Policy content=\"script-src geo.captcha-delivery.com\"><code><script>marker</script> said</code><q>quoted</q> plain",
        );
        assert!(
            !page.markup.contains("captcha-delivery") && !page.markup.contains("marker"),
            "{}",
            page.markup
        );
        assert_eq!(page.text.trim(), "plain");
    }

    #[test]
    fn leaves_out_what_stands_in_quotation_marks() {
        assert_eq!(read("a \"b c\" d “e” 5\" f").text, "a  d  5\" f");
        assert!(read("\"Key 'x' already exists\"").speaks);
    }

    #[test]
    fn decodes_numbers_and_leaves_broken_references_alone() {
        assert_eq!(
            read("&#35;18&#46;a &#x41; &unknown; & &#99999999;").text,
            "#18.a A &unknown; & &#99999999;"
        );
    }

    #[test]
    fn survives_unfinished_markup() {
        for html in [
            "<",
            "<a",
            "<a b='",
            "<!--",
            "<script>",
            "</",
            "a < b > c",
            "<script></scrip",
            "&#",
        ] {
            read(html);
        }
        assert_eq!(read("a < b").text, "a < b");
    }
}
