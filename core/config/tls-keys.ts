/**
 * Keys of TLS (agent-config.md section 6). A stanza takes from `tls.defaults` what it does not say itself.
 */

import { type KeyLeaf, type KeyTable, key, unsupported } from './key-table.ts'

const RELOAD = true

function stanza(extra: Readonly<Record<string, KeyLeaf>>): KeyTable {
  return {
    ca_file: key('string', '', 'Certificate authorities, PEM', RELOAD),
    ca_path: key('string', '', 'Folder of certificate authorities, PEM', RELOAD),
    cert_file: key(
      'string',
      '',
      'Own certificate, and what is between it and the authority',
      RELOAD,
    ),
    key_file: key('string', '', 'Key of cert_file, PEM', RELOAD),
    tls_min_version: key(
      'string',
      'TLSv1_2 (TLSv1_3 between agents)',
      'The least version of TLS: TLSv1_2 or TLSv1_3',
    ),
    tls_cipher_suites: key(
      'string',
      '',
      'Suites for TLS 1.2 by their names in Go, separated by commas',
    ),
    verify_incoming: key(
      'bool',
      'false',
      'Refuse callers without a certificate of the authorities; between agents also those without TLS',
    ),
    ...extra,
  }
}

const OUTGOING = {
  verify_outgoing: key('bool', 'false', 'Speak TLS to servers, and check their certificates'),
}
const HOSTNAME = {
  verify_server_hostname: key(
    'bool',
    'false',
    'Only who has a certificate for server.<datacenter>.<domain> is a server; implies verify_outgoing',
  ),
}
/** Known everywhere, so that it can be refused where it means nothing in words of its own. */
const AUTO_CERT = {
  use_auto_cert: key('bool', 'false', 'Serve gRPC with the certificate of auto_encrypt'),
}
const SERVER_NAME = key(
  'string',
  'server.<datacenter>.<domain>',
  'Name expected in the certificates of servers',
)

const ALL = { ...OUTGOING, ...HOSTNAME, ...AUTO_CERT }

export const TLS_KEYS: KeyTable = {
  defaults: { group: stanza(ALL) },
  internal_rpc: { group: { ...stanza(ALL), server_name: SERVER_NAME } },
  https: { group: stanza(ALL) },
  grpc: { group: stanza(ALL) },
  authority_key_file: key(
    'string',
    '',
    'On servers: key of the authority in ca_file; with it further servers can join by token',
  ),
  server_name: unsupported('string', 'Write it into tls.internal_rpc'),
}

export const AUTO_ENCRYPT_KEYS: KeyTable = {
  tls: key('bool', 'false', 'On clients: get a certificate from the servers, and renew it'),
  allow_tls: key('bool', 'false', 'On servers: give clients certificates of the mesh authority'),
  dns_san: key('strings', '[]', 'Further names in the certificate; localhost is always in it'),
  ip_san: key(
    'strings',
    '[]',
    'Further addresses in the certificate; 127.0.0.1 and ::1 always are',
  ),
}
