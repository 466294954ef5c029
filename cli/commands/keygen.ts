/**
 * `fairlead keygen`: a new key for gossip (cli.md section 12). Asks no agent.
 */

import { randomBytes } from 'node:crypto'
import type { CommandSpec } from '../command.ts'

const KEY_SIZE = 32

export const keygenCommand: CommandSpec = {
  summary: 'Make a key for the encryption of gossip',
  usage: '',
  flags: [],
  run: async (_args, context) => {
    context.stdout(`${randomBytes(KEY_SIZE).toString('base64')}\n`)
    return 0
  },
}
