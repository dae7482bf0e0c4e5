import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { ERROR_CODES } from '../../src/core/errors.ts'
import { REMEDIES } from '../../src/core/remedies.ts'
import { COMMANDS, GLOBAL } from '../../src/cli/table.ts'
import type { Option } from '../../src/cli/option.ts'
import { METHODS } from '../../src/server/methods.ts'
import { ROOT } from '../support/sandbox.ts'
import { apiText } from './api-text.ts'

/** REFERENCE.md and API.md are made from the source: `npx vitest run test/format/reference.test.ts -u` makes them anew. */

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ')

const optionRow = ([name, { short, value, help }]: readonly [string, Option]): string =>
  `| \`${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}\` | ${cell(help)} |`

const optionTable = (options: Readonly<Record<string, Option>>): string =>
  Object.keys(options).length === 0 ? '' : `| option | |\n|---|---|\n${Object.entries(options).map(optionRow).join('\n')}\n\n`

const commands = (): string =>
  COMMANDS.map(
    ({ name, args, summary, options, examples }) =>
      `### strata ${name}${args === '' ? '' : ` ${args}`}\n\n${summary[0]?.toUpperCase() ?? ''}${summary.slice(1)}.\n\n${optionTable(options)}\`\`\`\n${examples.join('\n')}\n\`\`\`\n`,
  ).join('\n')

const methods = (): string =>
  Object.entries(METHODS)
    .map(([name, { summary, params }]) => {
      const { properties = {} } = z.toJSONSchema(params, { io: 'input' })
      const names = Object.keys(properties).map((key) => `\`${key}\``)
      return `| \`${name}\` | ${cell(summary)} | ${names.join(', ')} |`
    })
    .join('\n')

const errors = (): string =>
  ERROR_CODES.map((code) => `| \`${code}\` | ${cell(REMEDIES[code].cause)} | ${cell(REMEDIES[code].remedy)} |`).join('\n')

const reference = (): string => `# Reference

Made from the source: the tables that the program itself works with. [README.md](README.md) tells how it is used, [API.md](API.md) has the library.

## Options of every command

${optionTable(GLOBAL)}Exit codes: 0 success, or nothing to do; 1 an error; 2 migrations are pending (\`status\`, \`plan\`), findings (\`verify\`, \`lint\`), something that could not be healed (\`repair\`), differences (\`diff --exit-code\`).

## Commands

${commands()}
## Methods

Of \`strata serve\` (HTTP, on this machine) and \`strata serve --stdio\`, as JSON-RPC 2.0. \`strata serve --openapi\` and \`--schema\` print every shape. Each method that changes
something also takes \`expectedHead\`: the \`head\` of the \`Overview\` that the decision rests on; over HTTP it has to be given.

| method | what it does | params |
|---|---|---|
${methods()}

## Errors

Every error has a \`code\`, a message that names the file, the record and the cause, a \`hint\` and \`data\`. Codes are stable.

| code | why it comes | what to do |
|---|---|---|
${errors()}
`

const api = (): string => `# The library

\`import { App } from 'strata-store'\`. Made from the source, with its docstrings. Everything that is not here is not public.

${apiText()}`

describe('the reference is what the source says', () => {
  test('REFERENCE.md: commands, methods, errors', async () => {
    await expect(reference()).toMatchFileSnapshot(join(ROOT, 'REFERENCE.md'))
  })

  test('API.md: the library', { timeout: 60_000 }, async () => {
    await expect(api()).toMatchFileSnapshot(join(ROOT, 'API.md'))
  })
})
