import type { Command, Option } from 'commander'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import type { Session } from '../session.ts'

/** `ct completion SHELL` prints a script that completes commands, options and the values of those with a fixed set of them. */
export function addCompletion(program: Command, session: Session): void {
  program
    .command('completion')
    .description('print a completion script for your shell')
    .argument('<shell>', 'bash, zsh or fish')
    .addHelpText(
      'after',
      `
Once, in the start file of the shell:
  bash   eval "$(ct completion bash)"
  zsh    eval "$(ct completion zsh)"
  fish   ct completion fish | source`,
    )
    .action((shell: string) => {
      const write = writers[shell]
      if (write === undefined) {
        throw new CommandFailure(
          `There is no completion for "${shell}". Shells: bash, zsh, fish.`,
          exitCodes.usage,
        )
      }
      session.print(write(nodesOf(program)))
    })
}

/** A command and what may follow it. */
interface Node {
  /** `''` for the program, `worker`, `inspect active`. */
  readonly path: string
  readonly commands: readonly { readonly name: string; readonly help: string }[]
  readonly options: readonly OptionNode[]
}

interface OptionNode {
  readonly flags: readonly string[]
  readonly help: string
  readonly takesValue: boolean
  readonly choices: readonly string[]
}

function nodesOf(program: Command): Node[] {
  const global = program.options.map(optionNode)
  const visit = (command: Command, path: string, inherited: readonly OptionNode[]): Node[] => {
    const own = path === '' ? global : [...command.options.map(optionNode), ...inherited]
    const commands = command.commands.map((child) => ({ name: child.name(), help: child.description() }))
    return [
      { path, commands, options: own },
      ...command.commands.flatMap((child) => visit(child, `${path} ${child.name()}`.trim(), own)),
    ]
  }
  return visit(program, '', [])
}

function optionNode(option: Option): OptionNode {
  return {
    flags: [option.short, option.long].filter((flag) => flag !== undefined),
    help: option.description,
    takesValue: option.required || option.optional,
    choices: option.argChoices ?? [],
  }
}

/** In single quotes for any of the three shells. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

const writers: Readonly<Record<string, (nodes: readonly Node[]) => string>> = {
  bash: (nodes) => bashFunction(nodes) + '\ncomplete -o default -o bashdefault -F _ct_complete ct',
  // zsh runs completions of bash by itself, once asked to.
  zsh: (nodes) =>
    `autoload -Uz compinit bashcompinit\n(( $+functions[compdef] )) || compinit\nbashcompinit\n${bashFunction(nodes)}\ncomplete -o default -F _ct_complete ct`,
  fish,
}

/** Walks the words to find the command, then offers what may follow it; files where an option takes a value of any kind. */
function bashFunction(nodes: readonly Node[]): string {
  const paths = nodes.filter(({ path }) => path !== '').map(({ path }) => quote(path))
  const words = nodes.map(({ path, commands, options }) => {
    const all = [...commands.map(({ name }) => name), ...options.flatMap(({ flags }) => flags)]
    return `    ${quote(path)}) words=${quote(all.join(' '))} ;;`
  })
  const values = [
    ...new Map(
      nodes.flatMap(({ options }) => options).map((option) => [option.flags.join('|'), option]),
    ).values(),
  ]
    .filter(({ takesValue }) => takesValue)
    .map(({ flags, choices }) => `    ${flags.join('|')}) words=${quote(choices.join(' '))}; only=1 ;;`)
  return `_ct_complete() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" at='' words='' only='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    local next="\${at:+$at }\${COMP_WORDS[i]}"
    case "$next" in
      ${paths.join('|')}) at="$next" ;;
    esac
  done
  case "$at" in
${words.join('\n')}
  esac
  case "$prev" in
${values.join('\n')}
  esac
  if [[ -n $only && -z $words ]]; then COMPREPLY=(); return; fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}`
}

function fish(nodes: readonly Node[]): string {
  const lines = ['complete -c ct -f']
  for (const { path, commands, options } of nodes) {
    const seen = path.split(' ').filter((word) => word !== '')
    const within = seen.map((word) => `__fish_seen_subcommand_from ${word}`)
    const none =
      commands.length === 0
        ? []
        : [`not __fish_seen_subcommand_from ${commands.map(({ name }) => name).join(' ')}`]
    for (const { name, help } of commands) {
      lines.push(
        `complete -c ct -n ${quote([...within, ...none].join('; and '))} -a ${name} -d ${quote(help)}`,
      )
    }
    const condition = within.length === 0 ? '' : ` -n ${quote(within.join('; and '))}`
    for (const { flags, help, takesValue, choices } of options) {
      const names = flags
        .map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`))
        .join(' ')
      const value = takesValue ? (choices.length > 0 ? ` -x -a ${quote(choices.join(' '))}` : ' -r -F') : ''
      lines.push(`complete -c ct${condition} ${names}${value} -d ${quote(help)}`)
    }
  }
  return [...new Set(lines)].join('\n')
}
