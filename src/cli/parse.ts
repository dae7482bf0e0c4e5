import { parseArgs } from 'node:util'
import { StrataError } from '../light.ts'
import type { CommandSpec, Option } from './option.ts'
import { COMMANDS, GLOBAL, commandOf } from './table.ts'

export type Parsed = {
  readonly command: CommandSpec | undefined
  readonly args: readonly string[]
  readonly flags: Readonly<Record<string, string | boolean | undefined>>
}

const usage = (message: string, hint: string): StrataError => new StrataError('BAD_ARGUMENT', message, { hint })

/** Letters to change, add or take away to get from one word to the other. */
const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)))
    row = next
  }
  return row[b.length] ?? 0
}

const closest = (name: string, names: readonly string[]): string | undefined => {
  const [best] = [...names].sort((a, b) => distance(name, a) - distance(name, b))
  return best !== undefined && distance(name, best) <= 2 ? best : undefined
}

const suggestion = (name: string): string => {
  const best = closest(
    name,
    COMMANDS.map((c) => c.name),
  )
  return best === undefined ? 'See: strata --help' : `Did you mean ${best}?`
}

/** What to say of an option that there is not, or that has a value too many or too few. */
const optionHint = (message: string, options: readonly string[], command: string): string => {
  const unknown = /Unknown option '--([^']+)'/.exec(message)?.[1]
  const best = unknown === undefined ? undefined : closest(unknown, options)
  return best === undefined ? `See: strata ${command} --help` : `Did you mean --${best}?`
}

const forNode = (options: Readonly<Record<string, Option>>) =>
  Object.fromEntries(Object.entries(options).map(([name, { type, short }]) => [name, short === undefined ? { type } : { type, short }]))

/** The command is the first argument that is neither an option nor an option's value. */
const findCommand = (argv: readonly string[]): string | undefined => {
  const { positionals } = parseArgs({
    args: [...argv],
    options: forNode(Object.fromEntries([GLOBAL, ...COMMANDS.map((c) => c.options)].flatMap((options) => Object.entries(options)))),
    allowPositionals: true,
    strict: false,
  })
  return positionals[0]
}

const parseStrictly = (
  argv: readonly string[],
  command: string,
  options: Readonly<Record<string, Option>>,
): { positionals: string[]; values: Record<string, string | boolean | undefined> } => {
  try {
    const { positionals, values } = parseArgs({ args: [...argv], options: forNode(options), allowPositionals: true })
    return { positionals, values: { ...values } }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    throw usage(message.split('. ')[0] ?? '', optionHint(message, Object.keys(options), command))
  }
}

/** Reads the command line. Throws BAD_ARGUMENT with a suggestion. */
export const parseCommandLine = (argv: readonly string[]): Parsed => {
  const name = findCommand(argv)
  const command = name === undefined ? undefined : commandOf(name)
  if (name !== undefined && command === undefined) throw usage(`there is no command ${name}`, suggestion(name))
  const { positionals, values } = parseStrictly(argv, command?.name ?? '', { ...GLOBAL, ...command?.options })
  const args = positionals.slice(1)
  if (command !== undefined && values.help !== true) {
    if (args.length > command.most)
      throw usage(`${command.name}: unexpected argument ${args[command.most] ?? ''}`, `Usage: strata ${command.name} ${command.args}`)
    if (args.length < (command.least ?? 0))
      throw usage(`${command.name} needs ${command.args}`, `For example: ${command.examples[0] ?? ''}`)
  }
  return { command, args, flags: values }
}

const lines = (options: Readonly<Record<string, Option>>): string[] =>
  Object.entries(options).map(
    ([name, o]) =>
      `  ${`${o.short === undefined ? '' : `-${o.short}, `}--${name}${o.value === undefined ? '' : ` ${o.value}`}`.padEnd(26)} ${o.help}`,
  )

export const generalHelp = (): string =>
  [
    'strata: keeps the data of an application through every change of its format',
    '',
    'Usage: strata [--store DIR] COMMAND [OPTIONS]',
    '',
    ...COMMANDS.map((c) => `  ${`${c.name} ${c.args}`.padEnd(26)} ${c.summary}`),
    '',
    ...lines(GLOBAL),
    '',
    'A snapshot is named by its id or the beginning of it, by a schema version, by @ (active) or @- (the one before).',
    'Exit codes: 0 success, 1 error, 2 migrations pending, findings, or differences.',
  ].join('\n')

export const commandHelp = (c: CommandSpec): string =>
  [
    `strata ${c.name}: ${c.summary}`,
    '',
    `Usage: strata ${c.name} ${c.args}`,
    '',
    ...lines({ ...c.options, ...GLOBAL }),
    '',
    'Examples:',
    ...c.examples.map((e) => `  ${e}`),
  ].join('\n')
