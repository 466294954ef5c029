/**
 * `fairlead tap`: live requests through the proxy of this host, one a line, with filters.
 *
 * Exit codes: 0 when it was stopped by a signal or has shown as many as asked, 1 when the agent ended the stream.
 */

import { FairleadError } from '../../core/errors.ts'
import { TAP_RATE_DEFAULT, type TapEvent } from '../../core/exchange/tap.ts'
import { listenForSignals } from '../agent/signals.ts'
import { API_FLAGS, ApiClient } from '../api-client.ts'
import { type CommandSpec, flag, toggle, UsageError } from '../command.ts'

const STOPPED = new FairleadError('SHUTTING_DOWN', 'The tap has ended')
const FORMATS: readonly string[] = ['pretty', 'json']

type TapLine = TapEvent | { readonly Skipped: number } | { readonly Error: string }

export const tapCommand: CommandSpec = {
  summary: 'Show live requests through the proxy of this host',
  usage: '[SERVICE]',
  flags: [
    flag('to', 'service', 'only requests to this service'),
    flag('from', 'service', 'only requests of this service'),
    flag('direction', 'direction', 'inbound or outbound; both unless given'),
    flag('method', 'method', 'only requests with this method'),
    flag('path', 'prefix', 'only requests whose path begins so'),
    flag('status', 'status', 'a status, a class like 5xx, or error: 5xx and no answer'),
    flag('max-rps', 'count', `at most so many a second (default: ${TAP_RATE_DEFAULT})`),
    flag('count', 'count', 'end after so many'),
    toggle('headers', 'also the header fields of requests, without secrets; with -format=json'),
    flag('format', 'format', 'pretty or json (default: pretty)'),
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    const [service, ...more] = args.positionals
    if (more.length > 0) throw new UsageError('At most one service must be specified')
    const format = args.text('format') ?? 'pretty'
    if (!FORMATS.includes(format)) throw new UsageError('-format must be pretty or json')
    let left = Number(args.text('count') ?? Number.POSITIVE_INFINITY)
    if (!(left > 0)) throw new UsageError('-count must be a number above 0')
    const ending = new AbortController()
    const end = (): void => ending.abort(STOPPED)
    using _signals = listenForSignals({ onStop: end, onCut: end, onReload: () => {} })
    const query = {
      service,
      to: args.text('to'),
      from: args.text('from'),
      direction: args.text('direction'),
      method: args.text('method'),
      path: args.text('path'),
      status: args.text('status'),
      'max-rps': args.text('max-rps'),
      headers: args.bool('headers') ? 'true' : undefined,
    }
    const decoder = new TextDecoder()
    let rest = ''
    try {
      const client = new ApiClient(args, context)
      const stream = await client.download('/v1/agent/proxy/tap', query, ending.signal)
      for await (const bytes of stream) {
        const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) {
          const told = JSON.parse(line) as TapLine
          if ('Error' in told) throw new FairleadError('REJECTED', told.Error)
          if ('Skipped' in told) {
            context.stderr(`${told.Skipped} more were not shown\n`)
            continue
          }
          context.stdout(format === 'json' ? `${line}\n` : lineOf(told))
          left--
          if (left <= 0) return 0
        }
      }
    } catch (thrown) {
      if (ending.signal.aborted) return 0
      throw thrown
    }
    if (ending.signal.aborted) return 0
    context.stderr('The agent ended the tap: it stopped, or its proxy did\n')
    return 1
  },
}

/** `12:00:01.250  web → payments  GET /orders  200  3.2 ms  tls=TLSv1.3 route=/orders* to=10.0.0.2:21000` */
function lineOf(event: TapEvent): string {
  const arrow = event.Direction === 'outbound' ? '→' : '⇢'
  const facts = [
    event.TLS === '' ? '' : `tls=${event.TLS}`,
    event.Route === '' || event.Route === 'default' ? '' : `route=${event.Route}`,
    event.Upstream === '' ? '' : `to=${event.Upstream}`,
    event.Attempts > 1 ? `attempts=${event.Attempts}` : '',
    event.Flags === '' ? '' : `flags=${event.Flags}`,
    event.Details === 'via_upstream' ? '' : `because=${event.Details}`,
  ].filter((fact) => fact !== '')
  const status = event.Status === 0 ? '---' : String(event.Status)
  return (
    `${event.Time.slice(11, 23)}  ${event.Source} ${arrow} ${event.Destination}  ` +
    `${event.Method} ${event.Path}  ${status}  ${event.LatencyMs.toFixed(1)} ms  ${facts.join(' ')}\n`
  )
}
