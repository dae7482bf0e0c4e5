import { readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { application } from '../support/library.ts'
import { captured } from '../support/sandbox.ts'
import { TOY, toyModule } from '../support/toy.ts'
import { json } from '../support/tree.ts'

/* A migration that never ends is ended: here, and in a worker, which runs what is more than 5 MB. */

const BIG = { ...TOY, 'days/2.json': JSON.stringify(Array.from({ length: 400_000 }, (_, n) => ({ n: n + 3 }))) }

/** A job of a module; `meanwhile` is called while it runs. */
const run = async (
  content: typeof TOY,
  record: string,
  meanwhile: (app: Awaited<ReturnType<typeof application>>['app']) => unknown = () => undefined,
) => {
  const { app, data } = await application(content, toyModule({ record, more: 'secondsPerFile: 0.5,' }))
  await app.init({ from: data })
  const job = await app.startMigration()
  await meanwhile(app)
  const ended = await app.waitForJob(job.id)
  return { app, ended, failed: (await app.history(job.id)).find((e) => e.type === 'MigrationFailed')?.data }
}

describe.each([
  ['on the main thread', TOY, 'days/1.json', 1],
  ['in a worker', BIG, 'days/2.json', 2],
] as const)('a step that never ends, %s', (_, content, file, n) => {
  test.each([
    ['loops', `(r) => { while (r.n === ${n}); return r }`],
    ['matches for ever', `(r) => { if (r.n === ${n}) /(a+)+$/.test('a'.repeat(60) + 'b'); return r }`],
  ])('%s: the job fails with MIGRATION_TIMEOUT, naming file, record and step', async (_how, record) => {
    // In the big file the numbers begin at 3.
    const { app, ended, failed } = await run(content, record.replaceAll('=== 2', '=== 5'))
    expect(ended.status).toBe('failed')
    expect(failed).toMatchObject({ code: 'MIGRATION_TIMEOUT', file, record: n === 1 ? 0 : 2, step: '2.0.0' })
    expect((await app.checkMigrationsNeeded()).currentVersion).toBe('1.0.0')
  })
})

test('a file that takes long for its size is given the time: the limit grows with it', async () => {
  // Five megabytes have five seconds more than half a second.
  const { ended } = await run(
    BIG,
    '(() => { const began = performance.now(); return (r) => { if (r.n === 3) while (performance.now() - began < 800); return r } })()',
  )
  expect(ended).toMatchObject({ status: 'completed' })
})

test('cancelling reaches a step that looks at its signal, in a worker too', async () => {
  const patient = '(r, ctx) => { while (r.n === 3) ctx.signal.throwIfAborted(); return r }'
  const cancelled = await run(
    BIG,
    patient.replace('ctx.signal.throwIfAborted()', '{ if (ctx.signal.aborted) ctx.signal.throwIfAborted() }'),
    (app) => {
      app.cancelMigration()
    },
  )
  expect(cancelled.ended.status).toBe('failed')
  expect(cancelled.failed?.code).toBe('CANCELLED')
})

test('a way back that never ends is ended, and the rollback that needs it is refused, naming the file', () => {
  const module = toyModule({ more: 'secondsPerFile: 0.5,' })
  const back = 'rollback: { head: () => null, record: (r) => r }'
  const text = readFileSync(module, 'utf8')
  expect(text).toContain(back)
  writeFileSync(module, text.replace(back, 'rollback: { head: () => null, record: (r) => { while (r.n === 7); return r } }'))
  const box = captured(TOY, module)
  box.ok('migrate', '--to', '2.0.0')
  const day = json(box.active(), 'days/1.json')
  box.edit('days/1.json', { ...day, list: [...day.list, { n: 7 }] })
  const [foreseen] = box.doc('rollback', '--dry-run').inTheWay
  expect(foreseen).toMatchObject({ path: 'days/1.json', why: expect.stringContaining('has not ended within 0.5') })
  const { code, data } = box.refused('rollback')
  expect(code).toBe('DATA_WRITTEN_SINCE')
  expect(data.files).toMatchObject([{ path: 'days/1.json', why: expect.stringContaining('record 2: step 2.0.0 has not ended within 0.5') }])
  expect(box.current().schemaVersion).toBe('2.0.0')
  box.ok('rollback', '--exact')
})
