/**
 * Nominal types over primitives, so that a term is never passed where an index is meant.
 *
 * Each branded type has one constructor function beside its definition; `as` appears only there.
 */

declare const brand: unique symbol

export type Brand<T, B extends string> = T & { readonly [brand]: B }
