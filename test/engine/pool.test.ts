import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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
