/**
 * The TLS part of the configuration: inheritance, old keys, and what is refused with which words.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { cipherSuites } from '../../../../core/config/cipher-suites.ts'
import { decodeDocument } from '../../../../core/config/decode.ts'
import { type HostFacts, resolveConfig } from '../../../../core/config/resolve.ts'

const HOST: HostFacts = { hostname: 'vm-a', interfaces: [], pathKind: () => 'missing' }
const FILES = 'ca_file = "ca.pem" cert_file = "c.pem" key_file = "k.pem"'

function resolve(text: string, role = 'server = true bootstrap_expect = 1') {
  const base = `data_dir = "/d" bind_addr = "127.0.0.1" ${role}\n`
  const decoded = decodeDocument(`${base}${text}`, 'hcl', 'a.hcl')
  const resolved = resolveConfig(decoded.raw, false, HOST)
  return {
    config: resolved.config,
    tls: resolved.config.tls,
    messages: [...decoded.problems, ...resolved.problems].map((problem) => problem.message),
    warnings: [...decoded.warnings, ...resolved.warnings],
  }
}

describe('stanzas of TLS', () => {
  it('take from the defaults what they do not say themselves', () => {
    const { tls, messages } = resolve(
      `tls { defaults { ${FILES} } https { cert_file = "h.pem" key_file = "hk.pem" } }`,
    )
    assert.deepEqual(messages, [])
    assert.equal(tls.https.certFile, 'h.pem')
    assert.equal(tls.https.caFile, 'ca.pem')
    assert.equal(tls.grpc.certFile, 'c.pem')
    assert.equal(tls.internalRpc.caFile, 'ca.pem')
    assert.equal(tls.internalRpc.serverName, 'server.dc1.consul')
  })

  it('speak 1.3 between agents and 1.2 with others, unless told', () => {
    const { tls } = resolve('')
    assert.equal(tls.internalRpc.minVersion, 'TLSv1.3')
    assert.equal(tls.https.minVersion, 'TLSv1.2')
    const told = resolve(
      'tls { defaults { tls_min_version = "TLSv1_3" } internal_rpc { tls_min_version = "TLSv1_2" } }',
    )
    assert.equal(told.tls.internalRpc.minVersion, 'TLSv1.2')
    assert.equal(told.tls.grpc.minVersion, 'TLSv1.3')
    assert.deepEqual(resolve('tls { https { tls_min_version = "TLSv1_0" } }').messages, [
      'tls.https.tls_min_version: "TLSv1_0" is broken and not offered',
    ])
  })

  it('know old keys, which are translated with a warning', () => {
    const { tls, warnings, messages } = resolve(
      'ca_file = "ca.pem"\ncert_file = "c.pem"\nkey_file = "k.pem"\nverify_incoming_https = true',
    )
    assert.deepEqual(messages, [])
    assert.equal(tls.https.verifyIncoming, true)
    assert.equal(tls.grpc.keyFile, 'k.pem')
    assert(
      warnings.includes(
        "The 'verify_incoming_https' field is deprecated. Use the 'tls.https.verify_incoming' field instead.",
      ),
    )
  })

  it('refuse keys where they mean nothing, in the words that Consul has', () => {
    const { messages } = resolve(
      `tls { defaults { ${FILES} } grpc { verify_outgoing = true verify_server_hostname = true } https { use_auto_cert = true } }`,
    )
    assert.deepEqual(messages, [
      'verify_outgoing is not valid in the tls.grpc stanza',
      'verify_server_hostname is only valid in the tls.defaults and tls.internal_rpc stanzas',
      'use_auto_cert is only valid in the tls.grpc stanza',
    ])
  })

  it('refuse to verify without authorities, and to serve without a certificate', () => {
    assert.deepEqual(resolve('tls { https { verify_incoming = true } }').messages, [
      'tls.https.verify_incoming is set, and no authority to check certificates with',
    ])
    assert.deepEqual(resolve('ports { https = 8501 grpc_tls = 8503 }').messages, [
      'ports.https is set, and tls.https has no certificate to serve with',
      'ports.grpc_tls is set, and tls.grpc has no certificate to serve with',
    ])
    assert.deepEqual(resolve('tls { grpc { cert_file = "c.pem" } }').messages, [
      'tls.grpc: cert_file is set, and key_file is not',
    ])
  })

  it('name the port that gRPC over TLS needs', () => {
    const { messages } = resolve(`ports { grpc = 8502 grpc_tls = -1 } tls { grpc { ${FILES} } }`)
    assert.match(messages[0] ?? '', /Use `ports\.grpc_tls` instead/)
    assert.equal(resolve(`tls { defaults { ${FILES} } }`).config.ports.grpcTls, 8503)
    const client = resolve(`tls { defaults { ${FILES} } }`, '')
    assert.equal(client.config.ports.grpcTls, -1)
  })
})

describe('cipher suites', () => {
  it('are translated, and refused beside a minimum of 1.3', () => {
    const suites = 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384'
    assert.equal(
      resolve(`tls { https { tls_cipher_suites = "${suites}" } }`).tls.https.ciphers,
      'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384',
    )
    const both = `tls { https { tls_cipher_suites = "${suites}" tls_min_version = "TLSv1_3" } }`
    assert.deepEqual(resolve(both).messages, [
      'tls.https.tls_cipher_suites cannot be set when the minimum is TLSv1_3',
    ])
  })

  it('that keep no secrets are unknown', () => {
    assert.deepEqual(cipherSuites('TLS_RSA_WITH_RC4_128_SHA, ').unknown, [
      'TLS_RSA_WITH_RC4_128_SHA',
    ])
  })
})
