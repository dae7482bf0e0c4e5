process.env.STRATA_ALL_TRAPS = 'yes'
await import('./untrusted-store.test.ts')

export {}
