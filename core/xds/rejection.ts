/**
 * What to do about an answer that Envoy refused, by what it says. Pure.
 */

const FIXES: readonly (readonly [pattern: RegExp, fix: string])[] = [
  [
    /address already in use|cannot bind|cannot assign/i,
    'another program holds the address, or this host does not have it: free it, or register the sidecar with another address or port',
  ],
  [
    /permission denied/i,
    'Envoy may not bind the port: use one above 1023, or give Envoy CAP_NET_BIND_SERVICE',
  ],
  [
    /no such field|unknown field|unknown extension|didn't find a registered|unable to unpack/i,
    'this Envoy does not know a setting it was sent: use a version of docs/reference/data-planes.md',
  ],
  [
    /certificate|private key|secret/i,
    'see whether the certificate authority works: fairlead connect ca get-config',
  ],
]

const OTHERWISE =
  'Envoy goes on with what it had; change what the message names (config entry, intention or registration)'

export function fixOf(reason: string): string {
  return FIXES.find(([pattern]) => pattern.test(reason))?.[1] ?? OTHERWISE
}
