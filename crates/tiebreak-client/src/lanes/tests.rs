//! The rules of the lanes: first come, first served; nobody waits for strangers; nothing grows without bound.

use std::future::Future;
use std::time::Duration;

use tiebreak_core::caller::CallerId;
use tiebreak_core::merge::Representation;
use tokio::time::timeout;

use super::*;

const SHORT: Duration = Duration::from_millis(1);

fn lanes(limits: LaneLimits) -> Arc<Lanes> {
    Lanes::new(limits, Clock::starting_at(Time(1_000)))
}

fn ids(names: &[&str]) -> Vec<LaneId> {
    names.iter().map(|n| LaneId((*n).to_owned())).collect()
}

fn carrying(what: &'static str) -> LaneExit {
    LaneExit {
        carried: Some(Carried {
            caller: CallerId::ANONYMOUS,
            variant: Vec::new(),
            etag: Some(tiebreak_core::validator::EntityTag::strong("v1")),
            representation: Representation::new("application/json", what),
        }),
        suspect_until: None,
        doubt: None,
    }
}

fn suspect(lanes: &Lanes, after: Duration) -> LaneExit {
    LaneExit {
        carried: None,
        suspect_until: Some(lanes.clock.now().after(after)),
        doubt: None,
    }
}

/// Whether it is done without anybody else doing anything.
async fn at_once<T>(work: impl Future<Output = T>) -> Option<T> {
    timeout(SHORT, work).await.ok()
}

async fn carried(ticket: &mut Ticket) -> Option<String> {
    match at_once(ticket.turn()).await {
        Some(Standing::Turn(view)) => view
            .carried
            .map(|c| String::from_utf8_lossy(c.representation.content()).into_owned()),
        other => panic!("no turn: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn first_come_first_served() {
    let lanes = lanes(LaneLimits::default());
    let a = ids(&["a"]);
    let mut tickets: VecDeque<Ticket> = (0..5).map(|_| lanes.enter(&a).unwrap()).collect();
    while let Some(mut front) = tickets.pop_front() {
        assert!(at_once(front.turn()).await.is_some());
        for behind in &mut tickets {
            assert!(at_once(behind.turn()).await.is_none());
        }
        front.leave(LaneExit::default());
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_write_leaves_is_told_to_the_next_in_its_lane_alone() {
    let lanes = lanes(LaneLimits::default());
    lanes.enter(&ids(&["a"])).unwrap().leave(carrying("1"));
    lanes.enter(&ids(&["b"])).unwrap().leave(carrying("2"));
    let mut a = lanes.enter(&ids(&["a"])).unwrap();
    assert_eq!(carried(&mut a).await.as_deref(), Some("1"));
    // A place that is given up says nothing, one that is left says what it knows.
    drop(a);
    let mut a = lanes.enter(&ids(&["a"])).unwrap();
    assert_eq!(carried(&mut a).await.as_deref(), Some("1"));
    a.leave(LaneExit::default());
    let mut a = lanes.enter(&ids(&["a"])).unwrap();
    assert_eq!(carried(&mut a).await, None);
    // A write in two lanes is told nothing, and leaves nothing.
    let mut both = lanes.enter(&ids(&["b", "c"])).unwrap();
    assert_eq!(carried(&mut both).await, None);
    both.leave(carrying("3"));
    let mut b = lanes.enter(&ids(&["b"])).unwrap();
    assert_eq!(carried(&mut b).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_declared_lane_queues_two_targets_and_carries_nothing_between_them() {
    let lanes = lanes(LaneLimits::default());
    let domain = LaneId::declared("account=7");
    let in_domain = |target: &str| vec![LaneId(target.to_owned()), domain.clone()];
    let mut a = lanes.enter(&in_domain("a")).unwrap();
    assert_eq!(carried(&mut a).await, None);
    let mut b = lanes.enter(&in_domain("b")).unwrap();
    assert!(at_once(b.turn()).await.is_none(), "they run one after the other");
    a.leave(carrying("1"));
    assert_eq!(carried(&mut b).await, None, "what `a` holds says nothing of `b`");
    b.leave(LaneExit::default());
    let mut a = lanes.enter(&in_domain("a")).unwrap();
    assert_eq!(carried(&mut a).await.as_deref(), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn what_was_written_by_another_way_is_forgotten() {
    let lanes = lanes(LaneLimits::default());
    lanes.enter(&ids(&["a"])).unwrap().leave(carrying("1"));
    lanes.forget(&ids(&["a", "b"]));
    let mut a = lanes.enter(&ids(&["a"])).unwrap();
    assert_eq!(carried(&mut a).await, None);
    assert_eq!(lanes.standing(&ids(&["a", "b"])), 1);
    a.leave(LaneExit::default());
    assert_eq!(lanes.standing(&ids(&["a"])), 0);
}

#[tokio::test(start_paused = true)]
async fn other_lanes_do_not_wait() {
    let lanes = lanes(LaneLimits::default());
    let _held = lanes.enter(&ids(&["a"])).unwrap();
    let mut behind = lanes.enter(&ids(&["a", "b"])).unwrap();
    assert!(at_once(behind.turn()).await.is_none());
    let mut stranger = lanes.enter(&ids(&["c"])).unwrap();
    assert!(at_once(stranger.turn()).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn given_up_places_do_not_block() {
    let lanes = lanes(LaneLimits::default());
    let a = ids(&["a"]);
    let front = lanes.enter(&a).unwrap();
    let middle = lanes.enter(&a).unwrap();
    let mut last = lanes.enter(&a).unwrap();
    // Somebody who waits and is cancelled, in the middle and at the front.
    drop(middle);
    assert!(at_once(last.turn()).await.is_none());
    drop(front);
    assert!(at_once(last.turn()).await.is_some());
    drop(last);
    assert!(lanes.lock().lanes.is_empty());
    assert_eq!(lanes.lock().places, 0);
}

#[tokio::test(start_paused = true)]
async fn a_suspect_lane_waits_until_nothing_can_arrive() {
    let lanes = lanes(LaneLimits::default());
    let a = ids(&["a"]);
    lanes
        .enter(&a)
        .unwrap()
        .leave(suspect(&lanes, Duration::from_millis(500)));
    let mut next = lanes.enter(&ids(&["a", "b"])).unwrap();
    let began = lanes.clock.now();
    assert!(at_once(next.turn()).await.is_none());
    next.turn().await;
    assert_eq!(began.until(lanes.clock.now()), Duration::from_millis(500));
    next.leave(suspect(&lanes, Duration::from_secs(9)));
    // Or until somebody proves that it has ended.
    let mut next = lanes.enter(&a).unwrap();
    assert!(at_once(next.turn()).await.is_none());
    lanes.clear(&a[0]);
    assert!(at_once(next.turn()).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_process_left_is_suspect() {
    let lanes = lanes(LaneLimits::default());
    let both = ids(&["a", "b"]);
    lanes.suspect(&both, Time(1_200));
    lanes.suspect(&both, Time(900));
    let mut next = lanes.enter(&ids(&["b"])).unwrap();
    assert!(at_once(next.turn()).await.is_none());
    next.turn().await;
    assert_eq!(lanes.clock.now(), Time(1_200));
}

#[tokio::test(start_paused = true)]
async fn so_many_places_are_near() {
    let limits = LaneLimits {
        ahead: 3,
        ..LaneLimits::default()
    };
    let lanes = lanes(limits);
    let a = ids(&["a"]);
    let mut tickets: VecDeque<Ticket> = (0..6).map(|_| lanes.enter(&a).unwrap()).collect();
    while !tickets.is_empty() {
        for (at, ticket) in tickets.iter_mut().enumerate() {
            let near = at_once(ticket.near()).await;
            match at {
                0 => assert!(matches!(near, Some(Standing::Turn(_)))),
                1 | 2 => assert!(matches!(near, Some(Standing::Near))),
                _ => assert!(near.is_none(), "place {at} is not near"),
            }
        }
        tickets.pop_front().unwrap().leave(LaneExit::default());
    }
}

#[tokio::test(start_paused = true)]
async fn a_lane_without_places_ahead_still_moves() {
    let limits = LaneLimits {
        ahead: 0,
        ..LaneLimits::default()
    };
    let lanes = lanes(limits);
    let first = lanes.enter(&ids(&["a"])).unwrap();
    let mut second = lanes.enter(&ids(&["a"])).unwrap();
    first.leave(LaneExit::default());
    assert!(at_once(second.turn()).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn queues_are_bounded() {
    let limits = LaneLimits {
        per_lane: 2,
        total: 4,
        ..LaneLimits::default()
    };
    let lanes = lanes(limits);
    let _a = [lanes.enter(&ids(&["a"])).unwrap(), lanes.enter(&ids(&["a"])).unwrap()];
    assert!(lanes.enter(&ids(&["a", "b"])).is_err(), "one lane is full");
    let _b = lanes.enter(&ids(&["b"])).unwrap();
    assert!(lanes.enter(&ids(&["c", "d"])).is_err(), "all places are taken");
    let _c = lanes.enter(&ids(&["c"])).unwrap();
    assert_eq!(lanes.longest(2)[0], (LaneId("a".into()), 2));
}

#[tokio::test(start_paused = true)]
async fn idle_lanes_are_forgotten_but_not_their_suspicion() {
    let limits = LaneLimits {
        idle: 10,
        ..LaneLimits::default()
    };
    let lanes = lanes(limits);
    // The oldest is suspect for long; the others only carry something.
    let a = ids(&["suspect"]);
    lanes.enter(&a).unwrap().leave(suspect(&lanes, Duration::from_secs(60)));
    for n in 0..100 {
        let id = ids(&[format!("lane {n}").as_str()]);
        lanes.enter(&id).unwrap().leave(carrying("1"));
    }
    assert!(lanes.lock().lanes.len() <= 11, "{} lanes", lanes.lock().lanes.len());
    let mut next = lanes.enter(&a).unwrap();
    assert!(at_once(next.turn()).await.is_none());
    drop(next);
    // When its time is over, it goes as well.
    tokio::time::sleep(Duration::from_secs(61)).await;
    for n in 0..100 {
        let id = ids(&[format!("lane {n}").as_str()]);
        lanes.enter(&id).unwrap().leave(carrying("1"));
    }
    assert!(!lanes.lock().lanes.contains_key(&a[0]));
}

/// Many writes in one to three lanes each, some of which are given up: all others have their turn, two never share a
/// lane, and the order in a lane is the order of arrival.
#[test]
fn no_order_of_arrivals_blocks() {
    for seed in 0..60 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(crowd(seed));
    }
}

/// Who began (or else ended) its turn in which lanes.
type Log = Arc<Mutex<Vec<(usize, Vec<LaneId>, bool)>>>;

async fn crowd(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let lanes = lanes(LaneLimits {
        ahead: random.usize(1..4),
        ..LaneLimits::default()
    });
    let log: Log = Arc::default();
    let mut tasks = Vec::new();
    for number in 0..40 {
        let mut wanted: Vec<LaneId> = (0..random.usize(1..4))
            .map(|_| LaneId(random.usize(0..4).to_string()))
            .collect();
        wanted.sort();
        wanted.dedup();
        let mut ticket = lanes.enter(&wanted).unwrap();
        let (patience, work) = (random.u64(0..60), random.u64(0..9));
        let (leaves, near, hurried) = (random.bool(), random.bool(), random.u8(0..4) == 0);
        let log = Arc::clone(&log);
        tasks.push(tokio::spawn(async move {
            let turn = async {
                if near {
                    ticket.near().await;
                }
                ticket.turn().await
            };
            if hurried {
                if timeout(Duration::from_millis(patience), turn).await.is_err() {
                    return;
                }
            } else {
                turn.await;
            }
            log.lock().unwrap().push((number, wanted.clone(), true));
            tokio::time::sleep(Duration::from_millis(work)).await;
            log.lock().unwrap().push((number, wanted, false));
            if leaves {
                ticket.leave(LaneExit::default());
            }
        }));
    }
    for task in tasks {
        let done = timeout(Duration::from_secs(60), task).await;
        done.unwrap_or_else(|_| panic!("seed {seed}: somebody waits for ever"))
            .unwrap();
    }
    let log = log.lock().unwrap();
    for id in 0..4 {
        let id = LaneId(id.to_string());
        let mut inside = None;
        let mut last = None;
        for (number, wanted, begins) in log.iter().filter(|(_, wanted, _)| wanted.contains(&id)) {
            if *begins {
                assert_eq!(inside, None, "seed {seed}: {number} and another in {id} {wanted:?}");
                assert!(last < Some(*number), "seed {seed}: {number} overtook {last:?} in {id}");
                (inside, last) = (Some(*number), Some(*number));
            } else {
                inside = None;
            }
        }
    }
    assert_eq!(lanes.lock().places, 0, "seed {seed}");
}
