//! The command line of `tiebreak serve`. Each flag stands for a setting of the same meaning, and goes before the file.

use std::path::{Path, PathBuf};

use clap::Args;

use super::client_args::ClientArgs;
use crate::admin::AdminArgs;
use crate::config::{Flag, Node, Value};
use crate::stores::SharedArgs;

/// Options of `tiebreak serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// A configuration file; flags go before what it says for all routes (`tiebreak config check FILE` checks it)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The API to stand in front of; without it an embedded JSON origin serves
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// The ledger file, `memory` for one that forgets when it stops, or postgres://user@host/database for one that several
    /// gateways share [default: tiebreak.ledger]
    #[arg(long, value_name = "PATH")]
    ledger: Option<String>,
    /// The embedded origin's data, or `memory` [default: tiebreak.origin]
    #[arg(long, value_name = "PATH", conflicts_with = "upstream")]
    data: Option<String>,
    /// The status with which the embedded origin answers a stale If-Match [default: 409]
    #[arg(long, value_name = "CODE", value_parser = ["409", "412"], conflicts_with = "upstream")]
    stale_status: Option<String>,
    /// The folder of the browser profiles in which people pass bot checks (routes with `hand_off`); a folder in it for each caller
    #[arg(long, value_name = "DIR")]
    browser_profile: Option<String>,
    /// What the API's entity tags are worth: `version` if they never come back, `digest` if they follow the content [default: auto]
    #[arg(long, value_name = "KIND", value_parser = ["auto", "version", "digest"])]
    etag: Option<String>,
    /// The API honours Idempotency-Key: the same key is never performed twice
    #[arg(long)]
    honours_keys: bool,
    /// Refuse writes that name no version and whose base is not known
    #[arg(long)]
    refuse_unguarded: bool,
    /// Send them, also when other gateways share the ledger
    #[arg(long, conflicts_with = "refuse_unguarded")]
    allow_unguarded: bool,
    /// How long we reckon with a request that applies after its answer was lost, such as 500ms or 10s [default: 10s]
    #[arg(long, value_name = "DURATION")]
    late_after: Option<String>,
    /// How long a write may take until its conflict is given to the caller [default: 30s]
    #[arg(long, value_name = "DURATION")]
    patience: Option<String>,
    /// How long one attempt may take [default: 30s]
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,
    /// At most so many MiB of content in one write [default: 16]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=1024))]
    max_content: Option<u32>,
    /// Forward everything as it comes, and report what would have been done with each write
    #[arg(long)]
    observe: bool,
    /// A file that gets what is observed, a JSON object on each line; without it plain lines go to standard error
    #[arg(long, value_name = "FILE")]
    observe_file: Option<String>,
    /// The file with the secret that tells callers apart: 32 bytes or more, the same for all gateways of a ledger [default:
    /// beside the ledger's file, made on first use]
    #[arg(long, value_name = "PATH")]
    secret: Option<String>,
    #[command(flatten)]
    clients: ClientArgs,
    #[command(flatten)]
    admin: AdminArgs,
    #[command(flatten)]
    shared: SharedArgs,
}

impl ServeArgs {
    /// The configuration file.
    pub(crate) fn config(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    pub(super) fn admin(&self) -> &AdminArgs {
        &self.admin
    }

    /// The flags that were given, each with its setting.
    pub(crate) fn flags(&self) -> Vec<Flag> {
        let text = |text: &Option<String>| text.clone().map(Value::Text);
        let all = [
            ("--upstream", "upstream", text(&self.upstream)),
            ("--ledger", "ledger", text(&self.ledger)),
            ("--secret", "secret", text(&self.secret)),
            ("--data", "data", text(&self.data)),
            ("--stale-status", "stale_status", number(&self.stale_status)),
            ("--browser-profile", "browser_profile", text(&self.browser_profile)),
            ("--etag", "etag", text(&self.etag)),
            (
                "--honours-keys",
                "honours_keys",
                self.honours_keys.then_some(Value::Bool(true)),
            ),
            (
                "--refuse-unguarded",
                "unguarded",
                self.refuse_unguarded.then(|| Value::Text("refuse".to_owned())),
            ),
            (
                "--allow-unguarded",
                "unguarded",
                self.allow_unguarded.then(|| Value::Text("allow".to_owned())),
            ),
            ("--late-after", "late_after", number(&self.late_after)),
            ("--patience", "patience", number(&self.patience)),
            ("--timeout", "attempt_timeout", number(&self.timeout)),
            (
                "--max-content",
                "max_content",
                self.max_content.map(|n| Value::Text(format!("{n}MiB"))),
            ),
            ("--observe", "observe", self.observe.then_some(Value::Bool(true))),
            ("--observe-file", "observe_file", text(&self.observe_file)),
        ];
        all.into_iter()
            .chain(self.clients.given())
            .chain(self.shared.given())
            .filter_map(|(option, setting, value)| {
                value.map(|value| Flag {
                    option,
                    setting,
                    node: Node::given(value),
                })
            })
            .collect()
    }
}

/// The value of an option that takes a bare number too, which is not text in a file.
pub(super) fn number(text: &Option<String>) -> Option<Value> {
    let digits = |t: &String| t.bytes().all(|b| b.is_ascii_digit()) && !t.is_empty();
    text.clone()
        .map(|t| if digits(&t) { Value::Integer(t) } else { Value::Text(t) })
}
