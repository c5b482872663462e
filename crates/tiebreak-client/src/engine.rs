//! The engine that all doors share.

use std::sync::Arc;

use tiebreak_core::caller::CallerId;
use tiebreak_core::exchange::{Answer, Context, Exchange};
use tiebreak_core::fingerprint::Fingerprint;
use tiebreak_core::judge::Judge;
use tiebreak_core::key::{IdempotencyKey, KeyDigest};
use tiebreak_core::lane::{LaneId, lanes_about};
use tiebreak_core::merge::Representation;
use tiebreak_core::method::removes_target;
use tiebreak_core::outcome::Outcome;
use tiebreak_core::policy::Policy;
use tiebreak_core::record::{Held, State, WriteId};
use tiebreak_core::request::WriteRequest;
use tiebreak_core::validator::EntityTag;
use tiebreak_ledger::{Ledger, LedgerError, MAX_PAGE};
use tokio::sync::oneshot;

use crate::caller::Callers;
use crate::clock::Clock;
use crate::driver::Driver;
use crate::inflight::Inflight;
use crate::lanes::{LaneLimits, Lanes};
use crate::reads::{Read, ReadLimits, Reads};
use crate::story::{Begun, Watch};
use crate::transport::Transport;

/// Settings of an engine.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// What applies to writes whose door says nothing else.
    pub policy: Arc<Policy>,
    /// Whose secret the traces of keys are made with.
    pub callers: Arc<Callers>,
    /// Bounds of the lanes.
    pub lanes: LaneLimits,
    /// Bounds of what is remembered of reads.
    pub reads: ReadLimits,
    /// At most so many bytes of an answer to a write are read.
    pub max_answer: usize,
    /// Fixed randomness, for simulations: the seed of ids and jitter. `None`: the system's.
    pub seed: Option<u64>,
    /// Who records what happens to each write, if anybody does.
    pub watch: Option<Arc<Watch>>,
}

impl Default for EngineOptions {
    fn default() -> EngineOptions {
        EngineOptions {
            policy: Arc::default(),
            callers: Arc::new(Callers::of_this_process()),
            lanes: LaneLimits::default(),
            reads: ReadLimits::default(),
            max_answer: 16 << 20,
            seed: None,
            watch: None,
        }
    }
}

/// What a door knows of a write besides the request.
#[derive(Debug, Default)]
pub struct Submission {
    /// Who writes; `None`: anonymous.
    pub caller: Option<CallerId>,
    /// The idempotency key that came with it.
    pub key: Option<IdempotencyKey>,
    /// The connection that it came over, as the door numbers them.
    pub connection: Option<u64>,
    /// The conflict domains that its route declares, besides its target.
    pub lanes: Vec<LaneId>,
    /// What applies to it, if not the engine's policy.
    pub policy: Option<Arc<Policy>>,
    /// The document that the edit was made from, where the caller says so itself.
    pub base: Option<Representation>,
    /// Whether to read the target before writing.
    pub check_first: bool,
    /// Resolves (or is dropped) when the client has gone.
    pub gone: Option<oneshot::Receiver<()>>,
}

/// Performs writes conflict-safely. Cheap to share behind an [`Arc`].
pub struct Engine {
    options: EngineOptions,
    clock: Clock,
    ledger: Arc<dyn Ledger>,
    transport: Arc<dyn Transport>,
    judge: Arc<Judge>,
    lanes: Arc<Lanes>,
    inflight: Arc<Inflight>,
    reads: Reads,
    random: Random,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine over this ledger and this transport.
    #[must_use]
    pub fn new(
        options: EngineOptions,
        clock: Clock,
        ledger: Arc<dyn Ledger>,
        transport: Arc<dyn Transport>,
        judge: Arc<Judge>,
    ) -> Engine {
        Engine {
            lanes: Lanes::new(options.lanes, clock),
            reads: Reads::new(options.reads),
            random: Random::new(options.seed),
            inflight: Arc::default(),
            options,
            clock,
            ledger,
            transport,
            judge,
        }
    }

    /// Who says what answers mean.
    #[must_use]
    pub fn judge(&self) -> &Arc<Judge> {
        &self.judge
    }

    /// Takes notice of what an earlier process left, before the first write: the lanes of what may still arrive late are
    /// suspect, and what it served to whom is not known any more. Returns how many doubts are open.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub async fn recover(&self) -> Result<u64, LedgerError> {
        let (mut after, mut count) = (None, 0);
        let stats = self.ledger.stats().await?;
        if stats.claimed + stats.settled + stats.in_doubt > 0 {
            self.reads.forgot(self.clock.now());
        }
        loop {
            let page = self.ledger.doubts(after, MAX_PAGE).await?;
            let Some(last) = page.last() else { return Ok(count) };
            after = Some(last.claim.id);
            count += page.len() as u64;
            for record in &page {
                let held = record.claim.held.as_deref().and_then(Held::parse);
                let kind = self.options.policy.etag;
                let guarded = held
                    .as_ref()
                    .and_then(Held::tag)
                    .is_some_and(|tag| kind.is_version(tag, None));
                if let (State::InDoubt(doubt), false) = (&record.state, guarded) {
                    let until = doubt.since.after(self.options.policy.late_after);
                    self.lanes.suspect(&record.claim.lanes, until);
                }
            }
        }
    }

    /// Performs one write: once, on the version it was meant for.
    ///
    /// Dropping the future abandons the exchange wherever it is, which leaves a claim behind that only a
    /// restart turns into a doubt: a door whose client may go away spawns it as a task of its own.
    pub async fn write(&self, request: WriteRequest, submission: Submission) -> Answer {
        let caller = submission.caller.unwrap_or(CallerId::ANONYMOUS);
        let scope = [
            request.target.authority(),
            request.method.as_str(),
            request.target.path(),
        ];
        let key = submission.key.as_ref().map(|k| KeyDigest::of(caller, k, &scope));
        // A key that a door made itself is nobody else's.
        let sent = submission
            .key
            .filter(|key| IdempotencyKey::of(&request.headers) == Ok(Some(key.clone())));
        let (random, seed) = self.random.draw();
        let policy = submission.policy.unwrap_or_else(|| Arc::clone(&self.options.policy));
        let resource = policy.resource(&request.target);
        let mut lanes = lanes_about(&request, &resource);
        if !submission.lanes.is_empty() {
            lanes.extend(submission.lanes);
            lanes.sort();
            lanes.dedup();
        }
        let context = Context {
            id: WriteId::new(self.clock.now(), random),
            caller,
            key,
            trace: sent.map(|k| self.options.callers.trace(&k, &scope)),
            fingerprint: Fingerprint::of(&request),
            lanes,
            candidates: self
                .reads
                .candidates(caller, resource.as_str(), submission.connection, self.clock.now()),
            connection: submission.connection,
            policy: Arc::clone(&policy),
            base: submission.base,
            check_first: submission.check_first,
            seed,
        };
        let story = self.options.watch.as_ref().map(|watch| {
            watch.begin(
                &request,
                Begun {
                    id: context.id,
                    caller,
                    keyed: key.is_some(),
                    lanes: &context.lanes,
                    at: self.clock.now(),
                },
            )
        });
        let connection = submission.connection;
        let request = Arc::new(request);
        let exchange = Exchange::new(Arc::clone(&request), context, Arc::clone(&self.judge));
        let driver = Driver {
            engine: self,
            exchange,
            gone: submission.gone,
            ticket: None,
            registration: None,
            story,
        };
        let answer = driver.run().await;
        if answer.pooled {
            self.reads.note_pooled(caller, self.clock.now());
        }
        if let Some(connection) = connection {
            let read = Read {
                caller,
                target: resource.as_str().to_owned(),
                connection,
            };
            self.note_own(read, &policy, &request, &answer);
        }
        answer
    }

    /// A caller knows what it wrote: the new representation where the answer holds it, else what it sent.
    fn note_own(&self, read: Read, policy: &Policy, request: &WriteRequest, answer: &Answer) {
        let now = self.clock.now();
        if let Some(produced) = &answer.produced {
            let content = Some(produced.representation.clone());
            return self.reads.note(read, produced.etag.clone(), content, now);
        }
        let outcome = answer.report.outcome;
        if outcome == Outcome::Applied && removes_target(&request.method) {
            return self.reads.forget(&read);
        }
        let may_be_there = matches!(outcome, Outcome::Applied | Outcome::Accepted | Outcome::InDoubt);
        if request.method != http::Method::PUT || !may_be_there {
            return;
        }
        let content_type = request.field("content-type").unwrap_or_default();
        let sent = Representation::new(content_type, request.content.clone());
        if outcome == Outcome::Applied && sent.document().is_err() {
            // As with reads, content that cannot be merged is nobody's base, and what it replaced is none any more.
            return self.reads.forget(&read);
        }
        let etag = answer
            .headers
            .get(http::header::ETAG)
            .and_then(|v| EntityTag::parse(v.to_str().ok()?).ok());
        let unaltered = outcome == Outcome::Applied && !answer.report.rebased;
        if let Some(version) = &policy.body_version {
            let made = version.written(request, &answer.status, &answer.headers, &answer.content);
            let (etag, content) = made.filter(|_| unaltered).unzip();
            return self.reads.note_sent(read, etag, content, now);
        }
        self.reads.note_sent(read, etag.filter(|_| unaltered), Some(sent), now);
    }

    /// What was served to whom; a door that serves reads tells it here.
    #[must_use]
    pub fn reads(&self) -> &Reads {
        &self.reads
    }

    /// The ledger.
    #[must_use]
    pub fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.ledger
    }

    /// The lanes.
    #[must_use]
    pub fn lanes(&self) -> &Arc<Lanes> {
        &self.lanes
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// The settings.
    #[must_use]
    pub fn options(&self) -> &EngineOptions {
        &self.options
    }

    pub(crate) fn transport(&self) -> &Arc<dyn Transport> {
        &self.transport
    }

    pub(crate) fn inflight(&self) -> &Arc<Inflight> {
        &self.inflight
    }
}

/// Where ids and jitter come from.
#[derive(Debug)]
struct Random {
    counter: std::sync::atomic::AtomicU64,
    key: [u8; 32],
}

impl Random {
    fn new(seed: Option<u64>) -> Random {
        let mut key = [0; 32];
        match seed {
            Some(seed) => key[..8].copy_from_slice(&seed.to_be_bytes()),
            None => getrandom::fill(&mut key).expect("the operating system has randomness"),
        }
        Random { counter: 0.into(), key }
    }

    /// Ten bytes for an id and a seed for the jitter, new each time: SHA-256 of a secret and a counter.
    fn draw(&self) -> ([u8; 10], u64) {
        let count = self.counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let digest = tiebreak_core::fingerprint::Digest::of(&[&self.key, &count.to_be_bytes()]).0;
        let mut id = [0; 10];
        id.copy_from_slice(&digest[..10]);
        let mut seed = [0; 8];
        seed.copy_from_slice(&digest[10..18]);
        (id, u64::from_be_bytes(seed))
    }
}
