import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { captured, sample, sandbox, upgraded } from '../support/sandbox.ts'
import { put } from '../support/tree.ts'

/** What the command line does for people: lineage, differences by field, one record's way, completion, a report for a maintainer. */

const DAY = 'data/2026-01-02.json'

describe('diff', () => {
  it('tells a migration by kind, record and field', () => {
    const box = upgraded()
    const said = box.ok('diff', '@-', '@')
    expect(said).toMatch(/daily: 2 files changed, \d+ of \d+ records changed, 0 added, 0 removed/)
    expect(said).toMatch(/\+ results\[\]\.ts +\d+×/)
    expect(said).toMatch(/aggregatedHourly: 2 files added/)
    const { kinds } = box.doc('diff', '@-', '@')
    const daily = kinds.find((k: { kind: string }) => k.kind === 'daily')
    expect(daily.records.before).toBe(daily.records.after)
    expect(daily.records.changed).toBe(daily.records.before)
  })

  it('--files lists every file and reads none', () => {
    const box = upgraded()
    expect(box.ok('diff', '@-', '@', '--files').trim().split('\n')).toHaveLength(Number(box.doc('diff', '@-', '@').files.length) + 1)
  })

  it('of what the application wrote: the record that came in', () => {
    const box = upgraded()
    const before = box.git('rev-parse', 'HEAD').trim()
    expect(before).not.toBe('')
    const path = readdirSync(join(box.active(), 'data'))[0] ?? ''
    const day = JSON.parse(readFileSync(join(box.active(), 'data', path), 'utf8'))
    day.results.push({ ...day.results[0], latency_ms: 4711 })
    put(box.active(), `data/${path}`, JSON.stringify(day, null, 2))
    box.ok('checkpoint')
    box.ok('rollback', '--exact')
    const { kinds } = box.doc('diff', '1.0.0', '2.2.0', `data/${path}`)
    expect(kinds[0].records.after).toBe(Number(kinds[0].records.before) + 1)
  })
})

describe('trace', () => {
  it('shows one record after each step, and what each changed', () => {
    const box = upgraded()
    const path = `data/${readdirSync(join(box.data, 'data'))[0] ?? ''}`
    const traced = box.doc('trace', path, '--record', '1')
    expect(traced.map((t: { schemaVersion: string }) => t.schemaVersion)).toEqual(['1.0.0', '1.1.0', '1.2.0', '2.0.0', '2.1.0', '2.2.0'])
    expect(traced[2].fields.map((f: { field: string }) => f.field)).toEqual(['timestamp', 'ts'])
    expect(traced[4].value).toEqual(traced[2].value)
    expect(box.ok('trace', path, '--record', '1')).toContain('Change timestamp format')
    expect(box.ok('trace', 'config.json')).toContain('intervalSeconds')
  })

  it.each([
    [['trace', 'nope.json'], 'ABSENT'],
    [['trace', 'config.json', '--record', '3'], 'ABSENT'],
    [['trace', 'config.json', '--record', 'x'], 'BAD_ARGUMENT'],
    [['trace', 'config.json', '--at', 'nope'], 'ABSENT'],
  ])('%j is refused with %s', (args, code) => {
    expect(upgraded().refused(...args).code).toBe(code)
  })
})

describe('history', () => {
  it('is of the newest events, as many as wanted; the rest is a word away', () => {
    const box = upgraded()
    for (let n = 0; n < 6; n++) {
      box.edit('notes.txt', `note ${n}`)
      box.ok('checkpoint', '-m', `number ${n}`)
    }
    const all = box.doc('history')
    expect(all.length).toBeGreaterThan(12)
    expect(box.doc('history', '--count', '4')).toEqual(all.slice(0, 4))
    const few = box.ok('history', '--count', '4')
    expect(few).toContain('number 5')
    expect(few).not.toContain('number 0')
    expect(few).toContain('older events: strata history --all')
    expect(box.ok('history', '--all')).not.toContain('older events')
    expect(box.refused('history', '--count', 'many')).toMatchObject({ code: 'BAD_ARGUMENT' })
    expect(box.refused('history', '--count', '0')).toMatchObject({ code: 'BAD_ARGUMENT' })
  })

  it('that nobody reads to its end is no error', () => {
    const box = upgraded()
    const { status, stderr } = spawnSync(
      'sh',
      ['-c', `"${process.execPath}" "${box.program}" --store "${box.store}" history --all --json | head -c 1`],
      {
        encoding: 'utf8',
      },
    )
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })

  it('draws the lineage: each snapshot a column that ends where it was made from another', () => {
    const box = upgraded()
    box.ok('rollback')
    const lines = box.ok('history').split('\n')
    const at = (word: string): string => lines.find((line) => line.includes(word)) ?? ''
    expect(at('(rollback)')).toMatch(/^● /)
    expect(at('(migration)')).toMatch(/^│ ●/)
    expect(lines.some((line) => /^├─╯$/.test(line))).toBe(true)
    expect(at('captured 1.0.0')).toMatch(/^● /)
  })
})

describe('doctor', () => {
  it('gathers a report without any data of the user', () => {
    const box = captured(sample(2))
    put(box.active(), 'secret-name.json', '{"password":"hunter2"}')
    writeFileSync(join(box.active(), DAY), 'not json')
    box.ok('checkpoint')
    box.run(['migrate'])
    const said = box.ok('doctor')
    const report = JSON.parse(said)
    expect(report.store.snapshots.length).toBeGreaterThan(0)
    expect(report.journal.events.CheckpointTaken).toBe(1)
    expect(report.store.jobs).toHaveLength(1)
    for (const word of ['secret-name', 'hunter2', 'Google', '8.8.8.8', box.dir, '2026-01-02', 'config.json'])
      expect(said).not.toContain(word)
  })

  it('works without a store, and on a damaged one', () => {
    expect(JSON.parse(sandbox().ok('doctor')).store).toBeNull()
    const box = upgraded()
    const [segment = ''] = readdirSync(join(box.store, 'journal')).filter((name) => name.endsWith('.jsonl'))
    writeFileSync(join(box.store, 'journal', segment), 'garbage\n')
    expect(JSON.parse(box.ok('doctor')).store).toEqual({ error: 'JOURNAL_CORRUPT' })
  })
})

describe('a shell', () => {
  it('bash completes commands and their options', () => {
    const script = sandbox().ok('completion', 'bash')
    const complete = (...words: string[]): string[] => {
      const line = `${script}\nCOMP_WORDS=(strata ${words.map((w) => `'${w}'`).join(' ')}); COMP_CWORD=${words.length}; _strata; printf '%s\\n' "\${COMPREPLY[@]}"`
      return spawnSync('bash', ['-c', line], { encoding: 'utf8' }).stdout.trim().split('\n')
    }
    expect(complete('roll')).toEqual(['rollback'])
    expect(complete('migrate', '--dry')).toEqual(['--dry-run'])
    expect(complete('--json', 'diff', '--ex')).toEqual(['--exit-code'])
  })

  it.each(['bash', 'zsh', 'fish'])('completion for %s names every command', (shell) => {
    const box = sandbox()
    const commands = [...box.ok('--help').matchAll(/^ {2}([a-z]+)\b/gm)].map(([, name = '']) => name)
    expect(commands.length).toBeGreaterThan(15)
    const script = box.ok('completion', shell)
    for (const name of commands) expect(script).toContain(name)
  })

  it('the manual page has every command', () => {
    const page = sandbox().ok('manual')
    expect(page).toMatch(/^\.TH STRATA 1/)
    for (const name of ['migrate', 'rollback', 'trace', 'doctor']) expect(page).toContain(`.SS strata ${name}`)
  })

  it('a mistyped option is suggested', () => {
    const box = sandbox()
    expect(box.refused('migrate', '--dry-rum').hint).toBe('Did you mean --dry-run?')
    expect(box.refused('status', '--sore', 'x').hint).toBe('Did you mean --store?')
  })
})

describe('a program', () => {
  it('with --json progress and logs are lines of JSON on stderr, the result one document on stdout', () => {
    const box = captured(sample(3))
    const ran = box.run(['migrate', '--json'])
    expect(JSON.parse(ran.stdout).job.status).toBe('completed')
    const lines = ran.stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    const phases = lines.flatMap((line) => (line.progress === undefined ? [] : [line.progress.phase]))
    expect(new Set(phases)).toEqual(
      new Set(['planning', 'backup', 'migrating', 'verifying', 'activating', 'done'].filter((p) => phases.includes(p))),
    )
    expect(phases).toContain('migrating')
    expect(lines.some((line) => line.log?.message !== undefined)).toBe(true)
  })

  it('Ctrl-C cancels a migration cleanly and says what stayed', async () => {
    const box = captured(sample(60))
    const [before, staging] = [box.snapshot(), join(box.store, 'staging')]
    const child = box.background('migrate')
    let said = ''
    child.stdout?.on('data', (data: Buffer) => (said += data.toString()))
    child.stderr?.on('data', (data: Buffer) => (said += data.toString()))
    const end = once(child, 'exit')
    while (child.exitCode === null && readdirSync(staging).length === 0) await sleep(1)
    child.kill('SIGINT')
    const [code] = (await end) as [number | null]
    // It may have been past its switch by then.
    if (code === 0) return
    expect(code).toBe(130)
    expect(said).toContain('what is active stays active')
    expect(box.snapshot()).toBe(before)
    expect(readdirSync(staging)).toEqual([])
    expect(box.doc('status').lastJob).toMatchObject({ status: 'failed', errorCode: 'CANCELLED' })
    box.ok('migrate')
  })
})
