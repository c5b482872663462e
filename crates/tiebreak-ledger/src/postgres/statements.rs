//! The statements. Each works off all changes of its kind in a batch; what it returns was done.

use tokio_postgres::{Client, Statement};

use super::error::trouble;
use super::row::RECORD;
use crate::shared::Trouble;

/// Hints that lanes were handed over.
pub(super) const LISTEN: &str = "LISTEN tiebreak_lanes";

/// One plan for each statement, made once: along an index for each row of the batch, whatever the planner knows of the tables (when
/// they are new, nothing) and however long the arrays are. Plans of its own choice read a whole table for each batch.
pub(super) const ONE_PLAN: &str =
    "SET plan_cache_mode TO force_generic_plan; SET jit TO off; SET enable_seqscan TO off;
    SET enable_hashjoin TO off; SET enable_mergejoin TO off; SET enable_bitmapscan TO off; SET enable_material TO off";

/// The owner must be alive when it claims: whoever declares it dead deletes this row, and waits for, or is waited for by,
/// this lock. Without the row the statements below claim nothing.
const ALIVE: &str = "SELECT owner FROM owners WHERE owner = $1 FOR KEY SHARE";

/// A session of the writer begins: it waits for the lock above, hence for what the last session has begun. Held up on its way until
/// a later session has begun, it changes nothing.
const SUCCEED: &str = "
UPDATE owners SET session = $2
WHERE owner = (SELECT owner FROM owners WHERE owner = $1 FOR UPDATE) AND session < $2";

/// Fails (by a division by zero), and with it the whole transaction, in a session that was succeeded. The lock above is held: from
/// here on it cannot be.
const CURRENT: &str = "SELECT 1 / (session = $2)::int FROM owners WHERE owner = $1";

/// What expired gives its key up first; the counts make sure of the order. Sorted by key, so that two gateways
/// never wait for each other in a circle.
const CLAIM: &str = "
WITH wanted AS (
    SELECT * FROM unnest($2::bytea[], $3::bytea[], $4::bytea[], $5::bytea[], $6::text[], $7::text[], $8::text[],
                         $9::int[], $10::text[], $11::bigint[], $12::bigint[], $13::bytea[], $14::boolean[])
        WITH ORDINALITY AS t(id, key, caller, fingerprint, method, target, lanes, attempt, held, claimed_at, expires,
                             trace, exclusive, n)
), freed AS (
    UPDATE writes w SET slot = NULL FROM wanted i
    WHERE w.slot = i.key AND w.state = 'settled' AND w.expires <= i.claimed_at RETURNING 1
), traced AS (
    UPDATE writes w SET slot = NULL FROM wanted i
    WHERE i.exclusive AND w.exclusive AND w.slot IS NOT NULL AND w.trace = i.trace AND w.fingerprint = i.fingerprint
      AND w.slot <> i.key AND w.state = 'settled' AND w.expires <= i.claimed_at RETURNING 1
)
INSERT INTO writes AS w (id, state, fence, owner, key, slot, trace, exclusive, expires, caller, fingerprint, method, target,
                         lanes, attempt, held, claimed_at)
SELECT i.id, 'claimed', nextval('fences'), $1, i.key, i.key, i.trace, i.exclusive, i.expires, i.caller, i.fingerprint,
       i.method, i.target, i.lanes, i.attempt, i.held, i.claimed_at
FROM wanted i
WHERE (SELECT count(*) FROM freed) + (SELECT count(*) FROM traced) >= 0 AND EXISTS (SELECT 1 FROM owners WHERE owner = $1)
  AND NOT EXISTS (SELECT 1 FROM writes d
                  WHERE d.doubtful AND d.caller = i.caller AND d.fingerprint = i.fingerprint)
ORDER BY i.key NULLS LAST, i.n
ON CONFLICT DO NOTHING
RETURNING w.id, w.fence";

const AMEND: &str = "
UPDATE writes w SET fence = nextval('fences'), attempt = i.attempt, held = i.held
FROM unnest($1::bytea[], $2::bigint[], $3::int[], $4::text[]) AS i(id, fence, attempt, held)
WHERE w.id = i.id AND w.fence = i.fence AND w.state = 'claimed'
RETURNING w.id, w.fence";

const SETTLE: &str = "
UPDATE writes w
SET state = 'settled', owner = NULL, doubtful = false, outcome = i.outcome, status = i.status, fields = i.fields,
    content = i.content, truncated = i.truncated, class = i.class, evidence = i.evidence, guarantee = i.guarantee,
    attempts = i.attempts, settled_at = i.at
FROM unnest($1::bytea[], $2::bigint[], $3::text[], $4::int[], $5::text[], $6::bytea[], $7::boolean[], $8::text[],
            $9::text[], $10::text[], $11::int[], $12::bigint[])
    AS i(id, fence, outcome, status, fields, content, truncated, class, evidence, guarantee, attempts, at)
WHERE w.id = i.id AND w.fence = i.fence AND w.state = 'claimed'
RETURNING w.id";

const DOUBT: &str = "
UPDATE writes w
SET state = 'doubted', owner = NULL, doubtful = true, doubt_reason = i.reason, doubt_attempts = i.attempts,
    doubt_guarantee = i.guarantee, doubt_since = i.since
FROM unnest($1::bytea[], $2::bigint[], $3::text[], $4::int[], $5::text[], $6::bigint[])
    AS i(id, fence, reason, attempts, guarantee, since)
WHERE w.id = i.id AND w.fence = i.fence AND w.state = 'claimed'
RETURNING w.id";

const RELEASE: &str = "
DELETE FROM writes w USING unnest($1::bytea[], $2::bigint[]) AS i(id, fence)
WHERE w.id = i.id AND w.fence = i.fence AND w.state = 'claimed'
RETURNING w.id";

const RETAKE: &str = "
UPDATE writes w SET state = 'claimed', owner = $1, fence = nextval('fences'), attempt = i.attempt, held = i.held
FROM unnest($2::bytea[], $3::int[], $4::text[]) AS i(id, attempt, held)
WHERE w.id = i.id AND w.state = 'doubted' AND EXISTS (SELECT 1 FROM owners WHERE owner = $1)
RETURNING w.id, w.fence";

/// The doubt that a retaking ended is still in its columns.
const REDOUBT: &str = "
UPDATE writes w SET state = 'doubted', owner = NULL
FROM unnest($2::bytea[], $3::bigint[]) AS i(id, fence)
WHERE w.id = i.id AND w.owner = $1 AND w.state = 'claimed' AND w.doubtful AND w.fence = coalesce(i.fence, w.fence)";

const UNCLAIM: &str = "
DELETE FROM writes w USING unnest($2::bytea[], $3::bigint[]) AS i(id, fence)
WHERE w.id = i.id AND w.owner = $1 AND w.state = 'claimed' AND NOT w.doubtful AND w.fence = coalesce(i.fence, w.fence)";

/// A lane is taken if it is free, ours already (handed over, or an answer was lost), or of an owner that is no more; else this owner
/// is put among those who wait for it.
const ASK: &str = "
WITH wanted AS (
    SELECT t.lane, o.late_ms FROM unnest($2::bytea[]) AS t(lane), owners o WHERE o.owner = $1
), got AS (
    INSERT INTO lanes AS l (lane, owner, fence, touched)
    SELECT lane, $1, nextval('fences'), clock_timestamp() FROM wanted ORDER BY lane
    ON CONFLICT (lane) DO UPDATE
    SET owner = $1, touched = clock_timestamp(),
        fence = CASE WHEN l.owner = $1 THEN l.fence ELSE nextval('fences') END,
        suspect_until = CASE WHEN l.owner IS NULL OR l.owner = $1 THEN l.suspect_until
                             ELSE greatest(l.suspect_until, clock_timestamp()
                                           + (SELECT late_ms FROM owners WHERE owner = $1) * interval '1 ms') END
    WHERE l.owner IS NULL OR l.owner = $1 OR NOT EXISTS (SELECT 1 FROM owners o WHERE o.owner = l.owner)
    RETURNING l.lane, l.tag, l.fence,
              greatest(0, extract(epoch FROM l.suspect_until - clock_timestamp()) * 1000)::bigint AS suspect_ms
), ended AS (
    DELETE FROM lane_waits w USING got WHERE w.lane = got.lane AND w.owner = $1
), queued AS (
    INSERT INTO lane_waits (lane, owner, ticket)
    SELECT lane, $1, nextval('tickets') FROM wanted WHERE lane NOT IN (SELECT lane FROM got)
    ON CONFLICT DO NOTHING
)
SELECT lane, tag, fence, suspect_ms FROM got";

/// A lane that is given up goes to the first who waits and is alive; the hint tells that somebody got one. A statement that was held up
/// on its way names an earlier holding, and changes nothing.
const PASS: &str = "
WITH given AS (
    SELECT * FROM unnest($2::bytea[], $3::bigint[], $4::text[], $5::boolean[], $6::bigint[])
        AS t(lane, suspect_ms, tag, only_if_wanted, fence)
), next AS (
    SELECT DISTINCT ON (w.lane) w.lane, w.owner
    FROM lane_waits w JOIN given USING (lane) JOIN owners o ON o.owner = w.owner
    WHERE w.owner <> $1 AND o.lease_until > clock_timestamp()
    ORDER BY w.lane, w.ticket
), passed AS (
    UPDATE lanes l
    SET owner = n.owner, touched = clock_timestamp(), tag = g.tag,
        fence = CASE WHEN n.owner IS NULL THEN l.fence ELSE nextval('fences') END,
        suspect_until = CASE WHEN g.suspect_ms > 0
                             THEN greatest(l.suspect_until, clock_timestamp() + g.suspect_ms * interval '1 ms')
                             ELSE l.suspect_until END
    FROM given g LEFT JOIN next n USING (lane)
    WHERE l.lane = g.lane AND l.owner = $1 AND l.fence = coalesce(g.fence, l.fence) AND (n.owner IS NOT NULL OR NOT g.only_if_wanted)
    RETURNING l.lane, l.owner
), ended AS (
    DELETE FROM lane_waits w USING given g WHERE w.lane = g.lane AND w.owner = $1 AND NOT g.only_if_wanted
)
SELECT lane, CASE WHEN owner IS NOT NULL THEN pg_notify('tiebreak_lanes', '') END FROM passed";

/// What stands in the way of one write: the record that holds its key, else the oldest doubt of the same caller and content, else
/// the same write of another caller under the same key, if that cannot be guessed.
fn look_up() -> String {
    format!(
        "(SELECT 0 AS rank, {RECORD} FROM writes w
          WHERE w.slot = $1 AND NOT (w.state = 'settled' AND coalesce(w.expires <= $4, false)))
         UNION ALL
         (SELECT 1, {RECORD} FROM writes w WHERE w.doubtful AND w.caller = $2 AND w.fingerprint = $3
          ORDER BY w.row LIMIT 1)
         UNION ALL
         (SELECT 2, {RECORD} FROM writes w
          WHERE w.exclusive AND w.slot IS NOT NULL AND w.trace = $5 AND w.fingerprint = $3 AND w.caller <> $2
            AND NOT (w.state = 'settled' AND coalesce(w.expires <= $4, false)) LIMIT 1)
         ORDER BY 1 LIMIT 1"
    )
}

fn resolve() -> String {
    format!(
        "UPDATE writes w
         SET state = 'settled', owner = NULL, doubtful = false, outcome = i.outcome, status = i.status, fields = i.fields,
             content = i.content, truncated = i.truncated, class = i.class, evidence = i.evidence, guarantee = i.guarantee,
             attempts = i.attempts, settled_at = i.at, resolved_by = i.by, resolution = i.reason,
             slot = CASE WHEN i.outcome = 'refused' AND i.status = 0 THEN NULL ELSE slot END
         FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::int[], $6::text[], $7::bytea[], $8::boolean[],
                     $9::text[], $10::text[], $11::text[], $12::int[], $13::bigint[])
             AS i(id, by, reason, outcome, status, fields, content, truncated, class, evidence, guarantee, attempts, at)
         WHERE w.id = i.id AND w.state = 'doubted'
         RETURNING {RECORD}"
    )
}

/// How records stand after a change of which it is not known what became of it.
fn standing() -> String {
    format!("SELECT w.owner, w.resolved_by, {RECORD} FROM writes w WHERE w.id = ANY($1::bytea[])")
}

/// The statements of the writer, prepared in its session.
pub(super) struct Writing {
    pub(super) succeed: Statement,
    pub(super) alive: Statement,
    pub(super) current: Statement,
    pub(super) claim: Statement,
    pub(super) amend: Statement,
    pub(super) settle: Statement,
    pub(super) doubt: Statement,
    pub(super) release: Statement,
    pub(super) retake: Statement,
    pub(super) redoubt: Statement,
    pub(super) unclaim: Statement,
    pub(super) resolve: Statement,
    pub(super) look_up: Statement,
    pub(super) standing: Statement,
    pub(super) ask: Statement,
    pub(super) pass: Statement,
}

impl Writing {
    pub(super) async fn prepare(client: &Client) -> Result<Writing, Trouble> {
        let prepare = async |text: &str| client.prepare(text).await.map_err(trouble);
        Ok(Writing {
            succeed: prepare(SUCCEED).await?,
            alive: prepare(ALIVE).await?,
            current: prepare(CURRENT).await?,
            claim: prepare(CLAIM).await?,
            amend: prepare(AMEND).await?,
            settle: prepare(SETTLE).await?,
            doubt: prepare(DOUBT).await?,
            release: prepare(RELEASE).await?,
            retake: prepare(RETAKE).await?,
            redoubt: prepare(REDOUBT).await?,
            unclaim: prepare(UNCLAIM).await?,
            resolve: prepare(&resolve()).await?,
            look_up: prepare(&look_up()).await?,
            standing: prepare(&standing()).await?,
            ask: prepare(ASK).await?,
            pass: prepare(PASS).await?,
        })
    }
}

/// The statements of readers, prepared in their session.
pub(super) struct Reading {
    pub(super) look_up: Statement,
    pub(super) get: Statement,
    pub(super) doubts: Statement,
    pub(super) traced: Statement,
    pub(super) search: Statement,
    pub(super) looked_at: Statement,
    pub(super) purge: Statement,
}

/// As many rows are purged at once.
pub(super) const SLICE: u64 = 500;

/// In slices, and never waiting for anybody.
const PURGE: &str = "
DELETE FROM writes WHERE id IN (
    SELECT id FROM writes WHERE outcome IS NOT NULL AND state = 'settled' AND expires <= $1
    ORDER BY expires LIMIT 500 FOR UPDATE SKIP LOCKED)";

/// Along the primary key, which begins with a time, from the newest back; no more than `$8` rows are looked at.
fn search() -> String {
    format!(
        "SELECT {RECORD} FROM (SELECT * FROM writes WHERE id >= $1 AND id < $2 ORDER BY id DESC LIMIT $8) w
         WHERE ($3::text IS NULL OR strpos(w.target, $3) > 0) AND ($4::text IS NULL OR w.state = $4)
           AND ($5::text IS NULL OR (w.state = 'settled' AND w.outcome = $5))
           AND ($6::text IS NULL OR (w.state = 'settled' AND w.class = $6))
         ORDER BY w.id DESC LIMIT $7"
    )
}

/// The last of the rows that such a search looks at.
const LOOKED_AT: &str = "SELECT id FROM writes WHERE id >= $1 AND id < $2 ORDER BY id DESC OFFSET $3 LIMIT 1";

impl Reading {
    pub(super) async fn prepare(client: &Client) -> Result<Reading, Trouble> {
        let prepare = async |text: &str| client.prepare(text).await.map_err(trouble);
        let get = format!("SELECT w.resolved_by, w.resolution, {RECORD} FROM writes w WHERE w.id = $1");
        let doubts =
            format!("SELECT {RECORD} FROM writes w WHERE w.state = 'doubted' AND w.row > $1 ORDER BY w.row LIMIT $2");
        // For operators, who seldom look: no index.
        let traced = format!("SELECT {RECORD} FROM writes w WHERE w.trace = $1 ORDER BY w.row DESC LIMIT $2");
        Ok(Reading {
            traced: prepare(&traced).await?,
            search: prepare(&search()).await?,
            looked_at: prepare(LOOKED_AT).await?,
            look_up: prepare(&look_up()).await?,
            get: prepare(&get).await?,
            doubts: prepare(&doubts).await?,
            purge: prepare(PURGE).await?,
        })
    }
}
