//! Scores the judge on the labelled corpus, by the rules in `corpus/README.md`.

use std::collections::{BTreeMap, BTreeSet};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::Value;
use tiebreak_core::judge::{Asked, Judge};
use tiebreak_core::remedy::Remedy;
use tiebreak_core::response::Response;
use tiebreak_core::verdict::{Class, Verdict};

/// One labelled answer.
pub struct Line {
    /// Its id.
    pub id: String,
    /// The API or vendor.
    pub api: String,
    /// The request method.
    pub method: Method,
    /// The path.
    pub path: String,
    /// The request's fields.
    pub request: HeaderMap,
    /// The request's content, where it was captured.
    pub content: Option<Vec<u8>>,
    /// The answer.
    pub response: Response,
    /// The label.
    pub class: Class,
    /// The remedy of the label, in its own words.
    pub remedy: String,
    /// Other classes that a careful reader could defend.
    pub alt: BTreeSet<Class>,
}

/// Reads one file of the corpus.
pub fn read(text: &str) -> Vec<Line> {
    text.lines().map(line).collect()
}

fn line(text: &str) -> Line {
    let value: Value = serde_json::from_str(text).expect("a line of JSON");
    let word = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let class = |v: &Value| Class::from_word(v.as_str().unwrap_or_default()).expect("a class");
    let (request, response) = (&value["request"], &value["response"]);
    let body = response["body"].as_str().unwrap_or_default().to_owned();
    Line {
        id: word(&value["id"]),
        api: word(if value["api"].is_string() {
            &value["api"]
        } else {
            &value["vendor"]
        }),
        // The paths of two lines carry a note in brackets after a blank.
        path: word(&request["path"]).split(' ').next().unwrap_or_default().to_owned(),
        method: request["method"].as_str().unwrap_or("POST").parse().expect("a method"),
        request: headers(&request["headers"]),
        content: request["body"].as_str().map(|b| b.as_bytes().to_vec()),
        response: Response {
            status: StatusCode::from_u16(response["status"].as_u64().expect("a status") as u16).expect("a status"),
            headers: headers(&response["headers"]),
            content: body.into(),
            complete: true,
        },
        class: class(&value["class"]),
        remedy: word(&value["remedy"]),
        alt: value["alt"].as_array().into_iter().flatten().map(class).collect(),
    }
}

fn headers(value: &Value) -> HeaderMap {
    value
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| {
            Some((
                name.parse::<HeaderName>().ok()?,
                HeaderValue::from_bytes(value.as_str()?.as_bytes()).ok()?,
            ))
        })
        .collect()
}

impl Line {
    /// The judge's verdict on it.
    pub fn verdict(&self, judge: &Judge) -> Verdict {
        let asked = Asked::new(&self.method, &self.path, &self.request);
        let asked = Asked {
            content: self.content.as_deref(),
            ..asked
        };
        judge.judge(&asked, &self.response)
    }

    /// Whether the class is right, or defensible.
    pub fn right(&self, verdict: &Verdict) -> bool {
        verdict.class == self.class || self.alt.contains(&verdict.class)
    }

    /// Whether acting on the verdict could do harm.
    pub fn is_unsafe(&self, verdict: &Verdict) -> bool {
        let allowed = |word: &str, class: Class| self.remedy == word || self.alt.contains(&class);
        match verdict.remedy {
            Remedy::Adopt => !allowed("adopt", Class::Duplicate),
            Remedy::Rebase => !allowed("rebase", Class::Stale),
            Remedy::HandOff => self.class != Class::Blocked,
            Remedy::Wait | Remedy::Stop => verdict.class == Class::Blocked && self.class != Class::Blocked,
        }
    }

    /// Whether it would wait for nothing.
    pub fn is_futile(&self, verdict: &Verdict) -> bool {
        verdict.remedy == Remedy::Wait
            && self.remedy == "stop"
            && !self.alt.contains(&Class::Race)
            && !self.alt.contains(&Class::InProgress)
    }

    /// What the judge can know of it, to find lines that differ by their label alone.
    fn seen(&self) -> String {
        let shape = |text: &str| -> String {
            let mut shape = String::new();
            for c in text.chars() {
                let c = if c.is_ascii_digit() { '0' } else { c };
                if !(c == '0' && shape.ends_with('0')) {
                    shape.push(c);
                }
            }
            shape
        };
        let mut sent: Vec<String> = ["if-match", "if-none-match", "if-unmodified-since", "overwrite", "if"]
            .iter()
            .filter(|n| self.request.contains_key(**n))
            .map(|n| {
                if self.request[*n] == "*" {
                    format!("{n}*")
                } else {
                    (*n).to_owned()
                }
            })
            .collect();
        sent.push(self.path.split('?').nth(1).map_or(String::new(), |q| {
            q.split('&')
                .filter_map(|p| p.split('=').next())
                .collect::<Vec<_>>()
                .join("&")
        }));
        let body = shape(&String::from_utf8_lossy(&self.response.content));
        let body = body.split("RequestId").next().unwrap_or_default();
        format!(
            "{} {} {sent:?} {} {}",
            self.api,
            self.method,
            self.response.status,
            body.get(..120).unwrap_or(body)
        )
    }
}

/// How a set of lines came out.
#[derive(Default)]
pub struct Score {
    /// How many lines.
    pub lines: usize,
    /// Right class.
    pub right: usize,
    /// Unsafe remedies.
    pub harmful: Vec<String>,
    /// Futile waits.
    pub futile: Vec<String>,
    /// *unclear*.
    pub unclear: usize,
    /// Genuine answers called blocked.
    pub false_blocked: usize,
    /// (label, verdict) → count.
    pub confusion: BTreeMap<(Class, Class), usize>,
    /// API → (right, lines).
    pub apis: BTreeMap<String, (usize, usize)>,
    /// What was wrong, in words.
    pub wrong: Vec<String>,
}

impl Score {
    /// Accuracy in tenths of a percent.
    pub fn permille(&self) -> usize {
        (self.right * 1000).checked_div(self.lines).unwrap_or(1000)
    }
}

/// Scores lines.
pub fn score<'l>(judge: &Judge, lines: impl IntoIterator<Item = &'l Line>) -> Score {
    let mut score = Score::default();
    for line in lines {
        let verdict = line.verdict(judge);
        let right = line.right(&verdict);
        score.lines += 1;
        score.right += usize::from(right);
        let api = score.apis.entry(line.api.clone()).or_default();
        api.0 += usize::from(right);
        api.1 += 1;
        *score.confusion.entry((line.class, verdict.class)).or_default() += 1;
        score.unclear += usize::from(verdict.class == Class::Unclear);
        score.false_blocked += usize::from(verdict.class == Class::Blocked && line.class != Class::Blocked);
        let told = format!(
            "{} ({}): label {}/{}, verdict {}/{} by {}: {}",
            line.id,
            line.api,
            line.class.as_str(),
            line.remedy,
            verdict.class.as_str(),
            verdict.remedy.as_str(),
            verdict.dialect.as_deref().unwrap_or("general"),
            verdict.reason()
        );
        if line.is_unsafe(&verdict) {
            score.harmful.push(told.clone());
        }
        if line.is_futile(&verdict) {
            score.futile.push(told.clone());
        }
        if !right {
            score.wrong.push(told);
        }
    }
    score
}

/// Widens labels of captures where neither request nor answer can show what the label says; returns how many.
///
/// - *race* with remedy adopt, rebase or stop says which of two writers was first;
/// - *in_progress* without a key in the request is this project's *race*;
/// - two captures that look the same and are labelled differently rest on something that was not sent.
///
/// The strict figures are printed beside these.
pub fn allow_undecidable(lines: &mut [Line]) -> usize {
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut widened = 0;
    for (at, line) in lines.iter_mut().enumerate() {
        let alt = match (line.class, line.remedy.as_str()) {
            (Class::Race, "adopt" | "stop") => Some(Class::Duplicate),
            (Class::Race, "rebase") => Some(Class::Stale),
            (Class::InProgress, _) if !line.request.contains_key("idempotency-key") => Some(Class::Race),
            _ => None,
        };
        widened += usize::from(alt.is_some());
        line.alt.extend(alt);
        groups.entry(line.seen()).or_default().push(at);
    }
    for group in groups.values() {
        let classes: BTreeSet<Class> = group.iter().map(|at| lines[*at].class).collect();
        let remedies: BTreeSet<&str> = group.iter().map(|at| lines[*at].remedy.as_str()).collect();
        if classes.len() > 1 || remedies.len() > 1 {
            for at in group {
                widened += 1;
                lines[*at].alt.extend(classes.iter().copied());
            }
        }
    }
    widened
}
