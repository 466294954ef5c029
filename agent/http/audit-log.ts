/**
 * Who asked what of the HTTP API, and what came of it: one line of JSON a request, when its answer is over
 * (the shape is that of Consul Enterprise's audit log).
 *
 * Guarantees: a request does not wait for its line, nor for who asked to be looked up; no secret is written, and neither is the
 * query string, in which one may stand. Lines that cannot be written are counted and told in the log. Requests that no
 * route takes are left out.
 */

import type { Logger } from '../../core/log.ts'
import type { Clock, WallTime } from '../../core/time.ts'
import type { HttpCall } from './call.ts'

const USER_AGENT_LENGTH_MAX = 256

export interface AuditOutcome {
  /** Of the answer; 0 when none was sent. */
  readonly status: number
  /** Address and port of who asked. */
  readonly connection: string
  /** When the request came. */
  readonly beganAt: WallTime
}

export interface AuditSink {
  write(line: string): void
  /** Lines that were lost since the last call. */
  takeDropped(): number
}

export class AuditLog {
  readonly #sink: AuditSink
  readonly #clock: Clock
  readonly #log: Logger
  #count = 0

  constructor(sink: AuditSink, deps: { readonly clock: Clock; readonly log: Logger }) {
    this.#sink = sink
    this.#clock = deps.clock
    this.#log = deps.log
  }

  record(call: HttpCall, outcome: AuditOutcome): void {
    const endedAt = this.#clock.wall()
    call.bearer().then(
      (bearer) => this.#write(call, outcome, { endedAt, accessor: bearer?.accessorId }),
      () => this.#write(call, outcome, { endedAt, accessor: '' }),
    )
  }

  #write(
    call: HttpCall,
    { status, connection, beganAt }: AuditOutcome,
    {
      endedAt,
      accessor,
    }: {
      readonly endedAt: WallTime
      /** '' for a secret of no token, undefined without access control. */
      readonly accessor: string | undefined
    },
  ): void {
    this.#count += 1
    const line = {
      created_at: new Date(endedAt).toISOString(),
      event_type: 'audit',
      payload: {
        id: `${beganAt.toString(36)}-${this.#count.toString(36)}`,
        version: '1',
        type: 'HTTPEvent',
        timestamp: new Date(beganAt).toISOString(),
        auth: { accessor_id: accessor ?? '', is_known: accessor !== '' },
        request: {
          operation: call.method,
          endpoint: call.path,
          remote_addr: connection,
          forwarded_for: call.header('x-forwarded-for') ?? '',
          user_agent: (call.header('user-agent') ?? '').slice(0, USER_AGENT_LENGTH_MAX),
          host: call.header('host') ?? '',
        },
        stage: 'OperationComplete',
        response: { status: String(status), duration_ms: endedAt - beganAt },
      },
    }
    this.#sink.write(`${JSON.stringify(line)}\n`)
    const dropped = this.#sink.takeDropped()
    if (dropped > 0) this.#log.error('lines of the audit log were lost', { dropped })
  }
}
