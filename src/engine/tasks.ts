import { assemble } from './task-assemble.ts'
import { capture } from './task-capture.ts'
import { extract } from './task-extract.ts'
import { gather } from './task-gather.ts'
import { verifyObjects } from './task-objects.ts'
import { recall } from './task-recall.ts'
import { transform } from './task-transform.ts'
import type { Result, Task, TaskEnv } from './task-types.ts'
import { verify } from './task-verify.ts'

export const runTask = (env: TaskEnv, task: Task): Result | Promise<Result> => {
  switch (task.type) {
    case 'assemble':
      return assemble(env, task)
    case 'capture':
      return capture(env, task)
    case 'transform':
      return transform(env, task)
    case 'extract':
      return extract(env, task)
    case 'gather':
      return gather(env, task)
    case 'recall':
      return recall(env, task)
    case 'objects':
      return verifyObjects(env, task)
    case 'verify':
      return verify(env, task)
  }
}
