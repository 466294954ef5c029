/**
 * Runs a command of the program in this process, with nothing on stdin and no files.
 */

import { runProgram } from '../../../cli/program.ts'

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export async function run(
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ran> {
  let stdout = ''
  let stderr = ''
  const code = await runProgram(argv, {
    env,
    stdout: (output) => {
      stdout += typeof output === 'string' ? output : Buffer.from(output).toString()
    },
    stderr: (text) => {
      stderr += text
    },
    readStdin: async () => new Uint8Array(),
    readFile: async () => new Uint8Array(),
    columns: undefined,
    colour: false,
  })
  return { code, stdout, stderr }
}
