/**
 * Help texts, laid out by commander and wrapped to the terminal.
 */

import { Command, Option } from 'commander'
import type { CommandSpec, FlagSpec } from './command.ts'
import type { CommandTree } from './command-node.ts'

export function commandHelp(
  path: readonly string[],
  spec: CommandSpec,
  columns: number | undefined,
): string {
  const command = bare(['fairlead', ...path].join(' '), columns)
  command.description(spec.summary)
  command.usage(`${spec.flags.length > 0 ? '[flags] ' : ''}${spec.usage}`)
  for (const flag of spec.flags) {
    command.addOption(new Option(`--${flag.name}${valueText(flag)}`, flag.doc))
  }
  return command.helpInformation()
}

export function groupHelp(
  path: readonly string[],
  summary: string,
  children: CommandTree,
  columns: number | undefined,
): string {
  const command = bare(['fairlead', ...path].join(' '), columns)
  command.description(summary).usage('<command> [flags] [arguments]')
  for (const [name, node] of Object.entries(children)) {
    if (node.kind === 'unsupported' || (node.kind === 'command' && node.hidden)) continue
    command.addCommand(bare(name, columns).summary(node.summary))
  }
  return command.helpInformation()
}

/** What stands behind the name of a flag in help and reference. */
export function valueText({ kind, metavar }: FlagSpec): string {
  switch (kind) {
    case 'bool':
      return ''
    case 'optional':
      return `[=<${metavar}>]`
    case 'value':
    case 'list':
      return ` <${metavar}>`
  }
}

/** One dash, as the examples of Consul's users have; two work as well. */
function bare(name: string, columns: number | undefined): Command {
  const command = new Command(name).helpOption(false).helpCommand(false)
  return command.configureHelp({
    helpWidth: Math.min(columns ?? 100, 100),
    sortOptions: true,
    optionTerm: (option) => option.flags.replace(/^--/, '-'),
    subcommandTerm: (sub) => sub.name(),
  })
}
