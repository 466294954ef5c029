/**
 * Runs an operator's program that signs: what it is asked on its standard input, its answer from standard output.
 *
 * Guarantees: no shell; ends within SIGNER_TIMEOUT_MS, by SIGKILL; at most SIGNER_OUTPUT_MAX bytes are read.
 * An exit code of 75 (EX_TEMPFAIL) says that the signer has a limit of its own.
 */

import { execFile } from 'node:child_process'
import { FairleadError } from '../../core/errors.ts'

export const SIGNER_TIMEOUT_MS = 10_000
const SIGNER_OUTPUT_MAX = 1024 * 1024
const EXIT_TEMPORARY = 75
const SHOWN_MAX = 200

export interface SignerRun {
  readonly command: readonly string[]
  /** What it is asked to do; the last argument. */
  readonly verb: 'chain' | 'sign'
  readonly input: string
  /** Besides PATH. */
  readonly env: Readonly<Record<string, string>>
}

/** @throws FairleadError REJECTED | RATE_LIMITED */
export async function runSigner({ command, verb, input, env }: SignerRun): Promise<string> {
  const [program = '', ...args] = command
  return await new Promise((resolve, reject) => {
    const child = execFile(
      program,
      [...args, verb],
      {
        env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...env },
        timeout: SIGNER_TIMEOUT_MS,
        killSignal: 'SIGKILL',
        maxBuffer: SIGNER_OUTPUT_MAX,
        shell: false,
      },
      (err, stdout, stderr) => {
        if (err === null) return void resolve(stdout)
        if (err.code === EXIT_TEMPORARY) {
          return void reject(
            new FairleadError('RATE_LIMITED', 'Rate limit reached, try again later'),
          )
        }
        const said = stderr.trim().split('\n').at(-1)?.slice(0, SHOWN_MAX) ?? ''
        const why = said === '' ? err.message.split('\n')[0] : said
        reject(
          new FairleadError('REJECTED', `The signing program "${program} ${verb}" failed: ${why}`, {
            cause: err,
          }),
        )
      },
    )
    // It may end without reading.
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
  })
}
