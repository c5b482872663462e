//! What contradicts itself, and what can have no effect.

use std::sync::Arc;

use http::Method;
use tiebreak_client::transport::origins::Http2;
use tiebreak_core::guarantee::Guarantee;
use tiebreak_core::method::{acts_on_target, is_safe};
use tiebreak_core::policy::{KeyRule, OnStale, Unguarded};
use tiebreak_core::validator::EtagKind;
use tiebreak_core::virtual_tag::VirtualTags;

use super::Config;
use super::fault::{Faults, Wrong};
use super::lane::Part;
use super::reading::{nearest, show_duration, tell_size};
use super::route::{OverBound, Principal, Route};
use super::upstream::Upstream;

/// Finds what contradicts itself.
pub(super) fn check(config: &Config, faults: &mut Faults) {
    server(config, faults);
    one_way_each(config, faults);
    for (at, route) in config.routes.iter().enumerate() {
        reached(route, &config.routes[..at], faults);
    }
    for route in config.routes.iter().chain([&config.rest]) {
        principal(config, route, faults);
        guarantee(route, faults);
        keys(route, faults);
        merging(route, faults);
        virtual_tags(route, faults);
        lanes(route, faults);
        memory(config, route, faults);
        over_bound(config, route, faults);
        marks(config, route, faults);
        key_life(route, faults);
    }
    let used = |name: &str| {
        config.server.values.upstream.as_deref() == Some(name) || config.routes.iter().any(|r| r.upstream == name)
    };
    for upstream in &config.upstreams[1..] {
        tls(upstream, faults);
        host(upstream, faults);
        http2(upstream, faults);
        if !used(&upstream.name) {
            let wrong = Wrong::new("nothing uses it").with(format!(
                "name it in a [[route]] (upstream = {:?}), or take it out",
                upstream.name
            ));
            faults.warning(upstream.at.clone(), format!("upstream {:?}", upstream.name), wrong);
        }
    }
    let mut names: Vec<(&str, &Arc<Route>)> = config.routes.iter().map(|r| (r.name.as_str(), r)).collect();
    names.sort_by_key(|(name, _)| *name);
    for pair in names.windows(2) {
        if pair[0].0 == pair[1].0 && pair[0].1.pattern != pair[1].1.pattern {
            let wrong = Wrong::new("another route has this name too").with("give each route a name of its own");
            faults.warning(pair[1].1.at.clone(), format!("route {:?}", pair[1].0), wrong);
        }
    }
}

/// Whether the files for TLS with an origin can have an effect.
fn tls(upstream: &Upstream, faults: &mut Faults) {
    let settings = &upstream.settings;
    let Some(remote) = &settings.values.remote else { return };
    let of = |setting: &str| format!("upstream {:?}: {setting}", upstream.name);
    let given = |name: &&&str| settings.is_given(name);
    let Some(name) = ["ca", "client_cert", "client_key"].iter().find(given) else {
        return;
    };
    if !remote.speaks_tls() {
        let wrong = Wrong::new("it has no effect: the url begins with http://").with("write https://, or take it out");
        return faults.mistake(settings.at(name), of(name), wrong);
    }
    for (one, other) in [("client_cert", "client_key"), ("client_key", "client_cert")] {
        if settings.is_given(one) && !settings.is_given(other) {
            let wrong = Wrong::new(format!("it needs `{other}` beside it")).with(format!("add {other} = \"FILE.pem\""));
            return faults.mistake(settings.at(one), of(one), wrong);
        }
    }
}

/// A host that is preserved is of no use to what signs it where the path is another.
fn host(upstream: &Upstream, faults: &mut Faults) {
    let settings = &upstream.settings;
    let Some(remote) = &settings.values.remote else { return };
    if settings.values.preserve_host && !remote.base().is_empty() {
        let wrong = Wrong::new(format!(
            "the url puts {:?} before each path, so requests that sign host and path will be refused all the same",
            remote.base()
        ))
        .with("take the path out of the url if clients sign their requests");
        faults.warning(
            settings.at("preserve_host"),
            format!("upstream {:?}: preserve_host", upstream.name),
            wrong,
        );
    }
}

/// Over TLS it is agreed upon what is spoken; without TLS there is nobody to ask.
fn http2(upstream: &Upstream, faults: &mut Faults) {
    let settings = &upstream.settings;
    if settings.values.http2 == Http2::Prior && settings.is_given("max_connections") {
        let wrong = Wrong::new("it has no effect: on HTTP/2 requests share a connection").with("take it out");
        let of = format!("upstream {:?}: max_connections", upstream.name);
        faults.warning(settings.at("max_connections"), of, wrong);
    }
    let Some(remote) = &settings.values.remote else {
        return;
    };
    let wrong = match (settings.values.http2, remote.speaks_tls()) {
        (Http2::Off, _) | (Http2::Offered, true) | (Http2::Prior, false) => return,
        (Http2::Offered, false) => Wrong::new("without TLS nothing says whether the origin speaks HTTP/2")
            .with("write http2 = \"prior-knowledge\" if it does, or take it out"),
        (Http2::Prior, true) => {
            Wrong::new("over TLS the origin is asked whether it speaks HTTP/2").with("write http2 = true")
        }
    };
    let of = format!("upstream {:?}: http2", upstream.name);
    faults.mistake(settings.at("http2"), of, wrong);
}

/// Connections are kept by host and port, so there is one way of speaking to each.
fn one_way_each(config: &Config, faults: &mut Faults) {
    for (at, upstream) in config.upstreams.iter().enumerate().skip(1) {
        let values = &upstream.settings.values;
        let other = config.upstreams[..at].iter().map(|u| &u.settings.values).find(|other| {
            let same = matches!((&other.remote, &values.remote), (Some(a), Some(b)) if a.is_beside(b));
            same && (other.tls_files() != values.tls_files()
                || other.http2 != values.http2
                || other.http2_ping != values.http2_ping
                || other.max_connections != values.max_connections)
        });
        if other.is_some() {
            let wrong = Wrong::new("another upstream with the same host and port is spoken with in another way").with(
                "give both the same `http2`, `http2_ping`, `max_connections`, `ca`, `client_cert` and `client_key`, or use two host names",
            );
            faults.mistake(upstream.at.clone(), format!("upstream {:?}", upstream.name), wrong);
        }
    }
}

fn of(route: &Route, setting: &str) -> String {
    match route.at {
        Some(_) => format!("route {:?}: {setting}", route.name),
        None => setting.to_owned(),
    }
}

fn server(config: &Config, faults: &mut Faults) {
    let server = &config.server;
    if server.values.tls_client_ca.is_some() && server.values.tls_cert.is_none() {
        let wrong = Wrong::new("without TLS no client can show a certificate")
            .with("set tls_cert and tls_key (--tls-cert, --tls-key), or take it out");
        faults.mistake(server.at("tls_client_ca"), "tls_client_ca", wrong);
    }
    if server.is_given("tls_client_auth") && server.values.tls_client_ca.is_none() {
        let wrong = Wrong::new("it has no effect: clients are not asked for certificates");
        faults.warning(
            server.at("tls_client_auth"),
            "tls_client_auth",
            wrong.with("set tls_client_ca, or take it out"),
        );
    }
    if server.values.observe_file.is_some() && !server.values.observe {
        let wrong = Wrong::new("it has no effect: nothing is observed").with("set observe = true, or take it out");
        faults.warning(server.at("observe_file"), "observe_file", wrong);
    }
    if server.values.observe && server.values.upstream.is_none() {
        let wrong = Wrong::new("there is nothing to observe: without an upstream the embedded origin serves")
            .with("name the API with `upstream` (--upstream)");
        faults.mistake(server.at("observe"), "observe", wrong);
    }
    if server.values.upstream.is_none() {
        return;
    }
    for name in ["data", "stale_status"] {
        if server.is_given(name) {
            let wrong = Wrong::new("it has no effect: it is for the embedded origin, which an upstream replaces");
            faults.warning(
                server.at(name),
                name,
                wrong.with(format!("take out `{name}`, or `upstream`")),
            );
        }
    }
}

/// Whether an earlier route leaves a later one anything.
fn reached(route: &Route, earlier: &[Arc<Route>], faults: &mut Faults) {
    let all_methods = |a: &Route, b: &Route| match (&a.methods, &b.methods) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(a), Some(b)) => b.iter().all(|method| a.contains(method)),
    };
    let some_method = |a: &Route, b: &Route| match (&a.methods, &b.methods) {
        (Some(a), Some(b)) => a.iter().any(|method| b.contains(method)),
        _ => true,
    };
    if let Some(before) = earlier
        .iter()
        .find(|e| e.pattern.covers(&route.pattern) && all_methods(e, route))
    {
        let what = format!(
            "nothing reaches it: route {:?} ({}), which stands before it, matches the same requests",
            before.name, before.pattern
        );
        let wrong = Wrong::new(what).with("the first match wins: put the more particular route first, or take one out");
        faults.mistake(route.at.clone(), format!("route {:?}", route.name), wrong);
        return;
    }
    let crossing = |e: &&Arc<Route>| {
        e.pattern.meets(&route.pattern)
            && !e.pattern.covers(&route.pattern)
            && !route.pattern.covers(&e.pattern)
            && some_method(e, route)
    };
    if let Some(before) = earlier.iter().find(crossing) {
        let what = format!(
            "some paths match it and route {:?} ({}), and the latter wins there",
            before.name, before.pattern
        );
        let wrong = Wrong::new(what).with("if that is not meant, put this route before it");
        faults.warning(route.at.clone(), format!("route {:?}", route.name), wrong);
    }
}

/// Reads and writes of one path must have the same caller, else nobody's reads are known when they write.
fn principal(config: &Config, route: &Route, faults: &mut Faults) {
    let reads = route
        .methods
        .as_ref()
        .is_none_or(|methods| methods.contains(&Method::GET));
    let otherwise = &config.rest.settings.values.principal;
    let certificates = config.server.values.tls_client_ca.is_some();
    // What all routes share is said once.
    let own = route.at.is_none() || route.settings.at("principal") != config.rest.settings.at("principal");
    if route.settings.values.principal == Some(Principal::Certificate) && own && !certificates {
        let wrong = Wrong::new("clients are not asked for certificates")
            .with("set tls_client_ca (--tls-client-ca), or name a header field");
        faults.mistake(route.settings.at("principal"), of(route, "principal"), wrong);
    }
    if route.settings.values.principal != *otherwise && !reads {
        let wrong = Wrong::new("its methods leave out GET, so reads of these paths would count as another caller's")
            .with("add \"GET\" to `methods` (or leave them out), or set `principal` under [defaults] as well");
        faults.mistake(route.settings.at("principal"), of(route, "principal"), wrong);
    }
}

fn guarantee(route: &Route, faults: &mut Faults) {
    let policy = &route.settings.values.policy;
    let least = policy.least;
    let at = || route.settings.at("least");
    let only_posts = route
        .methods
        .as_ref()
        .is_some_and(|m| !m.iter().any(acts_on_target) && !m.iter().all(is_safe));
    if least == Guarantee::A && policy.etag == EtagKind::Digest {
        let wrong =
            Wrong::new("\"A\" needs tags that never come back, and etag is \"digest\": each write would be refused")
                .with("demand \"C\", or set etag = \"version\" if the origin's tags are versions");
        faults.mistake(at(), of(route, "least"), wrong);
    } else if least == Guarantee::A && only_posts {
        let wrong = Wrong::new("\"A\" needs a version to write on, and a POST has none: each would be refused")
            .with("demand \"B\" with honours_keys = true, or \"C\"");
        faults.mistake(at(), of(route, "least"), wrong);
    } else if least == Guarantee::B && !policy.honours_keys {
        let wrong = Wrong::new("\"B\" is what keys that the origin honours give, and honours_keys is false").with(
            "set honours_keys = true if the origin honours Idempotency-Key; else demand \"A\" (a version) or \"C\"",
        );
        faults.mistake(at(), of(route, "least"), wrong);
    } else if least < Guarantee::D
        && policy.unguarded == Unguarded::Allow
        && route.settings.is_given("unguarded")
        && !policy.honours_keys
    {
        let wrong = Wrong::new(format!(
            "it allows what least = {:?} refuses: a write without a version has guarantee D",
            least.as_str()
        ))
        .with("take out `unguarded`, or demand \"D\"");
        faults.warning(route.settings.at("unguarded"), of(route, "unguarded"), wrong);
    }
}

/// Settings of keys where there are none, or none of that kind.
fn keys(route: &Route, faults: &mut Faults) {
    let settings = &route.settings;
    let rule = settings.values.policy.keys.rule;
    let own = |name: &str| {
        let at = settings.at(name)?;
        let in_route = route.at.as_ref().is_none_or(|table| at.start >= table.start);
        in_route.then_some(at)
    };
    if let Some(at) = own("key_window").filter(|_| rule != KeyRule::Derived) {
        let wrong =
            Wrong::new("it has no effect: only derived keys have a window, and others are kept as `remember` says");
        faults.warning(
            Some(at),
            of(route, "key_window"),
            wrong.with("take it out, or set key = \"derived\""),
        );
    }
    for name in ["key_reuse_status", "key_running_status"] {
        if let Some(at) = own(name).filter(|_| rule == KeyRule::Off) {
            let wrong = Wrong::new("it has no effect: key is \"off\", so keys are the origin's business alone");
            faults.warning(
                Some(at),
                of(route, name),
                wrong.with("take it out, or set key = \"accepted\""),
            );
        }
    }
}

/// Rules of merging where nothing is merged.
fn merging(route: &Route, faults: &mut Faults) {
    let settings = &route.settings;
    let stops = settings.values.policy.on_stale == OnStale::Stop;
    let edits = |methods: &Vec<Method>| methods.iter().any(|m| *m == Method::PUT || *m == Method::PATCH);
    let no_edits = route
        .methods
        .as_ref()
        .is_some_and(|methods| !edits(methods) && !methods.iter().all(is_safe));
    for name in ["on_overlap", "identity", "together", "volatile"] {
        // Only what the route itself says: what all routes share need not fit each of them.
        let own = settings
            .at(name)
            .is_some_and(|at| route.at.as_ref().is_none_or(|table| at.start >= table.start));
        if own && no_edits {
            let wrong = Wrong::new("it has no effect: only PUT and PATCH are merged, and `methods` leaves them out");
            faults.warning(
                settings.at(name),
                of(route, name),
                wrong.with("take it out, or add \"PUT\" or \"PATCH\""),
            );
        } else if own && stops && name != "volatile" {
            let wrong = Wrong::new("it has no effect: on_stale = \"stop\" never merges");
            faults.warning(
                settings.at(name),
                of(route, name),
                wrong.with("take it out, or set on_stale = \"rebase\""),
            );
        }
    }
}

/// Tags of our own where the origin has versions of its own, or where writes and reads would not agree on them.
fn virtual_tags(route: &Route, faults: &mut Faults) {
    let settings = &route.settings;
    let on = settings.values.policy.virtual_tags != VirtualTags::Off;
    let fault = |wrong| (settings.at("virtual_tags"), of(route, "virtual_tags"), wrong);
    if on && settings.values.policy.body_version.is_some() {
        let wrong =
            Wrong::new("the origin keeps versions in the content (`version`), and no tags are made beside them")
                .with("set virtual_tags = \"off\", or take out `version`");
        let (at, what, wrong) = fault(wrong);
        faults.mistake(at, what, wrong);
    }
    let misses =
        |method| settings.is_given("virtual_tags") && route.methods.as_ref().is_some_and(|m| !m.contains(&method));
    if on && route.at.is_some() && (misses(Method::GET) || misses(Method::PUT)) {
        let wrong = Wrong::new("a tag is shown by GET and compared by writes, and `methods` leaves out one of them")
            .with("add \"GET\" and \"PUT\" to `methods` (or leave them out), or set it under [defaults] as well");
        let (at, what, wrong) = fault(wrong);
        faults.warning(at, what, wrong);
    }
}

fn lanes(route: &Route, faults: &mut Faults) {
    let at = || route.settings.at("lane");
    let names: Vec<&str> = route.pattern.names().collect();
    let without_content = |method: &Method| is_safe(method) || *method == Method::DELETE;
    for template in &route.settings.values.lanes {
        for part in template.parts() {
            match part {
                Part::Path(name) if !names.contains(&name.as_str()) => {
                    let wrong = Wrong::new(format!("{:?} has no segment {{{name}}}", route.pattern.to_string()));
                    let wrong = match nearest(name, names.iter().copied()) {
                        Some(near) => wrong.with(format!("did you mean {{{near}}}?")),
                        None => wrong.with(
                            "name a segment of the path, or write {query:name}, {header:Name} or {content:/pointer}",
                        ),
                    };
                    faults.mistake(at(), of(route, "lane"), wrong);
                }
                Part::Content(pointer) if route.methods.as_ref().is_some_and(|m| m.iter().all(without_content)) => {
                    let wrong = Wrong::new(format!(
                        "it is named after {pointer} in the content, and no method of this route has content"
                    ))
                    .with("name the lane after a segment, the query or a header field");
                    faults.mistake(at(), of(route, "lane"), wrong);
                }
                Part::Text(_) | Part::Path(_) | Part::Query(_) | Part::Header(_) | Part::Content(_) => {}
            }
        }
    }
}

fn memory(config: &Config, route: &Route, faults: &mut Faults) {
    let (one, all) = (route.settings.values.max_content, config.memory());
    if one > all {
        let wrong = Wrong::new(format!(
            "one write may be {}, and all together only {} (memory)",
            tell_size(one as u64),
            tell_size(all as u64)
        ))
        .with("raise `memory`, or lower `max_content`");
        faults.mistake(route.settings.at("max_content"), of(route, "max_content"), wrong);
    }
}

/// Passing what is over the bound, where each such write is refused all the same.
fn over_bound(config: &Config, route: &Route, faults: &mut Faults) {
    let settings = &route.settings;
    if settings.values.over_bound == OverBound::Refuse {
        return;
    }
    let policy = &settings.values.policy;
    let without_effect = |why: &str| Wrong::new(format!("it has no effect: {why}"));
    let wrong = if config.upstream(&route.upstream).is_embedded() {
        without_effect("the embedded origin takes whole documents: there is nothing to stream on to")
            .with("take it out, or raise `max_content`")
    } else if policy.least < Guarantee::D {
        without_effect(&format!(
            "what passes has guarantee D, and least = {:?} refuses that",
            policy.least.as_str()
        ))
        .with("take one of them out")
    } else if matches!(policy.keys.rule, KeyRule::Required | KeyRule::Derived) {
        without_effect("what passes is not recorded, so keys cannot be kept, and here each write has one")
            .with("take it out, or set key = \"accepted\"")
    } else {
        return;
    };
    faults.warning(settings.at("over_bound"), of(route, "over_bound"), wrong);
}

/// Keys that the origin forgets while a write is still sent again by them.
fn key_life(route: &Route, faults: &mut Faults) {
    let settings = &route.settings;
    let policy = &settings.values.policy;
    let needed = policy.patience + policy.attempt_timeout;
    if policy.honours_keys && policy.honours_keys_for.is_some_and(|life| life < needed) {
        let detail = format!(
            "a write may be sent again by its key for {} (`patience` and `attempt_timeout`), which is longer",
            show_duration(needed)
        );
        let wrong = Wrong::new(detail).with("lower those two, or set honours_keys = false");
        faults.mistake(settings.at("honours_keys_for"), of(route, "honours_keys_for"), wrong);
    }
}

/// Marks where versions are shown otherwise.
fn marks(config: &Config, route: &Route, faults: &mut Faults) {
    let settings = &route.settings;
    if settings.values.mark_reads.is_none() {
        return;
    }
    let policy = &settings.values.policy;
    let all = [
        Method::GET,
        Method::HEAD,
        Method::PUT,
        Method::PATCH,
        Method::POST,
        Method::DELETE,
    ];
    let misses = |methods: &Vec<Method>| all.iter().any(|method| !methods.contains(method));
    let mistake = if policy.virtual_tags != VirtualTags::Off {
        Wrong::new("virtual_tags shows each version as an entity tag already, of what is not marked")
            .with("set virtual_tags = \"off\", or take out `mark_reads`")
    } else if policy.body_version.is_some() {
        Wrong::new("the documents name their version themselves (`version`)").with("take out `mark_reads`")
    } else if route.methods.as_ref().is_some_and(misses)
        && settings.values.mark_reads != config.rest.settings.values.mark_reads
    {
        Wrong::new("GET puts marks in, writes take them out, and all of them name versions by marked tags; `methods` leaves out one of them")
            .with("leave out `methods`, or name GET, HEAD, PUT, PATCH, POST and DELETE in it, or set `mark_reads` under [defaults] as well")
    } else {
        return;
    };
    faults.mistake(settings.at("mark_reads"), of(route, "mark_reads"), mistake);
}
