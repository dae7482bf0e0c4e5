import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { migrated, sandbox, sandboxAt } from '../support/sandbox.ts'
import type { Sandbox } from '../support/sandbox.ts'
import { TOY, toyCaptured, toyMigrated, toyModule } from '../support/toy.ts'
import type { ToyPlan } from '../support/toy.ts'
import { contents, fingerprint, json } from '../support/tree.ts'

/** The same store under another build of the application. */
const withModule = (box: Sandbox, plan: ToyPlan): Sandbox => sandboxAt(box.dir, toyModule(plan))

/** What the journal says of failed jobs. */
const failures = (box: Sandbox): { code: string; file: string | null; record: number | null; step: string | null }[] =>
  box
    .journal()
    .trimEnd()
    .split('\n')
    .flatMap((line) => JSON.parse(line).events)
    .filter((e) => e.type === 'MigrationFailed')
    .map((e) => e.data)

/** Captures, fails once with `plan`, and gives the store and what was said. */
const failing = (plan: ToyPlan) => {
  const box = toyCaptured(toyModule(plan))
  const before = { id: box.snapshot(), store: fingerprint(box.active()), data: fingerprint(box.data) }
  const ran = box.run(['migrate'])
  expect(ran.code).toBe(1)
  expect(box.snapshot()).toBe(before.id)
  expect(fingerprint(box.active())).toEqual(before.store)
  expect(fingerprint(box.data)).toEqual(before.data)
  expect(readdirSync(join(box.store, 'staging'))).toEqual([])
  expect(readdirSync(join(box.store, 'snapshots'))).toEqual([before.id])
  return { box, ran, job: box.doc('status').lastJob, failed: failures(box).at(-1) }
}

const SECOND = '(r) => { if (r.n === 2) throw new Error("boom") ; return r }'

describe('a migration that fails', () => {
  it.each<[string, ToyPlan, { file: string; record: number | null; cause: RegExp; code?: string }]>([
    ['throws in a record', { record: SECOND }, { file: 'days/1.json', record: 1, cause: /boom/ }],
    ['throws in a file', { settings: '() => { throw new Error("boom") }' }, { file: 'settings.json', record: null, cause: /boom/ }],
    ['throws something that is no error', { settings: '() => { throw "boom" }' }, { file: 'settings.json', record: null, cause: /boom/ }],
    ['returns NaN', { record: '(r) => ({ ...r, m: NaN })' }, { file: 'days/1.json', record: 0, cause: /NaN/, code: 'RESULT_NAN' }],
    ['returns undefined', { record: '() => undefined' }, { file: 'days/1.json', record: 0, cause: /undefined/, code: 'RESULT_UNDEFINED' }],
    [
      'returns a member undefined',
      { record: '(r) => ({ ...r, m: undefined })' },
      { file: 'days/1.json', record: 0, cause: /undefined/, code: 'RESULT_UNDEFINED' },
    ],
    [
      'returns a BigInt',
      { record: '(r) => ({ ...r, m: 1n })' },
      { file: 'days/1.json', record: 0, cause: /bigint/i, code: 'RESULT_BIGINT' },
    ],
    ['returns a Date', { record: '(r) => ({ ...r, m: new Date(0) })' }, { file: 'days/1.json', record: 0, cause: /Date/ }],
    [
      'returns a promise',
      { record: '(r) => Promise.resolve(r)' },
      { file: 'days/1.json', record: 0, cause: /promise/, code: 'ASYNC_STEP' },
    ],
    [
      'is asynchronous deep inside',
      { record: 'async (r) => { throw new Error("late") }' },
      { file: 'days/1.json', record: 0, cause: /promise/, code: 'ASYNC_STEP' },
    ],
    [
      'returns a cycle',
      { settings: '(doc) => { const d = { ...doc }; d.self = d; return d }' },
      { file: 'settings.json', record: null, cause: /part of a cycle/, code: 'RESULT_CYCLE' },
    ],
    [
      'never ends',
      { record: '(r) => { while (r.n === 2); return r }', more: 'secondsPerFile: 0.3,' },
      { file: 'days/1.json', record: 1, cause: /has not ended within 0.3/, code: 'MIGRATION_TIMEOUT' },
    ],
    [
      'gives up when the signal says so',
      { settings: '(doc, ctx) => { for (;;) ctx.signal.throwIfAborted() }', more: 'secondsPerFile: 0.3,' },
      { file: 'settings.json', record: null, cause: /gave up/, code: 'MIGRATION_TIMEOUT' },
    ],
    ['returns a wrong shape', { record: '(r) => ({ n: "one" })' }, { file: 'days/1.json', record: 0, cause: /n/ }],
    [
      'fails its own validation',
      { validate: '{ days: { record: (r) => (r.n === 3 ? "three is not allowed" : undefined) } }' },
      { file: 'days/2.json', record: 0, cause: /three is not allowed/ },
    ],
    [
      'loses items that it did not announce',
      { settings: '(doc) => ({ ...doc, items: doc.items.slice(1) })' },
      { file: 'settings.json', record: null, cause: /2.*1|items/, code: 'DATA_LOST' },
    ],
  ])('%s: the active snapshot, its directory and the original stay, the job names file, record, step and cause', (_, plan, wanted) => {
    const { ran, job, failed } = failing(plan)
    expect(ran.stdout + ran.stderr).toContain(wanted.file)
    expect(job).toMatchObject({ status: 'failed', endTime: expect.any(String), errorCode: failed?.code })
    expect(job.error).toMatch(wanted.cause)
    expect(failed).toMatchObject({ file: wanted.file, record: wanted.record, step: '2.0.0', ...(wanted.code && { code: wanted.code }) })
  })

  it('says what is still active and what to do, on stdout, once', () => {
    const { box, ran } = failing({ record: SECOND })
    expect(ran.stdout).toContain('failed')
    expect(ran.stdout).toContain(box.active())
    expect(ran.stdout).toContain('1.0.0')
  })

  it('is exit 1 and one document with --json, and the job in it says failed', () => {
    const box = toyCaptured(toyModule({ record: SECOND }))
    const ran = box.run(['migrate', '--json'])
    expect(ran.code).toBe(1)
    expect(JSON.parse(ran.stdout).job.status).toBe('failed')
  })

  it('leaves the way free: the next attempt with a mended migration works', () => {
    const { box } = failing({ record: SECOND })
    const mended = withModule(box, {})
    mended.ok('migrate')
    expect(mended.current().schemaVersion).toBe('3.0.0')
    expect(json(mended.active(), 'sums/1.json').sum).toBe(3)
    expect(mended.doc('verify').valid).toBe(true)
  })

  it('start goes on with the snapshot before it, tries three times in all, then waits until it is asked', () => {
    const { box } = failing({ record: SECOND })
    for (let i = 0; i < 2; i++) {
      const ran = box.run(['start'])
      expect(ran.code).toBe(1)
      expect(ran.stdout).toContain(box.active())
    }
    expect(box.doc('status').state).toBe('failed-repeatedly')
    expect(box.run(['start']).code).toBe(0)
    expect(failures(box)).toHaveLength(3)
    withModule(box, {}).ok('migrate')
  })

  it('an announced loss passes', () => {
    const plan = {
      settings: '(doc) => ({ ...doc, items: doc.items.slice(1) })',
      loses: "loses: { settings: { items: 'the first is obsolete' } },",
    }
    const box = migrated(TOY, toyModule(plan))
    expect(json(box.active(), 'settings.json').items).toEqual(['b'])
  })

  it.each([
    ['escapes the directory', "() => '../../evil.json'"],
    ['is absolute', "() => '/tmp/strata-evil.json'"],
    ['is in use by another file', "() => 'sums/same.json'"],
    ['overwrites a source file', "() => 'settings.json'"],
  ])('a derived path that %s fails the job', (_, derived) => {
    const { box, job } = failing({ derived })
    expect(job.error).not.toBe('')
    expect(contents(box.active())).toEqual(contents(box.data))
  })

  it('a module that cannot be loaded is named, with its cause', () => {
    const box = toyCaptured(toyModule())
    const broken = sandboxAt(box.dir, toyModule({ setup: 'throw new Error("no luck")' }))
    const error = broken.refused('migrate')
    expect(error.message).toMatch(/no luck/)
    expect(error.message).toContain('migrations.mjs')
  })

  it('a module with a syntax error is named', () => {
    const box = toyCaptured(toyModule())
    const path = join(box.dir, 'broken.mjs')
    writeFileSync(path, 'export default {')
    expect(sandboxAt(box.dir, path).refused('plan').message).toContain('broken.mjs')
  })
})

describe('a store at a schema newer than the chain', () => {
  /** At 3.0.0 by a newer build, looked at by one that ends at 2.0.0. */
  const newer = () => {
    const box = toyMigrated()
    return { box, old: withModule(box, { newest: '2.0.0' }) }
  }

  it('is refused by every command that writes, and nothing is modified', () => {
    const { old } = newer()
    const before = contents(old.store)
    for (const command of ['migrate', 'checkpoint', 'adopt', 'redo', 'plan']) {
      const error = old.refused(command)
      expect(['NEWER_SCHEMA', 'NOTHING_TO_REDO']).toContain(error.code)
      expect(error.hint).not.toBe('')
    }
    const after = contents(old.store)
    for (const path of Object.keys(before).filter((p) => !p.startsWith('journal/epoch'))) expect(after[path]).toBe(before[path])
  })

  it('status and start say so, and do not migrate', () => {
    const { box, old } = newer()
    expect(old.doc('status')).toMatchObject({ state: 'newer', currentVersion: '3.0.0', targetVersion: '2.0.0' })
    const before = contents(box.active())
    old.run(['start'])
    expect(contents(box.active())).toEqual(before)
    expect(box.current().schemaVersion).toBe('3.0.0')
  })

  it('reading is allowed: show, diff, history and verify', () => {
    const { old } = newer()
    for (const command of [['show', '@'], ['diff', '@-', '@'], ['history'], ['verify']]) expect(old.run(command).code).toBe(0)
  })

  it('rollback --exact to a snapshot that it can read is allowed', () => {
    const { box, old } = newer()
    old.ok('rollback', '3.0.0', '--exact')
    expect(box.current().schemaVersion).toBe('2.0.0')
    expect(old.run(['status']).code).toBe(0)
  })

  it('rollback --exact to one that it cannot read either is refused', () => {
    const { box } = newer()
    const oldest = withModule(box, { newest: '1.0.0' })
    expect(oldest.refused('rollback', '3.0.0', '--exact').code).toBe('NEWER_SCHEMA')
    oldest.ok('rollback', '2.0.0', '--exact')
    expect(contents(box.active())).toEqual(contents(box.data))
  })
})

describe('a store of a newer format', () => {
  it('is refused by every command, and not modified', () => {
    const box = toyCaptured(toyModule())
    writeFileSync(join(box.store, 'CURRENT'), JSON.stringify({ ...json(box.store, 'CURRENT'), format: 2 }))
    const before = fingerprint(box.store)
    const commands = ['status', 'path', 'migrate', 'checkpoint', 'rollback', 'history', 'show @', 'verify', 'start', 'adopt']
    for (const command of commands) {
      const ran = box.run([...command.split(' '), '--json'])
      expect(`${command}: ${ran.stdout}`).toContain('NEWER_FORMAT')
      expect(ran.code).not.toBe(0)
    }
    expect(fingerprint(box.store)).toEqual(before)
  })
})

describe('a data directory newer than the chain', () => {
  it('is not captured', () => {
    const box = sandbox({ 'settings.json': { header: { schemaVersion: '9.0.0' }, items: [] } }, toyModule())
    expect(box.refused('init', '--from', box.data)).toMatchObject({ code: 'NEWER_SCHEMA', data: { version: '9.0.0' } })
    expect(box.doc('status').state).toBe('no-store')
  })
})
