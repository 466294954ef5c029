/**
 * Rules of service-resolver (mesh.md 7.6); those of its balancer are in load-balancer.ts.
 */

import type { JsonObject } from '../catalog/types.ts'
import { compileFilter } from '../filter/compile.ts'
import { HEALTH_ENTRY_SCHEMA } from '../filter/schemas.ts'
import { loadBalancerProblem } from './load-balancer.ts'
import { failoverPolicyProblem, localityProblem } from './proxy-defaults.ts'
import {
  durationAt,
  hasField,
  listAt,
  objectAt,
  objectsIn,
  objectsUnder,
  textAt,
} from './read-field.ts'

const SUBSET_NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
const EVERY_SUBSET = '*'

export function serviceResolverProblem(name: string, body: JsonObject): string | undefined {
  const subsets = new Map(objectsUnder(body, 'Subsets'))
  const isSubset = (subset: string): boolean => subset === '' || subsets.has(subset)
  const fallback = textAt(body, 'DefaultSubset')
  const redirect = objectAt(body, 'Redirect')
  const failover = objectsUnder(body, 'Failover')
  if (redirect !== undefined && failover.length > 0) {
    return 'Redirect and Failover cannot both be set'
  }
  if (!isSubset(fallback)) return `DefaultSubset "${fallback}" is not a valid subset`
  return (
    subsetsProblem(subsets) ??
    redirectProblem(name, redirect, isSubset) ??
    failoverProblem(name, failover, isSubset) ??
    timeoutsProblem(body) ??
    localityProblem(objectAt(body, 'PrioritizeByLocality')) ??
    loadBalancerProblem(objectAt(body, 'LoadBalancer'))
  )
}

function subsetsProblem(subsets: ReadonlyMap<string, JsonObject>): string | undefined {
  for (const [name, subset] of subsets) {
    if (name === '') return 'Subset defined with empty name'
    if (!SUBSET_NAME.test(name)) {
      return `Subset "${name}" is invalid: it must be a DNS label of at most 63 lower-case letters, digits and hyphens`
    }
    const filter = textAt(subset, 'Filter')
    if (filter === '') continue
    const compiled = compileFilter(filter, HEALTH_ENTRY_SCHEMA)
    if (!compiled.ok) {
      return `Filter for subset "${name}" is not a valid expression: ${compiled.message}`
    }
  }
  return undefined
}

function redirectProblem(
  name: string,
  redirect: JsonObject | undefined,
  isSubset: (subset: string) => boolean,
): string | undefined {
  if (redirect === undefined) return undefined
  const service = textAt(redirect, 'Service')
  const subset = textAt(redirect, 'ServiceSubset')
  const peer = textAt(redirect, 'Peer')
  const datacenter = textAt(redirect, 'Datacenter')
  if (peer !== '' && (subset !== '' || datacenter !== '')) {
    return 'Redirect.Peer cannot be set with Redirect.{ServiceSubset,Datacenter}'
  }
  if (peer !== '' && textAt(redirect, 'Partition') !== '') {
    return 'Redirect.Partition cannot be set with Redirect.Peer'
  }
  const fields = ['Service', 'ServiceSubset', 'Namespace', 'Partition', 'Datacenter', 'Peer']
  if (![...fields, 'SamenessGroup'].some((field) => textAt(redirect, field) !== '')) {
    return 'Redirect is empty'
  }
  if (service === '') {
    for (const field of ['ServiceSubset', 'Namespace', 'Partition', 'Peer']) {
      if (textAt(redirect, field) !== '') {
        return `Redirect.${field} defined without Redirect.Service`
      }
    }
  }
  if (service === name && !isSubset(subset)) {
    return `Redirect.ServiceSubset "${subset}" is not a valid subset of "${service}"`
  }
  return undefined
}

function failoverProblem(
  name: string,
  failover: readonly (readonly [string, JsonObject])[],
  isSubset: (subset: string) => boolean,
): string | undefined {
  for (const [subset, section] of failover) {
    const bad = `Bad Failover["${subset}"]`
    if (subset !== EVERY_SUBSET && !isSubset(subset)) return `${bad}: not a valid subset subset`
    const problem = sectionProblem(name, section, isSubset) ?? targetsProblem(section)
    if (problem !== undefined) return `${bad}${problem}`
  }
  return undefined
}

function sectionProblem(
  name: string,
  section: JsonObject,
  isSubset: (subset: string) => boolean,
): string | undefined {
  const datacenters = listAt(section, 'Datacenters')
  const targets = objectsIn(section, 'Targets')
  const texts = ['Service', 'ServiceSubset', 'Namespace', 'SamenessGroup']
  const hasText = texts.some((field) => textAt(section, field) !== '')
  if (!hasText && datacenters.length === 0 && targets.length === 0) {
    return ': one of Service, ServiceSubset, Namespace, Targets, SamenessGroup, or Datacenters is required'
  }
  const policy = failoverPolicyProblem(objectAt(section, 'Policy'))
  if (policy !== undefined) return `: ${policy}`
  const service = textAt(section, 'Service')
  const subset = textAt(section, 'ServiceSubset')
  if (targets.length > 0) {
    const others: [string, boolean][] = [
      ['Datacenters', datacenters.length > 0],
      ['ServiceSubset', subset !== ''],
      ['Service', service !== ''],
    ]
    const clash = others.find(([, isSet]) => isSet)
    if (clash !== undefined) return `: Targets cannot be set with ${clash[0]}`
  }
  if ((service === '' || service === name) && !isSubset(subset)) {
    return `: ServiceSubset "${subset}" is not a valid subset of "${service || name}"`
  }
  if (datacenters.includes('')) return '.Datacenters: found empty datacenter'
  return undefined
}

function targetsProblem(section: JsonObject): string | undefined {
  for (const [i, target] of objectsIn(section, 'Targets').entries()) {
    const has = (field: string): boolean => textAt(target, field) !== ''
    const at = `.Targets[${i}]`
    if (has('Peer') && has('ServiceSubset')) return `${at}: Peer cannot be set with ServiceSubset`
    if (has('Peer') && has('Datacenter')) return `${at}: Peer cannot be set with Datacenter`
    if (has('Partition') && has('Peer')) return `${at}: Partition cannot be set with Peer`
    if (has('Partition') && has('Datacenter')) {
      return `${at}: Partition cannot be set with Datacenter`
    }
  }
  return undefined
}

function timeoutsProblem(body: JsonObject): string | undefined {
  for (const key of ['ConnectTimeout', 'RequestTimeout']) {
    if (hasField(body, key) && durationAt(body, key) < 0) {
      return `Bad ${key} '${String(body[key])}', must be >= 0`
    }
  }
  return undefined
}
