import * as nodeFs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { verifyStore } from '../../src/engine/verify.ts'
import { checkpoint } from '../../src/engine/checkpoint.ts'
import { nodeFsPort } from '../../src/storage/fs.ts'
import { SCENARIOS, contextAt, makeOriginal, writing } from '../crash/scenarios.ts'

const scratch = nodeFs.mkdtempSync(join(tmpdir(), 'strata-lost-'))
afterAll(() => {
  nodeFs.rmSync(scratch, { recursive: true, force: true })
})

/** A store whose last journal line is an acknowledged checkpoint. */
const edited = async (name: string): Promise<string> => {
  const place = { store: join(scratch, name, 'store'), original: join(scratch, name, 'original') }
  makeOriginal(place.original)
  nodeFs.mkdirSync(place.store, { recursive: true })
  const scenario = SCENARIOS.find((s) => s.name === 'checkpoint')
  if (scenario === undefined) throw new Error('no scenario')
  await scenario.before(place)
  await scenario.run(place, nodeFsPort)
  return place.store
}

const again = (store: string): Promise<void> =>
  writing(store, nodeFsPort, (session) => checkpoint(session, session.state.active ?? '', 'again'))

describe('the last line of the journal', () => {
  test('that rotted is not taken for a torn write: nothing is written, and verify says so', async () => {
    const store = await edited('rotted')
    const path = join(store, 'journal/00000001.jsonl')
    const bytes = nodeFs.readFileSync(path)
    bytes[bytes.length - 100] = (bytes[bytes.length - 100] ?? 0) ^ 1
    nodeFs.writeFileSync(path, bytes)
    await expect(again(store)).rejects.toMatchObject({ code: 'JOURNAL_CORRUPT' })
    expect(nodeFs.readFileSync(path).equals(bytes)).toBe(true)
    const report = await verifyStore(contextAt(store))
    expect(report.valid).toBe(false)
    expect(report.issues.map((i) => i.code)).toContain('JOURNAL_CORRUPT')
  })

  test('that was torn before anyone was told is passed over', async () => {
    const store = await edited('torn')
    const path = join(store, 'journal/00000001.jsonl')
    nodeFs.appendFileSync(path, '{"v":1,"epoch":9,"at":"2026-')
    await again(store)
    expect((await verifyStore(contextAt(store))).valid).toBe(true)
  })
})
