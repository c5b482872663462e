//! A file becomes a [`Config`].

use std::path::PathBuf;
use std::sync::Arc;

use http::Method;
use tiebreak_core::json;
use tiebreak_core::policy::Unguarded;
use tiebreak_core::validator::EtagKind;

use super::Config;
use super::fault::{Faults, Wrong, each};
use super::node::{self, Member, Node, Value};
use super::pattern::Pattern;
use super::reading::nearest;
use super::route::{self, Route, RouteSettings};
use super::server::{self, Server};
use super::setting::{Flag, Layered, unknown};
use super::upstream::{self, MAIN, Upstream, UpstreamSettings};
use crate::stores;

/// What may stand at the top of a file besides settings.
const TABLES: [&str; 3] = ["upstreams", "defaults", "route"];

/// What may stand in a `[[route]]` besides settings.
const ROUTE: [&str; 4] = ["name", "path", "methods", "upstream"];

/// Reads a file's text and the flags. What is wrong goes to `faults`; what could be read is there all the same, so that
/// all that is wrong is found at once.
pub(super) fn read(file: Option<(PathBuf, String)>, flags: &[Flag], faults: &mut Faults) -> Config {
    let (members, errors) = node::parse(file.as_ref().map_or("", |(_, text)| text));
    for (at, what) in errors {
        faults.mistake(Some(at), "", Wrong::new(format!("this is no TOML: {what}")));
    }
    let mut server: Layered<Server> = Layered::default();
    let mut defaults: Layered<RouteSettings> = Layered::default();
    for member in &members {
        match member.name.as_str() {
            name if TABLES.contains(&name) => {}
            name if route::SETTINGS.iter().any(|s| s.name == name) => {
                let wrong = Wrong::new(format!("`{name}` belongs to routes"));
                faults.mistake(
                    Some(member.at.clone()),
                    "",
                    wrong.with("put it under [defaults], or into a [[route]]"),
                );
            }
            _ if server.take(server::SETTINGS, member, "", faults) => {}
            _ => unknown(
                member,
                "",
                server::SETTINGS.iter().map(|s| s.name).chain(TABLES),
                faults,
            ),
        }
    }
    if let Some(table) = find(&members, "defaults") {
        for member in of_table(table, "[defaults]", faults) {
            if !defaults.take(route::SETTINGS, member, "[defaults] ", faults) {
                unknown(member, "[defaults]", route::SETTINGS.iter().map(|s| s.name), faults);
            }
        }
    }
    for flag in flags {
        server.take_flag(server::SETTINGS, flag, faults);
        defaults.take_flag(route::SETTINGS, flag, faults);
    }
    let mut upstreams = upstreams(&members, faults);
    let main = main_upstream(&server, &upstreams, faults);
    let mut reader = Reader {
        shared: stores::is_shared(&server.values.ledger),
        defaults,
        main,
        upstreams: &mut upstreams,
        faults,
    };
    let routes = reader.routes(&members);
    let rest = reader.rest();
    Config {
        file,
        server,
        upstreams,
        routes,
        rest,
    }
}

fn find<'m>(members: &'m [Member], name: &str) -> Option<&'m Member> {
    members.iter().find(|member| member.name == name)
}

fn of_table<'m>(member: &'m Member, like: &str, faults: &mut Faults) -> &'m [Member] {
    match &member.node.value {
        Value::Table(members) => members,
        _ => {
            let wrong = Wrong::expected(&format!("a table, which begins with {like}"), &member.node);
            faults.mistake(Some(member.at.clone()), member.name.clone(), wrong);
            &[]
        }
    }
}

/// The origins under `[upstreams]`, after a place for the main one.
fn upstreams(members: &[Member], faults: &mut Faults) -> Vec<Upstream> {
    let mut all = vec![Upstream {
        name: MAIN.to_owned(),
        at: None,
        settings: Layered::default(),
    }];
    let Some(table) = find(members, "upstreams") else {
        return all;
    };
    for named in of_table(table, "[upstreams.NAME]", faults) {
        let of = format!("upstream {:?}: ", named.name);
        let mut settings: Layered<UpstreamSettings> = Layered::default();
        for member in of_table(named, &format!("[upstreams.{}]", named.name), faults) {
            if !settings.take(upstream::SETTINGS, member, &of, faults) {
                unknown(member, &of, upstream::SETTINGS.iter().map(|s| s.name), faults);
            }
        }
        let has_url = matches!(&named.node.value, Value::Table(members) if members.iter().any(|m| m.name == "url"));
        if !has_url && matches!(named.node.value, Value::Table(_)) {
            let wrong = Wrong::new("it has no url").with("add a line such as url = \"https://api.example.com\"");
            faults.mistake(Some(named.at.clone()), of.trim_end_matches(": "), wrong);
        }
        all.push(Upstream {
            name: named.name.clone(),
            at: Some(named.at.clone()),
            settings,
        });
    }
    all
}

/// The main origin: that of the top of the file.
fn main_upstream(server: &Layered<Server>, upstreams: &[Upstream], faults: &mut Faults) -> Layered<UpstreamSettings> {
    let Some(text) = &server.values.upstream else {
        return Layered::default();
    };
    if let Some(named) = upstreams.iter().find(|u| u.name == *text) {
        return named.settings.clone();
    }
    let mut main: Layered<UpstreamSettings> = Layered::default();
    match upstream::url(text) {
        Ok(remote) => main.values.remote = Some(remote),
        Err(mut wrong) => {
            if !text.contains("://") && upstreams.len() > 1 {
                wrong = no_upstream(text, upstreams);
            }
            faults.mistake(server.at("upstream"), "upstream", wrong);
        }
    }
    main
}

fn no_upstream(name: &str, upstreams: &[Upstream]) -> Wrong {
    let names: Vec<&str> = upstreams
        .iter()
        .map(|u| u.name.as_str())
        .filter(|n| *n != MAIN)
        .collect();
    let wrong = Wrong::new(format!("there is no upstream {name:?}"));
    match nearest(name, names.iter().copied()) {
        Some(near) => wrong.with(format!("did you mean {near:?}?")),
        None => wrong.with(format!("add [upstreams.{name}] with its url")),
    }
}

struct Reader<'a> {
    /// Whether other gateways use the ledger.
    shared: bool,
    defaults: Layered<RouteSettings>,
    main: Layered<UpstreamSettings>,
    upstreams: &'a mut Vec<Upstream>,
    faults: &'a mut Faults,
}

impl Reader<'_> {
    fn routes(&mut self, members: &[Member]) -> Vec<Arc<Route>> {
        let main = std::mem::take(&mut self.main);
        self.upstreams[0].settings = main;
        let Some(list) = find(members, "route") else {
            return Vec::new();
        };
        let Value::List(tables) = &list.node.value else {
            let wrong = Wrong::expected("one or more tables, each of which begins with [[route]]", &list.node);
            self.faults.mistake(Some(list.at.clone()), "route", wrong);
            return Vec::new();
        };
        tables
            .iter()
            .enumerate()
            .filter_map(|(n, table)| self.route(n + 1, table))
            .collect()
    }

    fn route(&mut self, number: usize, table: &Node) -> Option<Arc<Route>> {
        let Value::Table(members) = &table.value else {
            let wrong = Wrong::expected("a table, which begins with [[route]]", table);
            self.faults.mistake(table.at.clone(), "route", wrong);
            return None;
        };
        let text = |name: &str| find(members, name).map(|m| m.node.text());
        let (name, of) = match (text("name"), text("path")) {
            (Some(Ok(name)), _) | (None, Some(Ok(name))) => (name.to_owned(), format!("route {name:?}: ")),
            _ => (String::new(), format!("route {number}: ")),
        };
        let mut settings = self.defaults.clone();
        let (mut pattern, mut methods, mut upstream) = (None, None, MAIN.to_owned());
        for member in members {
            let read = match member.name.as_str() {
                "name" => member.node.text().map(drop),
                "path" => read_pattern(&member.node).map(|read| pattern = Some(read)),
                "methods" => read_methods(&member.node).map(|read| methods = Some(read)),
                "upstream" => self.named_upstream(&member.node).map(|name| upstream = name),
                _ if settings.take(route::SETTINGS, member, &of, self.faults) => Ok(()),
                _ => {
                    let names = route::SETTINGS.iter().map(|s| s.name).chain(ROUTE);
                    unknown(member, &of, names, self.faults);
                    Ok(())
                }
            };
            if let Err(wrong) = read {
                self.faults
                    .mistake(member.node.at.clone(), format!("{of}{}", member.name), wrong);
            }
        }
        if find(members, "path").is_none() {
            let wrong = Wrong::new("it has no path").with("add a line such as path = \"/contacts/{id}\"");
            self.faults.mistake(table.at.clone(), of.trim_end_matches(": "), wrong);
        }
        Some(self.finished(Route {
            name,
            at: table.at.clone(),
            pattern: pattern?,
            methods,
            upstream,
            settings,
            policy: Arc::default(),
        }))
    }

    fn named_upstream(&self, node: &Node) -> Result<String, Wrong> {
        let name = node.text()?;
        if self.upstreams.iter().any(|u| u.name == name && u.name != MAIN) {
            return Ok(name.to_owned());
        }
        Err(no_upstream(name, self.upstreams))
    }

    /// What holds where no route matches.
    fn rest(&mut self) -> Arc<Route> {
        self.finished(Route {
            name: "defaults".to_owned(),
            at: None,
            pattern: Pattern::anything(),
            methods: None,
            upstream: MAIN.to_owned(),
            settings: self.defaults.clone(),
            policy: Arc::default(),
        })
    }

    /// What follows from other settings.
    fn finished(&self, mut route: Route) -> Arc<Route> {
        let embedded = self
            .upstreams
            .iter()
            .any(|u| u.name == route.upstream && u.is_embedded());
        let (given_etag, given_keys) = (route.settings.is_given("etag"), route.settings.is_given("honours_keys"));
        let given_unguarded = route.settings.is_given("unguarded");
        let policy = &mut route.settings.values.policy;
        if embedded && !given_etag {
            policy.etag = EtagKind::Version;
        }
        if embedded && !given_keys {
            policy.honours_keys = true;
        }
        // What was read through another gateway is not known here.
        if self.shared && !given_unguarded {
            policy.unguarded = Unguarded::Refuse;
        }
        // A member that names the version changes with each write, whoever makes it.
        for place in &policy.merge.version {
            let place = json::Pattern::of(&place.0);
            if !policy.merge.volatile.contains(&place) {
                policy.merge.volatile.push(place);
            }
        }
        let origin = self.upstreams.iter().find(|u| u.name == route.upstream);
        if let (Some(key), Some(remote)) = (
            &mut policy.natural_key,
            origin.and_then(|u| u.settings.values.remote.as_ref()),
        ) {
            remote.base().clone_into(&mut key.prefix);
        }
        route.policy = Arc::new(policy.clone());
        Arc::new(route)
    }
}

fn read_pattern(node: &Node) -> Result<Pattern, Wrong> {
    Pattern::parse(node.text()?).map_err(|error| Wrong::new(error.what).with(error.remedy))
}

fn read_methods(node: &Node) -> Result<Vec<Method>, Wrong> {
    let names = node.list()?;
    if names.is_empty() {
        return Err(Wrong::new("it names no method").with("leave `methods` out for all of them"));
    }
    each(names, |node| {
        let text = node.text()?;
        let upper = text.to_ascii_uppercase();
        if upper != text {
            let wrong = Wrong::new(format!("{text:?} is no method: their names are case-sensitive")).at(node);
            return Err(wrong.with(format!("write {upper:?}")));
        }
        Method::from_bytes(text.as_bytes()).map_err(|_| Wrong::expected("a method such as \"PUT\"", node))
    })
}
