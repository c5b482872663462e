//! The most recent stories, bounded by count and bytes. Those of writes on their way are always there: the lanes bound them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tiebreak_core::record::WriteId;

use super::{Event, Story, Subject};

/// A story that may still go on.
pub(super) type Open = Arc<Mutex<Story>>;

#[derive(Debug)]
pub(super) struct Shelf {
    count: usize,
    bytes: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// In the order in which they came.
    stories: BTreeMap<u64, (Open, Option<usize>)>,
    places: HashMap<WriteId, u64>,
    last: u64,
    /// Stories that have ended, in the order in which they did.
    ended: std::collections::VecDeque<u64>,
    bytes: usize,
}

/// The story behind the lock; a panic while it was held leaves it as it was.
pub(super) fn lock(story: &Open) -> MutexGuard<'_, Story> {
    story.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shelf {
    pub(super) fn new(count: usize, bytes: usize) -> Shelf {
        Shelf {
            count,
            bytes,
            held: Mutex::default(),
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn open(&self, subject: Subject) -> (u64, Open) {
        let id = subject.id;
        let story = Arc::new(Mutex::new(Story {
            subject,
            events: Vec::with_capacity(8),
            dropped: 0,
            told: None,
            ended: false,
        }));
        let mut held = self.held();
        held.last += 1;
        let place = held.last;
        held.stories.insert(place, (Arc::clone(&story), None));
        held.places.insert(id, place);
        (place, story)
    }

    /// A story has ended: from now on it makes room for newer ones.
    pub(super) fn end(&self, place: u64, story: &Open) {
        let (weight, told) = {
            let mut story = lock(story);
            story.ended = true;
            (weight(&story), story.told)
        };
        let mut held = self.held();
        if let Some((_, ended)) = held.stories.get_mut(&place) {
            *ended = Some(weight);
        }
        if let Some(told) = told {
            held.places.insert(told, place);
        }
        held.ended.push_back(place);
        held.bytes += weight;
        while held.ended.len() > self.count || held.bytes > self.bytes {
            let Some(oldest) = held.ended.pop_front() else { break };
            held.forget(oldest);
        }
    }

    pub(super) fn find(&self, id: WriteId) -> Option<Story> {
        let story = {
            let held = self.held();
            Arc::clone(&held.stories.get(held.places.get(&id)?)?.0)
        };
        let story = lock(&story).clone();
        Some(story)
    }

    /// How many have not ended.
    pub(super) fn running(&self) -> usize {
        let held = self.held();
        held.stories.len() - held.ended.len()
    }

    pub(super) fn recent(&self, limit: usize) -> Vec<Story> {
        let newest: Vec<Open> = {
            let held = self.held();
            let newest = held.stories.values().rev().take(limit);
            newest.map(|(story, _)| Arc::clone(story)).collect()
        };
        newest.iter().map(|story| lock(story).clone()).collect()
    }

    pub(super) fn matching(&self, limit: usize, wanted: impl Fn(&Story) -> bool) -> Vec<Story> {
        let all: Vec<Open> = {
            let held = self.held();
            held.stories.values().map(|(story, _)| Arc::clone(story)).collect()
        };
        let ids = all.iter().filter_map(|open| {
            let story = lock(open);
            wanted(&story).then(|| (story.subject.id, open))
        });
        let mut found: Vec<(WriteId, &Open)> = ids.collect();
        found.sort_unstable_by_key(|(id, _)| Reverse(*id));
        found.truncate(limit);
        found.iter().map(|(_, open)| lock(open).clone()).collect()
    }
}

impl Held {
    fn forget(&mut self, place: u64) {
        let Some((story, weight)) = self.stories.remove(&place) else {
            return;
        };
        self.bytes -= weight.unwrap_or_default();
        let story = lock(&story);
        for id in [Some(story.subject.id), story.told].into_iter().flatten() {
            // A later repeat of the same doubt may have taken the name over.
            if self.places.get(&id) == Some(&place) {
                self.places.remove(&id);
            }
        }
    }
}

/// About how many bytes a story takes.
fn weight(story: &Story) -> usize {
    let lanes: usize = story.subject.lanes.iter().map(|l| l.len() + 24).sum();
    let events: usize = story.events.iter().map(|(_, e)| e.weight()).sum();
    let own = size_of::<Story>() + story.subject.target.len() + story.subject.method.len() + 100;
    own + lanes + events + story.events.capacity() * size_of::<(u32, Event)>()
}

#[cfg(test)]
mod tests {
    use tiebreak_core::time::Time;

    use super::*;

    fn subject(n: u8) -> Subject {
        Subject {
            id: WriteId([n; 16]),
            method: "PUT".into(),
            target: format!("http://a.example/{n}"),
            anonymous: true,
            keyed: false,
            lanes: vec![],
            bytes: 0,
            at: Time(u64::from(n)),
        }
    }

    #[test]
    fn the_oldest_that_ended_make_room() {
        let shelf = Shelf::new(2, 1 << 20);
        let open: Vec<_> = (1..=4).map(|n| shelf.open(subject(n))).collect();
        for (place, story) in &open[1..] {
            shelf.end(*place, story);
        }
        assert!(shelf.find(WriteId([1; 16])).is_some(), "it is still on its way");
        assert!(shelf.find(WriteId([2; 16])).is_none());
        let recent: Vec<_> = shelf.recent(10).iter().map(|s| s.subject.id.0[0]).collect();
        assert_eq!(recent, [4, 3, 1]);
        shelf.end(open[0].0, &open[0].1);
        let recent: Vec<_> = shelf.recent(10).iter().map(|s| s.subject.id.0[0]).collect();
        assert_eq!(recent, [4, 1]);
    }

    #[test]
    fn those_that_are_wanted_come_by_their_ids() {
        let shelf = Shelf::new(10, 1 << 20);
        for n in [2, 5, 3, 4] {
            shelf.open(subject(n));
        }
        let found = |limit| {
            let found = shelf.matching(limit, |s| s.subject.id.0[0] != 4);
            found.iter().map(|s| s.subject.id.0[0]).collect::<Vec<_>>()
        };
        assert_eq!(found(9), [5, 3, 2]);
        assert_eq!(found(1), [5]);
    }

    #[test]
    fn bytes_are_bounded_and_freed() {
        let shelf = Shelf::new(1_000, 10_000);
        for n in 0..200 {
            let (place, story) = shelf.open(subject(n));
            lock(&story)
                .events
                .push((0, Event::LedgerFailed("x".repeat(500).into())));
            shelf.end(place, &story);
        }
        let held = shelf.held();
        assert!(held.bytes <= 10_000 && held.stories.len() > 2, "{}", held.stories.len());
        assert_eq!(held.places.len(), held.stories.len());
    }

    #[test]
    fn a_doubt_that_was_taken_up_is_found_by_both_names() {
        let shelf = Shelf::new(1, 1 << 20);
        let (place, story) = shelf.open(subject(1));
        lock(&story).told = Some(WriteId([9; 16]));
        shelf.end(place, &story);
        assert!(shelf.find(WriteId([9; 16])).is_some() && shelf.find(WriteId([1; 16])).is_some());
        let (place, story) = shelf.open(subject(2));
        shelf.end(place, &story);
        assert!(shelf.find(WriteId([9; 16])).is_none());
        assert_eq!(shelf.held().places.len(), 1);
    }

    #[test]
    fn an_event_is_small() {
        assert!(size_of::<Event>() <= 32, "{}", size_of::<Event>());
    }
}
