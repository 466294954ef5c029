/**
 * Times the state machine by kind of command, under Consul's names.
 *
 * Bound: one series for each kind of command and verb, whatever is written.
 */

import type { Command } from '../core/catalog/commands.ts'
import { FSM_METRICS } from '../core/metrics/catalogue/fsm.ts'
import type { Sample } from '../core/metrics/instruments.ts'
import type { Metrics } from '../core/metrics/metrics.ts'

export class FsmMetrics {
  readonly #metrics: Metrics
  readonly #samples = new Map<string, Sample | undefined>()

  constructor(metrics: Metrics) {
    this.#metrics = metrics
  }

  applied(command: Command, ms: number): void {
    const key = command.kind === 'kv' ? command.op.verb : command.kind
    if (!this.#samples.has(key)) this.#samples.set(key, this.#sampleOf(command))
    this.#samples.get(key)?.record(ms)
  }

  #sampleOf(command: Command): Sample | undefined {
    const metrics = this.#metrics
    const { kind } = command
    switch (kind) {
      case 'register':
        return metrics.sample(FSM_METRICS.register)
      case 'deregister':
        return metrics.sample(FSM_METRICS.deregister)
      case 'kv':
        return metrics.sample(FSM_METRICS.kvs, { op: command.op.verb })
      case 'txn':
        return metrics.sample(FSM_METRICS.txn)
      case 'session.create':
      case 'session.destroy':
        return metrics.sample(FSM_METRICS.session, { op: operationOf(kind) })
      case 'tombstone.reap':
        return metrics.sample(FSM_METRICS.tombstone, { op: 'reap' })
      case 'intention.set':
      case 'intention.replace':
      case 'intention.delete':
        return metrics.sample(FSM_METRICS.intention, { op: operationOf(kind) })
      case 'config.set':
      case 'config.delete':
        return metrics.sample(FSM_METRICS.configEntry, { op: operationOf(kind) })
      case 'ca.config.set':
      case 'ca.roots.set':
      case 'ca.revoke':
      case 'ca.reinstate':
      case 'ca.serial.take':
        return metrics.sample(FSM_METRICS.ca, { op: operationOf(kind) })
      case 'virtual-ip.set':
        return metrics.sample(FSM_METRICS.virtualIp, { op: operationOf(kind) })
      case 'autopilot.config.set':
        return metrics.sample(FSM_METRICS.autopilot)
      case 'coordinate.batch':
        return metrics.sample(FSM_METRICS.coordinate)
      case 'query.set':
      case 'query.delete':
        return metrics.sample(FSM_METRICS.query, { op: operationOf(kind) })
      case 'restore.begin':
      case 'restore.piece':
      case 'restore.end':
      case 'restore.abort':
        return metrics.sample(FSM_METRICS.restore, { op: operationOf(kind) })
      default:
        return undefined
    }
  }
}

/** What stands behind the first dot. */
function operationOf(kind: string): string {
  return kind.slice(kind.indexOf('.') + 1)
}
