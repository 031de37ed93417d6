import { CommandFailure, exitCodes } from '../exit-codes.ts'
import type { Session } from '../session.ts'
import { formatReply, headOf } from './format-reply.ts'
import type { RemoteCommand } from './remote-commands.ts'

/** Options of `inspect`, `control` and `status` (CLI-24…26). */
export interface AskOptions {
  /** Seconds without a further answer after which waiting ends. */
  readonly timeout?: number
  readonly destination?: readonly string[]
  readonly json?: boolean
}

/** Sends a command to the workers and shows their answers as they come. */
export async function askWorkers(
  session: Session,
  command: RemoteCommand,
  args: Readonly<Record<string, unknown>>,
  options: AskOptions,
): Promise<void> {
  const app = await session.appWithBroker()
  const { destination, json } = options
  const timeoutMs = (options.timeout ?? command.timeout ?? 1) * 1000
  const common = { arguments: args, ...(destination === undefined ? {} : { destination }) }
  if (command.silent === true) {
    await app.control.broadcast(command.name, common)
    if (json === true) session.printJson({})
    else
      session.tell(
        `Sent to ${destination === undefined ? 'all workers' : destination.join(', ')}. Workers do not answer "${command.name}".`,
      )
    return
  }
  const replies: Record<string, unknown> = {}
  await app.control.broadcast(command.name, {
    ...common,
    reply: true,
    timeoutMs,
    callback: (reply) => {
      Object.assign(replies, reply)
      if (json !== true)
        for (const [node, value] of Object.entries(reply)) showReply(session, command, node, value)
    },
  })
  const count = Object.keys(replies).length
  if (json === true && count > 0) session.printJson(replies)
  if (count === 0) throw noReply(timeoutMs)
  if (json !== true) session.tell(`\n${count} ${count === 1 ? 'node' : 'nodes'} online.`)
}

export function noReply(timeoutMs: number): CommandFailure {
  return new CommandFailure(
    `No worker answered within ${timeoutMs / 1000} s. Is one running on this broker? A busy one may need longer: --timeout 5.`,
    exitCodes.unavailable,
  )
}

function showReply(session: Session, command: RemoteCommand, node: string, value: unknown): void {
  const { style } = session
  const head = headOf(value)
  session.print(
    `${style.paint('dim', '->')}  ${style.paint('bold', node)}: ${style.paint(head.ok ? 'green' : 'red', head.text)}`,
  )
  const lines = formatReply(command.name, value, style)
  if (lines !== '') session.print(lines.replaceAll(/^/gm, '    '))
}
