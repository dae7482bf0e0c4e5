import { appendFileSync, readFileSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import netmonitor from '../../migrations/index.ts'
import { migrateFiles } from '../../src/index.ts'
import { LARGE } from '../../src/storage/large-entry.ts'
import { temporary } from '../contract/temporary.ts'
import type { Sandbox } from '../support/sandbox.ts'
import { captured, sample } from '../support/sandbox.ts'
import { contents } from '../support/tree.ts'

/* A file that is too large to be held in memory goes another way than the others: piece by piece. What comes out must be the same. */

const DAY = 'data/2025-12-13.json'

/** A day of shape A of a little more than `bytes`; now and then a record is spelled as no program of ours would write it. */
const largeDay = (bytes: number, oddEach = 1000): string => {
  const parts: string[] = []
  for (let [n, size] = [0, 0]; size < bytes; n++) {
    const at = new Date(Date.UTC(2025, 11, 13, 5) + n * 61).toISOString().slice(0, 23)
    const odd = n % oddEach === 7
    const id = odd ? 'Default\\u002dGoogle DNS' : 'Default-Google DNS'
    const part = `  {\n    "timestamp": "${at}-05:00",\n    "endpoint_id": "${id}",\n    "latency_ms": ${odd ? '12.50' : n % 300},\n    "status": "success"${odd ? ',\n    "note": "\\u003cb\\u003e \\/ é", "443": 1, "80": 2' : ''}\n  }`
    parts.push(part)
    size += part.length + 2
  }
  return `[\n${parts.join(',\n')}\n]`
}

const content = (oddEach?: number): Record<string, Uint8Array | string> => ({
  ...Object.fromEntries(sample(2)),
  [DAY]: largeDay(LARGE + 200_000, oddEach),
})

const snapshotOf = (box: Sandbox, version: string): string => {
  const id = readdirSync(join(box.store, 'snapshots')).find((name) => name.startsWith(`${version}-`))
  return box.directoryOf(id ?? '')
}

const bytesOf = (files: Record<string, Uint8Array | string>): Map<string, Uint8Array> =>
  new Map(Object.entries(files).map(([path, bytes]) => [path, typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes]))

const noTemporary = (box: Sandbox): void =>
  expect(readdirSync(join(box.store, 'repo.git/objects/pack')).filter((name) => name.startsWith('strata_tmp'))).toEqual([])

describe('a large file', () => {
  test('becomes in every version what it becomes in memory; git, verify and restore have its bytes', () => {
    const files = content()
    const box = captured(files)
    expect(statSync(join(box.active(), DAY)).size).toBeGreaterThan(LARGE)
    box.ok('migrate')
    const { steps } = migrateFiles(netmonitor, bytesOf(files), '1.0.0', '2.2.0')
    for (const [i, version] of ['1.1.0', '1.2.0', '2.0.0', '2.1.0', '2.2.0'].entries()) {
      const there = contents(snapshotOf(box, version))
      const expected = steps[i] ?? new Map<string, Uint8Array>()
      expect(Object.keys(there).sort()).toEqual([...expected.keys()].sort())
      for (const [path, bytes] of expected)
        expect(readFileSync(join(snapshotOf(box, version), path)).equals(bytes), `${version} ${path}`).toBe(true)
    }
    expect(box.run(['verify']).code).toBe(0)
    expect(box.git('fsck', '--strict')).toBe('')
    const to = join(temporary(), 'there')
    box.ok('restore', '1.0.0', '--to', to)
    expect(readFileSync(join(to, DAY), 'utf8')).toBe(files[DAY])
    noTemporary(box)
    box.ok('rollback')
    expect(readFileSync(join(box.active(), DAY), 'utf8')).toBe(files[DAY])
  }, 120_000)

  test('that has changed is checkpointed, one that has not is left alone', () => {
    const box = captured(content())
    const path = join(box.active(), DAY)
    truncateSync(path, statSync(path).size - 2)
    appendFileSync(path, ',\n  {\n    "timestamp": "2025-12-13T23:00:00-05:00"\n  }\n]')
    expect(box.doc('checkpoint').changed).toEqual([DAY])
    writeFileSync(path, readFileSync(path))
    expect(box.doc('checkpoint').changed).toEqual([])
    expect(box.run(['verify']).code).toBe(0)
    noTemporary(box)
  }, 120_000)

  test('that is damaged is kept as it is and reported, and goes through alone once it is mended', () => {
    const files = content(50_000)
    const whole = String(files[DAY])
    const box = captured({ ...files, [DAY]: `${whole.slice(0, -600_000)} oops ${whole.slice(-600_000)}` })
    box.ok('migrate')
    expect(box.doc('status').findings).toMatchObject([{ code: 'QUARANTINED', file: DAY }])
    expect(readFileSync(join(box.active(), DAY), 'utf8')).toContain(' oops ')
    writeFileSync(join(box.active(), DAY), whole)
    box.ok('migrate')
    expect(box.doc('status').findings).toEqual([])
    const { steps } = migrateFiles(netmonitor, bytesOf(files), '1.0.0', '2.2.0')
    expect(readFileSync(join(box.active(), DAY)).equals(steps.at(-1)?.get(DAY) ?? new Uint8Array())).toBe(true)
  }, 120_000)

  test('whose directory is gone comes back from the repository', () => {
    const files = content()
    const box = captured(files)
    box.ok('migrate', '--to', '1.1.0')
    rmSync(snapshotOf(box, '1.0.0'), { recursive: true })
    box.ok('rollback')
    expect(readFileSync(join(box.active(), DAY), 'utf8')).toBe(files[DAY])
    expect(box.run(['verify']).code).toBe(0)
  }, 120_000)
})
