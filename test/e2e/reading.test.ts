import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Sandbox } from '../support/sandbox.ts'
import { captured, sample, sandbox, sandboxAt, upgraded } from '../support/sandbox.ts'
import { contents, fingerprint, json, putAll } from '../support/tree.ts'

/** Commands that only look, at one store that all these tests share. */
let box: Sandbox
beforeAll(() => {
  const dir = mkdtempSync(join(tmpdir(), 'strata-reading-'))
  box = sandboxAt(dir)
  putAll(box.data, sample(2))
  box.ok('init', '--from', box.data)
  box.ok('migrate')
  return () => {
    rmSync(dir, { recursive: true, force: true })
  }
})

const DAY = 'data/2025-12-14.json'
const original = (path: string): Buffer => readFileSync(join(box.data, path))

describe('every command that looks', () => {
  const commands = [
    ['status'],
    ['plan'],
    ['history'],
    ['history', 'config.json'],
    ['show', '@'],
    ['show', '@:config.json'],
    ['diff', '@-', '@'],
    ['diff', '@-', '@', 'config.json'],
    ['verify'],
    ['path'],
    ['migrate', '--dry-run'],
    ['rollback', '--dry-run'],
  ]

  it.each(commands.map((c) => [c]))('%j writes nothing at all, and with --json prints exactly one document', (command) => {
    const before = fingerprint(box.store)
    for (const more of [[], ['--json']]) {
      const ran = box.run([...command, ...more], { judge: false })
      expect([0, 2]).toContain(ran.code)
      expect(ran.stdout.endsWith('\n') || command[1]?.includes(':')).toBe(true)
      if (more.length > 0) expect(typeof JSON.parse(ran.stdout)).toBe('object')
    }
    expect(fingerprint(box.store)).toEqual(before)
  })

  it.each([['status'], ['plan'], ['migrate'], ['history'], ['show', '@'], ['verify'], ['path'], ['checkpoint'], ['redo'], ['adopt']])(
    '%s says that there is no store, where and what to do, and makes none',
    (...command) => {
      const empty = sandbox({})
      const ran = empty.run(command)
      expect(ran.stdout + ran.stderr).toContain(empty.store)
      expect(ran.stdout + ran.stderr).toContain('init')
      expect(readdirSync(empty.dir)).toEqual(['data'])
    },
  )
})

describe('status and plan', () => {
  it('exit 2 while migrations are pending, 0 when there are none', () => {
    const pending = captured()
    expect(pending.run(['status']).code).toBe(2)
    expect(pending.run(['plan']).code).toBe(2)
    expect(box.run(['status']).code).toBe(0)
    expect(box.run(['plan']).code).toBe(0)
  })

  it('say what is pending, step by step', () => {
    const pending = captured()
    const { state, needed, currentVersion, targetVersion, pending: steps } = pending.doc('status')
    expect({ state, needed, currentVersion, targetVersion }).toEqual({
      state: 'pending',
      needed: true,
      currentVersion: '1.0.0',
      targetVersion: '2.2.0',
    })
    expect(steps.map((s: { version: string }) => s.version)).toEqual(['1.1.0', '1.2.0', '2.0.0', '2.1.0', '2.2.0'])
    const said = pending.run(['plan']).stdout
    for (const words of ['Add endpoint metadata fields', 'Change timestamp format', 'Restructure configuration', 'aggregation'])
      expect(said).toContain(words)
  })

  it('plan --to stops earlier, and refuses a version that does not exist or lies behind', () => {
    const pending = captured()
    expect(pending.doc('plan', '--to', '1.2.0').plan.steps).toHaveLength(2)
    expect(pending.refused('plan', '--to', '9.9.9')).toMatchObject({ code: 'ABSENT', hint: expect.stringContaining('2.2.0') })
    expect(box.refused('plan', '--to', '1.1.0')).toMatchObject({ code: 'BAD_ARGUMENT', hint: expect.stringContaining('rollback 1.2.0') })
  })

  it('plan counts what the application has written since the last checkpoint', () => {
    const edited = captured()
    edited.edit(DAY, '[]')
    expect(edited.doc('plan').edited).toEqual([DAY])
    expect(edited.run(['plan']).stdout).toContain('1 file')
  })

  it('path prints the active directory and nothing else', () => {
    expect(box.ok('path')).toBe(`${box.active()}\n`)
    expect(box.doc('path').path).toBe(box.active())
  })
})

describe('show', () => {
  const nameOf = (spec: string): string => box.doc('show', spec).snapshot.id

  it('knows a snapshot by @, @-, its version, its id, and the beginning of it', () => {
    const active = box.snapshot()
    expect(nameOf('@')).toBe(active)
    expect(nameOf('2.2.0')).toBe(active)
    expect(nameOf(active)).toBe(active)
    expect(nameOf(active.slice(0, 8))).toBe(active)
    expect(nameOf('@-')).toBe(nameOf('1.0.0'))
  })

  it('gives the exact bytes of a file in any snapshot', () => {
    for (const path of ['config.json', DAY]) {
      expect(Buffer.from(box.doc('show', `1.0.0:${path}`).base64, 'base64')).toEqual(original(path))
      expect(box.ok('show', `@-:${path}`)).toBe(original(path).toString())
      expect(box.ok('show', `@:${path}`)).toBe(readFileSync(join(box.active(), path), 'utf8'))
    }
  })

  it('lists the files, and says which is active', () => {
    const view = box.doc('show', '@')
    expect(view.active).toBe(true)
    expect(view.files.map((f: { path: string }) => f.path)).toEqual(Object.keys(contents(box.active())))
    expect(box.doc('show', '1.0.0').active).toBe(false)
  })

  it.each([
    ['nope', 'ABSENT'],
    ['@--', 'ABSENT'],
    ['2', 'AMBIGUOUS'],
    ['@:nope.json', 'ABSENT'],
    ['@:data', 'ABSENT'],
    ['@:../../CURRENT', 'ABSENT'],
  ])('%s is %s, with a hint', (name, code) => {
    const error = box.refused('show', name)
    expect(error.code).toBe(code)
    expect(error.hint).not.toBe('')
  })
})

describe('diff', () => {
  it('lists what a migration changed, as stock git does', () => {
    const found = box.doc('diff', '@-', '@')
    const lines = box.git('diff', '--name-status', '--no-renames', found.before.id, found.after.id, '--', 'files').trim().split('\n')
    const letters = { added: 'A', changed: 'M', removed: 'D' }
    expect(found.files.map((f: { path: string; change: keyof typeof letters }) => `${letters[f.change]}\tfiles/${f.path}`).sort()).toEqual(
      lines.sort(),
    )
    expect(lines).toContain('A\tfiles/aggregated/2025-12-14-hourly.json')
  })

  it('shows one file line by line, and a folder by its files', () => {
    const said = box.ok('diff', '@-', '@', 'config.json')
    expect(said).toContain('--- a/config.json')
    expect(said).toMatch(/^\+ {2}"header": \{$/m)
    expect(box.doc('diff', '@-', '@', 'aggregated/').files).toHaveLength(4)
  })

  it('exits 0, and 2 with --exit-code when there are differences', () => {
    expect(box.run(['diff', '@-', '@']).code).toBe(0)
    expect(box.run(['diff', '@-', '@', '--exit-code']).code).toBe(2)
    expect(box.run(['diff', '@', '@', '--exit-code']).code).toBe(0)
  })
})

describe('history', () => {
  it('tells newest first what happened, ending with the creation of the store', () => {
    const types = box.doc('history').map((e: { type: string }) => e.type)
    expect(types.at(-1)).toBe('StoreCreated')
    expect(types).toContain('SnapshotCaptured')
    expect(types.indexOf('SnapshotActivated')).toBeLessThan(types.indexOf('MigrationStarted'))
  })

  it('follows one file through checkpoints and migrations', () => {
    const edited = upgraded()
    edited.edit(DAY, `${readFileSync(join(edited.active(), DAY), 'utf8')}\n`)
    edited.ok('checkpoint', '-m', 'by hand')
    const found = edited.doc('history', DAY)
    expect(found.map((v: { change: string }) => v.change)).toEqual(['changed', 'changed', 'changed', 'changed', 'added'])
    expect(edited.refused('history', 'data/1999-01-01.json')).toMatchObject({ code: 'ABSENT' })
  })

  it('history --job tells the steps of a job and what they warned about', () => {
    const job = box.doc('status').lastJob
    const said = box.ok('history', '--job', job.id)
    for (const version of ['1.1.0', '1.2.0', '2.0.0', '2.1.0', '2.2.0']) expect(said).toContain(`step ${version}`)
    expect(box.refused('history', '--job', 'job-nope')).toMatchObject({ code: 'ABSENT' })
  })

  it('is in git log, too', () => {
    const log = box.git('log', '--graph', '--all', '--format=%s%n%(trailers:key=Migration)%(trailers:key=Strata-Snapshot)')
    for (const words of ['Capture 1.0.0', box.snapshot(), '1.0.0']) expect(log).toContain(words)
    expect(box.git('symbolic-ref', 'HEAD').trim()).toBe(`refs/heads/${box.snapshot()}`)
    const parents = box.git('log', '--format=%H', box.snapshot()).trim().split('\n')
    expect(parents).toHaveLength(6)
  })
})

describe('arguments', () => {
  const spoken = (...args: string[]): string => {
    const ran = box.run(args)
    expect(ran.code).toBe(1)
    expect(ran.stdout).toBe('')
    return ran.stderr
  }

  it('an unknown command is suggested', () => {
    expect(spoken('migrat')).toContain('Did you mean migrate?')
    expect(spoken('frobnicate')).toContain('--help')
  })

  it.each([
    [['status', '--frob'], '--frob'],
    [['status', 'extra'], 'extra'],
    [['diff', '@'], 'A B'],
    [['show'], 'SNAPSHOT'],
    [['migrate', '--to'], '--to'],
    [['history', 'a', 'b'], 'b'],
    [['migrate', '--exact'], '--exact'],
    [['migrate', '--wait', 'soon'], '--wait'],
  ])('%j names what is wrong', (args, word) => {
    expect(spoken(...args)).toContain(word)
  })

  it('with --json the error is the one document on stdout', () => {
    const ran = box.run(['frobnicate', '--json'])
    expect(ran.code).toBe(1)
    expect(JSON.parse(ran.stdout).error.code).toBe('BAD_ARGUMENT')
  })

  it('--help, COMMAND --help and --version exit 0', () => {
    for (const args of [['--help'], ['migrate', '--help'], ['--version']]) expect(box.run(args).code).toBe(0)
    expect(box.ok('rollback', '--help')).toContain('--exact')
  })

  it('a migrations module that is missing or exports no dataset is named', () => {
    const missing = join(box.dir, 'nope.mjs')
    expect(box.refused('plan', '--migrations', missing).message).toContain(missing)
    putAll(box.dir, { 'empty.mjs': 'export const a = 1' })
    const error = box.refused('plan', '--migrations', join(box.dir, 'empty.mjs'))
    expect(error.message).toContain('empty.mjs')
    expect(error.hint).not.toBe('')
  })

  it('colours nothing when it is piped', () => {
    expect(box.run(['status'], { env: { FORCE_COLOR: '1' } }).stdout).not.toContain('\u001b[')
  })

  it('CURRENT tells an application in any language where its data is', () => {
    const current = json(box.store, 'CURRENT')
    expect(current).toMatchObject({ format: 1, schemaVersion: '2.2.0', hold: null })
    expect(current.readableBy).toContain('2.2.0')
    expect(current.directory).toBe(`snapshots/${current.snapshot}`)
  })
})
