//! Real browsers, in which a person passes a check.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tiebreak_core::exchange::{HandOff, NotPassed};
use tiebreak_core::judge::Judge;

use crate::transport::Transport;

/// A page in which the check is passed: it sends what it is given from within itself. Dropping it closes it.
pub type Page = Box<dyn Transport>;

/// What came of handing a check off.
pub type HandingOff<'a> = Pin<Box<dyn Future<Output = Result<Page, NotPassed>> + Send + 'a>>;

/// Whoever can put a page before a person.
///
/// An implementation forges nothing, moves no cookies, and gives a page to nobody but the caller it was opened for.
/// A caller that stops waiting drops the future; the page closes then.
pub trait Browser: fmt::Debug + Send + Sync + 'static {
    /// Opens the page of `ask`, says what is needed, and waits until a request of the page is answered by the API instead
    /// of the check, as `judge` reads the answer.
    fn hand_off(&self, ask: HandOff, judge: Arc<Judge>) -> HandingOff<'_>;
}
