/** The `ct` command as a function. `@ct/core` brings the program that runs it. */
export { exitCodes } from './exit-codes.ts'
export type { ExitCode } from './exit-codes.ts'
export type { CliCommand, CliCommandContext } from './package-commands.ts'
export { runCli } from './run-cli.ts'
export type { CliOptions, OutputStream } from './session.ts'
