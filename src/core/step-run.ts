import type { AnyCtx, AnyFileStep, AnyMigration, AnyPass } from './chain.ts'
import type { Parsed } from './document.ts'
import { countsOf, placeOf, refuseUnstorable, shapeProblem } from './document.ts'
import { StrataError } from './errors.ts'
import type { Loss } from './laws.ts'
import { Laws, shrunk } from './laws.ts'
import type { Kind } from './schema.ts'
import type { Place } from './step-failure.ts'
import { invalid, settled } from './step-failure.ts'

/** Where the work is. `unit`: the value that the step's function is given, which ids are made from. */
export type Cursor = Place & { unit: unknown }

type Direction = 'migrate' | 'rollback'

/** One step's function over a parsed file. */
export const runStep = (step: AnyFileStep, parsed: Parsed, direction: Direction, ctx: AnyCtx, cursor: Cursor): Parsed => {
  cursor.unit = parsed.head
  const whole = step.file?.[direction]
  if (whole !== undefined) return { ...parsed, head: settled(whole(parsed.head, ctx)) }
  const pass = step.record?.[direction]
  if (pass === undefined) throw new StrataError('ABSENT', `this step has no ${direction} function`)
  return { ...parsed, ...runPass(pass, parsed, ctx, cursor) }
}

/** What the records of a file, or some of them, add to the sum. */
export const runScan = (pass: AnyPass, before: unknown, parsed: Parsed, ctx: AnyCtx, cursor: Cursor): unknown => {
  const { scan } = pass
  let sum = before
  if (scan?.add !== undefined)
    parsed.records?.forEach((record, i) => {
      cursor.record = placeOf(parsed, i)
      cursor.unit = record
      sum = settled(scan.add?.(sum, record, ctx))
    })
  cursor.record = null
  return sum
}

export const runHead = (pass: AnyPass, head: unknown, sum: unknown, ctx: AnyCtx, cursor: Cursor): unknown => {
  cursor.unit = head
  return settled(pass.head(head, sum, ctx))
}

export const runRecords = (pass: AnyPass, parsed: Parsed, sum: unknown, ctx: AnyCtx, cursor: Cursor): unknown[] => {
  const records = (parsed.records ?? []).map((record, i) => {
    cursor.record = placeOf(parsed, i)
    cursor.unit = record
    return settled(pass.record(record, sum, ctx))
  })
  cursor.record = null
  return records
}

const runPass = (pass: AnyPass, parsed: Parsed, ctx: AnyCtx, cursor: Cursor): { head: unknown; records: unknown[] } => {
  const sum = runScan(pass, pass.scan?.init(parsed.head), parsed, ctx, cursor)
  const head = runHead(pass, parsed.head, sum, ctx, cursor)
  return { head, records: runRecords(pass, parsed, sum, ctx, cursor) }
}

/** A result must be of the schema's shape. What cannot be stored at all is said as that. */
export const checkResult = (kind: Kind, output: Parsed, cursor: Cursor): void => {
  let problem: ReturnType<typeof shapeProblem>
  try {
    problem = shapeProblem(kind, output)
  } catch (error) {
    // A result that contains itself ends the look at its shape.
    refuseUnstorable(output)
    throw error
  }
  if (problem === null) return
  refuseUnstorable(output)
  cursor.record = problem.record === null ? null : placeOf(output, problem.record)
  throw invalid(`the step's result is not as the schema says: ${problem.message}`)
}

type Passage = { readonly before: Kind | undefined; readonly after: Kind; readonly direction: Direction }

/** Measures input and result of a step, and gives what it should have conserved and has not. */
export const conserving = (
  m: AnyMigration,
  name: string,
  of: Passage,
  input: Parsed,
  run: () => Parsed,
): { value: Parsed; losses: readonly Loss[] } => {
  // Before it runs: a step might change its input.
  const laws = new Laws(m, name, of.direction)
  const counts = of.direction === 'rollback' || of.before === undefined ? {} : countsOf(of.before, input)
  if (laws.any) for (const unit of input.records ?? [input.head]) laws.before(unit)
  const value = run()
  if (laws.any) for (const unit of value.records ?? [value.head]) laws.after(unit)
  const lost = of.direction === 'rollback' ? [] : shrunk(counts, countsOf(of.after, value))
  return { value, losses: [...laws.losses(), ...lost] }
}
