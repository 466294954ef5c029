/**
 * `fairlead monitor`: the log of the agent as it is written, at any level (cli.md section 7).
 *
 * Exit codes: 0 when it was stopped by a signal, 1 when the agent ended the stream.
 */

import { FairleadError } from '../../core/errors.ts'
import { listenForSignals } from '../agent/signals.ts'
import { API_FLAGS, ApiClient } from '../api-client.ts'
import { type CommandSpec, flag, toggle } from '../command.ts'

const STOPPED = new FairleadError('SHUTTING_DOWN', 'The monitor has ended')
const REMOTE_ENDED =
  'Remote side ended the monitor! This usually means that the\nremote side has exited or crashed.\n'

export const monitorCommand: CommandSpec = {
  summary: 'Show the log of the agent as it is written',
  usage: '',
  flags: [
    flag('log-level', 'level', 'trace, debug, info, warn or error (default: info)'),
    toggle('log-json', 'one JSON object a line'),
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    const ending = new AbortController()
    const end = (): void => ending.abort(STOPPED)
    using _signals = listenForSignals({ onStop: end, onCut: end, onReload: () => {} })
    const query = {
      loglevel: args.text('log-level'),
      logjson: args.bool('log-json') ? '' : undefined,
    }
    const decoder = new TextDecoder()
    try {
      const client = new ApiClient(args, context)
      const lines = await client.download('/v1/agent/monitor', query, ending.signal)
      for await (const bytes of lines) context.stdout(decoder.decode(bytes, { stream: true }))
    } catch (thrown) {
      if (ending.signal.aborted) return 0
      // What came before it was cut has been shown.
      if (thrown instanceof FairleadError) throw thrown
    }
    if (ending.signal.aborted) return 0
    context.stderr(REMOTE_ENDED)
    return 1
  },
}
