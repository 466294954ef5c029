/**
 * As whom a caller of the servers' RPC is taken, by how he speaks and what his certificate proves. Pure.
 *
 * `server` may do what servers ask of each other (Raft, forwarded calls); `client` what agents ask; `stranger` has proven
 * nothing and may only ask for a certificate. With `verify_server_hostname` only who has a certificate of the operator's own
 * authority for the name of servers is a server; certificates of the mesh authority make clients of agents, and
 * nothing of services. Without verification everybody is a server, as it was before TLS (docs/decisions/0041).
 */

export type PeerRole = 'server' | 'client' | 'stranger'

export interface PeerRules {
  /** Who proves nothing is refused. */
  readonly verifyIncoming: boolean
  readonly verifyServerHostname: boolean
}

export interface CertificateFacts {
  /** It is good, and an authority that is trusted stands behind it. */
  readonly isTrusted: boolean
  /** That authority is the operator's own, not that of the mesh. */
  readonly isOfOwnAuthority: boolean
  /** It is for the name of servers. */
  readonly hasServerName: boolean
  /** It names an agent of this mesh. */
  readonly isAgent: boolean
}

export interface Refusal {
  readonly why: string
  /** What to set, and where. */
  readonly hint: string
}

export type PeerVerdict = { readonly role: PeerRole } | { readonly refusal: Refusal }

export function judgePlain({ verifyIncoming }: PeerRules): PeerVerdict {
  if (!verifyIncoming) return SERVER
  return {
    refusal: {
      why: 'refused a caller that does not speak TLS',
      hint: 'set tls.internal_rpc.verify_outgoing on it, or verify_incoming = false here until all do',
    },
  }
}

/** @param certificate null for none */
export function judgeTls(certificate: CertificateFacts | null, rules: PeerRules): PeerVerdict {
  if (certificate === null) return unproven(rules)
  if (!certificate.isTrusted) {
    if (!rules.verifyIncoming) return unproven(rules)
    return {
      refusal: {
        why: 'refused a caller whose certificate is of no authority that is known here, or over',
        hint: 'give it a certificate of the authority in tls.internal_rpc.ca_file',
      },
    }
  }
  if (!certificate.isOfOwnAuthority) return certificate.isAgent ? CLIENT : unproven(rules)
  if (rules.verifyServerHostname && !certificate.hasServerName) return CLIENT
  return SERVER
}

const SERVER: PeerVerdict = { role: 'server' }
const CLIENT: PeerVerdict = { role: 'client' }
const STRANGER: PeerVerdict = { role: 'stranger' }

function unproven({ verifyIncoming, verifyServerHostname }: PeerRules): PeerVerdict {
  if (verifyIncoming) return STRANGER
  return verifyServerHostname ? CLIENT : SERVER
}
