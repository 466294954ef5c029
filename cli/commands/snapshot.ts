/**
 * `fairlead snapshot save` and `restore`: the state of the servers as one file (cli.md section 11).
 *
 * A saved file gets its name only once it was read back whole, and then keeps it over a power cut; both ways
 * hold no more than a piece of it.
 */

import { createReadStream } from 'node:fs'
import { open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { FairleadError } from '../../core/errors.ts'
import { syncDirectory } from '../../runtime/host/sync-directory.ts'
import { API_FLAGS, ApiClient, SERVER_FLAGS } from '../api-client.ts'
import { type CommandSpec, flag, UsageError } from '../command.ts'
import { proveSnapshot } from '../snapshot-file.ts'

const PATH = '/v1/snapshot'
const PRIVATE_MODE = 0o600

export const snapshotSaveCommand: CommandSpec = {
  summary: 'Save the state of the servers to a file',
  usage: 'FILE',
  flags: [
    flag('append-filename', 'parts', 'put version,dc (either or both) into the name of the file'),
    ...SERVER_FLAGS,
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    const file = oneFile(args.positionals)
    const client = new ApiClient(args, context)
    const name = await withParts(file, args.text('append-filename') ?? '', client)
    const unverified = `${name}.unverified`
    try {
      const handle = await open(unverified, 'w', PRIVATE_MODE).catch((cause) => {
        throw new FairleadError('REJECTED', `Error saving snapshot: ${cause.message}`, { cause })
      })
      try {
        for await (const chunk of await client.download(PATH, {})) await handle.writeFile(chunk)
        await handle.sync()
      } finally {
        await handle.close()
      }
      const meta = await proveSnapshot(unverified)
      await rename(unverified, name)
      await syncDirectory(dirname(name))
      context.stdout(`Saved and verified snapshot to index ${meta.Index}\n`)
      return 0
    } catch (thrown) {
      await rm(unverified, { force: true })
      throw thrown
    }
  },
}

export const snapshotRestoreCommand: CommandSpec = {
  summary: 'Replace the state of the servers by that of a file',
  usage: 'FILE',
  flags: [...SERVER_FLAGS, ...API_FLAGS],
  run: async (args, context) => {
    const file = oneFile(args.positionals)
    const found = await stat(file).catch((cause) => {
      throw new FairleadError('NOT_FOUND', `Error opening snapshot file: ${cause.message}`, {
        cause,
      })
    })
    // The size is told before the first byte is sent, so pipes and devices cannot be sent.
    if (!found.isFile()) {
      throw new FairleadError('BAD_REQUEST', `Error opening snapshot file: "${file}" is not a file`)
    }
    await new ApiClient(args, context).upload(PATH, createReadStream(file), found.size)
    context.stdout('Restored snapshot\n')
    return 0
  },
}

export function oneFile(positionals: readonly string[]): string {
  const [file, ...more] = positionals
  if (file === undefined || file === '') throw new UsageError('Missing FILE argument')
  if (more.length > 0) {
    throw new UsageError(`Too many arguments (expected 1, got ${positionals.length})`)
  }
  return file
}

/** `backup.snap` with `version,dc` → `backup-1.21.4-dc1.snap`. */
async function withParts(file: string, parts: string, client: ApiClient): Promise<string> {
  let added = ''
  for (const part of parts.split(',').filter((text) => text !== '')) {
    if (part === 'version') added += `-${await leaderVersion(client)}`
    else if (part === 'dc') added += `-${await datacenterOf(client)}`
    else throw new UsageError(`-append-filename takes version and dc, got "${part}"`)
  }
  const slash = file.lastIndexOf('/')
  const dot = file.lastIndexOf('.')
  if (added === '' || dot <= slash + 1) return file + added
  return file.slice(0, dot) + added + file.slice(dot)
}

async function leaderVersion(client: ApiClient): Promise<string> {
  const state = (await client.get('/v1/operator/autopilot/state')).json() as {
    readonly Leader: string
    readonly Servers: Readonly<Record<string, { readonly Version: string }>>
  }
  return state.Servers[state.Leader]?.Version ?? 'unknown'
}

async function datacenterOf(client: ApiClient): Promise<string> {
  const self = (await client.get('/v1/agent/self')).json() as {
    readonly Config: { readonly Datacenter: string }
  }
  return self.Config.Datacenter
}
