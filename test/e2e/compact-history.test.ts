import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { decode, encode } from '@msgpack/msgpack'
import { describe, expect, it } from 'vitest'
import { captured, sample } from '../support/sandbox.ts'
import type { Sandbox } from '../support/sandbox.ts'
import { contents, json } from '../support/tree.ts'

/** NetMonitor across the change of format of 2.2.0: what was written since goes along, each record once, whichever format holds it. */

const DATES = ['2025-12-11', '2025-12-12', '2025-12-13', '2025-12-14']
const [OLD, , , NEW] = DATES.map((date) => `data/${date}.json`) as [string, string, string, string]
const GZ = OLD.replace('.json', '.msgpack.gz')

type Columns = { endpoints: string[]; ts: number[]; endpoint: number[]; latency_ms: (number | null)[]; st: number[] }
type Packed = { results: Columns }

const unpacked = (box: Sandbox, path = GZ): Packed => decode(gunzipSync(readFileSync(join(box.active(), path)))) as Packed

/** As an application of 2.2.0 appends to a day that is compact. */
const append = (box: Sandbox, ms: number, path = GZ): void => {
  const day = unpacked(box, path)
  const { endpoints, ts, endpoint, latency_ms, st } = day.results
  const last = ts.reduce((sum, delta) => sum + delta, 0)
  ts.push(1765429999000 + ms - last)
  endpoint.push(endpoints.indexOf('fd6a02b'))
  latency_ms.push(ms)
  st.push(0)
  writeFileSync(join(box.active(), path), gzipSync(encode(day)))
}
const appendJson = (box: Sandbox, ms: number, path = NEW): void => {
  const day = json(box.active(), path)
  day.results.push({ ts: 1765750000000 + ms, endpoint_id: 'fd6a02b', latency_ms: ms, st: 0 })
  box.edit(path, day)
}

/** The latencies of a day, in whatever form it is. */
const latencies = (box: Sandbox, date: string): (number | null)[] => {
  const files = Object.keys(contents(box.active())).filter((path) => path.startsWith(`data/${date}`))
  expect(files).toHaveLength(1)
  const [path = ''] = files
  if (path.endsWith('.gz')) return unpacked(box, path).results.latency_ms
  const day = json(box.active(), path)
  return (Array.isArray(day) ? day : day.results).map((r: { latency_ms?: number; ms?: number }) => r.latency_ms ?? r.ms ?? null)
}
const all = (box: Sandbox): Record<string, (number | null)[]> => Object.fromEntries(DATES.map((date) => [date, latencies(box, date)]))

/** At 2.2.0, with records written to a JSON day and to a compact one. */
const written = (): { box: Sandbox; before: ReturnType<typeof all>; expected: ReturnType<typeof all> } => {
  const box = captured(sample(4))
  box.ok('migrate', '--to', '2.1.0')
  box.ok('migrate')
  const before = all(box)
  append(box, 4711)
  append(box, 4712)
  appendJson(box, 4713)
  const expected = all(box)
  expect(expected['2025-12-11']?.slice(-2)).toEqual([4711, 4712])
  return { box, before, expected }
}

describe('back and forth over 2.2.0', () => {
  it.each([
    ['2.2.0', '2.1.0'],
    ['1.1.0', '1.0.0'],
  ])('before %s: records once each, in the form of %s; redo brings them, and those written there, back', (step, version) => {
    const { box, expected } = written()
    const top = contents(box.active())
    box.ok('rollback', step)
    expect(box.current().schemaVersion).toBe(version)
    expect(all(box)).toEqual(expected)
    // Those that nobody touched are the very bytes.
    const there = contents(box.active())
    const sealed = contents(box.directoryOf(box.doc('show', version).snapshot.id))
    for (const path of Object.keys(there).filter((p) => p.includes('12-12') || p.includes('12-13'))) expect(there[path]).toBe(sealed[path])
    const last = json(box.active(), OLD)
    const [record] = (Array.isArray(last) ? last : last.results).slice(-1)
    expect(Object.keys(record)).toEqual(
      version === '1.0.0' ? ['timestamp', 'endpoint_id', 'latency_ms', 'status'] : ['ts', 'endpoint_id', 'latency_ms', 'status'],
    )
    // The application of that version goes on.
    const day = json(box.active(), OLD)
    const own = { ...record, latency_ms: 4714 }
    box.edit(OLD, Array.isArray(day) ? [...day, own] : { ...day, results: [...day.results, own] })
    box.ok('redo')
    expect(box.current().schemaVersion).toBe('2.2.0')
    expect(all(box)).toEqual({ ...expected, '2025-12-11': [...(expected['2025-12-11'] ?? []), 4714] })
    expect(Object.keys(contents(box.active())).sort()).toEqual(Object.keys(top).sort())
    expect(json(box.active(), 'index.json').days[0]).toMatchObject({ file: GZ, records: (expected['2025-12-11']?.length ?? 0) + 1 })
    expect(box.run(['verify']).code).toBe(0)
  })

  it('a day that an application of 2.2.0 has begun in either format goes along, and comes back in its own', () => {
    const { box, expected } = written()
    writeFileSync(join(box.active(), 'data/2025-12-10.msgpack.gz'), gzipSync(encode({ ...unpacked(box), date: '2025-12-10' })))
    box.edit('data/2025-12-15.json', { ...json(box.active(), NEW), date: '2025-12-15' })
    box.ok('rollback', '2.2.0')
    expect(latencies(box, '2025-12-10')).toEqual(expected['2025-12-11'])
    expect(latencies(box, '2025-12-15')).toEqual(expected['2025-12-14'])
    expect(json(box.active(), 'data/2025-12-10.json')).toMatchObject({ date: '2025-12-10', header: { schemaVersion: '1.2.0' } })
    box.ok('redo')
    expect(Object.keys(contents(box.active())).filter((p) => /12-1[05]\./.test(p))).toEqual([
      'data/2025-12-10.msgpack.gz',
      'data/2025-12-15.json',
    ])
    expect(all(box)).toEqual(expected)
  })

  it('a compact day that the application removes is gone on the other side; one that it damages stays as it was there', () => {
    const { box, before } = written()
    writeFileSync(join(box.active(), GZ), 'torn')
    rmSync(join(box.active(), 'data/2025-12-12.msgpack.gz'))
    box.ok('rollback', '2.2.0')
    expect(latencies(box, '2025-12-11')).toEqual(before['2025-12-11'])
    expect(existsSync(join(box.active(), 'data/2025-12-12.json'))).toBe(false)
  })
})

describe('strata show --as, over 2.2.0', () => {
  it('a compact day as any version before, and any version before as a compact day', () => {
    const box = captured(sample(4))
    for (const version of ['1.2.0', '2.1.0', '2.2.0']) box.ok('migrate', '--to', version)
    for (const version of ['1.2.0', '2.1.0']) expect(box.ok('show', `@:${GZ}`, '--as', version)).toBe(box.ok('show', `${version}:${OLD}`))
    expect(JSON.parse(box.ok('show', `@:${GZ}`, '--as', '1.0.0'))).toHaveLength(unpacked(box).results.ts.length)
    const packed = readFileSync(join(box.active(), GZ))
    for (const version of ['1.0.0', '1.2.0', '2.1.0']) {
      // A day's format is that of its place among the days of its own snapshot.
      const shown = box.bytes('show', `${version}:${OLD}`, '--as', '2.2.0')
      expect(decode(gunzipSync(shown))).toEqual(decode(gunzipSync(packed)))
    }
    expect(box.refused('show', `@:${OLD}`, '--as', '1.0.0').code).toBe('ABSENT')
  })
})
