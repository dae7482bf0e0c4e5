/** What the table of commands is made of. */
export type Option = { readonly type: 'string' | 'boolean'; readonly short?: string; readonly value?: string; readonly help: string }
export type CommandSpec = {
  readonly name: string
  readonly args: string
  readonly most: number
  readonly least?: number
  readonly summary: string
  readonly options: Readonly<Record<string, Option>>
  readonly examples: readonly string[]
}
