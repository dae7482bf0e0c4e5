import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { chmodSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { MISSING, launch, serious } from '../support/browser.ts'
import { captured, migrated, sample } from '../support/sandbox.ts'
import type { Sandbox } from '../support/sandbox.ts'
import { serving } from '../support/server.ts'
import { json, put } from '../support/tree.ts'

/** The page in a real browser, on a real store. STRATA_SHOTS=DIR keeps pictures of it. */

const DAY = 'data/2025-12-14.json'
const SHOTS = process.env.STRATA_SHOTS

describe.skipIf(MISSING !== '')(`the page${MISSING}`, () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await launch()
  })
  afterAll(async () => {
    await browser.close()
  })

  type Look = { width?: number; height?: number; dark?: boolean }

  /** The page on a store, with everything that the browser complained of. */
  const opened = async (box: Sandbox, { width = 1280, height = 900, dark = false }: Look = {}) => {
    const server = await serving(box)
    const context = await browser.newContext({ viewport: { width, height }, colorScheme: dark ? 'dark' : 'light' })
    onTestFinished(() => context.close())
    const page = await context.newPage()
    // Before the test's own time is over: the error then says what was waited for.
    page.setDefaultTimeout(15_000)
    const complaints: string[] = []
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
    })
    page.on('pageerror', (error) => complaints.push(String(error)))
    await page.goto(server.address)
    await page.getByRole('heading', { name: 'Active snapshot' }).waitFor()
    return { server, page, complaints, box }
  }

  const shot = async (page: Page, name: string): Promise<void> => {
    if (SHOTS === undefined) return
    mkdirSync(SHOTS, { recursive: true })
    await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true })
  }

  const records = (box: Sandbox): unknown[] => {
    const day = json(box.active(), DAY) as { results: unknown[] } | unknown[]
    return Array.isArray(day) ? day : day.results
  }

  /** One more record, as the application of the newest version would write it. */
  const written = (box: Sandbox): void => {
    const day = json(box.active(), DAY) as { results: { ts: number }[] }
    const last = day.results.at(-1)
    put(box.active(), DAY, { ...day, results: [...day.results, { ...last, ts: (last?.ts ?? 0) + 60_000 }] })
  }

  test('shows what is active, how it is, and what happened', async () => {
    const { page, complaints } = await opened(migrated(sample(7)))
    const active = page.getByRole('region', { name: 'Active snapshot' })
    expect(await active.textContent()).toContain('2.2.0')
    expect(await active.textContent()).toContain('readable by')
    const timeline = page.getByRole('region', { name: 'What happened' })
    expect(await timeline.textContent()).toMatch(/Migrated 1\.0\.0 → 2\.2\.0/)
    for (const step of [
      'Add endpoint metadata fields',
      'Change timestamp format',
      'Restructure configuration format',
      'Add aggregation data',
      'Compact history',
    ])
      expect(await timeline.textContent()).toContain(step)
    expect(await page.getByRole('region', { name: 'Snapshots' }).getByRole('row').count()).toBe(7)
    expect(await page.getByRole('img').getAttribute('aria-label')).toMatch(/Data in all snapshots over time/)
    await shot(page, 'wide')
    expect(complaints).toEqual([])
  })

  test('goes back with a second click, after the first has told what that means; new records come along; returning is beside it', async () => {
    const box = migrated(sample(7))
    const before = records(box).length
    written(box)
    const { page, complaints } = await opened(box)
    await page.getByRole('button', { name: /^Go back to 1\.0\.0/ }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('comes along').waitFor()
    const told = (await dialog.textContent()) ?? ''
    for (const word of ['1.0.0', 'verified', 'cannot read', DAY, '1 new record', 'Automatic upgrading is off', 'strata redo'])
      expect(told).toContain(word)
    await shot(page, 'going-back')
    expect(box.current().schemaVersion).toBe('2.2.0')
    await dialog.getByRole('button', { name: /now$/ }).click()
    await page.getByRole('button', { name: /^Return to 2\.2\.0/ }).waitFor()
    expect(box.current().schemaVersion).toBe('1.0.0')
    expect(records(box)).toHaveLength(before + 1)
    await shot(page, 'gone-back')
    await page.getByRole('button', { name: /^Return to 2\.2\.0/ }).click()
    await page.getByRole('dialog').getByRole('button', { name: /now$/ }).click()
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
    expect(box.current().schemaVersion).toBe('2.2.0')
    expect(records(box)).toHaveLength(before + 1)
    expect(complaints).toEqual([])
  })

  test('what changed while it was being read is not switched over: the second click says so, and nothing happens', async () => {
    const box = migrated()
    const { page } = await opened(box)
    await page.getByRole('button', { name: /^Go back to \d/ }).click()
    const go = page.getByRole('dialog').getByRole('button', { name: /now$/ })
    await go.waitFor()
    box.ok('checkpoint', '-m', 'by another')
    written(box)
    box.ok('checkpoint', '-m', 'by another')
    await go.click()
    await page.getByRole('dialog').getByRole('alert').waitFor()
    expect(await page.getByRole('dialog').textContent()).toContain('STALE')
    expect(box.current().schemaVersion).toBe('2.2.0')
  })

  test('upgrades, with progress, and shows the end by itself', async () => {
    const box = captured(sample(7))
    const { page, complaints } = await opened(box)
    await shot(page, 'before-upgrade')
    await page.getByRole('button', { name: 'Upgrade to 2.2.0' }).click()
    await page.getByRole('region', { name: 'What happened' }).getByText('Migrated 1.0.0 → 2.2.0').waitFor()
    // The journal has it a moment before the pointer does.
    await page
      .getByRole('button', { name: /^Go back/ })
      .first()
      .waitFor()
    expect(box.current().schemaVersion).toBe('2.2.0')
    expect(complaints).toEqual([])
  })

  test('follows what another process does', async () => {
    const box = migrated()
    const { page } = await opened(box)
    box.ok('rollback')
    await page.getByRole('button', { name: /^Return to 2\.2\.0/ }).waitFor()
    box.ok('redo')
    await page.getByRole('button', { name: /^Return to/ }).waitFor({ state: 'hidden' })
  })

  test('verifies, and says what is damaged and what heals it', async () => {
    const box = migrated()
    const { page } = await opened(box)
    const verify = page.getByRole('button', { name: 'Verify every byte' })
    const active = page.getByRole('region', { name: 'Active snapshot' })
    await verify.click()
    await active.getByText('files and objects read and compared').waitFor()
    expect(await active.textContent()).toContain('0 errors')
    const [pack = ''] = readdirSync(join(box.store, 'repo.git/objects/pack')).filter((name) => name.endsWith('.pack'))
    const path = join(box.store, 'repo.git/objects/pack', pack)
    const bytes = readFileSync(path)
    bytes[40] = (bytes[40] ?? 0) ^ 1
    chmodSync(path, 0o600)
    writeFileSync(path, bytes)
    await verify.click()
    await active.getByText('strata repair').waitFor()
    await shot(page, 'damaged')
  })

  test('shows differences by kind, record and field, and the records of each day', async () => {
    const { page, complaints } = await opened(migrated(sample(7)))
    await page.getByRole('button', { name: 'What it changed' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('heading', { name: 'daily', exact: true }).waitFor()
    expect(await dialog.textContent()).toMatch(/endpoint_id/)
    await dialog.getByRole('button', { name: /Count the records/ }).click()
    await dialog.getByText('the same number before and after on every one').waitFor()
    await shot(page, 'differences')
    expect(await serious(page)).toEqual([])
    expect(complaints).toEqual([])
  })

  test('shows a file of any snapshot, and saves a copy that is the same to the byte', async () => {
    const box = migrated(sample(7))
    const { page } = await opened(box)
    await page.getByRole('button', { name: /^Files of 1\.0\.0/ }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('searchbox').fill('12-14')
    await dialog.getByRole('button', { name: `Show ${DAY}` }).click()
    await dialog.locator('pre').waitFor()
    expect(await dialog.locator('pre').textContent()).toContain('"timestamp"')
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      dialog.getByRole('button', { name: `Save a copy of ${DAY}` }).click(),
    ])
    const saved = (await (await download.createReadStream()).toArray()) as Buffer[]
    expect(Buffer.concat(saved).equals(readFileSync(join(box.data, DAY)))).toBe(true)
  })

  test('puts a file back into the active data, and going back undoes it', async () => {
    const box = migrated(sample(7))
    const before = records(box).length
    const day = json(box.active(), DAY) as { results: unknown[] }
    box.edit(DAY, { ...day, results: day.results.slice(0, 3) })
    box.ok('checkpoint')
    const { page, complaints } = await opened(box)
    await page.getByRole('button', { name: /^Files of 1\.0\.0/ }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('searchbox').fill('12-14')
    await dialog.getByRole('button', { name: `Put ${DAY} back` }).click()
    expect(records(box)).toHaveLength(3)
    await dialog.getByRole('button', { name: 'Put it back now' }).click()
    await dialog.getByText('Going back undoes it').waitFor()
    expect(records(box)).toHaveLength(before)
    box.ok('rollback')
    expect(records(box)).toHaveLength(3)
    expect(complaints).toEqual([])
  })

  test.each([
    { name: 'light', width: 1280 },
    { name: 'dark', width: 1280, dark: true },
    { name: 'narrow', width: 360, height: 740 },
    { name: 'narrow-dark', width: 360, height: 740, dark: true },
  ])('has no serious finding of axe-core, and nothing sticks out: $name', async ({ name, ...look }) => {
    const box = migrated(sample(7))
    box.ok('rollback')
    const { page } = await opened(box, look)
    await shot(page, name)
    expect(await serious(page)).toEqual([])
    expect(await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')).toBe(0)
    await page.getByRole('button', { name: /^Return to/ }).click()
    await page.getByRole('dialog').getByRole('button', { name: /now$/ }).waitFor()
    await shot(page, `${name}-dialog`)
    expect(await serious(page)).toEqual([])
  })

  test('pins a snapshot, and makes room: what goes and why first, a second click does it', async () => {
    const box = migrated(sample(3))
    const { page, complaints } = await opened(box)
    await page.getByRole('button', { name: /^Pin 1\.1\.0/ }).click()
    await page.getByRole('button', { name: /^Unpin 1\.1\.0/ }).waitFor()
    await page.getByRole('button', { name: 'Make room …' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('button', { name: /^Remove 3 directory copies now/ }).waitFor()
    const told = (await dialog.textContent()) ?? ''
    for (const word of ['active', 'before the last job', 'pinned', 'goes']) expect(told).toContain(word)
    expect(await serious(page)).toEqual([])
    await shot(page, 'make-room')
    expect(readdirSync(join(box.store, 'snapshots'))).toHaveLength(6)
    await dialog.getByRole('button', { name: /^Remove/ }).click()
    await dialog.getByText('are free again').waitFor()
    expect(
      readdirSync(join(box.store, 'snapshots'))
        .map((name) => name.slice(0, 5))
        .sort(),
    ).toEqual(['1.0.0', '1.1.0', '2.2.0'])
    await shot(page, 'made-room')
    expect(box.doc('verify').valid).toBe(true)
    expect(complaints).toEqual([])
  })

  test('can be used by keyboard alone', async () => {
    const box = migrated()
    const { page } = await opened(box)
    for (let i = 0; i < 30; i++) {
      await page.keyboard.press('Tab')
      if (await page.evaluate('document.activeElement.textContent.startsWith("Go back to 1")')) break
    }
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').getByRole('button', { name: /now$/ }).waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
    expect(box.current().schemaVersion).toBe('2.2.0')
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').getByRole('button', { name: /now$/ }).waitFor()
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: /^Return to/ }).waitFor()
    expect(box.current().schemaVersion).toBe('1.0.0')
  })

  test('names from data are text, whatever they look like', async () => {
    const box = migrated()
    const name = '<img src=x onerror="document.title=1">.json'
    put(box.active(), name, '{}')
    box.ok('checkpoint')
    const { page, complaints } = await opened(box)
    await page.getByRole('button', { name: /^Files of 2\.2\.0/ }).click()
    await page.getByRole('dialog').getByText(name, { exact: true }).waitFor()
    expect(await page.locator('img').count()).toBe(0)
    expect(complaints).toEqual([])
  })

  test('is under 100 KB compressed, asks nobody else, and has nothing inline', async () => {
    const box = migrated()
    const server = await serving(box)
    const parts = await Promise.all(['/', '/page.js', '/style.css'].map((path) => server.ask('GET', path)))
    expect(parts.reduce((sum, { text }) => sum + gzipSync(text).length, 0)).toBeLessThan(100 * 1024)
    expect(parts.map(({ text }) => text).join('')).not.toMatch(/https?:\/\/(?!www\.w3\.org\/2000\/svg)/)
    expect(parts[0]?.text).not.toMatch(/<style|<script(?! type="module" src)| style=| on\w+=/)
  })

  test('without its token it shows that one is needed, and nothing of the store', async () => {
    const box = migrated()
    const server = await serving(box)
    const page = await browser.newPage()
    onTestFinished(() => page.close())
    await page.goto(`http://127.0.0.1:${server.port}/`)
    await page.getByRole('alert').waitFor()
    expect(await page.locator('body').textContent()).not.toContain('2.2.0')
  })

  test('a page of another origin achieves nothing: it can neither read, nor change, nor frame', async () => {
    const box = migrated()
    const server = await serving(box)
    const script = readFileSync(join(import.meta.dirname, 'attack.mjs'))
    const attack = createServer(({ url }, response) => {
      const isScript = url === '/attack.mjs'
      response.setHeader('Content-Type', isScript ? 'text/javascript' : 'text/html')
      response.end(isScript ? script : '<!doctype html><title>attack</title><body><script type="module" src="/attack.mjs"></script>')
    })
    await new Promise<void>((resolve) => {
      attack.listen(0, '127.0.0.1', resolve)
    })
    onTestFinished(() => void attack.close())
    const page = await browser.newPage()
    onTestFinished(() => page.close())
    const { port } = attack.address() as AddressInfo
    await page.goto(`http://127.0.0.1:${port}/?port=${server.port}&token=${server.token}`)
    await page.waitForFunction('document.title.startsWith("done")')
    expect(await page.title()).toBe('done []')
    expect(box.current().schemaVersion).toBe('2.2.0')
    expect(JSON.stringify(box.doc('history'))).not.toContain('rollback')
  })
})
