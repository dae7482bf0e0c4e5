import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { deflateSync } from 'node:zlib'
import netmonitor from '../../migrations/index.ts'
import { isNewer, versionIndex } from '../../src/core/chain.ts'
import { decide } from '../../src/core/decide.ts'
import { decodeLine, encodeLine, genesis } from '../../src/core/events.ts'
import type { NewEvent } from '../../src/core/events.ts'
import type { ObjectType, Oid } from '../../src/core/git-objects.ts'
import { decodeCommit, decodeTree, encodeCommit, encodeTree, objectOid } from '../../src/core/git-objects.ts'
import { headerVersion } from '../../src/core/header.ts'
import { parseJson, stringifyJson } from '../../src/core/json/index.ts'
import { manifestDigest, parseRows } from '../../src/core/manifest.ts'
import { readManifest } from '../../src/core/read-manifest.ts'
import { treesOf } from '../../src/core/snapshot-trees.ts'
import { componentName, treeName } from '../../src/core/names.ts'
import { decodePointer, encodePointer } from '../../src/core/pointer.ts'
import { REDUCER, evolveLine, initialState, lineage, pointerOf, refsOf } from '../../src/core/state.ts'
import { acknowledgedSeq } from '../../src/storage/epochs.ts'
import { readJournal, readLines, textAfter } from '../../src/storage/journal.ts'
import { salvage } from '../../src/storage/journal-salvage.ts'
import { PackIndex, encodeIndex } from '../../src/storage/pack-index.ts'
import { PackStore } from '../../src/storage/pack-read.ts'
import { verifyPack } from '../../src/storage/pack-verify.ts'
import { salvagePack } from '../../src/storage/pack-salvage.ts'
import { packEntry } from '../../src/storage/pack-write.ts'
import { encodePackedRefs, readHead, readLooseRefs, readPackedRefs, salvageRefs } from '../../src/storage/refs.ts'
import { isWholeIndex, readIndex } from '../../src/storage/index-file.ts'
import { HOSTILE_NAMES, fileEntry } from '../contract/datasets.ts'
import { AT, actor, captured, created, oid, sealedData } from '../contract/stories.ts'
import type { Target } from './fuzz.ts'
import { memoryFs } from './memory-fs.ts'
import { mutate, pick } from './mutate.ts'
import { packTargets } from './packs.ts'

const text = (value: string): Buffer => Buffer.from(value)
const sha = (algorithm: string, bytes: Uint8Array | string): Buffer => createHash(algorithm).update(bytes).digest()

/** Puts the right checksum behind a mutated body, half of the time: else it would hide everything behind it. */
const sometimes =
  (seeds: readonly Buffer[], fix: (bytes: Buffer) => Buffer): Target['input'] =>
  (random) => {
    const bytes = mutate(random, seeds)
    return random() < 0.6 ? fix(bytes) : bytes
  }
/** What was read, written and read again must be the same. */
const same = (a: unknown, b: unknown): void => {
  if (!isDeepStrictEqual(a, b)) throw new Error('what is written is read back as something else')
}
const plainly =
  (seeds: readonly Buffer[]): Target['input'] =>
  (random) =>
    mutate(random, seeds)

/* ---- journal ---- */

const story: NewEvent[][] = [
  [created(), { type: 'SegmentOpened', data: { reducer: REDUCER, state: null } }],
  [captured('1.0.0-aaaaaaaa', '1.0.0', 1)],
  [{ type: 'SnapshotActivated', data: { snapshot: '1.0.0-aaaaaaaa', from: null, reason: 'capture', hold: null } }],
  [{ type: 'SnapshotSealed', jobId: 'job-1', data: sealedData('1.1.0-bbbbbbbb', '1.1.0', 2, '1.0.0-aaaaaaaa', 1) }],
  [
    {
      type: 'SnapshotActivated',
      data: { snapshot: '1.1.0-bbbbbbbb', from: '1.0.0-aaaaaaaa', reason: 'rollback', hold: { reason: 'r', newest: '2.0.0' } },
    },
  ],
  [{ type: 'Recovered', data: { actions: ['one', 'two'] } }],
]

const journal = (() => {
  let [state, prev] = [initialState, genesis('store-1')]
  const lines = story.map((events) => {
    const placed = events.map((event, i) => ({ seq: state.seq + 1 + i, id: 'e', ...event }))
    const body = { v: 1 as const, epoch: 1, at: AT, actor, events: placed, prev }
    const { text: line, hash } = encodeLine(body)
    state = evolveLine(state, body)
    prev = hash
    return line
  })
  return { lines, state, prev }
})()

const rehash = (line: string): string => {
  const body = line.replace(/,"hash":"[^"]*"\}?\n?$/, '').replace(/\n/g, ' ')
  return `${body},"hash":"${sha('sha256', body).toString('hex')}"}`
}

/** Hashes of every line, and the chain through them, made right again. */
const rechain = (bytes: Buffer): Buffer => {
  let prev = genesis('store-1')
  const lines = bytes
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '')
  return text(
    lines
      .map((line) => {
        const whole = rehash(line.replace(/"prev":"[^"]*"/, `"prev":"${prev}"`))
        prev = sha('sha256', whole.replace(/,"hash":"[^"]*"\}$/, '')).toString('hex')
        return `${whole}\n`
      })
      .join(''),
  )
}

const useState = (dir: string, files: ReadonlyMap<string, Buffer>): void => {
  const fs = memoryFs(files)
  const view = readJournal(fs, dir)
  if (view === undefined) return
  const { state } = view
  pointerOf(state)
  refsOf(state)
  lineage(state)
  decide(state, { type: 'note', event: { type: 'Recovered', data: { actions: [] } } })
  JSON.stringify(state)
  textAfter(fs, dir, 0)
  for (const line of readLines(fs, dir)) evolveLine(initialState, line)
}

const segment = text(`${journal.lines.join('\n')}\n`)
const second = text(
  `${(() => {
    const events = [
      { seq: journal.state.seq + 1, id: 'e', type: 'SegmentOpened' as const, data: { reducer: REDUCER, state: journal.state } },
    ]
    return encodeLine({ v: 1, epoch: 1, at: AT, actor, events, prev: journal.prev }).text
  })()}\n`,
)

const journalTargets: Target[] = [
  {
    name: 'journal line',
    input: sometimes(journal.lines.map(text), (bytes) => text(rehash(bytes.toString('utf8')))),
    run: (bytes) => {
      const line = decodeLine(bytes.toString('utf8'))
      if (line === undefined) return
      evolveLine(journal.state, line)
      const { text: again } = encodeLine(line)
      same(decodeLine(again)?.events, line.events)
    },
  },
  {
    name: 'journal segment',
    input: sometimes([segment], rechain),
    run: (bytes) => {
      useState('j', new Map([['j/00000001.jsonl', bytes]]))
    },
  },
  {
    name: 'saved state',
    input: (random) => text(`${rehash(mutate(random, [second]).toString('utf8'))}\n`),
    run: (bytes) => {
      useState(
        'j',
        new Map([
          ['j/00000001.jsonl', segment],
          ['j/00000002.jsonl', bytes],
        ]),
      )
    },
  },
  {
    name: 'salvaged journal',
    input: sometimes([segment], rechain),
    run: (bytes) => {
      salvage(
        memoryFs(
          new Map([
            ['j/00000001.jsonl', bytes],
            ['j/00000002.jsonl', second],
          ]),
        ),
        'j',
        [],
      )
    },
  },
  {
    name: 'epoch file',
    input: plainly([
      text(`1 ${sha('sha256', '3 1').toString('hex').slice(0, 16)}\n2 ${sha('sha256', '3 2').toString('hex').slice(0, 16)}\n`),
    ]),
    run: (bytes) => {
      acknowledgedSeq(memoryFs(new Map([['j/epoch-3', bytes]])), 'j')
    },
  },
]

/* ---- git ---- */

const objects: [ObjectType, Buffer][] = [
  ['blob', text('hello\n')],
  ['blob', Buffer.alloc(5000, 'ab')],
  ['tree', Buffer.concat([text('100644 a\0'), Buffer.alloc(20, 1), text('40000 b\0'), Buffer.alloc(20, 2)])],
  [
    'commit',
    Buffer.from(encodeCommit({ tree: oid(1), parents: [oid(2)], author: who(), committer: who(), message: 'm\n\nStrata-Seq: 3\n' })),
  ],
]
function who() {
  return { name: 'Strata', email: 's@localhost', timestamp: 1_700_000_000, timezone: '+0000' }
}

const packBytes = (count: number, entries: readonly Uint8Array[]): Buffer => {
  const header = text('PACK\0\0\0\u0002\0\0\0\0')
  header.writeUInt32BE(count, 8)
  const body = Buffer.concat([header, ...entries])
  return Buffer.concat([body, sha('sha1', body)])
}
const entries = objects.map(([type, bytes]) => packEntry(type, bytes))
/** A delta on the first entry: copy two bytes, insert one. */
const delta = (() => {
  const data = deflateSync(Buffer.from([6, 3, 0x91, 0, 2, 1, 0x78]))
  const distance = entries.reduce((sum, e) => sum + e.data.byteLength, 0)
  const [low, high] = [distance & 0x7f, (distance >> 7) - 1]
  return Buffer.concat([Buffer.from([0x67]), high >= 0 ? Buffer.from([0x80 | high, low]) : Buffer.from([low]), data])
})()
const pack = packBytes(entries.length + 1, [...entries.map((e) => e.data), delta])
const indexed = (() => {
  let offset = 12
  return entries.map((e) => {
    const row = { oid: e.oid, crc32: e.crc32, offset }
    offset += e.data.byteLength
    return row
  })
})()
const idx = encodeIndex(
  [...indexed, { oid: objectOid('blob', text('hex')), crc32: 0, offset: pack.length - 20 - delta.length }],
  pack.subarray(-20),
)
const resum = (bytes: Buffer): Buffer => {
  const body = bytes.subarray(0, Math.max(0, bytes.length - 20))
  return Buffer.concat([body, sha('sha1', body)])
}

const usePack = (packed: Buffer, index: Buffer): void => {
  const fs = memoryFs(
    new Map([
      ['p/pack-1.pack', packed],
      ['p/pack-1.idx', index],
    ]),
  )
  verifyPack(fs, 'p/pack-1.pack', { onObject: () => undefined, onFinding: () => undefined })
  for (const object of salvagePack(fs, 'p/pack-1.pack')) if ((object?.bytes.length ?? 0) > 1e8) throw new Error('a bomb went off')
  const store = new PackStore(fs, 'p')
  for (const { oid: id } of indexed)
    try {
      store.read(id)
    } catch (error) {
      if (!(error instanceof Error) || error.constructor.name !== 'StrataError') throw error
    }
}

const loose = objects.map(([type, bytes]) => deflateSync(Buffer.concat([text(`${type} ${bytes.length}\0`), bytes])))
const looseId = objectOid('blob', text('hello\n'))

const gitTargets: Target[] = [
  {
    name: 'pack',
    input: sometimes([pack], resum),
    run: (bytes) => {
      usePack(bytes, idx)
    },
  },
  {
    name: 'pack index',
    input: sometimes([idx], resum),
    run: (bytes) => {
      usePack(pack, bytes)
    },
  },
  {
    name: 'pack index alone',
    input: sometimes([idx], resum),
    run: (bytes) => {
      const index = new PackIndex(bytes, 'x.idx')
      index.checkSum()
      for (const { oid: id } of indexed) index.find(id)
      let n = 0
      for (const _ of index.entries()) if (++n > 1000) return
      const canonical = encodeIndex([...index.entries()], index.packChecksum)
      same(encodeIndex([...new PackIndex(canonical, 'x.idx').entries()], index.packChecksum), canonical)
    },
  },
  {
    name: 'loose object',
    input: (random) => {
      const body = Buffer.concat([text('blob 6\0'), text('hello\n')])
      return random() < 0.5 ? mutate(random, loose) : deflateSync(mutate(random, [body]))
    },
    run: (bytes) => {
      new PackStore(
        memoryFs(
          new Map([
            [`o/${looseId.slice(0, 2)}/${looseId.slice(2)}`, bytes],
            ['o/pack/x', Buffer.alloc(0)],
          ]),
        ),
        'o/pack',
      ).read(looseId)
    },
  },
  {
    name: 'tree',
    input: plainly(objects.filter(([type]) => type === 'tree').map(([, bytes]) => bytes)),
    run: (bytes) => {
      const canonical = encodeTree(decodeTree(bytes))
      same(encodeTree(decodeTree(canonical)), canonical)
    },
  },
  {
    name: 'commit',
    input: plainly(objects.filter(([type]) => type === 'commit').map(([, bytes]) => bytes)),
    run: (bytes) => {
      const commit = decodeCommit(bytes)
      same(decodeCommit(encodeCommit(commit)), commit)
    },
  },
  {
    name: 'packed refs',
    input: plainly([
      text(
        encodePackedRefs(
          new Map([
            ['refs/heads/a', oid(1)],
            ['refs/heads/strata/journal', oid(2)],
          ]),
        ),
      ),
      text(`# pack-refs with: peeled fully-peeled sorted \n${oid(3)} refs/tags/x\n^${oid(4)}\n`),
    ]),
    run: (bytes) => {
      const fs = memoryFs(
        new Map([
          ['r/packed-refs', bytes],
          ['r/HEAD', bytes],
          ['r/refs/heads/x', bytes],
        ]),
      )
      salvageRefs(fs, 'r')
      readLooseRefs(fs, 'r')
      readHead(fs, 'r')
      const refs = readPackedRefs(fs, 'r')
      const again = new Map([['r/packed-refs', text(encodePackedRefs(refs))]])
      same(Object.fromEntries(readPackedRefs(memoryFs(again), 'r')), Object.fromEntries(refs))
    },
  },
]

/* ---- manifest ---- */

const manifest = {
  files: [fileEntry('a.json', 'a'), fileEntry('d/b c.txt', 'b', 0o755), ...HOSTILE_NAMES.slice(0, 6).map((name) => fileEntry(name, name))],
  directories: [
    { path: 'd', mode: 0o755 },
    { path: 'd/e', mode: 0o700 },
  ],
}
const stored = new Map<Oid, { type: string; bytes: Uint8Array }>()
const root = treesOf(manifest).write((object) => stored.set(object.oid, object))
const oids = [...stored.keys()]

const manifestTargets: Target[] = [
  {
    name: 'manifest rows',
    input: plainly([...stored.values()].filter((o) => o.type === 'blob').map((o) => Buffer.from(o.bytes))),
    run: (bytes) => {
      parseRows(bytes.toString('utf8'))
    },
  },
  {
    name: 'manifest',
    // The first byte says which object is another one.
    input: (random) => {
      const at = Math.floor(random() * oids.length)
      const bytes = Buffer.from(stored.get(pick(random, oids))?.bytes ?? [])
      return Buffer.concat([Buffer.from([at]), mutate(random, [Buffer.from(stored.get(oids[at] ?? root)?.bytes ?? []), bytes])])
    },
    run: (bytes) => {
      const other = oids[(bytes[0] ?? 0) % oids.length]
      const read = (id: Oid): Uint8Array => (id === other ? bytes.subarray(1) : (stored.get(id)?.bytes ?? new Uint8Array()))
      const found = readManifest({ tree: (id) => decodeTree(read(id)), blob: read }, root)
      manifestDigest(found)
      const made = new Map<Oid, Uint8Array>()
      const top = treesOf(found).write((object) => made.set(object.oid, object.bytes))
      const readMade = (id: Oid): Uint8Array => made.get(id) ?? new Uint8Array()
      same(readManifest({ tree: (id) => decodeTree(readMade(id)), blob: readMade }, top), found)
    },
  },
  {
    name: 'escaped name',
    input: plainly(HOSTILE_NAMES.flatMap((name) => [text(name), text(treeName(name))])),
    run: (bytes) => {
      const name = componentName(bytes.toString('latin1'))
      if (treeName(name) !== bytes.toString('latin1')) throw new Error('an escaped name is not the one it was made from')
    },
  },
]

/* ---- files of the store, and of the user ---- */

const pointer = encodePointer({
  format: 1,
  storeId: 's',
  seq: 4,
  snapshot: '1.0.0-aaaaaaaa',
  directory: 'snapshots/1.0.0-aaaaaaaa',
  schemaVersion: '1.0.0',
  readableBy: ['1.0.0'],
  hold: { since: AT, reason: 'r' },
})
const indexBody = Buffer.concat([
  Buffer.from(new Float64Array([1, 1, 3, 1700000000000.25, 1700000000000.5, 77, 420, 1, 493]).buffer),
  Buffer.alloc(52, 0xaa),
  text('config.json\0data\0'),
])
const indexFile = (body: Buffer, commit: string = oid(1)): Buffer => {
  const sum = sha('sha256', Buffer.concat([text(`${commit} 1700000000000\n`), body])).toString('hex')
  return Buffer.concat([text(`strata-index 3 ${commit} 1700000000000 ${sum}\n`), body])
}

const DOCUMENTS = [
  '{"a":1,"b":[1.0,-0,1e400,12345678901234567890],"443":"x","80":"y","__proto__":{"c":"\\ud800\\u0041\\/"}}',
  '[\r\n  {"ts": 1767300000000, "id": "fd6a02b", "ms": 3.50, "err": null},\r\n  {}\r\n]\r\n',
  '\ufeff{ "header": {"schemaVersion": "1.1.0", "migrations": [{"version":"1.1.0"}]}, "results": [] }',
  '"\\n\\t\\u2028 \u2028 <>&"',
].map(text)

const fileTargets: Target[] = [
  {
    name: 'CURRENT',
    input: plainly([text(pointer)]),
    run: (bytes) => {
      const read = decodePointer(bytes.toString('utf8'))
      same(decodePointer(encodePointer(read)), read)
    },
  },
  {
    name: 'directory index',
    input: (random) => (random() < 0.7 ? indexFile(mutate(random, [indexBody])) : mutate(random, [indexFile(indexBody)])),
    run: (bytes) => {
      const fs = memoryFs(new Map([['i', bytes]]))
      readIndex(fs, 'i', oid(1))
      isWholeIndex(fs, 'i')
    },
  },
  {
    name: 'file header',
    input: plainly(DOCUMENTS),
    run: (bytes) => {
      headerVersion(bytes.toString('utf8'))
    },
  },
  {
    name: 'version',
    input: plainly(['1.0.0', '2.1.0', '10.20.30-beta.1+build', '999.0.0', 'v3'].map(text)),
    run: (bytes) => {
      const version = bytes.toString('utf8')
      isNewer(netmonitor.chain, version)
      versionIndex(netmonitor.chain, version)
    },
  },
  {
    name: 'JSON',
    input: plainly(DOCUMENTS),
    run: (bytes) => {
      const doc = parseJson(bytes)
      const again = text(stringifyJson(doc.value, { layout: 'source', ...doc }))
      const twice = parseJson(again)
      if (stringifyJson(twice.value, { layout: 'source', ...twice }) !== again.toString('utf8'))
        throw new Error('written JSON is read back as something else')
      JSON.parse(again.toString('utf8').replace(/^\ufeff/, ''))
    },
  },
  {
    name: 'JSON as Go writes it',
    input: plainly(DOCUMENTS),
    run: (bytes) => {
      const doc = parseJson(bytes, { layout: 'go' })
      const once = stringifyJson(doc.value, { layout: 'go', ...doc })
      const again = parseJson(text(once), { layout: 'go' })
      if (stringifyJson(again.value, { layout: 'go', ...again }) !== once) throw new Error('written JSON is read back as something else')
    },
  },
]

export const TARGETS: readonly Target[] = [...journalTargets, ...gitTargets, ...packTargets, ...manifestTargets, ...fileTargets]
