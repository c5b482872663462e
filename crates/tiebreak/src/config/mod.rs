//! The configuration: one TOML file, and the flags that go before it.
//!
//! | file | what |
//! |---|---|
//! | `node`, `reading` | values and their places; durations, sizes, words, lists |
//! | `setting` | one setting: name, reading, showing; where each value comes from |
//! | `server` | the settings of the gateway as a whole |
//! | `upstream` | the settings of an origin |
//! | `route`, `pattern`, `lane` | the settings of a route; which paths it matches; its conflict domains |
//! | `identity` | settings of routes by which versions and resources are told apart |
//! | `load` | a file becomes a [`Config`] |
//! | `check` | contradictions, routes that nothing reaches |
//! | `fault` | what is wrong, with line, column and remedy |
//! | `show`, `command` | `tiebreak config` |
//!
//! **To add a setting:** give the struct (`Server`, `RouteSettings`, `UpstreamSettings`) a field with its default, and the
//! `SETTINGS` beside it a row: name, how it is read (helpers in `reading`), how it is shown. Errors, suggestions, `config show`
//! and reloading follow from the row; `docs/configuration.md` needs a line (a test compares). A setting that contradicts another
//! gets a rule in `check`; one with a flag, a line in `gateway/flags.rs`.

mod check;
mod command;
mod fault;
mod identity;
mod lane;
mod load;
mod node;
mod pattern;
mod reading;
mod route;
mod server;
mod setting;
mod show;
#[cfg(test)]
mod tests;
mod upstream;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use command::{ConfigArgs, run};
pub(crate) use lane::{Named, names as lane_names};
pub(crate) use node::{Node, Value};
pub(crate) use route::{OverBound, Principal, Route};
pub(crate) use server::Server;
pub(crate) use setting::{Flag, Layered};
pub(crate) use upstream::{MAIN, Upstream};

use crate::exit::{Failure, USAGE};
use fault::{Faults, Weight};
use tiebreak_core::policy::Policy;
use tiebreak_core::validator::EtagKind;

/// What all writes together may hold in memory, unless one alone may have half of it or more.
const DEFAULT_MEMORY: usize = 512 << 20;

/// What is in force.
#[derive(Debug)]
pub(crate) struct Config {
    /// The file that it was read from, and its text.
    file: Option<(PathBuf, String)>,
    pub(crate) server: Layered<Server>,
    /// All origins; the first is the main one.
    pub(crate) upstreams: Vec<Upstream>,
    /// The first that matches holds.
    pub(crate) routes: Vec<Arc<Route>>,
    /// What holds where no route matches.
    pub(crate) rest: Arc<Route>,
}

impl Config {
    /// Reads `file`, if there is one, and puts the flags over it. Warnings go to standard error.
    ///
    /// # Errors
    /// If the file cannot be read, or has mistakes: all of them are named.
    pub(crate) fn load(file: Option<&Path>, flags: &[Flag]) -> Result<Config, Failure> {
        let read = |path: &Path| {
            std::fs::read_to_string(path)
                .map_err(|e| Failure::new(USAGE, format!("read the configuration {}: {e}", path.display())))
        };
        let given = file
            .map(|path| read(path).map(|text| (path.to_owned(), text)))
            .transpose()?;
        let (config, faults) = Config::read(given, flags);
        let (path, text) = config
            .file
            .as_ref()
            .map_or((None, ""), |(path, text)| (Some(path.as_path()), text));
        let told = faults.told(path, text);
        match faults.count(Weight::Mistake) {
            0 => {
                if !told.is_empty() {
                    eprint!("{told}");
                }
                Ok(config)
            }
            n => {
                let what = path.map_or("the flags".to_owned(), |path| path.display().to_string());
                Err(Failure::new(
                    USAGE,
                    format!("use {what}: {}\n{}", many(n, "mistake"), told.trim_end()),
                ))
            }
        }
    }

    fn read(file: Option<(PathBuf, String)>, flags: &[Flag]) -> (Config, Faults) {
        let mut faults = Faults::default();
        let config = load::read(file, flags, &mut faults);
        check::check(&config, &mut faults);
        (config, faults)
    }

    /// What holds for a write of which nothing is known but that an earlier process left it behind: the most careful of all routes.
    pub(crate) fn cautious(&self) -> Policy {
        let mut policy = self.rest.policy.as_ref().clone();
        for route in &self.routes {
            policy.late_after = policy.late_after.max(route.policy.late_after);
            if policy.etag != route.policy.etag {
                policy.etag = EtagKind::Digest;
            }
        }
        policy
    }

    /// The longest content of any route.
    pub(crate) fn max_content(&self) -> usize {
        let routes = self.routes.iter().chain([&self.rest]);
        routes
            .map(|route| route.settings.values.max_content)
            .max()
            .unwrap_or_default()
    }

    /// Bytes of content that all writes together may hold in memory.
    pub(crate) fn memory(&self) -> usize {
        self.server
            .values
            .memory
            .unwrap_or_else(|| DEFAULT_MEMORY.max(2 * self.max_content()))
    }

    /// How much there is, for people.
    pub(crate) fn told(&self) -> String {
        many(self.routes.len(), "route")
    }

    /// The origin with this name.
    pub(crate) fn upstream(&self, name: &str) -> &Upstream {
        self.upstreams
            .iter()
            .find(|u| u.name == name)
            .unwrap_or(&self.upstreams[0])
    }
}

fn many(n: usize, what: &str) -> String {
    if n == 1 {
        format!("1 {what}")
    } else {
        format!("{n} {what}s")
    }
}
