/**
 * Metrics of an agent: its requests to the servers, caches, DNS, and the proxy it supervises.
 */

import { counter, gauge, sample } from '../definition.ts'

export const AGENT_METRICS = {
  version: gauge('version', 'Always 1; what runs is in the labels', ['version', 'pre_release']),
  certificateEnd: gauge(
    'agent.tls.cert.expiry',
    'Seconds until the certificate for calls between agents ends',
  ),
  clientRpc: counter('client.rpc', 'Requests of this client agent to the servers'),
  clientRpcFailed: counter('client.rpc.failed', 'Requests to the servers that failed'),
  cacheHit: counter('cache.hit', 'Reads with `cached` that were answered from what was kept'),
  cacheMiss: counter('cache.miss', 'Reads with `cached` that had to be fetched'),
  cacheFetchError: counter('cache.fetch_error', 'Reads for the cache that failed'),
  cacheEntries: gauge('cache.entries_count', 'Answers that the cache keeps'),
  dnsQuery: sample('dns.domain_query', 'DNS questions that had to be worked out'),
  dnsQueries: counter('dns.queries', 'DNS questions, those answered from the cache included'),
  dnsCacheHits: counter('dns.cache_hits', 'DNS questions that were answered from the cache'),
  dnsDropped: counter('dns.dropped', 'DNS questions that were dropped because too many waited'),
  proxyStarts: counter('mesh.proxy.starts', 'Proxies that were started'),
  proxyLosses: counter('mesh.proxy.losses', 'Proxies that ended or hung up on their own'),
  proxyRunning: gauge('mesh.proxy.running', '1 while the proxy of this host is connected'),
  proxyProblems: gauge('mesh.proxy.listener_problems', 'Listeners that the proxy cannot open'),
} as const
