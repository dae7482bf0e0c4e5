import { StrataError } from '../errors.ts'

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/

/**
 * A number whose text is not what JavaScript would write: `1.0`, `-0`, `1e400`, 2^53+1. It is written back as that text.
 * Arithmetic works through `valueOf`, but `typeof` is 'object' and `===` compares identities: use `numberOf`.
 * BAD_ARGUMENT when the text is not a JSON number.
 */
export class JsonNumber {
  readonly text: string

  constructor(text: string) {
    if (!NUMBER.test(text)) throw new StrataError('BAD_ARGUMENT', 'not the text of a JSON number')
    this.text = text
  }

  /** The nearest double: Infinity for `1e400`. */
  valueOf(): number {
    return Number(this.text)
  }

  toString(): string {
    return this.text
  }

  /** For `JSON.stringify` elsewhere (logs, reports): the nearest number, the text where there is none. */
  toJSON(): number | string {
    const number = Number(this.text)
    return Number.isFinite(number) ? number : this.text
  }
}

/** Whether JavaScript writes this number with this very text. */
export const isCanonicalNumber = (text: string): boolean => String(Number(text)) === text

/** A number for a number or a JsonNumber (the nearest double), undefined for anything else. */
export const numberOf = (value: unknown): number | undefined => {
  if (typeof value === 'number') return value
  return value instanceof JsonNumber ? value.valueOf() : undefined
}
