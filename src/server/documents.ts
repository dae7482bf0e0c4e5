import * as z from 'zod'
import { ERROR_CODES } from '../index.ts'
import { METHODS } from './methods.ts'

/** The documents that describe the server to programs, made from the schemas that it checks with. */

type Json = Readonly<Record<string, unknown>>

/** Named schemas are referred to, and stand once in the document. */
const jsonSchema = (schema: z.ZodType, at: string, isInput: boolean): { schema: Json; used: Json } => {
  const {
    $defs = {},
    $schema: _,
    ...own
  } = z.toJSONSchema(schema, {
    io: isInput ? 'input' : 'output',
    target: 'draft-2020-12',
    // Results may get more members; params may not.
    override: ({ jsonSchema: made }) => {
      if (!isInput && made.additionalProperties === false) delete made.additionalProperties
    },
  })
  const moved = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(moved)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(
      Object.entries(value)
        .filter(([key]) => key !== 'id' || typeof (value as Json).id !== 'string')
        .map(([key, member]) => [key, key === '$ref' && typeof member === 'string' ? member.replace('#/$defs/', at) : moved(member)]),
    )
  }
  // What a JSON value is made of stays one.
  return { schema: moved(own) as Json, used: moved($defs) as Json }
}

const ERROR: Json = {
  type: 'object',
  required: ['code', 'message', 'hint', 'data'],
  properties: {
    code: { type: 'string', description: 'stable', examples: [...ERROR_CODES] },
    message: { type: 'string', description: 'for people' },
    hint: { type: 'string', description: 'what to do' },
    data: { type: 'object', description: 'the facts: paths, counts, versions' },
  },
}

type Described = { readonly summary: string; readonly changes: boolean; readonly params: Json; readonly result: Json }

const described = (at: string): { methods: Record<string, Described>; named: Json } => {
  const named: Record<string, unknown> = {}
  const methods = Object.entries(METHODS).map(([name, { summary, changes, ...method }]): [string, Described] => {
    const [params, result] = [jsonSchema(method.params, at, true), jsonSchema(method.result, at, false)]
    Object.assign(named, params.used, result.used)
    return [name, { summary, changes, params: params.schema, result: result.schema }]
  })
  return { methods: Object.fromEntries(methods), named }
}

/** The methods of JSON-RPC as one JSON Schema document: `$defs` has params and result of each. */
export const schemaDocument = (): Json => {
  const { methods, named } = described('#/$defs/')
  const defs = Object.entries(methods).flatMap(([name, { summary, params, result }]): [string, Json][] => [
    [`${name}.params`, { description: summary, ...params }],
    [`${name}.result`, result],
  ])
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Strata',
    description: 'Params and results of the JSON-RPC 2.0 methods of strata serve.',
    $defs: { ...named, Error: ERROR, ...Object.fromEntries(defs) },
  }
}

const jsonBody = (schema: Json): Json => ({ content: { 'application/json': { schema } } })

/** OpenAPI 3.1: each method is POST /api/NAME. */
export const openApiDocument = (version: string): Json => {
  const { methods, named } = described('#/components/schemas/')
  const refusals: Json = Object.fromEntries(
    [
      ['400', 'the params are of a wrong shape'],
      ['401', 'the token is missing or wrong'],
      ['403', 'another page or program asks'],
      ['404', 'what was asked for does not exist'],
      ['409', 'the store has changed since, or is being written'],
      ['422', 'it cannot be done; the error tells why'],
      ['428', 'a change has to name the head that it rests on'],
    ].map(([status = '', description]): [string, Json] => [status, { description, ...jsonBody({ $ref: '#/components/schemas/Error' }) }]),
  )
  const paths = Object.entries(methods).map(([name, { summary, params, result }]) => [
    `/api/${name}`,
    {
      post: {
        operationId: name,
        summary,
        requestBody: { required: true, ...jsonBody(params) },
        responses: { 200: { description: 'done', ...jsonBody(result) }, ...refusals },
      },
    },
  ])
  return {
    openapi: '3.1.0',
    info: { title: 'Strata', version, description: 'A store of versioned data: see strata serve.' },
    servers: [{ url: 'http://127.0.0.1:{port}', variables: { port: { default: '0', description: 'strata serve prints it' } } }],
    security: [{ token: [] }],
    paths: Object.fromEntries(paths),
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'new with every run; it is in the fragment of the printed address' },
      },
      schemas: { ...named, Error: ERROR },
    },
  }
}
