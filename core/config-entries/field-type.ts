/**
 * The rough type of a field in a config entry, and what several kinds share.
 */

/** 'any' is opaque; the others are a scalar of JSON. */
export type FieldType =
  | 'any'
  | 'text'
  | 'flag'
  | 'integer'
  | 'number'
  /** A Go duration string, or nanoseconds. */
  | 'duration'
  | { readonly list: FieldType }
  /** Keys are data. */
  | { readonly map: FieldType }
  | { readonly fields: Fields }

export type Fields = Readonly<Record<string, FieldType>>

export const fields = (inner: Fields): FieldType => ({ fields: inner })
export const list = (of: FieldType): FieldType => ({ list: of })
export const map = (of: FieldType): FieldType => ({ map: of })

export const TEXTS = list('text')
export const TEXT_MAP = map('text')
export const HEADER_MODIFIERS = fields({ Add: TEXT_MAP, Set: TEXT_MAP, Remove: TEXTS })
