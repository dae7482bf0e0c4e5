import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import type { Tree } from './tree.ts'
import { below, digestOf } from './tree.ts'

/** What stock git says of a store's repository; the same bytes are asked about once. */
export type GitFacts = {
  /** What `git fsck --strict` complains of; empty is right. */
  readonly problems: string
  readonly branches: ReadonlyMap<string, string>
  /** Every commit that a branch leads to. */
  readonly commits: ReadonlySet<string>
}

const ENVIRONMENT = { PATH: process.env.PATH ?? '', LC_ALL: 'C.UTF-8', GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' }
const git = (repository: string, args: readonly string[], input = ''): Buffer =>
  execFileSync('git', ['-c', 'safe.directory=*', '-C', repository, ...args], {
    env: ENVIRONMENT,
    input,
    stdio: ['pipe', 'pipe', 'pipe'],
    maxBuffer: 1 << 28,
  })

const fsck = (repository: string): string => {
  try {
    git(repository, ['fsck', '--strict', '--no-dangling'])
    return ''
  } catch (error) {
    return String((error as { stderr: Buffer }).stderr).trim() || String(error)
  }
}

/** The files of a commit; its tree's names need no escaping in these tests. */
const readCommit = (repository: string, commit: string): Tree => {
  const rows = git(repository, ['ls-tree', '-r', '-z', `${commit}:files`])
    .toString('utf8')
    .split('\0')
    .flatMap((row) => {
      const [, oid, path] = /^\d+ blob ([0-9a-f]{40})\t(.*)$/.exec(row) ?? []
      return oid === undefined || path === undefined ? [] : [{ oid, path }]
    })
  const batch = git(repository, ['cat-file', '--batch'], rows.map(({ oid }) => `${oid}\n`).join(''))
  const files = new Map<string, Buffer>()
  let at = 0
  for (const { oid, path } of rows) {
    const end = batch.indexOf(0x0a, at)
    const [found, type, size] = batch.toString('latin1', at, end).split(' ')
    if (found !== oid || type !== 'blob') throw new Error(`${path} is not in the repository`)
    files.set(path, batch.subarray(end + 1, end + 1 + Number(size)))
    at = end + 2 + Number(size)
  }
  return files
}

/** Asks stock git; a commit's id stands for its content once fsck has found nothing. */
export class GitJudge {
  readonly #facts = new Map<string, GitFacts>()
  readonly #commits = new Map<string, ReadonlySet<string>>()
  readonly #files = new Map<string, Tree>()

  /** How many different repositories were asked about. */
  get repositories(): number {
    return this.#facts.size
  }

  facts(store: string, tree: Tree): GitFacts {
    const key = digestOf(below(tree, 'repo.git'))
    const known = this.#facts.get(key)
    if (known !== undefined) return known
    const made = this.#look(join(store, 'repo.git'))
    this.#facts.set(key, made)
    return made
  }

  /** The files that a commit holds, as stock git gives them. */
  files(store: string, commit: string): Tree {
    const known = this.#files.get(commit)
    if (known !== undefined) return known
    const made = readCommit(join(store, 'repo.git'), commit)
    this.#files.set(commit, made)
    return made
  }

  #look(repository: string): GitFacts {
    const problems = fsck(repository)
    const refs = git(repository, ['for-each-ref', '--format=%(objectname) %(refname)']).toString('utf8')
    const branches = new Map(refs.split('\n').flatMap((row) => (row === '' ? [] : [[row.slice(41), row.slice(0, 40)] as const])))
    const known = problems === '' ? this.#commits.get(refs) : undefined
    const commits = known ?? new Set(problems === '' ? git(repository, ['rev-list', '--all']).toString('utf8').trim().split('\n') : [])
    if (problems === '') this.#commits.set(refs, commits)
    return { problems, branches, commits }
  }
}
