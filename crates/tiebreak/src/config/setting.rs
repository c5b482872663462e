//! One setting: its name, how it is read, how it is shown. The lists of them are in `server` and `route`.

use std::collections::BTreeMap;

use super::fault::{Faults, Wrong};
use super::node::{At, Member, Node};
use super::reading::nearest;
use super::server::{self, Server};

/// One setting of a `T`.
pub(crate) struct Setting<T: 'static> {
    /// Its name in the file.
    pub(crate) name: &'static str,
    /// Takes the value over.
    pub(crate) read: fn(&mut T, &Node) -> Result<(), Wrong>,
    /// The value in force, as it would stand in a file; `None` where there is none.
    pub(crate) show: fn(&T) -> Option<String>,
    /// Whether a new value takes effect only at the next start.
    pub(crate) at_start: bool,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whence {
    Default,
    File(At),
    /// The flag's name, with its dashes.
    Flag(&'static str),
}

/// A flag that was given, for the setting that it stands for.
#[derive(Debug, Clone)]
pub(crate) struct Flag {
    pub(crate) option: &'static str,
    pub(crate) setting: &'static str,
    pub(crate) node: Node,
}

/// Settings, and where each value comes from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layered<T> {
    pub(crate) values: T,
    whence: BTreeMap<&'static str, Whence>,
}

impl<T: 'static> Layered<T> {
    /// Where the value of this setting comes from.
    pub(crate) fn whence(&self, name: &str) -> Whence {
        self.whence.get(name).cloned().unwrap_or(Whence::Default)
    }

    /// Whether somebody chose the value.
    pub(crate) fn is_given(&self, name: &str) -> bool {
        self.whence(name) != Whence::Default
    }

    /// Where the value stands in the file, if it does.
    pub(crate) fn at(&self, name: &str) -> Option<At> {
        match self.whence(name) {
            Whence::File(at) => Some(at),
            Whence::Default | Whence::Flag(_) => None,
        }
    }

    /// Takes over one member of a table, if it is one of `settings`.
    pub(crate) fn take(&mut self, settings: &[Setting<T>], member: &Member, of: &str, faults: &mut Faults) -> bool {
        let Some(setting) = settings.iter().find(|s| s.name == member.name) else {
            return false;
        };
        match (setting.read)(&mut self.values, &member.node) {
            Ok(()) => {
                self.whence.insert(setting.name, Whence::File(member.at.clone()));
            }
            Err(wrong) => faults.mistake(member.node.at.clone(), format!("{of}{}", setting.name), wrong),
        }
        true
    }

    /// Takes over a flag, if it is for one of `settings`.
    pub(crate) fn take_flag(&mut self, settings: &[Setting<T>], flag: &Flag, faults: &mut Faults) {
        let Some(setting) = settings.iter().find(|s| s.name == flag.setting) else {
            return;
        };
        match (setting.read)(&mut self.values, &flag.node) {
            Ok(()) => {
                self.whence.insert(setting.name, Whence::Flag(flag.option));
            }
            Err(wrong) => faults.mistake(None, flag.option, wrong),
        }
    }
}

impl Layered<Server> {
    /// The settings that take effect at a start only and have another value here than in `started`.
    pub(crate) fn other_at_start(&self, started: &Layered<Server>) -> Vec<&'static str> {
        let other = |s: &&Setting<Server>| s.at_start && (s.show)(&self.values) != (s.show)(&started.values);
        server::SETTINGS.iter().filter(other).map(|s| s.name).collect()
    }
}

/// Says that a name is not known, and which one may be meant.
pub(crate) fn unknown<'n>(member: &Member, of: &str, names: impl Iterator<Item = &'n str>, faults: &mut Faults) {
    let wrong = Wrong::new(format!("there is no setting `{}` here", member.name));
    let wrong = match nearest(&member.name, names) {
        Some(name) => wrong.with(format!("did you mean `{name}`?")),
        None => wrong.with("docs/configuration.md lists all settings"),
    };
    faults.mistake(Some(member.at.clone()), of.trim_end_matches(": "), wrong);
}
