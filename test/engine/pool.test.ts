import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import netmonitor from '../../migrations/index.ts'
import { Pool } from '../../src/engine/pool.ts'
import type { CaptureTask } from '../../src/engine/task-types.ts'
import { nodeFsPort } from '../../src/storage/fs.ts'
import { ROOT } from '../support/sandbox.ts'

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
