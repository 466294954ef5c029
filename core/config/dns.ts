/**
 * The DNS part of the configuration (dns.md section 16).
 */

import type { DnsConfig } from './model.ts'
import type { RawReader } from './raw-reader.ts'

export function resolveDns(reader: RawReader): DnsConfig {
  const serviceTtls = Object.entries(reader.durations('dns_config.service_ttl'))
  return {
    allowStale: reader.bool('dns_config.allow_stale', true),
    maxStaleMs: reader.number('dns_config.max_stale', 87_600 * 3_600_000),
    nodeTtlSeconds: toSeconds(reader.number('dns_config.node_ttl', 0)),
    serviceTtlSeconds: Object.fromEntries(serviceTtls.map(([name, ms]) => [name, toSeconds(ms)])),
    onlyPassing: reader.bool('dns_config.only_passing', false),
    enableTruncate: reader.bool('dns_config.enable_truncate', false),
    udpAnswerLimit: reader.number('dns_config.udp_answer_limit', 3),
    aRecordLimit: reader.number('dns_config.a_record_limit', 0),
    disableCompression: reader.bool('dns_config.disable_compression', false),
    recursors: reader.list('recursors'),
    recursorTimeoutMs: reader.number('dns_config.recursor_timeout', 2_000, 1),
    recursorStrategy: resolveStrategy(reader),
    enableAdditionalNodeMetaTxt: reader.bool('dns_config.enable_additional_node_meta_txt', true),
    soa: {
      refresh: reader.number('dns_config.soa.refresh', 3_600),
      retry: reader.number('dns_config.soa.retry', 600),
      expire: reader.number('dns_config.soa.expire', 86_400),
      minTtl: reader.number('dns_config.soa.min_ttl', 0),
    },
  }
}

function resolveStrategy(reader: RawReader): 'sequential' | 'random' {
  const strategy = reader.text('dns_config.recursor_strategy', '')
  if (strategy === 'random') return 'random'
  if (strategy !== '' && strategy !== 'sequential') {
    reader.problem(
      'dns_config.recursor_strategy',
      `dns_config.recursor_strategy: invalid strategy: ${JSON.stringify(strategy)}`,
      'use "sequential" or "random"',
    )
  }
  return 'sequential'
}

function toSeconds(ms: number): number {
  return Math.floor(ms / 1_000)
}
