/**
 * What `ct amqp` can do: Celery's commands with their arguments and defaults (celery/bin/amqp.py 5.7), over the administration part of the
 * broker contract, so that they also work where the broker is no AMQP.
 */
import { TextDecoder } from 'node:util'
import type { BrokerAdministration, BrokerConnection, Delivery } from '@ct/contracts'
import { jsonText } from '../output/json-text.ts'

/** Reads one word of the command line. */
type Kind = 'text' | 'boolean' | 'integer'

interface Argument {
  readonly name: string
  readonly kind: Kind
  /** False: it may be left out, and is false then. */
  readonly required: boolean
}

export interface AdminTarget {
  readonly connection: BrokerConnection
  readonly administration: BrokerAdministration
  /** Messages that were got and are not acknowledged, by the number that the shell gave them. */
  readonly held: Map<number, Delivery>
}

export interface AdminCommand {
  readonly name: string
  readonly help: string
  readonly args: readonly Argument[]
  /** Resolves to what there is to tell besides OK. */
  run(target: AdminTarget, values: AdminValues): Promise<string | undefined>
}

export interface AdminValues {
  text(name: string): string
  flag(name: string): boolean
  integer(name: string): number
}

const text = (name: string): Argument => ({ name, kind: 'text', required: true })
const flag = (name: string, required = false): Argument => ({ name, kind: 'boolean', required })

export const adminCommands: readonly AdminCommand[] = [
  {
    name: 'exchange.declare',
    help: 'create an exchange, or with passive look whether it is there',
    args: [text('exchange'), text('type'), flag('passive'), flag('durable'), flag('auto_delete')],
    async run({ administration }, values) {
      await administration.declareExchange({
        name: values.text('exchange'),
        type: values.text('type'),
        passive: values.flag('passive'),
        durable: values.flag('durable'),
        autoDelete: values.flag('auto_delete'),
      })
      return undefined
    },
  },
  {
    name: 'exchange.delete',
    help: 'delete an exchange and its bindings',
    args: [text('exchange'), flag('if_unused')],
    async run({ administration }, values) {
      await administration.deleteExchange(values.text('exchange'), { ifUnused: values.flag('if_unused') })
      return undefined
    },
  },
  {
    name: 'queue.bind',
    help: 'bind a queue to an exchange',
    args: [text('queue'), text('exchange'), text('routing_key')],
    async run({ administration }, values) {
      await administration.bind(
        values.text('queue'),
        { name: values.text('exchange') },
        values.text('routing_key'),
      )
      return undefined
    },
  },
  {
    name: 'queue.declare',
    help: 'create a queue, or with passive look whether it is there',
    args: [text('queue'), flag('passive'), flag('durable'), flag('auto_delete')],
    async run({ connection, administration }, values) {
      const name = values.text('queue')
      await connection.declare([
        {
          name,
          durable: values.flag('durable'),
          exclusive: false,
          autoDelete: values.flag('auto_delete'),
          bindings: [],
          passive: values.flag('passive'),
        },
      ])
      const { messages, consumers } = await administration.report(name)
      return `queue:${name} messages:${messages} consumers:${consumers ?? '?'}`
    },
  },
  {
    name: 'queue.delete',
    help: 'delete a queue with all that is in it',
    args: [text('queue'), flag('if_unused'), flag('if_empty')],
    async run({ administration }, values) {
      const count = await administration.deleteQueue(values.text('queue'), {
        ifUnused: values.flag('if_unused'),
        ifEmpty: values.flag('if_empty'),
      })
      return `${count} messages deleted.`
    },
  },
  {
    name: 'queue.purge',
    help: 'delete what waits in a queue',
    args: [text('queue')],
    run: async ({ connection }, values) =>
      `${await connection.purge(values.text('queue'))} messages deleted.`,
  },
  {
    name: 'basic.get',
    help: 'take the next message of a queue, until it is acknowledged or the shell ends; with no_ack for good',
    args: [text('queue'), flag('no_ack')],
    async run({ administration, held }, values) {
      const delivery = await administration.get(values.text('queue'))
      if (delivery === undefined) return 'No messages in queue. basic.publish something.'
      let tag: number | undefined
      if (values.flag('no_ack')) await delivery.settle({ action: 'ack' })
      else held.set((tag = (([...held.keys()].at(-1) ?? 0) as number) + 1), delivery)
      return jsonText(shown(delivery, tag), 2)
    },
  },
  {
    name: 'basic.publish',
    help: 'send a text to an exchange; "" is the default exchange',
    args: [text('msg'), text('exchange'), text('routing_key'), flag('mandatory'), flag('immediate')],
    async run({ connection }, values) {
      if (values.flag('immediate')) throw new AdminUsage('No broker of today knows "immediate".')
      await connection.publish({
        body: new TextEncoder().encode(values.text('msg')),
        contentType: 'text/plain',
        contentEncoding: 'utf-8',
        headers: {},
        properties: { deliveryMode: 2, priority: 0 },
        exchange: values.text('exchange'),
        routingKey: values.text('routing_key'),
        ...(values.flag('mandatory') && { mandatory: true }),
      })
      return undefined
    },
  },
  {
    name: 'basic.ack',
    help: 'acknowledge a message that basic.get has shown, by its delivery_tag',
    args: [{ name: 'delivery_tag', kind: 'integer', required: true }],
    async run({ held }, values) {
      const tag = values.integer('delivery_tag')
      const delivery = held.get(tag)
      if (delivery === undefined)
        throw new AdminUsage(
          `No message with delivery_tag ${tag} is held here: basic.get one in the same shell.`,
        )
      await delivery.settle({ action: 'ack' })
      held.delete(tag)
      return undefined
    },
  },
]

/** What was typed makes no sense. */
export class AdminUsage extends Error {}

/** As Celery shows it: body, properties and where it came from; its tag is ours. */
function shown(delivery: Delivery, tag: number | undefined): Readonly<Record<string, unknown>> {
  const { body, contentType, contentEncoding, headers, properties, info } = delivery
  return {
    body: printable(body),
    properties: {
      content_type: contentType,
      content_encoding: contentEncoding,
      headers,
      ...snakeCased(properties),
    },
    delivery_info: {
      delivery_tag: tag ?? null,
      exchange: info.exchange,
      routing_key: info.routingKey,
      redelivered: info.redelivered,
    },
  }
}

function snakeCased(properties: object): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(properties).map(([name, value]) => [
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      value,
    ]),
  )
}

function printable(body: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch {
    return `base64:${Buffer.from(body).toString('base64')}`
  }
}

const yes = new Set(['true', 'yes', 'on', '1', 't', 'y'])
const no = new Set(['false', 'no', 'off', '0', 'f', 'n'])

/** Throws {@link AdminUsage}. */
export function readValues(command: AdminCommand, words: readonly string[]): AdminValues {
  const usage = `${command.name} ${command.args.map(({ name, required }) => (required ? `<${name}>` : `[${name}]`)).join(' ')}`
  if (words.length > command.args.length) throw new AdminUsage(`Too many arguments. It is: ${usage}`)
  const values = new Map<string, string | number | boolean>()
  for (const [index, { name, kind, required }] of command.args.entries()) {
    const word = words[index]
    if (word === undefined) {
      if (required) throw new AdminUsage(`Missing ${name}. It is: ${usage}`)
      values.set(name, false)
    } else if (kind === 'text') values.set(name, word)
    else if (kind === 'integer') {
      if (!/^\d+$/.test(word)) throw new AdminUsage(`${name} is "${word}". Give a whole number.`)
      values.set(name, Number(word))
    } else {
      const lower = word.toLowerCase()
      if (!yes.has(lower) && !no.has(lower)) throw new AdminUsage(`${name} is "${word}". Give true or false.`)
      values.set(name, yes.has(lower))
    }
  }
  return {
    text: (name) => String(values.get(name)),
    flag: (name) => values.get(name) === true,
    integer: (name) => Number(values.get(name)),
  }
}
