/**
 * Address templates of configuration keys: `{{ GetPrivateIP }}` and its kin (agent-config.md section 8).
 *
 * Supports GetPrivateIP(s), GetPublicIP(s), GetInterfaceIP(s) "name" and plain text around them. Anything
 * else, pipelines above all, is a clear error. Pure: the host's interfaces are an argument.
 */

import { ipFamily, isLinkLocal, isLoopback, isPrivate, isPublic } from './ip-address.ts'

export interface HostInterface {
  readonly name: string
  readonly address: string
}

export type Expanded =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly message: string }

const TEMPLATE = /\{\{([^{}]*)\}\}/g
const CALL = /^(\w+)(?:\s+(?:"([^"]*)"|`([^`]*)`))?$/

/** @param interfaces in the order of preference: those of the default route first */
export function expandTemplate(text: string, interfaces: readonly HostInterface[]): Expanded {
  let message: string | undefined
  const expanded = text.replace(TEMPLATE, (whole, body: string) => {
    const found = evaluate(body.trim(), interfaces)
    if (!Array.isArray(found)) message ??= `${found} in ${JSON.stringify(whole)}`
    return Array.isArray(found) ? found.join(' ') : ''
  })
  if (message !== undefined) return { ok: false, message }
  if (expanded.includes('{{')) return { ok: false, message: 'unclosed "{{"' }
  return { ok: true, text: expanded.trim() }
}

/** The addresses, or what is wrong. */
function evaluate(call: string, interfaces: readonly HostInterface[]): readonly string[] | string {
  const match = CALL.exec(call)
  if (match === null) {
    return 'pipelines are not supported; write an address or {{ GetPrivateIP }}'
  }
  const name = match[1] ?? ''
  const argument = match[2] ?? match[3]
  const usable = interfaces.filter((i) => !isLinkLocal(i.address))
  switch (name) {
    case 'GetPrivateIP':
      return first(usable.filter((i) => ipFamily(i.address) === 4 && isPrivate(i.address)))
    case 'GetPrivateIPs':
      return usable.filter((i) => isPrivate(i.address)).map((i) => i.address)
    case 'GetPublicIP':
      return first(usable.filter((i) => isPublic(i.address)))
    case 'GetPublicIPs':
      return usable.filter((i) => isPublic(i.address)).map((i) => i.address)
    case 'GetInterfaceIP':
    case 'GetInterfaceIPs': {
      if (argument === undefined) return `${name} needs the name of an interface in quotes`
      const own = interfaces.filter((i) => i.name === argument)
      if (own.length === 0) {
        const names = [...new Set(interfaces.map((i) => i.name))].join(', ')
        return `there is no interface "${argument}" (there are: ${names})`
      }
      return name === 'GetInterfaceIP' ? first(own) : own.map((i) => i.address)
    }
    default:
      return `the function ${name} is not supported`
  }
}

function first(interfaces: readonly HostInterface[]): readonly string[] {
  const found = interfaces.find((i) => !isLoopback(i.address)) ?? interfaces[0]
  return found === undefined ? [] : [found.address]
}
