/**
 * One request through a proxy, when it is over: what access logs, spans and taps are made of.
 */

export interface ExchangeRecord {
  /** `outbound`: at the caller's proxy; `inbound`: at the called one's. */
  readonly direction: 'inbound' | 'outbound'
  /** Epoch ms. */
  readonly startedAt: number
  readonly durationMs: number
  /** To the head of the answer; undefined without one. */
  readonly responseStartMs: number | undefined
  readonly method: string
  /** As the caller asked for it, with the query. */
  readonly path: string
  readonly protocol: string
  /** 0: none, the caller went away. */
  readonly status: number
  /** Envoy's letters: UH, UF, UO, UT, UC, DC, NR, RL, UPE, URX, DI, FI. */
  readonly flags: readonly string[]
  /** Why it ended so, in Envoy's words. */
  readonly details: string
  /** Of the body. */
  readonly receivedBytes: number
  readonly sentBytes: number
  /** 1 for one that was sent once; 0 for one that was sent nowhere. */
  readonly attempts: number
  readonly source: string
  readonly destination: string
  readonly listener: string
  readonly route: string
  /** '' for none. */
  readonly cluster: string
  /** `address:port`, '' for none. */
  readonly upstreamHost: string
  readonly localAddress: string
  readonly remoteAddress: string
  /** Of a caller over mTLS; '' otherwise. */
  readonly peerUri: string
  readonly tlsVersion: string
  readonly serverName: string
  readonly failureReason: string
  readonly connectionId: number
  readonly traceId: string
  /** Fields by lower-case name; undefined when absent. */
  requestField(name: string): string | undefined
  responseField(name: string): string | undefined
}
