import type { CommandSpec, Option } from './option.ts'
import { COMMANDS, GLOBAL } from './table.ts'

/** Completion for shells, and the manual page: both from the table of commands. */

const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]
export const isShell = (name: string): name is Shell => SHELLS.some((shell) => shell === name)

const optionsOf = (c: CommandSpec): [name: string, option: Option][] => Object.entries({ ...c.options, ...GLOBAL })
const flagsOf = (options: readonly [string, Option][]): string[] =>
  options.flatMap(([name, { short }]) => [`--${name}`, ...(short === undefined ? [] : [`-${short}`])])

/** Options whose value is a folder or a file. */
const isPath = ({ value }: Option): boolean => value === 'DIR' || value === 'MODULE'
const withPath = [...Object.entries(GLOBAL), ...COMMANDS.flatMap((c) => Object.entries(c.options))].filter(([, o]) => isPath(o))
const pathFlags = [...new Set(withPath.map(([name]) => `--${name}`))]

const bash = (): string => `# strata completion for bash:  source <(strata completion bash)
_strata() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} command= i
  case $before in ${pathFlags.join('|')}) COMPREPLY=($(compgen -f -- "$word")); return ;; esac
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
      ${COMMANDS.map((c) => c.name).join('|')}) command=\${COMP_WORDS[i]}; break ;;
    esac
  done
  case $command in
    '') COMPREPLY=($(compgen -W '${[...COMMANDS.map((c) => c.name), ...flagsOf(Object.entries(GLOBAL))].join(' ')}' -- "$word")) ;;
${COMMANDS.map((c) => `    ${c.name}) COMPREPLY=($(compgen -W '${flagsOf(optionsOf(c)).join(' ')}' -- "$word")) ;;`).join('\n')}
  esac
}
complete -o default -F _strata strata`

/** In zsh's descriptions a colon and brackets have a meaning, and quotes end the word. */
const zshText = (text: string): string => text.replaceAll(/[[\]:]/g, (c) => `\\${c}`).replaceAll("'", "'\\''")

const zshOption = ([name, o]: [string, Option]): string => {
  const value = o.value === undefined ? '' : `:${o.value}:${isPath(o) ? '_files' : ''}`
  return `'--${name}[${zshText(o.help)}]${value}'`
}

const zsh = (): string => `#compdef strata
# strata completion for zsh:  strata completion zsh > "\${fpath[1]}/_strata"
_strata() {
  local context state line
  _arguments -C ${Object.entries(GLOBAL).map(zshOption).join(' ')} '1:command:->command' '*::argument:->argument'
  case $state in
    command)
      local commands=(${COMMANDS.map((c) => `'${c.name}:${zshText(c.summary)}'`).join(' ')})
      _describe command commands ;;
    argument)
      case $words[1] in
${COMMANDS.map((c) => `        ${c.name}) _arguments ${optionsOf(c).map(zshOption).join(' ')} '*:argument:_files' ;;`).join('\n')}
      esac ;;
  esac
}
compdef _strata strata`

const fishText = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`

const fishOption = (when: string, [name, o]: [string, Option]): string =>
  `complete -c strata ${when} -l ${name}${o.short === undefined ? '' : ` -s ${o.short}`}${o.value === undefined ? '' : isPath(o) ? ' -r -F' : ' -x'} -d ${fishText(o.help)}`

const fish = (): string =>
  [
    '# strata completion for fish:  strata completion fish > ~/.config/fish/completions/strata.fish',
    'complete -c strata -f',
    ...COMMANDS.map((c) => `complete -c strata -n __fish_use_subcommand -a ${c.name} -d ${fishText(c.summary)}`),
    ...Object.entries(GLOBAL).map((o) => fishOption('', o)),
    ...COMMANDS.flatMap((c) => Object.entries(c.options).map((o) => fishOption(`-n '__fish_seen_subcommand_from ${c.name}'`, o))),
  ].join('\n')

export const completion = (shell: Shell): string => ({ bash, zsh, fish })[shell]()

/* ---- the manual page ---- */

/** In roff a leading dot or quote is a request, a backslash begins an escape, and a hyphen may become a dash. */
const roff = (text: string): string =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/, '\\&$1')

const roffOptions = (options: Readonly<Record<string, Option>>): string[] =>
  Object.entries(options).flatMap(([name, o]) => [
    '.TP',
    `${o.short === undefined ? '' : `\\fB\\-${o.short}\\fR, `}\\fB\\-\\-${roff(name)}\\fR${o.value === undefined ? '' : ` \\fI${roff(o.value)}\\fR`}`,
    roff(o.help),
  ])

const roffCommand = (c: CommandSpec): string[] => [
  `.SS ${roff(`strata ${c.name}${c.args === '' ? '' : ` ${c.args}`}`)}`,
  roff(`${c.summary.charAt(0).toUpperCase()}${c.summary.slice(1)}.`),
  ...roffOptions(c.options),
  '.PP',
  '.nf',
  ...c.examples.map((e) => `.RS\n${roff(e)}\n.RE`),
  '.fi',
]

/** The manual page strata(1), for `man -l`. */
export const manualPage = (version: string): string =>
  [
    `.TH STRATA 1 "" "strata ${version}" "Strata"`,
    '.SH NAME',
    'strata \\- keeps the data of an application through every change of its format',
    '.SH SYNOPSIS',
    '.B strata',
    '[\\fB\\-\\-store\\fR \\fIDIR\\fR] \\fICOMMAND\\fR [\\fIOPTIONS\\fR]',
    '.SH DESCRIPTION',
    roff('Each migration writes a new snapshot of the data, which is also a commit in a git repository; the one before stays as it is.'),
    roff('A snapshot is named by its id or the beginning of it, by a schema version, by @ (active) or @- (the one before).'),
    '.SH COMMANDS',
    ...COMMANDS.flatMap(roffCommand),
    '.SH OPTIONS OF ALL COMMANDS',
    ...roffOptions(GLOBAL),
    '.SH EXIT STATUS',
    ...[
      ['0', 'success, or nothing to do'],
      ['1', 'error'],
      ['2', 'migrations are pending (status, plan), findings (verify, repair), differences (diff --exit-code)'],
      ['130', 'interrupted with Ctrl-C'],
    ].flatMap(([code = '', means = '']) => ['.TP', `.B ${code}`, roff(means)]),
    '.SH ENVIRONMENT',
    '.TP',
    '.B NO_COLOR',
    roff('no colours, whatever its value.'),
    '.SH SEE ALSO',
    '.BR git (1)',
  ].join('\n')
