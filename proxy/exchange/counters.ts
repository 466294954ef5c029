/**
 * What the proxy counts for its agent (core/mesh/proxy-control.ts `ProxyStats`); plain numbers, no look-ups.
 */

export interface ProxyCounters {
  inboundConnections: number
  outboundConnections: number
  requestsTotal: number
  requestsDenied: number
  requestsFailed: number
  retries: number
}

export function newCounters(): ProxyCounters {
  return {
    inboundConnections: 0,
    outboundConnections: 0,
    requestsTotal: 0,
    requestsDenied: 0,
    requestsFailed: 0,
    retries: 0,
  }
}
