export type { CommandTarget } from './command.ts'
export { mergeRevoked } from './inspect-commands.ts'
export { checkOwnCommands, Pidbox } from './pidbox.ts'
