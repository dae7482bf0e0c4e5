/** What the page is made of, by path. It holds no data: whoever opens it without the token sees that it is needed. */
export const PAGE: Readonly<Record<string, { readonly type: string; readonly text: string }>> = STRATA_PAGE
