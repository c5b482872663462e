//! Which route a request takes. Swapped as a whole when the configuration is read anew: a request keeps the route that it
//! began with.

use std::sync::Arc;

use http::{HeaderMap, Method};
use tiebreak_client::caller::{Callers, Credential};
use tiebreak_core::caller::CallerId;
use tiebreak_core::lane::LaneId;
use tiebreak_core::request::WriteRequest;
use tiebreak_origin::Origin;

use super::forwarding::Peer;
use super::upstream::Upstream;
use crate::config::{self, Config, Named, Principal};

/// All routes in force.
#[derive(Debug)]
pub(super) struct Routing {
    routes: Vec<Arc<Route>>,
    rest: Arc<Route>,
}

/// A route, and where it leads.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) config: Arc<config::Route>,
    pub(super) upstream: Upstream,
}

impl Routing {
    /// The routes of `config`; `embedded` is the origin in this process, where there is one.
    pub(super) fn of(config: &Config, embedded: Option<&Arc<Origin>>) -> Routing {
        let route = |route: &Arc<config::Route>| {
            let settings = &config.upstream(&route.upstream).settings.values;
            let upstream = match (&settings.remote, embedded) {
                (Some(remote), _) => Some(Upstream::Http(remote.clone().preserving_host(settings.preserve_host))),
                (None, Some(origin)) => Some(Upstream::Embedded(Arc::clone(origin))),
                (None, None) => None,
            }?;
            let config = Arc::clone(route);
            Some(Arc::new(Route { config, upstream }))
        };
        Routing {
            routes: config.routes.iter().filter_map(route).collect(),
            rest: route(&config.rest).expect("an embedded origin is there, or the main upstream is remote"),
        }
    }

    /// The first route that matches.
    pub(super) fn route(&self, method: &Method, path: &str) -> &Arc<Route> {
        let found = self.routes.iter().find(|route| route.config.matches(method, path));
        found.unwrap_or(&self.rest)
    }
}

impl Route {
    /// Whose request this is, with these fields and from this peer.
    pub(super) fn caller(&self, callers: &Callers, headers: &HeaderMap, peer: &Peer) -> CallerId {
        match (&self.config.settings.values.principal, peer.certificate()) {
            (Some(Principal::Field(name)), _) if headers.contains_key(name) => {
                return callers.principal(name, headers.get_all(name));
            }
            (Some(Principal::Certificate), Some(certificate)) => {
                return callers.certified(certificate.as_bytes(), &Credential::default());
            }
            (Some(_) | None, _) => {}
        }
        let credential = Credential::of(headers, &self.config.policy.keys.field);
        match peer.certificate() {
            Some(certificate) => callers.certified(certificate.as_bytes(), &credential),
            None => callers.of(&credential),
        }
    }

    /// The conflict domains of a write that a client sent to `path`.
    pub(super) fn lanes(&self, path: &str, write: &WriteRequest) -> Vec<LaneId> {
        let templates = &self.config.settings.values.lanes;
        if templates.is_empty() {
            return Vec::new();
        }
        let named = Named {
            pattern: &self.config.pattern,
            path,
            query: write.target.uri().query(),
            headers: &write.headers,
            content: &write.content,
        };
        let authority = write.target.authority();
        config::lane_names(templates, &named)
            .iter()
            .map(|name| LaneId::declared(&format!("{authority}/{name}")))
            .collect()
    }
}
