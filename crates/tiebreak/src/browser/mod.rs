//! Bot checks are passed by a person in a real Chromium (docs/hand-off.md).
//!
//! | file | what |
//! |---|---|
//! | `seats` | how many windows are open at a time |
//! | `declined` | who closed a window a moment ago |
//! | `webdriver` | a small client of the machine's `chromedriver` |
//! | `page` | the page as a transport; `fetch.js` is what runs in it |

mod declined;
mod page;
mod seats;
mod webdriver;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use tiebreak_client::browser::{Browser, HandingOff, Page};
use tiebreak_core::caller::CallerId;
use tiebreak_core::delivery::Delivery;
use tiebreak_core::exchange::{HandOff, NotPassed};
use tiebreak_core::judge::{Asked, Judge};
use tiebreak_core::verdict::Class;
use tokio::sync::watch;
use tokio::time::Instant;
use url::Url;

use declined::Declined;
use page::{Redirects, Window};
use seats::Seats;
use webdriver::{Fault, Session, missing_screen};

/// How often the page is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// How often a page that does not change is tried.
const TRY: Duration = Duration::from_secs(5);

/// So often a page from which the check is passed may fail to send a request.
const FAILURES: u32 = 3;

/// At most so many bytes of an answer are judged.
const JUDGED: usize = 256 * 1024;

/// Where and since when the document in the window is, and whether it is loaded.
const WHERE: &str = "return [location.origin, performance.timeOrigin, document.readyState]";

/// The Chromium of this machine, with the person who sits at it.
#[derive(Debug)]
pub(crate) struct Chromium {
    profiles: Option<PathBuf>,
    seats: Arc<Seats>,
    declined: Declined,
    stopping: watch::Receiver<bool>,
}

impl Chromium {
    /// With the folder of the callers' profiles; nothing is started before it is needed.
    pub(crate) fn new(profiles: Option<PathBuf>, stopping: watch::Receiver<bool>) -> Chromium {
        Chromium {
            profiles,
            seats: Arc::default(),
            declined: Declined::default(),
            stopping,
        }
    }

    /// Waits until all windows are closed.
    pub(crate) async fn closed(&self) {
        self.seats.empty().await;
    }

    async fn pass(&self, ask: HandOff, judge: Arc<Judge>) -> Result<Page, NotPassed> {
        if let Some(why) = missing_screen() {
            return Err(unavailable(why));
        }
        let origin = origin_of(&ask)?;
        // Those without a credential may be anybody: each gets a profile that nobody has used.
        let own = self.profiles.as_ref().filter(|_| !ask.caller.is_anonymous());
        let profile = own.map(|folder| profile_in(folder, ask.caller)).transpose()?;
        let seat = self.seats.take(profile.as_ref().map(|_| ask.caller)).await;
        // Also for those who have waited for that very window.
        if self.declined.is_recent(Instant::now().into_std(), ask.caller, &origin) {
            return Err(unavailable(
                "its caller's last window was closed less than a minute ago, and no other opens before that is over",
            ));
        }
        // In a task of its own, so that a browser that is just starting is closed too if nobody waits any more.
        let timeout = ask.timeout;
        let starting = tokio::spawn(async move {
            let session = Session::start(profile.as_deref(), timeout).await?;
            Ok(Window::new(session, seat))
        });
        let window = match starting.await {
            Ok(started) => started.map_err(NotPassed::Unavailable)?,
            Err(_) => return Err(unavailable("starting it failed")),
        };
        let shown = without_query(ask.target.as_str());
        tracing::warn!(
            target = shown,
            check = ask.check,
            "a person is needed: pass the check in the browser window that has opened"
        );
        let passed = wait(&window, &ask, &origin, &judge).await;
        if passed == Err(NotPassed::Refused) {
            self.declined.note(Instant::now().into_std(), ask.caller, &origin);
        }
        passed?;
        tracing::warn!(target = shown, "the check is passed; the write is sent from the page");
        Ok(Box::new(window))
    }
}

impl Browser for Chromium {
    fn hand_off(&self, ask: HandOff, judge: Arc<Judge>) -> HandingOff<'_> {
        let mut stopping = self.stopping.clone();
        Box::pin(async move {
            tokio::select! {
                passed = self.pass(ask, judge) => passed,
                _ = stopping.wait_for(|stopping| *stopping) => Err(unavailable("Tiebreak is stopping")),
            }
        })
    }
}

/// Waits until the API answers a request of the page, in a document that was loaded after the check had been passed: one that is
/// about to reload itself would take the write along.
async fn wait(window: &Window, ask: &HandOff, origin: &str, judge: &Judge) -> Result<(), NotPassed> {
    let Some(session) = window.session() else {
        return Err(NotPassed::Refused);
    };
    let target = ask.target.as_str();
    let mut page = target.to_owned();
    open(session, &page).await?;
    let (mut passed, mut failures) = (false, 0);
    // Where the target has nothing to show, a page of the same origin will do.
    let mut elsewhere = ["/", "/robots.txt"].iter().map(|path| format!("{origin}{path}"));
    let mut tried: Option<(f64, Instant)> = None;
    loop {
        let (at, since) = match session.run(WHERE).await {
            Ok(said) if said[2] == "complete" && said[0] != "null" => (said[0] == origin, said[1].as_f64()),
            // Chromium's own page, where an answer has no content.
            Ok(said) if said[2] == "complete" && said[0] == "null" => match elsewhere.next() {
                Some(url) => {
                    page = url;
                    open(session, &page).await?;
                    continue;
                }
                None => return Err(unavailable("the origin shows no page that requests could be sent from")),
            },
            // It is loading, or shows a dialog.
            Ok(_) | Err(Fault::Other(_) | Fault::Overdue) => (false, None),
            Err(Fault::Gone) => return Err(NotPassed::Refused),
            Err(Fault::Unreached) => return Err(unavailable("the browser has ended")),
        };
        let due =
            since.filter(|since| tried.is_none_or(|(last, when)| last != *since || when.elapsed() >= TRY || passed));
        if let Some(since) = due.filter(|_| at) {
            tried = Some((since, Instant::now()));
            match answers(window, ask, judge).await {
                Some(true) if passed => return Ok(()),
                Some(true) => {
                    passed = true;
                    open(session, &page).await?;
                    continue;
                }
                Some(false) => passed = false,
                None if passed => {
                    failures += 1;
                    if failures >= FAILURES {
                        return Err(unavailable(
                            "the check is passed, but the page cannot send requests (its Content-Security-Policy may forbid it)",
                        ));
                    }
                }
                None => {}
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn origin_of(ask: &HandOff) -> Result<String, NotPassed> {
    let url = Url::parse(ask.target.as_str()).map_err(|e| unavailable(&e.to_string()))?;
    Ok(url.origin().ascii_serialization())
}

/// Loads the target. Whatever it shows is the origin's business; only a browser that is gone is ours.
async fn open(session: &Session, target: &str) -> Result<(), NotPassed> {
    match session.open(target).await {
        Ok(()) | Err(Fault::Other(_) | Fault::Overdue) => Ok(()),
        Err(Fault::Gone) => Err(NotPassed::Refused),
        Err(Fault::Unreached) => Err(unavailable("the browser has ended")),
    }
}

/// Whether the API answers a request of the page, and not the check. `None`: nobody does.
async fn answers(window: &Window, ask: &HandOff, judge: &Judge) -> Option<bool> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = ask.target.uri().clone();
    match window.fetch(request, JUDGED, Redirects::Followed).await {
        Delivery::Answered(response) | Delivery::Declined(response) => {
            let headers = HeaderMap::new();
            let path = ask.target.uri().path_and_query().map_or("/", |p| p.as_str());
            let verdict = judge.judge(&Asked::new(&Method::GET, path, &headers), &response);
            Some(verdict.class != Class::Blocked)
        }
        Delivery::NotSent(_) | Delivery::Unknown(_) => None,
    }
}

/// The folder of this caller's profile, for nobody else.
fn profile_in(folder: &std::path::Path, caller: CallerId) -> Result<PathBuf, NotPassed> {
    let name: String = caller.0.0[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    let fail = |e: std::io::Error| unavailable(&format!("the profile folder {} cannot be made: {e}", folder.display()));
    let path = std::path::absolute(folder).map_err(fail)?.join(name);
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(&path).map_err(fail)?;
    Ok(path)
}

fn unavailable(why: &str) -> NotPassed {
    NotPassed::Unavailable(why.to_owned())
}

/// A query may hold a secret.
fn without_query(target: &str) -> &str {
    target.split_once('?').map_or(target, |(before, _)| before)
}
