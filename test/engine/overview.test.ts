import { describe, expect, it } from 'vitest'
import { application, refusal } from '../support/library.ts'
import { contents } from '../support/tree.ts'

const prepared = async () => {
  const made = await application()
  await made.app.init({ from: made.data })
  return made
}

describe('overview', () => {
  it('is empty, and says what the chain knows, where there is no store', async () => {
    const { app } = await application()
    expect(await app.overview()).toMatchObject({ head: '', seq: 0, active: null, snapshots: [], jobs: [], redo: null, hold: null })
    expect((await app.overview()).versions).toContain('2.2.0')
  })

  it('tells of every snapshot and job, the hold, and where redo returns to', async () => {
    const { app } = await prepared()
    await app.waitForJob((await app.startMigration()).id)
    const newest = (await app.overview()).active
    const { to } = await app.rollbackMigration()
    const found = await app.overview()
    expect(found.active).toBe(to.id)
    expect(found.redo?.snapshot).toBe(newest)
    expect(found.hold?.reason).toContain('rolled back')
    expect(found.snapshots.map((s) => s.schemaVersion)).toEqual(['1.0.0', '1.1.0', '1.2.0', '2.0.0', '2.1.0', '2.2.0'])
    expect(found.jobs.map((j) => j.status)).toEqual(['completed'])
  })

  it('has another head, and the store another revision, after every change, whoever made it', async () => {
    const { app, open } = await prepared()
    const before = { head: (await app.overview()).head, revision: app.revision() }
    expect(app.revision()).toBe(before.revision)
    const other = await open()
    await other.waitForJob((await other.startMigration({ to: '1.1.0' })).id)
    expect((await app.overview()).head).not.toBe(before.head)
    expect(app.revision()).not.toBe(before.revision)
  })
})

describe('a change that rests on what its caller has seen', () => {
  it('is made where nothing has changed since', async () => {
    const { app } = await prepared()
    const { head } = await app.overview()
    const job = await app.expecting(head).startMigration({ to: '1.1.0' })
    expect((await app.waitForJob(job.id)).status).toBe('completed')
  })

  it('is refused where something has, and changes nothing', async () => {
    const { app, store } = await prepared()
    const { head } = await app.overview()
    await app.waitForJob((await app.startMigration({ to: '1.1.0' })).id)
    const before = contents(store)
    for (const change of [
      () => app.expecting(head).startMigration(),
      () => app.expecting(head).rollbackMigration(),
      () => app.expecting(head).redo(),
      () => app.expecting(head).checkpoint(),
      () => app.expecting(head).adopt(),
    ])
      expect((await refusal(change())).code).toBe('STALE')
    expect(contents(store)).toEqual(before)
  })

  it('a view made for it is stopped by the App it came from', async () => {
    const { app } = await prepared()
    const { head } = await app.overview()
    const job = await app.expecting(head).startMigration()
    // Another call that is refused meanwhile takes nothing away.
    expect((await refusal(app.rollbackMigration())).code).toBe('LOCKED')
    app.cancelMigration()
    const ended = await app.waitForJob(job.id)
    expect({ status: ended.status, code: ended.errorCode }).toEqual({ status: 'failed', code: 'CANCELLED' })
  })
})

describe('countRecords', () => {
  it('gives the records of each daily file before and after', async () => {
    const { app } = await prepared()
    await app.waitForJob((await app.startMigration()).id)
    const counts = await app.countRecords('@-', '@')
    const days = counts.filter((c) => c.path.startsWith('data/'))
    expect(days).toHaveLength(2)
    for (const { before, after } of days) {
      expect(before).toBeGreaterThan(0)
      expect(after).toBe(before)
    }
    expect(counts.find((c) => c.path === 'config.json')).toBeUndefined()
  })
})
