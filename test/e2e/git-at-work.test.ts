import { spawn } from 'node:child_process'
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Sandbox } from '../support/sandbox.ts'
import { captured, sample, upgraded } from '../support/sandbox.ts'

/** A developer may run any git command in the repository, at any moment. */

const GC = ['-c', 'gc.pruneExpire=now', 'gc', '--prune=now', '--quiet']

const keeps = (box: Sandbox): string[] => readdirSync(join(box.store, 'repo.git/objects/pack')).filter((name) => name.endsWith('.keep'))

describe('git at work in the repository', () => {
  test('git gc --prune=now after every command takes nothing that the store needs', () => {
    const box = captured()
    const after = (): void => {
      box.git(...GC)
      expect(box.doc('verify').issues).toEqual([])
      expect(keeps(box)).toEqual([])
    }
    after()
    box.edit('config.json', '{"a":1}\n')
    box.ok('checkpoint')
    after()
    box.ok('migrate')
    after()
    box.ok('rollback', '--exact')
    after()
    box.ok('redo')
    after()
    box.git('pack-refs', '--all')
    box.git('-c', 'user.name=Ann', '-c', 'user.email=ann@localhost', 'tag', '-a', '-m', 'mine', 'kept')
    box.git('pack-refs', '--all')
    after()
    box.edit('config.json', '{"a":2}\n')
    box.ok('checkpoint')
    expect(box.git('rev-parse', 'kept^{commit}')).toMatch(/^[0-9a-f]{40}\n$/)
    after()
    expect(box.ok('history', 'config.json')).toContain('Capture 1.0.0')
  })

  test('git gc --prune=now over and over while commands run: nothing is lost, what was in its way comes after', {
    timeout: 120_000,
  }, async () => {
    const box = captured(sample(20))
    box.allowLeftovers()
    const stop = new AbortController()
    const gc = (async () => {
      let rounds = 0
      while (!stop.signal.aborted) {
        await new Promise((resolve) => {
          spawn('git', ['-C', join(box.store, 'repo.git'), '-c', 'safe.directory=*', ...GC], { stdio: 'ignore' }).once('exit', resolve)
        })
        rounds += 1
      }
      return rounds
    })()
    onTestFinished(() => {
      stop.abort()
    })
    const codes: number[] = []
    const run = (...args: string[]): Promise<void> =>
      new Promise((resolve) => {
        box.background(...args).once('exit', (code) => {
          codes.push(code ?? -1)
          resolve()
        })
      })
    await run('migrate')
    for (let i = 0; i < 6; i++) {
      box.edit('config.json', `{"i":${i}}\n`)
      await run('checkpoint')
      await run('rollback', '--exact')
      await run('redo', '--exact')
    }
    stop.abort()
    expect(await gc).toBeGreaterThan(2)
    expect(codes.filter((code) => code !== 0)).toEqual([])
    box.ok('checkpoint')
    expect(box.doc('verify').issues).toEqual([])
    expect(keeps(box)).toEqual([])
    for (const { seq } of box.doc('history', '--all') as { seq: number }[]) expect(seq).toBeGreaterThan(0)
  })

  test('while git holds its locks the journal and CURRENT go on; branches and HEAD follow', () => {
    const box = upgraded()
    const [active, locks] = [box.snapshot(), ['packed-refs', 'HEAD'].map((name) => join(box.store, 'repo.git', `${name}.lock`))]
    for (const lock of locks) writeFileSync(lock, 'of git\n')
    const ran = box.run(['rollback'], { judge: false })
    expect(ran.code).toBe(0)
    expect(ran.stderr).toContain('git is writing to the repository')
    expect(box.snapshot()).not.toBe(active)
    expect(box.git('symbolic-ref', 'HEAD').trim()).toBe(`refs/heads/${active}`)
    // Git's locks are never taken away, not even empty ones.
    for (const text of ['of git\n', '']) {
      for (const lock of locks) writeFileSync(lock, text)
      expect(box.run(['checkpoint'], { judge: false }).code).toBe(0)
      for (const lock of locks) expect(readFileSync(lock, 'utf8')).toBe(text)
    }
    for (const lock of locks) rmSync(lock)
    box.ok('checkpoint')
    expect(box.git('symbolic-ref', 'HEAD').trim()).toBe(`refs/heads/${box.snapshot()}`)
    expect(box.doc('verify').issues).toEqual([])
  })
})
