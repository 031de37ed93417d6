/** A queue as `active_queues` shows it; monitors need every one of these keys (worker-behaviour §7.4, §11.2). */
import type { ActiveQueueInfo, Exchange, Queue } from '@ct/client'

export function activeQueue(queue: Queue): ActiveQueueInfo {
  return {
    name: queue.name,
    exchange: exchangeInfo(queue.exchange),
    routing_key: queue.routingKey ?? '',
    queue_arguments: queue.queueArguments ?? null,
    binding_arguments: queue.bindingArguments ?? null,
    consumer_arguments: queue.consumerArguments ?? null,
    durable: queue.durable,
    exclusive: queue.exclusive,
    auto_delete: queue.autoDelete,
    no_ack: queue.noAck,
    alias: queue.alias ?? null,
    bindings: queue.bindings.map((binding) => ({
      exchange: exchangeInfo(typeof binding.exchange === 'string' ? undefined : binding.exchange),
      routing_key: binding.routingKey ?? '',
    })),
    no_declare: queue.noDeclare ? true : null,
    expires: queue.expires ?? null,
    message_ttl: queue.messageTtl ?? null,
    max_length: queue.maxLength ?? null,
    max_length_bytes: queue.maxLengthBytes ?? null,
    max_priority: queue.maxPriority ?? null,
  }
}

function exchangeInfo(exchange: Exchange | undefined): ActiveQueueInfo['exchange'] {
  return {
    name: exchange?.name ?? '',
    type: exchange?.type ?? 'direct',
    arguments: exchange?.arguments ?? null,
    durable: exchange?.durable ?? true,
    passive: exchange?.passive ?? false,
    auto_delete: exchange?.autoDelete ?? false,
    delivery_mode: exchange?.deliveryMode ?? null,
    no_declare: exchange?.noDeclare ?? false,
  }
}
