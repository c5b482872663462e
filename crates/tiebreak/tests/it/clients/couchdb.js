// The CouchDB API (pouchdb-server) with PouchDB: two replicating clients, a conflict, lost answers.
'use strict';
const assert = require('node:assert');
const readline = require('node:readline');
const PouchDB = require('pouchdb-core')
  .plugin(require('pouchdb-adapter-http'))
  .plugin(require('pouchdb-adapter-memory'))
  .plugin(require('pouchdb-replication'));

const [server, gateway] = process.argv.slice(2);
const input = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** The next answer of the server is lost on its way to the gateway. */
async function loseNextAnswer() {
  console.log('lose');
  assert.equal((await input.next()).value, 'armed');
}

async function main() {
  const remote = new PouchDB(`http://${gateway}/things`);
  const truth = new PouchDB(`http://${server}/things`, { skip_setup: true });
  await remote.info();

  // Two devices write offline and replicate through the gateway, both ways.
  const [a, b] = ['a', 'b'].map((name) => new PouchDB(name, { adapter: 'memory' }));
  for (let n = 0; n < 10; n += 1) {
    await a.put({ _id: `a${n}`, n });
    await b.put({ _id: `b${n}`, n });
  }
  await a.put({ _id: 'shared', by: 'a' });
  await b.put({ _id: 'shared', by: 'b' });
  await a.sync(remote);
  await b.sync(remote);
  await a.sync(remote);
  for (const each of [a, b, truth]) assert.equal((await each.info()).doc_count, 21);

  // The conflict is kept by all three alike: one winner, one losing revision, nothing dropped.
  const seen = await Promise.all([a, b, truth].map((each) => each.get('shared', { conflicts: true })));
  for (const each of seen) {
    assert.equal(each._rev, seen[0]._rev);
    assert.deepEqual(each._conflicts, seen[0]._conflicts);
    assert.equal(each._conflicts.length, 1);
  }

  // Racing writers, each with a field of its own, on the library's shared connections: each edit is kept, or refused as
  // PouchDB's own conflict; none is told as kept and lost.
  await remote.put({ _id: 'doc' });
  const kept = await Promise.all([0, 1, 2, 3].map(async (n) => {
    const mine = new PouchDB(`http://${gateway}/things`, { skip_setup: true });
    let last;
    for (let turn = 1; turn <= 5; turn += 1) {
      const doc = await mine.get('doc');
      try {
        await mine.put({ ...doc, [`f${n}`]: turn });
        last = turn;
      } catch (error) {
        assert.equal(error.status, 409, error);
      }
    }
    return last;
  }));
  const doc = await truth.get('doc');
  assert.ok(kept.some((last) => last > 0));
  for (const n of [0, 1, 2, 3]) assert.equal(doc[`f${n}`], kept[n], JSON.stringify([doc, kept]));

  // A stale edit is told as PouchDB's own conflict.
  await truth.put({ ...doc, newer: true });
  await assert.rejects(remote.put({ ...doc, stale: true }), (error) => error.status === 409);
  const now = await truth.get('doc');
  assert.ok(now.newer && !('stale' in now));

  // A lost answer: applied once. PouchDB is told the outcome, or that it is in doubt; never that it failed.
  await loseNextAnswer();
  let told;
  try {
    await remote.put({ ...now, after: 'the loss' });
    told = 'applied';
  } catch (error) {
    assert.equal(error.status, 504, error);
    told = 'in doubt';
  }
  console.log(`the lost write was told as ${told}`);
  const end = await truth.get('doc');
  assert.equal(end.after, 'the loss');
  assert.equal(Number.parseInt(end._rev, 10), Number.parseInt(now._rev, 10) + 1);
  console.log('all held');
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
