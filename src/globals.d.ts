/** The version of package.json, put in by build.mjs (and by vitest.config.ts, which says `test` for the build). */
declare const STRATA_VERSION: string
/** The first 16 hex digits of the SHA-256 over everything that the build was made from. */
declare const STRATA_BUILD: string
/** The files of the page by their path, put in by build.mjs. */
declare const STRATA_PAGE: Readonly<Record<string, { readonly type: string; readonly text: string }>>
