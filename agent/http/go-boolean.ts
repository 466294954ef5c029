/**
 * Booleans in query parameters, in the spellings that Consul takes (http-api.md 9.4).
 */

/** @returns undefined for any other text */
export function goBoolean(value: string): boolean | undefined {
  if (/^(?:1|t|T|TRUE|true|True)$/.test(value)) return true
  return /^(?:0|f|F|FALSE|false|False)$/.test(value) ? false : undefined
}
