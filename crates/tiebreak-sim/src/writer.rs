//! A caller of the gateway: reads, edits, writes, and repeats what it may repeat.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request};
use serde_json::{Map, Value};
use tiebreak_client::reads::Read;
use tiebreak_client::{Answer, Submission};
use tiebreak_core::caller::CallerId;
use tiebreak_core::fingerprint::{Digest, Fingerprint};
use tiebreak_core::key::IdempotencyKey;
use tiebreak_core::merge::Representation;
use tiebreak_core::outcome::Outcome;
use tiebreak_core::policy::{OnDuplicate, Policy, Unguarded};
use tiebreak_core::problem::Kind;
use tiebreak_core::request::{Target, WriteRequest};
use tiebreak_core::response::Response;
use tiebreak_core::variant::Variant;
use tokio::sync::oneshot;

use crate::origin::Fields;
use crate::sabotage::Sabotage;
use crate::scenario::Work;
use crate::trace::{Answered, Event, Number};
use crate::wire::NUMBER;
use crate::world::{Gate, World};

/// The documents that all writers share.
pub const SHARED: [&str; 2] = ["/shared/1", "/shared/2"];

/// Their members,
pub const MEMBERS: [&str; 6] = ["f0", "f1", "f2", "f3", "f4", "f5"];

/// and what each of them is in the beginning.
pub const FIRST: &str = "first";

/// How often a caller asks for one write, at most.
const REPEATS: u32 = 6;

/// What a caller wants once.
#[derive(Debug, Clone)]
pub struct Write {
    /// The kind of work.
    pub work: Work,
    /// Whose credential it has.
    pub caller: String,
    /// The target's path.
    pub path: String,
    /// The member that it edits, and its new value.
    pub edit: Option<(String, String)>,
    /// What its author had read.
    pub base: Option<Fields>,
    /// Whether it has an idempotency key.
    pub keyed: bool,
}

/// One writer.
pub(crate) struct Writer {
    world: Arc<World>,
    number: usize,
    caller: String,
    /// How often it went away before its answer: no other request comes on that connection (RFC 9112 §9.3).
    gone: AtomicU64,
}

/// What is asked for, whenever it is repeated.
struct Asked {
    number: Number,
    request: WriteRequest,
    key: Option<IdempotencyKey>,
    policy: Option<Policy>,
    check_first: bool,
}

impl Writer {
    pub(crate) fn new(world: Arc<World>, number: usize) -> Writer {
        let caller = format!("caller{}", number % world.scenario.callers);
        Writer {
            world,
            number,
            caller,
            gone: AtomicU64::new(0),
        }
    }

    pub(crate) async fn work(self) {
        let world = Arc::clone(&self.world);
        for _ in 0..world.scenario.writes {
            tokio::time::sleep(world.dice.time(0..60)).await;
            match *world.dice.pick(world.scenario.work) {
                work @ (Work::Edit | Work::EditNamed | Work::EditRebase | Work::Patch) => self.edit(work).await,
                Work::Create => self.create().await,
                Work::Live => self.live().await,
                Work::Job => self.job().await,
            }
        }
    }

    fn new_write(&self, work: Work, path: &str, keyed: bool) -> Number {
        let mut writes = self.world.lock_writes();
        writes.push(Write {
            work,
            caller: self.caller.clone(),
            path: path.to_owned(),
            edit: None,
            base: None,
            keyed,
        });
        writes.len() - 1
    }

    fn note_edit(&self, number: Number, member: &str, value: &str, base: Option<Fields>) {
        let mut writes = self.world.lock_writes();
        writes[number].edit = Some((member.to_owned(), value.to_owned()));
        writes[number].base = base;
    }

    fn request<T>(&self, method: Method, path: &str, content: T) -> Request<T> {
        let mut request = Request::new(content);
        *request.method_mut() = method;
        *request.uri_mut() = format!("http://origin.example{path}").parse().expect("a fixed form");
        let credential = HeaderValue::from_str(&self.caller).expect("plain letters");
        request.headers_mut().insert("authorization", credential);
        request
    }

    fn connection(&self, gate: &Gate) -> u64 {
        let (place, times) = match self.world.scenario.pooled {
            true => (self.world.dice.number(0..3), 0),
            false => (self.number as u64, self.gone.load(Ordering::Relaxed)),
        };
        ((times * 1000 + gate.generation) * 100 + place) * 10 + gate.host as u64
    }

    fn caller_id(&self) -> CallerId {
        CallerId(Digest::of(&[self.caller.as_bytes()]))
    }

    /// Reads through the gateway, which remembers what it served.
    async fn read(&self, path: &str) -> (Response, u64) {
        let gate = loop {
            let gate = self.world.gate(self.number).await;
            // A stopped gateway serves it when it goes on.
            let served = self.world.inside(gate.host, gate.generation, std::future::ready(()));
            if served.await.is_some() {
                break gate;
            }
        };
        let engine = &gate.engine;
        let request = self.request(Method::GET, path, Bytes::new());
        let response = self.world.wire.read(&request);
        if let Ok(Value::Object(seen)) = serde_json::from_slice::<Value>(&response.content) {
            self.world.trace.note(Event::Looked(path.to_owned(), texts(&seen)));
        }
        let connection = self.connection(&gate);
        if let Some(representation) = Representation::of(&response) {
            let read = Read {
                caller: self.caller_id(),
                target: request.uri().to_string(),
                variant: Variant::of(request.headers(), &response.headers).unwrap_or_default(),
                connection: Some(connection),
            };
            let now = engine.clock().now();
            engine.reads().note(read, response.etag(), Some(representation), now);
        }
        (response, connection)
    }

    /// Edits one member of a shared document.
    async fn edit(&self, work: Work) {
        let world = &self.world;
        let path = *world.dice.pick(&SHARED);
        let (response, connection) = self.read(path).await;
        // A caller thinks for a while.
        tokio::time::sleep(world.dice.time(0..40)).await;
        let Ok(Value::Object(read)) = serde_json::from_slice::<Value>(&response.content) else {
            return;
        };
        let keyed = world.dice.chance(50);
        let number = self.new_write(work, path, keyed);
        let member = match world.scenario.pooled {
            // Two readers of one pool who edit the same member cannot be told apart; the design says so.
            true => format!("f{}", self.number),
            false => format!("f{}", world.dice.number(0..4)),
        };
        let value = format!("w{number}");
        let base: Fields = texts(&read);
        self.note_edit(number, &member, &value, Some(base));
        let (method, kind, content) = match work {
            Work::Patch => {
                let patch = Map::from_iter([(member, Value::from(value))]);
                (Method::PATCH, "application/merge-patch+json", patch)
            }
            _ => {
                let mut whole = read;
                whole.insert(member, value.into());
                (Method::PUT, "application/json", whole)
            }
        };
        let mut fields = vec![("content-type", kind.to_owned())];
        let tag = response.field("etag").map(str::to_owned);
        match (work, tag) {
            (Work::EditNamed, Some(tag)) => fields.push(("if-match", tag)),
            (Work::EditRebase, Some(tag)) => {
                fields.extend([("if-match", tag), ("prefer", "tiebreak=rebase".to_owned())]);
            }
            _ => {}
        }
        let asked = self.asked(number, method, path, &fields, Value::Object(content).to_string(), keyed);
        self.submit(asked, Some(connection)).await;
    }

    async fn create(&self) {
        let keyed = self.world.dice.chance(50);
        let number = self.new_write(Work::Create, "/items", keyed);
        let content = format!("{{\"name\":\"w{number}\"}}");
        let fields = [("content-type", "application/json".to_owned())];
        let asked = self.asked(number, Method::POST, "/items", &fields, content, keyed);
        self.submit(asked, None).await;
    }

    async fn live(&self) {
        let keyed = self.world.dice.chance(50);
        let number = self.new_write(Work::Live, "", keyed);
        let path = format!("/live/{number}");
        self.world.lock_writes()[number].path.clone_from(&path);
        let content = format!("{{\"name\":\"w{number}\"}}");
        let fields = [
            ("content-type", "application/json".to_owned()),
            ("if-none-match", "*".to_owned()),
        ];
        let asked = self.asked(number, Method::PUT, &path, &fields, content, keyed);
        self.submit(asked, None).await;
        let (response, connection) = self.read(&path).await;
        let Some(tag) = response.field("etag").map(str::to_owned) else {
            return;
        };
        let number = self.new_write(Work::Live, &path, keyed);
        let named = [("if-match", tag)];
        let plain = self.world.dice.chance(50);
        let fields = if plain { &[][..] } else { &named[..] };
        let mut asked = self.asked(number, Method::DELETE, &path, fields, String::new(), keyed);
        if plain {
            asked.policy = Some(Policy {
                unguarded: Unguarded::Allow,
                ..self.world.scenario.policy()
            });
        }
        self.submit(asked, Some(connection)).await;
    }

    async fn job(&self) {
        let keyed = self.world.dice.chance(50);
        let number = self.new_write(Work::Job, "", keyed);
        let path = format!("/jobs/{number}");
        self.world.lock_writes()[number].path.clone_from(&path);
        let content = format!("{{\"name\":\"w{number}\"}}");
        let fields = [("content-type", "application/json".to_owned())];
        let mut asked = self.asked(number, Method::PUT, &path, &fields, content, keyed);
        asked.check_first = true;
        asked.policy = Some(Policy {
            on_duplicate: OnDuplicate::Adopt,
            ..self.world.scenario.policy()
        });
        self.submit(asked, None).await;
    }

    fn asked(
        &self,
        number: Number,
        method: Method,
        path: &str,
        fields: &[(&'static str, String)],
        content: String,
        keyed: bool,
    ) -> Asked {
        let mut request = self.request(method, path, Bytes::from(content));
        let own = (NUMBER, number.to_string());
        for (name, value) in fields.iter().chain([&own]) {
            let value = HeaderValue::from_str(value).expect("plain letters");
            request.headers_mut().insert(HeaderName::from_static(name), value);
        }
        // A UUID, so that nobody else's key is the same.
        let key = keyed.then(|| {
            let text = format!("8e03978e-40d5-43dd-bc93-{number:012x}");
            IdempotencyKey::new(text).expect("short")
        });
        if let Some(key) = &key {
            let value = HeaderValue::from_str(key.as_str()).expect("plain letters");
            request.headers_mut().insert("idempotency-key", value);
        }
        let (head, content) = request.into_parts();
        let request = WriteRequest {
            method: head.method,
            target: Target::from_uri(head.uri).expect("an absolute URI"),
            headers: head.headers,
            content,
        };
        self.world.register.is(Fingerprint::of(&request), number);
        Asked {
            number,
            request,
            key,
            policy: None,
            check_first: false,
        }
    }

    /// Asks for it, and again as long as there is a reason.
    async fn submit(&self, asked: Asked, mut connection: Option<u64>) {
        let dice = &self.world.dice;
        for _ in 0..REPEATS {
            let gate = self.world.gate(self.number).await;
            let engine = Arc::clone(&gate.engine);
            let (here, gone) = oneshot::channel();
            let submission = Submission {
                caller: Some(self.caller_id()),
                gone: Some(gone),
                connection,
                policy: asked.policy.clone().map(Arc::new),
                check_first: asked.check_first,
                ..Submission::default()
            };
            self.world.trace.note(Event::Submitted(asked.number));
            let request = asked.request.clone();
            let work = Box::pin(async move { engine.write(request, submission).await });
            let answer = self.answer(&gate, work).await;
            drop(here);
            let again = match answer {
                // Killed or dropped without an answer: only a key makes it safe to ask again.
                None => {
                    self.gone.fetch_add(1, Ordering::Relaxed);
                    connection = connection.map(|_| self.connection(&gate));
                    asked.key.is_some()
                }
                Some(answer) => {
                    self.note_answer(asked.number, &answer);
                    self.may_repeat(&asked, &answer)
                }
            };
            if asked.key.is_some() && dice.chance(self.world.scenario.strangers) {
                self.overhear(&asked).await;
            }
            if !again {
                return;
            }
            tokio::time::sleep(dice.time(0..4_000)).await;
        }
    }

    /// Somebody with another credential sends the same under the same key, which the ledger may know: once the write was claimed.
    async fn overhear(&self, asked: &Asked) {
        let released = || {
            let events = self.world.trace.events();
            let of_it = |(_, event): &&(_, Event)| matches!(event, Event::Released(write, _) if *write == asked.number);
            events.iter().filter(of_it).count()
        };
        let claimed = |(_, event): &(_, Event)| match event {
            Event::Claimed(write, ..) => Some((*write, true)),
            Event::Released(write, _) => Some((*write, false)),
            _ => None,
        };
        let events = self.world.trace.events();
        let last = events
            .iter()
            .rev()
            .filter_map(claimed)
            .find(|(write, _)| *write == asked.number);
        if last.is_none_or(|(_, kept)| !kept) {
            return;
        }
        let before = released();
        let gate = self.world.gate(self.number).await;
        let engine = Arc::clone(&gate.engine);
        let mut request = asked.request.clone();
        request
            .headers
            .insert("authorization", HeaderValue::from_static("stranger"));
        let submission = Submission {
            caller: Some(match self.world.scenario.sabotage {
                Sabotage::StrangersAreCallers => self.caller_id(),
                _ => CallerId(Digest::of(&[b"stranger"])),
            }),
            ..Submission::default()
        };
        let work = Box::pin(async move { engine.write(request, submission).await });
        let answer = self.world.inside(gate.host, gate.generation, work).await;
        // Released in the meantime, it is the stranger's own write that was performed.
        if let Some(answer) = answer.filter(|_| released() == before) {
            let told = Self::told(asked.number, &answer);
            self.world.trace.note(Event::Overheard(told));
        }
    }

    /// Waits for the answer to `work`; `None`: the process was killed, or the caller does not wait any longer.
    async fn answer(&self, gate: &Gate, work: impl Future<Output = Answer> + Send + 'static) -> Option<Answer> {
        let (world, dice) = (&self.world, &self.world.dice);
        let work = {
            let (world, host, generation) = (Arc::clone(world), gate.host, gate.generation);
            async move { world.inside(host, generation, work).await }
        };
        if world.scenario.fleet.is_none() {
            let patience = match dice.chance(world.scenario.cancels) {
                true => dice.time(1..400),
                false => Duration::from_secs(600),
            };
            return tokio::time::timeout(patience, work).await.unwrap_or_default();
        }
        // A caller that hangs up takes nothing with it that was claimed: the gateway goes on.
        let patience = match dice.chance(20) {
            true => dice.time(500..9_000),
            false => Duration::from_secs(600),
        };
        let answer = tokio::time::timeout(patience, tokio::spawn(work)).await;
        answer.ok().and_then(Result::ok).flatten()
    }

    fn may_repeat(&self, asked: &Asked, answer: &Answer) -> bool {
        let kind = answer.problem.as_ref().map(tiebreak_core::problem::Problem::kind);
        let unrecorded = answer
            .problem
            .as_ref()
            .is_some_and(|p| p.detail().contains("could not be recorded"));
        match (answer.report.outcome, kind) {
            // Without a key the answer says: read before you repeat anything.
            (Outcome::InDoubt, _) if unrecorded => asked.key.is_some(),
            (Outcome::InDoubt, _) => self.world.dice.chance(80),
            // The answer did not come through to the caller.
            (Outcome::Applied, _) if asked.key.is_some() => self.world.dice.chance(10),
            (Outcome::NotSent, Some(Kind::LedgerUnavailable | Kind::Busy | Kind::OriginUnreachable)) => true,
            (Outcome::NotSent, Some(Kind::InProgress)) => asked.key.is_some(),
            _ => false,
        }
    }

    fn note_answer(&self, write: Number, answer: &Answer) {
        self.world.trace.note(Event::Answered(Self::told(write, answer)));
    }

    fn told(write: Number, answer: &Answer) -> Answered {
        Answered {
            write,
            outcome: answer.report.outcome,
            status: answer.status.as_u16(),
            problem: answer.problem.as_ref().map(tiebreak_core::problem::Problem::kind),
            guarantee: answer.report.guarantee,
            attempts: answer.report.attempts,
            unguarded: answer.report.unguarded,
            rebased: answer.report.rebased,
            replayed: answer.replayed,
            content: String::from_utf8_lossy(&answer.content).into_owned(),
        }
    }
}

fn texts(document: &Map<String, Value>) -> Fields {
    document
        .iter()
        .filter(|(name, _)| *name != "viewer" && *name != "rev")
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect()
}
