/**
 * The shape of a UUID, of any version.
 */

const UUID = /^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/

export function isUuid(text: string): boolean {
  return UUID.test(text)
}
