#!/usr/bin/env node
// The benchmark: Strata and what one would pick instead, in turn, in one run. Prints medians and ratios; judges nothing.
//   npm run bench                     everything (hours: big and one are large)
//   npm run bench -- --quick          everything, with a little of the data, once: whether it works
//   npm run bench -- step-days flip   rows whose name contains one of the words
//   --runs N (default 3)   --part P (of the data, default 1)   --json FILE   --list   --dir DIR (where to work)
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir, totalmem } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { DATA, small } from './data.mjs'
import { bytesBelow, hasTime, isInstalled, median, run } from './measure.mjs'
import { GROWTH, ROWS } from './rows.mjs'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean' },
    list: { type: 'boolean' },
    runs: { type: 'string' },
    part: { type: 'string' },
    json: { type: 'string' },
    dir: { type: 'string' },
  },
})
const ROOT = resolve(import.meta.dirname, '../..')
const CLI = join(ROOT, 'dist/cli.cjs')
const part = Number(values.part ?? (values.quick ? 0.005 : 1))
const wanted = (id) => positionals.length === 0 || positionals.some((word) => id.includes(word))
const rows = ROWS.filter(({ id }) => wanted(id))
const growth = wanted('growth')
if (values.list) {
  for (const { id, work } of ROWS) console.log(`${id.padEnd(28)} ${work}`)
  console.log('growth'.padEnd(28), 'each command at 1,000, 4,000, 16,000 files and at 1, 10, 100 snapshots')
  process.exit(0)
}
if (rows.length === 0 && !growth) {
  console.error(`No row has ${positionals.join(' or ')} in its name. See: npm run bench -- --list`)
  process.exit(2)
}

const base = values.dir ?? tmpdir()
mkdirSync(base, { recursive: true })
const work = mkdtempSync(join(base, 'strata-bench-'))
process.on('exit', () => {
  rmSync(work, { recursive: true, force: true })
})
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130))

let count = 0
const made = new Map()
const makeOnce = (name, make) => {
  const dir = join(work, name)
  if (!made.has(name)) {
    process.stderr.write(`making ${name} …\n`)
    mkdirSync(dir)
    make(dir)
    made.set(name, dir)
  }
  return dir
}

const strataArgs = (store, args) => [CLI, '--store', store, '--quiet', ...args]

/** What rows work with. `fresh` gives a new directory each time: nothing is deleted before the end of a row. */
const bench = {
  part,
  versions: JSON.parse(readFileSync(join(ROOT, 'dist/netmonitor.summary.json'), 'utf8')).versions,
  run,
  bytes: bytesBelow,
  fresh: () => {
    const dir = join(work, 'rows', String(count++))
    mkdirSync(dir, { recursive: true })
    return dir
  },
  kept: makeOnce,
  data: (name) => makeOnce(name, (dir) => DATA[name](dir, part)),
  small: (files) => {
    const n = Math.max(3, Math.round(files * (part === 1 ? 1 : Math.max(part, 0.02))))
    return makeOnce(`small-${n}`, (dir) => small(dir, n))
  },
  /** A store with so many checkpoints of ten small files. */
  checkpointed: (checkpoints) => {
    const n = Math.max(5, Math.round(checkpoints * (checkpoints > 10 ? part : 1)))
    const data = bench.small(10)
    return join(
      makeOnce(`checkpoints-${n}`, (dir) => {
        run(process.execPath, [join(import.meta.dirname, 'ours/checkpoints.mjs'), join(dir, 'store'), data, String(n)])
      }),
      'store',
    )
  },
  // 2: migrations are pending, or there are findings; both are as they should be here.
  strata: (store, ...args) => run(process.execPath, strataArgs(store, args), { ok: [0, 2] }),
  node: (script, ...args) => run(process.execPath, [script, ...args]),
  /** Starts a command and kills it once it has begun to write. */
  killed: (store, ...args) => {
    const child = spawn(process.execPath, strataArgs(store, args), { stdio: 'ignore' })
    const staging = join(store, 'staging')
    const end = Date.now() + 60_000
    while (Date.now() < end && (!existsSync(staging) || readdirSync(staging).length === 0))
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
    child.kill('SIGKILL')
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
  },
}

const number = (value) => (value === null ? '–' : value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3))
const shown = (value, unit) =>
  value === null ? '–' : unit === 'bytes' ? `${number(value / 1e6)} MB` : unit === 'MB' ? `${number(value)} MB` : `${number(value)} ms`
const mb = (value) => (value === null || value === undefined ? '–' : `${number(value / 1e6)} MB`)
const most = (samples, side, what) => {
  const all = samples.map((s) => s[side]?.[what] ?? null).filter((value) => value !== null)
  return all.length === 0 ? null : Math.max(...all)
}

const verdict = (value, target) => (target === null || value === null ? '' : value <= target ? 'met' : 'NOT MET')

const measure = (row) => {
  const runs = values.quick ? 1 : Number(values.runs ?? row.repeat ?? 3)
  const prepared = row.prepare?.(bench)
  const samples = []
  for (let i = 0; i < runs; i++) {
    samples.push(row.once(bench, prepared))
    process.stderr.write('.')
  }
  rmSync(join(work, 'rows'), { recursive: true, force: true })
  if (row.against === null) {
    const value = samples.some((s) => s.value === null) ? null : Math.max(...samples.map((s) => s.value))
    return {
      id: row.id,
      work: row.work,
      against: null,
      unit: row.unit,
      runs,
      value,
      target: row.target,
      verdict: verdict(value, row.target),
    }
  }
  const [ours, theirs] = ['ours', 'peer'].map((side) => median(samples.map((s) => s[side].ms)))
  // Pairs, not medians: both sides of a pair met the same weather.
  const ratio = median(samples.map((s) => s.ours.ms / s.peer.ms))
  return {
    id: row.id,
    work: row.work,
    against: row.against,
    unit: row.unit ?? 'ms',
    runs,
    ours,
    peer: theirs,
    ratio,
    target: row.target,
    verdict: verdict(ratio, row.target),
    memory: { ours: most(samples, 'ours', 'memory'), peer: most(samples, 'peer', 'memory') },
    disk: { ours: most(samples, 'ours', 'disk'), peer: most(samples, 'peer', 'disk') },
  }
}

const results = []
const missing = []
for (const row of rows) {
  const absent = (row.needs ?? []).filter((name) => !isInstalled(name))
  if (absent.length > 0) missing.push(`${row.id}: ${absent.join(', ')} is not installed`)
  else {
    const result = measure(row)
    results.push(result)
    process.stderr.write(` ${row.id}: ${result.against === null ? shown(result.value, result.unit) : result.ratio.toFixed(2)}\n`)
  }
}

const grown = {}
if (growth) {
  const sizes = (list) => (values.quick ? list.slice(0, 1).map((n) => Math.max(1, Math.round(n / 50))) : list)
  for (const [what, list, once] of [
    ['files', GROWTH.files, GROWTH.ofFiles],
    ['snapshots', GROWTH.snapshots, GROWTH.ofSnapshots],
  ]) {
    grown[what] = Object.fromEntries(
      sizes(list).map((n) => {
        process.stderr.write(`growth: ${n} ${what}\n`)
        const one = once({ ...bench, small: (files) => makeOnce(`grown-${files}`, (dir) => small(dir, files)) }, n)
        rmSync(join(work, 'rows'), { recursive: true, force: true })
        return [n, one]
      }),
    )
  }
}
await sleep(0)

const table = (head, body) =>
  [`| ${head.join(' | ')} |`, `|${head.map(() => '---').join('|')}|`, ...body.map((cells) => `| ${cells.join(' | ')} |`)].join('\n')
const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, ${Math.round(totalmem() / 1e9)} GB, Node ${process.versions.node}`
console.log(`\n${machine}${part === 1 ? '' : `; ${part} of the data: not the figures of the targets`}\n`)
console.log(
  table(
    ['row', 'work', 'against', 'Strata', 'peer', 'ratio', 'target', '', 'memory', 'peer’s', 'disk', 'peer’s'],
    results.map((r) =>
      r.against === null
        ? [r.id, r.work, '–', shown(r.value, r.unit), '–', '–', `${r.target} ${r.unit}`, r.verdict, '', '', '', '']
        : [
            r.id,
            r.work,
            r.against,
            shown(r.ours, r.unit),
            shown(r.peer, r.unit),
            r.ratio.toFixed(2),
            r.target ?? '–',
            r.verdict,
            mb(r.memory.ours),
            mb(r.memory.peer),
            mb(r.disk.ours),
            mb(r.disk.peer),
          ],
    ),
  ),
)
for (const [what, series] of Object.entries(grown)) {
  const sizes = Object.keys(series)
  const names = Object.keys(Object.values(series)[0] ?? {})
  console.log(
    `\n${table(
      [`ms at so many ${what}`, ...sizes],
      names.map((name) => [name, ...sizes.map((n) => number(series[n][name]))]),
    )}`,
  )
}
for (const line of missing) console.log(`\nMISSING ${line}`)
if (!hasTime) console.log('\nMISSING peak memory: GNU time is not installed (Debian: apt-get install time)')
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify({ machine, part, rows: results, growth: grown, missing }, null, 2))
