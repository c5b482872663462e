//! Exchanges that are on their way in this process: by key, and those without a key by what a repeat of them would look like.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tiebreak_core::exchange::{Answer, Registrant};
use tiebreak_core::fingerprint::{Digest, Fingerprint};
use tiebreak_core::key::KeyDigest;
use tiebreak_core::outcome::Outcome;
use tiebreak_core::repeat::{self, Choice, Likeness, Original, Repeat};
use tiebreak_core::time::Time;
use tokio::sync::watch;

use crate::presence::Presence;

/// So long the success of a write without a key is kept for a marked repeat, when its client went away before it came.
const UNDELIVERED: Duration = Duration::from_secs(60);

/// At most so many of them, and so many bytes of content in all.
const MOST_UNDELIVERED: (usize, usize) = (1_024, 16 << 20);

type Published = Option<Arc<Answer>>;

/// The register.
#[derive(Debug, Default)]
pub(crate) struct Inflight {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    keys: HashMap<KeyDigest, (Fingerprint, watch::Receiver<Published>)>,
    keyless: HashMap<Likeness, Vec<Running>>,
    undelivered: VecDeque<Undelivered>,
    last_number: u64,
}

/// A write without a key.
#[derive(Debug)]
struct Running {
    number: u64,
    call: Option<Digest>,
    joined: bool,
    client: Presence,
    answer: watch::Receiver<Published>,
}

#[derive(Debug)]
struct Undelivered {
    likeness: Likeness,
    call: Option<Digest>,
    at: Time,
    answer: Arc<Answer>,
}

/// What came of registering.
#[derive(Debug)]
pub(crate) enum Registered {
    /// It is the one.
    Mine(Registration),
    /// The key is running with this fingerprint.
    Running(Fingerprint, Waiting),
    /// It repeats this one.
    Repeats(Waiting),
    /// It repeats one of several.
    RepeatsSomething,
    /// It repeats one that has succeeded with this answer.
    Undelivered(Arc<Answer>),
}

/// The registration of an exchange. Dropped without an answer, it tells those who wait that there will be none.
#[derive(Debug)]
pub(crate) struct Registration {
    place: Place,
    register: Arc<Inflight>,
    publish: watch::Sender<Published>,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Key(KeyDigest),
    Keyless(Likeness, u64, Option<Digest>),
}

/// A place among those who wait for another exchange's answer. Dropped, it is free for the next repeat.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// Of the write that is repeated, where that has no key.
    original: Option<(Likeness, u64, Option<Digest>)>,
    register: Arc<Inflight>,
    answer: watch::Receiver<Published>,
}

impl Inflight {
    /// Registers an exchange whose client is `client`.
    pub(crate) fn register(self: &Arc<Self>, registrant: &Registrant, client: &Presence, now: Time) -> Registered {
        match registrant {
            Registrant::Key(key, fingerprint) => self.register_key(*key, *fingerprint),
            Registrant::Keyless(likeness, repeat) => self.register_keyless(*likeness, repeat, client, now),
        }
    }

    /// Whether only this keeps the registrant from repeating a running write: that the client of that one is still there.
    pub(crate) fn may_be_left(&self, registrant: &Registrant) -> bool {
        let Registrant::Keyless(likeness, repeat) = registrant else {
            return false;
        };
        let state = self.lock();
        let running = state.keyless.get(likeness).map_or(&[][..], Vec::as_slice);
        matches!(running, [one] if !repeat.marked && !one.joined && !one.client.is_gone())
    }

    fn register_key(self: &Arc<Self>, key: KeyDigest, fingerprint: Fingerprint) -> Registered {
        let mut state = self.lock();
        if let Some((running, answer)) = state.keys.get(&key) {
            return Registered::Running(*running, self.waiting(None, answer));
        }
        let (publish, answer) = watch::channel(None);
        state.keys.insert(key, (fingerprint, answer));
        self.mine(Place::Key(key), publish)
    }

    fn register_keyless(
        self: &Arc<Self>,
        likeness: Likeness,
        repeat: &Repeat,
        client: &Presence,
        now: Time,
    ) -> Registered {
        let mut state = self.lock();
        state.last_number += 1;
        let number = state.last_number;
        let left = state.left(likeness, repeat, now);
        let running = state.keyless.entry(likeness).or_default();
        let originals: Vec<Original> = running.iter().map(Running::original).collect();
        match repeat::choose(repeat, &originals, left.is_some()) {
            Choice::Join(place) => {
                let original = &mut running[place];
                original.joined = true;
                let place = (likeness, original.number, original.call);
                Registered::Repeats(self.waiting(Some(place), &original.answer))
            }
            Choice::Unclear => Registered::RepeatsSomething,
            Choice::Undelivered => {
                state.forget_empty(likeness);
                match left.and_then(|place| state.undelivered.remove(place)) {
                    Some(kept) => Registered::Undelivered(kept.answer),
                    None => Registered::RepeatsSomething,
                }
            }
            Choice::Original => {
                let (publish, answer) = watch::channel(None);
                state.keyless.entry(likeness).or_default().push(Running {
                    number,
                    call: repeat.call,
                    joined: false,
                    client: client.clone(),
                    answer,
                });
                self.mine(Place::Keyless(likeness, number, repeat.call), publish)
            }
        }
    }

    fn waiting(
        self: &Arc<Self>,
        original: Option<(Likeness, u64, Option<Digest>)>,
        answer: &watch::Receiver<Published>,
    ) -> Waiting {
        Waiting {
            original,
            register: Arc::clone(self),
            answer: answer.clone(),
        }
    }

    fn mine(self: &Arc<Self>, place: Place, publish: watch::Sender<Published>) -> Registered {
        Registered::Mine(Registration {
            place,
            register: Arc::clone(self),
            publish,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn original(&self) -> Original {
        Original {
            gone: self.client.is_gone(),
            joined: self.joined,
            call: self.call,
        }
    }
}

impl State {
    /// Where the oldest success is that nobody has got and that `repeat` may have been sent for.
    fn left(&mut self, likeness: Likeness, repeat: &Repeat, now: Time) -> Option<usize> {
        while self.undelivered.front().is_some_and(|u| u.at.after(UNDELIVERED) <= now) {
            self.undelivered.pop_front();
        }
        let fits = |u: &Undelivered| u.likeness == likeness && repeat.may_repeat(u.call);
        self.undelivered.iter().position(fits)
    }

    fn keep(&mut self, likeness: Likeness, call: Option<Digest>, answer: Arc<Answer>, now: Time) {
        let succeeded = match answer.report.outcome {
            Outcome::Applied | Outcome::Accepted | Outcome::Adopted => true,
            // What was not applied may be sent again, and a doubt is found in the ledger.
            Outcome::Refused | Outcome::NotSent | Outcome::InDoubt => false,
        };
        if !succeeded {
            return;
        }
        self.undelivered.push_back(Undelivered {
            likeness,
            call,
            at: now,
            answer,
        });
        let (count, bytes) = MOST_UNDELIVERED;
        let size = |u: &VecDeque<Undelivered>| u.iter().map(|u| u.answer.content.len()).sum::<usize>();
        while self.undelivered.len() > count || size(&self.undelivered) > bytes {
            self.undelivered.pop_front();
        }
    }

    fn remove(&mut self, place: Place) {
        match place {
            Place::Key(key) => drop(self.keys.remove(&key)),
            Place::Keyless(likeness, number, _) => {
                if let Some(running) = self.keyless.get_mut(&likeness) {
                    running.retain(|r| r.number != number);
                }
                self.forget_empty(likeness);
            }
        }
    }

    fn forget_empty(&mut self, likeness: Likeness) {
        if self.keyless.get(&likeness).is_some_and(Vec::is_empty) {
            self.keyless.remove(&likeness);
        }
    }
}

impl Registration {
    /// Whether somebody waits for the answer of this exchange.
    pub(crate) fn is_joined(&self) -> bool {
        // One receiver is the register's own.
        self.publish.receiver_count() > 1
    }

    /// Gives the answer to all who joined; `unheard`: the exchange's own client has gone.
    pub(crate) fn publish(self, answer: &Answer, unheard: bool, now: Time) {
        let mut state = self.register.lock();
        let joined = self.is_joined();
        if joined {
            self.publish.send_replace(Some(Arc::new(answer.clone())));
        }
        if let (Place::Keyless(likeness, _, call), true, false) = (self.place, unheard, joined) {
            state.keep(likeness, call, Arc::new(answer.clone()), now);
        }
        // Under the same lock, so that nobody joins in between.
        state.remove(self.place);
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.register.lock().remove(self.place);
    }
}

impl Waiting {
    /// Waits for the answer; `None` if the other ended without one.
    pub(crate) async fn answer(&self) -> Published {
        let mut receiver = self.answer.clone();
        let answer = receiver.wait_for(Option::is_some).await.ok()?;
        answer.clone()
    }

    /// The one who waited has gone as well: the answer is kept for the next repeat.
    pub(crate) fn unheard(&self, now: Time) {
        let answer = self.answer.borrow().clone();
        if let (Some((likeness, _, call)), Some(answer)) = (self.original, answer) {
            self.register.lock().keep(likeness, call, answer, now);
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let Some((likeness, number, _)) = self.original else {
            return;
        };
        let mut state = self.register.lock();
        let running = state.keyless.get_mut(&likeness).into_iter().flatten();
        for original in running.filter(|r| r.number == number) {
            original.joined = false;
        }
    }
}
