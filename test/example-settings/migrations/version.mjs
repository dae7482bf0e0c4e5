/** The version that a file names, from one to the next. */
export const stamp = (from, to) => ({ up: () => to, down: () => from })
