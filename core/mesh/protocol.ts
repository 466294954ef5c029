/**
 * From a service's configured protocol to how the proxy treats it (proxy-snapshot.ts `ProxyProtocol`). Pure.
 */

import type { ProxyProtocol } from './proxy-snapshot.ts'

/** @param configured of the registration or of config entries; any case. Names that nobody knows are bytes. */
export function protocolOf(configured: string | undefined): ProxyProtocol {
  const name = configured?.toLowerCase() ?? ''
  switch (name) {
    case '':
      return 'auto'
    case 'http':
    case 'http2':
    case 'grpc':
      return name
    default:
      return 'tcp'
  }
}

/** Its applications, and instances behind other proxies than ours, speak HTTP/2. */
export function speaksHttp2(protocol: ProxyProtocol | undefined): boolean {
  return protocol === 'http2' || protocol === 'grpc'
}
