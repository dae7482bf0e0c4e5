import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as nodeFs from 'node:fs'
import { join, relative } from 'node:path'
import { recover } from '../../src/engine/recover.ts'
import { openSession } from '../../src/engine/session.ts'
import { contextAt } from './scenarios.ts'

/** The independent judge of the crash tests: CURRENT, bytes and stock git; no code of the store but to start it. */

export type Content = ReadonlyMap<string, string>
export type Active = { readonly snapshot: string; readonly content: Content } | null
export type Sides = { readonly before: Active; readonly after: Active }

const contentOf = (dir: string): Content => {
  const found = new Map<string, string>()
  const walk = (at: string): void => {
    for (const entry of nodeFs.readdirSync(at, { withFileTypes: true })) {
      const path = join(at, entry.name)
      if (entry.isDirectory()) walk(path)
      else found.set(relative(dir, path), createHash('sha256').update(nodeFs.readFileSync(path)).digest('hex'))
    }
  }
  walk(dir)
  return new Map([...found].sort())
}

export const same = (a: Content, b: Content): boolean => JSON.stringify([...a]) === JSON.stringify([...b])

/** What an application would find: CURRENT and the directory it names. */
export const activeOf = (store: string): Active => {
  const path = join(store, 'CURRENT')
  if (!nodeFs.existsSync(path)) return null
  const { snapshot, directory } = JSON.parse(nodeFs.readFileSync(path, 'utf8')) as { snapshot: string; directory: string }
  return { snapshot, content: contentOf(join(store, directory)) }
}

/** An application in another language opens CURRENT before anything recovers: what it finds is whole, too. */
export const atOnce = ({ before, after }: Sides, store: string): string[] => {
  try {
    const now = activeOf(store)
    const known = now === null ? before === null : [before, after].some((side) => side !== null && same(now.content, side.content))
    return known ? [] : ['CURRENT names a directory that is neither the old nor the new one']
  } catch (error) {
    return [`CURRENT cannot be used: ${String(error)}`]
  }
}

const fsck = (store: string): string => {
  try {
    execFileSync('git', ['-C', join(store, 'repo.git'), 'fsck', '--strict', '--no-dangling'], { stdio: ['ignore', 'pipe', 'pipe'] })
    return ''
  } catch (error) {
    return String((error as { stderr: Buffer }).stderr)
  }
}

const reopen = async (store: string): Promise<string[]> => {
  const session = await openSession(contextAt(store))
  try {
    return recover(session)
  } finally {
    await session.close()
  }
}

/** Opens the store as the next start would, twice, and says what is wrong with what it finds; an empty list is right. */
export const afterRecovery = async (
  { before, after }: Sides,
  store: string,
  acknowledged: 'this snapshot' | 'this content' | 'nothing',
): Promise<string[]> => {
  const wrong: string[] = []
  try {
    await reopen(store)
    const again = await reopen(store)
    if (again.length > 0) wrong.push(`a second recovery did: ${again.join('; ')}`)
  } catch (error) {
    return [`recovery failed: ${String(error)}`]
  }
  const now = activeOf(store)
  const isOld = before === null ? now === null : now !== null && same(now.content, before.content)
  const isNew = now !== null && after !== null && same(now.content, after.content)
  if (!isOld && !isNew) wrong.push('the active snapshot is neither the old nor the new one')
  if (acknowledged !== 'nothing' && !isNew) wrong.push('acknowledged work is gone')
  if (acknowledged === 'this snapshot' && now?.snapshot !== after?.snapshot)
    wrong.push('another snapshot than the acknowledged one is active')
  if (before !== null) {
    const kept = join(store, 'snapshots', before.snapshot)
    if (!nodeFs.existsSync(kept) || !same(contentOf(kept), before.content)) wrong.push('the snapshot before it is no longer what it was')
  }
  const problems = now === null ? '' : fsck(store)
  return problems === '' ? wrong : [...wrong, `git fsck: ${problems}`]
}
