/**
 * Config entries in their normal form: as they are stored and printed (mesh.md 7).
 */

import type { Json, JsonObject } from '../catalog/types.ts'
import { hasField, isObject, numberAt, objectAt, objectsIn, textAt } from './read-field.ts'

/** Objects that these kinds always print. */
const ALWAYS: JsonObject = { Expose: {}, MeshGateway: {}, TransparentProxy: {} }

export function inNormalForm(kind: string, body: JsonObject): JsonObject {
  switch (kind) {
    case 'service-defaults':
    case 'proxy-defaults':
      return { ...ALWAYS, ...body, ...lowered(body, 'Protocol') }
    case 'service-router':
      return { ...body, Routes: objectsIn(body, 'Routes').map(routeInNormalForm) }
    case 'service-splitter':
      return { ...body, Splits: objectsIn(body, 'Splits').map(splitInNormalForm) }
    case 'ingress-gateway':
      return {
        ...body,
        Listeners: objectsIn(body, 'Listeners').map((listener) => ({
          ...listener,
          Protocol: textAt(listener, 'Protocol').toLowerCase() || 'tcp',
        })),
      }
    case 'http-route':
      return { ...body, Rules: objectsIn(body, 'Rules').map(ruleInNormalForm) }
    default:
      return body
  }
}

function lowered(body: JsonObject, key: string): JsonObject {
  return hasField(body, key) ? { [key]: textAt(body, key).toLowerCase() } : {}
}

/** Methods are upper case. */
function routeInNormalForm(route: JsonObject): JsonObject {
  const match = objectAt(route, 'Match')
  const http = objectAt(match, 'HTTP')
  const methods = http?.['Methods']
  if (!isList(methods)) return route
  const upper = methods.map((method) =>
    typeof method === 'string' ? method.toUpperCase() : method,
  )
  return { ...route, Match: { ...match, HTTP: { ...http, Methods: upper } } }
}

/** Weights are in steps of 0.01. */
function splitInNormalForm(split: JsonObject): JsonObject {
  return { ...split, Weight: Math.round(numberAt(split, 'Weight') * 100) / 100 }
}

/** A path matches by its prefix unless it says otherwise; a service weighs at least 1. */
function ruleInNormalForm(rule: JsonObject): JsonObject {
  const matches = objectsIn(rule, 'Matches').map((match) => {
    const path = objectAt(match, 'Path')
    const kind = textAt(path, 'Match') || 'prefix'
    return { ...match, Path: { Match: kind, Value: textAt(path, 'Value') || '/' } }
  })
  const services = objectsIn(rule, 'Services').map((service) => {
    const weight = numberAt(service, 'Weight')
    return { ...service, Weight: weight <= 0 ? 1 : weight }
  })
  return {
    ...rule,
    ...(isObject(rule['Matches']) || matches.length > 0 ? { Matches: matches } : {}),
    ...(services.length > 0 ? { Services: services } : {}),
  }
}

function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value)
}
