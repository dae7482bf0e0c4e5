export type Def = Readonly<Record<string, unknown>> & { readonly type?: unknown }

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null

/** What a zod 4 schema or check is made of; of another copy of zod just as well, as the application has its own. Undefined for anything else. */
export const defOf = (node: unknown): Def | undefined => {
  const inner = isRecord(node) || typeof node === 'function' ? (node as Readonly<Record<string, unknown>>)._zod : undefined
  return isRecord(inner) && isRecord(inner.def) ? inner.def : undefined
}
