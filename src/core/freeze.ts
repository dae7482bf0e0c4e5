/** The value, frozen however deep: who tries to change it gets a TypeError. */
export const freeze = <T>(value: T): T => {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const member of Object.values(value)) freeze(member)
  return Object.freeze(value)
}

const REFUSED = /^Cannot (?:assign to read only|add|delete|define|redefine) property|object is not extensible/

/** Whether an error is what V8 throws at who changes something frozen. */
export const isRefusedChange = (error: unknown): boolean => error instanceof TypeError && REFUSED.test(error.message)
