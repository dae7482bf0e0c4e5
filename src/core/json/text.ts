import { parseJson } from './parse.ts'
import { stringifyJson } from './stringify.ts'
import { GO_STYLE } from './style.ts'

const ONE_LINE = { ...GO_STYLE, newline: '', indent: '', colon: ':', comma: ',' }
const encoder = new TextEncoder()

/** A value as JSON text on one line; numbers keep their text, members their order. Throws a RESULT_ error or INVALID_RESULT. */
export const jsonText = (value: unknown): string => stringifyJson(value, { layout: 'source', style: ONE_LINE })

/** The value of such a text. Throws a JSON_ error. */
export const jsonValue = (text: string): unknown => parseJson(encoder.encode(text)).value
