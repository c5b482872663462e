//! What a verdict means to a person: in plain words, with the next step.

use std::time::Duration;

use http::Method;
use tiebreak_core::verdict::{Class, Confidence, Scope, Verdict};

use crate::explain::case::Case;
use crate::explain::command::{self, read, send_again};

/// An answer, explained.
#[derive(Debug)]
pub(crate) struct Explanation {
    /// What it is, in one sentence.
    pub(crate) headline: String,
    /// What happened, in two or three.
    pub(crate) meaning: String,
    /// Whether the same request may be sent again.
    pub(crate) repeat: Repeat,
    /// Why, or why not.
    pub(crate) repeat_because: String,
    /// What to do, in order.
    pub(crate) steps: Vec<Step>,
    /// What is good to know beside.
    pub(crate) notes: Vec<String>,
}

/// Whether the same request may be sent again, unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// After a while.
    Later,
    /// It does no harm and cannot help.
    Useless,
    /// It may do harm.
    No,
}

impl Repeat {
    /// The word in `--json`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Repeat::Later => "later",
            Repeat::Useless => "useless",
            Repeat::No => "no",
        }
    }

    /// The words in the text.
    pub(crate) fn phrase(self) -> &'static str {
        match self {
            Repeat::Later => "Yes, but later.",
            Repeat::Useless => "It would do no harm, but it would not help.",
            Repeat::No => "No.",
        }
    }
}

/// One thing to do.
#[derive(Debug)]
pub(crate) struct Step {
    /// What.
    pub(crate) text: String,
    /// A command that does it.
    pub(crate) command: Option<String>,
}

fn step(text: impl Into<String>) -> Step {
    Step {
        text: text.into(),
        command: None,
    }
}

fn run(text: impl Into<String>, command: String) -> Step {
    Step {
        text: text.into(),
        command: Some(command),
    }
}

/// Explains `verdict` on `case`.
pub(crate) fn explain(case: &Case, verdict: &Verdict) -> Explanation {
    let mut explanation = match verdict.class {
        _ if !verdict.items.is_empty() => bulk(verdict),
        Class::Duplicate => duplicate(case, verdict),
        Class::Stale => stale(case),
        Class::Race => race(case, verdict),
        Class::InProgress => in_progress(verdict),
        Class::KeyReuse => key_reuse(case),
        Class::State => state(case),
        Class::Invalid => invalid(case, verdict),
        Class::Blocked => blocked(case, verdict),
        Class::Other => other(case, verdict),
        Class::Unclear => unclear(case),
    };
    if let Some(scope) = verdict.scope.and_then(scope_note) {
        explanation.notes.push(scope.into());
    }
    let guessed = verdict.evidence.first().is_none_or(|e| e.place == "status");
    if verdict.confidence == Confidence::Low && guessed {
        explanation.notes.push(
            "Nothing in the answer names the cause; this is the likeliest reading of status and method alone.".into(),
        );
    }
    if explanation
        .steps
        .iter()
        .filter_map(|s| s.command.as_deref())
        .any(|c| c.contains("$URL"))
    {
        explanation.notes.push(
            "In the commands, $URL stands for the full address of your request; the input does not show it.".into(),
        );
    }
    if case.method().is_none() && verdict.class != Class::Blocked {
        explanation.notes.push(
            "The input does not show the request. With it the answer is surer: use `curl -v`, or add --method, --path and --header."
                .into(),
        );
    }
    explanation
}

fn bulk(verdict: &Verdict) -> Explanation {
    let count = verdict.items.len();
    let items = if count == 1 {
        "1 item".into()
    } else {
        format!("{count} items")
    };
    Explanation {
        headline: format!("{items} of this bulk request did not go through"),
        meaning: "The status speaks of the request as a whole; each item has an answer of its own. The items that are named below were not applied, the others were.".into(),
        repeat: Repeat::No,
        repeat_because: "Sent again as a whole, it would apply once more what was applied already.".into(),
        steps: vec![
            step("Take the refused items out, and deal with each by its own cause (shown above)."),
            step("Send only those again."),
        ],
        notes: Vec::new(),
    }
}

fn duplicate(case: &Case, verdict: &Verdict) -> Explanation {
    let mut steps = Vec::new();
    let known = verdict.existing.as_deref();
    match known {
        Some(existing) => steps.push(run(
            format!("Read what exists already ({existing}) and compare it with what you wanted:"),
            read(&command::existing_url(case, existing)),
        )),
        None => steps.push(step(
            "Find what exists already: search by the value that must be unique (name, e-mail address, number), and compare it with what you wanted.",
        )),
    }
    steps.push(step("If it is the same, you are done: use the existing one. If it differs, change the existing one, or choose another name."));
    steps.push(step("If your first attempt got no answer (timeout, broken connection), this may well be your own write: the comparison tells."));
    let literal = case.sent("if-none-match").then(|| {
        "You sent If-None-Match, which means \"only if it does not exist yet\": the server did exactly what you asked.".to_owned()
    });
    Explanation {
        headline: "it exists already".into(),
        meaning: format!(
            "You tried to create something that is already there{}. Nothing was changed by this request.",
            known.map_or_else(String::new, |k| format!(" ({k})"))
        ),
        repeat: Repeat::Useless,
        repeat_because: "The answer would be the same. Under another name or key you would create a second one.".into(),
        steps,
        notes: literal.into_iter().chain(status_note(case, verdict)).collect(),
    }
}

fn stale(case: &Case) -> Explanation {
    let url = command::url(case);
    let method = command::method(case);
    let named = case.names_a_version();
    let condition = "'If-Match: \"<the ETag you read>\"'";
    Explanation {
        headline: "someone else changed it in the meantime".into(),
        meaning: if named {
            "Your request says which version it was made for, and the resource is at another version now. The server refused, so that the other change is not lost. Nothing was changed by this request."
        } else {
            "Your change was made from an older version of the resource than the server has now. The server refused, so that the other change is not lost. Nothing was changed by this request."
        }
        .into(),
        repeat: Repeat::No,
        repeat_because: "Unchanged it fails again. With only the version number brought up to date it would pass, and silently undo the other change: do not do that.".into(),
        steps: if case.method() == Some(&Method::DELETE) {
            vec![
                run("Read what is there now; note its ETag (or version number):", read(&url)),
                step("Decide whether that should still be deleted: somebody has just changed it."),
                run("If so, delete exactly that version:", format!("curl -i -X DELETE {url} -H {condition}")),
            ]
        } else {
            vec![
                run("Read the current version; note its ETag (or version number):", read(&url)),
                step("Put your change into that: only the fields you meant to change. If the other change touched the same fields, a person must decide."),
                run(
                    "Send the result, with the version you have just read, in If-Match or wherever this API takes versions:",
                    format!("curl -i -X {method} {url} -H {condition} -H 'Content-Type: application/json' --data @merged.json"),
                ),
            ]
        },
        notes: vec!["Tiebreak does these steps by itself (three-way merge) for clients that write through it: `tiebreak serve --upstream URL`.".into()],
    }
}

fn race(case: &Case, verdict: &Verdict) -> Explanation {
    Explanation {
        headline: "another operation on it is running right now".into(),
        meaning: "Your request met another one that works on the same thing. It was not applied, and the same request may well succeed once the other is through.".into(),
        repeat: Repeat::Later,
        repeat_because: format!(
            "{} Wait longer each time, and give up after some attempts.",
            wait_words(verdict.retry_after)
        ),
        steps: vec![run(
            "Wait, then send the same request again:",
            format!("sleep {} && {}", seconds(verdict.retry_after, 2), send_again(case)),
        )],
        notes: vec!["If many workers write to the same thing, let them queue: each repeat of one is the next conflict of another.".into()],
    }
}

fn in_progress(verdict: &Verdict) -> Explanation {
    Explanation {
        headline: "your first request with this key is still running".into(),
        meaning: "The server has seen this idempotency key before and has not finished that request. This one was not applied on top of it.".into(),
        repeat: Repeat::Later,
        repeat_because: format!(
            "{} With the same key and the same content the server answers with the outcome of the first request.",
            wait_words(verdict.retry_after)
        ),
        steps: vec![step(
            "Wait, then send the same request with the same key. Do not choose a new key: that could perform the write twice.",
        )],
        notes: Vec::new(),
    }
}

fn key_reuse(case: &Case) -> Explanation {
    let key = case
        .request
        .as_ref()
        .and_then(|r| r.headers.get("idempotency-key"))
        .and_then(|v| v.to_str().ok());
    Explanation {
        headline: "this idempotency key was used for another request".into(),
        meaning: format!(
            "The key{} belongs to an earlier request with other content. The server will not perform a different write under it. Nothing was changed by this request.",
            key.map_or_else(String::new, |k| format!(" ({k})"))
        ),
        repeat: Repeat::No,
        repeat_because: "It fails again. And a new key is only right if this is really a new write: otherwise the first one is performed twice.".into(),
        steps: vec![
            step("Find out which of the two you meant: the earlier request with this key, or this one."),
            step("If this one repeats the earlier one, send exactly the earlier content with the same key."),
            step("If it is a new write, give it a key of its own, and find the bug that used one key for two."),
        ],
        notes: Vec::new(),
    }
}

fn state(case: &Case) -> Explanation {
    Explanation {
        headline: "its present state does not allow this".into(),
        meaning: "The resource is in a state in which this operation is not possible (closed, published, in use, not empty, its parent missing …). Nothing was changed by this request.".into(),
        repeat: Repeat::Useless,
        repeat_because: "Time alone will not change the state: the same request gets the same answer.".into(),
        steps: vec![
            run("Look at the present state:", read(&command::url(case))),
            step("Do what the state asks for first (reopen it, remove what uses it, create the parent …), or drop this write."),
        ],
        notes: Vec::new(),
    }
}

fn invalid(case: &Case, verdict: &Verdict) -> Explanation {
    let mut steps: Vec<Step> = verdict
        .fields
        .iter()
        .take(12)
        .map(|f| step(format!("`{}`: {}", f.field, f.message)))
        .collect();
    if steps.is_empty() {
        steps.push(step(
            "Compare what you sent with what the answer complains about, and with the API's documentation.",
        ));
    }
    steps.push(step("Correct the content and send it as a new request."));
    Explanation {
        headline: "the content itself is not acceptable".into(),
        meaning: "The server understood the request, and something in its content is wrong or missing. This is not about other writers. Nothing was changed by this request.".into(),
        repeat: Repeat::Useless,
        repeat_because: "Unchanged, the content stays wrong.".into(),
        steps,
        notes: status_note(case, verdict).into_iter().collect(),
    }
}

fn blocked(case: &Case, verdict: &Verdict) -> Explanation {
    let signal = verdict.evidence.first().map_or("", |e| e.signal.as_ref());
    let url = command::url(case);
    let (meaning, steps) = if signal.starts_with("refused on the way out") {
        (
            "This answer does not come from the API, nor from its site: a gateway of the network you are in did not let the request out.",
            vec![step(
                "Ask whoever runs your network to allow this address. A browser in the same network meets the same gateway.",
            )],
        )
    } else if signal.starts_with("a browser test") {
        (
            "This answer does not come from the API: a bot wall in front of it wants to see a real browser first. The API has not seen your request.",
            vec![
                run(
                    "Open the address in a real browser, with a person at it, and pass the test:",
                    format!("xdg-open {url}"),
                ),
                step(
                    "If this is meant to work without a person, ask the site for access for programs: an API host without the wall, a key, or an exception for your address.",
                ),
            ],
        )
    } else {
        (
            "This answer does not come from the API: a firewall in front of it took your request for harmful, or your address for unwelcome.",
            vec![
                step(
                    "Ask the site to let the request through, and quote the number or address that the answer names (see above).",
                ),
                run(
                    "To see what a person sees, open the address in a real browser:",
                    format!("xdg-open {url}"),
                ),
            ],
        )
    };
    Explanation {
        headline: "a wall in front of the API answered, not the API".into(),
        meaning: meaning.into(),
        repeat: Repeat::No,
        repeat_because: "Repeating makes a wall more suspicious, and often prolongs the block.".into(),
        steps,
        notes: vec![
            "Tiebreak recognises walls and names them; it does not get past them (no forged fingerprints, no solved puzzles).".into(),
        ],
    }
}

fn other(case: &Case, verdict: &Verdict) -> Explanation {
    let status = case.response.status.as_u16();
    let (headline, meaning, repeat, because, step_text): (&str, &str, Repeat, String, &str) = match status {
        100..=199 => (
            "an interim answer, not the final one",
            "The server says that it goes on. The answer that counts comes after this.",
            Repeat::No,
            "The request is still running.".into(),
            "Wait for the final answer, or read the resource to see whether the write landed.",
        ),
        202 => (
            "accepted, but not done yet",
            "The server took the request and will perform it later.",
            Repeat::No,
            "It could be performed twice.".into(),
            "Follow the address that the answer names (Location, or a status link) until it says that it is done.",
        ),
        200..=299 | 303 => (
            "no conflict: it worked",
            "The server performed the request.",
            Repeat::No,
            "It was applied already; sent again it might be applied twice.".into(),
            "Nothing.",
        ),
        300..=399 => (
            "a redirect, not a conflict",
            "The server points to another address. The write was not performed here.",
            Repeat::No,
            "Whether a write may follow a redirect is for you to decide: method and content can change on the way."
                .into(),
            "Look at Location, and send the write there if that is where it belongs.",
        ),
        401 | 403 | 407 => (
            "not a conflict: you are not allowed to",
            "The server does not accept your credentials for this, or they are missing. Nothing was changed.",
            Repeat::Useless,
            "With the same credentials the answer stays the same.".into(),
            "Check the credentials, their scope, and whether they have expired.",
        ),
        404 | 410 => (
            "not a conflict: it is not there",
            "The address does not exist, or the resource is gone, or hidden from these credentials.",
            Repeat::Useless,
            "The answer stays the same.".into(),
            "Check the address. If you are deleting, it may be gone already: that may be what you wanted.",
        ),
        429 => (
            "not a conflict: too many requests",
            "The server limits how often you may ask. This request was not performed.",
            Repeat::Later,
            wait_words(verdict.retry_after),
            "Wait, then send it again; send fewer at a time.",
        ),
        428 => (
            "a condition is missing",
            "The server wants to know which version you are changing, so that nobody's change gets lost. Nothing was changed.",
            Repeat::Useless,
            "Without the condition the answer stays the same.".into(),
            "Read the resource, note its ETag, and send the write with `If-Match: <that ETag>`.",
        ),
        408 | 500..=599 => (
            "the outcome is unknown",
            "The server (or a gateway before it) failed while your request was under way. It may have been performed, or may still be.",
            if verdict.proves_refusal {
                Repeat::Later
            } else {
                Repeat::No
            },
            if verdict.proves_refusal {
                format!(
                    "This API says so only when it has not performed the request. {}",
                    wait_words(verdict.retry_after)
                )
            } else {
                "If it was performed, a repeat could do it twice, or conflict with your own write.".into()
            },
            "Read the resource first and compare it with what you wrote. Send it again only if it is not there, with If-Match or an idempotency key if the API knows them.",
        ),
        _ => (
            "an error, but not a conflict",
            "The server refused the request for a reason that has nothing to do with other writers.",
            Repeat::Useless,
            "Unchanged it gets the same answer.".into(),
            "Read the message in the answer and correct the request.",
        ),
    };
    let steps = match status {
        408 | 428 | 500..=599 => vec![run(step_text, read(&command::url(case)))],
        _ => vec![step(step_text)],
    };
    Explanation {
        headline: headline.into(),
        meaning: meaning.into(),
        repeat,
        repeat_because: because,
        steps,
        notes: Vec::new(),
    }
}

fn unclear(case: &Case) -> Explanation {
    Explanation {
        headline: "a conflict, but the answer does not say which".into(),
        meaning: "The server refused the request because of the present state of things, and gives no cause that can be told with confidence. What is not understood should not be acted upon.".into(),
        repeat: Repeat::No,
        repeat_because: "Without knowing the cause, a repeat may fail for ever or undo someone's change.".into(),
        steps: vec![
            run("Look at the resource as it is now:", read(&command::url(case))),
            step("Compare it with what you wanted: is your write there already (then you are done), did someone else change it (then merge), or is its state in the way?"),
            step("If this API is always this vague, describe it once in a dialect pack: see `tiebreak dialects`."),
        ],
        notes: Vec::new(),
    }
}

/// 409 against 422, where the status does not say what the verdict says.
fn status_note(case: &Case, verdict: &Verdict) -> Option<String> {
    let status = case.response.status.as_u16();
    Some(
        match (verdict.class, status) {
            (Class::Invalid, 409) => {
                "409 says \"it clashes with the present state\", 422 says \"the content is wrong\" (RFC 9110 §15.5.10, §15.5.21). This API answers 409 where 422 is meant: waiting or merging will not help."
            }
            (Class::Invalid, 412 | 400) | (Class::Duplicate, 409) => return None,
            (Class::Duplicate, 422) => {
                "422 usually means that the content is wrong; here it means that something with the same unique value exists, for which 409 is the usual code. Correcting the form of the content will not help."
            }
            (Class::Duplicate, 400) => {
                "400 usually means that the request is malformed; here it means that something with the same unique value exists, for which 409 is the usual code."
            }
            (Class::Invalid, 422) => {
                "422, and not 409: the content is wrong whatever state the resource is in. A 409 would mean that it could be right at another time."
            }
            _ => return None,
        }
        .into(),
    )
}

fn scope_note(scope: Scope) -> Option<&'static str> {
    Some(match scope {
        Scope::Resource | Scope::Name | Scope::Key => return None,
        Scope::Parent => {
            "What clashed is not this address but its parent or collection: writes to its neighbours count as well."
        }
        Scope::Branch => "What clashed is the whole branch or tree: writes to other files of it count as well.",
        Scope::Account => {
            "What clashed is the whole account or project: writes to other addresses of it count as well."
        }
    })
}

fn wait_words(wait: Option<Duration>) -> String {
    match wait.map(|w| w.as_secs()) {
        None | Some(0) => "The server names no time; begin with a second or two.".into(),
        Some(1) => "The server asks to wait 1 second.".into(),
        Some(seconds) => format!("The server asks to wait {seconds} seconds."),
    }
}

fn seconds(wait: Option<Duration>, otherwise: u64) -> u64 {
    wait.map_or(otherwise, |w| w.as_secs().max(1))
}
