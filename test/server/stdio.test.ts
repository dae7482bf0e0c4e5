import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { METHODS } from '../../src/server/methods.ts'
import type { Sandbox } from '../support/sandbox.ts'
import { captured, sample, sandbox, upgraded } from '../support/sandbox.ts'
import { speaking } from '../support/server.ts'
import { contents } from '../support/tree.ts'

const bytes = (path: string): { snapshot: string; path: string } => ({ snapshot: '1.0.0', path })

/** Something for every method to be asked on a migrated store; each answer has to be exactly what the documents promise. */
const ASKED: Readonly<Record<string, unknown>> = {
  Plan: { to: '2.2.0' },
  PreviewSwitch: { kind: 'rollback' },
  ShowSnapshot: { snapshot: '@' },
  Diff: { a: '@-', b: '@' },
  Compare: { a: '@-', b: '@', values: true },
  CountRecords: { a: '@-', b: '@' },
  FileHistory: { path: 'config.json' },
  Read: bytes('config.json'),
  Repair: { dryRun: true },
  Prune: { dryRun: true },
  CollectGarbage: { dryRun: true },
  Pin: { snapshot: '@', note: 'kept' },
  Unpin: { snapshot: '@' },
  Restore: { snapshot: '@', path: 'config.json' },
  Start: { reads: ['2.2.0'] },
}

const jobOf = (box: Sandbox): string => (box.doc('status') as { lastJob: { id: string } }).lastJob.id

describe('JSON-RPC on stdin and stdout', () => {
  it('every method answers what the documents say, no member more and none less', async () => {
    const box = upgraded()
    const talk = speaking(box)
    for (const [name, method] of Object.entries(METHODS)) {
      const params = name === 'WaitForJob' ? { id: jobOf(box) } : (ASKED[name] ?? {})
      const result: unknown = await talk.ok(name, params)
      // Unknown members are cut off by parsing: what is left has to be all there was.
      expect({ [name]: method.result.parse(result) }).toEqual({ [name]: result })
    }
    expect(await talk.end()).toBe(0)
  })

  it('the methods of the task, under their names: check, migrate, follow, validate, roll back', async () => {
    const box = captured()
    const talk = speaking(box)
    expect(await talk.ok('CheckMigrationsNeeded')).toMatchObject({ needed: true, currentVersion: '1.0.0', targetVersion: '2.2.0' })
    const job = (await talk.ok('StartMigration')) as { id: string; status: string }
    expect(job.status).toBe('pending')
    expect(await talk.ok('WaitForJob', { id: job.id })).toMatchObject({ status: 'completed', toVersion: '2.2.0', error: '' })
    expect(await talk.ok('GetMigrationStatus')).toMatchObject({ phase: 'done', job: { id: job.id } })
    expect(await talk.ok('ValidateDataIntegrity')).toMatchObject({ valid: true, errorsFound: 0 })
    await talk.ok('RollbackMigration', { migrationID: job.id })
    expect(contents(box.active())).toEqual(contents(box.data))
    expect(await talk.end()).toBe(0)
    box.judge()
  })

  it('progress comes as notifications, each phase of it', async () => {
    const talk = speaking(captured(sample(3)))
    const job = (await talk.ok('StartMigration')) as { id: string }
    await talk.ok('WaitForJob', { id: job.id })
    await talk.end()
    const phases = talk.said.filter((m) => m.method === 'progress').map((m) => (m.params as { phase: string }).phase)
    expect([...new Set(phases)]).toEqual(['backup', 'migrating', 'verifying', 'activating', 'done'])
  })

  it('a change that another process makes is told of', async () => {
    const box = captured()
    const talk = speaking(box)
    await talk.ok('Overview')
    box.ok('migrate')
    await expect.poll(() => talk.said.some((m) => m.method === 'changed'), { timeout: 10_000 }).toBe(true)
    await talk.end()
  })

  it('errors have a number, and the code, hint and data of the library', async () => {
    const talk = speaking(sandbox())
    const { error } = await talk.call('RollbackMigration', { migrationID: '9.9.9' })
    expect(error).toMatchObject({ code: -32000, data: { code: 'NO_STORE', hint: expect.stringContaining('strata init') } })
    expect((await talk.call('Nonsense')).error?.code).toBe(-32601)
    expect((await talk.call('toString')).error?.code).toBe(-32601)
    expect((await talk.call('RollbackMigration', { exakt: true })).error).toMatchObject({ code: -32602, data: { code: 'BAD_ARGUMENT' } })
    expect((await talk.call('RollbackMigration', [1])).error?.code).toBe(-32602)
    await talk.end()
  })

  it('what is no request is refused, and the next one is answered', async () => {
    const talk = speaking(captured())
    talk.write('{"jsonrpc":"2.0", oops\n')
    talk.write('{"id":1,"method":"Overview"}\n')
    talk.write('[]\n42\n\n')
    talk.write(`"${'x'.repeat(1024 * 1024 + 10)}"\n`)
    expect(await talk.ok('Overview')).toHaveProperty('head')
    await talk.end()
    const refused = talk.said.filter((m) => m.method === undefined && typeof m.id !== 'number').map((m) => m.error?.code)
    expect(refused.sort()).toEqual([-32600, -32600, -32600, -32600, -32700])
  })

  it('a batch is answered as one, notifications are not answered', async () => {
    const talk = speaking(captured())
    const request = (method: string, id?: number) => ({ jsonrpc: '2.0', method, ...(id === undefined ? {} : { id }) })
    talk.write(`${JSON.stringify([request('CheckMigrationsNeeded', 7), request('CancelMigration'), request('Nonsense', 8)])}\n`)
    talk.write(`${JSON.stringify(request('CancelMigration'))}\n`)
    await talk.end()
    expect(talk.said).toHaveLength(1)
    expect(talk.said[0]).toMatchObject([
      { id: 7, result: { needed: true } },
      { id: 8, error: { code: -32601 } },
    ])
  })

  it('a change may name the head that it rests on', async () => {
    const box = captured()
    const talk = speaking(box)
    const { head } = (await talk.ok('Overview')) as { head: string }
    writeFileSync(join(box.active(), 'config.json'), '{"regions":{},"settings":{}}')
    box.ok('checkpoint')
    expect((await talk.call('StartMigration', { expectedHead: head })).error).toMatchObject({ data: { code: 'STALE' } })
    await talk.end()
    expect(box.current().schemaVersion).toBe('1.0.0')
  })

  it('ends with its input: what was asked for is answered, what nobody waits for is cancelled', async () => {
    const box = captured(sample(4))
    const waited = speaking(box)
    waited.write('{"jsonrpc":"2.0","id":1,"method":"StartMigration"}\n')
    expect(await waited.end()).toBe(0)
    expect(waited.said.find((m) => m.id === 1)?.result).toMatchObject({ status: 'pending' })
    expect(['1.0.0', '2.2.0']).toContain(box.current().schemaVersion)
    expect((box.doc('status') as { state: string }).state).not.toBe('running')
    box.allowLeftovers()
    box.judge()
  })

  it('ends when nobody reads what it says any more', async () => {
    const box = captured(sample(4))
    const talk = speaking(box)
    await talk.ok('StartMigration')
    talk.child.stdout.destroy()
    talk.write('{"jsonrpc":"2.0","id":5,"method":"Overview"}\n')
    expect(await talk.ended).toBe(0)
  })
})
