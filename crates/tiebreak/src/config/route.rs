//! What may be set for a route, and for all of them under `[defaults]`.

use std::sync::Arc;
use std::time::Duration;

use http::header::{self, HeaderName};
use http::{HeaderMap, Method};
use tiebreak_core::guarantee::Guarantee;
use tiebreak_core::json;
use tiebreak_core::merge::{RuleError, Together};
use tiebreak_core::policy::{KeyRule, OnDuplicate, OnOverlap, OnStale, Policy, Unguarded};
use tiebreak_core::validator::EtagKind;
use tiebreak_core::virtual_tag::VirtualTags;

use super::fault::{Wrong, each};
use super::identity::{read_natural_key, read_version, show_natural_key, show_version};
use super::lane::LaneTemplate;
use super::node::{Node, Value};
use super::pattern::Pattern;
use super::reading::{show_duration, show_list, show_size, show_text, show_word};
use super::setting::{Layered, Setting};
use super::upstream::UpstreamName;

/// What names a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Principal {
    /// A field, which something in front has authenticated.
    Field(HeaderName),
    /// The certificate that the client has shown.
    Certificate,
}

/// The word for the certificate in the configuration. No field is called so.
const CERTIFICATE: &str = "certificate";

/// What a route says besides which requests are its own.
#[derive(Debug, Clone)]
pub(crate) struct RouteSettings {
    /// What the engine has to know.
    pub(crate) policy: Policy,
    /// The conflict domains, besides the target.
    pub(crate) lanes: Vec<LaneTemplate>,
    /// What names the caller; `None`: the credential, and the certificate if there is one.
    pub(crate) principal: Option<Principal>,
    /// At most so many bytes of content in one write.
    pub(crate) max_content: usize,
    /// What is done with a write that has more.
    pub(crate) over_bound: OverBound,
    /// The member that names the version of each JSON object that is served; `None`: there is none.
    pub(crate) mark_reads: Option<String>,
    /// How long an answer to a read may pause.
    pub(crate) read_idle: ReadIdle,
}

/// How long the origin may send nothing more of the content of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadIdle {
    /// Five minutes where the answer says how long it is; another may be a stream of events, in which silence is no fault.
    Auto,
    /// So long, whatever the answer.
    Limit(Duration),
    /// As long as the client has patience.
    Off,
}

impl ReadIdle {
    /// The bound on an answer with these fields.
    pub(crate) fn limit(self, headers: &HeaderMap) -> Option<Duration> {
        match self {
            ReadIdle::Auto => headers.contains_key(header::CONTENT_LENGTH).then_some(READ_IDLE),
            ReadIdle::Limit(limit) => Some(limit),
            ReadIdle::Off => None,
        }
    }
}

/// See [`ReadIdle::Auto`].
const READ_IDLE: Duration = Duration::from_secs(5 * 60);

/// What is done with a write whose content is over the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OverBound {
    /// 413.
    Refuse,
    /// It is streamed on unprotected.
    Pass,
}

impl Default for RouteSettings {
    fn default() -> RouteSettings {
        RouteSettings {
            policy: Policy::default(),
            lanes: Vec::new(),
            principal: None,
            max_content: 16 << 20,
            over_bound: OverBound::Refuse,
            mark_reads: None,
            read_idle: ReadIdle::Auto,
        }
    }
}

/// Which requests are a route's own, and how they are treated.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    /// What people call it.
    pub(crate) name: String,
    /// Where it begins in the file; `None`: it is what holds where no route matches.
    pub(crate) at: Option<std::ops::Range<usize>>,
    pub(crate) pattern: Pattern,
    /// `None`: all of them.
    pub(crate) methods: Option<Vec<Method>>,
    pub(crate) upstream: UpstreamName,
    pub(crate) settings: Layered<RouteSettings>,
    /// The policy of `settings`, as exchanges share it.
    pub(crate) policy: Arc<Policy>,
}

impl Route {
    /// Whether a request is its own.
    pub(crate) fn matches(&self, method: &Method, path: &str) -> bool {
        self.methods.as_ref().is_none_or(|methods| methods.contains(method)) && self.pattern.matches(path)
    }
}

pub(super) const ETAG: [(&str, EtagKind); 3] = [
    ("auto", EtagKind::Auto),
    ("version", EtagKind::Version),
    ("digest", EtagKind::Digest),
];
const VIRTUAL_TAGS: [(&str, VirtualTags); 3] = [
    ("off", VirtualTags::Off),
    ("bytes", VirtualTags::Bytes),
    ("json", VirtualTags::Json),
];
const UNGUARDED: [(&str, Unguarded); 2] = [("allow", Unguarded::Allow), ("refuse", Unguarded::Refuse)];
const ON_DUPLICATE: [(&str, OnDuplicate); 2] = [("stop", OnDuplicate::Stop), ("adopt", OnDuplicate::Adopt)];
const ON_STALE: [(&str, OnStale); 3] = [
    ("rebase", OnStale::Rebase),
    ("rebase-always", OnStale::RebaseAlways),
    ("stop", OnStale::Stop),
];
const ON_OVERLAP: [(&str, OnOverlap); 3] = [
    ("refuse", OnOverlap::Refuse),
    ("ours", OnOverlap::Ours),
    ("theirs", OnOverlap::Theirs),
];
const OVER_BOUND: [(&str, OverBound); 2] = [("refuse", OverBound::Refuse), ("pass", OverBound::Pass)];
const KEY: [(&str, KeyRule); 4] = [
    ("required", KeyRule::Required),
    ("accepted", KeyRule::Accepted),
    ("derived", KeyRule::Derived),
    ("off", KeyRule::Off),
];
const LEAST: [(&str, Guarantee); 4] = [
    ("A", Guarantee::A),
    ("B", Guarantee::B),
    ("C", Guarantee::C),
    ("D", Guarantee::D),
];

/// The longest content that may be allowed: it is held in memory.
const MOST_CONTENT: u64 = 1 << 30;

/// The longest that a person may take for a check: a client waits, and a page is open.
const LONGEST_HAND_OFF: Duration = Duration::from_secs(60 * 60);

/// A setting that is read anew without a restart.
const fn setting(
    name: &'static str,
    read: fn(&mut RouteSettings, &Node) -> Result<(), Wrong>,
    show: fn(&RouteSettings) -> Option<String>,
) -> Setting<RouteSettings> {
    Setting {
        name,
        read,
        show,
        at_start: false,
    }
}

/// What may stand in a `[[route]]` and in `[defaults]`.
pub(crate) const SETTINGS: &[Setting<RouteSettings>] = &[
    setting(
        "etag",
        |r, node| node.word(&ETAG).map(|kind| r.policy.etag = kind),
        |r| Some(show_word(&ETAG, r.policy.etag)),
    ),
    setting(
        "virtual_tags",
        |r, node| node.word(&VIRTUAL_TAGS).map(|kind| r.policy.virtual_tags = kind),
        |r| Some(show_word(&VIRTUAL_TAGS, r.policy.virtual_tags)),
    ),
    setting(
        "honours_keys",
        |r, node| node.yes().map(|yes| r.policy.honours_keys = yes),
        |r| Some(r.policy.honours_keys.to_string()),
    ),
    setting(
        "honours_keys_for",
        |r, node| read_span(node).map(|span| r.policy.honours_keys_for = span),
        |r| Some(show_span(r.policy.honours_keys_for)),
    ),
    setting(
        "key",
        |r, node| node.word(&KEY).map(|rule| r.policy.keys.rule = rule),
        |r| Some(show_word(&KEY, r.policy.keys.rule)),
    ),
    setting(
        "key_field",
        |r, node| {
            r.policy.keys.field = HeaderName::from_bytes(node.text()?.as_bytes())
                .map_err(|_| Wrong::expected("the name of a header field, such as \"Idempotency-Key\"", node))?;
            Ok(())
        },
        |r| Some(show_text(r.policy.keys.field.as_str())),
    ),
    setting(
        "key_window",
        |r, node| match node.duration()? {
            d if d.is_zero() => Err(Wrong::expected("a duration longer than nothing", node)),
            d => {
                r.policy.keys.window = d;
                Ok(())
            }
        },
        |r| Some(show_duration(r.policy.keys.window)),
    ),
    setting(
        "key_reuse_status",
        |r, node| client_error(node).map(|status| r.policy.keys.reuse_status = status),
        |r| Some(r.policy.keys.reuse_status.to_string()),
    ),
    setting(
        "key_running_status",
        |r, node| client_error(node).map(|status| r.policy.keys.running_status = status),
        |r| Some(r.policy.keys.running_status.to_string()),
    ),
    setting(
        "join_repeats",
        |r, node| node.yes().map(|yes| r.policy.joins = yes),
        |r| Some(r.policy.joins.to_string()),
    ),
    setting(
        "unguarded",
        |r, node| node.word(&UNGUARDED).map(|word| r.policy.unguarded = word),
        |r| Some(show_word(&UNGUARDED, r.policy.unguarded)),
    ),
    setting(
        "least",
        |r, node| node.word(&LEAST).map(|least| r.policy.least = least),
        |r| Some(show_word(&LEAST, r.policy.least)),
    ),
    setting(
        "on_duplicate",
        |r, node| node.word(&ON_DUPLICATE).map(|word| r.policy.on_duplicate = word),
        |r| Some(show_word(&ON_DUPLICATE, r.policy.on_duplicate)),
    ),
    setting(
        "on_stale",
        |r, node| node.word(&ON_STALE).map(|word| r.policy.on_stale = word),
        |r| Some(show_word(&ON_STALE, r.policy.on_stale)),
    ),
    setting(
        "on_overlap",
        |r, node| node.word(&ON_OVERLAP).map(|word| r.policy.merge.on_overlap = word),
        |r| Some(show_word(&ON_OVERLAP, r.policy.merge.on_overlap)),
    ),
    setting("identity", read_identity, show_identity),
    setting("together", read_together, show_together),
    setting("volatile", read_volatile, |r| {
        let places: Vec<String> = r
            .policy
            .merge
            .volatile
            .iter()
            .map(|p| show_pattern(p.tokens()))
            .collect();
        (!places.is_empty()).then(|| show_list(places.iter().map(String::as_str)))
    }),
    setting("version", read_version, show_version),
    setting("natural_key", read_natural_key, show_natural_key),
    setting(
        "mark_reads",
        |r, node| match node.text()? {
            "" => Err(Wrong::expected("the name of a member, such as \"_tiebreak\"", node)),
            name => {
                r.mark_reads = Some(name.to_owned());
                Ok(())
            }
        },
        |r| r.mark_reads.as_deref().map(show_text),
    ),
    setting("lane", read_lanes, |r| {
        (!r.lanes.is_empty()).then(|| show_list(r.lanes.iter().map(LaneTemplate::as_str)))
    }),
    setting(
        "principal",
        |r, node| {
            let text = node.text()?;
            let field = || HeaderName::from_bytes(text.as_bytes()).map(Principal::Field);
            r.principal = Some(match text {
                CERTIFICATE => Principal::Certificate,
                _ => field().map_err(|_| {
                    Wrong::expected(
                        "the name of a header field, such as \"X-User\", or \"certificate\"",
                        node,
                    )
                })?,
            });
            Ok(())
        },
        |r| {
            r.principal.as_ref().map(|principal| match principal {
                Principal::Field(name) => show_text(name.as_str()),
                Principal::Certificate => show_text(CERTIFICATE),
            })
        },
    ),
    setting(
        "attempts",
        |r, node| {
            r.policy.attempts = u32::try_from(node.whole(1..=1000)?).unwrap_or(u32::MAX);
            Ok(())
        },
        |r| Some(r.policy.attempts.to_string()),
    ),
    setting(
        "patience",
        |r, node| node.duration().map(|d| r.policy.patience = d),
        |r| Some(show_duration(r.policy.patience)),
    ),
    setting(
        "attempt_timeout",
        |r, node| match node.duration()? {
            d if d.is_zero() => Err(Wrong::expected("a duration longer than nothing", node)),
            d => {
                r.policy.attempt_timeout = d;
                Ok(())
            }
        },
        |r| Some(show_duration(r.policy.attempt_timeout)),
    ),
    setting(
        "read_idle_timeout",
        |r, node| {
            r.read_idle = match &node.value {
                Value::Text(text) if text == "auto" => ReadIdle::Auto,
                Value::Text(text) if text == "off" => ReadIdle::Off,
                _ => match node.duration()? {
                    d if d.is_zero() => {
                        return Err(Wrong::expected(
                            "a duration longer than nothing, \"auto\" or \"off\"",
                            node,
                        ));
                    }
                    d => ReadIdle::Limit(d),
                },
            };
            Ok(())
        },
        |r| {
            Some(match r.read_idle {
                ReadIdle::Auto => show_text("auto"),
                ReadIdle::Limit(limit) => show_duration(limit),
                ReadIdle::Off => show_text("off"),
            })
        },
    ),
    setting("backoff", read_backoff, |r| {
        let (first, longest) = r.policy.backoff;
        Some(format!("[{}, {}]", show_duration(first), show_duration(longest)))
    }),
    setting(
        "late_after",
        |r, node| node.duration().map(|d| r.policy.late_after = d),
        |r| Some(show_duration(r.policy.late_after)),
    ),
    setting(
        "remember",
        |r, node| read_span(node).map(|span| r.policy.remember = span),
        |r| Some(show_span(r.policy.remember)),
    ),
    setting(
        "keep_content",
        |r, node| node.size(0..=16 << 20).map(|n| r.policy.keep_content = n),
        |r| Some(show_size(r.policy.keep_content as u64)),
    ),
    setting(
        "expect_over",
        |r, node| node.size(0..=MOST_CONTENT).map(|n| r.policy.expect_over = n),
        |r| Some(show_size(r.policy.expect_over as u64)),
    ),
    setting(
        "max_content",
        |r, node| node.size(1..=MOST_CONTENT).map(|n| r.max_content = n),
        |r| Some(show_size(r.max_content as u64)),
    ),
    setting(
        "over_bound",
        |r, node| node.word(&OVER_BOUND).map(|word| r.over_bound = word),
        |r| Some(show_word(&OVER_BOUND, r.over_bound)),
    ),
    setting(
        "follow_202",
        |r, node| node.yes().map(|yes| r.policy.follow_202 = yes),
        |r| Some(r.policy.follow_202.to_string()),
    ),
    setting(
        "hand_off",
        |r, node| node.yes().map(|yes| r.policy.hand_off = yes),
        |r| Some(r.policy.hand_off.to_string()),
    ),
    setting(
        "hand_off_wait",
        |r, node| match node.duration()? {
            d if d.is_zero() || d > LONGEST_HAND_OFF => Err(Wrong::expected("a duration of at most one hour", node)),
            d => {
                r.policy.hand_off_wait = d;
                Ok(())
            }
        },
        |r| Some(show_duration(r.policy.hand_off_wait)),
    ),
    setting(
        "claim_ahead",
        |r, node| node.yes().map(|yes| r.policy.claim_ahead = yes),
        |r| Some(r.policy.claim_ahead.to_string()),
    ),
];

const POINTERS: &str = "begin it with / and write ~1 for / and ~0 for ~; * stands for any member or item";

/// A status that says that the request was at fault.
fn client_error(node: &Node) -> Result<u16, Wrong> {
    node.whole(400..=499).map(|status| u16::try_from(status).unwrap_or(400))
}

fn pattern(text: &str) -> Result<json::Pattern, Wrong> {
    json::Pattern::parse(text).map_err(|_| Wrong::new(format!("{text:?} is no JSON Pointer")).with(POINTERS))
}

fn show_pattern(tokens: &[String]) -> String {
    json::join(tokens.iter().map(String::as_str))
}

fn read_identity(r: &mut RouteSettings, node: &Node) -> Result<(), Wrong> {
    r.policy.merge.identity_keys = each(node.table("{ \"/items\" = \"id\" }")?, |member| {
        let place = pattern(&member.name).map_err(|wrong| Wrong {
            at: Some(member.at.clone()),
            ..wrong
        })?;
        let members = each(member.node.list()?, |node| node.text().map(str::to_owned))?;
        if members.is_empty() {
            let wrong = Wrong::expected("the members that tell items apart, such as \"id\"", &member.node);
            return Err(wrong);
        }
        Ok((place, members))
    })?;
    Ok(())
}

fn show_identity(r: &RouteSettings) -> Option<String> {
    let keys = &r.policy.merge.identity_keys;
    let shown: Vec<String> = keys
        .iter()
        .map(|(place, members)| {
            let members = show_list(members.iter().map(String::as_str));
            format!("{} = {members}", show_text(&show_pattern(place.tokens())))
        })
        .collect();
    (!shown.is_empty()).then(|| format!("{{ {} }}", shown.join(", ")))
}

fn read_together(r: &mut RouteSettings, node: &Node) -> Result<(), Wrong> {
    r.policy.merge.together = each(node.list()?, |set| {
        let Value::List(places) = &set.value else {
            return Err(Wrong::expected("a list of sets, such as [[\"/start\", \"/end\"]]", set));
        };
        let places = each(places, Node::text)?;
        Together::parse(&places).map_err(|error| together_error(&error).at(set))
    })?;
    Ok(())
}

fn together_error(error: &RuleError) -> Wrong {
    match error {
        RuleError::Pointer(error) => Wrong::new(format!("{:?} is no JSON Pointer", error.0)).with(POINTERS),
        RuleError::TooFew => {
            Wrong::new("a set has at least two places").with("name them, such as [\"/start\", \"/end\"]")
        }
        RuleError::Wildcard => {
            let remedy = "write * only where all places are alike, such as [\"/slots/*/start\", \"/slots/*/end\"]";
            Wrong::new("* stands where the places of the set differ").with(remedy)
        }
    }
}

fn show_together(r: &RouteSettings) -> Option<String> {
    let shown: Vec<String> = r
        .policy
        .merge
        .together
        .iter()
        .map(|set| {
            let places = set.places();
            show_list(places.iter().map(String::as_str))
        })
        .collect();
    (!shown.is_empty()).then(|| format!("[{}]", shown.join(", ")))
}

fn read_volatile(r: &mut RouteSettings, node: &Node) -> Result<(), Wrong> {
    r.policy.merge.volatile = each(node.list()?, |node| {
        pattern(node.text()?).map_err(|wrong| wrong.at(node))
    })?;
    Ok(())
}

fn read_lanes(r: &mut RouteSettings, node: &Node) -> Result<(), Wrong> {
    r.lanes = each(node.list()?, |node| {
        LaneTemplate::parse(node.text()?).map_err(|(what, remedy)| Wrong::new(what).with(remedy).at(node))
    })?;
    Ok(())
}

/// A duration, or for ever: `None`.
fn read_span(node: &Node) -> Result<Option<Duration>, Wrong> {
    match &node.value {
        Value::Text(text) if text == "forever" => Ok(None),
        _ => node.duration().map(Some),
    }
}

fn show_span(span: Option<Duration>) -> String {
    span.map_or_else(|| show_text("forever"), show_duration)
}

fn read_backoff(r: &mut RouteSettings, node: &Node) -> Result<(), Wrong> {
    let Value::List(steps) = &node.value else {
        return Err(Wrong::expected(
            "the shortest and the longest step, such as [\"50ms\", \"5s\"]",
            node,
        ));
    };
    let [first, longest] = steps.as_slice() else {
        return Err(Wrong::new(format!("expected two durations, found {}", steps.len()))
            .with("name the shortest and the longest step, such as [\"50ms\", \"5s\"]"));
    };
    let (shortest, most) = (first.duration()?, longest.duration()?);
    if shortest > most {
        return Err(Wrong::new("the shortest step is longer than the longest").with("write the shorter one first"));
    }
    r.policy.backoff = (shortest, most);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_itself_only_an_answer_that_says_its_length_is_bounded() {
        let known = HeaderMap::from_iter([(header::CONTENT_LENGTH, http::HeaderValue::from_static("9"))]);
        let (open, limit) = (HeaderMap::new(), Duration::from_secs(1));
        assert_eq!(ReadIdle::Auto.limit(&known), Some(READ_IDLE));
        assert_eq!(ReadIdle::Auto.limit(&open), None);
        assert_eq!(ReadIdle::Limit(limit).limit(&open), Some(limit));
        assert_eq!(ReadIdle::Off.limit(&known), None);
    }
}
