export {
  isForNode,
  nodeQueue,
  patternMatcher,
  pidboxExchange,
  readControlMessage,
  readReply,
  replyExchange,
  replyQueue,
  writeControlMessage,
  writeReply,
} from './control-message.ts'
export type { ControlCodec, ControlMessage, ControlReply, ControlSettings } from './control-message.ts'
export { Control } from './control.ts'
export type { CommandOptions, CommandReplies, ControlOptions, RevokeCommandOptions } from './control.ts'
export { globToRegExp } from './glob.ts'
export { Inspect } from './inspect.ts'
export type { InspectAnswer, InspectOptions } from './inspect.ts'
export type {
  ActiveQueueInfo,
  ErrorReply,
  ExchangeInfo,
  HelloInfo,
  OkReply,
  QueriedTask,
  RequestInfo,
  ScheduledInfo,
  StatsInfo,
} from './inspect-replies.ts'
export { Mailbox } from './mailbox.ts'
export type {
  Addressing,
  BroadcastCallOptions,
  MailboxClock,
  MailboxOptions,
  MailboxSettings,
} from './mailbox.ts'
export { commandArguments, CommandRegistry } from './commands.ts'
export type {
  CommandArgumentKind,
  CommandArgumentKinds,
  CommandArguments,
  CommandDefinition,
  CommandHandler,
  CommandWorker,
  DefineCommand,
  RegisteredCommand,
} from './commands.ts'
