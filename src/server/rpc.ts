import type { App } from '../index.ts'
import { isStrataError } from '../index.ts'
import { METHODS } from './methods.ts'

/** JSON-RPC 2.0 (jsonrpc.org/specification). Every StrataError is a -32000 (params of a wrong shape a -32602) with `code`, `hint` and `data`. */

type Id = string | number | null
export type RpcError = { readonly code: number; readonly message: string; readonly data?: unknown }
export type Response = { readonly jsonrpc: '2.0'; readonly id: Id } & ({ readonly result: unknown } | { readonly error: RpcError })

const PARSE_ERROR = -32700
const INVALID_REQUEST = -32600
const METHOD_NOT_FOUND = -32601
const INVALID_PARAMS = -32602
const INTERNAL_ERROR = -32603
const STRATA_ERROR = -32000

/** Requests that one message may hold. */
const MOST_IN_BATCH = 50

export type Rpc = {
  readonly app: App
  /** Told of errors that are mistakes of ours: the caller gets no details. */
  readonly onUnexpected: (error: unknown) => void
  /** Whether a change has to name the head that it rests on. */
  readonly mustNameHead: boolean
}

const failure = (id: Id, error: RpcError): Response => ({ jsonrpc: '2.0', id, error })

/** What a caller is told of an error, under JSON-RPC's number for it. */
const errorOf = (error: unknown, onUnexpected: Rpc['onUnexpected']): RpcError => {
  if (isStrataError(error)) {
    const { code, hint, data } = error
    return { code: code === 'BAD_ARGUMENT' ? INVALID_PARAMS : STRATA_ERROR, message: error.message, data: { code, hint, data } }
  }
  onUnexpected(error)
  return {
    code: INTERNAL_ERROR,
    message: 'something unexpected happened; the log tells what',
    data: { code: 'UNEXPECTED', hint: '', data: {} },
  }
}

const noHead = (name: string): RpcError => ({
  code: INVALID_PARAMS,
  message: `${name} changes the store: it needs expectedHead`,
  data: { code: 'HEAD_NEEDED', hint: 'Give the head of the Overview that the decision rests on.', data: {} },
})

type Request = { readonly id: Id | undefined; readonly method: string; readonly params: unknown }

const isId = (value: unknown): value is Id | undefined =>
  value === undefined || value === null || typeof value === 'string' || (typeof value === 'number' && Number.isFinite(value))

const requestOf = (value: unknown): Request | undefined => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const { jsonrpc, id, method, params } = value as Readonly<Record<string, unknown>>
  if (jsonrpc !== '2.0' || typeof method !== 'string' || !isId(id)) return undefined
  return { id, method, params }
}

const namesHead = (params: unknown): boolean => typeof params === 'object' && params !== null && 'expectedHead' in params

/** The answer to one request. */
export const answer = async (rpc: Rpc, { id = null, method: name, params }: Request): Promise<Response> => {
  const method = Object.hasOwn(METHODS, name) ? METHODS[name] : undefined
  if (method === undefined)
    return failure(id, { code: METHOD_NOT_FOUND, message: 'there is no such method', data: { methods: Object.keys(METHODS) } })
  if (rpc.mustNameHead && method.needsHead && !namesHead(params)) return failure(id, noHead(name))
  try {
    return { jsonrpc: '2.0', id, result: await method.call(rpc.app, params) }
  } catch (error) {
    return failure(id, errorOf(error, rpc.onUnexpected))
  }
}

/** One request; undefined for a notification, which is not answered. */
const one = async (rpc: Rpc, value: unknown): Promise<Response | undefined> => {
  const request = requestOf(value)
  if (request === undefined) return failure(null, { code: INVALID_REQUEST, message: 'this is no JSON-RPC 2.0 request' })
  const response = await answer(rpc, request)
  return request.id === undefined ? undefined : response
}

const several = async (rpc: Rpc, values: readonly unknown[]): Promise<Response | readonly Response[] | undefined> => {
  if (values.length === 0 || values.length > MOST_IN_BATCH)
    return failure(null, { code: INVALID_REQUEST, message: `a batch has 1 to ${MOST_IN_BATCH} requests` })
  const responses: Response[] = []
  // In their order: a batch may ask for something and then change it.
  for (const value of values) {
    const response = await one(rpc, value)
    if (response !== undefined) responses.push(response)
  }
  return responses.length === 0 ? undefined : responses
}

/** A message as a value; undefined where it is no JSON. */
export const parseMessage = (text: string): { readonly value: unknown } | undefined => {
  try {
    return { value: JSON.parse(text) }
  } catch {
    return undefined
  }
}

/** What to answer to a message; undefined where nothing is to be. */
export const respond = async (rpc: Rpc, text: string): Promise<Response | readonly Response[] | undefined> => {
  const message = parseMessage(text)
  if (message === undefined) return failure(null, { code: PARSE_ERROR, message: 'this is no JSON' })
  return Array.isArray(message.value) ? several(rpc, message.value) : one(rpc, message.value)
}

/** The answer to a line that is longer than any request may be. */
export const tooLong = (most: number): Response => failure(null, { code: INVALID_REQUEST, message: `a message has at most ${most} bytes` })
