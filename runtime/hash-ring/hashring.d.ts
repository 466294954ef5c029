/**
 * Types of the part of `hashring` 3.2 that is used; the package brings none.
 */

declare module 'hashring' {
  export default class HashRing {
    constructor(
      servers: Readonly<Record<string, { readonly vnodes: number }>>,
      algorithm: string,
      options: { readonly 'max cache size': number },
    )
    get(key: string): string | undefined
  }
}
