//! Reading one value: durations, sizes, words, lists; and writing them again as they would stand in a file.

use std::time::Duration;

use super::fault::Wrong;
use super::node::{Member, Node, Value};

const DURATIONS: &str = "a duration such as \"500ms\", \"10s\", \"5m\" or \"24h\" (a bare number is seconds)";
const SIZES: &str = "a size such as \"64KiB\", \"16MiB\" or \"1GiB\" (a bare number is bytes)";

impl Node {
    pub(crate) fn text(&self) -> Result<&str, Wrong> {
        match &self.value {
            Value::Text(text) => Ok(text),
            _ => Err(Wrong::expected("text in double quotes", self)),
        }
    }

    pub(crate) fn yes(&self) -> Result<bool, Wrong> {
        match &self.value {
            Value::Bool(yes) => Ok(*yes),
            _ => Err(Wrong::expected("true or false", self)),
        }
    }

    /// A whole number within `range`.
    pub(crate) fn whole(&self, range: std::ops::RangeInclusive<u64>) -> Result<u64, Wrong> {
        let (first, last) = (range.start(), range.end());
        let wrong = || Wrong::expected(&format!("a whole number from {first} to {last}"), self);
        match &self.value {
            Value::Integer(number) => number.parse().ok().filter(|n| range.contains(n)).ok_or_else(wrong),
            _ => Err(wrong()),
        }
    }

    /// As [`Node::whole`], for what is counted in memory.
    pub(crate) fn count(&self, range: std::ops::RangeInclusive<u64>) -> Result<usize, Wrong> {
        self.whole(range).map(|n| usize::try_from(n).unwrap_or(usize::MAX))
    }

    /// One of these words.
    pub(crate) fn word<T: Copy>(&self, words: &[(&'static str, T)]) -> Result<T, Wrong> {
        let all: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        let expected = one_of(&all);
        let Value::Text(text) = &self.value else {
            return Err(Wrong::expected(&expected, self));
        };
        let found = words.iter().find(|(word, _)| word == text).map(|(_, value)| *value);
        found.ok_or_else(|| {
            let wrong = Wrong::expected(&expected, self);
            match nearest(text, words.iter().map(|(word, _)| *word)) {
                Some(word) => wrong.with(format!("did you mean {word:?}?")),
                None => wrong,
            }
        })
    }

    pub(crate) fn duration(&self) -> Result<Duration, Wrong> {
        let read = match &self.value {
            Value::Integer(seconds) => seconds.parse().ok().map(Duration::from_secs),
            Value::Text(text) => parse_duration(text),
            _ => None,
        };
        // Longer than anybody means, and short enough to be added to any time.
        let most = Duration::from_secs(100 * 366 * 24 * 60 * 60);
        read.filter(|d| *d <= most)
            .ok_or_else(|| Wrong::expected(DURATIONS, self))
    }

    /// A size in bytes within `range`.
    pub(crate) fn size(&self, range: std::ops::RangeInclusive<u64>) -> Result<usize, Wrong> {
        let read = match &self.value {
            Value::Integer(bytes) => bytes.parse().ok(),
            Value::Text(text) => parse_size(text),
            _ => None,
        };
        let Some(bytes) = read else {
            return Err(Wrong::expected(SIZES, self));
        };
        if !range.contains(&bytes) {
            let (first, last) = (tell_size(*range.start()), tell_size(*range.end()));
            return Err(Wrong::expected(&format!("a size from {first} to {last}"), self));
        }
        Ok(usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    /// A list; a single value stands for a list of one.
    pub(crate) fn list(&self) -> Result<&[Node], Wrong> {
        match &self.value {
            Value::List(items) => Ok(items),
            Value::Table(_) | Value::Other(_) => Err(Wrong::expected("a list", self)),
            Value::Text(_) | Value::Integer(_) | Value::Bool(_) => Ok(std::slice::from_ref(self)),
        }
    }

    pub(crate) fn table(&self, like: &str) -> Result<&[Member], Wrong> {
        match &self.value {
            Value::Table(members) => Ok(members),
            _ => Err(Wrong::expected(&format!("a table such as {like}"), self)),
        }
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = &rest[digits..];
        let end = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let millis = match unit[..end].trim() {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        total = total.checked_add(Duration::from_millis(number.checked_mul(millis)?))?;
        rest = &unit[end..];
    }
    Some(total)
}

fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let factor = match text[digits..].trim() {
        "" | "B" => 1,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// The name that is meant by `text`, if one is near.
pub(crate) fn nearest<'n>(text: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let lower = text.to_lowercase().replace('-', "_");
    names
        .into_iter()
        .map(|name| {
            (
                strsim::jaro_winkler(&lower, &name.to_lowercase().replace('-', "_")),
                name,
            )
        })
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// `a`, `a or b`, `one of a, b and c`.
pub(crate) fn one_of(words: &[String]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [first, second] => format!("{first} or {second}"),
        [all @ .., last] => format!("one of {} and {last}", all.join(", ")),
    }
}

/// Text as it stands in a file.
pub(crate) fn show_text(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

pub(crate) fn show_list<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    let texts: Vec<String> = texts.into_iter().map(show_text).collect();
    format!("[{}]", texts.join(", "))
}

/// The word for `value`.
pub(crate) fn show_word<T: PartialEq + Copy>(words: &[(&'static str, T)], value: T) -> String {
    let found = words.iter().find(|(_, v)| *v == value);
    show_text(found.map_or("", |(word, _)| word))
}

pub(crate) fn show_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    let told = match millis {
        0 => "0s".to_owned(),
        n if n % 86_400_000 == 0 && n > 86_400_000 => format!("{}d", n / 86_400_000),
        n if n % 3_600_000 == 0 => format!("{}h", n / 3_600_000),
        n if n % 60_000 == 0 => format!("{}m", n / 60_000),
        n if n % 1_000 == 0 => format!("{}s", n / 1_000),
        n => format!("{n}ms"),
    };
    show_text(&told)
}

pub(crate) fn show_size(bytes: u64) -> String {
    show_text(&tell_size(bytes))
}

/// A size for people.
pub(crate) fn tell_size(bytes: u64) -> String {
    match bytes {
        n if n >= 1 << 30 && n % (1 << 30) == 0 => format!("{}GiB", n >> 30),
        n if n >= 1 << 20 && n % (1 << 20) == 0 => format!("{}MiB", n >> 20),
        n if n >= 1 << 10 && n % (1 << 10) == 0 => format!("{}KiB", n >> 10),
        n => format!("{n}B"),
    }
}
