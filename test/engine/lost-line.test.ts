import * as nodeFs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { verifyStore } from '../../src/engine/verify.ts'
import { App } from '../../src/engine/app.ts'
import { activeDirectory, at, edit, makeStore } from '../crash/rot.ts'

const scratch = nodeFs.mkdtempSync(join(tmpdir(), 'strata-lost-'))
afterAll(() => {
  nodeFs.rmSync(scratch, { recursive: true, force: true })
})

/** A store whose last journal line is an acknowledged checkpoint. */
const edited = (name: string): Promise<string> => {
  nodeFs.mkdirSync(join(scratch, name))
  return makeCheckpoint(join(scratch, name))
}

const makeCheckpoint = async (dir: string): Promise<string> => {
  const store = await makeStore(dir)
  edit(join(activeDirectory(store), 'config.json'), (text) => text.replace('Google Resolver', 'Another'))
  await new App(at(store)).checkpoint('edited')
  return store
}

const again = async (store: string): Promise<void> => {
  await new App(at(store)).checkpoint('again')
}

describe('the last line of the journal', () => {
  test('that rotted is not taken for a torn write: nothing is written, and verify says so', async () => {
    const store = await edited('rotted')
    const path = join(store, 'journal/00000001.jsonl')
    const bytes = nodeFs.readFileSync(path)
    bytes[bytes.length - 100] = (bytes[bytes.length - 100] ?? 0) ^ 1
    nodeFs.writeFileSync(path, bytes)
    await expect(again(store)).rejects.toMatchObject({ code: 'JOURNAL_CORRUPT' })
    expect(nodeFs.readFileSync(path).equals(bytes)).toBe(true)
    const report = await verifyStore(at(store))
    expect(report.valid).toBe(false)
    expect(report.issues.map((i) => i.code)).toContain('JOURNAL_CORRUPT')
  })

  test('that was torn before anyone was told is passed over', async () => {
    const store = await edited('torn')
    const path = join(store, 'journal/00000001.jsonl')
    nodeFs.appendFileSync(path, '{"v":1,"epoch":9,"at":"2026-')
    await again(store)
    expect((await verifyStore(at(store))).valid).toBe(true)
  })
})
