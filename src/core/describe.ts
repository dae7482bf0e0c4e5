import type { AnyChain, AnyMigration } from './chain.ts'
import type { Kind, Schema } from './schema.ts'
import { formatsOf } from './schema.ts'

/** The history of a dataset's schema, for people and for other programs. */

/** One version: what it brought, and the JSON Schema of the document and of the records of each of its kinds. */
export type VersionView = {
  readonly version: string
  readonly createdAt: string | null
  readonly description: string
  readonly changes: readonly string[]
  readonly readableFrom: string | null
  readonly kinds: readonly KindView[]
}
export type KindView = {
  readonly name: string
  readonly path: string
  /** Each pattern of its paths, and the format of the files there. */
  readonly formats: readonly { readonly path: string; readonly format: string }[]
  /** What the version did to it. */
  readonly change: 'new' | 'changed' | 'same'
  readonly reversible: boolean
  /** Where the records are: null for a kind without; '' for a document that is the list. */
  readonly recordsAt: string | null
  readonly schema: unknown
  readonly recordSchema: unknown
}

type ToJson = (schema: Kind['doc']) => unknown

const reversible = (m: AnyMigration | undefined, name: string): boolean => {
  const step = m?.files[name]
  return step === undefined || (step.file ?? step.record)?.rollback !== undefined || (step.derive ?? step.gather ?? step.made) !== undefined
}

const kindView = (toJson: ToJson, name: string, kind: Kind, before: Schema | undefined, m: AnyMigration | undefined): KindView => {
  const was = before?.kinds[name]
  return {
    name,
    path: kind.path,
    formats: formatsOf(kind),
    change: was === undefined ? 'new' : was === kind ? 'same' : 'changed',
    reversible: reversible(m, name),
    recordsAt: kind.at ?? null,
    schema: kind.at === '' ? null : toJson(kind.doc),
    recordSchema: kind.record === undefined ? null : toJson(kind.record),
  }
}

/** Every version of the chain, oldest first. */
export const describeChain = async (chain: AnyChain): Promise<VersionView[]> => {
  // Only who asks for it pays for zod.
  const { toJSONSchema } = await import('./json-schema.ts')
  const toJson: ToJson = (schema) => {
    const { $schema: _, ...rest } = toJSONSchema(schema, { unrepresentable: 'any', io: 'input' })
    return rest
  }
  return chain.schemas.map((schema, i) => {
    const m = i === 0 ? undefined : chain.migrations[i - 1]
    return {
      version: schema.version,
      createdAt: m?.createdAt ?? null,
      description: m?.description ?? 'The first version',
      changes: m?.changes ?? [],
      readableFrom: m?.readableFrom ?? null,
      kinds: Object.entries(schema.kinds).map(([name, kind]) => kindView(toJson, name, kind, chain.schemas[i - 1], m)),
    }
  })
}

const fenced = (value: unknown): string[] => ['```json', JSON.stringify(value, null, 2), '```', '']

/** That a file is JSON goes without saying. */
const formatText = ({ formats }: KindView): string[] =>
  formats.every(({ format }) => format === 'JSON') ? [] : [...formats.map(({ path, format }) => `- \`${path}\`: ${format}`), '']

const kindText = (kind: KindView): string[] => [
  `### ${kind.name}: \`${kind.path}\`${kind.change === 'new' ? ' (new)' : ''}`,
  '',
  ...formatText(kind),
  ...(kind.reversible ? [] : ['Data that is written after this version cannot be carried back.', '']),
  ...(kind.schema === null ? [] : fenced(kind.schema)),
  ...(kind.recordsAt === null
    ? []
    : [kind.recordsAt === '' ? 'The document is a list of:' : `Each of \`${kind.recordsAt}\`:`, '', ...fenced(kind.recordSchema)]),
]

const versionText = (v: VersionView): string[] => {
  const same = v.kinds.filter((k) => k.change === 'same')
  return [
    `## ${v.version}`,
    '',
    `${v.description}${v.createdAt === null ? '' : ` (${v.createdAt.slice(0, 10)})`}.`,
    '',
    ...v.changes.map((change) => `- ${change}`),
    ...(v.changes.length === 0 ? [] : ['']),
    ...(v.readableFrom === null ? [] : [`Applications from ${v.readableFrom} on can read it.`, '']),
    ...(same.length === 0 ? [] : [`As before: ${same.map((k) => `${k.name} (\`${k.path}\`)`).join(', ')}.`, '']),
    ...v.kinds.filter((k) => k.change !== 'same').flatMap(kindText),
  ]
}

/** The same as Markdown, newest version first. */
export const historyText = (name: string, versions: readonly VersionView[]): string =>
  [`# ${name}: schema history`, '', ...[...versions].reverse().flatMap(versionText)].join('\n').trimEnd()
