/**
 * Rules of terminating-gateway (mesh.md 7.11).
 */

import type { JsonObject } from '../catalog/types.ts'
import { objectsIn, textAt } from './read-field.ts'

export function terminatingGatewayProblem(body: JsonObject): string | undefined {
  const seen = new Set<string>()
  for (const service of objectsIn(body, 'Services')) {
    const name = textAt(service, 'Name')
    if (name === '') return 'Service name cannot be blank.'
    if (seen.has(name)) return `Service "${name}" was specified more than once within a namespace`
    seen.add(name)
    const [ca, cert, key] = ['CAFile', 'CertFile', 'KeyFile'].map((f) => textAt(service, f) !== '')
    const isOneWay = ca === true && cert === false && key === false
    if ((ca || cert || key) && !isOneWay && !(ca && cert && key)) {
      return `Service "${name}" must have a CertFile, CAFile, and KeyFile specified for TLS origination`
    }
  }
  return undefined
}
