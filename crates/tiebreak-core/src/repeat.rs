//! Other people's blind retries: which running write does a request without a key repeat, if any?
//!
//! Many clients send a write again when its answer does not come, without a key. Some say so in a field; of the others only
//! this is known: the same caller sends the same write while nobody waits for the first one's answer any more. Such a repeat
//! gets the outcome of the original instead of being performed a second time. Each original is repeated by one at a time, so
//! that of several equal writes that are meant to be several, none is lost.

use http::HeaderMap;

use crate::caller::CallerId;
use crate::fingerprint::{Digest, Fingerprint};

/// Fields that count repeats, so that any number but zero marks one, and who sends them.
const RETRIES: [&str; 8] = [
    "x-stainless-retry-count", // SDKs that Stainless generates (OpenAI, Anthropic and many more)
    "x-retry-count",           // a widespread convention
    "x-nf-retry-count",        // Netlify's clients
    "x-ms-retry-count",        // clients of Azure DevOps and Power Platform
    "x-ms-client-retry-attempt-count", // SDKs of Azure Cosmos DB
    "x-cloudtasks-taskretrycount", // Google Cloud Tasks
    "x-appengine-taskretrycount", // the same, for App Engine
    "x-slack-retry-num",       // Slack's events
];

/// Fields that count attempts, so that any number over one marks a repeat.
const ATTEMPTS: [&str; 1] = [
    "x-envoy-attempt-count", // Envoy and what is built on it (Istio)
];

/// AWS SDKs: `attempt=2; max=3`.
const AWS_REQUEST: &str = "amz-sdk-request";

/// Google's client libraries: `… gccl-invocation-id/… gccl-attempt-count/2`.
const GOOGLE_CLIENT: &str = "x-goog-api-client";

/// Fields that name a call of a client and stay the same in its repeats.
const CALLS: [&str; 3] = [
    "amz-sdk-invocation-id",
    "x-goog-gcs-idempotency-token",
    "x-ms-client-request-id",
];

/// What a request says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Repeat {
    /// It says that it was sent before.
    pub marked: bool,
    /// Digest of the name that the client gave the call. Tells calls apart; it never makes two requests one.
    pub call: Option<Digest>,
}

impl Repeat {
    /// Reads the fields of a request.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Repeat {
        let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
        let over = |name: &str, most: u64| text(name).and_then(number).is_some_and(|n| n > most);
        let google = |what: &str| text(GOOGLE_CLIENT)?.split(' ').find_map(|p| p.strip_prefix(what));
        let aws = || {
            let parts = text(AWS_REQUEST)?.split([';', ',']);
            parts
                .into_iter()
                .find_map(|p| number(p.trim().strip_prefix("attempt=")?))
        };
        let marked = RETRIES.iter().any(|name| over(name, 0))
            || ATTEMPTS.iter().any(|name| over(name, 1))
            || aws().is_some_and(|n| n > 1)
            || google("gccl-attempt-count/").and_then(number).is_some_and(|n| n > 1);
        let call = google("gccl-invocation-id/").or_else(|| CALLS.iter().find_map(|name| text(name)));
        Repeat {
            marked,
            call: call.map(|c| Digest::of(&[c.as_bytes()])),
        }
    }

    /// Whether it may be sent for a call with this name.
    #[must_use]
    pub fn may_repeat(&self, other: Option<Digest>) -> bool {
        self.call.is_none() || other.is_none() || self.call == other
    }
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// What two writes without a key have in common if one may be the repeat of the other: caller and fingerprint; of anonymous
/// callers also what tells their senders apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Likeness(pub Digest);

impl Likeness {
    /// The likeness of a write; `None` if nothing tells its anonymous sender from others: then it is nobody's repeat.
    #[must_use]
    pub fn of(caller: CallerId, sender: Option<Digest>, fingerprint: Fingerprint) -> Option<Likeness> {
        let sender = match caller.is_anonymous() {
            true => sender?,
            false => Digest([0; 32]),
        };
        let digest = Digest::of(&[&caller.0.0, &sender.0, &fingerprint.0.0]);
        Some(Likeness(digest))
    }
}

/// A running write that is like the one at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Original {
    /// Whether its client has gone.
    pub gone: bool,
    /// Whether a repeat waits for its outcome already.
    pub joined: bool,
    /// The name that its client gave the call.
    pub call: Option<Digest>,
}

/// What a write is, in view of the running ones that are like it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// A write of its own.
    Original,
    /// The repeat of the running one at this place.
    Join(usize),
    /// The repeat of one whose client went away before it got the outcome, a success. Only where there is one.
    Undelivered,
    /// A repeat, but it cannot be told of which: wait until fewer run.
    Unclear,
}

/// Which of `running`, the oldest first, the request repeats. `undelivered`: there is a success whose client went away before
/// it came.
#[must_use]
pub fn choose(repeat: &Repeat, running: &[Original], undelivered: bool) -> Choice {
    let free = |o: &Original| !o.joined && repeat.may_repeat(o.call);
    if !repeat.marked {
        // Two that are meant to be two look just the same. Only where there is one, and nobody waits for it, is it a repeat.
        return match running {
            [one] if one.gone && free(one) => Choice::Join(0),
            _ => Choice::Original,
        };
    }
    if let Some(place) = running.iter().position(|o| o.gone && free(o)) {
        return Choice::Join(place);
    }
    if undelivered {
        return Choice::Undelivered;
    }
    let mut others = running.iter().enumerate().filter(|(_, o)| repeat.may_repeat(o.call));
    match (others.next(), others.next()) {
        // Its first attempt never came here, or was answered long ago.
        (None, _) => Choice::Original,
        // Clients often give up without closing the connection.
        (Some((place, one)), None) if free(one) => Choice::Join(place),
        (Some(_), _) => Choice::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[(&'static str, &str)]) -> Repeat {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.insert(*name, value.parse().unwrap());
        }
        Repeat::of(&headers)
    }

    #[test]
    fn markers() {
        for (name, value, marked) in [
            ("x-stainless-retry-count", "0", false),
            ("x-stainless-retry-count", "1", true),
            ("x-retry-count", " 2 ", true),
            ("x-retry-count", "many", false),
            ("x-retry-count", "-1", false),
            ("x-nf-retry-count", "", false),
            ("x-ms-client-retry-attempt-count", "1", true),
            ("x-cloudtasks-taskretrycount", "3", true),
            ("x-envoy-attempt-count", "1", false),
            ("x-envoy-attempt-count", "2", true),
            ("amz-sdk-request", "attempt=1; max=3", false),
            ("amz-sdk-request", "attempt=2; max=3", true),
            ("amz-sdk-request", "ttl=20261122T140000Z; attempt=3; max=3", true),
            ("amz-sdk-request", "max=3", false),
            (
                "x-goog-api-client",
                "gl-go/1.26 gccl-invocation-id/a gccl-attempt-count/1",
                false,
            ),
            (
                "x-goog-api-client",
                "gl-go/1.26 gccl-invocation-id/a gccl-attempt-count/2",
                true,
            ),
            ("retry-after", "5", false),
        ] {
            assert_eq!(read(&[(name, value)]).marked, marked, "{name}: {value}");
        }
    }

    #[test]
    fn calls_are_told_apart_by_their_names() {
        let one = read(&[("amz-sdk-invocation-id", "a"), ("amz-sdk-request", "attempt=2")]);
        assert!(one.marked && one.may_repeat(read(&[("amz-sdk-invocation-id", "a")]).call));
        assert!(!one.may_repeat(read(&[("amz-sdk-invocation-id", "b")]).call));
        assert!(one.may_repeat(None));
        let google = read(&[("x-goog-api-client", "gccl-invocation-id/a gccl-attempt-count/2")]);
        assert_eq!(google.call, one.call);
    }

    #[test]
    fn likeness_tells_callers_and_anonymous_senders_apart() {
        let print = Fingerprint(Digest([1; 32]));
        let known = |n| CallerId(Digest([n; 32]));
        let from = |n| Some(Digest([n; 32]));
        let of = Likeness::of;
        assert_eq!(of(known(1), from(1), print), of(known(1), from(2), print));
        assert_ne!(of(known(1), None, print), of(known(2), None, print));
        assert_ne!(
            of(CallerId::ANONYMOUS, from(1), print),
            of(CallerId::ANONYMOUS, from(2), print)
        );
        assert_eq!(of(CallerId::ANONYMOUS, None, print), None);
    }

    #[test]
    fn who_joins_whom() {
        use Choice::{Join, Unclear, Undelivered};
        const HERE: Original = Original {
            gone: false,
            joined: false,
            call: None,
        };
        const GONE: Original = Original { gone: true, ..HERE };
        const TAKEN: Original = Original { joined: true, ..GONE };
        let named = |o: Original| Original {
            call: Some(Digest([9; 32])),
            ..o
        };
        let marked = Repeat {
            marked: true,
            call: None,
        };
        let table: &[(bool, &[Original], bool, Choice)] = &[
            // Without a marker: one original, and it was left.
            (false, &[], false, Choice::Original),
            (false, &[], true, Choice::Original),
            (false, &[HERE], false, Choice::Original),
            (false, &[GONE], false, Join(0)),
            (false, &[TAKEN], false, Choice::Original),
            (false, &[GONE, HERE], false, Choice::Original),
            (false, &[GONE, GONE], false, Choice::Original),
            // With one.
            (true, &[], false, Choice::Original),
            (true, &[], true, Undelivered),
            (true, &[HERE], false, Join(0)),
            (true, &[HERE], true, Undelivered),
            (true, &[HERE, GONE], true, Join(1)),
            (true, &[GONE, GONE], false, Join(0)),
            (true, &[TAKEN, GONE], false, Join(1)),
            (true, &[TAKEN], false, Unclear),
            (true, &[HERE, HERE], false, Unclear),
            (true, &[TAKEN, HERE], false, Unclear),
        ];
        for (n, (is_marked, running, undelivered, expected)) in table.iter().enumerate() {
            let repeat = if *is_marked { marked } else { Repeat::default() };
            assert_eq!(choose(&repeat, running, *undelivered), *expected, "line {n}");
        }
        let other = Repeat {
            marked: true,
            call: Some(Digest([8; 32])),
        };
        assert_eq!(choose(&other, &[named(GONE)], false), Choice::Original);
        assert_eq!(choose(&other, &[named(HERE), HERE], false), Join(1));
    }
}
