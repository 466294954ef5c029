/**
 * Hands a configuration with secrets to a program that reads it from a path: through a named pipe that is gone once read.
 *
 * Guarantees: nothing of it is ever on a disk; the pipe is in a folder that only this user can enter, and the folder goes
 * when the reader has read, or after READ_MAX_S.
 */

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const READ_MAX_S = 30
/** Reads all there is before it opens the pipe, which waits for its reader. */
const FEED = `text=$(cat); timeout ${READ_MAX_S} sh -c 'printf %s "$1" >"$0"' "$1/$2" "$text"; rm -rf "$1"`

/** @returns the path to read from */
export async function pipeOf(text: string, fileName: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fairlead-bootstrap-'))
  execFileSync('mkfifo', ['-m', '600', join(folder, fileName)])
  const feeder = spawn('/bin/sh', ['-c', FEED, 'sh', folder, fileName], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  feeder.stdin.end(text)
  await once(feeder.stdin, 'finish')
  feeder.unref()
  return join(folder, fileName)
}
