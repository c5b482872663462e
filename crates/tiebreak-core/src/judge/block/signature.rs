//! What a row of the signature table says.

/// One conclusive signature: an answer that has all its marks was not given by the API.
///
/// A row must never rest on the mere presence of a vendor (`server: cloudflare`, `x-iinfo`, a sensor
/// script): those ride on genuine answers as well.
#[derive(Debug)]
pub(super) struct Signature {
    /// Who refused, as a person would name it.
    pub(super) vendor: &'static str,
    /// What kind of refusal it is.
    pub(super) kind: Kind,
    /// The deciding signal in plain words; completes "blocked by X: …".
    pub(super) says: &'static str,
    /// Everything that must be there; the first mark is the deciding one.
    pub(super) needs: &'static [Mark],
    /// Where the signature is documented or was seen.
    pub(super) source: &'static str,
}

/// Kinds of refusal: they differ in what helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A test that a browser passes. It is made before the API sees the request.
    Challenge,
    /// A refusal by rule: only the site can lift it.
    Refusal,
    /// The caller's own network refused to let the request out.
    Gateway,
}

/// One mark of a signature. Text is compared without regard to ASCII case.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mark {
    /// A header field is there, with any value.
    Field(&'static str),
    /// A header field has one of these values.
    FieldIs(&'static str, &'static [&'static str]),
    /// A value of a header field contains this.
    FieldHas(&'static str, &'static str),
    /// The title is one of these.
    Title(&'static [&'static str]),
    /// The title contains this.
    TitleHas(&'static str),
    /// The visible text contains this, and not as a quotation.
    Says(&'static str),
    /// As `Says`, followed by this.
    SaysThen(&'static str, Shape),
    /// Tags, comments, styles or scripts contain this.
    Markup(&'static str),
    /// As `Markup`, followed by this.
    MarkupThen(&'static str, Shape),
    /// Tags, comments, styles and scripts do not contain this.
    NoMarkup(&'static str),
    /// The status is one of these.
    Status(&'static [u16]),
    /// The status is 400 or higher.
    Error,
    /// There is no content.
    Empty,
    /// The content is neither JSON nor XML: the API would not speak so.
    Foreign,
    /// At most a sentence or two are visible, and nothing of the site's own.
    Bare,
    /// At most this many characters are visible, the title aside.
    AtMost(usize),
}

/// What must follow a phrase, after blanks and punctuation.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// Digits: at least this many.
    Digits(usize),
    /// Hexadecimal digits and dashes: at least this many.
    Hex(usize),
    /// One of these numbers, and no further digit.
    OneOf(&'static [&'static str]),
    /// `18.<hex>.<digits>.<hex>`: Akamai's reference of an access denied (`0.` on a site's own page; other first
    /// numbers are other errors: 1 a timeout, 9 a bad URL).
    AkamaiDenied,
}

impl Shape {
    /// Whether `rest`, the text after the phrase, begins so.
    pub(super) fn follows(self, rest: &str) -> bool {
        let rest =
            rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, ':' | '#' | '(' | '=' | '"' | '\''));
        let run = |accept: fn(&u8) -> bool| rest.bytes().take_while(accept).count();
        match self {
            Shape::Digits(least) => run(u8::is_ascii_digit) >= least,
            Shape::Hex(least) => run(|b| b.is_ascii_hexdigit() || *b == b'-') >= least,
            Shape::OneOf(codes) => codes.contains(&&rest[..run(u8::is_ascii_digit)]),
            Shape::AkamaiDenied => {
                let mut parts = rest.split(['.', ' ', '<']);
                let hex = |p: Option<&str>| p.is_some_and(|p| p.len() >= 4 && p.bytes().all(|b| b.is_ascii_hexdigit()));
                matches!(parts.next(), Some("18" | "0")) && hex(parts.next()) && hex(parts.next())
            }
        }
    }
}
