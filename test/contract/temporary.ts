import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { StrataError } from '../../src/core/errors.ts'

/** A directory that is gone when the test ends. */
export const temporary = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'strata-test-'))
  chmodSync(dir, 0o755)
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

/** Stock git is the judge: no configuration but the repository's own, and a fixed author. */
const ENVIRONMENT = {
  PATH: process.env.PATH ?? '',
  LC_ALL: 'C.UTF-8',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_AUTHOR_NAME: 'A',
  GIT_AUTHOR_EMAIL: 'a@b',
  GIT_COMMITTER_NAME: 'C',
  GIT_COMMITTER_EMAIL: 'c@d',
  GIT_AUTHOR_DATE: '1700000000 +0100',
  GIT_COMMITTER_DATE: '1700000001 -0330',
}

export const gitBytes = (dir: string, args: readonly string[], input?: string | Uint8Array): Buffer =>
  execFileSync('git', ['-c', 'safe.directory=*', '-C', dir, ...args], {
    env: ENVIRONMENT,
    input: input ?? '',
    maxBuffer: 1 << 28,
    stdio: ['pipe', 'pipe', 'pipe'],
  })

export const git = (dir: string, args: readonly string[], input?: string | Uint8Array): string =>
  gitBytes(dir, args, input).toString('utf8').trimEnd()

/** The StrataError that `run` throws. */
export const failure = (run: () => unknown): StrataError => {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(StrataError)
    return error as StrataError
  }
  throw new Error('nothing was thrown')
}

export const failureLater = async (run: () => Promise<unknown>): Promise<StrataError> => {
  try {
    await run()
  } catch (error) {
    expect(error).toBeInstanceOf(StrataError)
    return error as StrataError
  }
  throw new Error('nothing was thrown')
}
