/**
 * A proxy process for the benchmark: `node proxy-process.ts <control socket> <mux|no-mux>`.
 *
 * The same `runProxy` that the program starts, without the command line and its logger around it.
 */

import { silentLogger } from '../../core/log.ts'
import { runProxy } from '../../proxy/main.ts'
import { systemClock } from '../../runtime/clock/system-clock.ts'
import { systemRng } from '../../runtime/random/system-random.ts'

const [controlSocket = '', mux = 'mux'] = process.argv.slice(2)
const log = { ...silentLogger, warn: console.error, error: console.error, child: () => log }
const proxy = await runProxy(
  { controlSocket, orphanTimeoutMs: 0, offerMux: mux === 'mux' },
  { clock: systemClock, rng: systemRng(), log },
)
process.on('SIGTERM', () => void proxy.stop())
