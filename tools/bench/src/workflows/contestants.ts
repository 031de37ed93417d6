import { bullmqWorkflows } from './bullmq-workflows.ts'
import { celeryWorkflows } from './celery-workflows.ts'
import { ctWorkflows } from './ct-workflows.ts'
import type { WorkflowContestant } from './shapes.ts'

export const workflowContestants: readonly WorkflowContestant[] = [
  ctWorkflows,
  celeryWorkflows,
  bullmqWorkflows,
]
