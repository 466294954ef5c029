/**
 * Ends a process that has stopped but lingers, because some part left a timer or socket behind.
 *
 * Such a leftover is a bug and is named on stderr (tests look for it); the operator gets the exit code all
 * the same and no hanging unit. Does not keep the process alive by itself.
 */

const LINGER_MAX_MS = 2_000

export function endIfLingering(code: number): void {
  const timer = setTimeout(() => {
    const open = process.getActiveResourcesInfo().join(', ')
    process.stderr.write(`The agent has stopped, but these were left open: ${open}\n`)
    process.exit(code)
  }, LINGER_MAX_MS)
  timer.unref()
}
