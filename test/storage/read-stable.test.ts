import type { ChildProcess } from 'node:child_process'
import { execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { FsPort } from '../../src/storage/fs.ts'
import { nodeFsPort } from '../../src/storage/fs.ts'
import { readStable } from '../../src/storage/read-stable.ts'
import { scanDirectory } from '../../src/storage/scan.ts'
import { faultyFs } from '../contract/faulty-fs.ts'
import { asNobody } from '../contract/process.ts'
import { failure, temporary } from '../contract/temporary.ts'

const file = (text: string, name = 'config.json', ageSeconds = 60): string => {
  const path = join(temporary(), name)
  writeFileSync(path, text)
  const at = Date.now() / 1000 - ageSeconds
  utimesSync(path, at, at)
  return path
}

/** A program that empties the file and writes it again, a piece at a time, every few milliseconds. */
const writer = async (path: string): Promise<ChildProcess> => {
  const script = `
    const fs = require('node:fs')
    let n = 0
    const turn = () => {
      n += 1
      const text = JSON.stringify({ n, list: Array.from({ length: 400 }, () => n), end: n })
      const fd = fs.openSync(process.argv[1], 'w')
      for (let at = 0; at < text.length; at += 500) fs.writeSync(fd, text.slice(at, at + 500))
      fs.closeSync(fd)
      if (n === 1) process.stdout.write('ready')
      setTimeout(turn, n % 4)
    }
    turn()`
  const child = spawn(process.execPath, ['-e', script, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return child
}

describe('readStable', () => {
  test('gives the bytes of a quiet file at once, and the stat that belongs to them', () => {
    const path = file('not json, and that is fine')
    const { fs, ops } = faultyFs(nodeFsPort)
    const read = readStable(fs, path, 'config.json')
    expect(read?.bytes.toString()).toBe('not json, and that is fine')
    expect(read?.stat).toEqual(scanDirectory(nodeFsPort, dirname(path), () => false).files.get('config.json'))
    expect(read?.stat.size).toBe(statSync(path).size)
    expect(ops.filter((op) => op.call === 'open')).toHaveLength(1)
    expect(readStable(nodeFsPort, file('', 'empty.json'), 'empty.json')?.bytes).toHaveLength(0)
  })

  test('of a file that is gone is undefined', () => {
    expect(readStable(nodeFsPort, join(temporary(), 'none'), 'none')).toBeUndefined()
  })

  test('takes a fresh JSON file at once when it is whole', () => {
    for (const text of ['{"a":1}', '[1,2]\n', '{}  \r\n\t']) {
      const path = file(text, 'a.JSON', 0)
      const { fs, ops } = faultyFs(nodeFsPort)
      expect(readStable(fs, path, 'a.JSON')?.bytes.toString()).toBe(text)
      expect(ops.filter((op) => op.call === 'open')).toHaveLength(1)
    }
  })

  test('waits for the rest of a fresh file that is empty or cut, and takes it as it is once it is quiet', () => {
    for (const text of ['', '{"a":', '{"a":1}}', '\ufeff{}']) {
      const path = file(text, 'a.json', 1.4)
      const before = performance.now()
      expect(readStable(nodeFsPort, path, 'a.json')?.bytes.toString()).toBe(text)
      expect(performance.now() - before).toBeGreaterThan(400)
    }
  })

  test('reads another fresh file until two readings agree', () => {
    const path = file('text', 'a.log', 0)
    const { fs, ops } = faultyFs(nodeFsPort)
    expect(readStable(fs, path, 'a.log')?.bytes.toString()).toBe('text')
    expect(ops.filter((op) => op.call === 'open')).toHaveLength(2)
  })

  test('never takes an empty or torn reading of a file that a program empties and rewrites in place', async () => {
    const path = file('{}', 'busy.json', 0)
    await writer(path)
    let [reads, raw] = [0, 0]
    const end = performance.now() + 3000
    while (performance.now() < end) {
      const text = readStable(nodeFsPort, path, 'busy.json')?.bytes.toString() ?? ''
      const { n, list, end: last } = JSON.parse(text) as { n: number; list: number[]; end: number }
      expect([last, list.length, new Set([...list, n]).size]).toEqual([n, 400, 1])
      reads += 1
    }
    for (let i = 0; i < 2000; i++) {
      const text = readFileSync(path, 'utf8')
      if (!text.endsWith('}')) raw += 1
    }
    expect(reads).toBeGreaterThan(20)
    // The writer does tear: an ordinary reading sees it.
    expect(raw).toBeGreaterThan(0)
  })

  test('reads again when the file changed while it was read', () => {
    const path = file('{"a":1}')
    let changed = false
    const { fs } = faultyFs(nodeFsPort, (op) => {
      if (op.call === 'read' && !changed) {
        changed = true
        writeFileSync(path, '{"a":2}')
      }
      return undefined
    })
    expect(readStable(fs, path, 'config.json')?.bytes.toString()).toBe('{"a":2}')
  })

  test('gives up with UNSTABLE on a file that never comes to rest', () => {
    const path = file('{}')
    let size = 0
    // The pauses between the attempts, without waiting for them.
    const pauses = vi.spyOn(Atomics, 'wait').mockReturnValue('timed-out')
    const restless: FsPort = { ...nodeFsPort, fstat: (fd) => Object.assign(nodeFsPort.fstat(fd), { mtimeMs: size++ }) }
    expect(failure(() => readStable(restless, path, 'data/config.json'))).toMatchObject({
      code: 'UNSTABLE',
      data: { file: 'data/config.json' },
    })
    expect(pauses.mock.calls.reduce((sum, [, , , ms]) => sum + (ms ?? 0), 0)).toBeGreaterThanOrEqual(10_000)
  })

  test('refuses a FIFO without waiting, a link, a directory and a socket: SPECIAL_FILE', async () => {
    const dir = temporary()
    execFileSync('mkfifo', [join(dir, 'pipe')])
    symlinkSync('pipe', join(dir, 'link'))
    mkdirSync(join(dir, 'folder'))
    const server = createServer()
    await new Promise<void>((resolve) => {
      server.listen(join(dir, 'sock'), resolve)
    })
    for (const name of ['pipe', 'link', 'folder', 'sock'])
      expect(failure(() => readStable(nodeFsPort, join(dir, name), name))).toMatchObject({ code: 'SPECIAL_FILE', data: { file: name } })
    server.close()
    await once(server, 'close')
  })

  test('a file that may not be read, or that the disk gives back with an error, is UNREADABLE', () => {
    const path = file('{}')
    chmodSync(path, 0o000)
    expect(asNobody(() => failure(() => readStable(nodeFsPort, path, 'config.json')))).toMatchObject({
      code: 'UNREADABLE',
      data: { file: 'config.json', systemCode: 'EACCES' },
    })
    chmodSync(path, 0o644)
    const { fs } = faultyFs(nodeFsPort, (op) => (op.call === 'read' ? { code: 'EIO' } : undefined))
    expect(failure(() => readStable(fs, path, 'config.json'))).toMatchObject({ code: 'UNREADABLE', data: { systemCode: 'EIO' } })
  })

  test('one that is larger than Node can hash in one piece is UNREADABLE, with its size and the limit', () => {
    const path = file('')
    // Sparse: it takes no room.
    truncateSync(path, 2 ** 31)
    expect(failure(() => readStable(nodeFsPort, path, 'data/huge.json'))).toMatchObject({
      code: 'UNREADABLE',
      data: { file: 'data/huge.json', size: 2 ** 31, most: 2 ** 31 - 1 },
    })
  })

  test('leaves no handle open, and gives undefined for a file that goes while it waits', () => {
    const path = file('{', 'a.json', 0)
    const before = readdirSync('/proc/self/fd').length
    let opened = 0
    const { fs } = faultyFs(nodeFsPort, (op) => {
      if (op.call === 'open' && ++opened === 3) rmSync(path)
      return undefined
    })
    expect(readStable(fs, path, 'a.json')).toBeUndefined()
    expect(readdirSync('/proc/self/fd').length).toBe(before)
  })
})
