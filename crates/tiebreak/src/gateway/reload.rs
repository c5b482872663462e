//! SIGHUP reads the configuration file anew. Routes and what they allow are swapped as a whole; requests on their way keep the
//! route that they began with, and no connection notices.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use tiebreak_client::transport::origins::Origins;
use tiebreak_origin::Origin;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::route::Gateway;
use super::routing::Routing;
use super::upstream::own_settings;
use crate::config::{Config, Flag, Layered, Server};
use crate::exit::{FAILED, Failure};

/// SIGHUP from now on; before, it ends the process.
pub(super) fn hangups() -> Result<Signal, Failure> {
    signal(SignalKind::hangup()).map_err(|e| Failure::new(FAILED, format!("receive SIGHUP: {e}")))
}

/// What has to be known to read the configuration anew.
pub(super) struct Reload {
    pub(super) gateway: Arc<Gateway>,
    /// The file that was given at the start.
    pub(super) file: Option<PathBuf>,
    pub(super) flags: Vec<Flag>,
    pub(super) origins: Arc<Origins>,
    /// What was in force at the start, and still is where a new value needs a restart.
    pub(super) started: Layered<Server>,
    pub(super) embedded: Option<Arc<Origin>>,
}

impl Reload {
    /// Reads the file anew at each of these signals.
    pub(super) async fn at_each(self, mut hangups: Signal) {
        while hangups.recv().await.is_some() {
            eprintln!("tiebreak: {}", self.once());
        }
    }

    /// Reads the file anew, and says what came of it.
    fn once(&self) -> String {
        const KEPT: &str = "the configuration stays as it was";
        let Some(file) = &self.file else {
            return format!("{KEPT}: it was started without --config, so there is no file to read anew");
        };
        let config = match Config::load(Some(file), &self.flags) {
            Ok(config) => config,
            Err(failure) => return format!("{KEPT}: failed to {}", failure.why()),
        };
        if config.upstreams[0].is_embedded() && self.embedded.is_none() {
            return format!(
                "{KEPT}: `upstream` is gone, and the embedded origin is opened at a start only; restart for that"
            );
        }
        match own_settings(&config) {
            Ok(settings) => self.origins.replace(settings),
            Err(why) => return format!("{KEPT}: failed to {why}"),
        }
        for name in config.server.other_at_start(&self.started) {
            eprintln!("tiebreak: `{name}` has another value now, which takes effect at the next start");
        }
        let routing = Arc::new(Routing::of(&config, self.embedded.as_ref()));
        *self.gateway.routing.write().unwrap_or_else(PoisonError::into_inner) = routing;
        format!("read {} anew: {} in force", file.display(), config.told())
    }
}
