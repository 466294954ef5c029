/**
 * `fairlead kv put` and `fairlead kv delete` (cli.md section 5).
 */

import { API_FLAGS, ApiClient, SERVER_FLAGS } from '../api-client.ts'
import { type Arguments, type CommandSpec, flag, toggle, UsageError } from '../command.ts'
import { readData } from '../input.ts'
import { kvPath, normalKey } from '../kv-path.ts'

interface Outcome {
  readonly ok: boolean
  readonly message: string
}

export const kvPutCommand: CommandSpec = {
  summary: 'Write a key; DATA may be @file or - for standard input',
  usage: 'KEY [DATA]',
  flags: [
    toggle('acquire', 'take the lock on the key; needs -session'),
    toggle('base64', 'DATA is base64'),
    toggle('cas', 'write only if the key is still at -modify-index'),
    flag('flags', 'number', 'number kept beside the value'),
    flag('modify-index', 'index', 'index for -cas; 0: only if the key does not exist'),
    toggle('release', 'give the lock on the key back; needs -session'),
    flag('session', 'id', 'session that takes or gives the lock'),
    ...SERVER_FLAGS,
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    const [given = '', data = '', ...more] = args.positionals
    if (more.length > 0)
      throw new UsageError(`Too many arguments (expected 1 or 2, got ${more.length + 2})`)
    const key = normalKey(given)
    if (key === '') throw new UsageError('Missing KEY argument')
    const isLocking = args.bool('acquire') || args.bool('release')
    const session = args.text('session') ?? ''
    if (isLocking && session === '') {
      context.stderr('Error! Missing -session (required with -acquire and -release)\n')
      return 1
    }
    const bytes = await readData(data, context)
    const body = args.bool('base64') ? decodeBase64(bytes) : bytes
    const answer = await new ApiClient(args, context).put(kvPath(key), {
      body,
      query: {
        flags: args.text('flags'),
        cas: args.bool('cas') ? (args.text('modify-index') ?? '0') : undefined,
        acquire: args.bool('acquire') ? session : undefined,
        release: args.bool('release') ? session : undefined,
      },
    })
    const outcome = putOutcome(answer.text().trim() === 'true', key, args)
    if (outcome.ok) context.stdout(`${outcome.message}\n`)
    else context.stderr(`${outcome.message}\n`)
    return outcome.ok ? 0 : 1
  },
}

export const kvDeleteCommand: CommandSpec = {
  summary: 'Delete a key, or with -recurse all with this prefix',
  usage: 'KEY',
  flags: [
    toggle('cas', 'delete only if the key is still at -modify-index'),
    flag('modify-index', 'index', 'index for -cas'),
    toggle('recurse', 'delete every key with this prefix'),
    ...SERVER_FLAGS,
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    const key = normalKey(args.positionals[0] ?? '')
    const isCas = args.bool('cas')
    if (key === '' && !args.bool('recurse')) throw new UsageError('Missing KEY argument')
    if (args.has('modify-index') && !isCas) {
      throw new UsageError('Cannot specify -modify-index without -cas!')
    }
    if (isCas && args.bool('recurse'))
      throw new UsageError('Cannot specify both -cas and -recurse!')
    const answer = await new ApiClient(args, context).send(kvPath(key), {
      method: 'DELETE',
      query: {
        recurse: args.bool('recurse') ? '' : undefined,
        cas: isCas ? (args.text('modify-index') ?? '0') : undefined,
      },
    })
    if (answer.text().trim() !== 'true') {
      context.stderr(`Error! Did not delete key ${key}: CAS failed\n`)
      return 1
    }
    const what = args.bool('recurse') ? 'keys with prefix' : 'key'
    context.stdout(`Success! Deleted ${what}: ${key}\n`)
    return 0
  },
}

function putOutcome(ok: boolean, key: string, args: Arguments): Outcome {
  if (args.bool('acquire')) {
    return { ok, message: ok ? `Success! Lock acquired on: ${key}` : 'Error! Did not acquire lock' }
  }
  if (args.bool('release')) {
    return { ok, message: ok ? `Success! Lock released on: ${key}` : 'Error! Did not release lock' }
  }
  if (ok) return { ok, message: `Success! Data written to: ${key}` }
  const isCreate = (args.text('modify-index') ?? '0') === '0'
  const reason = isCreate ? 'CAS performed with index=0 and key already exists.' : 'CAS failed'
  return { ok, message: `Error! Did not write to ${key}: ${reason}` }
}

function decodeBase64(bytes: Uint8Array): Uint8Array {
  const text = Buffer.from(bytes).toString().trim()
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) {
    throw new UsageError('Error decoding base64 data')
  }
  return Buffer.from(text, 'base64')
}
