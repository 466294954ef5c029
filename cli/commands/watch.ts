/**
 * `fairlead watch`: prints something when it is there, or runs a program whenever it changes (cli.md section 6).
 */

import { indentJson } from '../../agent/http/wire/indent.ts'
import { FairleadError } from '../../core/errors.ts'
import type { WatchNews } from '../../core/watch/watch-progress.ts'
import {
  type WatchParameters,
  type WatchTarget,
  watchTarget,
} from '../../core/watch/watch-target.ts'
import { systemClock } from '../../runtime/clock/system-clock.ts'
import { runScript } from '../../runtime/handler/script-handler.ts'
import { listenForSignals } from '../agent/signals.ts'
import { API_FLAGS, ApiClient, SERVER_FLAGS } from '../api-client.ts'
import {
  type Arguments,
  type CliContext,
  type CommandSpec,
  flag,
  listFlag,
  toggle,
  UsageError,
} from '../command.ts'
import { followWatch } from '../watch/watch-loop.ts'

/** Types that need what only the agent's configuration can say. */
const CONFIG_ONLY = ['connect_roots', 'connect_leaf', 'agent_service']
const TEXTS = ['key', 'prefix', 'service', 'state', 'name', 'filter'] as const

export const watchCommand: CommandSpec = {
  summary: 'Print something, or run a program whenever it changes',
  usage: '[PROGRAM [ARGUMENTS...]]',
  flags: [
    flag('type', 'type', 'key, keyprefix, services, nodes, service, checks or event; required'),
    flag('key', 'key', 'the key; for key'),
    flag('prefix', 'prefix', 'the beginning of the keys; for keyprefix'),
    flag('service', 'name', 'the service; for service and checks'),
    listFlag('tag', 'tag', 'only instances with this tag, repeatable; for service'),
    toggle('passingonly', 'only healthy instances; for service'),
    flag('state', 'state', 'only checks in this state, any unless given; for checks'),
    flag('name', 'name', 'only events of this name; for event'),
    flag('filter', 'expression', 'only what the expression selects'),
    toggle('shell', 'run the program by a shell (default: true)'),
    ...SERVER_FLAGS,
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    const target = targetOf(args)
    const ending = new AbortController()
    const end = (): void => ending.abort(STOPPED)
    using _signals = listenForSignals({ onStop: end, onCut: end, onReload: () => {} })
    const program = programOf(args)
    try {
      await followWatch(target, {
        client: new ApiClient(args, context),
        clock: systemClock,
        signal: ending.signal,
        onFailure: (error, retryMs) => {
          // Without a program one answer is wanted, and now.
          if (program === null) ending.abort(error)
          else context.stderr(`Error: ${error.message}; trying again in ${retryMs / 1000}s\n`)
        },
        onNews: async (news) => {
          if (program !== null) return await handle(program, news, context, ending.signal)
          context.stdout(`${indentJson(news.json)}\n`)
          ending.abort(STOPPED)
        },
      })
    } catch (thrown) {
      if (thrown !== STOPPED) throw thrown
    }
    return 0
  },
}

const STOPPED = new FairleadError('SHUTTING_DOWN', 'The watch has ended')

function targetOf(args: Arguments): WatchTarget {
  const type = args.text('type') ?? ''
  if (CONFIG_ONLY.includes(type)) {
    throw new UsageError(`Type ${type} is not supported in the CLI tool`)
  }
  const texts = TEXTS.flatMap((name) => {
    const text = args.text(name)
    return text === undefined ? [] : [[name, text]]
  })
  const tag = args.list('tag')
  const given: WatchParameters = {
    type,
    ...Object.fromEntries(texts),
    ...(tag.length === 0 ? {} : { tag }),
    ...(args.has('passingonly') ? { passingonly: args.bool('passingonly') } : {}),
  }
  const result = watchTarget(given)
  if (!result.ok) throw new UsageError(result.message)
  return result.target
}

/** @returns null when what is found is to be printed */
function programOf(args: Arguments): readonly string[] | null {
  const { positionals } = args
  if (positionals.length === 0) return null
  const byShell = !args.has('shell') || args.bool('shell')
  return byShell ? ['/bin/sh', '-c', positionals.join(' ')] : positionals
}

/** @throws FairleadError REJECTED when the program fails: the watch is over then */
async function handle(
  args: readonly string[],
  { json, mark }: WatchNews,
  context: CliContext,
  signal: AbortSignal,
): Promise<void> {
  const env = { ...context.env, CONSUL_INDEX: mark }
  const run = { args, input: `${json}\n`, env, output: 'inherit', signal } as const
  let reason: string
  try {
    const { code, killedBy } = await runScript(run, { clock: systemClock })
    if (code === 0) return
    reason = killedBy === null ? `exit status ${code}` : `signal: ${killedBy}`
  } catch (thrown) {
    signal.throwIfAborted()
    reason = thrown instanceof Error ? thrown.message : String(thrown)
  }
  throw new FairleadError('REJECTED', `Error executing handler: ${reason}`)
}
