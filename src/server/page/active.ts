import { call, failureOf } from './api.ts'
import type { Child } from './dom.ts'
import { button, h, show } from './dom.ts'
import { many, number, seconds, size, time } from './format.ts'
import { badge, card, facts, issues, problem } from './parts.ts'
import type { Known, Model } from './store.ts'
import { change } from './store.ts'
import type { Listed, Overview, Progress, Report } from './types.ts'

/** The active snapshot: which it is, whether it is well, and what can be done for it. */

export const activeOf = ({ active, snapshots }: Overview): Listed | undefined => snapshots.find((s) => s.id === active)

/** The last time that its bytes were compared: when it was made, or by a verification since. */
const verifiedAt = ({ overview }: Known, active: Listed): string | null => {
  const times = [active.verifiedAt, overview.lastVerified?.at ?? null].filter((at) => at !== null)
  return times.sort().at(-1) ?? null
}

const health = (known: Known, active: Listed): Child => {
  if (known.overview.lastVerified?.valid === false) return badge('damage was found', 'bad')
  if (known.status.findings.some((f) => f.severity === 'error')) return badge('has findings', 'note')
  return verifiedAt(known, active) === null ? badge('not verified yet', 'note') : badge('sound', 'good')
}

const verifyPanel = (outcome: HTMLElement): HTMLButtonElement => {
  const verify = button(
    'Verify every byte',
    () => {
      verify.disabled = true
      show(outcome, h('p', { class: 'busy' }, 'Reading and comparing every byte …'))
      call<Report>('ValidateDataIntegrity')
        .then(
          (report) =>
            show(
              outcome,
              h(
                'p',
                {},
                badge(report.valid ? 'sound' : 'damaged', report.valid ? 'good' : 'bad'),
                ` ${number(report.filesChecked)} files and objects read and compared: ${many(report.errorsFound, 'error')}, ${many(report.warningsFound, 'warning')}.`,
              ),
              issues(report.issues),
              report.valid
                ? null
                : h(
                    'p',
                    {},
                    'What is damaged can be healed from its copies: ',
                    h('code', {}, 'strata repair'),
                    ' first shows what it would do.',
                  ),
            ),
          (error: unknown) => show(outcome, problem(failureOf(error))),
        )
        .finally(() => {
          verify.disabled = false
        })
    },
    { 'data-key': 'verify' },
  )
  return verify
}

const outcome = h('div', { 'aria-live': 'polite' })
const verify = verifyPanel(outcome)

export const activeCard = (known: Known): HTMLElement => {
  const active = activeOf(known.overview)
  if (active === undefined)
    return card(
      'Active snapshot',
      'active',
      h('p', {}, 'The store holds no snapshot yet. Capture the data first: ', h('code', {}, 'strata init --from DIR')),
    )
  const verified = verifiedAt(known, active)
  return card(
    'Active snapshot',
    'active',
    h('p', { class: 'headline' }, h('span', { class: 'version' }, active.schemaVersion), health(known, active)),
    facts(
      ['data', `${many(active.files, 'file')}, ${size(active.bytes)}`],
      ['since', time(active.createdAt)],
      ['verified', verified === null ? 'never' : time(verified)],
      ['readable by', active.readableBy.join(', ')],
      ['directory', h('code', { class: 'path' }, known.status.directory)],
      ['disk', `${size(known.status.spaceFree)} free`],
    ),
    h('div', { class: 'actions' }, verify),
    outcome,
    active.findings.length === 0
      ? null
      : h(
          'details',
          { 'data-key': 'findings' },
          h('summary', {}, `${many(active.findings.length, 'finding')} in this data`),
          issues(active.findings),
        ),
  )
}

/* ---- upgrading ---- */

const refusal = h('div', { 'aria-live': 'assertive' })

const upgradeButton = (known: Known): HTMLButtonElement => {
  const start = button(
    `Upgrade to ${known.status.targetVersion}`,
    () => {
      start.disabled = true
      show(refusal)
      change(known, 'StartMigration').catch((error: unknown) => {
        show(refusal, problem(failureOf(error)))
        start.disabled = false
      })
    },
    { class: 'primary', 'data-key': 'upgrade' },
  )
  return start
}

/** What there is to be upgraded, if there is anything. */
export const upgradeCard = (known: Known, model: Model): HTMLElement | null => {
  const { pending, spaceNeeded, state } = known.status
  if (isRunning(model.progress)) return null
  if (pending.length === 0) return refusal.hasChildNodes() ? card('Upgrade', 'upgrade', refusal) : null
  const { hold } = known.overview
  return card(
    'Upgrade',
    'upgrade',
    hold === null ? null : h('p', {}, badge('automatic upgrading is off', 'note'), ` ${hold.reason}, `, time(hold.since)),
    state === 'failed-repeatedly' ? h('p', {}, badge('failed three times', 'bad'), ' It is not tried again by itself.') : null,
    h('ol', { class: 'steps' }, ...pending.map((step) => h('li', {}, h('strong', {}, step.version), ` ${step.description}`))),
    h('p', { class: 'faint' }, `Needs about ${size(spaceNeeded)}. The data as it is now stays beside it; going back takes a click.`),
    h('div', { class: 'actions' }, upgradeButton(known)),
    refusal,
  )
}

const isRunning = (progress: Progress | null): progress is Progress => progress !== null && !['idle', 'done'].includes(progress.phase)

const WORDS: Readonly<Record<string, string>> = {
  planning: 'Planning',
  backup: 'Saving the data as it is now',
  migrating: 'Migrating',
  verifying: 'Comparing every byte of the result',
  activating: 'Switching',
}

/** A job under way. The parts stay the same elements, so that a screen reader is not told everything again. */
const bar = h('progress', { max: 1, value: 0, 'aria-label': 'Progress of the job' })
const said = h('p', { class: 'headline small', role: 'status' })
const detail = h('p', { class: 'faint' })
const cancel = button('Cancel', () => void call('CancelMigration').catch(() => undefined), { 'data-key': 'cancel' })
const progressing = card('In progress', 'progress', said, bar, detail, h('div', { class: 'actions' }, cancel))

export const progressCard = ({ progress }: Model): HTMLElement | null => {
  if (!isRunning(progress)) return null
  const { phase, step, filesDone, filesTotal, bytesDone, bytesTotal, remainingSeconds } = progress
  const words = WORDS[phase] ?? phase
  const about = step === null ? words : `${words}: ${step.version} ${step.description}`
  if (said.textContent !== about) said.textContent = about
  if (bytesTotal === 0) bar.removeAttribute('value')
  else bar.value = bytesDone / bytesTotal
  detail.textContent = [
    filesTotal === 0 ? '' : `${number(filesDone)} of ${many(filesTotal, 'file')}`,
    bytesTotal === 0 ? '' : `${size(bytesDone)} of ${size(bytesTotal)}`,
    remainingSeconds === null ? '' : `about ${seconds(remainingSeconds)} left`,
    progress.safeToClose ? 'safe to close' : '',
  ]
    .filter((text) => text !== '')
    .join(' · ')
  cancel.disabled = !progress.cancellable
  return progressing
}
