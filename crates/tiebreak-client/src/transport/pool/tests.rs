//! Idle connections and bounds, over pipes and a clock that goes on only when nothing else happens.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncReadExt, DuplexStream, duplex};
use tokio::net::TcpListener;
use tokio::time::advance;

use super::*;
use crate::transport::origins::OriginSettings;

const LONG: Duration = Duration::from_secs(60);

fn to(port: u16) -> Authority {
    Authority {
        tls: false,
        host: "127.0.0.1".to_owned(),
        port,
    }
}

/// Origins, of which this one takes so many connections.
fn origins(to: &Authority, most: usize) -> Arc<Origins> {
    let settings = OriginSettings {
        max_connections: NonZeroUsize::new(most),
        ..OriginSettings::default()
    };
    let origins = Arc::new(Origins::default());
    origins.replace(HashMap::from([(to.clone(), settings)]));
    origins
}

/// A connection, and its other end.
async fn connected(place: Option<Place>) -> (SendRequest<OutBody>, DuplexStream) {
    let (ours, theirs) = duplex(1024);
    match handshake(ours, false, LONG, place).await {
        Ok(Connected::Http1(sender)) => (sender, theirs),
        Ok(Connected::Http2(_)) | Err(_) => panic!("no connection"),
    }
}

/// Waits for the end of a connection on which nothing was said.
async fn ended(mut theirs: DuplexStream) {
    assert_eq!(theirs.read(&mut [0]).await.expect("no failure"), 0);
}

fn made(sender: SendRequest<OutBody>, pool: &Pool, turn: Option<Turn>) -> Made {
    let changes = pool.origins.changes();
    Made::Http1 { sender, changes, turn }
}

async fn turn(bound: &Arc<Bound>) -> Turn {
    bound.turn().await.expect("a turn")
}

async fn place(turn: &Turn) -> Place {
    match turn.room(FRESH, 1).await {
        Some(Room::New(place)) => place,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_though_nobody_looks() {
    let pool = Arc::new(Pool::default());
    // The second time around, the task that closed the first has ended.
    for _ in 0..2 {
        let ((one, theirs), (other, later)) = (connected(None).await, connected(None).await);
        let begun = Instant::now();
        pool.put(&to(1), made(one, &pool, None));
        advance(Duration::from_secs(1)).await;
        pool.put(&to(2), made(other, &pool, None));
        ended(theirs).await;
        let took = begun.elapsed();
        assert!(took >= MAX_IDLE && took < MAX_IDLE + FRESH, "{took:?}");
        ended(later).await;
        let took = begun.elapsed();
        assert!(took >= MAX_IDLE + FRESH && took < MAX_IDLE + 2 * FRESH, "{took:?}");
    }
    // Nothing is idle: nobody sweeps.
    advance(MAX_IDLE).await;
    assert_eq!(Arc::weak_count(&pool), 0);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_used_again_stays_open() {
    let pool = Arc::new(Pool::default());
    let (sender, theirs) = connected(None).await;
    pool.put(&to(1), made(sender, &pool, None));
    let mut theirs = pin!(ended(theirs));
    for _ in 0..8 {
        tokio::time::sleep(MAX_IDLE - FRESH).await;
        let Some(Found::Idle(sender)) = pool.find(&to(1), false, 0) else {
            panic!("it was idle for less");
        };
        pool.put(&to(1), made(sender, &pool, None));
    }
    let waker = Waker::noop();
    assert!(theirs.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
    theirs.await;
}

#[tokio::test(start_paused = true)]
async fn what_is_idle_is_closed_with_the_pool_and_when_what_is_said_of_origins_changes() {
    let pool = Arc::new(Pool::default());
    let begun = Instant::now();
    let (sender, theirs) = connected(None).await;
    pool.put(&to(1), made(sender, &pool, None));
    let (sender, outdated) = connected(None).await;
    let before = made(sender, &pool, None);
    pool.origins
        .replace(HashMap::from([(to(1), OriginSettings::default())]));
    pool.put(&to(1), before);
    ended(outdated).await;
    drop(pool);
    ended(theirs).await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn idle_connections_of_a_bounded_origin_are_found_from_every_pool_and_closed() {
    let to = to(1);
    let origins = origins(&to, 1);
    let pools = [(); 2].map(|()| Arc::new(Pool::new(Arc::clone(&origins))));
    let bound = origins.bound(&to).expect("a bound");
    let turn = turn(&bound).await;
    let (sender, theirs) = connected(Some(place(&turn).await)).await;
    pools[0].put(&to, made(sender, &pools[0], Some(turn)));
    let within = Within {
        connect: LONG,
        place: LONG,
        by: None,
    };
    // Nobody listens there: it is the one that the other pool gave back.
    let found = pools[1].take(&to, true, within).await.expect("a connection");
    assert!(matches!(found, Made::Http1 { turn: Some(_), .. }));
    let begun = Instant::now();
    pools[1].put(&to, found);
    ended(theirs).await;
    let took = begun.elapsed();
    assert!(took >= MAX_IDLE && took < 2 * MAX_IDLE, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_has_its_place_until_it_has_ended() {
    let bound = Bound::new(1);
    let first = turn(&bound).await;
    let (sender, theirs) = connected(Some(place(&first).await)).await;
    first.put(sender, 1);
    advance(FRESH).await;
    // It was idle for too long for a write, which has its place once it is closed.
    let second = turn(&bound).await;
    let place = place(&second).await;
    let mut closed = pin!(ended(theirs));
    let now = closed.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(now.is_ready());
    drop((second, place));
    // So has one that has failed while its content was still to come.
    let third = turn(&bound).await;
    let (sender, theirs) = connected(Some(self::place(&third).await)).await;
    drop((sender, third));
    let fourth = turn(&bound).await;
    let _place = self::place(&fourth).await;
    ended(theirs).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_turn_gets_the_connection_that_is_given_back() {
    let bound = Bound::new(2);
    let (one, other) = (turn(&bound).await, turn(&bound).await);
    let (sender, _theirs) = connected(Some(place(&one).await)).await;
    let _place = place(&other).await;
    let mut third = pin!(bound.turn());
    let mut fourth = pin!(bound.turn());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(third.as_mut().poll(&mut cx).is_pending() && fourth.as_mut().poll(&mut cx).is_pending());
    one.put(sender, 1);
    assert!(fourth.as_mut().poll(&mut cx).is_pending());
    let Poll::Ready(Some(third)) = third.as_mut().poll(&mut cx) else {
        panic!("it came before the fourth");
    };
    assert!(matches!(third.room(FRESH, 1).await, Some(Room::Idle(_))));
}

#[tokio::test(start_paused = true)]
async fn connections_made_before_a_change_go_on_counting() {
    let to = to(1);
    let origins = origins(&to, 2);
    let pool = Arc::new(Pool::new(Arc::clone(&origins)));
    let before = origins.bound(&to).expect("a bound");
    let (one, other) = (turn(&before).await, turn(&before).await);
    let (first, theirs) = connected(Some(place(&one).await)).await;
    let (second, _open) = connected(Some(place(&other).await)).await;
    let (first, second) = (made(first, &pool, Some(one)), made(second, &pool, Some(other)));
    let settings = OriginSettings {
        max_connections: NonZeroUsize::new(1),
        ..OriginSettings::default()
    };
    origins.replace(HashMap::from([(to.clone(), settings)]));
    let after = origins.bound(&to).expect("a bound");
    pool.put(&to, first);
    ended(theirs).await;
    // One is in use: that is as many as there may be now.
    let mut next = pin!(after.turn());
    assert!(next.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(second);
    let next = next.await.expect("a turn");
    let _place = place(&next).await;
}

#[tokio::test]
async fn a_request_without_a_place_is_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let to = to(listener.local_addr().expect("an address").port());
    let pool = Arc::new(Pool::new(origins(&to, 1)));
    let within = |place| Within {
        connect: LONG,
        place,
        by: None,
    };
    let first = pool.take(&to, true, within(LONG)).await.expect("a connection");
    let second = pool.take(&to, true, within(Duration::from_millis(20))).await;
    assert_eq!(second.map(drop), Err(NotSent::NoPlace));
    // A read waits for as long as it takes.
    let waits = pool.take(&to, false, within(Duration::MAX));
    let mut waits = pin!(waits);
    assert!(
        waits
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    pool.put(&to, first);
    let third = waits.await.expect("the connection");
    assert!(matches!(third, Made::Http1 { turn: Some(_), .. }));
    let (_stream, _) = listener.accept().await.expect("a connection");
    drop(third);
    // The next one is made once that has ended.
    let _fourth = pool
        .take(&to, false, within(Duration::MAX))
        .await
        .expect("a connection");
    listener.accept().await.expect("another connection");
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_place_keeps_nobody_from_connecting_and_no_write_waits_past_its_time() {
    let to = to(9);
    let settings = OriginSettings {
        max_connections: NonZeroUsize::new(1),
        http2: Http2::Offered,
        ..OriginSettings::default()
    };
    let origins = Arc::new(Origins::default());
    origins.replace(HashMap::from([(to.clone(), settings)]));
    let bound = origins.bound(&to).expect("a bound");
    let pool = Arc::new(Pool::new(origins));
    let only = turn(&bound).await;
    let _place = place(&only).await;
    let reading = {
        let (pool, to) = (Arc::clone(&pool), to.clone());
        let within = Within {
            connect: Duration::from_secs(5),
            place: Duration::MAX,
            by: None,
        };
        tokio::spawn(async move { pool.take(&to, false, within).await.map(drop) })
    };
    tokio::task::yield_now().await;
    let began = Instant::now();
    let within = Within {
        connect: Duration::from_secs(5),
        place: Duration::from_secs(10),
        by: Some(began + Duration::from_secs(8)),
    };
    let written = pool.take(&to, true, within).await;
    assert_eq!(written.map(drop), Err(NotSent::NoPlace));
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    assert!(!reading.is_finished());
    reading.abort();
}
