/** Loaded when it is asked for, through a file of its own: importing all of zod would bring along what nobody uses. */
export { toJSONSchema } from 'zod'
