//! What was served to whom: the candidates for a write's base.
//!
//! Bounded by bytes, by count and by age. What is dropped early is not forgotten silently: the answer says that
//! it is incomplete, and the core then refuses to guess among the rest.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tiebreak_core::base::{Candidates, Connections, Served};
use tiebreak_core::caller::CallerId;
use tiebreak_core::merge::Representation;
use tiebreak_core::time::Time;
use tiebreak_core::validator::EntityTag;
use tiebreak_core::variant::Variant;

use crate::forgotten::Forgotten;

/// Bounds of what is remembered of reads.
#[derive(Debug, Clone, Copy)]
pub struct ReadLimits {
    /// The longest content that is remembered, in bytes.
    pub content: usize,
    /// All content together, in bytes.
    pub total: usize,
    /// At most so many targets.
    pub targets: usize,
    /// At most so many reads of one target by one caller.
    pub per_target: usize,
    /// At most so many of them from which a write has come since.
    pub spent: usize,
    /// How long content may be the base of a write.
    pub window: Duration,
    /// How long a version without its content is remembered.
    pub tags: Duration,
}

impl Default for ReadLimits {
    fn default() -> ReadLimits {
        ReadLimits {
            content: 1 << 20,
            total: 128 << 20,
            targets: 65_536,
            per_target: 1024,
            spent: 128,
            window: Duration::from_secs(15 * 60),
            tags: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// A read: who read what, on which connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Who read.
    pub caller: CallerId,
    /// The target URI.
    pub target: String,
    /// Which variant the answer was; `Variant::default()` where it did not say.
    pub variant: Variant,
    /// The connection, as the door numbers them; `None` where being on one connection is no evidence (HTTP/2).
    pub connection: Option<u64>,
}

/// What was served, by caller and target.
#[derive(Debug)]
pub struct Reads {
    limits: ReadLimits,
    state: Mutex<State>,
}

type Key = (CallerId, String);

#[derive(Debug, Default)]
struct State {
    targets: HashMap<Key, Target>,
    /// Targets in the order of their use, with the number of the use; an older number of the same target is void.
    order: VecDeque<(u64, Key)>,
    /// The same for those of which nothing but [`Target::shown_at`] is known: they go first.
    shown: VecDeque<(u64, Key)>,
    uses: u64,
    bytes: usize,
    pooled: HashMap<CallerId, Time>,
    /// What had to make room for others while a write could yet come from it.
    forgotten: Forgotten,
    /// Until then, any write may have been made from a read that is not remembered here.
    incomplete_until: Option<Time>,
}

#[derive(Debug, Default)]
struct Target {
    reads: VecDeque<Served>,
    /// Bytes of the distinct contents.
    bytes: usize,
    /// When something was served, or dropped, that is not among the reads.
    dropped_at: Option<Time>,
    used: u64,
    /// The tags that were served last, each with the time at which another took its place.
    tags: VecDeque<(EntityTag, Option<Time>)>,
    /// Whether a tag came back after another had taken its place: then tags follow the content.
    recurring: bool,
    /// When it was last served in a form of which nothing is remembered.
    shown_at: Option<Time>,
}

/// Uses of a target that are this close together count as one, so that the order of uses stays short.
const BURST: u64 = 64;

/// So many tags are watched for coming back.
const WATCHED: usize = 16;

/// Answers overtake each other; a tag that comes back later than this has recurred.
const OVERTAKING: Duration = Duration::from_secs(5);

/// How long it is remembered that a caller's connections are pooled.
const POOLED_FOR: Duration = Duration::from_secs(60 * 60);

impl Reads {
    /// A memory with these bounds.
    #[must_use]
    pub fn new(limits: ReadLimits) -> Reads {
        Reads {
            limits,
            state: Mutex::default(),
        }
    }

    /// Remembers what was served. Content that was served before is shared, not kept twice.
    pub fn note(&self, read: Read, etag: Option<EntityTag>, content: Option<Representation>, now: Time) {
        self.remember(read, etag, content, now, false);
    }

    /// The same for what was most likely served before: the same content under the same tag, on the same connection.
    ///
    /// # Errors
    /// Gives `read` back if it was not, or not lately; nothing was noted then.
    pub fn note_again(
        &self,
        read: Read,
        etag: Option<&EntityTag>,
        content_type: &str,
        content: &[u8],
        now: Time,
    ) -> Result<(), Read> {
        let mut state = self.lock();
        let uses = state.uses;
        let Read {
            caller,
            target,
            variant,
            connection,
        } = read;
        let key = (caller, target);
        let again = |served: &Served| {
            let same = |kept: &Representation| kept.content() == content && kept.content_type() == content_type;
            !served.sent
                && served.connection == connection
                && served.etag.as_ref() == etag
                && served.variant == variant
                && served.content.as_ref().is_some_and(same)
        };
        if let Some(found) = state.targets.get_mut(&key)
            && found.used + BURST > uses
            && let Some(at) = found.reads.iter().rposition(again)
            && let Some(mut served) = found.reads.remove(at)
        {
            found.watch(etag, now);
            served.at = now;
            served.written_since = false;
            found.reads.push_back(served);
            return Ok(());
        }
        let (caller, target) = key;
        Err(Read {
            caller,
            target,
            variant,
            connection,
        })
    }

    /// The target was served in a form that is nobody's base, such as a picture: of that only the fact is remembered.
    pub fn note_shown(&self, read: Read, now: Time) {
        let mut state = self.lock();
        let key = (read.caller, read.target);
        let used = state.touch(&key, true);
        let target = state.targets.entry(key).or_default();
        target.used = used;
        target.shown_at = Some(now);
        state.evict(&self.limits, now);
    }

    /// Remembers what a caller wrote: it knows that as well as what it read.
    pub fn note_sent(&self, read: Read, etag: Option<EntityTag>, content: Option<Representation>, now: Time) {
        self.remember(read, etag, content, now, true);
    }

    /// The target was removed or replaced, and who did it knows: nothing that was served on that connection is a base any
    /// more, nor, of a collection (a target that ends with a slash), what was served of its members.
    pub fn forget(&self, read: &Read) {
        let mut state = self.lock();
        let State { targets, bytes, .. } = &mut *state;
        let mut drop_from = |found: &mut Target| {
            found.shown_at = None;
            let before = found.bytes;
            let own = |served: &Served| served.connection.is_some() && served.connection == read.connection;
            while let Some(at) = found.reads.iter().position(own) {
                found.remove(at);
            }
            *bytes = (*bytes + found.bytes).saturating_sub(before);
        };
        if read.target.ends_with('/') {
            let below = |key: &Key| key.0 == read.caller && key.1.starts_with(&read.target);
            targets
                .iter_mut()
                .filter(|(key, _)| below(key))
                .for_each(|(_, found)| drop_from(found));
        } else if let Some(found) = targets.get_mut(&(read.caller, read.target.clone())) {
            drop_from(found);
        }
    }

    fn remember(&self, read: Read, etag: Option<EntityTag>, content: Option<Representation>, now: Time, sent: bool) {
        let mut state = self.lock();
        let key = (read.caller, read.target);
        let used = state.touch(&key, false);
        let target = state.targets.entry(key).or_default();
        target.used = used;
        target.watch(etag.as_ref(), now);
        if etag.is_none() && content.is_none() {
            // Something was served that cannot be kept: whoever read it must not be taken to have read something else.
            target.dropped_at = Some(now);
            state.evict(&self.limits, now);
            return;
        }
        let before = target.bytes;
        let twin = target.twin(etag.as_ref(), content.as_ref(), &read.variant);
        let (content, variant) = match (twin, content) {
            // A 304 need not say which variant it names; its tag does.
            (Some((twin, variant)), None) => (Some(twin), variant),
            (Some((twin, _)), Some(_)) => (Some(twin), read.variant),
            (None, content) => (content, read.variant),
        };
        // An older read of the same version on the same connection says nothing more than this one.
        let same = |s: &Served| {
            s.sent == sent
                && s.connection == read.connection
                && s.etag == etag
                && s.variant == variant
                && match (&s.content, &content) {
                    (Some(a), Some(b)) => a.is(b) || etag.is_some(),
                    (None, None) | (Some(_), None) | (None, Some(_)) => etag.is_some(),
                }
        };
        if let Some(at) = target.reads.iter().position(same) {
            target.remove(at);
        }
        target.push(Served {
            etag,
            content,
            variant,
            at: now,
            connection: read.connection,
            written_since: false,
            sent,
        });
        target.trim(&self.limits, now);
        let after = target.bytes;
        state.bytes = (state.bytes + after).saturating_sub(before);
        state.evict(&self.limits, now);
    }

    /// The candidates for the base of a write that comes now; from here on the connection's reads have been written from.
    pub fn candidates(&self, caller: CallerId, target: &str, connection: Option<u64>, now: Time) -> Candidates {
        let mut state = self.lock();
        let pooled = state.pooled.get(&caller).is_some_and(|until| *until > now);
        let connections = if pooled {
            Connections::Pooled
        } else {
            Connections::Unknown
        };
        let key = (caller, target.to_owned());
        let forgotten = state.forgotten.has(&key, now);
        let all = state.incomplete_until.is_none_or(|until| until <= now) && !forgotten;
        let Some(found) = state.targets.get_mut(&key) else {
            return Candidates {
                complete: all,
                forgotten,
                connections,
                ..Candidates::default()
            };
        };
        let before = found.bytes;
        found.trim(&self.limits, now);
        let after = found.bytes;
        // A version whose content has aged out counts only for the connection that read it.
        let own = |read: &Served| read.connection.is_some() && read.connection == connection;
        let within = |read: &Served| read.at.until(now) <= self.limits.window;
        let candidates = Candidates {
            served: found
                .reads
                .iter()
                .filter(|read| own(read) || within(read))
                .cloned()
                .collect(),
            forgotten,
            complete: all && found.dropped_at.is_none_or(|at| at.after(self.limits.window) <= now),
            connections,
            recurring: found.recurring,
            shown: found.shown_at.is_some_and(|at| at.until(now) <= self.limits.tags),
        };
        for read in found.reads.iter_mut().filter(|read| own(read)) {
            read.written_since = true;
        }
        state.bytes = (state.bytes + after).saturating_sub(before);
        candidates
    }

    /// Whether what was served under this tag, on whatever connection and of whatever variant, may be the base of a write yet, with
    /// its content.
    #[must_use]
    pub fn holds(&self, read: &Read, etag: &EntityTag, now: Time) -> bool {
        let state = self.lock();
        let key = (read.caller, read.target.clone());
        let held = |served: &Served| {
            let kept = served.content.is_some() && served.at.until(now) <= self.limits.window;
            kept && !served.sent && served.etag.as_ref() == Some(etag)
        };
        state
            .targets
            .get(&key)
            .is_some_and(|found| found.reads.iter().any(held))
    }

    /// It was seen that this caller's connections are pooled among several readers.
    pub fn note_pooled(&self, caller: CallerId, now: Time) {
        let mut state = self.lock();
        state.pooled.retain(|_, until| *until > now);
        state.pooled.insert(caller, now.after(POOLED_FOR));
    }

    /// Reads happened that are not remembered here: in an earlier process, or through another gateway. For as long as
    /// one of them may be the base of a write, nothing is inferred from what is missing.
    pub fn forgot(&self, now: Time) {
        self.lock().incomplete_until = Some(now.after(self.limits.window));
    }

    /// Bytes of content that are remembered.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The number of this use. `shows`: it is of a form of which nothing is remembered.
    fn touch(&mut self, key: &Key, shows: bool) -> u64 {
        let target = self.targets.get(key);
        let only_shown = target.is_none_or(Target::is_only_shown);
        if let Some(target) = target
            && target.used != 0
            && target.used + BURST > self.uses
            && (shows || !only_shown)
        {
            return target.used;
        }
        self.uses += 1;
        let order = match shows && only_shown {
            true => &mut self.shown,
            false => &mut self.order,
        };
        order.push_back((self.uses, key.clone()));
        self.uses
    }

    /// Forgets the one of those that were only shown that was longest ago; whether there was one.
    fn evict_shown(&mut self) -> bool {
        while let Some((used, key)) = self.shown.pop_front() {
            if self
                .targets
                .get(&key)
                .is_some_and(|t| t.used == used && t.is_only_shown())
            {
                self.targets.remove(&key);
                return true;
            }
        }
        false
    }

    /// Forgets the targets that were used longest ago.
    fn evict(&mut self, limits: &ReadLimits, now: Time) {
        let most = 4 * limits.targets;
        if self.shown.len() > most || self.order.len() > most {
            let State {
                targets, shown, order, ..
            } = self;
            let current = |(used, key): &(u64, Key)| targets.get(key).is_some_and(|target| target.used == *used);
            shown.retain(current);
            order.retain(current);
        }
        while self.targets.len() > limits.targets && self.evict_shown() {}
        while self.bytes > limits.total || self.targets.len() > limits.targets {
            let Some((used, key)) = self.order.pop_front() else {
                return;
            };
            let Some(target) = self.targets.get_mut(&key).filter(|t| t.used == used) else {
                continue;
            };
            self.bytes = self.bytes.saturating_sub(target.bytes);
            if self.targets.len() > limits.targets {
                let gone = self.targets.remove(&key);
                let matters = gone
                    .and_then(|target| target.base_until(limits))
                    .filter(|until| *until > now);
                if let Some(until) = matters
                    && !self.forgotten.note(&key, until, most, now)
                {
                    self.incomplete_until = Some(now.after(limits.window));
                }
            } else if let Some(target) = self.targets.get_mut(&key) {
                target.drop_contents(now);
                self.uses += 1;
                target.used = self.uses;
                self.order.push_back((self.uses, key));
                if self.bytes == 0 {
                    return;
                }
            }
        }
    }
}

/// Without tags so many of the last reads are compared byte for byte.
const COMPARED: usize = 4;

impl Target {
    /// The content that was served before under the same tag or, where there are no tags, with the same bytes.
    fn twin(
        &self,
        etag: Option<&EntityTag>,
        content: Option<&Representation>,
        variant: &Variant,
    ) -> Option<(Representation, Variant)> {
        let mut recent = self.reads.iter().rev();
        if content.is_none() {
            // Only what the tag and the variant name together: an origin may give one tag to several variants.
            let mut named = recent.filter(|read| read.etag.as_ref() == etag && read.content.is_some());
            // What was sent may have been served in other words since.
            let last = named.clone().find(|read| !read.sent).or_else(|| named.clone().next())?;
            let one = named.all(|read| read.variant.and(&last.variant, true).is_some());
            let both = last.variant.and(variant, true).filter(|_| one)?;
            return Some((last.content.clone()?, both));
        }
        let fits = |read: &Served| {
            let kept = read.content.as_ref()?;
            let same = content.is_none_or(|new| kept.same_bytes(new));
            (read.etag.as_ref() == etag && same).then(|| (kept.clone(), read.variant.clone()))
        };
        match etag {
            Some(_) => recent.find_map(fits),
            None => recent.take(COMPARED).find_map(fits),
        }
    }

    /// Whether nothing else is known of it than that it was shown.
    fn is_only_shown(&self) -> bool {
        self.reads.is_empty() && self.dropped_at.is_none()
    }

    /// Until when something that was served of it may be the base of a write.
    fn base_until(&self, limits: &ReadLimits) -> Option<Time> {
        let last = self.reads.iter().map(|read| read.at).chain(self.dropped_at).max();
        last.map(|at| at.after(limits.window))
    }

    fn push(&mut self, read: Served) {
        self.bytes += self.weight(&read);
        self.reads.push_back(read);
    }

    fn remove(&mut self, at: usize) {
        if let Some(read) = self.reads.remove(at) {
            self.bytes = self.bytes.saturating_sub(self.weight(&read));
        }
    }

    /// The bytes of a read's content that no other read shares.
    fn weight(&self, read: &Served) -> usize {
        let Some(content) = &read.content else { return 0 };
        let shared = |other: &Served| other.content.as_ref().is_some_and(|c| c.is(content));
        if self.reads.iter().any(shared) {
            0
        } else {
            content.content().len()
        }
    }

    /// Drops what is too old or too much.
    fn trim(&mut self, limits: &ReadLimits, now: Time) {
        while let Some(oldest) = self.reads.front() {
            let age = oldest.at.until(now);
            let expired = age > limits.tags || (age > limits.window && oldest.etag.is_none());
            if !expired && self.reads.len() <= limits.per_target {
                break;
            }
            if age <= limits.window {
                self.dropped_at = Some(now);
            }
            self.remove(0);
        }
        // What was written from already matters least: on a busy resource only the last of it is kept.
        let mut spent = self.reads.iter().filter(|read| read.written_since).count();
        while spent > limits.spent {
            let Some(at) = self.reads.iter().position(|read| read.written_since) else {
                break;
            };
            if self.reads[at].at.until(now) <= limits.window {
                self.dropped_at = Some(now);
            }
            self.remove(at);
            spent -= 1;
        }
        for at in 0..self.reads.len() {
            if self.reads[at].at.until(now) <= limits.window {
                break;
            }
            if self.reads[at].content.is_some() {
                let tag_only = Served {
                    content: None,
                    ..self.reads[at].clone()
                };
                let read = std::mem::replace(&mut self.reads[at], tag_only);
                self.bytes = self.bytes.saturating_sub(self.weight(&read));
            }
        }
    }

    /// Drops all content, for want of memory; the versions stay known by their tags.
    fn drop_contents(&mut self, now: Time) {
        self.reads.iter_mut().for_each(|read| read.content = None);
        let known = self.reads.len();
        self.reads.retain(|read| read.etag.is_some());
        if self.reads.len() < known {
            self.dropped_at = Some(now);
        }
        self.bytes = 0;
    }

    /// Watches for a tag that comes back.
    fn watch(&mut self, etag: Option<&EntityTag>, now: Time) {
        let Some(etag) = etag else { return };
        match self.tags.iter().position(|(tag, _)| tag == etag) {
            Some(at) => {
                if let Some(replaced) = self.tags[at].1
                    && replaced.after(OVERTAKING) < now
                {
                    self.recurring = true;
                }
            }
            None => {
                for (_, replaced) in &mut self.tags {
                    replaced.get_or_insert(now);
                }
                self.tags.push_back((etag.clone(), None));
                if self.tags.len() > WATCHED {
                    self.tags.pop_front();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = "application/json";

    fn read(connection: u64) -> Read {
        Read {
            caller: CallerId::ANONYMOUS,
            target: "http://h/doc".into(),
            variant: Variant::default(),
            connection: Some(connection),
        }
    }

    fn at(seconds: u64) -> Time {
        Time(seconds * 1000)
    }

    /// When each read was, as the candidates for a write on connection 1 tell it.
    fn times(reads: &Reads) -> Vec<(Option<u64>, Time)> {
        let candidates = reads.candidates(CallerId::ANONYMOUS, "http://h/doc", Some(1), at(100));
        candidates.served.iter().map(|s| (s.connection, s.at)).collect()
    }

    #[test]
    fn what_is_served_again_is_the_newest_read_and_the_only_one_of_it() {
        let reads = Reads::new(ReadLimits::default());
        for connection in [1, 2] {
            let content = Representation::new(JSON, "{\"a\":1}");
            reads.note(read(connection), None, Some(content), at(connection));
        }
        assert_eq!(reads.note_again(read(1), None, JSON, b"{\"a\":1}", at(9)), Ok(()));
        assert_eq!(times(&reads), [(Some(2), at(2)), (Some(1), at(9))]);
        assert_eq!(reads.bytes(), 7, "the content is kept once");
    }

    fn of(target: &str) -> Read {
        Read {
            target: target.into(),
            ..read(1)
        }
    }

    #[test]
    fn what_was_only_shown_goes_first_and_no_read_is_forgotten_silently() {
        let limits = ReadLimits {
            targets: 2,
            ..ReadLimits::default()
        };
        let reads = Reads::new(limits);
        let ask = |target: &str, now| reads.candidates(CallerId::ANONYMOUS, target, Some(1), now);
        // The first was shown as a picture before: from now on it is a document that was read.
        reads.note_shown(of("a"), at(1));
        for target in ["a", "b"] {
            reads.note(of(target), None, Some(Representation::new(JSON, "{}")), at(1));
        }
        for n in 0..100 {
            reads.note_shown(of(&format!("picture/{n}")), at(2));
        }
        for target in ["a", "b"] {
            let known = ask(target, at(3));
            assert_eq!((known.served.len(), known.complete), (1, true), "{target}");
        }
        reads.note(of("c"), None, Some(Representation::new(JSON, "{}")), at(4));
        let known = ask("a", at(5));
        assert_eq!((known.served.len(), known.complete, known.forgotten), (0, false, true));
        assert!(ask("b", at(5)).complete, "of the others everything is known");
        // A new read of it is not the only one.
        reads.note(of("a"), None, Some(Representation::new(JSON, "{}")), at(6));
        let window = limits.window.as_secs();
        let known = ask("a", at(window));
        assert_eq!((known.served.len(), known.complete), (1, false));
        assert!(ask("a", at(window + 1)).complete);
        // What nobody can have made a write from any more goes without a trace.
        for target in ["d", "e", "f"] {
            reads.note(of(target), None, Some(Representation::new(JSON, "{}")), at(10_000));
        }
        assert!(ask("b", at(10_001)).complete && ask("c", at(10_001)).complete);
        // More of them than can be known makes all of it doubtful.
        for n in 0..100 {
            reads.note(
                of(&n.to_string()),
                None,
                Some(Representation::new(JSON, "{}")),
                at(20_000),
            );
        }
        assert!(!ask("b", at(20_001)).complete);
        assert!(ask("b", at(20_000 + window)).complete);
        let state = reads.lock();
        assert!(state.targets.len() <= 2 && state.shown.len() + state.order.len() <= 16);
    }

    #[test]
    fn what_is_read_seldom_is_known_for_as_long_as_what_is_read_often() {
        let reads = Reads::new(ReadLimits {
            targets: 100,
            ..ReadLimits::default()
        });
        let note = |target: &str| reads.note(of(target), None, Some(Representation::new(JSON, "{}")), at(1));
        note("seldom");
        for n in 0..2000 {
            note(&(n % 90).to_string());
            assert!(reads.lock().order.len() <= 400);
        }
        let known = reads.candidates(CallerId::ANONYMOUS, "seldom", None, at(2));
        assert!(known.complete && known.served[0].content.is_some(), "{known:?}");
    }

    #[test]
    fn what_a_304_names_is_what_was_served_and_not_what_was_sent() {
        let limits = ReadLimits::default();
        let reads = Reads::new(limits);
        let tag = EntityTag::strong("v1");
        let note = |content: &'static str, sent, now| {
            let content = Representation::new(JSON, content);
            reads.remember(read(1), Some(tag.clone()), Some(content), now, sent);
        };
        note("{ }", true, at(1));
        assert!(!reads.holds(&read(1), &tag, at(1)));
        note("{}", false, at(1));
        note("{ }", true, at(2));
        assert!(reads.holds(&read(2), &tag, at(2)));
        assert!(!reads.holds(&read(2), &EntityTag::strong("v2"), at(2)));
        assert!(!reads.holds(&of("other"), &tag, at(2)));
        // Asked again, it is known for as long again.
        reads.note(read(2), Some(tag.clone()), None, at(100));
        let last = at(100 + limits.window.as_secs());
        assert!(reads.holds(&read(2), &tag, last));
        assert!(!reads.holds(&read(2), &tag, Time(last.0 + 1)));
        let known = reads.candidates(CallerId::ANONYMOUS, "http://h/doc", None, last);
        let contents: Vec<_> = known
            .served
            .iter()
            .map(|s| s.content.as_ref().unwrap().content())
            .collect();
        assert_eq!(contents, ["{}"]);
    }

    #[test]
    fn what_was_not_served_so_before_is_given_back() {
        let reads = Reads::new(ReadLimits::default());
        let tag = EntityTag::parse("\"v1\"").unwrap();
        let content = Representation::new(JSON, "{\"a\":1}");
        reads.note(read(1), Some(tag.clone()), Some(content), at(1));
        let other = EntityTag::parse("\"v2\"").unwrap();
        for (connection, etag, kind, content) in [
            (2, Some(&tag), JSON, "{\"a\":1}"),
            (1, Some(&other), JSON, "{\"a\":1}"),
            (1, None, JSON, "{\"a\":1}"),
            (1, Some(&tag), "text/plain", "{\"a\":1}"),
            (1, Some(&tag), JSON, "{\"a\":2}"),
        ] {
            let again = reads.note_again(read(connection), etag, kind, content.as_bytes(), at(9));
            assert_eq!(again, Err(read(connection)));
        }
        assert_eq!(times(&reads), [(Some(1), at(1))], "nothing was noted");
        // A write has come from it since; served again, it may be written from again.
        assert_eq!(reads.note_again(read(1), Some(&tag), JSON, b"{\"a\":1}", at(9)), Ok(()));
        let candidates = reads.candidates(CallerId::ANONYMOUS, "http://h/doc", Some(1), at(100));
        assert!(!candidates.served[0].written_since);
    }
}
