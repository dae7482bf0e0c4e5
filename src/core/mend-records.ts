import { asideIssue, lineOf } from './bad-records.ts'
import { routeOf } from './carry-file.ts'
import type { Dataset } from './dataset.ts'
import { effectiveIndex } from './dataset.ts'
import type { Aside, Parsed } from './document.ts'
import { parseDocument, renderDocument, setAside, shapeProblem, thawed, whole } from './document.ts'
import type { StepFile } from './file-work.ts'
import { fits } from './fits.ts'
import type { Issue } from './issues.ts'
import { alike, issue } from './issues.ts'
import type { Kind } from './schema.ts'
import { kindOf } from './schema.ts'
import { invalid } from './step-failure.ts'
import { ThreeWay, canonical } from './three-way.ts'
import type { Source } from './transform.ts'
import { Transformer } from './transform.ts'

/**
 * Records that a step set aside, once someone has mended them. In the form that the file has now they are records like any other. In
 * an older one the schema of that version describes them, and the one of now does not: such a record goes through the steps alone.
 */

const kindAt = ({ chain }: Dataset, path: string, position: number): { name: string; kind: Kind | undefined } => {
  const kinds = chain.schemas[position]?.kinds ?? {}
  const name = kindOf(kinds, path) ?? ''
  return { name, kind: kinds[name] }
}

/** Whether records of a file may be set aside and mended later. */
export const isMendable = (dataset: Dataset, path: string, position: number): boolean =>
  kindAt(dataset, path, position).kind?.badRecords === 'quarantine'

/** The newest chain position before `position` whose schema describes a record that is not as the one there says. */
const olderPosition = (dataset: Dataset, path: string, position: number, record: unknown): number | undefined => {
  const { name } = kindAt(dataset, path, position)
  for (let i = position - 1; i >= 0; i--) {
    const older = dataset.chain.schemas[i]?.kinds[name]?.record
    if (older === undefined) return undefined
    if (dataset.chain.schemas[i]?.kinds[name] === dataset.chain.schemas[i + 1]?.kinds[name]) continue
    if (routeOf(dataset, path, position, i).way !== 'through steps') return undefined
    if (fits(older, record)) return i
  }
  return undefined
}

/** What is to be said of a file's records, where their kind quarantines: those that wait for `migrate`, and those that are not mended. */
export const recordFindings = (dataset: Dataset, base: number, path: string, version: string | null, bytes: Uint8Array): Issue[] => {
  const at = version === null ? base : Math.max(0, effectiveIndex(dataset.chain, path, version, base))
  const { kind } = kindAt(dataset, path, at)
  if (kind?.badRecords !== 'quarantine') return []
  const { aside = [] } = setAside(kind, parseDocument(kind, path, bytes, dataset.layout))
  // A file that is behind goes through the steps whole.
  const behind = at < base ? [] : aside.map(({ record }) => olderPosition(dataset, path, at, record))
  const mended = aside.filter((_, i) => behind[i] !== undefined)
  const lineAt = (place: number): number | null => lineOf(kind, path, place, () => bytes)
  const bad = asideIssue(
    kind,
    path,
    aside.filter((_, i) => behind[i] === undefined),
    lineAt,
  )
  const waiting = asideIssue(kind, path, mended, lineAt)
  return [...(waiting === null ? [] : [waitingIssue(waiting)]), ...(bad === null ? [] : [bad])]
}

const waitingIssue = (of: Issue): Issue =>
  issue({
    ...of,
    code: 'LEGACY_FILE',
    message: of.message.replace(
      / (?:is|are) not as .*$/,
      of.count === 1 ? ' is still of an older schema' : ' are still of an older schema',
    ),
    hint: 'Run: strata migrate. What was mended goes through the chain alone.',
  })

const describes = ({ record }: Kind, value: unknown): boolean => record !== undefined && fits(record, value)

/** The dataset with one file in another form. */
const withFile = (source: Source, path: string, there: { path: string; position: number; bytes: Uint8Array }): Source => ({
  base: source.base,
  paths: [...source.paths.filter((other) => other !== path), there.path],
  bytes: (at) => (at === there.path ? there.bytes : source.bytes(at)),
  start: (at) => (at === there.path ? there.position : source.start(at)),
})

/** What becomes of a file that a mend names: `outputs` stand for it then, none where the steps have left nothing to do. */
export type Mended = { readonly outputs: readonly StepFile[]; readonly issues: readonly Issue[] }

/** What is found of `all` and not of `rest`. */
const foundOf = (all: readonly Issue[], rest: readonly Issue[]): Issue[] => {
  const known = new Map(rest.map((one) => [alike(one), one.count]))
  return all.flatMap((one) => {
    const count = one.count - (known.get(alike(one)) ?? 0)
    return count > 0 ? [{ ...one, count }] : []
  })
}

type Work = { readonly dataset: Dataset; readonly source: Source; readonly transformer: Transformer; readonly path: string }

/** The file with the records at `places`, which are of an older position, as they are after the steps. */
const mendFrom = (
  { dataset, source, transformer, path }: Work,
  older: number,
  current: Parsed,
  places: ReadonlySet<number>,
): { parsed: Parsed; issues: readonly Issue[] } => {
  const { name, kind } = kindAt(dataset, path, source.base)
  const before = dataset.chain.schemas[older]?.kinds[name]
  if (kind === undefined || before === undefined) throw invalid(`${path} has no form of an older version`)
  const back = transformer.other(path, older)
  const up = (records: readonly unknown[]): { parsed: Parsed; issues: readonly Issue[] } => {
    const bytes = renderDocument(before, back.path, { ...thawed(back.parsed), records, aside: [] }, dataset.layout)
    const settled = { position: source.base, paths: [path] }
    const moved = withFile(source, path, { path: back.path, position: older, bytes })
    const { parsed, issues } = new Transformer(dataset, moved, transformer.run, settled).other(back.path, source.base)
    return { parsed: whole(parsed), issues }
  }
  // What the step makes of the other records, and of the head, may depend on the mended ones: what these change is taken over.
  const all = Array.from(whole(back.parsed).records ?? [], (record, i) => ({ record, i })).filter(({ record }) => describes(before, record))
  const rest = all.filter(({ i }) => !places.has(i))
  const take = (of: typeof all): ReturnType<typeof up> => up(of.map(({ record }) => record))
  const [withThem, without, ours] = [take(all), take(rest), whole(current)]
  const [theirs, base] = [withThem.parsed, without.parsed]
  const was = new Map(rest.map(({ i }, at) => [i, canonical(base.records?.[at])]))
  const records = [...(ours.records ?? [])]
  all.forEach(({ i }, at) => {
    const now = theirs.records?.[at]
    if (was.get(i) !== canonical(now)) records[i] = now
  })
  const sides = { base: base.head, theirs: theirs.head, original: ours.head, ours: ours.head }
  const merged = setAside(kind, { ...ours, head: kind.at === '' ? null : new ThreeWay('theirs').value(sides), records, aside: [] })
  const problem = shapeProblem(kind, merged)
  if (problem !== null) throw invalid(`${path} with what was mended is not as the schema says: ${problem.message}`)
  // A record's place is one among those that went through the steps.
  const issues = foundOf(withThem.issues, without.issues).map((one) => ({ ...one, record: all[one.record ?? -1]?.i ?? null }))
  return { parsed: merged, issues }
}

const waitingAt = (dataset: Dataset, path: string, position: number, aside: readonly Aside[]): Map<number, Set<number>> => {
  const places = new Map<number, Set<number>>()
  for (const { index, record } of aside) {
    const older = olderPosition(dataset, path, position, record)
    if (older !== undefined) places.set(older, (places.get(older) ?? new Set()).add(index))
  }
  return places
}

const NOTHING: Mended = { outputs: [], issues: [] }

/**
 * A file that is up to date but for mended records of older versions, and what is derived from it, with these taken through the steps;
 * nothing where there are none. Throws what a step throws.
 */
export const mendRecords = (dataset: Dataset, source: Source, transformer: Transformer, path: string): Mended => {
  const { base } = source
  const { kind } = kindAt(dataset, path, base)
  if (kind?.badRecords !== 'quarantine' || source.start(path) !== base) return NOTHING
  let current = setAside(kind, parseDocument(kind, path, source.bytes(path), dataset.layout))
  const waiting = waitingAt(dataset, path, base, current.aside ?? [])
  if (waiting.size === 0) return NOTHING
  const issues: Issue[] = []
  for (const [older, places] of waiting) {
    const mended = mendFrom({ dataset, source, transformer, path }, older, current, places)
    current = mended.parsed
    issues.push(...mended.issues)
  }
  const bytes = renderDocument(kind, path, current, dataset.layout)
  const derived = transformer.rederive(path, base, bytes, Math.min(...waiting.keys()))
  return { outputs: [{ path, bytes, from: path }, ...derived], issues }
}
