/**
 * Config entries of the files are written until they are all there, and nothing is written once the agent stops.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { BootstrapEntries, bootstrapEntryOf } from '../../../../cli/agent/bootstrap-entries.ts'
import type { Command } from '../../../../core/catalog/commands.ts'
import { silentLogger } from '../../../../core/log.ts'
import type { ServerApi } from '../../../../core/rpc/server-api.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'

const entries = [bootstrapEntryOf({ Kind: 'service-defaults', Name: 'web', Protocol: 'http' })]

/** Keeps every write waiting until it is called off. */
function slowServers() {
  const written: Command[] = []
  const write: ServerApi['write'] = (command, { signal } = {}) => {
    written.push(command)
    return new Promise((_, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason))
    })
  }
  return { written, servers: { write } }
}

function bootstrap(servers: Pick<ServerApi, 'write'>): BootstrapEntries {
  return new BootstrapEntries(entries, { clock: new ManualClock(), log: silentLogger, servers })
}

it('writes where there is nothing, and again after a reload', async () => {
  const { written, servers } = slowServers()
  const entriesOfFiles = bootstrap(servers)
  await entriesOfFiles.start()
  await entriesOfFiles.replace(entries)
  assert.deepEqual(
    written.map((command) => 'cas' in command && command.cas),
    [0, 0],
  )
  await entriesOfFiles.stop()
})

it('writes nothing more when it is stopped while a reload replaces its entries', async () => {
  const { written, servers } = slowServers()
  const entriesOfFiles = bootstrap(servers)
  await entriesOfFiles.start()
  await Promise.all([entriesOfFiles.replace(entries), entriesOfFiles.stop()])
  assert.equal(written.length, 1)
})
