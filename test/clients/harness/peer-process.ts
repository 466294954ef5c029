/**
 * A program of another project that runs for as long as a test needs it.
 *
 * Guarantees: it has ended when it is disposed of. Its output explains a failure.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { finished } from '../../e2e/harness/program.ts'

export interface PeerProcess extends AsyncDisposable {
  readonly output: () => string
  readonly isRunning: () => boolean
  /** Resolves when it has ended and its output is complete: its exit code, null when it was killed or did not start. */
  readonly ended: Promise<number | null>
}

export interface PeerOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  readonly uid?: number
  readonly gid?: number
}

export function startPeer(
  program: string,
  argv: readonly string[],
  options: PeerOptions = {},
): PeerProcess {
  const child = spawn(program, argv, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const ended = finished(child).then(
    ({ code }) => code,
    (err: unknown) => {
      output += String(err)
      return null
    },
  )
  return {
    output: () => output,
    isRunning: () => isRunning(child),
    ended,
    [Symbol.asyncDispose]: async () => {
      if (isRunning(child)) child.kill('SIGKILL')
      await ended
    },
  }
}

function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null
}
