export type { CommandTarget } from './command.ts'
export { mergeRevoked } from './inspect-commands.ts'
export { Pidbox } from './pidbox.ts'
