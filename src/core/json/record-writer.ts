import type { JsonDoc } from './parse.ts'
import type { Layout } from './quote.ts'
import type { Spelling } from './spelling.ts'
import { stringifyJson } from './stringify.ts'
import type { Style } from './style.ts'

const encoder = new TextEncoder()

/** The array in which records stand when they are by themselves: as deep, and under the same name, as in the document. */
const wrapped = (name: string, items: readonly unknown[]): unknown => (name === '' ? items : { [name]: items })

/** Stands for a record where the text around records is made. */
const MARK = '\ufffcrecord'

/** Writes a document record by record: the text is that of the whole, had it been in memory. */
export class RecordWriter {
  readonly #name: string
  readonly #layout: Layout
  readonly #style: Style
  readonly #parts: { readonly open: string; readonly between: string; readonly close: string }
  readonly #lengths: { readonly open: number; readonly close: number }
  readonly #empty: string
  #isAny = false

  /** `around`: the document, by its list of records. */
  constructor(
    name: string,
    layout: Layout,
    { spelling, style }: Pick<JsonDoc, 'spelling' | 'style'>,
    around: (list: readonly unknown[]) => unknown,
  ) {
    this.#name = name
    this.#layout = layout
    this.#style = { ...style, bom: false, tail: '' }
    const text = (list: readonly unknown[]): string => stringifyJson(around(list), { layout, spelling, style })
    this.#empty = text([])
    let mark = MARK
    while (this.#empty.includes(mark)) mark += MARK
    const [open = '', between = '', close = ''] = text([mark, mark]).split(`"${mark}"`)
    this.#parts = { open, between, close }
    const [before = '', after = ''] = this.#text([mark], null).split(`"${mark}"`)
    this.#lengths = { open: before.length, close: after.length }
  }

  /** The bytes of the next records, with what comes before them. */
  group(records: readonly unknown[], spellings: readonly (Spelling | null)[] | null): Uint8Array {
    if (records.length === 0) return new Uint8Array()
    const lead = this.#isAny ? this.#parts.between : this.#parts.open
    this.#isAny = true
    return encoder.encode(lead + this.#texts(records, spellings ?? []).join(this.#parts.between))
  }

  /** Those in a row that have no spelling of their own are one text. */
  #texts(records: readonly unknown[], spellings: readonly (Spelling | null)[]): string[] {
    const texts: string[] = []
    for (let at = 0; at < records.length; ) {
      const spelling = spellings[at] ?? null
      let end = at + 1
      if (spelling === null) while (end < records.length && (spellings[end] ?? null) === null) end++
      texts.push(this.#items(records.slice(at, end), spelling))
      at = end
    }
    return texts
  }

  end(): Uint8Array {
    return encoder.encode(this.#isAny ? this.#parts.close : this.#empty)
  }

  #items(records: readonly unknown[], spelling: Spelling | null): string {
    return this.#text(records, spelling).slice(this.#lengths.open, -this.#lengths.close)
  }

  #text(records: readonly unknown[], spelling: Spelling | null): string {
    return stringifyJson(wrapped(this.#name, records), { layout: this.#layout, spelling, style: this.#style })
  }
}
