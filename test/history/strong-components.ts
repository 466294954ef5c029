/**
 * Finds a cycle in a directed graph in linear time (Tarjan 1972), without recursion.
 */

/** @returns the nodes of one strongly connected component of more than one node, or null */
export function cycleOf(targets: readonly (readonly number[])[]): readonly number[] | null {
  const size = targets.length
  const order = new Int32Array(size)
  const low = new Int32Array(size)
  const isOpen = new Uint8Array(size)
  const edgeAt = new Int32Array(size)
  const open: number[] = []
  let counter = 0
  for (let root = 0; root < size; root++) {
    if (order[root] !== 0) continue
    const path = [root]
    while (path.length > 0) {
      const node = path.at(-1) as number
      if (order[node] === 0) {
        order[node] = low[node] = ++counter
        isOpen[node] = 1
        open.push(node)
      }
      const target = targets[node]?.[edgeAt[node] as number]
      if (target !== undefined) {
        edgeAt[node] = (edgeAt[node] as number) + 1
        if (order[target] === 0) path.push(target)
        else if (isOpen[target] === 1) {
          low[node] = Math.min(low[node] as number, order[target] as number)
        }
        continue
      }
      path.pop()
      const parent = path.at(-1)
      if (parent !== undefined) low[parent] = Math.min(low[parent] as number, low[node] as number)
      if (low[node] !== order[node]) continue
      const component = open.splice(open.lastIndexOf(node))
      for (const member of component) isOpen[member] = 0
      if (component.length > 1) return component
    }
  }
  return null
}
