/**
 * One plain hop built from the proxy's own parts: `node plain-hop.ts <listen port> <application port>`.
 *
 * HTTP/1 in, HTTP/1 out, no TLS: what the reverse proxies of the comparison do in the same place.
 */

import { createServer } from 'node:net'
import { silentLogger } from '../../core/log.ts'
import { newCounters } from '../../proxy/exchange/counters.ts'
import { HttpDate } from '../../proxy/http1/replies.ts'
import { Http1ServerConnection } from '../../proxy/http1/server-connection.ts'
import { IdleSweep } from '../../proxy/sockets/idle-sweep.ts'
import { Turn } from '../../proxy/sockets/turn.ts'
import { Wire } from '../../proxy/sockets/wire.ts'
import { AppTarget } from '../../proxy/upstream/app-target.ts'
import { systemClock } from '../../runtime/clock/system-clock.ts'

const [listenPort = '0', appPort = '0'] = process.argv.slice(2)
const clock = systemClock
const sweep = new IdleSweep(clock)
const turn = new Turn()
const date = new HttpDate(() => clock.wall())
sweep.start()
const target = new AppTarget(
  {
    address: { address: '127.0.0.1', port: Number(appPort) },
    protocol: 'http',
    connectTimeoutMs: 1000,
    responseTimeoutMs: 15_000,
    connectionsMax: 0,
    concurrency: undefined,
  },
  { clock, turn, sweep, date, log: silentLogger, counters: newCounters() },
)
const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
  new Http1ServerConnection(
    new Wire(socket, turn, 'data'),
    {
      normalisePaths: true,
      open: (head, caller) => target.open(head, caller),
      onConnectionClosed: () => {},
    },
    { sweep, date },
  )
})
server.listen(Number(listenPort), '127.0.0.1')
