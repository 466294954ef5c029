/**
 * What `fairlead init` and `fairlead join` may be told about this host, and how its service is started.
 */

import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { ipFamily } from '../../core/config/ip-address.ts'
import { FairleadError } from '../../core/errors.ts'
import { readHostFacts } from '../agent/host-facts.ts'
import { type Arguments, type CliContext, type FlagSpec, flag, UsageError } from '../command.ts'
import type { HostChoices } from './written-config.ts'

export const HOST_FLAGS: readonly FlagSpec[] = [
  flag('node', 'name', 'name of this node (default: the host name)'),
  flag('advertise', 'ip', 'address by which other hosts reach this one (default: the private one)'),
  flag('bind', 'ip', 'address for traffic between agents (default: 0.0.0.0)'),
  flag('config-dir', 'path', 'where the configuration is written (default: /etc/fairlead)'),
  flag('data-dir', 'path', 'where state is kept (default: /var/lib/fairlead)'),
]

const NODE_NAME = /^[A-Za-z0-9._-]{1,128}$/
const START_TIMEOUT_MS = 90_000

/** @throws UsageError */
export function hostChoices(args: Arguments): HostChoices {
  const node = args.text('node') ?? readHostFacts().hostname
  if (!NODE_NAME.test(node)) throw new UsageError(`-node: "${node}" is no name of a node`)
  return {
    node,
    advertise: address(args, 'advertise'),
    bind: address(args, 'bind'),
    configDir: resolve(args.text('config-dir') ?? '/etc/fairlead'),
    dataDir: resolve(args.text('data-dir') ?? '/var/lib/fairlead'),
  }
}

/** @throws FairleadError with what systemd said */
export async function startService(context: CliContext): Promise<void> {
  try {
    await promisify(execFile)('systemctl', ['enable', '--now', 'fairlead'], {
      timeout: START_TIMEOUT_MS,
    })
    context.stderr('✓ service started\n')
  } catch (cause) {
    const { stderr = '', message } = cause as { readonly stderr?: string; readonly message: string }
    throw new FairleadError('INTERNAL', `The service did not start: ${stderr.trim() || message}`, {
      cause,
      facts: {
        hint: 'journalctl -u fairlead; the configuration is written, try systemctl start fairlead',
      },
    })
  }
}

function address(args: Arguments, name: string): string {
  const given = args.text(name)
  if (given === undefined || given === '') return ''
  if (ipFamily(given) !== undefined) return given
  throw new UsageError(`-${name} must be an ip address, got "${given}"`)
}
