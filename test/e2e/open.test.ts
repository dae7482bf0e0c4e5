import { appendFileSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import type * as open from '../../src/open.ts'
import { currentPointer } from '../../src/engine/read.ts'
import { nodeFsPort } from '../../src/storage/fs.ts'
import { layout } from '../../src/storage/layout.ts'
import type { Sandbox } from '../support/sandbox.ts'
import { ROOT, upgraded } from '../support/sandbox.ts'
import { fingerprint } from '../support/tree.ts'

// What was built from these very sources.
const { openStore } = (await import(pathToFileURL(join(ROOT, 'dist/open.js')).href)) as typeof open

const current = (box: Sandbox): string => join(box.store, 'CURRENT')

describe('openStore and path', () => {
  it('name the active directory, and write nothing', () => {
    const box = upgraded()
    const before = fingerprint(box.store)
    const { directory, snapshot, schemaVersion, readableBy, hold } = openStore(box.store)
    expect(box.ok('path').trim()).toBe(directory)
    expect({ directory, snapshot, schemaVersion, hold }).toEqual({
      directory: box.active(),
      snapshot: box.snapshot(),
      schemaVersion: '2.2.0',
      hold: null,
    })
    expect(readableBy).toContain('2.2.0')
    expect(fingerprint(box.store)).toEqual(before)
  })

  it('name what the journal says where a process was killed before it came to CURRENT', () => {
    const box = upgraded()
    const stale = readFileSync(current(box))
    box.ok('rollback')
    const now = box.active()
    writeFileSync(current(box), stale)
    expect(openStore(box.store)).toMatchObject({
      directory: now,
      schemaVersion: '1.0.0',
      hold: { reason: expect.stringContaining('rolled back') },
    })
    expect(box.ok('path').trim()).toBe(now)
  })

  it('go by the last line that is whole: a torn one behind it was never acknowledged', () => {
    const box = upgraded()
    const line = readFileSync(join(box.store, 'journal/00000001.jsonl'), 'utf8').trimEnd().split('\n').at(-1) ?? ''
    appendFileSync(join(box.store, 'journal/00000001.jsonl'), line.slice(0, -40))
    expect(openStore(box.store).directory).toBe(box.active())
  })

  it('stand by CURRENT where the journal is damaged, and by the journal where CURRENT is', () => {
    const box = upgraded()
    const directory = box.active()
    const whole = readFileSync(current(box))
    rmSync(current(box))
    expect(openStore(box.store).directory).toBe(directory)
    writeFileSync(current(box), whole)
    const [name = ''] = readdirSync(join(box.store, 'journal')).filter((n) => n.endsWith('.jsonl'))
    writeFileSync(join(box.store, 'journal', name), 'rot\nrot\n')
    expect(openStore(box.store).directory).toBe(directory)
  })

  it('read CURRENT and one segment, however many snapshots and segments there are', () => {
    const box = upgraded()
    for (let i = 0; i < 3; i++) box.ok(i % 2 === 0 ? 'rollback' : 'redo')
    const read: string[] = []
    const fs: typeof nodeFsPort = {
      ...nodeFsPort,
      open: (path, ...rest) => {
        read.push(relative(box.store, path))
        return nodeFsPort.open(path, ...rest)
      },
    }
    currentPointer({ root: box.store, paths: layout(box.store), fs })
    expect(read).toEqual(['CURRENT', 'journal/00000001.jsonl'])
  })

  it('without a store say NO_STORE', () => {
    expect(() => openStore(join(upgraded().dir, 'nowhere'))).toThrow(expect.objectContaining({ code: 'NO_STORE' }))
  })
})
