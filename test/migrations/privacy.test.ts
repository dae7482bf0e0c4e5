import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Ran, Sandbox } from '../support/sandbox.ts'
import { sample, sandbox } from '../support/sandbox.ts'
import { json, put } from '../support/tree.ts'

/** Nothing that a user has written into a file is in the journal, in a log, in a report or in an error: only paths, places and ids. */

const MARK = 'hunter2'
const DAY = 'data/2025-12-14.json'
const OTHER = 'data/2025-12-13.json'

/** Members that the application itself writes, one of a few words or of a fixed form; a marker there makes a file damaged. */
const FIXED = ['type', 'status', 'timestamp', 'id']

type Json = string | number | boolean | null | Json[] | { [name: string]: Json }

/** Every text in `value` is a marker of its own; with `names`, so are the names of members that hold objects or lists by name. */
const marked = (value: Json, keep: readonly string[], path = ''): Json => {
  if (typeof value === 'string') return `${MARK}-${path}`
  if (Array.isArray(value)) return value.map((item, i) => marked(item, keep, `${path}.${i}`))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      path.endsWith('regions') ? `${MARK}-region-${name}` : name,
      keep.includes(name) && typeof member === 'string' ? member : marked(member, keep, `${path}.${name}`),
    ]),
  )
}

const files = (): Record<string, Json> =>
  Object.fromEntries([...sample(2)].map(([path, bytes]) => [path, JSON.parse(Buffer.from(bytes).toString('utf8')) as Json]))

/** The sample with a marker wherever a text may stand, and with members that no version knows. */
const withMarkers = (keep: readonly string[] = FIXED): Record<string, Json> => {
  const all = Object.fromEntries(Object.entries(files()).map(([path, value]) => [path, marked(value, keep)]))
  const config = all['config.json'] as Record<string, Json>
  const records = all[DAY] as Record<string, Json>[]
  const of = (name: string): Json => ({ [name]: `${MARK}-extra`, error: `${MARK}-extra`, tags: `${MARK}-extra` })
  all['config.json'] = { ...config, header: `${MARK}-taken`, monitoring: `${MARK}-taken`, [`${MARK}-member`]: of(`${MARK}-inner`) }
  all[DAY] = records.map((record, i) =>
    i % 3 === 0 ? { ...record, utcOffset: `${MARK}-taken`, legacy_err: `${MARK}-taken`, [`${MARK}-own`]: 1 } : record,
  )
  return all
}

/** What all commands said, and what they left for those who come later. */
const everythingSaid = (box: Sandbox, ran: readonly Ran[]): string =>
  [
    ...ran.map(({ stdout, stderr }) => stdout + stderr),
    ...readdirSync(join(box.store, 'journal')).map((name) => readFileSync(join(box.store, 'journal', name), 'utf8')),
    readFileSync(join(box.store, 'CURRENT'), 'utf8'),
    box.git('log', '--all', '--format=%B'),
  ].join('\n')

const REPORTS = [
  ['status'],
  ['history', '--all'],
  ['verify'],
  ['plan'],
  ['history'],
  ['history', DAY],
  ['show', '@'],
  ['diff', '@-', '@', '--files'],
]

/** A whole life, or only its beginning: each command for people and for programs. */
const live = (content: Record<string, unknown>, whole = false): { box: Sandbox; said: string; ran: readonly Ran[] } => {
  const box = sandbox(content)
  const ran: Ran[] = []
  const run = (...args: string[]): void => {
    ran.push(box.run([...args, '--json']))
    ran.push(box.run(args))
  }
  const report = (): void => {
    for (const command of whole ? REPORTS : REPORTS.slice(0, 3)) run(...command)
  }
  run('init', '--from', box.data)
  run('migrate')
  report()
  if (!whole) return { box, said: everythingSaid(box, ran), ran }
  box.edit(OTHER, [{ ts: 1765733139432, id: `${MARK}-edit`, ms: 7, st: 0, err: `${MARK}-edit` }])
  run('checkpoint')
  run('rollback')
  run('rollback', '--exact')
  run('redo', '--exact')
  put(box.data, DAY, [
    ...(Array.isArray(content[DAY]) ? (content[DAY] as Json[]) : []),
    { ts: 1765733139432, id: `${MARK}-late`, ms: 7, st: 0, err: `${MARK}-late` },
  ])
  run('adopt')
  report()
  return { box, said: everythingSaid(box, ran), ran }
}

const linesWith = (said: string): string[] => said.split('\n').filter((line) => line.includes(MARK))

describe('no value of the user is told', () => {
  it('of files that are as they should be: names, addresses, errors, unknown members', () => {
    const { box, said, ran } = live(withMarkers(), true)
    expect(linesWith(said)).toEqual([])
    // The markers were there, and something was said about them.
    expect(JSON.stringify(json(box.active(), 'config.json'))).toContain(`${MARK}-region`)
    for (const code of ['ORPHANED_ENDPOINT', 'LEGACY_MEMBER']) expect(said).toContain(code)
    expect(ran[0]?.code).toBe(0)
    expect(box.current().schemaVersion).toBe('2.2.0')
  }, 60_000)

  it('of ambiguous endpoints', () => {
    const all = files()
    const endpoint = { name: `${MARK}-C`, type: 'ICMP', address: '8.8.8.8', timeout: 1000 }
    const regions = {
      [`${MARK}-A-B`]: { endpoints: [{ ...endpoint, name: 'C' }] },
      [`${MARK}-A`]: { endpoints: [{ ...endpoint, address: '1.1.1.1', name: 'B-C' }] },
    }
    const record = { timestamp: '2025-12-14T10:00:00Z', endpoint_id: `${MARK}-A-B-C`, latency_ms: 1, status: 'success' }
    const { said } = live({ ...all, 'config.json': { ...(all['config.json'] as object), regions }, [DAY]: [record] })
    expect(said).toContain('AMBIGUOUS_ENDPOINT')
    expect(linesWith(said)).toEqual([])
  }, 60_000)

  it('of records and days that are not of any shape', () => {
    const all = { ...files(), [DAY]: marked(files()[DAY] ?? null, []), [OTHER]: withMarkers()[DAY] }
    const { said } = live(all)
    expect(said).toContain('QUARANTINED')
    expect(linesWith(said)).toEqual([])
  }, 60_000)

  const config = (regions: unknown): string => JSON.stringify({ regions, settings: { test_interval_seconds: 60 } })

  it.each<[string, Record<string, string>]>([
    [
      'a configuration that is not as its schema says',
      {
        'config.json': config({
          [`${MARK}-region`]: { endpoints: [{ name: 5, type: MARK, address: MARK, timeout: MARK }] },
        }),
      },
    ],
    ['a region that is a text', { 'config.json': config({ [`${MARK}-region`]: `${MARK}-value` }) }],
    [
      'thresholds that are texts',
      {
        'config.json': config({
          [`${MARK}-region`]: { endpoints: [], thresholds: { latency_ms: MARK, availability_percent: MARK } },
        }),
      },
    ],
    [
      'settings that are texts',
      { 'config.json': JSON.stringify({ regions: {}, settings: { test_interval_seconds: MARK, window_width: MARK } }) },
    ],
    [
      'a name that is there twice',
      { 'config.json': `{"regions": {"${MARK}-twice": {"endpoints": null}, "${MARK}-twice": {"endpoints": null}}}` },
    ],
    ['a text that does not end', { 'config.json': `{"regions": {"${MARK}`, [DAY]: `[{"timestamp": "${MARK}` }],
    ['words without quotes', { 'config.json': `{"regions": {"a": ${MARK}}}`, [DAY]: `[${MARK}]` }],
    ['a wrong escape', { 'config.json': `{"regions": {"\\x${MARK}": 1}}`, [DAY]: `["\\u${MARK}"]` }],
    ['a number too many', { [DAY]: `[{"ts": 1765733139432, "id": "${MARK}", "ms": "${MARK}", "st": "${MARK}", "err": null}]` }],
  ])(
    'of files that are damaged: %s',
    (_, damaged) => {
      const { said } = live({ ...files(), ...damaged })
      expect(linesWith(said)).toEqual([])
      expect(said).toMatch(/JSON_|QUARANTINED|INVALID_RESULT|DAMAGED|LEGACY_FILE/)
    },
    60_000,
  )
})
