import * as z from 'zod'
import type { App } from '../index.ts'
import { StrataError } from '../index.ts'

/** What a caller may say besides: the head that its change rests on. */
const EXPECTED = {
  expectedHead: z
    .string()
    .regex(/^([0-9a-f]{64})?$/, 'the head of an Overview')
    .optional(),
}

type Entry<P extends z.ZodRawShape, T> = {
  readonly summary: string
  readonly params: P
  readonly result: z.ZodType<T>
  /** It writes: over HTTP it has to name the head that it rests on. `always`: also where that can't be known. */
  readonly changes?: true | 'always'
  readonly run: (app: App, params: z.output<z.ZodObject<P>>) => Promise<T>
}

/** One thing that can be asked for, under one name, by JSON-RPC, over HTTP and in the documents. */
export type Method = {
  readonly summary: string
  readonly params: z.ZodType
  readonly result: z.ZodType
  readonly changes: boolean
  /** Whether a change must name the head that it rests on, where the caller may have been looking at something old. */
  readonly needsHead: boolean
  /** Throws BAD_ARGUMENT for params of a wrong shape, STALE where the store has another head, and what the library throws. */
  readonly call: (app: App, params: unknown) => Promise<unknown>
}

const wrongParams = (error: z.ZodError): StrataError => {
  const [first] = error.issues
  const at = first?.path.join('.') ?? ''
  return new StrataError('BAD_ARGUMENT', `params${at === '' ? '' : `.${at}`}: ${first?.message ?? 'not as it should be'}`, {
    data: { issues: error.issues.map(({ path, message }) => ({ path: path.join('.'), message })) },
    hint: 'The documents say what each method takes: strata serve --openapi',
  })
}

const headOf = (params: unknown): string | undefined =>
  typeof params === 'object' && params !== null && 'expectedHead' in params && typeof params.expectedHead === 'string'
    ? params.expectedHead
    : undefined

/** An entry of the table of methods. Unknown params are refused: a misspelt one would be left out silently. */
export const method = <P extends z.ZodRawShape, T>({ summary, params: shape, result, changes, run }: Entry<P, T>): Method => {
  const own = z.object(shape)
  const params = z.strictObject(changes === true ? { ...shape, ...EXPECTED } : shape)
  return {
    summary,
    params,
    result,
    changes: changes !== undefined,
    needsHead: changes === true,
    call: async (app, given) => {
      const parsed = params.safeParse(given ?? {})
      if (!parsed.success) throw wrongParams(parsed.error)
      const head = changes === true ? headOf(parsed.data) : undefined
      return run(head === undefined ? app : app.expecting(head), own.parse(parsed.data))
    },
  }
}
