import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeSync, openSync, closeSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { LOOPS, MOUNTS, ext4, tmpfs } from '../support/mounts.ts'
import type { Sandbox } from '../support/sandbox.ts'
import { sample, sandboxAt } from '../support/sandbox.ts'
import { put, putAll } from '../support/tree.ts'

const free = (dir: string): number => {
  const [, row = ''] = execFileSync('df', ['-B1', '--output=avail', dir], { encoding: 'utf8' }).trim().split('\n')
  return Number(row)
}

/** Fills a disk until not one byte more fits. */
const fill = (dir: string): string => {
  const path = join(dir, 'filler')
  const fd = openSync(path, 'a')
  try {
    for (const size of [1 << 20, 1 << 14, 1 << 12, 512, 64, 1])
      for (;;) {
        try {
          if (writeSync(fd, Buffer.alloc(size, 7)) < size) break
        } catch {
          break
        }
      }
  } finally {
    closeSync(fd)
  }
  return path
}

const storeOn = (disk: string): Sandbox => {
  const box = sandboxAt(join(disk, 'box'))
  mkdirSync(box.dir)
  putAll(box.data, sample(3))
  box.ok('init', '--from', box.data)
  box.ok('migrate')
  return box
}

const DISKS = [
  ['tmpfs', tmpfs, MOUNTS],
  ['ext4', ext4, LOOPS],
] as const

for (const [name, disk, possible] of DISKS)
  describe.skipIf(!possible)(`on a full ${name} (needs a mount of its own)`, () => {
    test('rollback and redo succeed with 0 bytes free', () => {
      const dir = disk(24)
      const box = storeOn(dir)
      const [newer, before] = [box.snapshot(), readFileSync(join(box.active(), 'config.json'))]
      const filler = fill(dir)
      expect(free(dir)).toBeLessThan(4096)
      box.ok('rollback')
      expect(box.current().schemaVersion).toBe('1.0.0')
      rmSync(filler)
      box.ok('redo')
      expect(box.snapshot()).toBe(newer)
      expect(readFileSync(join(box.active(), 'config.json')).equals(before)).toBe(true)
      // The room is held back again, for the next time.
      const again = fill(dir)
      box.ok('rollback')
      rmSync(again)
      expect(statSync(join(box.store, 'reserve')).size).toBeGreaterThan(0)
      box.ok('checkpoint')
      expect(box.doc('verify').issues).toEqual([])
    })

    test('an exact rollback leaves edits that no checkpoint has room for in their directory, and nothing is lost', () => {
      const dir = disk(24)
      const box = storeOn(dir)
      const edited = JSON.stringify({ big: Array.from({ length: 40_000 }, (_, i) => `${(i * 2654435761) % 4294967296}`) })
      put(box.active(), 'notes.json', edited)
      const left = box.active()
      fill(dir)
      const refused = box.refused('rollback')
      expect(refused.code).toBe('DATA_WRITTEN_SINCE')
      expect(refused.message).toContain('notes.json')
      box.ok('rollback', '--exact')
      expect(box.current().schemaVersion).toBe('1.0.0')
      expect(readFileSync(join(left, 'notes.json'), 'utf8')).toBe(edited)
      rmSync(join(dir, 'filler'))
      box.ok('redo')
      expect(readFileSync(join(box.active(), 'notes.json'), 'utf8')).toBe(edited)
      expect(box.git('show', 'HEAD:files/notes.json')).toBe(edited)
    })

    test('migrate fails with NO_SPACE, the active snapshot stays, nothing half-made is left, and it works once there is room', () => {
      const dir = disk(24)
      const box = sandboxAt(join(dir, 'box'))
      mkdirSync(box.dir)
      putAll(box.data, sample(3))
      box.ok('init', '--from', box.data)
      const [active, content] = [box.snapshot(), readFileSync(join(box.active(), 'config.json'))]
      const filler = fill(dir)
      const refused = box.refused('migrate')
      expect(['NO_SPACE', 'DURABILITY']).toContain(refused.code)
      expect(box.snapshot()).toBe(active)
      expect(readFileSync(join(box.active(), 'config.json')).equals(content)).toBe(true)
      expect(readdirSync(join(box.store, 'staging'))).toEqual([])
      for (const command of ['status', 'plan', 'history', 'path']) expect(box.run([command]).stderr).toBe('')
      rmSync(filler)
      box.ok('migrate')
      expect(box.current().schemaVersion).toBe('2.2.0')
      expect(box.doc('verify').issues).toEqual([])
    })

    test('a checkpoint without room fails, says so, and keeps the edit', () => {
      const dir = disk(24)
      const box = storeOn(dir)
      appendFileSync(join(box.active(), 'config.json'), ' '.repeat(5000))
      const filler = fill(dir)
      expect(['NO_SPACE', 'DURABILITY']).toContain(box.refused('checkpoint').code)
      rmSync(filler)
      expect(box.ok('checkpoint')).toContain('config.json')
      expect(box.doc('verify').issues).toEqual([])
    })
  })
