import * as nodeFs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { planRepair, repairStore } from '../../src/engine/repair.ts'
import { verifyStore } from '../../src/engine/verify.ts'
import type { Seen } from './rot.ts'
import { at, copyStore, filesOf, forgetTimes, makeStore, put, seen } from './rot.ts'

const shared = nodeFs.existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
const scratch = nodeFs.mkdtempSync(join(shared, 'strata-rot-'))
afterAll(() => {
  nodeFs.rmSync(scratch, { recursive: true, force: true })
})

let base = ''
beforeAll(async () => {
  base = await makeStore(scratch)
}, 60_000)

/** Bytes of each file that are tried: all with STRATA_ROT_BYTES=0. */
const BYTES = Number(process.env.STRATA_ROT_BYTES ?? 6)

const positions = (size: number): number[] =>
  BYTES === 0 || size <= BYTES
    ? Array.from({ length: size }, (_, i) => i)
    : Array.from({ length: BYTES }, (_, i) => Math.floor(((i + 0.37) * size) / BYTES))

/** The reserve is room, not data. */
const watched = (store: string): { path: string; size: number }[] => filesOf(store).filter(({ path }) => path !== 'reserve')

type Damage = { readonly what: string; readonly path: string; readonly apply: (file: string) => void }

const damages = (store: string): Damage[] =>
  watched(store)
    .flatMap(({ path, size }): Damage[] => [
      ...positions(size).map(
        (offset): Damage => ({
          what: `byte ${offset} of ${path}`,
          path,
          apply: (file) => {
            const bytes = nodeFs.readFileSync(file)
            bytes[offset] = (bytes[offset] ?? 0) ^ (1 << (offset % 8))
            put(file, bytes)
          },
        }),
      ),
      {
        what: `half of ${path}`,
        path,
        apply: (file) => {
          put(file, nodeFs.readFileSync(file).subarray(0, size >> 1))
        },
      },
      {
        what: `${path} missing`,
        path,
        apply: (file) => {
          nodeFs.rmSync(file)
        },
      },
    ])
    .filter(({ what }) => !what.startsWith('half of') || !what.endsWith('epoch-0'))

describe('single damage', () => {
  test('is found, whatever byte or file it is', { timeout: 600_000 }, async () => {
    const store = copyStore(base, join(scratch, 'found'))
    expect((await verifyStore(at(store))).issues).toEqual([])
    const missed: string[] = []
    for (const { what, path, apply } of damages(store)) {
      const file = join(store, path)
      const before = nodeFs.readFileSync(file)
      apply(file)
      if (path.startsWith('snapshots/')) forgetTimes(store)
      const { issues } = await verifyStore(at(store)).catch((error: unknown) => ({ issues: [String(error)] }))
      if (issues.length === 0) missed.push(what)
      if (!nodeFs.existsSync(file)) nodeFs.writeFileSync(file, before)
      put(file, before)
      if (path.startsWith('snapshots/')) forgetTimes(store)
    }
    expect((await verifyStore(at(store))).issues).toEqual([])
    expect(missed).toEqual([])
  })

  test('is healed, and what the application sees is as it was', { timeout: 600_000 }, async () => {
    const active = seen(base)
    const wrong: string[] = []
    for (const [n, { what, path, apply }] of damages(base).entries()) {
      if (BYTES !== 0 && n % 3 !== 0 && !what.endsWith('missing')) continue
      // The application may have removed it: it is told, and not brought back.
      if (path.startsWith('snapshots/') && what.endsWith('missing')) continue
      const store = copyStore(base, join(scratch, `heal-${n}`))
      apply(join(store, path))
      if (path.startsWith('snapshots/')) forgetTimes(store)
      const trouble = await heal(
        store,
        active,
        what.startsWith('byte') ? 'nothing' : path.endsWith('.pack') ? 'versions' : path.startsWith('journal/') ? 'events' : 'nothing',
      )
      if (trouble !== '') wrong.push(`${what}: ${trouble}`)
      nodeFs.rmSync(store, { recursive: true, force: true })
    }
    expect(wrong).toEqual([])
  })
})

/** What a whole file takes with it: a pack, versions that no directory holds; a journal, events that nothing else tells of. */
const heal = async (store: string, active: Seen, mayLose: 'nothing' | 'events' | 'versions'): Promise<string> => {
  try {
    const { actions } = await planRepair(at(store))
    const { lost } = await repairStore(at(store))
    const after = await verifyStore(at(store))
    if (lost.length > 0 && mayLose === 'nothing') return `lost ${lost.join('; ')} (planned ${actions.join('; ')})`
    if (!after.valid && mayLose !== 'versions') return `still ${after.issues.map((i) => `${i.file ?? ''}: ${i.message}`).join('; ')}`
    // A copy of the store lies in another folder.
    if (JSON.stringify(seen(store).content) !== JSON.stringify(active.content)) return 'the active snapshot is another'
    return ''
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error)
  }
}
