import inc from 'semver/functions/inc.js'
import compare from 'semver/functions/compare.js'
import valid from 'semver/functions/valid.js'
import { StrataError } from './errors.ts'

/** The text of a new migration and of its test: an empty step that works, for its author to fill in. */

/** The next minor version, or the one that is wanted. Throws BAD_ARGUMENT for one that does not come after the newest. */
export const nextVersion = (newest: string, wanted?: string): string => {
  const version = wanted ?? inc(newest, 'minor') ?? ''
  if (valid(version) === null || compare(version, newest) <= 0)
    throw new StrataError('BAD_ARGUMENT', `${version} is no semantic version after ${newest}`, {
      hint: `For example: --to ${inc(newest, 'major') ?? ''}`,
    })
  return version
}

const words = (title: string): string[] =>
  title
    .normalize('NFKD')
    .toLowerCase()
    .match(/[a-z0-9]+/g) ?? []

/** `Add region colours` is `add-region-colours`. */
const slugOf = (title: string): string => words(title).join('-')

/** … and `addRegionColours`. */
const identifierOf = (title: string): string => {
  const name = words(title)
    .map((word, i) => (i === 0 ? word : `${word.charAt(0).toUpperCase()}${word.slice(1)}`))
    .join('')
  return /^[a-z]/.test(name) ? name : `step${name}`
}

/** 2.2.0 is `v2_2`, as in `schemas.ts`; with a patch or a prerelease all of it is in the name. */
const schemaName = (version: string): string => `v${version.replace(/^(\d+\.\d+)\.0$/, '$1').replace(/[^0-9a-zA-Z]/g, '_')}`

export type ScaffoldOptions = {
  readonly version: string
  readonly title: string
  /** Where the schema of the version before is exported. */
  readonly schema: { readonly name: string; readonly file: string }
  /** RFC 3339. */
  readonly createdAt: string
  /** In this project, or in an application that has the package installed. */
  readonly style: 'own' | 'package'
  readonly extension: string
}
export type Scaffold = {
  readonly migration: { readonly name: string; readonly text: string }
  readonly test: { readonly name: string; readonly text: string }
  readonly next: readonly string[]
}

const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`

const migrationText = (o: ScaffoldOptions, name: string): string => {
  const [own, before] = [schemaName(o.version), o.schema.name]
  return `import { migration, schema } from '${o.style === 'own' ? '../src/index.ts' : 'strata-store'}'
import { ${before} } from './${o.schema.file}'

export const ${own} = schema('${o.version}', {
  ...${before}.kinds,
  // The kinds that change, such as: settings: file('settings.json', z.looseObject({ … })),
})

export const ${name} = migration(${before}, ${own}, {
  description: ${quoted(o.title)},
  createdAt: '${o.createdAt}',
  changes: [],
  files: {
    // A step for each kind that changes, such as: settings: { file: fields(${before}.kinds.settings).add('colour', 'none').steps() },
  },
})
`
}

const testText = (o: ScaffoldOptions, name: string, file: string): string => {
  const title = quoted(`${o.version} ${o.title}`)
  if (o.style === 'own')
    return `import { join } from 'node:path'
import { test } from 'vitest'
import { ${name} } from '../../migrations/${file}'
import { testMigration } from '../../src/index.ts'

test(${title}, () => {
  testMigration(${name}, join(import.meta.dirname, '../../migrations/golden/${o.version}'), { layout: 'go', allow: ['NOT_RECORDED'] })
})
`
  return `import { testMigration } from 'strata-store'
import { test } from 'vitest'
import { ${name} } from './${file}'

test(${title}, () => {
  testMigration(${name}, new URL('./golden/${o.version}', import.meta.url), { allow: ['NOT_RECORDED'] })
})
`
}

/** Throws BAD_ARGUMENT for a title without a letter or digit. */
export const scaffold = (o: ScaffoldOptions): Scaffold => {
  const slug = slugOf(o.title)
  if (slug === '') throw new StrataError('BAD_ARGUMENT', 'the title needs a few words', { hint: 'strata new "Add region colours"' })
  const name = identifierOf(o.title)
  const file = `${o.version}-${slug}${o.extension}`
  const test = `${o.version}-${slug}.test${o.extension}`
  return {
    migration: { name: file, text: migrationText(o, name) },
    test: { name: test, text: testText(o, name, file) },
    next: [
      `in the module: import { ${name} } from './${file}', and append .add(${name}) to the chain`,
      `in ${file}: name the kinds that change, and give each its step`,
      'strata lint; and when it is done: strata lint --record',
    ],
  }
}
