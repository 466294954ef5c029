/**
 * The mesh part of the configuration (mesh.md section 4.5).
 */

import type { Json, JsonObject } from '../catalog/types.ts'
import { formatDurationMs } from '../duration.ts'
import { GossipKey } from '../swim/gossip-key.ts'
import type { AgentConfig } from './model.ts'
import type { RawReader } from './raw-reader.ts'
import { isUuid } from './uuid.ts'

const PROVIDERS: readonly string[] = ['consul', 'files', 'command', 'vault']
const HOUR_MS = 3_600_000
const SEALING_KEY_BYTES = 32
/** Of the providers `files` and `vault`. */
const PROVIDER_TEXTS: readonly (readonly [string, string])[] = [
  ['signing_cert_file', 'SigningCertFile'],
  ['signing_key_file', 'SigningKeyFile'],
  ['passphrase_file', 'PassphraseFile'],
  ['root_file', 'RootFile'],
  ['address', 'Address'],
  ['token', 'Token'],
  ['root_pki_path', 'RootPKIPath'],
  ['intermediate_pki_path', 'IntermediatePKIPath'],
  ['namespace', 'Namespace'],
  ['ca_file', 'CAFile'],
  ['tls_server_name', 'TLSServerName'],
]
const PREFIX = 'connect.ca_config'

export function resolveConnect(reader: RawReader): AgentConfig['connect'] {
  const provider = reader.text('connect.ca_provider', 'consul')
  if (!PROVIDERS.includes(provider)) {
    reader.problem(
      'connect.ca_provider',
      `connect.ca_provider "${provider}" is not supported`,
      'use "consul", the built-in authority, "files", "command" or "vault"',
    )
  }
  const clusterId = reader.text(`${PREFIX}.cluster_id`, '')
  if (clusterId !== '' && !isUuid(clusterId)) {
    reader.problem(
      `${PREFIX}.cluster_id`,
      `${PREFIX}.cluster_id "${clusterId}" is not a UUID`,
      'remove it to have one made',
    )
  }
  const leafCertTtlMs = resolveLeafTtl(reader)
  const rootCertTtlMs = resolveRootTtl(reader, leafCertTtlMs)
  const caConfig = resolveCaConfig(reader, leafCertTtlMs, rootCertTtlMs)
  return {
    enabled: reader.bool('connect.enabled', true),
    leafCertTtlMs,
    rootCertTtlMs,
    clusterId,
    caProvider: provider,
    caCommand: reader.list(`${PREFIX}.command`),
    leafChangeSpreadMs: reader.number('connect.test_ca_leaf_root_change_spread', 30_000, 1),
    caSealingKeys: resolveSealingKeys(reader),
    ...(caConfig === undefined ? {} : { caConfig }),
  }
}

function resolveLeafTtl(reader: RawReader): number {
  const key = `${PREFIX}.leaf_cert_ttl`
  const ms = reader.number(key, 72 * HOUR_MS, Number.MIN_SAFE_INTEGER)
  const text = formatDurationMs(ms)
  if (ms < HOUR_MS) {
    reader.problem(
      key,
      `${key}: leaf cert TTL must be greater or equal than 1h0m0s, got ${text}`,
      'use 1h to 8760h; the default is 72h',
    )
  } else if (ms > 8_760 * HOUR_MS) {
    reader.problem(
      key,
      `${key}: leaf cert TTL must be less than 8760h0m0s, got ${text}`,
      'use 1h to 8760h; the default is 72h',
    )
  }
  return ms
}

function resolveRootTtl(reader: RawReader, leafCertTtlMs: number): number {
  const key = `${PREFIX}.root_cert_ttl`
  const ms = reader.number(key, 87_600 * HOUR_MS, Number.MIN_SAFE_INTEGER)
  if (ms < 3 * leafCertTtlMs) {
    reader.problem(
      key,
      `${key}: ${formatDurationMs(ms)} is less than three times the life of a leaf`,
      'use a longer one; the default is 87600h',
    )
  }
  return ms
}

function resolveIntermediateTtl(reader: RawReader): string {
  const key = `${PREFIX}.intermediate_cert_ttl`
  return formatDurationMs(reader.number(key, 8_760 * HOUR_MS, 3 * HOUR_MS))
}

function resolveSealingKeys(reader: RawReader): readonly GossipKey[] {
  const name = 'connect.ca_sealing_keys'
  return reader.list(name).flatMap((text, i) => {
    const key = GossipKey.fromText(text)
    if (key instanceof GossipKey && key.bytes.length === SEALING_KEY_BYTES) return [key]
    reader.problem(
      name,
      `${name}[${i}] is not ${SEALING_KEY_BYTES} bytes of base64`,
      'make a key with fairlead keygen',
    )
    return []
  })
}

/** What is given, in the API's spelling; undefined when nothing is. */
function resolveCaConfig(
  reader: RawReader,
  leafCertTtlMs: number,
  rootCertTtlMs: number,
): JsonObject | undefined {
  const given: [string, string, () => Json][] = [
    ['leaf_cert_ttl', 'LeafCertTTL', () => formatDurationMs(leafCertTtlMs)],
    ['root_cert_ttl', 'RootCertTTL', () => formatDurationMs(rootCertTtlMs)],
    ['private_key_type', 'PrivateKeyType', () => resolveKeyType(reader)],
    ['private_key_bits', 'PrivateKeyBits', () => resolveKeyBits(reader)],
    ['private_key', 'PrivateKey', () => reader.text(`${PREFIX}.private_key`, '')],
    ['root_cert', 'RootCert', () => resolveRootCert(reader)],
    ['intermediate_cert_ttl', 'IntermediateCertTTL', () => resolveIntermediateTtl(reader)],
    [
      'csr_max_per_second',
      'CSRMaxPerSecond',
      () => reader.number(`${PREFIX}.csr_max_per_second`, 50),
    ],
    [
      'csr_max_concurrent',
      'CSRMaxConcurrent',
      () => reader.number(`${PREFIX}.csr_max_concurrent`, 0),
    ],
    ...PROVIDER_TEXTS.map(([name, spelled]): [string, string, () => Json] => [
      name,
      spelled,
      () => reader.text(`${PREFIX}.${name}`, ''),
    ]),
    ['tls_skip_verify', 'TLSSkipVerify', () => reader.bool(`${PREFIX}.tls_skip_verify`, false)],
    ['skip_validate', 'SkipValidate', () => reader.bool(`${PREFIX}.skip_validate`, false)],
  ]
  const pairs = given
    .filter(([name]) => reader.has(`${PREFIX}.${name}`))
    .map(([, spelled, value]): [string, Json] => [spelled, value()])
  return pairs.length === 0 ? undefined : Object.fromEntries(pairs)
}

function resolveKeyType(reader: RawReader): string {
  const key = `${PREFIX}.private_key_type`
  const type = reader.text(key, 'ec')
  if (type !== 'ec' && type !== 'rsa') {
    reader.problem(
      key,
      `${key}: private key type must be either 'ec' or 'rsa', got "${type}"`,
      'use "ec"',
    )
  }
  return type
}

function resolveKeyBits(reader: RawReader): number {
  const key = `${PREFIX}.private_key_bits`
  const bits = reader.number(key, 256)
  const isRsa = reader.text(`${PREFIX}.private_key_type`, 'ec') === 'rsa'
  const allowed = isRsa ? [2048, 4096] : [224, 256, 384, 521]
  if (!allowed.includes(bits)) {
    const message = isRsa
      ? 'RSA key length must be 2048 or 4096 bits'
      : 'EC key length must be one of (224, 256, 384, 521) bits'
    reader.problem(key, `${key}: ${message}, got ${bits}`, `use ${isRsa ? 2048 : 256}`)
  }
  return bits
}

function resolveRootCert(reader: RawReader): string {
  const cert = reader.text(`${PREFIX}.root_cert`, '')
  if (cert !== '' && reader.text(`${PREFIX}.private_key`, '') === '') {
    reader.problem(
      `${PREFIX}.root_cert`,
      `${PREFIX}: must provide a private key when providing a root cert`,
      `set ${PREFIX}.private_key too`,
    )
  }
  return cert
}
