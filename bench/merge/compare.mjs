// Generated cases through Tiebreak and trimerge; every difference is counted, and the first ones are shown.
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
const { combineMergers, trimergeEquality, trimergeJsonDeepEqual, trimergeJsonObject } =
  createRequire(import.meta.url)("trimerge");

let state = 42;
const random = (n) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * n);
};
const value = (depth) =>
  [() => random(3), () => null, () => "ab"[random(2)], () => random(2) === 0,
   () => (depth ? object(depth - 1) : 0), () => (depth ? [random(2), random(2)] : 1)][random(6)]();
const object = (depth) =>
  Object.fromEntries(Array.from({ length: 1 + random(4) }, () => ["abcde"[random(5)], value(depth)]));
const edit = (document) => {
  const out = structuredClone(document);
  for (let n = random(3); n >= 0; n--) {
    let at = out;
    const inner = Object.values(at).filter((v) => v && typeof v === "object" && !Array.isArray(v));
    if (inner.length && random(2)) at = inner[random(inner.length)];
    const name = "abcde"[random(5)];
    if (random(4) === 0) delete at[name];
    else at[name] = value(1);
  }
  return out;
};
const canonical = (v) =>
  Array.isArray(v) ? `[${v.map(canonical)}]`
  : v && typeof v === "object" ? `{${Object.keys(v).sort().map((k) => JSON.stringify(k) + canonical(v[k]))}}`
  : JSON.stringify(v);

const count = Number(process.argv[2]);
const cases = Array.from({ length: count }, () => {
  const base = object(2);
  return { base, ours: edit(base), theirs: edit(base) };
});
const program = spawnSync("../../target/debug/examples/merge_lines",
  { input: cases.map((c) => JSON.stringify(c)).join("\n"), encoding: "utf8", maxBuffer: 1 << 30 });
if (program.status !== 0) throw new Error(program.stderr);
const ours = program.stdout.trim().split("\n").map((line) => JSON.parse(line));
const merger = combineMergers(trimergeEquality, trimergeJsonDeepEqual, trimergeJsonObject);

const tally = {};
const shown = [];
cases.forEach((c, i) => {
  let theirs;
  try {
    theirs = { merged: merger(c.base, c.ours, c.theirs) };
  } catch (error) {
    theirs = { refused: error.message };
  }
  const a = ours[i];
  let kind;
  if (a.merged !== undefined && theirs.merged !== undefined)
    kind = canonical(a.merged) === canonical(theirs.merged) ? "both merge, same result" : "DIFFERENT RESULT";
  else if (a.overlaps && theirs.refused) kind = "both refuse";
  else kind = a.overlaps ? "ONLY WE REFUSE" : "ONLY TRIMERGE REFUSES";
  tally[kind] = (tally[kind] ?? 0) + 1;
  if (kind === kind.toUpperCase() && shown.length < 5) shown.push({ kind, ...c, tiebreak: a, trimerge: theirs });
});
console.log(`${count} cases, seed 42`);
console.table(tally);
for (const one of shown) console.log(JSON.stringify(one));
