import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { temporary } from '../contract/temporary.ts'
import { MOUNTS } from '../support/mounts.ts'
import type { Ran, Sandbox } from '../support/sandbox.ts'
import { ROOT, captured, sample, sandbox, sandboxAt } from '../support/sandbox.ts'
import { contents, fingerprint, putAll } from '../support/tree.ts'

/** What happens when the system gives less than usual: open files, file sizes, threads, room on the disk. */

const CLI = join(ROOT, 'dist/cli.cjs')

/** Runs the command line below a limit of the shell. */
const under = (limit: string, { store }: Sandbox, args: readonly string[]): Ran => {
  const line = `${limit}; exec "$0" "$@"`
  const { status, stdout, stderr, signal } = spawnSync('bash', ['-c', line, process.execPath, CLI, '--store', store, '-q', ...args], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH ?? '', HOME: '/nonexistent' },
    maxBuffer: 1 << 28,
  })
  return { code: status ?? -1, stdout, stderr: `${stderr}${signal ?? ''}` }
}

/** As many small days, with so many records each. */
const days = (count: number, records: number): Map<string, Uint8Array> =>
  new Map(
    [...sample(count)].map(([path, bytes]) => {
      const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
      return [path, Array.isArray(value) ? Buffer.from(JSON.stringify(value.slice(0, records), null, 2)) : bytes]
    }),
  )

/** A module that ends some threads before they have loaded anything, as happens when no file can be opened any more. */
const withoutThreads = (which: string): string =>
  `data:text/javascript,${encodeURIComponent(`import { threadId } from 'node:worker_threads'; if (${which}) process.exit(1)`)}`

const BIG = 5 * 1024 * 1024
describe('with few open files all commands work on 120 files', () => {
  test.each([
    ['little data', 4],
    ['so much that workers are started', 450],
  ])('%s, 40 at a time', { timeout: 120_000 }, (_, records) => {
    const box = sandbox(days(120, records))
    const bytes = execFileSync('du', ['-sb', box.data], { encoding: 'utf8' })
    expect(Number.parseInt(bytes) > BIG).toBe(records > 4)
    const original = fingerprint(box.data)
    for (const args of [['init', '--from', box.data], ['migrate'], ['verify'], ['rollback', '--exact'], ['history'], ['redo']])
      expect({ args, ...under('ulimit -n 40', box, args), stdout: '' }).toEqual({ args, code: 0, stdout: '', stderr: '' })
    box.judge()
    expect(box.current().schemaVersion).toBe('2.2.0')
    expect(fingerprint(box.data)).toEqual(original)
  })

  test.each([
    ['no worker', 'threadId > 0'],
    ['not the first worker', 'threadId === 1'],
  ])('%s comes to life: the work is done without', { timeout: 120_000 }, (_, which) => {
    const box = sandbox(days(120, 450))
    const env = { NODE_OPTIONS: `--import=${withoutThreads(which)}` }
    for (const args of [['init', '--from', box.data], ['migrate'], ['verify']])
      expect({ args, code: box.run(args, { env }).code }).toEqual({ args, code: 0 })
    expect(box.current().schemaVersion).toBe('2.2.0')
  })
})

test('with one thread for the file system everything works', () => {
  const box = sandbox(sample(3))
  for (const args of [['init', '--from', box.data], ['migrate'], ['verify'], ['rollback'], ['redo']])
    expect(under('export UV_THREADPOOL_SIZE=1', box, args).code).toBe(0)
  box.judge()
})

test('a limit to the size of a file is told as an error, and nothing is lost', () => {
  const box = captured(sample(3))
  const before = { active: box.snapshot(), contents: contents(box.active()) }
  // Blocks of 1 KB.
  const ran = under('ulimit -f 2', box, ['migrate', '--json'])
  expect(ran.code).toBe(1)
  expect(`${ran.stdout}${ran.stderr}`).toContain('EFBIG')
  expect(ran.stderr).not.toContain('    at ')
  expect({ active: box.snapshot(), contents: contents(box.active()) }).toEqual(before)
  box.ok('migrate')
  expect(box.current().schemaVersion).toBe('2.2.0')
  expect(box.doc('verify').issues).toEqual([])
})

const mounted = (options: string): string => {
  const dir = temporary()
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', dir])
  onTestFinished(() => void spawnSync('umount', ['-l', dir]))
  return dir
}
const storeOn = (disk: string): Sandbox => {
  const box = sandboxAt(join(disk, 'box'))
  mkdirSync(box.dir)
  putAll(box.data, sample(20))
  box.ok('init', '--from', box.data)
  return box
}
/** A module that lets the disk look empty. */
const MUCH_ROOM = `data:text/javascript,${encodeURIComponent(
  `import fs from 'node:fs'; import { syncBuiltinESMExports } from 'node:module'
   fs.statfsSync = () => ({ bavail: 1e9, bsize: 4096, ffree: 1e9 }); syncBuiltinESMExports()`,
)}`

describe.skipIf(!MOUNTS)('on a small disk (needs a mount of its own)', () => {
  test('a nearly full one: migrate says NO_SPACE, leaves nothing behind, and works once the disk has grown', { timeout: 120_000 }, () => {
    const disk = mounted('size=16m')
    const box = storeOn(disk)
    const [active, files] = [box.snapshot(), contents(box.active())]
    const refuses = (room: number, env: Record<string, string>): void => {
      const { bfree, bsize } = statfsSync(disk)
      if (bfree * bsize > room) writeFileSync(join(disk, `filler-${room}`), Buffer.alloc(bfree * bsize - room, 7))
      const before = statfsSync(disk).bfree
      const { code, stdout, stderr } = box.run(['migrate', '--json'], { env })
      expect({ room, code, said: `${stdout}${stderr}` }).toEqual({ room, code: 1, said: expect.stringMatching(/NO_SPACE|ENOSPC|no space/) })
      expect(box.snapshot()).toBe(active)
      expect(contents(box.active())).toEqual(files)
      expect(readdirSync(join(box.store, 'staging'))).toEqual([])
      expect(before - statfsSync(disk).bfree).toBeLessThan(8)
    }
    refuses(box.doc('status').spaceNeeded / 2, {})
    // Once the preflight has seen room, another program may take it.
    for (const room of [400_000, 100_000]) refuses(room, { NODE_OPTIONS: `--import=${MUCH_ROOM}` })
    execFileSync('mount', ['-o', 'remount,size=64m', disk])
    box.ok('migrate')
    expect(box.current().schemaVersion).toBe('2.2.0')
    expect(box.doc('verify').errorsFound).toBe(0)
  })

  test('one with few inodes: it is said before anything is written', () => {
    const disk = mounted('size=64m,nr_inodes=150')
    const box = storeOn(disk)
    const before = contents(join(box.store, 'journal'))
    const refused = box.refused('migrate')
    expect(refused.code).toBe('NO_SPACE')
    expect(refused.message).toMatch(/\d+ files are to be made, \d+ are free/)
    expect(box.current().schemaVersion).toBe('1.0.0')
    expect(Object.keys(before).length).toBeGreaterThan(0)
    execFileSync('mount', ['-o', 'remount,nr_inodes=5000', disk])
    box.ok('migrate')
  })

  test('a read-only one: everything that reads works and changes nothing, and migrate says READ_ONLY', () => {
    const disk = mounted('size=64m')
    const box = storeOn(disk)
    box.ok('migrate')
    box.ok('rollback')
    const before = fingerprint(box.store)
    execFileSync('mount', ['-o', 'remount,ro', disk])
    for (const args of [
      ['status'],
      ['path'],
      ['plan'],
      ['history'],
      ['show', '@'],
      ['show', '@:config.json'],
      ['diff', '1.0.0', '2.2.0'],
      ['verify'],
    ]) {
      const { code, stderr } = box.run(args)
      expect({ args, isFine: code === 0 || code === 2, stderr }).toEqual({ args, isFine: true, stderr: '' })
    }
    for (const command of ['migrate', 'redo']) expect({ command, code: box.refused(command).code }).toEqual({ command, code: 'READ_ONLY' })
    expect(fingerprint(box.store)).toEqual(before)
  })
})
