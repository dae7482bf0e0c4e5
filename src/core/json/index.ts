/**
 * JSON that keeps the source text of what nobody touched: number texts, string spellings, key order, white space.
 * `parseJson` and `stringifyJson` are inverse for every machine-formatted document.
 */
export { checkSerialisable } from './check.ts'
export { elementLine, valueLine } from './line.ts'
export { JsonNumber, numberOf } from './number.ts'
export { entries, fromEntries } from './order.ts'
export { type JsonDoc, parseJson } from './parse.ts'
export { plain } from './plain.ts'
export type { Layout } from './quote.ts'
export { type Pieces, type RecordGroup, RecordReader, isOdd } from './records.ts'
export { RecordWriter } from './record-writer.ts'
export type { Spelling } from './spelling.ts'
export { sameJson } from './same.ts'
export { stringifyJson } from './stringify.ts'
export { GO_STYLE, type Style } from './style.ts'
export { jsonText, jsonValue } from './text.ts'
