#!/usr/bin/env node
// A second verifier of audit bundles and archives (docs/audit.md), written from the formats' description alone.
//
//   node verify.mjs BUNDLE KEY      KEY: <name>+<hash>+<base64>, or a file that holds it
//   node verify.mjs --segments FOLDER CHECKPOINT KEY
//
// Standard library only: no server, no network, nothing of the Python program. Prints one JSON document; exit code 0:
// whole, 4: tampering found, 2: wrong usage or no bundle.

import { createHash, createPublicKey, verify as verifySignature } from "node:crypto";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

const FORMAT = "precedent-bundle/1";
const LEAF_VERSION = "precedent-leaf-1";
const ED25519 = 1;
// RFC 8410: what stands before the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo.
const SPKI = Buffer.from("302a300506032b6570032100", "hex");
const ADDRESS = /^evt\.([0-9]{1,9})\.([\w-]{1,64})\.([\w-]{1,64})\.([\w-]{1,64})\.([1-9][0-9]{0,17})\.([\w-]{1,64})$/;
const MAX_NOTE = 1_000_000;
const MAX_SIGNATURES = 100;
const NAME = /^[^\s+\x1c-\x1f\x85]+$/;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

class NotABundle extends Error {}
class Untrusted extends Error {}

const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();
const leafHash = (data) => sha256(Buffer.from([0]), data);
const nodeHash = (left, right) => sha256(Buffer.from([1]), left, right);

function base64(text) {
  if (typeof text !== "string") throw new NotABundle("a text in base64 is expected");
  const data = Buffer.from(text, "base64");
  if (data.toString("base64") !== text) throw new NotABundle(`${text.slice(0, 40)} is no base64`);
  return data;
}

function parseKey(line) {
  const [name, hash, encoded, ...more] = line.trim().split("+");
  // Base64 has plus signs of its own.
  const data = base64([encoded, ...more].join("+"));
  if (!NAME.test(name) || data.length !== 33 || data[0] !== ED25519) throw new NotABundle(`${line.slice(0, 60)} is no verifier key`);
  const key = { name, hash: keyHash(name, data), public: data.subarray(1) };
  if (key.hash.toString("hex") !== hash) throw new NotABundle(`the key ${name} was mistyped`);
  return key;
}

const keyHash = (name, data) => sha256(name, "\n", data).subarray(0, 4);
const spelled = (key) =>
  `${key.name}+${key.hash.toString("hex")}+${Buffer.concat([Buffer.from([ED25519]), key.public]).toString("base64")}`;

function parseNote(note) {
  const cut = note.lastIndexOf("\n\n");
  if ([...note].length > MAX_NOTE) throw new Untrusted("the note is longer than any is");
  if (cut < 0 || !note.endsWith("\n")) throw new Untrusted("the checkpoint is no signed note");
  const signatures = note
    .slice(cut + 2, -1)
    .split("\n")
    .map((line) => {
      const found = /^\u2014 ([^ ]+) ([A-Za-z0-9+/=]+)$/.exec(line);
      const data = found && Buffer.from(found[2], "base64");
      if (!data || !NAME.test(found[1]) || data.length < 5 || data.toString("base64") !== found[2]) {
        throw new Untrusted(`${line.slice(0, 60)} is no signature line`);
      }
      return { name: found[1], hash: data.subarray(0, 4), data: data.subarray(4) };
    });
  if (signatures.length > MAX_SIGNATURES) throw new Untrusted(`the note has ${signatures.length} signatures`);
  return { text: note.slice(0, cut + 1), signatures };
}

function isSignedBy(note, key) {
  const mine = note.signatures.filter((each) => each.name === key.name && each.hash.equals(key.hash));
  const publicKey = createPublicKey({ key: Buffer.concat([SPKI, key.public]), format: "der", type: "spki" });
  for (const { data } of mine) {
    if (!verifySignature(null, Buffer.from(note.text), publicKey, data)) {
      throw new Untrusted(`the signature of ${key.name} does not fit the text`);
    }
  }
  return mine.length > 0;
}

function successors(trusted, rotations) {
  const followed = [trusted];
  for (const text of rotations) {
    const note = parseNote(text);
    const last = followed.at(-1);
    if (!isSignedBy(note, last)) continue;
    const lines = note.text.split("\n");
    if (lines.length !== 4 || lines[0] !== "precedent key rotation" || lines[1] !== spelled(last)) {
      throw new Untrusted(`${last.name} signed something that is no rotation of itself`);
    }
    const next = parseKey(lines[2]);
    if (next.name !== last.name) throw new Untrusted("a log keeps its name");
    followed.push(next);
  }
  return followed;
}

function openCheckpoint(text, keys) {
  const note = parseNote(text);
  // Every known key's signature must fit, whoever else signed.
  const key = keys.filter((each) => isSignedBy(note, each)).at(-1);
  if (!key) throw new Untrusted(`the checkpoint is not signed by ${spelled(keys[0])}`);
  const lines = note.text.split("\n");
  const [origin, size, root, time, first] = lines;
  const place = /^first ([0-9]{1,9})\.([0-9]{1,9}):([0-9]{1,18})$/.exec(first ?? "");
  if (lines.length !== 6 || !/^(0|[1-9][0-9]{0,18})$/.test(size) || !time?.startsWith("time ") || !place) {
    throw new Untrusted("the signed text is no checkpoint");
  }
  if (origin !== `${key.name}/${Number(place[2])}`) throw new Untrusted(`${key.name} signs other logs`);
  return { origin, size: BigInt(size), root: base64(root), time: time.slice(5), shard: place[2], first: place };
}

// RFC 9162, 2.1.3.2
function isIncluded(leaf, index, size, proof, root) {
  if (index < 0n || index >= size) return false;
  let place = index;
  let last = size - 1n;
  let found = leaf;
  for (const sibling of proof) {
    if (last === 0n) return false;
    if (place & 1n || place === last) {
      found = nodeHash(sibling, found);
      while (!(place & 1n) && place) [place, last] = [place >> 1n, last >> 1n];
    } else {
      found = nodeHash(found, sibling);
    }
    [place, last] = [place >> 1n, last >> 1n];
  }
  return last === 0n && found.equals(root);
}

function leafData(subject, id, body) {
  const parts = [Buffer.from(LEAF_VERSION), Buffer.from(subject), Buffer.from(id), sha256(body)];
  return Buffer.concat(
    parts.flatMap((part) => {
      const size = Buffer.alloc(2);
      size.writeUInt16BE(part.length);
      return [size, part];
    }),
  );
}

/** JSON, but for texts that are none: halves of surrogate pairs. */
function parseJson(text) {
  return JSON.parse(text, (name, value) => {
    if (!name.isWellFormed() || (typeof value === "string" && !value.isWellFormed())) throw new Error("half a character");
    return value;
  });
}

/** The event's id, or null where subject and body do not say the same. */
function identity(subject, body, shard) {
  const found = ADDRESS.exec(subject);
  if (!found) return null;
  let event;
  try {
    event = parseJson(body);
  } catch {
    return null;
  }
  const [, inShard, tenant, category, stream, version, name] = found;
  const kind = typeof event?.type === "string" ? event.type.split(".").at(-2) : null;
  const same =
    event?.source === `/${tenant}/${category}/${stream}` &&
    event.sequence === version &&
    event.subject === stream &&
    kind === name &&
    Number(inShard) === Number(shard) &&
    typeof event.id === "string";
  return same ? event.id : null;
}

function readBundle(file) {
  const lines = utf8.decode(readFileSync(file)).split("\n");
  if (lines.at(-1) === "") lines.pop();
  const documents = lines.map((line, number) => {
    try {
      const document = JSON.parse(line);
      if (document === null || typeof document !== "object" || Array.isArray(document)) throw new Error("no object");
      return document;
    } catch (problem) {
      throw new NotABundle(`line ${number + 1} is no JSON object: ${problem.message}`);
    }
  });
  const head = documents.shift();
  if (head?.format !== FORMAT) throw new NotABundle(`line 1 does not say that this is a ${FORMAT}`);
  const events = documents.filter((each) => !("content" in each));
  const content = documents.filter((each) => "content" in each);
  if (head.events !== events.length || head.content !== content.length) {
    const said = `its first line says ${head.events} and ${head.content}: lines were removed or added`;
    throw new NotABundle(`the bundle has ${events.length} events and ${content.length} contents; ${said}`);
  }
  for (const each of events) {
    const proof = Array.isArray(each.proof) ? each.proof.map(base64) : [];
    const whole = typeof each.subject === "string" && typeof each.body === "string" && Number.isSafeInteger(each.index);
    if (!Array.isArray(each.proof) || !whole || each.index < 0 || proof.some((hash) => hash.length !== 32)) {
      throw new NotABundle("an event lacks something");
    }
    each.proof = proof;
  }
  for (const each of content) each.data = base64(each.data);
  const texts = [head.source, head.checkpoint, ...(Array.isArray(head.rotations) ? head.rotations : [null])];
  if (texts.some((each) => typeof each !== "string")) throw new NotABundle("line 1 lacks something");
  checkSpelling(lines, { head, events, content });
  return { head, events, content };
}

/** A bundle has one spelling: what is there twice, unknown or hidden would be proven by nothing. */
function checkSpelling(lines, { head, events, content }) {
  const { format, source, checkpoint, rotations } = head;
  const sorted = content.toSorted((left, right) => (left.content < right.content ? -1 : 1));
  const wanted = [
    { format, source, checkpoint, rotations, events: events.length, content: content.length },
    ...events.map(({ index, subject, body, proof }) => ({
      index,
      subject,
      body,
      proof: proof.map((hash) => hash.toString("base64")),
    })),
    ...sorted.map((each) => ({ content: each.content, data: each.data.toString("base64") })),
  ];
  wanted.forEach((each, number) => {
    if (JSON.stringify(each) !== lines[number]) {
      throw new NotABundle(`line ${number + 1} is not spelled as an export spells it`);
    }
  });
}

function verifyBundle({ head, events, content }, key) {
  const findings = [];
  let checkpoint;
  try {
    checkpoint = openCheckpoint(head.checkpoint, successors(key, head.rotations));
  } catch (problem) {
    if (problem instanceof Untrusted || problem instanceof NotABundle) {
      return { findings: [{ kind: "signature", message: problem.message }] };
    }
    throw problem;
  }
  const find = (kind, index, message) => {
    const [, epoch, shard, first] = checkpoint.first;
    findings.push({ kind, first: index === null ? null : `${epoch}.${shard}:${BigInt(first) + BigInt(index)}`, message });
  };
  if (!events.length) find("deleted", null, "the bundle has no events");
  let before = -1;
  let expected = 1;
  for (const { index, subject, body, proof } of events) {
    if (index <= before) find("swapped", index, "the event does not stand after the one before it");
    before = Math.max(before, index);
    const id = identity(subject, body, checkpoint.shard);
    if (id === null) {
      find("rule", index, "subject and body do not say the same");
      continue;
    }
    const [, , tenant, category, stream, version, name] = subject.split(".");
    if (`/${tenant}/${category}/${stream}` !== head.source) {
      find("inserted", index, `${subject} is no event of ${head.source}`);
      continue;
    }
    if (name === "StreamCarried") {
      // It has the version of the event before it, and would stand in the place of that one.
      find("inserted", index, `${subject} is a mark of the log and no event of a run`);
      continue;
    }
    if (Number(version) !== expected) find("deleted", index, `version ${version} stands where ${expected} must`);
    expected = Number(version) + 1;
    const leaf = leafHash(leafData(subject, id, Buffer.from(body)));
    if (!isIncluded(leaf, BigInt(index), checkpoint.size, proof, checkpoint.root)) {
      find("edited", index, "the signed log does not have this event at this place");
    }
  }
  const needed = new Set(events.flatMap(({ body }) => [...body.matchAll(/"\$content":"(sha256:[0-9a-f]{64})"/g)].map((m) => m[1])));
  for (const { content: digest, data } of content) {
    if (`sha256:${sha256(data).toString("hex")}` !== digest) find("edited", null, `content ${digest} is another`);
    if (!needed.delete(digest)) find("inserted", null, `content ${digest} is referred to by no event`);
  }
  for (const digest of needed) find("deleted", null, `content ${digest} is not here`);
  return { findings, origin: checkpoint.origin, size: Number(checkpoint.size), time: checkpoint.time };
}

// Segments

const MAGIC = "precedent-segment-1\n";
const LARGEST = 72 * 1024 * 1024 + 1024;
const SEAL = 0xffffffff;
const HEAD = "Nats-Expected-Last-Subject-Sequence";
const CONTENT_TYPE = "application/cloudevents+json";

class Damaged extends Error {}

/** The messages of a segment: `{ sequence, subject, headers, body }`, and its shard and epoch. */
function readSegment(data, isSealed) {
  const start = MAGIC.length + 16;
  if (data.length < start || data.subarray(0, MAGIC.length).toString("latin1") !== MAGIC) throw new Damaged("no segment");
  const segment = { epoch: data.readUInt32BE(20), shard: data.readUInt32BE(24), first: data.readBigUInt64BE(28), messages: [] };
  let at = start;
  while (at + 12 <= data.length) {
    const [subject, headers, body] = [0, 4, 8].map((offset) => data.readUInt32BE(at + offset));
    const end = at + 12 + subject + headers + body;
    if (subject === SEAL || end > data.length) break;
    const middle = at + 12 + subject;
    let name;
    try {
      name = utf8.decode(data.subarray(at + 12, middle));
    } catch {
      throw new Damaged("a subject is no text");
    }
    segment.messages.push({
      sequence: segment.first + BigInt(segment.messages.length),
      subject: name,
      headers: data.subarray(middle, middle + headers),
      body: data.subarray(middle + headers, end),
    });
    at = end;
  }
  if (!isSealed) return segment;
  const whole = data.length - at === 40 && data.readUInt32BE(at) === SEAL && data.readUInt32BE(at + 4) === segment.messages.length;
  if (!whole || !sha256(data.subarray(0, -32)).equals(data.subarray(-32))) throw new Damaged("cut, or damaged");
  return segment;
}

/** Segments of a folder in order; of several from the same place on, the sealed one, else the longest. */
function readArchive(folder, find) {
  const found = new Map();
  for (const name of readdirSync(folder).sort()) {
    const sealed = /^([0-9]{20})-([0-9]{20})\.segment\.gz$/.exec(name);
    const open = /^([0-9]{20})\.[0-9a-f]{8}\.open$/.exec(name);
    if (!sealed && !open) continue;
    const first = BigInt((sealed ?? open)[1]);
    const before = found.get(first);
    try {
      const file = readFileSync(join(folder, name));
      let data = file;
      if (sealed) {
        const inflated = gunzipSync(file, { maxOutputLength: LARGEST, info: true });
        if (inflated.engine.bytesWritten !== file.length) throw new Damaged("something follows its end");
        data = inflated.buffer;
      }
      const segment = readSegment(data, Boolean(sealed));
      const last = segment.first + BigInt(segment.messages.length) - 1n;
      if (segment.first !== first || (sealed && last !== BigInt(sealed[2]))) throw new Damaged("it was renamed or exchanged");
      if (!before || sealed || (!before.sealed && data.length > before.size)) {
        found.set(first, { ...segment, sealed: Boolean(sealed), size: data.length });
      }
    } catch (problem) {
      if (!(problem instanceof Damaged || problem.code)) throw problem;
      find("damaged", first, `${name}: ${problem.message}`);
    }
  }
  return [...found.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, segment]) => segment);
}

/** Merkle tree hash (RFC 9162, 2.1.1) of leaves that come one by one: full subtrees, the largest first. */
class Tree {
  size = 0n;
  edge = [];
  append(leaf) {
    for (let size = this.size; size & 1n; size >>= 1n) leaf = nodeHash(this.edge.pop(), leaf);
    this.edge.push(leaf);
    this.size += 1n;
  }
  root() {
    return this.edge.length ? this.edge.reduceRight((right, left) => nodeHash(left, right)) : sha256("");
  }
}

/**
 * Rules that a log keeps whatever was signed: every header follows from the event, versions are 1, 2, 3, …, and a stream
 * that goes on in a new epoch begins there with a mark that has the version of its last event, its place and its digest.
 */
class Rules {
  #streams = new Map();
  #batch = ["", 0];
  #inBatch = new Set();
  #epoch = null;
  #nextEpoch;

  /** `epoch`: the one that the log begins with. */
  constructor(epoch) {
    this.#nextEpoch = epoch;
  }

  /** Go on after events that are missing: any epoch may have begun there. */
  lose() {
    this.#nextEpoch = null;
  }

  #isInItsEpoch(epoch) {
    if (epoch === this.#epoch) return true;
    const isRight = this.#nextEpoch === null || epoch === this.#nextEpoch;
    [this.#epoch, this.#nextEpoch] = [epoch, epoch + 1];
    return isRight;
  }

  /** The event's id (empty where there is none), and whether all is as it must be. */
  check({ sequence, subject, headers, body }, shard, epoch) {
    const isInItsEpoch = this.#isInItsEpoch(epoch);
    const found = ADDRESS.exec(subject);
    let event;
    try {
      event = parseJson(utf8.decode(body));
    } catch {
      return ["", false];
    }
    if (!found || event?.id === undefined) return ["", false];
    const id = identity(subject, body, shard);
    const stream = subject.split(".").slice(0, 5).join(".");
    const before = this.#streams.get(stream) ?? { version: 0, sequence: 0n, epoch };
    const version = Number(found[5]);
    const isMark = found[6] === "StreamCarried";
    const goesOn = before.epoch !== epoch;
    const isCarried = event.data?.position === before.last && event.data?.digest === before.digest;
    const inOrder = version === before.version + (isMark ? 0 : 1) && goesOn === isMark && (!isMark || isCarried);
    const last = goesOn ? 0n : before.sequence;
    const headersFit = this.#headersFit(headers.toString(), String(event.id), `${stream}.>`, last, `EVENTS_${epoch}_${shard}`);
    const own = { last: `${epoch}.${shard}:${sequence}`, digest: `sha256:${sha256(body).toString("hex")}` };
    this.#streams.set(stream, { ...(isMark ? before : own), version, sequence, epoch });
    return [String(event.id), id !== null && inOrder && headersFit && isInItsEpoch];
  }

  #headersFit(text, id, filter, last, epoch) {
    const lines = text.split("\r\n");
    if (lines.length < 3 || lines.shift() !== "NATS/1.0" || lines.pop() !== "" || lines.pop() !== "") return false;
    const found = new Map(lines.map((line) => [line.slice(0, line.indexOf(": ")), line.slice(line.indexOf(": ") + 2)]));
    if (found.size !== lines.length || lines.some((line) => !line.includes(": "))) return false;
    const wanted = new Map([["Nats-Msg-Id", id], ["content-type", CONTENT_TYPE]]);
    const batch = found.get("Nats-Batch-Id") ?? "";
    if (!batch || batch !== this.#batch[0]) this.#leave();
    if (batch) {
      this.#batch = [batch, this.#batch[1] + 1];
      if (!/^[\w-]{1,64}$/.test(batch)) return false;
      wanted.set("Nats-Batch-Id", batch).set("Nats-Batch-Sequence", String(this.#batch[1]));
      if (found.has("Nats-Batch-Commit")) wanted.set("Nats-Batch-Commit", "1");
    }
    if (!this.#inBatch.has(filter)) {
      wanted.set(HEAD, String(last)).set(`${HEAD}-Subject`, filter);
      if (!last && found.has("Nats-Expected-Stream")) wanted.set("Nats-Expected-Stream", epoch);
    }
    this.#inBatch.add(filter);
    if (found.has("Nats-Batch-Commit") || !this.#batch[0]) this.#leave();
    return found.size === wanted.size && [...wanted].every(([name, value]) => found.get(name) === value);
  }

  #leave() {
    this.#batch = ["", 0];
    this.#inBatch.clear();
  }
}

function verifySegments(folder, note, key) {
  const findings = [];
  let [events, where] = [0, "0.0"];
  let checkpoint;
  const find = (kind, sequence, message) => findings.push({ kind, first: `${where}:${sequence}`, message });
  const archive = readArchive(folder, find);
  const rotations = archive
    .flatMap((segment) => segment.messages)
    .filter(({ subject }) => /^evt\.[0-9]+\.[\w-]+\.ledger\..*\.KeyRotated$/.test(subject))
    .flatMap(({ body }) => {
      try {
        const note = JSON.parse(body).data.note;
        return typeof note === "string" ? [note] : [];
      } catch {
        return [];
      }
    });
  try {
    checkpoint = openCheckpoint(note, successors(key, rotations));
  } catch (problem) {
    if (!(problem instanceof Untrusted || problem instanceof NotABundle)) throw problem;
    findings.push({ kind: "signature", message: problem.message });
    return { events, findings };
  }
  const [, epoch, shard, first] = checkpoint.first;
  where = `${epoch}.${shard}`;
  const [tree, rules] = [new Tree(), new Rules(Number(epoch))];
  let next = BigInt(first);
  let signedRoot = checkpoint.size === 0n ? tree.root() : null;
  for (const segment of archive) {
    where = `${segment.epoch}.${shard}`;
    for (const message of segment.messages) {
      if (message.sequence < next) continue;
      if (message.sequence > next) {
        rules.lose();
        find("deleted", next, `${message.sequence - next} events are missing`);
      }
      next = message.sequence + 1n;
      events += 1;
      const [id, isRight] = rules.check(message, shard, segment.epoch);
      if (!isRight || String(segment.shard) !== shard) find("rule", message.sequence, "the event breaks a rule of the log");
      tree.append(leafHash(leafData(message.subject, id, message.body)));
      if (tree.size === checkpoint.size) signedRoot = tree.root();
    }
  }
  if (next - BigInt(first) < checkpoint.size) {
    find("truncated", next, `${checkpoint.size - (next - BigInt(first))} events at the end are missing`);
  } else if (tree.size >= checkpoint.size && !signedRoot?.equals(checkpoint.root)) {
    find("rewritten", BigInt(first), "the events do not have the root that was signed");
  }
  return { events, findings, origin: checkpoint.origin, size: Number(checkpoint.size), time: checkpoint.time };
}

function mainSegments([folder, note, key, ...more]) {
  if (!folder || !note || !key || more.length) {
    console.error("usage: node verify.mjs --segments FOLDER CHECKPOINT KEY|FILE");
    return 2;
  }
  try {
    const trusted = parseKey(existsSync(key) ? readFileSync(key, "utf-8") : key);
    const result = verifySegments(folder, readFileSync(note, "utf-8"), trusted);
    console.log(JSON.stringify({ segments: folder, sound: !result.findings.length, ...result }));
    return result.findings.length ? 4 : 0;
  } catch (problem) {
    if (!(problem instanceof NotABundle || problem.code)) throw problem;
    console.error(`error: ${problem.message}`);
    return 2;
  }
}

function main([file, key, ...more]) {
  if (file === "--segments") return mainSegments([key, ...more]);
  if (!file || !key || more.length) {
    console.error("usage: node verify.mjs BUNDLE KEY|FILE, or node verify.mjs --segments FOLDER CHECKPOINT KEY|FILE");
    return 2;
  }
  try {
    const trusted = parseKey(existsSync(key) ? readFileSync(key, "utf-8") : key);
    const bundle = readBundle(file);
    const result = verifyBundle(bundle, trusted);
    console.log(JSON.stringify({ bundle: file, sound: !result.findings.length, events: bundle.events.length, ...result }));
    return result.findings.length ? 4 : 0;
  } catch (problem) {
    if (!(problem instanceof NotABundle || problem instanceof TypeError || problem.code)) throw problem;
    console.error(`error: ${problem.message}`);
    return 2;
  }
}

process.exitCode = main(process.argv.slice(2));
