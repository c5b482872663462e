//! Makes a batch of changes in one transaction and one round trip: everything is sent before the first answer is awaited.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tiebreak_core::record::{Fence, Record, WriteId};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row};

use super::arrays::{Amends, Asks, Claims, Doubts, Pairs, Passes, Resolves, Settles};
use super::change::{Job, LaneKey};
use super::error::{Trouble, trouble};
use super::row;
use super::statements::Writing;
use crate::LedgerError;

/// A session of the writer.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) writing: Writing,
}

/// What a batch did: the writes for which the change of their kind was made, with the fences given out.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) granted: HashMap<WriteId, Fence>,
    pub(super) ended: HashMap<WriteId, Option<Record>>,
    /// The lanes that were taken, with the version left in them and for how long they are suspect.
    pub(super) taken: HashMap<LaneKey, (Option<String>, Duration)>,
    /// The lanes that were given up.
    pub(super) passed: HashSet<LaneKey>,
    /// Whether the owner's lease had not run out; else nothing was claimed.
    pub(super) alive: bool,
}

impl Session {
    /// Makes `jobs`, which are about different writes. After an error nothing was changed, unless it is [`Trouble::Gone`].
    pub(super) async fn perform(&self, owner: i64, jobs: &[Job]) -> Result<Done, Trouble> {
        // A dozen statements on their way at once make a large future.
        Box::pin(self.perform_together(owner, jobs)).await
    }

    async fn perform_together(&self, owner: i64, jobs: &[Job]) -> Result<Done, Trouble> {
        let (client, writing) = (&self.client, &self.writing);
        let (claims, amends, retakes) = (Claims::of(jobs), Amends::of(jobs), Amends::retaken(jobs));
        let (settles, doubts, resolves) = (Settles::of(jobs), Doubts::of(jobs), Resolves::of(jobs));
        let (releases, back) = (Pairs::released(jobs), Pairs::back(jobs));
        let (asks, passes) = (Asks::of(jobs), Passes::of(jobs));
        let own: [&(dyn ToSql + Sync); 1] = [&owner];
        // Polled in this order, hence sent in this order, each whether or not the one before it was answered.
        let (
            begun,
            alive,
            redoubted,
            unclaimed,
            resolved,
            settled,
            doubted,
            released,
            amended,
            retaken,
            claimed,
            passed,
            asked,
            committed,
        ) = tokio::join!(
            biased;
            client.batch_execute("BEGIN"),
            client.query(&writing.alive, &own),
            back.put_back(client, &writing.redoubt, owner),
            back.put_back(client, &writing.unclaim, owner),
            resolves.run(client, &writing.resolve),
            settles.run(client, &writing.settle),
            doubts.run(client, &writing.doubt),
            releases.run(client, &writing.release),
            amends.run(client, &writing.amend),
            retakes.retake(client, &writing.retake, owner),
            claims.run(client, &writing.claim, owner),
            passes.run(client, &writing.pass, owner),
            asks.run(client, &writing.ask, owner),
            client.batch_execute("COMMIT"),
        );
        // The first that failed is why the others did; the commit rolled back.
        begun.map_err(trouble)?;
        let mut done = Done {
            alive: !alive.map_err(trouble)?.is_empty(),
            ..Done::default()
        };
        for put_back in [redoubted, unclaimed] {
            put_back?;
        }
        done.read_resolved(&resolved?).map_err(Trouble::Rule)?;
        for rows in [settled, doubted, released] {
            done.read_ended(&rows?).map_err(Trouble::Rule)?;
        }
        for rows in [amended, retaken, claimed] {
            done.read_granted(&rows?).map_err(Trouble::Rule)?;
        }
        done.read_lanes(&passed?, &asked?).map_err(Trouble::Rule)?;
        committed.map_err(trouble)?;
        Ok(done)
    }
}

impl Done {
    fn read_resolved(&mut self, rows: &[Row]) -> Result<(), LedgerError> {
        for row in rows {
            let record = row::decode(row)?;
            self.ended.insert(record.claim.id, Some(record));
        }
        Ok(())
    }

    fn read_ended(&mut self, rows: &[Row]) -> Result<(), LedgerError> {
        for row in rows {
            self.ended.insert(row::id(row, "id")?, None);
        }
        Ok(())
    }

    fn read_granted(&mut self, rows: &[Row]) -> Result<(), LedgerError> {
        for row in rows {
            self.granted
                .insert(row::id(row, "id")?, row::fence(row::get(row, "fence")?));
        }
        Ok(())
    }

    fn read_lanes(&mut self, passed: &[Row], asked: &[Row]) -> Result<(), LedgerError> {
        for row in passed {
            self.passed.insert(row::lane(row)?);
        }
        for row in asked {
            let suspect: i64 = row::get(row, "suspect_ms")?;
            let suspect = Duration::from_millis(suspect.unsigned_abs());
            self.taken.insert(row::lane(row)?, (row::get(row, "tag")?, suspect));
        }
        Ok(())
    }
}
