//! The sessions that the client of a shared ledger asks for.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tiebreak_core::key::KeyTrace;
use tiebreak_core::record::{Claim, Record, Sought, WriteId};
use tiebreak_core::time::Time;
use tiebreak_ledger::search::{Found, Query};
use tiebreak_ledger::shared::{Asked, Database, Done, Job, Keeping, Options, Reading, Standing, Trouble, Writing};
use tiebreak_ledger::{LedgerError, Resolution, Stats};
use tokio::sync::Notify;

use super::link::{Link, SimDatabase};
use super::tables::{Made, Tables, sent};

impl Database for SimDatabase {
    type Writing = WriteLink;
    type Keeping = Link;
    type Reading = Link;

    async fn writing(&self, owner: i64, number: i64) -> Asked<WriteLink> {
        let link = self.connect().await?;
        link.call(move |tables, _| tables.succeed(owner, number)).await?;
        Ok(WriteLink { link, owner, number })
    }

    async fn keeping(&self, hint: Arc<Notify>) -> Asked<Link> {
        self.listen(hint);
        self.connect().await
    }

    async fn reading(&self) -> Asked<Link> {
        self.connect().await
    }
}

/// A session for the changes of one process.
pub struct WriteLink {
    link: Link,
    owner: i64,
    /// Which of that process.
    number: i64,
}

impl Writing for WriteLink {
    fn is_closed(&self) -> bool {
        self.link.is_closed()
    }

    async fn perform(&self, jobs: &[Job]) -> Asked<Done> {
        let (jobs, database) = (sent(jobs), self.link.database.clone());
        let (owner, number) = (self.owner, self.number);
        let work = move |tables: &mut Tables, now| {
            if !tables.is_current(owner, number) {
                return Err(Trouble::Gone("another session of this process has begun".into()));
            }
            let Made { done, handed_over } = tables.perform(owner, &jobs, now);
            if handed_over {
                database.notify();
            }
            Ok(done)
        };
        self.link.call(work).await?
    }

    async fn standing(&self, ids: &[WriteId]) -> Asked<HashMap<WriteId, Standing>> {
        let ids = ids.to_vec();
        self.link.call(move |tables, _| tables.standing(&ids)).await
    }

    async fn taken_by(&self, claims: &[&Claim]) -> Asked<Vec<Option<Record>>> {
        let sought: Vec<(Sought, Time)> = claims.iter().map(|c| (c.sought(), c.at)).collect();
        let work = move |tables: &mut Tables, _| sought.iter().map(|(s, at)| tables.look_up(s, *at)).collect();
        self.link.call(work).await
    }
}

impl Keeping for Link {
    fn is_closed(&self) -> bool {
        Link::is_closed(self)
    }

    async fn register(&self, options: &Options) -> Asked<(i64, Time)> {
        let (host, lease, late) = (self.database.host, options.lease, options.late_after);
        let clock = self.database.shared.clock;
        self.call(move |tables, now| (tables.register_owner(host, lease, late, now), clock.now()))
            .await
    }

    async fn renew(&self, owner: i64, lease: Duration) -> Asked<bool> {
        let host = self.database.host;
        self.call(move |tables, now| tables.renew(host, owner, lease, now))
            .await
    }

    async fn reap(&self, own: i64) -> Asked<u64> {
        self.call(move |tables, now| tables.reap(own, now)).await
    }

    async fn leave(&self, own: i64) -> Asked<u64> {
        self.call(move |tables, now| tables.leave(own, now)).await
    }
}

impl Reading for Link {
    fn is_closed(&self) -> bool {
        Link::is_closed(self)
    }

    async fn look_up(&self, sought: &Sought, now: Time) -> Asked<Option<Record>> {
        let sought = *sought;
        self.call(move |tables, _| tables.look_up(&sought, now)).await
    }

    async fn traced(&self, trace: KeyTrace, limit: usize) -> Asked<Vec<Record>> {
        self.call(move |tables, _| tables.traced(trace, limit)).await
    }

    async fn get(&self, id: WriteId) -> Asked<Option<Record>> {
        self.call(move |tables, _| tables.get(id).map(|(record, _)| record))
            .await
    }

    async fn resolution(&self, id: WriteId) -> Asked<Option<Resolution>> {
        self.call(move |tables, _| tables.get(id).and_then(|(_, resolution)| resolution))
            .await
    }

    async fn doubts(&self, after: Option<WriteId>, limit: usize) -> Asked<Vec<Record>> {
        let found = self.call(move |tables, _| tables.doubts(after, limit)).await?;
        let unknown = || LedgerError::NotFound(after.unwrap_or(WriteId([0; 16])));
        found.ok_or_else(|| Trouble::Rule(unknown()))
    }

    async fn search(&self, query: &Query, before: Option<WriteId>, limit: usize) -> Asked<Found> {
        let query = query.clone();
        self.call(move |tables, _| tables.search(&query, before, limit)).await
    }

    async fn purge(&self, now: Time) -> Asked<(u64, bool)> {
        self.call(move |tables, _| (tables.purge(now), false)).await
    }

    async fn stats(&self) -> Asked<Stats> {
        self.call(|tables, _| tables.stats()).await
    }

    async fn check(&self) -> Asked<Vec<String>> {
        self.call(|tables, _| tables.check()).await
    }
}
