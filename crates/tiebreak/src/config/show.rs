//! `tiebreak config show`: what is in force, as a file would say it, and where each value comes from.

use std::fmt::Write;

use super::fault::line_and_column;
use super::reading::{show_list, show_text};
use super::setting::{Layered, Setting, Whence};
use super::{Config, route, server, upstream};

/// What is in force.
pub(super) fn show(config: &Config) -> String {
    let mut out = String::new();
    lines(&mut out, config, server::SETTINGS, &config.server, |_| true);
    for upstream in &config.upstreams[1..] {
        let _ = write!(out, "\n[upstreams.{}]\n", key(&upstream.name));
        lines(&mut out, config, upstream::SETTINGS, &upstream.settings, |_| true);
    }
    out.push_str("\n# where no route says anything else\n[defaults]\n");
    lines(&mut out, config, route::SETTINGS, &config.rest.settings, |_| true);
    for route in &config.routes {
        let at = route
            .at
            .as_ref()
            .map_or(String::new(), |at| format!("  # {}", place(config, at.start)));
        let _ = write!(out, "\n[[route]]{at}\nname = {}\n", show_text(&route.name));
        let _ = writeln!(out, "path = {}", show_text(&route.pattern.to_string()));
        if let Some(methods) = &route.methods {
            let _ = writeln!(out, "methods = {}", show_list(methods.iter().map(http::Method::as_str)));
        }
        if route.upstream != super::MAIN {
            let _ = writeln!(out, "upstream = {}", show_text(&route.upstream));
        }
        // What is as everywhere else is said above.
        let rest = &config.rest.settings;
        lines(&mut out, config, route::SETTINGS, &route.settings, |setting| {
            (setting.show)(&route.settings.values) != (setting.show)(&rest.values)
                || route.settings.whence(setting.name) != rest.whence(setting.name)
        });
    }
    out
}

fn lines<T>(
    out: &mut String,
    config: &Config,
    settings: &[Setting<T>],
    layered: &Layered<T>,
    wanted: impl Fn(&Setting<T>) -> bool,
) {
    for setting in settings.iter().filter(|s| wanted(s)) {
        let whence = match layered.whence(setting.name) {
            Whence::Default => "default".to_owned(),
            Whence::File(at) => place(config, at.start),
            Whence::Flag(option) => option.to_owned(),
        };
        match (setting.show)(&layered.values) {
            Some(value) => {
                let _ = writeln!(out, "{:<40} # {whence}", format!("{} = {value}", setting.name));
            }
            None => {
                let _ = writeln!(out, "{:<40} # {whence}", format!("# {} is not set", setting.name));
            }
        }
    }
}

fn place(config: &Config, at: usize) -> String {
    config.file.as_ref().map_or_else(String::new, |(path, text)| {
        format!("{}:{}", path.display(), line_and_column(text, at).0)
    })
}

/// A name as it stands in the head of a table.
fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if bare { name.to_owned() } else { show_text(name) }
}
