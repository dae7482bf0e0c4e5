import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, lstatSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/**
 * A second reader of store format 1, written from store/README.md alone. It imports nothing of src: where it and Strata
 * disagree about a store, the specification or the code is wrong. Git objects are fetched by stock git and hashed here.
 */

const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex')

export class FormatError extends Error {}
const refuse = (why: string): never => {
  throw new FormatError(why)
}

/* ---- section 4: the journal ---- */

type Data = Record<string, unknown>
export type Event = { seq: number; id: string; type: string; jobId?: string; data: Data }
export type Line = { text: string; v: number; epoch: number; at: string; events: Event[]; prev: string; hash: string }

/** A good line, or undefined (4.3). Throws for a newer version. */
export const goodLine = (text: string): Line | undefined => {
  const end = /,"hash":"([0-9a-f]{64})"\}$/.exec(text)
  if (sha256(text.slice(0, end?.index)) !== end?.[1]) return undefined
  // The hash vouches for what a writer of this format has made of it.
  const line = { ...(JSON.parse(text) as Omit<Line, 'text'>), text }
  if (line.v > 1) refuse('a line of a newer version')
  return line.events.every((e, i) => e.seq === (line.events[0]?.seq ?? 0) + i) ? line : undefined
}

const first = (line: Line): number => line.events[0]?.seq ?? 0
const last = (line: Line): number => line.events.at(-1)?.seq ?? 0

/** The last line of a segment may have something else in place of its line feed. */
const beginsGood = (text: string): Line | undefined => {
  for (const { 0: end, index } of text.matchAll(/,"hash":"[0-9a-f]{64}"\}/g)) {
    const line = goodLine(text.slice(0, index + end.length))
    if (line !== undefined) return line
  }
  return undefined
}

const goodLines = (file: string): Line[] => {
  const rows = readFileSync(file, 'utf8').split('\n')
  if (rows.at(-1) === '') rows.pop()
  return rows.flatMap((row, i) => {
    const line = i === rows.length - 1 ? beginsGood(row) : (goodLine(row) ?? refuse(`${file}, line ${i + 1}: not good, and not the last`))
    return line ?? []
  })
}

/** Section 4.4. */
const countingLines = (lines: readonly Line[]): Line[] => {
  const highest = Math.max(0, ...lines.map((line) => line.epoch))
  const kept: Line[] = []
  for (const line of lines.toReversed()) {
    const next = kept.at(-1)
    if (next === undefined ? line.epoch === highest : next.prev === line.hash) kept.push(line)
    else if (line.epoch >= highest) refuse(`event ${first(line)} is not what the line after it follows`)
  }
  return kept.reverse()
}

/** All lines that count, checked against the chain. */
export const readJournal = (store: string): Line[] => {
  const dir = join(store, 'journal')
  const segments = readdirSync(dir)
    .filter((name) => /^\d{8}\.jsonl$/.test(name))
    .sort()
  const lines = countingLines(segments.flatMap((name) => goodLines(join(dir, name))))
  const [created] = lines[0]?.events ?? []
  if (created?.type !== 'StoreCreated') refuse('the first event is not StoreCreated')
  let [prev, seq] = [sha256(String(created?.data.storeId)), 0]
  for (const line of lines) {
    if (line.prev !== prev) refuse(`event ${first(line)}: prev is not the hash of the line before`)
    if (first(line) !== seq + 1) refuse(`event ${first(line)} follows event ${seq}`)
    prev = line.hash
    seq = last(line)
  }
  return lines
}

/* ---- section 5.1: the state ---- */

export type Snapshot = {
  id: string
  schemaVersion: string
  commit: string
  sealed: string
  from: string | null
  fromCommit: string | null
  carries: { snapshot: string; commit: string } | null
  readableBy: string[]
  files: number
  bytes: number
  manifest: string
  verifiedCommit: string | null
}
type Undone = { left: string; target: string; commit: string }
export type State = {
  storeId: string
  seq: number
  pointerSeq: number
  active: string | null
  hold: { since: string; reason: string; newest: string } | null
  snapshots: Map<string, Snapshot>
  running: string | null
  announced: string[]
  undone: Undone[]
  journal: string | null
  sliced: number
  pins: Map<string, string>
  cut: string[]
  dropped: string[]
  critical: string[]
}

const empty = (): State => ({
  storeId: '',
  seq: 0,
  pointerSeq: 0,
  active: null,
  hold: null,
  snapshots: new Map(),
  running: null,
  announced: [],
  undone: [],
  journal: null,
  sliced: 0,
  pins: new Map(),
  cut: [],
  dropped: [],
  critical: [],
})

const takeSlice = (state: State, data: Data): void => {
  const slice = data.slice as { commit: string; upTo: number } | null
  if (slice === null) return
  state.journal = slice.commit
  state.sliced = slice.upTo
}

const snapshotOf = (data: Data): Snapshot => ({
  id: data.snapshot as string,
  schemaVersion: data.schemaVersion as string,
  commit: data.commit as string,
  sealed: data.commit as string,
  from: (data.from as string | undefined) ?? null,
  fromCommit: (data.fromCommit as string | undefined) ?? null,
  carries: (data.carries as Snapshot['carries'] | undefined) ?? null,
  readableBy: data.readableBy as string[],
  files: data.files as number,
  bytes: data.bytes as number,
  manifest: data.manifest as string,
  verifiedCommit: null,
})

const known = (state: State, id: unknown): Snapshot => state.snapshots.get(String(id)) ?? refuse(`no snapshot ${String(id)}`)

const activate = (state: State, { data, seq, jobId }: Event, at: string): void => {
  const target = known(state, data.snapshot)
  if (target.verifiedCommit !== target.commit) refuse(`${target.id} was activated without being verified`)
  if (data.reason === 'rollback') state.undone.push({ left: data.from as string, target: target.id, commit: target.commit })
  else if (data.reason === 'redo') {
    const left = state.undone.pop()?.left
    if (left !== target.id && (target.carries === null || target.from !== left)) refuse('redo did not return to what was left')
  } else if (data.reason !== 'carry') state.undone = []
  const hold = data.hold as { reason: string; newest: string } | null
  state.active = target.id
  state.hold = hold === null ? null : { since: at, reason: hold.reason, newest: hold.newest }
  state.pointerSeq = seq
  if (jobId !== undefined) state.running = null
}

const RULES: Readonly<Record<string, (state: State, event: Event, at: string) => void>> = {
  StoreCreated: (state, { data }) => {
    state.storeId = data.storeId as string
    state.announced = data.announced as string[]
  },
  SnapshotCaptured: (state, { data }) => {
    state.snapshots.set(data.snapshot as string, snapshotOf(data))
    takeSlice(state, data)
  },
  SnapshotSealed: (state, { data }) => {
    state.snapshots.set(data.snapshot as string, snapshotOf(data))
    takeSlice(state, data)
  },
  CheckpointTaken: (state, { data }) => {
    const { commit, files, bytes, manifest } = snapshotOf(data)
    Object.assign(known(state, data.snapshot), { commit, files, bytes, manifest })
    takeSlice(state, data)
  },
  MigrationStarted: (state, { data, jobId }) => {
    state.running = jobId ?? null
    const unmade = state.announced.filter((id) => !state.snapshots.has(id))
    state.announced = [...unmade.slice(-16), ...(data.announced as string[])]
  },
  SnapshotVerified: (state, { data }) => {
    known(state, data.snapshot).verifiedCommit = data.commit as string
  },
  SnapshotActivated: activate,
  HoldLifted: (state, { seq }) => {
    state.hold = null
    state.pointerSeq = seq
  },
  Pinned: (state, { data }) => {
    state.pins.set(String(data.snapshot), String(data.commit))
    state.dropped = state.dropped.filter((ref) => ref !== `refs/pins/${String(data.snapshot)}`)
  },
  Unpinned: (state, { data }) => {
    state.pins.delete(String(data.snapshot))
    state.dropped.push(`refs/pins/${String(data.snapshot)}`)
  },
  Pruned: (state, { data }) => {
    for (const id of data.snapshots as string[]) {
      state.snapshots.delete(id)
      state.dropped.push(`refs/heads/${id}`)
    }
    state.cut = data.cut as string[]
  },
  Forgotten: (state, { data }) => {
    const now = new Map((data.commits as { was: string; is: string }[]).map(({ was, is }) => [was, is]))
    const of = <T extends string | null>(oid: T): T | string => now.get(oid ?? '') ?? oid
    for (const s of state.snapshots.values()) {
      Object.assign(s, { commit: of(s.commit), sealed: of(s.sealed), fromCommit: of(s.fromCommit), verifiedCommit: of(s.verifiedCommit) })
      if (s.carries !== null) s.carries = { ...s.carries, commit: of(s.carries.commit) }
    }
    for (const { snapshot, ...content } of data.snapshots as { snapshot: string }[]) Object.assign(known(state, snapshot), content)
    state.undone = state.undone.map((u) => ({ ...u, commit: of(u.commit) }))
    for (const [id, commit] of state.pins) state.pins.set(id, of(commit))
    state.cut = state.cut.filter((oid) => !now.has(oid))
  },
  Erased: (state, { data }) => {
    takeSlice(state, data)
  },
  MigrationFailed: (state) => {
    state.running = null
  },
}

/** The state after `lines`. */
export const fold = (lines: readonly Line[]): State => {
  const state = empty()
  for (const { events, at } of lines)
    for (const event of events) {
      RULES[event.type]?.(state, event, at)
      if (event.data.critical === true) state.critical.push(event.type)
      state.seq = event.seq
    }
  return state
}

/** What CURRENT must hold, to the byte. */
export const currentOf = (state: State): string => {
  const active = known(state, state.active)
  const hold = state.hold === null ? null : { since: state.hold.since, reason: state.hold.reason }
  const { storeId, pointerSeq: seq } = state
  const { id: snapshot, schemaVersion, readableBy } = active
  return `${JSON.stringify({ format: 1, storeId, seq, snapshot, directory: `snapshots/${snapshot}`, schemaVersion, readableBy, hold })}\n`
}

/* ---- section 6: the repository ---- */

export type GitObject = { type: string; bytes: Buffer }
export type TreeRow = { mode: string; name: string; oid: string }

const oidOf = (type: string, bytes: Uint8Array): string =>
  createHash('sha1').update(`${type} ${bytes.byteLength}\0`).update(bytes).digest('hex')

/** Every object of the repository, each checked against its id. */
export const readObjects = (store: string): Map<string, GitObject> => {
  const out = execFileSync('git', ['-C', join(store, 'repo.git'), 'cat-file', '--batch', '--batch-all-objects'], { maxBuffer: 2 ** 30 })
  const objects = new Map<string, GitObject>()
  for (let at = 0; at < out.length; ) {
    const end = out.indexOf(10, at)
    const [oid = '', type = '', size = ''] = out.toString('latin1', at, end).split(' ')
    const bytes = out.subarray(end + 1, end + 1 + Number(size))
    if (oidOf(type, bytes) !== oid) refuse(`object ${oid} is not what its id says`)
    objects.set(oid, { type, bytes })
    at = end + 2 + Number(size)
  }
  return objects
}

export const expectedRefs = (state: State): string => {
  const refs = Array.from(state.snapshots.values(), ({ id, commit }): [string, string] => [`refs/heads/${id}`, commit])
  for (const [id, commit] of state.pins) refs.push([`refs/pins/${id}`, commit])
  if (state.journal !== null) refs.push(['refs/heads/strata/journal', state.journal])
  const rows = refs.sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))).map(([name, oid]) => `${oid} ${name}\n`)
  return `# pack-refs with: sorted \n${rows.join('')}`
}

export type Commit = { tree: string; parents: string[]; author: string; subject: string; trailers: Record<string, string> }

export const commitOf = (objects: ReadonlyMap<string, GitObject>, oid: string): Commit => {
  const text = objects.get(oid)?.bytes.toString('utf8') ?? refuse(`no commit ${oid}`)
  const [head = '', subject = '', trailers = ''] = text.split('\n\n')
  const values = (key: string): string[] =>
    head.split('\n').flatMap((row) => (row.startsWith(`${key} `) ? [row.slice(key.length + 1)] : []))
  return {
    tree: values('tree')[0] ?? '',
    parents: values('parent'),
    author: values('author')[0] ?? '',
    subject,
    trailers: Object.fromEntries(
      trailers
        .trimEnd()
        .split('\n')
        .map((row) => row.split(': ', 2) as [string, string]),
    ),
  }
}

const treeOf = (objects: ReadonlyMap<string, GitObject>, oid: string): TreeRow[] => {
  const bytes = objects.get(oid)?.bytes ?? refuse(`no tree ${oid}`)
  const rows: TreeRow[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(0, at)
    const [mode = '', ...name] = bytes.toString('utf8', at, end).split(' ')
    rows.push({ mode, name: name.join(' '), oid: bytes.toString('hex', end + 1, end + 21) })
    at = end + 21
  }
  return rows
}

/* ---- section 7.2: names ---- */

const CONTROL = (code: number): boolean => code < 0x20 || code === 0x7f
const HFS_IGNORES = (code: number): boolean =>
  (code >= 0x200c && code <= 0x200f) || (code >= 0x202a && code <= 0x202e) || (code >= 0x206a && code <= 0x206f) || code === 0xfeff
const isUnsafe = (char: string): boolean => {
  const code = char.codePointAt(0) ?? 0
  return char === '\\' || char === ':' || CONTROL(code) || HFS_IGNORES(code)
}
const percent = (byte: number): string => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`

export const entryName = (name: string): string => {
  const lower = name.toLowerCase()
  const escaped = name.startsWith('%') || Array.from(name).some(isUnsafe) || lower.startsWith('.git') || /^[a-z0-9]{0,6}~[0-9]/.test(lower)
  if (!escaped) return name
  return [...Buffer.from(name)]
    .map((byte, i) =>
      i > 0 && /[A-Za-z0-9._-]/.test(String.fromCharCode(byte)) && byte < 0x80 ? String.fromCharCode(byte) : percent(byte),
    )
    .join('')
}

const nameOf = (entry: string): string => {
  const name = entry.startsWith('%') ? decodeURIComponent(entry) : entry
  const isSafe = !['', '.', '..'].includes(name) && !/[/\0]/.test(name)
  return isSafe && entryName(name) === entry ? name : refuse(`${entry} is not how ${name} is written`)
}

/* ---- section 7.3: the manifest ---- */

export type File = { path: string; mode: number; size: number; sha256: string; oid: string }
export type Folder = { path: string; mode: number }
export type Manifest = { files: File[]; folders: Folder[] }

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))
const rowName = (name: string): string =>
  Array.from(name, (char) => (char === '%' || CONTROL(char.codePointAt(0) ?? 0) ? percent(char.codePointAt(0) ?? 0) : char)).join('')
const unrowName = (text: string): string =>
  text.replace(/%([0-9A-F]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))
const octal = (mode: number): string => mode.toString(8).padStart(4, '0')
const fileRow = (f: File, name: string): string => `f ${octal(f.mode)} ${f.size} ${f.sha256} ${rowName(name)}\n`
const folderRow = (d: Folder, name: string): string => `d ${octal(d.mode)} ${rowName(name)}\n`

export const digestOf = ({ files, folders }: Manifest): string => {
  const rows = [...files.map((f) => [f.path, fileRow(f, f.path)] as const), ...folders.map((d) => [d.path, folderRow(d, d.path)] as const)]
  return sha256(
    rows
      .sort(([a], [b]) => byBytes(a, b))
      .map(([, row]) => row)
      .join(''),
  )
}

/** Reads the manifest of a snapshot's tree, and compares it with `files` and with the bytes of every blob. */
export const manifestOf = (objects: ReadonlyMap<string, GitObject>, root: string): Manifest => {
  const found: Manifest = { files: [], folders: [] }
  const walk = (prefix: string, manifest: string, tree: string | undefined): void => {
    const here = treeOf(objects, manifest)
    const entries = new Map((tree === undefined ? [] : treeOf(objects, tree)).map((row) => [nameOf(row.name), row]))
    const folders = new Map(here.filter((row) => row.name.startsWith('in-')).map((row) => [nameOf(row.name.slice(3)), row.oid]))
    for (const bucket of here.filter((row) => /^rows(-[0-9a-f]+)?$/.test(row.name)))
      for (const text of objects.get(bucket.oid)?.bytes.toString('utf8').split('\n').slice(0, -1) ?? []) {
        const [, mode = '', size = '', hash = '', fileName = ''] = /^f ([0-7]{4}) (\d+) ([0-9a-f]{64}) (.+)$/s.exec(text) ?? []
        const [, folderMode = '', folderName = ''] = /^d ([0-7]{4}) (.+)$/s.exec(text) ?? []
        const name = unrowName(fileName === '' ? folderName : fileName)
        const entry = entries.get(name)
        entries.delete(name)
        if (fileName !== '') {
          const blob = objects.get(entry?.oid ?? '') ?? refuse(`${prefix}${name} is in the manifest, not in files`)
          if (sha256(blob.bytes) !== hash || blob.bytes.length !== Number(size)) refuse(`${prefix}${name} is not what its row says`)
          found.files.push({
            path: prefix + name,
            mode: Number.parseInt(mode, 8),
            size: Number(size),
            sha256: hash,
            oid: entry?.oid ?? '',
          })
        } else {
          found.folders.push({ path: prefix + name, mode: Number.parseInt(folderMode, 8) })
          walk(`${prefix}${name}/`, folders.get(name) ?? refuse(`no rows for ${prefix}${name}`), entry?.oid)
          folders.delete(name)
        }
      }
    if (folders.size > 0) refuse(`rows of ${[...folders.keys()].join(', ')}, which no row names`)
    for (const name of entries.keys()) refuse(`${prefix}${name} is in files, not in the manifest`)
  }
  const top = new Map(treeOf(objects, root).map((row) => [row.name, row.oid]))
  walk('', top.get('manifest') ?? refuse('no manifest'), top.get('files'))
  return found
}

/* ---- section 7.2 and 7.3, the other way round: the id of the tree that a manifest must have ---- */

const treeId = (rows: readonly TreeRow[]): string => {
  const key = (row: TreeRow): string => (row.mode === '40000' ? `${row.name}/` : row.name)
  const parts = [...rows]
    .sort((a, b) => byBytes(key(a), key(b)))
    .map((r) => [Buffer.from(`${r.mode} ${r.name}\0`), Buffer.from(r.oid, 'hex')])
  return oidOf('tree', Buffer.concat(parts.flat()))
}

const bucketRows = (digits: string, rows: readonly (readonly [name: string, row: string])[]): TreeRow[] => {
  if (rows.length <= 256) {
    const text = rows.map(([, row]) => row).join('')
    return [{ mode: '100644', name: digits === '' ? 'rows' : `rows-${digits}`, oid: oidOf('blob', Buffer.from(text)) }]
  }
  return Array.from('0123456789abcdef').flatMap((digit) => {
    const part = rows.filter(([name]) => sha256(name).startsWith(digits + digit))
    return part.length === 0 ? [] : bucketRows(digits + digit, part)
  })
}

const within = <T extends { path: string }>(items: readonly T[], folder: string): [name: string, item: T][] =>
  items.flatMap((item) => {
    const name = item.path.startsWith(folder) ? item.path.slice(folder.length) : ''
    return name === '' || name.includes('/') ? [] : [[name, item] as [string, T]]
  })

export const rootTreeId = (m: Manifest): string => {
  const files = (folder: string): string | null => {
    const rows = within(m.files, folder).map(([name, f]) => ({
      mode: (f.mode & 0o100) === 0 ? '100644' : '100755',
      name: entryName(name),
      oid: f.oid,
    }))
    for (const [name] of within(m.folders, folder)) {
      const oid = files(`${folder}${name}/`)
      if (oid !== null) rows.push({ mode: '40000', name: entryName(name), oid })
    }
    return rows.length === 0 ? null : treeId(rows)
  }
  const manifest = (folder: string): string => {
    const folders = within(m.folders, folder)
    const rows = [
      ...within(m.files, folder).map(([name, f]) => [name, fileRow(f, name)] as const),
      ...folders.map(([name, d]) => [name, folderRow(d, name)] as const),
    ].sort(([a], [b]) => byBytes(a, b))
    return treeId([
      ...bucketRows('', rows),
      ...folders.map(([name]) => ({ mode: '40000', name: `in-${entryName(name)}`, oid: manifest(`${folder}${name}/`) })),
    ])
  }
  const top = files('')
  const rows = [{ mode: '40000', name: 'manifest', oid: manifest('') }]
  return treeId(top === null ? rows : [...rows, { mode: '40000', name: 'files', oid: top }])
}

/* ---- what lies in a directory ---- */

/** The manifest that a directory on disk has. */
export const directoryOf = (root: string): Manifest => {
  const found: Manifest = { files: [], folders: [] }
  const walk = (prefix: string): void => {
    for (const name of readdirSync(join(root, prefix))) {
      const path = prefix + name
      const stat = lstatSync(join(root, path))
      if (stat.isDirectory()) {
        found.folders.push({ path, mode: stat.mode & 0o777 })
        walk(`${path}/`)
      } else {
        const bytes = readFileSync(join(root, path))
        found.files.push({ path, mode: stat.mode & 0o777, size: bytes.length, sha256: sha256(bytes), oid: oidOf('blob', bytes) })
      }
    }
  }
  if (existsSync(root)) walk('')
  return found
}

/** Section 7.5: the lines that the branch strata/journal carries, oldest first. */
export const slicedLines = (objects: ReadonlyMap<string, GitObject>, head: string): string => {
  const slices: [number, string][] = []
  const walk = (prefix: string, tree: string): void => {
    for (const { mode, name, oid } of treeOf(objects, tree)) {
      if (mode === '40000') {
        walk(`${prefix}${name}/`, oid)
        continue
      }
      const upTo = Number(/^(\d{10})\.jsonl$/.exec(name)?.[1] ?? refuse(`${name} is no slice`))
      const hex = upTo.toString(16).padStart(8, '0')
      if (prefix !== `${hex.slice(0, 4)}/${hex.slice(4, 6)}/`) refuse(`${prefix}${name} is in the wrong folder`)
      slices.push([upTo, objects.get(oid)?.bytes.toString('utf8') ?? refuse(`no slice ${name}`)])
    }
  }
  walk('', commitOf(objects, head).tree)
  return slices
    .sort(([a], [b]) => a - b)
    .map(([, text]) => text)
    .join('')
}
