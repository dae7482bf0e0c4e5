import { execFileSync } from 'node:child_process'
import { hash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import netmonitor from '../../migrations/index.ts'
import type { Oid } from '../../src/core/git-objects.ts'
import type { FileEntry } from '../../src/core/manifest.ts'
import { Pool } from '../../src/engine/pool.ts'
import type { CaptureTask, ExtractTask } from '../../src/engine/task-types.ts'
import { nodeFsPort } from '../../src/storage/fs.ts'
import { ROOT, captured, sample } from '../support/sandbox.ts'

const dir = mkdtempSync(join(tmpdir(), 'strata-pool-'))
afterAll(() => {
  rmSync(dir, { recursive: true, force: true })
})

test('a task that fails while an earlier one still runs fails the whole, and does not end the process', async () => {
  writeFileSync(join(dir, 'large'), Buffer.alloc(48 << 20, 'long'))
  execFileSync('mkfifo', [join(dir, 'pipe')])
  const task = (path: string): CaptureTask => ({
    type: 'capture',
    root: dir,
    copyTo: null,
    base: null,
    files: [{ path, size: 0, known: null }],
  })
  const unheard: unknown[] = []
  const hear = (error: unknown): void => void unheard.push(error)
  process.on('unhandledRejection', hear)
  const module = join(ROOT, 'dist/netmonitor.js')
  const pool = new Pool({ fs: nodeFsPort, packs: '', dataset: netmonitor, module, bytes: 1 << 30, workers: 2 })
  try {
    const taken: string[] = []
    const work = pool.each([task('large'), task('pipe')], ({ files }) => taken.push(...files.map((f) => f.path)))
    await expect(work).rejects.toMatchObject({ code: 'SPECIAL_FILE' })
    expect(taken).toEqual(['large'])
    expect(unheard).toEqual([])
  } finally {
    process.off('unhandledRejection', hear)
    await pool.close()
  }
})

test('a thread that has nothing else to do takes a share of what is short, and nothing that is long', async () => {
  const small = Array.from({ length: 40 }, (_, i) => `small-${i}`)
  for (const name of small) writeFileSync(join(dir, name), Buffer.alloc(100_000, name))
  writeFileSync(join(dir, 'long'), Buffer.alloc(3 << 20, 'long'))
  const here: string[] = []
  const fs = {
    ...nodeFsPort,
    open: (path: string, ...rest: [string | number, number?]) => {
      here.push(basename(path))
      return nodeFsPort.open(path, ...rest)
    },
  }
  const task = (path: string, size: number): CaptureTask => ({
    type: 'capture',
    root: dir,
    copyTo: null,
    base: null,
    files: [{ path, size, known: null }],
  })
  const module = join(ROOT, 'dist/netmonitor.js')
  const pool = new Pool({ fs, packs: '', dataset: netmonitor, module, bytes: 1 << 30, mayBlock: true })
  try {
    const taken: string[] = []
    const tasks = ['long', ...small].map((path) => task(path, path === 'long' ? 3 << 20 : 100_000))
    await pool.each(tasks, ({ files }) => taken.push(...files.map((f) => f.path)))
    expect(taken).toEqual(['long', ...small])
    if (pool.width === 1) return // one processor: there are no workers
    expect(here).not.toContain('long')
    expect(here.length).toBeGreaterThan(0)
  } finally {
    await pool.close()
  }
})

test('one that is closed while its worker still starts is waited for, and the process goes on after that', () => {
  const script = `
    import { Pool } from ${JSON.stringify(pathToFileURL(join(ROOT, 'dist/internal.js')).href)}
    for (const delay of [0, 100, 150, 200, 250, 300, 400, 500]) {
      const options = { packs: '', dataset: null, module: ${JSON.stringify(join(ROOT, 'dist/netmonitor.js'))}, bytes: 1 << 30, mayBlock: true }
      const pool = new Pool(options)
      const began = performance.now()
      while (performance.now() - began < delay);
      await pool.close()
    }
    console.log('done')
  `
  writeFileSync(join(dir, 'closing.mjs'), script)
  expect(execFileSync(process.execPath, [join(dir, 'closing.mjs')], { encoding: 'utf8' })).toBe('done\n')
})

test('each task gets its own result, also when one that was given after it would be done sooner', async () => {
  // A large one is written piece by piece, and waits in between. None is so small that this thread takes it.
  const others = { 'a.txt': 'a'.repeat(3 << 20), 'b.txt': 'b'.repeat(5 << 20), 'c.txt': 'c'.repeat(4 << 20) }
  const box = captured({ ...Object.fromEntries(sample(1)), 'large.txt': 'large '.repeat(2 << 20), ...others })
  const packs = join(box.store, 'repo.git/objects/pack')
  const files = box
    .git('ls-tree', '-r', 'HEAD', 'files/')
    .trim()
    .split('\n')
    .map((row): FileEntry => {
      const [, , oid = '', name = ''] = row.split(/[ \t]/)
      const path = name.slice('files/'.length)
      const bytes = readFileSync(join(box.active(), path))
      return { path, size: bytes.length, sha256: hash('sha256', bytes), mode: 0o644, oid: oid as Oid }
    })
  const task = (file: FileEntry): ExtractTask => {
    const to = mkdtempSync(join(dir, 'to-'))
    return { type: 'extract', packs, to, files: [file] }
  }
  const flat = files.filter(({ path }) => path.endsWith('.txt')).sort((a, b) => b.size - a.size)
  const tasks = flat.map(task)
  const pool = new Pool({
    fs: nodeFsPort,
    packs,
    dataset: netmonitor,
    module: join(ROOT, 'dist/netmonitor.js'),
    bytes: 1 << 30,
    mayBlock: true,
  })
  try {
    const done: number[] = []
    await pool.each(tasks, ({ bytes }) => done.push(bytes))
    expect(done).toEqual(tasks.map((one) => one.files.reduce((sum, { size }) => sum + size, 0)))
  } finally {
    await pool.close()
  }
})
