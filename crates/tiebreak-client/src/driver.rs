//! The one loop that performs what an exchange decides.

use std::future::Future;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::Request;
use tiebreak_core::delivery::{Delivery, NotSent, Unknown};
use tiebreak_core::exchange::{
    Answer, Effect, Entry, Exchange, HandOff, Input, LaneExit, LaneView, LedgerFailure, NotPassed, Outgoing,
    Registrant, Step, Via,
};
use tiebreak_core::time::Time;
use tiebreak_ledger::{Claimed, LedgerError, Pending, ResolvedBy};
use tokio::time::Instant;

use crate::browser::Page;
use crate::engine::Engine;
use crate::inflight::{Registered, Registration, Waiting};
use crate::lanes::{Standing, Ticket};
use crate::presence::Presence;
use crate::story::Recorder;
use crate::transport::AnswerBy;

/// So long the news that a client has gone may take, from the thread that serves its connection.
const NEWS: Duration = Duration::from_millis(5);

/// What the loop holds for its exchange.
pub(crate) struct Driver<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) exchange: Exchange,
    pub(crate) client: Presence,
    /// Whether the exchange was told that its client has gone.
    pub(crate) abandoned: bool,
    pub(crate) ticket: Option<Ticket>,
    pub(crate) registration: Option<Registration>,
    /// The life of this gateway in which the write was claimed or had its turn, whichever came first; where the ledger is shared.
    pub(crate) life: Option<u64>,
    /// The exchange whose answer it waits for.
    pub(crate) waiting: Option<Waiting>,
    /// The page in which a person has passed a check, for this write alone.
    pub(crate) page: Option<Page>,
    pub(crate) story: Option<Recorder>,
}

/// A driver that is dropped in the middle may leave a request on the wire, of which the lanes have to know.
impl Drop for Driver<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take()
            && let Some(exit) = self.exchange.left_behind(self.engine.clock().now())
        {
            ticket.leave(exit);
        }
    }
}

impl Driver<'_> {
    /// Drives the exchange to its answer.
    pub(crate) async fn run(mut self) -> Answer {
        let mut input = Input::Begin;
        loop {
            let now = self.engine.clock().now();
            let answered = matches!(input, Input::Delivered(_));
            let Step { effect, deadline } = self.exchange.handle(now, input);
            if let Some(story) = &mut self.story {
                story.decided(now, answered, &self.exchange, &effect);
            }
            input = match effect {
                Effect::Answer { mut answer, exit } => {
                    answer.variant = self.exchange.variant().clone();
                    answer.honours_preference = self.exchange.honours_preference();
                    return self.end(*answer, exit);
                }
                effect => self.perform(effect, deadline).await,
            };
            if let Some(story) = &mut self.story {
                story.learned(&input);
            }
        }
    }

    fn end(mut self, answer: Answer, exit: Option<LaneExit>) -> Answer {
        self.leave(exit);
        let now = self.engine.clock().now();
        // Whoever joined a write that its client took with it performs its own.
        if let Some(registration) = self.registration.take().filter(|_| !self.abandoned) {
            registration.publish(&answer, self.client.is_gone(), now);
        }
        if let Some(waiting) = self.waiting.take().filter(|_| self.client.is_gone()) {
            waiting.unheard(now);
        }
        if let Some(story) = self.story.take() {
            story.answered(now, &answer);
        }
        answer
    }

    fn leave(&mut self, exit: Option<LaneExit>) {
        if let (Some(ticket), Some(exit)) = (self.ticket.take(), exit) {
            ticket.leave(exit);
        }
    }

    async fn perform(&mut self, effect: Effect, deadline: Option<Time>) -> Input {
        let engine = self.engine;
        match effect {
            Effect::Register(registrant) => {
                if engine.inflight().may_be_left(&registrant) {
                    // A client that hangs up and repeats at once comes on two connections, whose news race each other.
                    tokio::time::sleep(NEWS).await;
                }
                self.register(&registrant)
            }
            Effect::Await => {
                let Some(waiting) = &self.waiting else {
                    return Input::Awaited(None);
                };
                let answer = self.within(deadline, waiting.answer(), |a| {
                    Input::Awaited(a.map(|a| Box::new((*a).clone())))
                });
                let input = Self::unless_gone(&self.client, self.may_be_abandoned(), answer).await;
                self.told(input)
            }
            Effect::LookUp(sought) => {
                let now = engine.clock().now();
                match engine.ledger().look_up(sought, now).await {
                    Ok(found) => Input::Found(found.map(Box::new)),
                    Err(error) => failed(&error),
                }
            }
            Effect::Get(id) => match engine.ledger().get(id).await {
                Ok(found) => Input::Found(found.map(Box::new)),
                Err(error) => failed(&error),
            },
            Effect::EnterLanes { lanes, near } => {
                if lanes.is_empty() {
                    return Input::Turn(LaneView::default());
                }
                match engine.lanes().enter(&lanes) {
                    Ok(ticket) => self.ticket = Some(ticket),
                    Err(_) => return Input::LaneFull,
                }
                self.turn(near, deadline).await
            }
            Effect::AwaitTurn => self.turn(false, deadline).await,
            Effect::Claim(claim) => {
                self.begin_life();
                match engine.ledger().claim(*claim).await {
                    Ok(Claimed::Granted(fence)) if self.is_unheard() => self.told(Input::GrantedToNobody(fence)),
                    Ok(Claimed::Granted(fence)) => Input::Granted(fence),
                    Ok(Claimed::Taken(record)) => Input::Taken(record),
                    Err(error) => failed(&error),
                }
            }
            Effect::Amend {
                id,
                fence,
                attempt,
                held,
            } => granted(engine.ledger().amend(id, fence, attempt, held).await),
            Effect::Retake { id, attempt, held } => {
                self.begin_life();
                granted(engine.ledger().retake(id, attempt, held).await)
            }
            Effect::Fetch(outgoing) => {
                self.within(deadline, self.send(*outgoing, deadline), Input::Fetched)
                    .await
            }
            Effect::Send(outgoing) => match self.withheld() {
                Some(withheld) => withheld,
                None => {
                    let sending = self.while_alive(self.send(*outgoing, deadline));
                    self.within(deadline, sending, Input::Delivered).await
                }
            },
            Effect::HandOff { ask, exit } => {
                self.leave(Some(exit));
                self.hand_off(*ask, deadline).await
            }
            Effect::Sleep(until) => {
                let rest = tokio::time::sleep_until(engine.clock().instant(until));
                self.unless_abandoned(async {
                    rest.await;
                    Input::Elapsed
                })
                .await
            }
            Effect::Record { entry, exit } => {
                // Submitted before the lane moves on, so that whoever claims after this finds it.
                let recording = record(engine, *entry);
                self.leave(exit);
                match recording.await {
                    Ok(()) => Input::Recorded,
                    Err(error) => failed(&error),
                }
            }
            // `run` has taken it.
            Effect::Answer { .. } => Input::Elapsed,
        }
    }

    fn register(&mut self, registrant: &Registrant) -> Input {
        let engine = self.engine;
        self.waiting = None;
        match engine
            .inflight()
            .register(registrant, &self.client, engine.clock().now())
        {
            Registered::Mine(registration) => {
                self.registration = Some(registration);
                Input::Registered
            }
            Registered::Running(fingerprint, waiting) => {
                self.waiting = Some(waiting);
                Input::Running(fingerprint)
            }
            Registered::Repeats(waiting) => {
                self.waiting = Some(waiting);
                Input::Repeats
            }
            Registered::RepeatsSomething => Input::RepeatsSomething,
            Registered::Undelivered(answer) => Input::Undelivered(Box::new((*answer).clone())),
        }
    }

    /// Waits for a place in the lanes, unless the client goes away first.
    async fn turn(&mut self, near: bool, deadline: Option<Time>) -> Input {
        let Some(ticket) = &mut self.ticket else {
            return Input::Turn(LaneView::default());
        };
        let standing = async {
            match if near { ticket.near().await } else { ticket.turn().await } {
                Standing::Near => Input::Near,
                Standing::Turn(view) => Input::Turn(view),
                Standing::Unknown(error) => failed(&error),
            }
        };
        let until = deadline.map(|d| self.engine.clock().instant(d));
        let standing = async {
            match until {
                Some(until) => tokio::time::timeout_at(until, standing).await.unwrap_or(Input::Elapsed),
                None => standing.await,
            }
        };
        let abandons = self.exchange.can_be_abandoned() && !self.abandoned;
        let input = Self::unless_gone(&self.client, abandons, standing).await;
        self.life = self.life.or(self.ticket.as_ref().and_then(Ticket::life));
        self.told(input)
    }

    async fn unless_abandoned(&mut self, work: impl Future<Output = Input>) -> Input {
        let input = Self::unless_gone(&self.client, self.may_be_abandoned(), work).await;
        self.told(input)
    }

    fn may_be_abandoned(&self) -> bool {
        self.exchange.can_be_abandoned() && !self.abandoned
    }

    /// Remembers that the exchange is told of its client's going.
    fn told(&mut self, input: Input) -> Input {
        self.abandoned |= matches!(input, Input::CallerGone | Input::GrantedToNobody(_));
        input
    }

    /// Whether several gateways share the ledger and nobody waits here any more: its repeat may have ended elsewhere.
    fn is_unheard(&self) -> bool {
        let joined = self.registration.as_ref().is_some_and(Registration::is_joined);
        self.engine.ledger().shared().is_some() && self.client.is_gone() && !joined
    }

    /// Does `work`, unless the client goes away first and may take the write with it.
    async fn unless_gone(client: &Presence, abandons: bool, work: impl Future<Output = Input>) -> Input {
        if !abandons {
            return work.await;
        }
        tokio::select! {
            biased;
            input = work => input,
            () = client.gone() => Input::CallerGone,
        }
    }

    fn begin_life(&mut self) {
        let now = || self.engine.ledger().shared().map(|s| s.life().number);
        self.life = self.life.or_else(now);
    }

    /// Nothing is sent under a claim of a life that is over: others may have put it in doubt. `None`: it may be sent.
    fn withheld(&self) -> Option<Input> {
        let (shared, life) = self.engine.ledger().shared().zip(self.life)?;
        if shared.life().covers(life, Instant::now()) {
            return None;
        }
        let why = "keep the claim: the lease of this gateway ran out before the write was sent; nothing was sent";
        tracing::warn!("a write was withheld: the lease of this gateway ran out");
        Some(Input::LedgerFailed(LedgerFailure { why: why.into() }))
    }

    /// Drives `sending` only while the life in which it was claimed lasts, also when this process was stopped and goes on much
    /// later: each step is preceded by a look at the clock.
    async fn while_alive(&self, sending: impl Future<Output = Delivery>) -> Delivery {
        let (Some(shared), Some(life)) = (self.engine.ledger().shared(), self.life) else {
            return sending.await;
        };
        let mut sending = std::pin::pin!(sending);
        let mut end = std::pin::pin!(tokio::time::sleep_until(shared.life().until));
        std::future::poll_fn(|context| {
            loop {
                let now = shared.life();
                if !now.covers(life, Instant::now()) {
                    tracing::warn!("an attempt was given up: the lease of this gateway ran out");
                    return Poll::Ready(Delivery::Unknown(Unknown::Timeout));
                }
                if let Poll::Ready(delivery) = sending.as_mut().poll(context) {
                    return Poll::Ready(delivery);
                }
                if end.deadline() < now.until {
                    end.as_mut().reset(now.until);
                }
                if end.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                end.as_mut().reset(Instant::now() + Duration::from_millis(50));
            }
        })
        .await
    }

    async fn within<T>(
        &self,
        deadline: Option<Time>,
        work: impl Future<Output = T>,
        input: impl FnOnce(T) -> Input,
    ) -> Input {
        match deadline {
            Some(deadline) => {
                let until = self.engine.clock().instant(deadline);
                tokio::time::timeout_at(until, work).await.map_or(Input::Elapsed, input)
            }
            None => input(work.await),
        }
    }

    /// Has a person pass the check; the page is kept for what this exchange sends.
    async fn hand_off(&mut self, ask: HandOff, deadline: Option<Time>) -> Input {
        let Some(browser) = &self.engine.options().browser else {
            let why = "this program opens no browser".to_owned();
            return Input::HandedOff(Err(NotPassed::Unavailable(why)));
        };
        let passing = browser.hand_off(ask, Arc::clone(self.engine.judge()));
        let mut page = None;
        let input = self
            .within(deadline, passing, |passed| {
                Input::HandedOff(passed.map(|passed| page = Some(passed)))
            })
            .await;
        self.page = page;
        input
    }

    async fn send(&self, outgoing: Outgoing, deadline: Option<Time>) -> Delivery {
        let mut request = Request::new(outgoing.content);
        if let Some(deadline) = deadline {
            let by = AnswerBy(self.engine.clock().instant(deadline));
            request.extensions_mut().insert(by);
        }
        // For an origin in this process, which tells callers apart as its gateway does.
        request.extensions_mut().insert(self.exchange.caller());
        *request.method_mut() = outgoing.method;
        *request.uri_mut() = outgoing.target.uri().clone();
        *request.headers_mut() = outgoing.headers;
        if request.uri().authority().is_none() {
            return Delivery::NotSent(NotSent::NameNotFound);
        }
        let transport = match (outgoing.via, &self.page) {
            (Via::Wire, _) => self.engine.transport().as_ref(),
            (Via::Page, Some(page)) => page.as_ref(),
            (Via::Page, None) => return Delivery::NotSent(NotSent::ClosedBeforeSend),
        };
        transport.send(request, self.engine.options().max_answer).await
    }
}

/// Submits the entry; what comes back waits until it is durable.
fn record(engine: &Engine, entry: Entry) -> Pending<'_, ()> {
    let ledger = engine.ledger();
    match entry {
        Entry::Settle(id, fence, settlement) => ledger.settle(id, fence, settlement),
        Entry::Doubt(id, fence, doubt) => ledger.doubt(id, fence, doubt),
        Entry::Release(id, fence) => ledger.release(id, fence),
        Entry::Resolve(id, settlement, reason) => {
            let resolving = ledger.resolve(id, settlement, ResolvedBy::Proof, reason);
            Box::pin(async move { resolving.await.map(drop) })
        }
    }
}

fn granted(result: Result<tiebreak_core::record::Fence, LedgerError>) -> Input {
    match result {
        Ok(fence) => Input::Granted(fence),
        Err(error) => failed(&error),
    }
}

fn failed(error: &LedgerError) -> Input {
    tracing::warn!(%error, "the ledger failed");
    Input::LedgerFailed(LedgerFailure { why: error.to_string() })
}
