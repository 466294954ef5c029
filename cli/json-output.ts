/**
 * The `-format` flag of commands that print either for people or for programs (cli.md section 1).
 */

import { type Arguments, type CliContext, type FlagSpec, flag, UsageError } from './command.ts'

export const formatFlag: FlagSpec = flag('format', 'pretty|json', 'how to print (default: pretty)')

/** @throws UsageError for another format */
export function isJson(args: Arguments): boolean {
  const format = args.text('format') ?? 'pretty'
  if (format !== 'pretty' && format !== 'json') {
    throw new UsageError(`Unknown format "${format}": pretty and json are supported`)
  }
  return format === 'json'
}

/** @returns the exit code */
export function printJson(context: CliContext, value: unknown): number {
  context.stdout(`${JSON.stringify(value, undefined, 4)}\n`)
  return 0
}
