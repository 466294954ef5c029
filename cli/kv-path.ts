/**
 * The API path of a key: slashes stay, everything else is escaped; one leading slash is dropped.
 */

export function kvPath(key: string): string {
  return `/v1/kv/${normalKey(key).split('/').map(encodeURIComponent).join('/')}`
}

export function normalKey(key: string): string {
  return key.startsWith('/') ? key.slice(1) : key
}

export interface KvAnswer {
  readonly Key: string
  /** base64, null for an empty value. */
  readonly Value: string | null
  readonly Flags: number
  readonly LockIndex: number
  readonly Session?: string
  readonly CreateIndex: number
  readonly ModifyIndex: number
}
