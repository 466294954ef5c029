/**
 * Data given to a command: as it stands, `@file`, or `-` for standard input (cli.md section 5); texts of files.
 */

import { FairleadError } from '../core/errors.ts'
import type { CliContext } from './command.ts'

export async function readData(argument: string, context: CliContext): Promise<Uint8Array> {
  if (argument === '-') return await context.readStdin()
  if (!argument.startsWith('@')) return new TextEncoder().encode(argument)
  return await readNamedFile(argument.slice(1), context)
}

/** Of a file, or of standard input for `-`. */
export async function readText(path: string, context: CliContext): Promise<string> {
  const bytes = path === '-' ? await context.readStdin() : await readNamedFile(path, context)
  return Buffer.from(bytes).toString()
}

export async function readNamedFile(path: string, context: CliContext): Promise<Uint8Array> {
  try {
    return await context.readFile(path)
  } catch (err) {
    throw new FairleadError('BAD_REQUEST', `Failed to read file: ${(err as Error).message}`, {
      cause: err,
    })
  }
}
