export { openApiDocument, schemaDocument } from './documents.ts'
export type { Serving } from './http.ts'
export { serveHttp } from './http.ts'
export { serveStdio } from './stdio.ts'
