/**
 * Commands of the machine that the harness stands on (ip, nft, mount, …), and which of them are here.
 */

import { execFile, execFileSync } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)
const COMMAND_TIMEOUT_MS = 30_000

/** @throws with the command and what it said */
export async function sh(program: string, ...args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await run(program, [...args], {
      timeout: COMMAND_TIMEOUT_MS,
      env: commandEnvironment(),
    })
    return stdout
  } catch (cause) {
    const said = (cause as { stderr?: string }).stderr ?? ''
    throw new Error(`${program} ${args.join(' ')}: ${said.trim()}`, { cause })
  }
}

export function has(program: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`], {
      env: commandEnvironment(),
      stdio: 'pipe',
    })
    return true
  } catch {
    return false
  }
}

/** Why this machine cannot run real servers in hosts of their own; undefined when it can. */
export function whyNoHosts(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces need Linux'
  if (process.getuid?.() !== 0) return 'network namespaces need root'
  const missing = ['ip', 'nft', 'nsenter'].filter((program) => !has(program))
  if (missing.length > 0)
    return `not installed: ${missing.join(', ')} (Debian: iproute2, nftables, util-linux)`
  const probe = `flprobe${process.pid}`
  try {
    execFileSync('ip', ['netns', 'add', probe], { env: commandEnvironment(), stdio: 'pipe' })
    execFileSync('ip', ['netns', 'del', probe], { env: commandEnvironment(), stdio: 'pipe' })
    return undefined
  } catch (err) {
    return `no network namespaces here: ${String((err as { stderr?: Buffer }).stderr ?? err).trim()}`
  }
}

/** Debian keeps them where a user's path may not reach. */
export function commandEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` }
}
